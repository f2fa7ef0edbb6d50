"""One rollout step's weighed responses in, changed weights out.

The responses are split by group into `updates_per_step` parts; each part is one optimizer step, run in
micro-batches whose losses add up to the part's loss. With one update the policy is its own old policy, so
no second forward is needed; with more, the old log-probabilities are taken once before the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from polymath.errors import TrainingError
from polymath.prompts import Prompt
from polymath.recipe import Recipe
from polymath.rollouts.policy import TokenScores, TrainablePolicy
from polymath.training.losses import AGGREGATIONS, KL_ESTIMATORS, LOSSES


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """One response with the advantage it is pushed by."""

    prompt: Prompt
    token_ids: tuple[int, ...]
    advantage: float


def make_optimizer(policy: TrainablePolicy, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over the policy's weights, with the recipe's constants."""
    settings = recipe.optimizer
    return torch.optim.AdamW(
        policy.parameters(),
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
    )


def improve(
    policy: TrainablePolicy,
    optimizer: torch.optim.Optimizer,
    batch: Sequence[Weighed],
    recipe: Recipe,
    reference: TrainablePolicy | None,
) -> dict[str, float]:
    """Take the step's optimizer steps and return what they measured, averaged over them.

    Means of entropy, kl and clip ratios are over tokens; grad_norm is before clipping. Raises TrainingError
    when loss or gradient is not finite; the weights are then those of before that optimizer step.
    """
    num_updates = recipe.train.updates_per_step
    size = len(batch) // num_updates
    parts = [batch[start : start + size] for start in range(0, size * num_updates, size)]
    if num_updates == 1:
        return update_once(policy, optimizer, batch, None, recipe, reference)
    old = [_old_logprobs(policy, part, recipe) for part in parts]
    measured = [
        update_once(policy, optimizer, part, old_logprobs, recipe, reference)
        for part, old_logprobs in zip(parts, old, strict=True)
    ]
    return {name: sum(row[name] for row in measured) / num_updates for name in measured[0]}


def update_once(
    policy: TrainablePolicy,
    optimizer: torch.optim.Optimizer,
    part: Sequence[Weighed],
    old_logprobs: Sequence[Tensor] | None,
    recipe: Recipe,
    reference: TrainablePolicy | None,
) -> dict[str, float]:
    """One optimizer step on these responses."""
    weights = AGGREGATIONS[recipe.loss.aggregation]([len(item.token_ids) for item in part])
    optimizer.zero_grad(set_to_none=True)
    sums: dict[str, float] = {}
    for rows in micro_batches(part, recipe.train.micro_batch_tokens):
        loss, measured = _micro_loss(policy, part, rows, weights, old_logprobs, recipe, reference)
        loss.backward()  # type: ignore[no-untyped-call]
        for name, value in measured.items():
            sums[name] = sums.get(name, 0.0) + value
    grad_norm = float(torch.nn.utils.clip_grad_norm_(policy.parameters(), recipe.optimizer.max_grad_norm))
    num_tokens = sums.pop("num_tokens")
    loss_value = sums.pop("loss")
    if not (torch.isfinite(torch.tensor(grad_norm)) and torch.isfinite(torch.tensor(loss_value))):
        optimizer.zero_grad(set_to_none=True)
        raise TrainingError(
            "update", f"loss {loss_value} or gradient norm {grad_norm} is not finite", "lower optimizer.learning_rate"
        )
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return {"loss": loss_value, "grad_norm": grad_norm, **{name: total / num_tokens for name, total in sums.items()}}


def micro_batches(part: Sequence[Weighed], max_tokens: int) -> Iterator[list[int]]:
    """Indices of responses that are run together: one prompt, similar lengths, at most max_tokens padded."""
    rows_of: dict[Prompt, list[int]] = {}
    for row, item in enumerate(part):
        rows_of.setdefault(item.prompt, []).append(row)
    for rows in rows_of.values():
        rows = sorted(rows, key=lambda row: (-len(part[row].token_ids), row))
        while rows:
            count = max(1, max_tokens // len(part[rows[0]].token_ids))
            yield rows[:count]
            rows = rows[count:]


def _micro_loss(
    policy: TrainablePolicy,
    part: Sequence[Weighed],
    rows: Sequence[int],
    weights: Sequence[float],
    old_logprobs: Sequence[Tensor] | None,
    recipe: Recipe,
    reference: TrainablePolicy | None,
) -> tuple[Tensor, dict[str, float]]:
    """This micro-batch's share of the loss, and sums over its tokens."""
    scores = _score(policy, part, rows, recipe, with_entropy_gradient=recipe.entropy.coefficient != 0)
    logprob_BT, mask_BT = scores.logprob_BT, scores.mask_BT
    device = logprob_BT.device
    advantage_B = torch.tensor([part[row].advantage for row in rows], device=device)
    token_weight_BT = torch.tensor([weights[row] for row in rows], device=device)[:, None] * mask_BT
    if old_logprobs is None:
        old_BT = logprob_BT.detach()
    else:
        old_BT = torch.nn.utils.rnn.pad_sequence([old_logprobs[row] for row in rows], batch_first=True)
    loss_BT = LOSSES[recipe.loss.name](
        logprob_BT,
        old_BT,
        advantage_B,
        epsilon_low=recipe.loss.epsilon_low,
        epsilon_high=recipe.loss.epsilon_high,
    )
    measured: dict[str, float] = {}
    if reference is not None:
        with torch.no_grad():
            reference_BT = _score(reference, part, rows, recipe).logprob_BT
        kl_BT = KL_ESTIMATORS[recipe.kl.estimator](logprob_BT, reference_BT)
        loss_BT = loss_BT + recipe.kl.coefficient * kl_BT
        measured["kl"] = float((kl_BT.detach() * mask_BT).sum())
    if recipe.entropy.coefficient:
        loss_BT = loss_BT - recipe.entropy.coefficient * scores.entropy_BT
    loss = (loss_BT * token_weight_BT).sum()
    ratio_BT = (logprob_BT.detach() - old_BT).exp()
    is_low_BT = (ratio_BT < 1 - recipe.loss.epsilon_low) & (advantage_B[:, None] < 0)
    is_high_BT = (ratio_BT > 1 + recipe.loss.epsilon_high) & (advantage_B[:, None] > 0)
    measured |= {
        "loss": float(loss.detach()),
        "entropy": float((scores.entropy_BT.detach() * mask_BT).sum()),
        "clip_ratio/low_mean": float((is_low_BT * mask_BT).sum()),
        "clip_ratio/high_mean": float((is_high_BT * mask_BT).sum()),
        "num_tokens": float(mask_BT.sum()),
    }
    return loss, measured


def _score(
    policy: TrainablePolicy,
    part: Sequence[Weighed],
    rows: Sequence[int],
    recipe: Recipe,
    *,
    with_entropy_gradient: bool = False,
) -> TokenScores:
    return policy.score(
        part[rows[0]].prompt,
        [part[row].token_ids for row in rows],
        temperature=recipe.rollout.temperature,
        with_entropy_gradient=with_entropy_gradient,
    )


@torch.no_grad()
def _old_logprobs(policy: TrainablePolicy, part: Sequence[Weighed], recipe: Recipe) -> list[Tensor]:
    """Log-probabilities of each response's tokens under the policy as it is now."""
    found: dict[int, Tensor] = {}
    for rows in micro_batches(part, recipe.train.micro_batch_tokens):
        logprob_BT = _score(policy, part, rows, recipe).logprob_BT
        found |= {row: logprob_BT[place, : len(part[row].token_ids)] for place, row in enumerate(rows)}
    return [found[row] for row in range(len(part))]
