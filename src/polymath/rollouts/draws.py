"""Logits to tokens, with a random stream for every row.

R: rows, V: vocabulary, C: candidates. The distribution is that of `decode`: temperature, then top-k, then top-p.
A row's token depends on its logits and its own uniform number alone, so a draw can be repeated in any batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polymath.rollouts.policy import Sampling

# The nucleus is first looked for among so many tokens: sorting the whole vocabulary costs more than the model's step.
NUCLEUS_FIRST = 1024


def uniforms(seed: int, count: int) -> list[float]:
    """The first `count` numbers in [0, 1) of the stream with this seed; the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    numbers: list[float] = torch.rand(count, generator=generator, dtype=torch.float64).tolist()
    return numbers


def penalise(logits_RV: Tensor, said: Sequence[Sequence[int]], penalty: float) -> Tensor:
    """The logits with every token that a row has `said` made less likely: x / penalty above 0, x * penalty below.

    The rule of CTRL (arXiv 1909.05858), where a logit counts once however often its token was said.
    """
    logits_RV = logits_RV.clone()
    for row, tokens in enumerate(said):
        place = torch.tensor(sorted(set(tokens)), dtype=torch.long, device=logits_RV.device)
        value = logits_RV[row, place]
        logits_RV[row, place] = torch.where(value > 0, value / penalty, value * penalty)
    return logits_RV


def choose(logits_RV: Tensor, sampling: Sampling, uniform_R: Tensor | None) -> Tensor:
    """The next token of each row: the likeliest at temperature 0, else by inverting the distribution function."""
    if sampling.temperature == 0 or uniform_R is None:
        return logits_RV.float().argmax(-1)  # torch's argmax of bfloat16 is slower
    if logits_RV.device.type == "mps":  # has no float64
        logits_RV = logits_RV.cpu()
    token_RC, probability_RC = likely_tokens(logits_RV.float() / sampling.temperature, sampling)
    mass_RC = probability_RC.double().cumsum(-1)
    total_R1 = mass_RC[:, -1:]
    # Strictly below the total, so that the token found has a positive probability.
    target_R1 = torch.minimum(uniform_R.to(mass_RC.device)[:, None] * total_R1, total_R1.nextafter(total_R1 * 0))
    place_R1 = torch.searchsorted(mass_RC, target_R1, right=True)
    return (place_R1 if token_RC is None else token_RC.gather(1, place_R1))[:, 0]


def likely_tokens(logits_RV: Tensor, sampling: Sampling) -> tuple[Tensor | None, Tensor]:
    """The tokens that top-k and top-p keep, likeliest first (None: the vocabulary in order), and their probabilities.

    Tokens outside have probability 0; what is inside may sum to less than 1. Ties with the k-th token stay.
    """
    num_tokens = logits_RV.shape[-1]
    if not sampling.top_k and sampling.top_p >= 1:
        return None, logits_RV.softmax(-1)
    if sampling.top_k:
        kth_R1 = logits_RV.topk(min(sampling.top_k, num_tokens)).values[:, -1:]
        count = int((logits_RV >= kth_R1).sum(-1).max())
        sorted_RC, token_RC = logits_RV.topk(count)
        sorted_RC = sorted_RC.masked_fill(sorted_RC < kth_R1, -torch.inf)
        probability_RC = sorted_RC.softmax(-1)
    else:
        normalizer_R1 = logits_RV.logsumexp(-1, keepdim=True)
        for count in (min(NUCLEUS_FIRST, num_tokens), num_tokens):
            sorted_RC, token_RC = logits_RV.topk(count)
            probability_RC = (sorted_RC - normalizer_R1).exp()
            if bool((probability_RC.sum(-1) >= sampling.top_p).all()):
                break
    if sampling.top_p < 1:
        # A token stays while the mass before it is below top_p.
        is_out_RC = probability_RC.cumsum(-1) - probability_RC >= sampling.top_p
        probability_RC = probability_RC.masked_fill(is_out_RC, 0)
    return token_RC, probability_RC
