"""Judged rollouts to rows on disk and back.

A step whose rollouts are on disk is replayed on resume: neither sampled nor judged again, so a judge or a
reward that costs money or time is paid once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polymath.prompts import Prompt
from polymath.rollouts.groups import Group
from polymath.types import Completion, Rollout, Sample, Verdict


def to_rows(groups: Sequence[Group], rollouts: Sequence[Sequence[Rollout]]) -> list[dict[str, Any]]:
    """The rows of rollouts/step-N.jsonl, group after group."""
    return [
        {
            "sample_id": group.sample.id,
            "group": group.index,
            "index": index,
            "text": rollout.completion.text,
            "finish": rollout.completion.finish,
            "token_ids": list(rollout.completion.token_ids or ()),
            "verdict": vars(rollout.verdict),
            "ways": sorted(rollout.ways),
            "reward": rollout.reward,
            "reward_parts": rollout.reward_parts,
        }
        for group, members in zip(groups, rollouts, strict=True)
        for index, rollout in enumerate(members)
    ]


def from_rows(
    rows: Sequence[Mapping[str, Any]], samples: Sequence[Sample], prompts: Sequence[Prompt]
) -> tuple[list[Group], list[list[Rollout]]]:
    """Groups and rollouts as they were stored; sampling log-probabilities are not kept."""
    place_of = {sample.id: place for place, sample in enumerate(samples)}
    members: dict[int, list[Rollout]] = {}
    sample_id_of: dict[int, str] = {}
    for row in rows:
        sample_id_of[row["group"]] = row["sample_id"]
        members.setdefault(row["group"], []).append(_rollout(row))
    groups = [
        Group(
            index=index,
            sample=samples[place_of[sample_id_of[index]]],
            prompt=prompts[place_of[sample_id_of[index]]],
            completions=tuple(rollout.completion for rollout in rollouts),
        )
        for index, rollouts in members.items()
    ]
    return groups, list(members.values())


def _rollout(row: Mapping[str, Any]) -> Rollout:
    completion = Completion(text=row["text"], finish=row["finish"], token_ids=tuple(row["token_ids"]))
    return Rollout(
        group=row["group"],
        completion=completion,
        verdict=Verdict(**row["verdict"]),
        ways=frozenset(row["ways"]),
        reward=row["reward"],
        reward_parts=row["reward_parts"],
    )
