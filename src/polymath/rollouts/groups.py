"""The completions of one step, in explicit groups.

In one-shot training every prompt is the same, so a group is a number, never a prompt text: the group decides
which rollouts are weighed against each other. The sample is stored once and drawn for every group; with
several samples `rollouts.order` says which group takes which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polymath.prompts import Prompt
from polymath.recipe import RolloutSection
from polymath.rollouts.order import in_turn
from polymath.rollouts.policy import Policy, Sampling
from polymath.seeds import child_seed
from polymath.types import Completion, Sample


@dataclass(frozen=True, kw_only=True)
class Group:
    """Completions that are weighed against each other."""

    index: int
    sample: Sample
    prompt: Prompt
    completions: tuple[Completion, ...]


def roll_out(
    policy: Policy,
    samples: Sequence[Sample],
    prompts: Sequence[Prompt],
    rollout: RolloutSection,
    *,
    step: int,
    seed: int,
    drawn: Sequence[int] | None = None,
    round_: int = 0,
) -> list[Group]:
    """The groups of one step (from 1). Groups of one sample are decoded together, its prompt computed once.

    `drawn` are the places of the samples of the groups, in turn by default. Another `round_` of the same step draws
    other completions.
    """
    drawn = in_turn(rollout.num_groups, len(samples), step) if drawn is None else drawn
    names = ("rollout", step) if round_ == 0 else ("rollout", step, "round", round_)
    sampling = Sampling(
        temperature=rollout.temperature,
        top_p=rollout.top_p,
        top_k=rollout.top_k,
        max_tokens=rollout.max_tokens,
        repetition_penalty=rollout.repetition_penalty,
    )
    completions_of: dict[int, list[Completion]] = {}
    for count in sorted({drawn.count(place) for place in drawn}):
        places = [place for place in dict.fromkeys(drawn) if drawn.count(place) == count]
        found = policy.sample(
            [prompts[place] for place in places],
            count * rollout.group_size,
            sampling,
            child_seed(seed, *names, count),
        )
        completions_of.update(zip(places, found, strict=True))
    groups = []
    for index, place in enumerate(drawn):
        members = completions_of[place][: rollout.group_size]
        completions_of[place] = completions_of[place][rollout.group_size :]
        groups.append(Group(index=index, sample=samples[place], prompt=prompts[place], completions=tuple(members)))
    return groups
