"""What a look at every token of a step adds to the advantages of its responses.

Most of the field gives all tokens of a response one advantage. The methods here need log-probabilities or entropies of
the whole step before the first update; `survey` takes them once, without gradients.

B: responses of the step, T: tokens of one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from polymath.prompts import Prompt
from polymath.recipe import AdvantageSection, LossSection


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """One response with the advantage it is pushed by: a number, or one a token, (T,) float64.

    `unanimous` is 1 in a group whose rollouts are all right, -1 where all are wrong. `weight` multiplies the response's
    share of the loss. `held` marks tokens that a loss treats apart (kl_cov). `old_logprobs`, (T,), are those of the
    policy that said it; None where that is the policy as it is now. `origin` is the earlier step that it was said in,
    0 for this one. One that is not counted (its verdict is undecided) is weighed against nobody.
    `penalty_T`, (T,) float64, is what a critic takes off the reward of each token. `sampler_logprobs`, (T,), are those
    of the engine that said it in the policy's place, where its distribution is corrected for (`training.correction`).
    """

    prompt: Prompt
    token_ids: tuple[int, ...]
    advantage: float | Tensor
    group: int = 0
    unanimous: int = 0
    weight: float = 1.0
    held: Tensor | None = None
    old_logprobs: Tensor | None = None
    origin: int = 0
    is_counted: bool = True
    penalty_T: Tensor | None = None
    sampler_logprobs: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Log-probabilities and entropies (nats) of a response's tokens before the first update, (T,) each."""

    logprob_T: Tensor
    entropy_T: Tensor


def needs_survey(advantage: AdvantageSection, loss: LossSection) -> bool:
    """Whether the step's tokens must be looked at before the first update."""
    return (
        advantage.name == "rl_zvp"
        or advantage.shaping != "none"
        or advantage.weight != "none"
        or loss.name in ("clip_cov", "kl_cov")
    )


def assign(
    batch: Sequence[Weighed], seen: Sequence[Seen], advantage: AdvantageSection, loss: LossSection, seed: int
) -> list[Weighed]:
    """The responses with the advantages of their tokens. `seed` decides which tokens clip_cov leaves out."""
    found = list(batch)
    if advantage.name == "rl_zvp":
        found = [push_unanimous(item, one.entropy_T, advantage.alpha) for item, one in zip(found, seen, strict=True)]
    if advantage.shaping != "none":
        found = SHAPINGS[advantage.shaping](found, seen, advantage.shaping_alpha)
    if advantage.weight == "relative_entropy":
        weights = relative_entropy([one.entropy_T for one in seen])
        found = [replace(item, weight=weight) for item, weight in zip(found, weights, strict=True)]
    if loss.name == "clip_cov":
        taken = clip_cov_tokens(found, seen, loss, seed)
        found = [
            replace(item, advantage=tokens_of(item).masked_fill(is_taken, 0.0))
            for item, is_taken in zip(found, taken, strict=True)
        ]
    if loss.name == "kl_cov":
        taken = kl_cov_tokens(found, seen, loss)
        found = [replace(item, held=is_taken) for item, is_taken in zip(found, taken, strict=True)]
    return found


def tokens_of(item: Weighed) -> Tensor:
    """The advantage of each token, (T,) float64."""
    if isinstance(item.advantage, Tensor):
        return item.advantage
    return torch.full((len(item.token_ids),), item.advantage, dtype=torch.float64)


def push_unanimous(item: Weighed, entropy_T: Tensor, alpha: float) -> Weighed:
    """RL-ZVP (arXiv 2509.21880): where a group agrees, uncertain tokens carry the advantage.

    All right: alpha * H. All wrong: -alpha * (max H - H). A mixed group keeps its advantages.
    """
    if not item.unanimous:
        return item
    entropy_T = entropy_T.double()
    push_T = entropy_T if item.unanimous > 0 else entropy_T - entropy_T.max()
    return replace(item, advantage=alpha * push_T)


def shape_by_perplexity(batch: Sequence[Weighed], seen: Sequence[Seen], alpha: float) -> list[Weighed]:
    """A * clamp(1 - alpha * z, 0.8, 1.2), z the response's mean log-perplexity, standardised in its group.

    STILL-3's entropy paper (arXiv 2508.07534); the deviation with one degree of freedom less.
    """
    perplexity_B = torch.stack([-one.logprob_T.double().mean() for one in seen])
    groups: dict[int, list[int]] = {}
    for place, item in enumerate(batch):
        groups.setdefault(item.group, []).append(place)
    found = list(batch)
    for places in groups.values():
        own = perplexity_B[places]
        deviation = own.std() if len(places) > 1 else own.new_zeros(())
        z = (own - own.mean()) / deviation if deviation > 0 else torch.zeros_like(own)
        factors = (1 - alpha * z).clamp(0.8, 1.2).tolist()
        for place, factor in zip(places, factors, strict=True):
            found[place] = replace(batch[place], advantage=batch[place].advantage * factor)
    return found


def shape_by_position(batch: Sequence[Weighed], seen: Sequence[Seen], alpha: float) -> list[Weighed]:
    """A + sign(A) * min(alpha * sigmoid(15 * (position - 1/2)), |A| / 2), position in the response from 0 to 1.

    STILL-3's entropy paper (arXiv 2508.07534).
    """
    found = []
    for item in batch:
        advantage_T = tokens_of(item)
        position_T = torch.linspace(0, 1, len(item.token_ids), dtype=torch.float64)
        push_T = torch.minimum(alpha * torch.sigmoid(15 * (position_T - 0.5)), advantage_T.abs() / 2)
        found.append(replace(item, advantage=advantage_T + advantage_T.sign() * push_T))
    return found


def relative_entropy(entropies: Sequence[Tensor]) -> list[float]:
    """Mean token entropy of each response over the mean of these means; 1 each where all are 0 (PREPO, 2511.00794)."""
    mean_B = torch.stack([entropy_T.double().mean() for entropy_T in entropies])
    middle = mean_B.mean()
    weights: list[float] = (mean_B / middle if middle > 0 else torch.ones_like(mean_B)).tolist()
    return weights


def covariances(advantages: Sequence[Tensor], logprobs: Sequence[Tensor]) -> list[Tensor]:
    """(A - mean A) * (logprob - mean logprob) of each token; means over all tokens of the step (arXiv 2505.22617)."""
    advantage, logprob = torch.cat(list(advantages)).double(), torch.cat(list(logprobs)).double()
    product = (advantage - advantage.mean()) * (logprob - logprob.mean())
    return list(torch.split(product, [len(tokens) for tokens in advantages]))


def clip_cov_tokens(batch: Sequence[Weighed], seen: Sequence[Seen], loss: LossSection, seed: int) -> list[Tensor]:
    """Clip-Cov: a random share of all tokens, taken among those with a covariance between the bounds."""
    covariance = covariances([tokens_of(item) for item in batch], [one.logprob_T for one in seen])
    flat = torch.cat(covariance)
    candidates = ((flat > loss.cov_low) & (flat < loss.cov_high)).nonzero()[:, 0]
    num_taken = min(max(int(loss.cov_fraction * len(flat)), 1 if loss.cov_fraction else 0), len(candidates))
    order = torch.randperm(len(candidates), generator=torch.Generator().manual_seed(seed))
    return _marked(candidates[order[:num_taken]], covariance)


def kl_cov_tokens(batch: Sequence[Weighed], seen: Sequence[Seen], loss: LossSection) -> list[Tensor]:
    """KL-Cov: the share of tokens with the greatest covariance."""
    covariance = covariances([tokens_of(item) for item in batch], [one.logprob_T for one in seen])
    flat = torch.cat(covariance)
    num_taken = max(1, int(loss.cov_fraction * len(flat))) if loss.cov_fraction else 0
    return _marked(flat.topk(num_taken).indices, covariance)


def _marked(places: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    flat = torch.zeros(sum(map(len, like)), dtype=torch.bool)
    flat[places] = True
    return list(torch.split(flat, [len(tokens) for tokens in like]))


Shaping = Callable[[Sequence[Weighed], Sequence[Seen], float], list[Weighed]]
SHAPINGS: dict[str, Shaping] = {"perplexity": shape_by_perplexity, "position": shape_by_position}
