"""Token losses and how they add up. B: responses, T: tokens of the longest one.

Sources: clipped ratio, PPO (arXiv 1707.06347); k3, http://joschu.net/blog/kl-approx.html; means over
sequences (GRPO, arXiv 2402.03300) and over tokens (DAPO, arXiv 2503.14476).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def clipped_policy_loss(
    logprob_BT: Tensor, old_logprob_BT: Tensor, advantage_B: Tensor, *, epsilon_low: float, epsilon_high: float
) -> Tensor:
    """-min(ratio * A, clip(ratio, 1 - epsilon_low, 1 + epsilon_high) * A), a token. Shape (B, T)."""
    ratio_BT = (logprob_BT - old_logprob_BT).exp()
    clipped_BT = ratio_BT.clamp(1 - epsilon_low, 1 + epsilon_high)
    return -torch.minimum(ratio_BT * advantage_B[:, None], clipped_BT * advantage_B[:, None])


def k3(logprob_BT: Tensor, reference_logprob_BT: Tensor) -> Tensor:
    """Non-negative, unbiased estimate of KL(policy || reference), a token, in nats."""
    difference_BT = reference_logprob_BT - logprob_BT
    return difference_BT.exp() - difference_BT - 1


def sequence_mean(lengths: Sequence[int]) -> list[float]:
    """Each response counts the same: a token weighs 1 / (its response's length * number of responses)."""
    return [1.0 / (length * len(lengths)) for length in lengths]


def token_mean(lengths: Sequence[int]) -> list[float]:
    """Each token counts the same: 1 / tokens of the whole update."""
    total = sum(lengths)
    return [1.0 / total for _ in lengths]


# An aggregation gives the weight of a token of each response, from the lengths of the WHOLE update: divided
# once, before the first forward, so that micro-batches add up to the large batch exactly.
AGGREGATIONS: dict[str, Callable[[Sequence[int]], list[float]]] = {
    "sequence_mean": sequence_mean,
    "token_mean": token_mean,
}
KL_ESTIMATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"k3": k3}
LOSSES: dict[str, Callable[..., Tensor]] = {"clip": clipped_policy_loss}
