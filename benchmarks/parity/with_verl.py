"""Our advantages and our whole update beside verl's core_algos, in float64.

The log-probabilities of the tokens are themselves the parameters, so that gradients are those by each token's
log-probability. Runs in verl's environment: `python with_verl.py OUT.json`.
"""

from __future__ import annotations

import itertools
import logging
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import (
    MAX_TOKENS,
    Rewards,
    Table,
    TablePolicy,
    check_clipped,
    our_update,
    over_seeds,
    random_responses,
    random_rewards,
    recipe_of,
)
from torch import Tensor
from verl import __version__ as verl_version
from verl.trainer.ppo import core_algos
from verl.workers.config import ActorConfig, PolicyLossConfig

from polymath.prompts import Prompt
from polymath.recipe import AdvantageSection, CriticSection, Recipe
from polymath.training.advantages import ADVANTAGES
from polymath.training.credit import Seen, Weighed, assign
from polymath.training.critic import estimate, value_loss
from polymath.training.losses import KL_ESTIMATORS

PROMPTS = (Prompt(text="one"), Prompt(text="two"))
NO_DUAL_CLIP = 1e9


@dataclass(frozen=True, kw_only=True)
class Case:
    """Responses with log-probabilities now, before, and of a reference, (B, T) each, padded with zeros."""

    part: list[Weighed]
    logprob_BT: Tensor
    old_BT: Tensor
    reference_BT: Tensor
    entropy_BT: Tensor
    advantage_BT: Tensor
    mask_BT: Tensor


def make_case(seed: int, *, is_on_policy: bool = False, is_by_token: bool = False) -> Case:
    """Sixteen responses of different lengths to two prompts; ratios from about 1/3 to 3."""
    rng = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    # First tokens of their own: every response token is a node, and so a parameter.
    responses = [(100 + place, *rest) for place, rest in enumerate(random_responses(rng, 16, 4))]
    longest = max(map(len, responses))
    mask_BT = torch.zeros(len(responses), longest, dtype=torch.float64)
    for row, response in enumerate(responses):
        mask_BT[row, : len(response)] = 1

    def normal(scale: float) -> Tensor:
        return scale * torch.randn(mask_BT.shape, generator=generator, dtype=torch.float64) * mask_BT

    logprob_BT = (normal(1.0).abs() + 0.1).neg() * mask_BT
    old_BT = logprob_BT if is_on_policy else logprob_BT + normal(0.5)
    entropy_BT, reference_BT = normal(1.0).abs(), logprob_BT + normal(0.5)
    advantage_BT = torch.randn(len(responses), 1, generator=generator, dtype=torch.float64).expand(-1, longest)
    if is_by_token:
        advantage_BT = normal(1.0)
    part = [
        Weighed(
            prompt=PROMPTS[row % 2],
            token_ids=response,
            advantage=advantage_BT[row, : len(response)] if is_by_token else float(advantage_BT[row, 0]),
            old_logprobs=None if is_on_policy else old_BT[row, : len(response)],
        )
        for row, response in enumerate(responses)
    ]
    return Case(
        part=part,
        logprob_BT=logprob_BT,
        old_BT=old_BT,
        reference_BT=reference_BT,
        entropy_BT=entropy_BT,
        advantage_BT=advantage_BT * mask_BT,
        mask_BT=mask_BT,
    )


def table_policy(case: Case, logprob_BT: Tensor) -> TablePolicy:
    """The case's responses with these log-probabilities."""
    policy = TablePolicy(PROMPTS[0], [item.token_ids for item in case.part], logprob_BT)
    with torch.no_grad():
        policy.entropy_BT.copy_(case.entropy_BT)
    return policy


def actor(**settings: Any) -> ActorConfig:
    """verl's settings of a loss."""
    policy_loss = PolicyLossConfig(**settings.pop("policy_loss", {}))
    arguments = {
        "strategy": "fsdp",
        "ppo_micro_batch_size_per_gpu": 1,
        "rollout_n": 1,
        "clip_ratio_low": 0.1,
        "clip_ratio_high": 0.25,
        "clip_ratio_c": NO_DUAL_CLIP,
        **settings,
    }
    return ActorConfig(policy_loss=policy_loss, **arguments)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The same loss in our words and in verl's."""

    what: str
    recipe: Recipe
    function: str
    mode: str
    config: ActorConfig
    note: str = ""
    scale_factor: int | None = None
    compares_value: bool = True
    is_on_policy: bool = False
    is_by_token: bool = False
    weight_BT: Tensor | None = None  # of a rollout correction


CLIP = {"epsilon_low": 0.1, "epsilon_high": 0.25}


def pair(what: str, loss: dict[str, Any], function: str, mode: str, **others: Any) -> Pair:
    """A pair with both clips set."""
    sections = {name: others.pop(name) for name in ("kl", "entropy") if name in others}
    config = actor(**others.pop("actor", {}))
    return Pair(
        what=what,
        recipe=recipe_of(loss={**CLIP, **loss}, **sections),
        function=function,
        mode=mode,
        config=config,
        **others,
    )


SEQUENCE = {"aggregation": "sequence_mean"}
PAIRS = [
    pair("clip, sequence mean", SEQUENCE, "vanilla", "seq-mean-token-mean", note="verl's dual clip out of reach"),
    pair("clip, token mean", {"aggregation": "token_mean"}, "vanilla", "token-mean", note="as above"),
    pair(
        "clip, constant length",
        {"aggregation": "constant_length"},
        "vanilla",
        "seq-mean-token-sum-norm",
        scale_factor=MAX_TOKENS,
        note="loss_scale_factor = rollout.max_tokens; verl's default is the longest response of the batch",
    ),
    pair("clip, advantage of each token", SEQUENCE, "vanilla", "seq-mean-token-mean", is_by_token=True),
    pair("clip, on-policy", SEQUENCE, "vanilla", "seq-mean-token-mean", is_on_policy=True),
    pair(
        "dual clip",
        {"dual_clip": 1.5},
        "vanilla",
        "seq-mean-token-mean",
        actor={"clip_ratio_c": 1.5},
    ),
    pair(
        "dual clip, token mean",
        {"dual_clip": 1.1, "aggregation": "token_mean"},
        "vanilla",
        "token-mean",
        actor={"clip_ratio_c": 1.1},
    ),
    pair("gspo, sequence mean", {"name": "gspo"}, "gspo", "seq-mean-token-mean"),
    pair("gspo, token mean", {"name": "gspo", "aggregation": "token_mean"}, "gspo", "token-mean"),
    pair(
        "cispo, token mean",
        {"name": "cispo", "aggregation": "token_mean"},
        "cispo",
        "token-mean",
        actor={"clip_ratio_low": 1.0},
        note="verl bounds the weight below too; clip_ratio_low = 1 takes that away",
    ),
    pair(
        "clip and entropy, token mean",
        {"aggregation": "token_mean"},
        "vanilla",
        "token-mean",
        entropy={"coefficient": 0.2},
        actor={"entropy_coeff": 0.2},
    ),
    *(
        pair(
            f"clip and {name}, {ours}",
            {"aggregation": ours},
            "vanilla",
            mode,
            kl={"coefficient": 0.3, "estimator": name, "clamp": 10.0 if name == "k3" else 0.0},
            actor={"use_kl_loss": True, "kl_loss_coef": 0.3, "kl_loss_type": name},
            note="verl clamps k3 to 10: kl.clamp = 10" if name == "k3" else "",
        )
        for name in KL_ESTIMATORS
        for ours, mode in (("sequence_mean", "seq-mean-token-mean"), ("token_mean", "token-mean"))
    ),
]


def verl_loss(one: Pair, case: Case, logprob_BT: Tensor, entropy_BT: Tensor) -> Tensor:
    """What verl's ppo_loss adds up: policy loss, entropy, KL (verl/workers/utils/losses.py)."""
    config = one.config
    aggregated = {"loss_mask": case.mask_BT, "loss_agg_mode": one.mode, "loss_scale_factor": one.scale_factor}
    config.global_batch_info["loss_scale_factor"] = one.scale_factor
    loss: Tensor = core_algos.get_policy_loss_fn(one.function)(
        old_log_prob=case.old_BT,
        log_prob=logprob_BT,
        advantages=case.advantage_BT,
        response_mask=case.mask_BT,
        loss_agg_mode=one.mode,
        config=config,
        rollout_is_weights=one.weight_BT,
    )[0]
    if config.entropy_coeff:
        loss = loss - config.entropy_coeff * core_algos.agg_loss(entropy_BT, **aggregated)
    if config.use_kl_loss:
        kl_BT = core_algos.kl_penalty(logprob_BT, case.reference_BT, config.kl_loss_type)
        loss = loss + config.kl_loss_coef * core_algos.agg_loss(kl_BT, **aggregated)
    return loss


def verl_update(one: Pair, case: Case) -> tuple[float, list[Tensor]]:
    """Loss and gradients of verl."""
    logprob_BT = case.logprob_BT.clone().requires_grad_()
    entropy_BT = case.entropy_BT.clone().requires_grad_()
    loss = verl_loss(one, case, logprob_BT, entropy_BT)
    loss.backward()
    found = [logprob_BT.grad, entropy_BT.grad]
    return float(loss.detach()), [torch.zeros_like(case.mask_BT) if part is None else part for part in found]


def compare_losses(table: Table, seed: int) -> None:
    """Every pair on one random case."""
    for one in PAIRS:
        case = make_case(seed, is_on_policy=one.is_on_policy, is_by_token=one.is_by_token)
        reference = table_policy(case, case.reference_BT) if one.config.use_kl_loss else None
        ours = our_update(table_policy(case, case.logprob_BT), case.part, one.recipe, reference)
        theirs = verl_update(one, case)
        if one.recipe.loss.name == "clip" and not one.is_on_policy:
            check_clipped(ours[0])
        row = table.row(one.what, one.note)
        row.see(ours[0]["loss"], theirs[0])
        row.see_gradients(ours[1], theirs[1])


COV = {"cov_low": -0.5, "cov_high": 5.0, "cov_fraction": 1.0}


def compare_covariances(table: Table, seed: int) -> None:
    """Clip-Cov with a share of 1 (no chance is left) and KL-Cov, on and off the policy."""
    for is_on_policy in (True, False):
        case = make_case(seed, is_on_policy=is_on_policy)
        # Ours chooses once a step, before the first update; here by the policy as it is at the update, as verl does.
        seen = [
            Seen(
                logprob_T=case.logprob_BT[row, : len(item.token_ids)],
                entropy_T=case.entropy_BT[row, : len(item.token_ids)],
            )
            for row, item in enumerate(case.part)
        ]
        suffix = "on-policy" if is_on_policy else "off-policy"
        note = "ours chooses the tokens once a step, before the first update; here with verl's log-probabilities"
        for name, own, theirs in (
            ("clip_cov", COV, {"clip_cov_ratio": 1.0, "clip_cov_lb": -0.5, "clip_cov_ub": 5.0}),
            ("kl_cov", {"cov_fraction": 0.2, "cov_coefficient": 0.7}, {"kl_cov_ratio": 0.2, "ppo_kl_coef": 0.7}),
        ):
            one = pair(
                f"{name}, {suffix}",
                {"name": name, "aggregation": "token_mean", **own},
                name,
                "token-mean",
                actor={"policy_loss": theirs},
            )
            part = assign(case.part, seen, one.recipe.advantage, one.recipe.loss, seed)
            ours = our_update(table_policy(case, case.logprob_BT), part, one.recipe)
            other = verl_update(one, case)
            # verl leaves clipped tokens out of the choice: they keep a constant loss, and have no gradient either way.
            is_constant = name == "clip_cov" and not is_on_policy
            why = "; gradient only: verl keeps the constant loss of clipped tokens" if is_constant else ""
            row = table.row(one.what, note + why)
            row.see_gradients(ours[1], other[1])
            if not is_constant:
                row.see(ours[0]["loss"], other[0])


def compare_micro_batches(table: Table, seed: int) -> None:
    """Token means of micro-batches, weighted by their share of the responses: verl before its global token counts."""
    case = make_case(seed)
    one = pair("clip, micro-batch weighting", {"aggregation": "verl_micro_batches"}, "vanilla", "token-mean")
    recipe = one.recipe.model_copy(update={"train": one.recipe.train.model_copy(update={"micro_batch_tokens": 4096})})
    ours = our_update(table_policy(case, case.logprob_BT), case.part, recipe)
    logprob_BT = case.logprob_BT.clone().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for prompt in PROMPTS:  # one micro-batch a prompt, as ours are cut
        rows = [row for row, item in enumerate(case.part) if item.prompt == prompt]
        part = replace(case, old_BT=case.old_BT[rows], advantage_BT=case.advantage_BT[rows], mask_BT=case.mask_BT[rows])
        total = total + verl_loss(one, part, logprob_BT[rows], case.entropy_BT[rows]) * len(rows) / len(case.part)
    total.backward()
    assert logprob_BT.grad is not None
    row = table.row(one.what, "verl 0.9.1 counts the tokens of the whole mini-batch; older ones this")
    row.see(ours[0]["loss"], float(total.detach()))
    row.see_gradients(ours[1], [logprob_BT.grad, torch.zeros_like(case.mask_BT)])


def verl_advantages(name: str, rewards: Rewards, **options: Any) -> Tensor:
    """What verl's estimator gives each rollout, (P * G,), with a response of two tokens each."""
    mask = torch.ones(len(rewards.flat), 2, dtype=torch.float64)
    scores = torch.zeros_like(mask)
    scores[:, -1] = rewards.flat
    index = np.repeat(np.arange(len(rewards.reward_PG)), rewards.reward_PG.shape[1])
    found = core_algos.get_adv_estimator_fn(name)(scores, mask, index=index, **options)[0]
    assert torch.equal(found[:, 0], found[:, 1])
    return found[:, 0].double()


Estimate = Callable[[Rewards], Tensor]
ESTIMATES: list[tuple[str, AdvantageSection, Estimate, str]] = [
    ("advantages grpo", AdvantageSection(), lambda given: verl_advantages("grpo", given), ""),
    (
        "advantages grpo, vectorized",
        AdvantageSection(),
        lambda given: verl_advantages("grpo_vectorized", given),
        "verl's in float32",
    ),
    (
        "advantages dr_grpo",
        AdvantageSection(name="dr_grpo"),
        lambda given: verl_advantages("grpo", given, norm_adv_by_std_in_grpo=False),
        "",
    ),
    ("advantages rloo", AdvantageSection(name="rloo"), lambda given: verl_advantages("rloo", given), ""),
    (
        "advantages rloo, vectorized",
        AdvantageSection(name="rloo"),
        lambda given: verl_advantages("rloo_vectorized", given),
        "",
    ),
]


def compare_advantages(table: Table, seed: int) -> None:
    """Every estimator that both have, on binary and on real rewards."""
    for is_binary in (True, False):
        given = random_rewards(seed, is_binary=is_binary)
        for what, settings, theirs, note in ESTIMATES:
            ours_PG = ADVANTAGES[settings.name](given.reward_PG, given.is_counted_PG, settings)
            table.row(what, note).see(ours_PG.flatten(), theirs(given))
    binary = random_rewards(seed, is_binary=True)
    settings = AdvantageSection(name="pass_at_k", k=3)
    ours_PG = ADVANTAGES["pass_at_k"](binary.reward_PG, binary.is_counted_PG, settings)
    theirs_PG = torch.stack([by_subgroups(reward_G, settings.k) for reward_G in binary.reward_PG])
    note = "arXiv 2508.10751: verl's grpo over all subgroups of k, their mean; verl's grpo_passk is 2503.19595"
    table.row("advantages pass_at_k", note).see(ours_PG, theirs_PG)


def by_subgroups(reward_G: Tensor, k: int) -> Tensor:
    """Each rollout's mean, over the subgroups of k that it is in, of verl's advantage of the best of the subgroup."""
    subgroups = list(itertools.combinations(range(len(reward_G)), k))
    best = torch.stack([reward_G[list(members)].max() for members in subgroups])
    given = Rewards(reward_PG=best[None], is_counted_PG=torch.ones_like(best)[None])
    advantage = verl_advantages("grpo", given, norm_adv_by_std_in_grpo=False)
    if best.std() > 0:
        advantage = advantage / best.std(unbiased=False)
    found: Sequence[Tensor] = [
        torch.stack([value for value, members in zip(advantage, subgroups, strict=True) if place in members]).mean()
        for place in range(len(reward_G))
    ]
    return torch.stack(list(found))


def compare_estimators(table: Table, seed: int) -> None:
    """KL estimators of single tokens."""
    case = make_case(seed)
    for name, ours in KL_ESTIMATORS.items():
        theirs = core_algos.kl_penalty(case.logprob_BT, case.reference_BT, name)
        table.row(f"estimator {name}").see(ours(case.logprob_BT, case.reference_BT), theirs)


def compare_critic(table: Table, seed: int) -> None:
    """Generalised advantage estimation and the clipped loss of values."""
    case = make_case(seed)
    generator = torch.Generator().manual_seed(seed)
    lengths = [len(item.token_ids) for item in case.part]
    value_BT, reward_BT, now_BT = (
        torch.randn(case.mask_BT.shape, generator=generator, dtype=torch.float64) * case.mask_BT for _ in range(3)
    )
    settings = CriticSection(gamma=0.97, lam=0.9, whiten=True)

    def rows(table_BT: Tensor) -> list[Tensor]:
        return [row[:length] for row, length in zip(table_BT, lengths, strict=True)]

    ours = estimate(rows(reward_BT), rows(value_BT), settings)
    theirs = core_algos.compute_gae_advantage_return(reward_BT, value_BT, case.mask_BT, 0.97, 0.9)
    row = table.row("gae, whitened, and returns")
    for own, other in zip(ours, theirs, strict=True):
        row.see(torch.cat(own), torch.cat(rows(other)))
    both = [now_BT.clone().requires_grad_() for _ in range(2)]
    loss_BT, _ = value_loss(both[0], theirs[1], value_BT, 0.4)
    loss = (loss_BT * case.mask_BT).sum() / case.mask_BT.sum()
    other, _ = core_algos.compute_value_loss(both[1], theirs[1], value_BT, case.mask_BT, 0.4, "token-mean")
    loss.backward()
    other.backward()
    row = table.row("value loss, token mean")
    row.see(float(loss.detach()), float(other.detach()))
    row.see_gradients(*([part.grad] for part in both if part.grad is not None))


def main() -> None:
    """Write the rows."""
    from verl_correction import compare_correction

    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    table = Table(peer=f"verl {verl_version}")
    for compare in (
        compare_advantages,
        compare_estimators,
        compare_losses,
        compare_covariances,
        compare_micro_batches,
        compare_critic,
        compare_correction,
    ):
        over_seeds(compare, table)
    table.write(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
