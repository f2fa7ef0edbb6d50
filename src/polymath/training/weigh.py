"""Groups of completions to judged, rewarded and weighed rollouts, and to the numbers of the step's log.

P: groups a step. G: rollouts a group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from polymath.judge import judge
from polymath.recipe import AdvantageSection, RewardSection
from polymath.rewards import RewardFunction, reward_group
from polymath.rollouts.groups import Group
from polymath.seeds import child_seed
from polymath.training.advantages import ADVANTAGES, is_unanimous
from polymath.training.credit import Weighed
from polymath.types import JudgedGroup, Rollout, Verdict
from polymath.ways import WAYS, ways_of


def judge_and_reward(
    groups: Sequence[Group],
    settings: RewardSection,
    *,
    custom: Mapping[str, RewardFunction],
    step: int,
    seed: int,
    max_tokens: int | None = None,
    is_rewarded: bool = True,
) -> list[list[Rollout]]:
    """A verdict and a reward for every completion, group by group.

    `max_tokens` is the limit that the completions were sampled with. Where nothing is to be rewarded, no reward is
    asked, and all are 0. Raises UserError for a reward that fails.
    """
    verdicts = [
        tuple(judge(c.text, group.sample, is_truncated=c.is_truncated) for c in group.completions) for group in groups
    ]
    votes_of = _gather_votes(groups, verdicts)
    rollouts = []
    for group, group_verdicts in zip(groups, verdicts, strict=True):
        judged = JudgedGroup(
            sample=group.sample,
            completions=group.completions,
            verdicts=group_verdicts,
            seed=child_seed(seed, "reward", step, group.index),
            step=step,
            max_tokens=max_tokens,
            votes=votes_of[group.sample.id],
        )
        rewards, reward_parts = [0.0] * len(group_verdicts), [dict[str, float]() for _ in group_verdicts]
        if is_rewarded:
            rewards, reward_parts = reward_group(judged, settings.weights(), custom, settings.options)
        rollouts.append(
            [
                Rollout(
                    group=group.index,
                    completion=completion,
                    verdict=verdict,
                    ways=ways_of(completion.text),
                    reward=reward,
                    reward_parts=named,
                )
                for completion, verdict, reward, named in zip(
                    judged.completions, judged.verdicts, rewards, reward_parts, strict=True
                )
            ]
        )
    return rollouts


def _gather_votes(groups: Sequence[Group], verdicts: Sequence[Sequence[Verdict]]) -> dict[str, tuple[str | None, ...]]:
    """The extracted answers of the step by the id of their sample, in the order of groups and rollouts."""
    votes: dict[str, list[str | None]] = {}
    for group, group_verdicts in zip(groups, verdicts, strict=True):
        votes.setdefault(group.sample.id, []).extend(verdict.extracted for verdict in group_verdicts)
    return {sample_id: tuple(extracted) for sample_id, extracted in votes.items()}


def rewards_of(rollouts: Sequence[Sequence[Rollout]], masks_undecided: bool) -> tuple[Tensor, Tensor]:
    """Rewards and which of them count, (P, G) float64 each."""
    reward_PG = torch.tensor([[r.reward for r in group] for group in rollouts], dtype=torch.float64)
    is_counted_PG = torch.tensor(
        [[0.0 if masks_undecided and r.verdict.outcome == "undecided" else 1.0 for r in group] for group in rollouts],
        dtype=torch.float64,
    )
    return reward_PG, is_counted_PG


def weigh(
    groups: Sequence[Group],
    rollouts: Sequence[Sequence[Rollout]],
    masks_undecided: bool,
    settings: AdvantageSection,
    *,
    penalties: Sequence[Sequence[float]] | None = None,
    origins: Sequence[int] | None = None,
    with_old: bool = False,
    with_sampler: bool = False,
) -> tuple[list[Weighed], dict[str, float]]:
    """Every response with its advantage, and how the groups stand.

    Undecided rollouts are left out of their group's statistics where asked (a reward rests on the verdict). `penalties`
    are taken off the rewards. `origins` are the steps that replayed groups were said in, 0 for this one; those have
    their old log-probabilities with them, the others `with_old`, or those of the sampler `with_sampler`.
    """
    reward_PG, is_counted_PG = rewards_of(rollouts, masks_undecided)
    is_unanimous_P = is_unanimous(reward_PG, is_counted_PG)
    shaped_PG = reward_PG if penalties is None else reward_PG - torch.tensor(penalties, dtype=torch.float64)
    advantage_PG = ADVANTAGES[settings.name](shaped_PG, is_counted_PG, settings)
    unanimous_PG = torch.where(reward_PG > settings.threshold, 1, -1) * is_unanimous_P[:, None] * (is_counted_PG > 0)
    weighed = []
    for place, group in enumerate(groups):
        origin = origins[place] if origins else 0
        for index, rollout in enumerate(rollouts[place]):
            logprobs = rollout.completion.logprobs
            is_old = logprobs is not None and (origin > 0 or with_old)
            is_off = logprobs is not None and with_sampler and not is_old
            weighed.append(
                Weighed(
                    prompt=group.prompt,
                    token_ids=rollout.completion.token_ids or (),
                    advantage=float(advantage_PG[place, index]),
                    group=place,
                    unanimous=int(unanimous_PG[place, index]),
                    old_logprobs=torch.tensor(logprobs, dtype=torch.float32) if is_old else None,
                    origin=origin,
                    is_counted=bool(is_counted_PG[place, index]),
                    sampler_logprobs=torch.tensor(logprobs, dtype=torch.float32) if is_off else None,
                )
            )
    unanimous_frac = float(is_unanimous_P.double().mean())
    return weighed, {
        "reward": float(reward_PG.mean()),
        "reward_std": float(reward_PG.std(dim=1).mean()),
        "frac_reward_zero_std": unanimous_frac,
        "learnable_fraction": 1.0 - unanimous_frac,
    }


def describe(rollouts: Sequence[Sequence[Rollout]]) -> dict[str, float]:
    """What was said in this step: lengths, truncation, boxes, ways, parts of the reward."""
    every = [rollout for group in rollouts for rollout in group]

    def share(claims: Sequence[bool]) -> float:
        return sum(claims) / len(claims)

    lengths = [len(rollout.completion.token_ids or ()) for rollout in every]
    num_distinct = len({rollout.completion.token_ids for rollout in every})
    found = {
        "completions/mean_length": sum(lengths) / len(lengths),
        "completions/clipped_ratio": share([rollout.completion.is_truncated for rollout in every]),
        "boxed_frac": share(["boxed" in rollout.ways for rollout in every]),
        "undecided_frac": share([rollout.verdict.outcome == "undecided" for rollout in every]),
        "accuracy": share([rollout.verdict.outcome == "right" for rollout in every]),
        "completions/distinct_frac": num_distinct / len(every),
        "num_tokens": float(sum(lengths)),
    }
    for outcome in ("right", "wrong"):
        of_outcome = [length for length, one in zip(lengths, every, strict=True) if one.verdict.outcome == outcome]
        if of_outcome:
            found[f"completions/mean_length_{outcome}"] = sum(of_outcome) / len(of_outcome)
    ends = Counter(
        one.completion.token_ids[-1] for one in every if one.completion.finish == "eos" and one.completion.token_ids
    )
    found |= {f"eos/{token}": count / len(every) for token, count in sorted(ends.items())}
    found |= {f"ways/{way}": share([way in rollout.ways for rollout in every]) for way in WAYS}
    for part in every[0].reward_parts:
        found[f"reward_parts/{part}"] = sum(rollout.reward_parts[part] for rollout in every) / len(every)
    return found
