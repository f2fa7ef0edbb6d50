"""Where a tournament was decided by the order of its candidates, because their scores were the same.

A tie goes to the one that scored higher a rung before, then to the one that stands first (selection/halving.py): what
such a rule decides is no finding, and a winner that owes its place to it must not look like one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polymath.selection.halving import Rules, Trial, list_rungs, winner_of

# As in selection/halving.py: means over the same problems differ by rounding.
_ROUNDING = 9
SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class Tie:
    """Candidates that scored alike at a rung and every one before it, of whom only the first `num_kept` went on."""

    budget: int
    names: tuple[str, ...]
    num_kept: int


def list_ties(trials: Sequence[Trial], rules: Rules) -> list[Tie]:
    """The rungs at which the order of the candidates decided who went on, or who won."""
    by_name = {trial.name: trial for trial in trials}
    winner = winner_of(trials, rules)
    found = []
    for rung in list_rungs(trials, rules):
        kept = rung.going_on or ((winner,) if winner in rung.entered else ())
        kept = tuple(name for name in kept if rung.budget in by_name[name].scores)
        if rung.going_on is None or not kept:
            continue
        edge = _scores(by_name[kept[-1]], rung.budget, rules)
        scored = [by_name[name] for name in rung.entered if rung.budget in by_name[name].scores]
        alike = tuple(trial.name for trial in scored if _scores(trial, rung.budget, rules) == edge)
        num_kept = sum(name in kept for name in alike)
        if num_kept < len(alike):
            found.append(Tie(budget=rung.budget, names=alike, num_kept=num_kept))
    return found


def tell_ties(trials: Sequence[Trial], rules: Rules) -> str | None:
    """What the order of the candidates decided, in a sentence; None where every decision was by score."""
    ties = list_ties(trials, rules)
    if not ties:
        return None
    scored = [trial for trial in trials if trial.scores]
    if all(len({round(one.scores[b], _ROUNDING) for one in scored if b in one.scores}) < 2 for b in rules.rungs):
        return (
            f"nothing is told: the {len(scored)} candidates that have scores score alike at every rung, and the first "
            "in their order was taken"
        )
    return "; ".join(_tell(tie) for tie in ties)


def _tell(tie: Tie) -> str:
    shown = ", ".join(tie.names[:SHOWN]) + (" ..." if len(tie.names) > SHOWN else "")
    taken = "the first was" if tie.num_kept == 1 else f"the first {tie.num_kept} were"
    return f"at step {tie.budget} {len(tie.names)} score alike ({shown}), and {taken} taken, in the candidates' order"


def _scores(trial: Trial, budget: int, rules: Rules) -> tuple[float | None, ...]:
    rungs = [rung for rung in rules.rungs if rung <= budget]
    return tuple(round(trial.scores[rung], _ROUNDING) if rung in trial.scores else None for rung in rungs)
