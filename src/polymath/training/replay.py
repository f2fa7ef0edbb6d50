"""Judged rollouts to rows on disk and back.

A step whose rollouts are on disk is replayed on resume: neither sampled nor judged again, so a judge or a
reward that costs money or time is paid once.
"""

from __future__ import annotations

import base64
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polymath.prompts import Prompt
from polymath.rollouts.groups import Group
from polymath.types import Completion, Rollout, Sample, Verdict


@dataclass(frozen=True, kw_only=True)
class Collected:
    """The groups of one step with their judged rollouts, and which of them are trained on.

    A dropped group was sampled and judged, and stays in the log's shares and counts.
    """

    groups: Sequence[Group]
    rollouts: Sequence[Sequence[Rollout]]
    is_kept: Sequence[bool]
    rounds: int = 1

    @property
    def kept(self) -> tuple[list[Group], list[list[Rollout]]]:
        """The groups that are trained on, and their rollouts."""
        places = [place for place, is_kept in enumerate(self.is_kept) if is_kept]
        return [self.groups[place] for place in places], [list(self.rollouts[place]) for place in places]


def to_rows(collected: Collected, *, with_logprobs: bool = False) -> list[dict[str, Any]]:
    """The rows of rollouts/step-N.jsonl, group after group. Log-probabilities are float32, in base64."""
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
            **({"logprobs": _to_text(rollout.completion.logprobs)} if with_logprobs else {}),
            **({} if is_kept else {"dropped": True}),
            **({} if collected.rounds == 1 else {"rounds": collected.rounds}),
        }
        for group, members, is_kept in zip(collected.groups, collected.rollouts, collected.is_kept, strict=True)
        for index, rollout in enumerate(members)
    ]


def from_rows(rows: Sequence[Mapping[str, Any]], samples: Sequence[Sample], prompts: Sequence[Prompt]) -> Collected:
    """What was collected, as it was stored; without log-probabilities where they were not kept."""
    place_of = {sample.id: place for place, sample in enumerate(samples)}
    members: dict[int, list[Rollout]] = {}
    sample_id_of: dict[int, str] = {}
    is_kept: dict[int, bool] = {}
    for row in rows:
        sample_id_of[row["group"]] = row["sample_id"]
        is_kept[row["group"]] = not row.get("dropped", False)
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
    rounds = int(rows[0].get("rounds", 1)) if rows else 1
    return Collected(groups=groups, rollouts=list(members.values()), is_kept=list(is_kept.values()), rounds=rounds)


def _rollout(row: Mapping[str, Any]) -> Rollout:
    completion = Completion(
        text=row["text"],
        finish=row["finish"],
        token_ids=tuple(row["token_ids"]),
        logprobs=_from_text(row["logprobs"]) if row.get("logprobs") else None,
    )
    return Rollout(
        group=row["group"],
        completion=completion,
        verdict=Verdict(**row["verdict"]),
        ways=frozenset(row["ways"]),
        reward=row["reward"],
        reward_parts=row["reward_parts"],
    )


def _to_text(logprobs: Sequence[float] | None) -> str:
    return base64.b64encode(array("f", logprobs or ()).tobytes()).decode()


def _from_text(text: str) -> tuple[float, ...]:
    return tuple(array("f", base64.b64decode(text)))
