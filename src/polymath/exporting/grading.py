"""A response and its sample in, its reward out: what the reward function of every exported folder calls.

One judge and one reward for all neighbours. Where the judge fails the grade is undecided: no number, counted, and for
the caller to hand on as "no reward" in its own words. Only rewards that look at one response alone can be computed
here, because OpenRLHF and verifiers ask for one at a time (`check_per_response`).
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from polymath.errors import PolymathError, RecipeError, SampleError, UserError
from polymath.judge import judge
from polymath.rewards import check_rewards, depends_on_verdict, reward_group
from polymath.rewards.options import Value
from polymath.samples.sources import validate
from polymath.types import Completion, JudgedGroup, Outcome, Sample, Verdict

# Of the others, majority and length_kimi compare a group, limr3 and overlong look at where a response was cut, which
# not every neighbour says, and random at the seed of a group.
PER_RESPONSE = ("exact", "format", "inverse", "python", "still3", "repetition")
ROW = "the row of an export"


class Undecided(PolymathError):
    """The judge failed, so there is no reward: for callers that know no other way to say so."""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """`reward` is None where the judge failed and the reward rests on it; `detail` then says how."""

    reward: float | None
    outcome: Outcome
    extracted: str | None
    detail: str


class Grader:
    """The reward of one export, with a count of its outcomes. Any thread may call it."""

    def __init__(self, parts: Mapping[str, float], options: Mapping[str, Mapping[str, Value]] | None = None) -> None:
        self.parts, self.options = dict(parts), dict(options or {})
        check_per_response(self.parts, self.options)
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def grade(self, response: str, sample: str | Sample) -> Grade:
        """The grade of one response; `sample` may be the JSON of an exported row.

        Raises SampleError for a row that is no sample: the data are broken, and no training should go on.
        """
        found = _grade(response, read_row(sample) if isinstance(sample, str) else sample, self.parts, self.options)
        with self._lock:
            self.counts[found.outcome if found.reward is not None else "undecided"] += 1
        return found

    def reward(self, response: str, sample: str | Sample) -> float:
        """The reward alone; raises Undecided where there is none."""
        found = self.grade(response, sample)
        if found.reward is None:
            raise Undecided(f"no reward: the judge failed ({found.detail}), {self.counts['undecided']} times so far")
        return found.reward


def check_per_response(parts: Mapping[str, float], options: Mapping[str, Mapping[str, Value]]) -> None:
    """Raises RecipeError for a reward that does not exist, or that needs more than one response to be computed."""
    check_rewards(parts, options)
    for name in parts:
        if name not in PER_RESPONSE:
            raise RecipeError(
                f"reward {name!r}",
                "cannot be computed from one response alone, and that is all that the other trainer shows",
                f"use {', '.join(PER_RESPONSE)}",
            )


@lru_cache(maxsize=4096)
def read_row(text: str) -> Sample:
    """The sample of an exported row; raises SampleError."""
    try:
        return validate(ROW, json.loads(text))
    except ValueError as error:
        raise SampleError(ROW, f"is not JSON ({error})", "export again") from None


def _grade(
    response: str, sample: Sample, parts: Mapping[str, float], options: Mapping[str, Mapping[str, Value]]
) -> Grade:
    try:
        verdict = judge(response, sample)
        group = JudgedGroup(
            sample=sample, completions=(Completion(text=response, finish="eos"),), verdicts=(verdict,), seed=0
        )
        (reward,), _ = reward_group(group, parts, options=options)
    except UserError:
        raise
    except Exception as error:  # whatever it is: a failure of ours is no answer of the model's
        return Grade(reward=None, outcome="undecided", extracted=None, detail=f"{type(error).__name__}: {error}")
    is_open = verdict.outcome == "undecided" and depends_on_verdict(parts)
    return Grade(
        reward=None if is_open else reward,
        outcome=verdict.outcome,
        extracted=verdict.extracted,
        detail=_in_words(verdict),
    )


def _in_words(verdict: Verdict) -> str:
    return f"{verdict.found_by}, {verdict.compared_by} {verdict.detail}".strip()
