"""Successive halving: who exists and what each scored at which budget in; what to run next and who is ahead out.

Everybody runs to the first rung (a budget in training steps); the best share `keep` of them goes on to the next rung,
and so on; the one that is ahead at the last rung wins. Everything here is a function of the scores that are known, in
whatever order they came, so that an interrupted tournament goes on to the very same end.

The rules that a tournament needs and that papers leave open:

- Of n that enter a rung ceil(keep * n) go on, at least one and at least one fewer than n.
- A tie goes to the one that scored higher at the rung before, then to the one that stands first in the list.
- Who fails (has a failure and no score at a rung it entered) is dropped there and takes a place behind all who did not
  fail; among those, the one that got further is ahead. A failure never changes a rung that was scored before it.
- Where one alone is left there is nothing to decide, and the rungs that remain are not run.

Source: Karnin, Koren, Somekh, Almost Optimal Exploration in Multi-Armed Bandits (ICML 2013), algorithm 1, which keeps
ceil(n / 2); Jamieson, Talwalkar, arXiv 1502.07943, for training runs that go on from where they stood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Means over the same problems, added up in another order, differ by rounding; that is a tie.
_ROUNDING = 9


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rungs, in training steps since the beginning, and the share of each that goes on to the next."""

    rungs: tuple[int, ...]
    keep: float

    def __post_init__(self) -> None:
        if not self.rungs or self.rungs[0] < 1 or list(self.rungs) != sorted(set(self.rungs)):
            raise ValueError(f"rungs are to rise from at least 1: {self.rungs}")
        if not 0 < self.keep < 1:
            raise ValueError(f"keep is a share between 0 and 1: {self.keep}")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One candidate: budget to its score there (more is better), and why it failed, if it did."""

    name: str
    scores: Mapping[int, float]
    failure: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Who entered a rung, in the order of the list, and who goes on, the best first; None while scores are missing.

    Nobody goes on from the last rung: () once it is decided.
    """

    budget: int
    entered: tuple[str, ...]
    going_on: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place in the ranking, from 1.

    `entered` is the furthest rung entered, `score` the last one there was, None where there is none.
    """

    rank: int
    name: str
    entered: int
    score: float | None
    failure: str | None


def num_kept(num_entered: int, keep: float) -> int:
    """How many of those that entered a rung go on."""
    # 0.1 * 30 is 3.0000000000000004.
    wished = math.ceil(round(keep * num_entered, _ROUNDING))
    return max(1, min(wished, num_entered - 1))


def plan_rungs(num_trials: int, rules: Rules) -> list[int]:
    """How many enter each rung, when nobody fails. Stops where one is left."""
    sizes = [num_trials]
    for _ in rules.rungs[1:]:
        if (size := num_kept(sizes[-1], rules.keep)) < 2:
            break
        sizes.append(size)
    return sizes


def list_rungs(trials: Sequence[Trial], rules: Rules) -> list[Rung]:
    """The rungs that have been entered, as far as the scores decide; the last one may be undecided."""
    found: list[Rung] = []
    entered = list(trials)
    for budget in rules.rungs:
        waiting = [trial for trial in entered if budget not in trial.scores and trial.failure is None]
        names = tuple(trial.name for trial in entered)
        if waiting:
            return [*found, Rung(budget=budget, entered=names, going_on=None)]
        scored = _in_order([trial for trial in entered if budget in trial.scores], budget, rules, trials)
        kept = [] if budget == rules.rungs[-1] else scored[: num_kept(len(entered), rules.keep)]
        found.append(Rung(budget=budget, entered=names, going_on=tuple(trial.name for trial in kept)))
        if len(kept) < 2:
            return found
        entered = [trial for trial in entered if trial in kept]
    return found


def next_runs(trials: Sequence[Trial], rules: Rules) -> list[tuple[str, int]]:
    """Name and budget of everything that can run now, in the order of the list; nothing when it is over."""
    rung = list_rungs(trials, rules)[-1]
    if rung.going_on is not None:
        return []
    by_name = {trial.name: trial for trial in trials}
    waiting = (by_name[name] for name in rung.entered)
    return [(one.name, rung.budget) for one in waiting if rung.budget not in one.scores and one.failure is None]


def rank_trials(trials: Sequence[Trial], rules: Rules) -> list[Place]:
    """Everybody, the best first; before the end it is the standing so far."""
    entered_rung = {name: rung.budget for rung in list_rungs(trials, rules) for name in rung.entered}

    def key(trial: Trial) -> tuple[bool, int, tuple[float, ...], int]:
        entered = entered_rung[trial.name]
        return (_is_out(trial, entered), -entered, *_order(trial, entered, rules, trials))

    return [
        Place(
            rank=rank,
            name=trial.name,
            entered=entered_rung[trial.name],
            score=trial.scores[max(trial.scores)] if trial.scores else None,
            failure=trial.failure if _is_out(trial, entered_rung[trial.name]) else None,
        )
        for rank, trial in enumerate(sorted(trials, key=key), start=1)
    ]


def winner_of(trials: Sequence[Trial], rules: Rules) -> str | None:
    """The name of the one that won; None before the end, and where all have failed."""
    first = rank_trials(trials, rules)[0]
    return None if next_runs(trials, rules) or first.failure is not None else first.name


def _is_out(trial: Trial, entered: int) -> bool:
    return trial.failure is not None and entered not in trial.scores


def _in_order(scored: Sequence[Trial], budget: int, rules: Rules, trials: Sequence[Trial]) -> list[Trial]:
    return sorted(scored, key=lambda trial: _order(trial, budget, rules, trials))


def _order(trial: Trial, budget: int, rules: Rules, trials: Sequence[Trial]) -> tuple[tuple[float, ...], int]:
    """Sorts the best first: its scores from this rung back to the first, then its place in the list."""
    rungs = [rung for rung in reversed(rules.rungs) if rung <= budget]
    scores = tuple(-round(trial.scores[rung], _ROUNDING) if rung in trial.scores else math.inf for rung in rungs)
    return scores, [one.name for one in trials].index(trial.name)
