"""Truncated importance sampling: what the sampler's distribution differs from the policy's, taken into the loss.

An engine that samples with kernels and types of its own draws from q, which is nearly p, the policy that is trained.
The policy loss of a token is multiplied by min(p / q, cap) ("Your efficient RL framework secretly brings you off-policy
RL training", Yao et al. 2025; verl's rollout_correction.rollout_is). p is the policy before the step's first update, so
that a loss with a clip keeps its own ratio. As the loss grows with |A|, the weight is multiplied into the advantage.

T: tokens of a response.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from polymath.errors import TrainingError
from polymath.recipe import SamplerSection
from polymath.training.credit import Seen, Weighed, tokens_of
from polymath.training.losses import MAX_LOG_RATIO


def is_off(batch: Sequence[Weighed]) -> bool:
    """Whether any of these responses was said by a sampler whose distribution is corrected for."""
    return any(item.sampler_logprobs is not None for item in batch)


def correct(
    batch: Sequence[Weighed], seen: Sequence[Seen], settings: SamplerSection
) -> tuple[list[Weighed], dict[str, float]]:
    """The responses with their advantages weighed, and how far the sampler is from the policy.

    Responses without log-probabilities of the sampler stay as they are. Raises TrainingError where one is not finite.
    """
    found, ratios, differences = list(batch), list[Tensor](), list[Tensor]()
    for place, (item, one) in enumerate(zip(batch, seen, strict=True)):
        if item.sampler_logprobs is None:
            continue
        difference_T = one.logprob_T.double() - item.sampler_logprobs.double()
        if not bool(difference_T.isfinite().all()):
            what = "gives log-probabilities that are not finite, of tokens that it drew"
            raise TrainingError("sampler", what, "leave sampler.speculation out, or set sampler.name = policy")
        ratio_T = importance_ratio(difference_T, settings.correction)
        found[place] = replace(item, advantage=tokens_of(item) * ratio_T.clamp(max=settings.correction_cap))
        ratios.append(ratio_T)
        differences.append(difference_T)
    ratio, difference = torch.cat(ratios), torch.cat(differences)
    return found, {
        # k1 and k3 of KL(sampler || policy), over what the sampler drew.
        "sampler/kl": float(-difference.mean()),
        "sampler/k3_kl": float((difference.clamp(max=MAX_LOG_RATIO).exp() - 1 - difference).mean()),
        "sampler/max_abs_difference": float(difference.abs().max()),
        "sampler/ratio_mean": float(ratio.mean()),
        "sampler/capped_frac": float((ratio > settings.correction_cap).double().mean()),
    }


def importance_ratio(difference_T: Tensor, correction: str) -> Tensor:
    """p / q of each token, or of the whole response at each of its tokens, from log p - log q; not truncated."""
    if correction == "sequence":
        difference_T = difference_T.sum().expand_as(difference_T)
    return difference_T.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
