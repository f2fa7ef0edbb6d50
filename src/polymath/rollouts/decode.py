"""Batched decoding with the prompt computed once.

N: distinct prompts, n: completions a prompt, R: rows still decoding (N * n at first).
Each prompt runs through the model once; its keys and values are repeated for its n rows. Rows that ended
leave the batch, so that late steps cost only what is unfinished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from polymath.rollouts.draws import penalise
from polymath.rollouts.policy import Sampling

# Dropping rows copies the cache; below this share of live rows the copy pays for itself.
COMPACT_BELOW = 0.8


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Token ids of one completion (end of sequence included), their log-probabilities, and whether it ended."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    has_ended: bool


@torch.no_grad()
def decode(
    model: Any, prompt_ids: Sequence[Sequence[int]], n: int, sampling: Sampling, seed: int, *, eos_ids: Sequence[int]
) -> list[list[Decoded]]:
    """n completions for each prompt. The model must be a causal LM of transformers, in evaluation mode."""
    device = model.device
    generator = torch.Generator(device=device).manual_seed(seed)
    ids_NP, mask_NP = pad_left(prompt_ids, device)
    cache = DynamicCache(config=model.config)
    positions_NP = (mask_NP.cumsum(-1) - 1).clamp(min=0)
    is_padded = not bool(mask_NP.all())
    logits_NV = model(
        input_ids=ids_NP,
        attention_mask=mask_NP if is_padded else None,
        position_ids=positions_NP,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    cache.batch_repeat_interleave(n)
    logits_RV = logits_NV.repeat_interleave(n, dim=0)
    mask_RP = mask_NP.repeat_interleave(n, dim=0)
    position_R = positions_NP[:, -1].repeat_interleave(n) + 1

    num_rows = len(prompt_ids) * n
    token_ids: list[list[int]] = [[] for _ in range(num_rows)]
    logprobs: list[list[float]] = [[] for _ in range(num_rows)]
    has_ended = [False] * num_rows
    row_R = torch.arange(num_rows, device=device)
    live_R = torch.ones(num_rows, dtype=torch.bool, device=device)
    eos = torch.tensor(list(eos_ids), device=device)

    for step in range(sampling.max_tokens):
        if sampling.repetition_penalty != 1:
            said = [[*prompt_ids[row // n], *token_ids[row]] for row in row_R.tolist()]
            logits_RV = penalise(logits_RV, said, sampling.repetition_penalty)
        token_R, logprob_R = choose_tokens(logits_RV, sampling, generator)
        ended_R = torch.isin(token_R, eos)
        _append(token_ids, logprobs, has_ended, row_R, live_R, token_R, logprob_R, ended_R)
        live_R = live_R & ~ended_R
        num_live = int(live_R.sum())
        if num_live == 0 or step + 1 == sampling.max_tokens:
            break
        if num_live < COMPACT_BELOW * len(live_R):
            keep = live_R.nonzero()[:, 0]
            cache.batch_select_indices(keep)
            row_R, token_R, position_R, mask_RP = row_R[keep], token_R[keep], position_R[keep], mask_RP[keep]
            live_R = live_R[keep]
        if is_padded:
            mask_RP = torch.cat([mask_RP, mask_RP.new_ones(len(mask_RP), 1)], dim=1)
        logits_RV = model(
            input_ids=token_R[:, None],
            attention_mask=mask_RP if is_padded else None,
            position_ids=position_R[:, None],
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
        position_R = position_R + 1

    rows = [
        Decoded(token_ids=tuple(ids), logprobs=tuple(scores), has_ended=ended)
        for ids, scores, ended in zip(token_ids, logprobs, has_ended, strict=True)
    ]
    return [rows[start : start + n] for start in range(0, num_rows, n)]


def choose_tokens(logits_RV: Tensor, sampling: Sampling, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The next token of each row and its log-probability under the distribution it was drawn from."""
    logits_RV = logits_RV.float()
    if sampling.temperature == 0:
        logprob_RV = logits_RV.log_softmax(-1)
        token_R = logits_RV.argmax(-1)
    else:
        logprob_RV = keep_likely(logits_RV / sampling.temperature, sampling).log_softmax(-1)
        token_R = torch.multinomial(logprob_RV.exp(), 1, generator=generator)[:, 0]
    return token_R, logprob_RV.gather(1, token_R[:, None])[:, 0]


def keep_likely(logits_RV: Tensor, sampling: Sampling) -> Tensor:
    """Set the logits outside top-k and outside the nucleus to minus infinity; the likeliest token always stays."""
    if sampling.top_k:
        kth_R1 = logits_RV.topk(min(sampling.top_k, logits_RV.shape[-1])).values[:, -1:]
        logits_RV = logits_RV.masked_fill(logits_RV < kth_R1, -torch.inf)
    if sampling.top_p < 1:
        sorted_RV, order_RV = logits_RV.sort(descending=True)
        probability_RV = sorted_RV.softmax(-1)
        # A token stays while the mass before it is below top_p.
        is_out_RV = probability_RV.cumsum(-1) - probability_RV >= sampling.top_p
        logits_RV = logits_RV.masked_fill(is_out_RV.scatter(1, order_RV, is_out_RV), -torch.inf)
    return logits_RV


def pad_left(sequences: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids padded on the left with 0, and the mask of real tokens, both of shape (N, longest)."""
    length = max(len(sequence) for sequence in sequences)
    ids = torch.zeros(len(sequences), length, dtype=torch.long)
    mask = torch.zeros(len(sequences), length, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, length - len(sequence) :] = torch.tensor(list(sequence))
        mask[row, length - len(sequence) :] = 1
    return ids.to(device), mask.to(device)


def _append(
    token_ids: list[list[int]],
    logprobs: list[list[float]],
    has_ended: list[bool],
    row_R: Tensor,
    live_R: Tensor,
    token_R: Tensor,
    logprob_R: Tensor,
    ended_R: Tensor,
) -> None:
    """Write this step's tokens of the live rows to where their completions are collected."""
    columns = (row_R.tolist(), live_R.tolist(), token_R.tolist(), logprob_R.tolist(), ended_R.tolist())
    for row, is_live, token, logprob, ended in zip(*columns, strict=True):
        if is_live:
            token_ids[row].append(token)
            logprobs[row].append(logprob)
            has_ended[row] = ended
