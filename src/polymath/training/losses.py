"""Losses of tokens, and how they add up. Any shape; U: responses, T: tokens of the longest one.

A policy loss is given for two unit advantages: what a token loses where its response is pushed up (A = 1), and where it
is pushed down (A = -1). Each grows in proportion to |A|, so that for an advantage A the loss is max(A, 0) times the
first plus max(-A, 0) times the second. Equal responses with different advantages are therefore computed once, with
their positive and their negative weights summed apart, though the clip treats the two differently.

Sources: clipped ratio, PPO (arXiv 1707.06347); both bounds apart, DAPO (2503.14476); dual clip (1912.09729); GSPO
(2507.18071); CISPO (2506.13585); KL-Cov (2505.22617); mirror descent, Kimi k1.5 (2501.12599); estimators of the KL
divergence, http://joschu.net/blog/kl-approx.html.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from polymath.recipe import LossSection

# Log-ratios are clamped to this before they are put into exp, as in verl.
MAX_LOG_RATIO = 20.0


@dataclass(frozen=True, kw_only=True)
class PolicyLoss:
    """Loss of each token for a unit advantage up and down, and where the clip leaves no gradient."""

    up: Tensor
    down: Tensor
    is_clipped_up: Tensor
    is_clipped_down: Tensor


def clip(logprob: Tensor, old_logprob: Tensor, settings: LossSection) -> PolicyLoss:
    """-min(ratio * A, clip(ratio, 1 - epsilon_low, 1 + epsilon_high) * A).

    With `dual_clip` c, a token that is pushed down loses c * |A| at most.
    """
    return _clipped(_ratio(logprob, old_logprob), settings)


def gspo(logprob_UT: Tensor, old_logprob_UT: Tensor, settings: LossSection, mask_UT: Tensor) -> PolicyLoss:
    """The clip on the ratio of whole responses, length-normalised: exp(mean over tokens of the log-ratio).

    Every token of a response carries the same ratio, and the gradient of its own log-probability (GSPO-token with equal
    advantages); under the mean over sequences this is GSPO.
    """
    log_ratio_UT = (logprob_UT - old_logprob_UT) * mask_UT
    mean_U1 = log_ratio_UT.sum(1, keepdim=True) / mask_UT.sum(1, keepdim=True).clamp(min=1)
    carried_UT = mean_U1.detach() + logprob_UT - logprob_UT.detach()
    return _clipped(carried_UT.clamp(max=MAX_LOG_RATIO).exp(), settings)


def cispo(logprob: Tensor, old_logprob: Tensor, settings: LossSection) -> PolicyLoss:
    """-sg(min(ratio, 1 + epsilon_high)) * A * logprob: the clip bounds a weight, no gradient is lost."""
    ratio = _ratio(logprob, old_logprob).detach()
    weighted = ratio.clamp(max=1 + settings.epsilon_high) * logprob
    nowhere = torch.zeros_like(ratio, dtype=torch.bool)
    return PolicyLoss(up=-weighted, down=weighted, is_clipped_up=nowhere, is_clipped_down=nowhere)


def unclipped(logprob: Tensor, old_logprob: Tensor, settings: LossSection) -> PolicyLoss:
    """-ratio * A: importance sampling without a clip, the base of KL-Cov."""
    ratio = _ratio(logprob, old_logprob)
    nowhere = torch.zeros_like(ratio, dtype=torch.bool)
    return PolicyLoss(up=-ratio, down=ratio, is_clipped_up=nowhere, is_clipped_down=nowhere)


def log_likelihood(logprob: Tensor, old_logprob: Tensor, settings: LossSection) -> PolicyLoss:
    """-logprob * A: REINFORCE, the linear part of Kimi's mirror descent."""
    nowhere = torch.zeros_like(logprob, dtype=torch.bool)
    return PolicyLoss(up=-logprob, down=logprob, is_clipped_up=nowhere, is_clipped_down=nowhere)


def nothing(logprob: Tensor, old_logprob: Tensor, settings: LossSection) -> PolicyLoss:
    """No policy loss: the entropy alone is trained on (arXiv 2505.20282)."""
    zero = torch.zeros_like(logprob)
    nowhere = torch.zeros_like(logprob, dtype=torch.bool)
    return PolicyLoss(up=zero, down=zero, is_clipped_up=nowhere, is_clipped_down=nowhere)


def _clipped(ratio: Tensor, settings: LossSection) -> PolicyLoss:
    bounded = ratio.clamp(1 - settings.epsilon_low, 1 + settings.epsilon_high)
    down = torch.maximum(ratio, bounded)
    if settings.dual_clip:
        down = down.clamp(max=settings.dual_clip)
    return PolicyLoss(
        up=-torch.minimum(ratio, bounded),
        down=down,
        is_clipped_up=ratio.detach() > 1 + settings.epsilon_high,
        is_clipped_down=ratio.detach() < 1 - settings.epsilon_low,
    )


def _ratio(logprob: Tensor, old_logprob: Tensor) -> Tensor:
    return (logprob - old_logprob).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()


def mirror(logprob_UT: Tensor, old_logprob_UT: Tensor, mask_UT: Tensor, tau: float) -> Tensor:
    """tau / 2 * (log-ratio of the whole response)^2, spread evenly over its tokens (Kimi k1.5). Shape (U, T)."""
    log_ratio_U1 = ((logprob_UT - old_logprob_UT) * mask_UT).sum(1, keepdim=True)
    return tau / 2 * log_ratio_U1.square() / mask_UT.sum(1, keepdim=True).clamp(min=1) * mask_UT


def k1(logprob: Tensor, reference_logprob: Tensor) -> Tensor:
    """logprob - reference, in nats: unbiased for the value; as a loss its expected gradient is zero."""
    return logprob - reference_logprob


def k2(logprob: Tensor, reference_logprob: Tensor) -> Tensor:
    """Half the squared difference, in nats: biased for the value; its expected gradient is that of the divergence."""
    return (logprob - reference_logprob).square() / 2


def k3(logprob: Tensor, reference_logprob: Tensor) -> Tensor:
    """Non-negative, unbiased estimate of KL(policy || reference), a token, in nats."""
    difference = reference_logprob - logprob
    return difference.exp() - difference - 1


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """What an aggregation may look at: tokens of each response of the update, the micro-batch that each is in, and the
    most tokens that a response may have."""

    tokens: Sequence[int]
    micro_batch: Sequence[int]
    max_tokens: int


def sequence_mean(lengths: Lengths) -> list[float]:
    """Each response counts the same: a token weighs 1 / (its response's length * number of responses)."""
    return [1.0 / (length * len(lengths.tokens)) for length in lengths.tokens]


def token_mean(lengths: Lengths) -> list[float]:
    """Each token counts the same: 1 / tokens of the whole update."""
    total = sum(lengths.tokens)
    return [1.0 / total for _ in lengths.tokens]


def constant_length(lengths: Lengths) -> list[float]:
    """Each token counts the same, however many there are: 1 / (responses * most tokens of one); Dr. GRPO."""
    return [1.0 / (len(lengths.tokens) * lengths.max_tokens) for _ in lengths.tokens]


def verl_micro_batches(lengths: Lengths) -> list[float]:
    """Token mean of each micro-batch, weighted by its share of the responses, as verl did with dynamic batches.

    So does the code of the one-shot paper; verl 0.9 counts tokens over the whole mini-batch (token_mean).
    It depends on how the responses are cut into micro-batches (train.micro_batch_tokens).
    """
    tokens_of: dict[int, int] = {}
    responses_of: dict[int, int] = {}
    for length, micro in zip(lengths.tokens, lengths.micro_batch, strict=True):
        tokens_of[micro] = tokens_of.get(micro, 0) + length
        responses_of[micro] = responses_of.get(micro, 0) + 1
    return [responses_of[micro] / len(lengths.tokens) / tokens_of[micro] for micro in lengths.micro_batch]


# An aggregation gives the weight of a token of each response, from the lengths of the WHOLE update: divided once,
# before the first forward, so that micro-batches add up to the large batch exactly.
AGGREGATIONS: dict[str, Callable[[Lengths], list[float]]] = {
    "sequence_mean": sequence_mean,
    "token_mean": token_mean,
    "constant_length": constant_length,
    "verl_micro_batches": verl_micro_batches,
}
KL_ESTIMATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k2": k2, "k3": k3}
# Of single tokens, whatever they are arranged in; and of whole responses.
TOKEN_LOSSES: dict[str, Callable[[Tensor, Tensor, LossSection], PolicyLoss]] = {
    "clip": clip,
    "cispo": cispo,
    "clip_cov": clip,
    "kl_cov": unclipped,
    "kimi": log_likelihood,
    "log_likelihood": log_likelihood,
    "entropy": nothing,
}
RESPONSE_LOSSES: dict[str, Callable[[Tensor, Tensor, LossSection, Tensor], PolicyLoss]] = {"gspo": gspo}
