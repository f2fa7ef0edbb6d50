"""Log-probabilities of responses that share one prompt, the prompt computed once under autograd.

B: responses, T: longest response, V: vocabulary. Gradients reach the prompt's keys and values through the
repeated cache, so the result equals that of running every prompt+response row by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from polymath.rollouts.policy import TokenScores


def score_responses(
    model: Any,
    prompt_ids: Sequence[int],
    responses: Sequence[Sequence[int]],
    *,
    temperature: float,
    with_entropy_gradient: bool = False,
) -> TokenScores:
    """Log-probability and entropy of every response token under logits / temperature."""
    ids_BT, mask_BT = pad_right(responses, model.device)
    prompt = torch.tensor([list(prompt_ids)], device=model.device)
    cache = DynamicCache(config=model.config)
    first_1V = model(input_ids=prompt, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
    logits_BTV = first_1V.expand(len(responses), -1)[:, None]
    if ids_BT.shape[1] > 1:
        cache.batch_repeat_interleave(len(responses))
        # Padding is on the right, so causal attention alone keeps it out of every real token.
        positions = torch.arange(len(prompt_ids), len(prompt_ids) + ids_BT.shape[1] - 1, device=model.device)
        rest_BTV = model(
            input_ids=ids_BT[:, :-1],
            position_ids=positions[None].expand(len(responses), -1),
            past_key_values=cache,
            use_cache=True,
        ).logits
        logits_BTV = torch.cat([logits_BTV, rest_BTV], dim=1)
    logits_BTV = logits_BTV.to(torch.promote_types(logits_BTV.dtype, torch.float32)) / temperature
    normalizer_BT = logits_BTV.logsumexp(-1)
    logprob_BT = logits_BTV.gather(2, ids_BT[:, :, None])[:, :, 0] - normalizer_BT
    with torch.set_grad_enabled(with_entropy_gradient and torch.is_grad_enabled()):
        entropy_BT = normalizer_BT - (logits_BTV.softmax(-1) * logits_BTV).sum(-1)
    return TokenScores(logprob_BT=logprob_BT * mask_BT, entropy_BT=entropy_BT * mask_BT, mask_BT=mask_BT)


def pad_right(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids padded on the right with 0, and the float mask of real tokens, both of shape (B, T)."""
    length = max(len(sequence) for sequence in sequences)
    ids = torch.zeros(len(sequences), length, dtype=torch.long)
    mask = torch.zeros(len(sequences), length)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(list(sequence))
        mask[row, : len(sequence)] = 1
    return ids.to(device), mask.to(device)
