"""The rollouts of one step: drawn, judged, rewarded, and those groups found that are trained on.

A group whose rewards all agree has no gradient under a group-relative advantage. Three ways to go about it: keep and
count them; draw others in their place, but not for ever (with a sample that is solved there are none left); or replay
groups of earlier steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from polymath.prompts import Prompt
from polymath.recipe import Recipe
from polymath.rewards import RewardFunction
from polymath.rollouts.groups import Group, roll_out
from polymath.rollouts.policy import Policy
from polymath.runs import RunFolder
from polymath.training.advantages import is_unanimous
from polymath.training.replay import Collected, from_rows
from polymath.training.weigh import judge_and_reward, rewards_of
from polymath.types import Rollout, Sample


def sample_groups(
    policy: Policy,
    samples: Sequence[Sample],
    prompts: Sequence[Prompt],
    recipe: Recipe,
    *,
    step: int,
    drawn: Sequence[int],
    round_: int = 0,
) -> list[Group]:
    """One round of groups; those of later rounds are numbered on."""
    groups = roll_out(policy, samples, prompts, recipe.rollout, step=step, seed=recipe.seed, drawn=drawn, round_=round_)
    return [replace(group, index=group.index + round_ * recipe.rollout.num_groups) for group in groups]


def judge_groups(
    groups: Sequence[Group], recipe: Recipe, *, custom: Mapping[str, RewardFunction], step: int
) -> list[list[Rollout]]:
    """Their rollouts with verdicts and rewards; entropy alone needs no reward, and asks for none."""
    return judge_and_reward(
        groups,
        recipe.reward,
        custom=custom,
        step=step,
        seed=recipe.seed,
        max_tokens=recipe.rollout.max_tokens,
        is_rewarded=recipe.loss.name != "entropy",
    )


def agreeing(rollouts: Sequence[Sequence[Rollout]], masks_undecided: bool, metric: str = "reward") -> list[bool]:
    """Which groups agree: in their rewards, or in whether they are right (`metric` as in filter.metric)."""
    value_PG, is_counted_PG = rewards_of(rollouts, masks_undecided)
    if metric == "accuracy":
        value_PG = torch.tensor([[float(one.verdict.outcome == "right") for one in group] for group in rollouts])
    found: list[bool] = is_unanimous(value_PG, is_counted_PG).tolist()
    return found


def keep_some(
    groups: Sequence[Group], rollouts: Sequence[Sequence[Rollout]], agree: Sequence[bool], num_wanted: int, rounds: int
) -> Collected:
    """The first `num_wanted` groups that do not agree; where there are fewer, the first of the others fill up."""
    order = sorted(range(len(groups)), key=lambda place: (agree[place], place))[:num_wanted]
    return Collected(
        groups=groups, rollouts=rollouts, is_kept=[place in order for place in range(len(groups))], rounds=rounds
    )


def replayed(
    run: RunFolder,
    samples: Sequence[Sample],
    prompts: Sequence[Prompt],
    *,
    step: int,
    max_age: int,
    num_wanted: int,
    agree: Callable[[Sequence[Sequence[Rollout]]], list[bool]],
) -> list[tuple[int, Group, list[Rollout]]]:
    """Up to `num_wanted` groups of earlier steps that teach, the newest first, each with its step."""
    found: list[tuple[int, Group, list[Rollout]]] = []
    for earlier in range(step - 1, max(0, step - 1 - max_age), -1):
        if len(found) >= num_wanted or not run.rollouts_path(earlier).exists():
            break
        groups, rollouts = from_rows(run.read_rollouts(earlier), samples, prompts).kept
        found += [
            (earlier, group, members)
            for group, members, is_same in zip(groups, rollouts, agree(rollouts), strict=True)
            if not is_same
        ]
    return found[:num_wanted]
