"""One rollout step's weighed responses in, changed weights out.

The responses are split by group into `updates_per_step` parts; each part is one optimizer step, run in micro-batches
whose losses add up to the part's loss. With one update the policy is its own old policy, so no second forward is
needed; with more, the old log-probabilities are those that the responses were sampled with where they are exact, and
else taken once before the first update.

N: nodes of a micro-batch (`training.pushes`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from polymath.errors import RecipeError, TrainingError
from polymath.prompts import Prompt
from polymath.recipe import Recipe
from polymath.rollouts.policy import PromptScorer, TrainablePolicy
from polymath.rollouts.ranks import Ranks
from polymath.training.correction import correct, is_off
from polymath.training.credit import Seen, Weighed, assign, needs_survey
from polymath.training.losses import (
    AGGREGATIONS,
    KL_ESTIMATORS,
    RESPONSE_LOSSES,
    TOKEN_LOSSES,
    Lengths,
    mirror,
)
from polymath.training.pushes import MicroBatch, Pushes, cut, push


def make_optimizer(policy: TrainablePolicy, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW over the policy's weights, with the recipe's constants; its moments in 8 bits where that is wanted.

    Raises RecipeError where the package for it is missing.
    """
    settings = recipe.optimizer
    kind: Any = torch.optim.AdamW
    if settings.name == "adamw_8bit":
        # It warns of 4-bit kernels that nobody asked for.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        try:
            from bitsandbytes.optim import AdamW8bit  # slow to import, and few want it
        except ImportError as error:
            remedy = "install it: pip install 'polymath-learning[8bit]'"
            raise RecipeError("optimizer.name", "adamw_8bit needs the package bitsandbytes", remedy) from error
        kind = AdamW8bit
    found: torch.optim.Optimizer = kind(
        policy.parameters(),
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
    )
    return found


def improve(
    policy: TrainablePolicy,
    optimizer: torch.optim.Optimizer,
    batch: Sequence[Weighed],
    recipe: Recipe,
    reference: TrainablePolicy | None,
    *,
    entropy_coefficient: float | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """Take the step's optimizer steps and return what they measured, averaged over them.

    Means of entropy, kl and clip ratios are over tokens; grad_norm is before clipping. `entropy_coefficient` stands for
    that of the recipe where a controller sets it. Raises TrainingError when loss or gradient is not finite; the weights
    are then those of before that optimizer step.
    """
    num_updates = recipe.train.updates_per_step
    batch, of_sampler = _prepare(policy, batch, recipe, seed)
    size = len(batch) // num_updates
    measured = [
        update_once(policy, optimizer, batch[start : start + size], recipe, reference, entropy_coefficient)
        for start in range(0, size * num_updates, size)
    ]
    return {name: sum(row[name] for row in measured) / num_updates for name in measured[0]} | of_sampler


def _prepare(
    policy: TrainablePolicy, batch: Sequence[Weighed], recipe: Recipe, seed: int
) -> tuple[Sequence[Weighed], dict[str, float]]:
    """What a look at every token adds before the first update: credit, old log-probabilities, the sampler's weight."""
    is_assigned = needs_survey(recipe.advantage, recipe.loss)
    lacks_old = recipe.train.updates_per_step > 1 and any(item.old_logprobs is None for item in batch)
    if not (is_assigned or lacks_old or is_off(batch)):
        return batch, {}
    seen = survey(policy, batch, recipe)
    if is_assigned:
        batch = assign(batch, seen, recipe.advantage, recipe.loss, seed)
    if lacks_old:
        batch = [
            item if item.old_logprobs is not None else replace(item, old_logprobs=one.logprob_T)
            for item, one in zip(batch, seen, strict=True)
        ]
    return correct(batch, seen, recipe.sampler) if is_off(batch) else (batch, {})


def update_once(
    policy: TrainablePolicy,
    optimizer: torch.optim.Optimizer,
    part: Sequence[Weighed],
    recipe: Recipe,
    reference: TrainablePolicy | None,
    entropy_coefficient: float | None = None,
) -> dict[str, float]:
    """One optimizer step on these responses. Those without old log-probabilities were said by the policy as it is."""
    entropy = recipe.entropy.coefficient if entropy_coefficient is None else entropy_coefficient
    optimizer.zero_grad(set_to_none=True)
    if policy.ranks is None:
        sums = differentiate(policy, part, recipe, reference, entropy)
    else:
        sums = differentiate_together(policy, policy.ranks, part, recipe, reference, entropy)
    grad_norm = float(torch.nn.utils.clip_grad_norm_(policy.parameters(), recipe.optimizer.max_grad_norm))
    num_tokens = sums.pop("num_tokens")
    num_nodes = sums.pop("num_nodes")
    loss_value = sums.pop("loss")
    if not (math.isfinite(grad_norm) and math.isfinite(loss_value)):
        optimizer.zero_grad(set_to_none=True)
        raise TrainingError(
            "update", f"loss {loss_value} or gradient norm {grad_norm} is not finite", "lower optimizer.learning_rate"
        )
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if policy.ranks is not None:
        policy.ranks.hand_out("weights")
        policy.ranks.spread(list(policy.parameters()))
    means = {name: total / num_tokens for name, total in sums.items()}
    return {"loss": loss_value, "grad_norm": grad_norm, "computed_frac": num_nodes / num_tokens, **means}


def differentiate(
    policy: TrainablePolicy,
    part: Sequence[Weighed],
    recipe: Recipe,
    reference: TrainablePolicy | None,
    entropy_coefficient: float,
    ranks: Ranks | None = None,
) -> dict[str, float]:
    """Add the gradient of the loss of these responses to the weights', and sum what it measured over their tokens.

    With `ranks`, of this rank's share of the responses: the losses of all shares add up to that of the whole.
    """
    shares = [range(len(part))] if ranks is None else [ranks.share(len(part), rank) for rank in range(ranks.size)]
    cuts = [_cut(policy, part, recipe, share) for share in shares]
    weights = _weigh_tokens(part, [micro for micros in cuts for micro in micros], recipe)
    sums: dict[str, float] = {}
    for prompt, of_prompt in _by_prompt(cuts[ranks.rank if ranks is not None else 0]).items():
        scorer = policy.scorer(prompt)
        other = reference.scorer(prompt) if reference is not None else None
        for micro in of_prompt:
            pushes = push(micro, part, weights)
            loss, measured = _micro_loss(scorer, other, micro, pushes, part, recipe, entropy_coefficient)
            loss.backward()  # type: ignore[no-untyped-call]
            for name, value in measured.items():
                sums[name] = sums.get(name, 0.0) + value
        scorer.close()
    return sums


def differentiate_together(
    policy: TrainablePolicy,
    ranks: Ranks,
    part: Sequence[Weighed],
    recipe: Recipe,
    reference: TrainablePolicy | None,
    entropy_coefficient: float,
) -> dict[str, float]:
    """Rank 0: as `differentiate`, every rank its share; the gradients of all are added up here."""
    shares = ranks.do(
        "differentiate",
        lambda: differentiate(policy, part, recipe, reference, entropy_coefficient, ranks),
        part=part,
        recipe=recipe,
        has_reference=reference is not None,
        entropy_coefficient=entropy_coefficient,
    )
    ranks.add_up(policy.parameters())
    names = dict.fromkeys(name for share in shares for name in share)
    return {name: sum(share.get(name, 0.0) for share in shares) for name in names}


def look(policy: TrainablePolicy, batch: Sequence[Weighed], recipe: Recipe) -> dict[str, float]:
    """What a step without an update measures: the mean token entropy."""
    seen = survey(policy, batch, recipe)
    return {"entropy": float(torch.cat([one.entropy_T for one in seen]).double().mean())}


def survey(policy: TrainablePolicy, batch: Sequence[Weighed], recipe: Recipe) -> list[Seen]:
    """Log-probabilities and entropies of each response's tokens under the policy as it is now."""
    if policy.ranks is None:
        return see(policy, batch, recipe)
    own = policy.ranks.share(len(batch))
    shares = policy.ranks.do(
        "survey", lambda: see(policy, batch[own.start : own.stop], recipe), batch=batch, recipe=recipe
    )
    return [one for share in shares for one in share]


@torch.no_grad()
def see(policy: TrainablePolicy, batch: Sequence[Weighed], recipe: Recipe) -> list[Seen]:
    """`survey` by this process alone."""
    found: dict[int, Seen] = {}
    for prompt, micros in _by_prompt(_cut(policy, batch, recipe)).items():
        scorer = policy.scorer(prompt)
        for micro in micros:
            scores = scorer.score(micro.trees, temperature=recipe.rollout.temperature)
            logprob_N, entropy_N = scores.logprob_N.cpu(), scores.entropy_N.cpu()
            num_nodes = 0
            for tree, members in zip(micro.trees, micro.members, strict=True):
                for path, places in zip(tree.paths() + num_nodes, members, strict=True):
                    path = path[: len(batch[places[0]].token_ids)]
                    one = Seen(logprob_T=logprob_N[path], entropy_T=entropy_N[path])
                    found.update(dict.fromkeys(places, one))
                num_nodes += len(tree)
        scorer.close()
    return [found[place] for place in range(len(batch))]


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


def _cut(
    policy: TrainablePolicy, part: Sequence[Weighed], recipe: Recipe, among: range | None = None
) -> list[MicroBatch]:
    lengths = {prompt: policy.num_prompt_tokens(prompt) for prompt in dict.fromkeys(item.prompt for item in part)}
    return cut(part, recipe.train.micro_batch_tokens, lengths, policy.attention_share, among)


def _by_prompt(micros: Sequence[MicroBatch]) -> dict[Prompt, list[MicroBatch]]:
    found: dict[Prompt, list[MicroBatch]] = {}
    for micro in micros:
        found.setdefault(micro.prompt, []).append(micro)
    return found


def _weigh_tokens(part: Sequence[Weighed], micros: Sequence[MicroBatch], recipe: Recipe) -> list[float]:
    """The weight of a token of each response."""
    micro_of = {place: number for number, micro in enumerate(micros) for place in micro.places}
    lengths = Lengths(
        tokens=[len(item.token_ids) for item in part],
        micro_batch=[micro_of[place] for place in range(len(part))],
        max_tokens=recipe.rollout.max_tokens,
    )
    return AGGREGATIONS[recipe.loss.aggregation](lengths)


def _micro_loss(
    scorer: PromptScorer,
    reference: PromptScorer | None,
    micro: MicroBatch,
    pushes: Pushes,
    part: Sequence[Weighed],
    recipe: Recipe,
    entropy_coefficient: float,
) -> tuple[Tensor, dict[str, float]]:
    """This micro-batch's share of the loss, and sums over its tokens."""
    temperature, is_entropy_loss = recipe.rollout.temperature, recipe.loss.name == "entropy"
    scores = scorer.score(
        micro.trees,
        temperature=temperature,
        with_entropy_gradient=entropy_coefficient != 0 or is_entropy_loss,
    )
    logprob_N = scores.logprob_N
    old_N = _old_of_nodes(micro, pushes, part, logprob_N.detach())
    measured: dict[str, float] = {}
    loss = recipe.loss.coefficient * _policy_loss(logprob_N, old_N, pushes, recipe, measured)
    tokens_N, weight_N = pushes.of_nodes("tokens", logprob_N), pushes.of_nodes("weight", logprob_N)
    if reference is not None:
        with torch.no_grad():
            reference_N = reference.score(micro.trees, temperature=temperature).logprob_N
        kl_N = KL_ESTIMATORS[recipe.kl.estimator](logprob_N, reference_N)
        if recipe.kl.clamp:
            kl_N = kl_N.clamp(-recipe.kl.clamp, recipe.kl.clamp)
        measured["kl"] = float((kl_N.detach() * tokens_N).sum())
        if recipe.kl.place == "loss":
            loss = loss + recipe.kl.coefficient * (weight_N * kl_N).sum()
    if is_entropy_loss:
        loss = loss + (weight_N * scores.entropy_N).sum()
    if entropy_coefficient:
        loss = loss - entropy_coefficient * (weight_N * scores.entropy_N).sum()
    measured |= {
        "loss": float(loss.detach()),
        "entropy": float((scores.entropy_N.detach() * tokens_N).sum()),
        "num_tokens": float(pushes.channel_NC[:, 4].sum()),
        "num_nodes": float(len(logprob_N)),
    }
    return loss, measured


def _policy_loss(
    logprob_N: Tensor, old_N: Tensor, pushes: Pushes, recipe: Recipe, measured: dict[str, float]
) -> Tensor:
    """The weighted sum of the policy loss; clip ratios are added to `measured`."""
    name = recipe.loss.name
    if name in RESPONSE_LOSSES or name == "kimi":
        path_UT, mask_UT = pushes.path_UT.to(logprob_N.device), pushes.mask_UT.to(logprob_N)
        # index_select: with several threads the backward of a plain index adds in any order.
        logprob_UT, old_UT = (
            values_N.index_select(0, path_UT.flatten()).view_as(mask_UT) * mask_UT for values_N in (logprob_N, old_N)
        )
    of = pushes.of_nodes
    if name in RESPONSE_LOSSES:
        found = RESPONSE_LOSSES[name](logprob_UT, old_UT, recipe.loss, mask_UT)
        of = pushes.of_responses
    else:
        found = TOKEN_LOSSES[name](logprob_N, old_N, recipe.loss)
    loss: Tensor = (of("up", logprob_N) * found.up + of("down", logprob_N) * found.down).sum()
    if name == "kimi":
        squared_UT = mirror(logprob_UT, old_UT, mask_UT, recipe.loss.tau)
        loss = loss + (pushes.of_responses("weight", logprob_N) * squared_UT).sum()
    if name == "kl_cov":
        held_N = pushes.of_nodes("held", logprob_N)
        loss = loss + recipe.loss.cov_coefficient * (held_N * (logprob_N - old_N).abs()).sum()
    measured["clip_ratio/low_mean"] = float((of("tokens_down", logprob_N) * found.is_clipped_down).sum())
    measured["clip_ratio/high_mean"] = float((of("tokens_up", logprob_N) * found.is_clipped_up).sum())
    return loss


def _old_of_nodes(micro: MicroBatch, pushes: Pushes, part: Sequence[Weighed], now_N: Tensor) -> Tensor:
    """Old log-probabilities of the nodes: those of any response that passes through, for they are the same."""
    places = [leaf[0] for tree in micro.members for leaf in tree]
    if all(part[place].old_logprobs is None for place in places):
        return now_N
    old_N = torch.zeros(len(now_N), dtype=now_N.dtype)
    for path, mask, place in zip(pushes.path_UT, pushes.mask_UT, places, strict=True):
        old = part[place].old_logprobs
        assert old is not None
        old_N[path[mask > 0]] = old.to(old_N)
    return old_N.to(now_N)
