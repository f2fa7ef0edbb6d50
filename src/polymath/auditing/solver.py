"""The judged replies of a stronger solver to one sample in, whether it agrees with the label out.

The bar is four in five: of the attempts that end at the label or at its most frequent rival, a solver that can solve a
sound problem gives the label in at least so many. The label

    passes       where they are four in five, or no other answer is given twice, and half of all attempts are for it
    is refused   where the rival is given as often or more often, the 95% Wilson interval of the label's share ends
                 below the bar, and the answers are not scattered: half of all attempts are for the rival, or three
                 quarters for one of the two
    stays open   in between: more attempts tell

So a tie refuses from eight attempts on. A refused label that a quarter of the two gives, and more than one attempt, is
one reading of a text that has two; one that hardly anybody gives is wrong, or its text is. A single slip that a solver
makes in half of its attempts looks the same: it has to be a strong one.

Answers are the same where the judge takes each for right with the other as the reference. Attempts that the judge
cannot decide are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polymath.evaluation.statistics import wilson_interval
from polymath.reporting.wording import percent
from polymath.samples.findings import Finding
from polymath.synthesis.agreement import is_same
from polymath.types import Sample

BAR = 0.8
# An answer that one attempt gives is a slip.
MIN_REPEATED = 2
MIN_OF_RIVAL = 0.5
MIN_OF_BOTH = 0.75
MIN_OF_READING = 0.25

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Votes:
    """Attempts by what they answer. `others` are wrong answers as first written, the most frequent first."""

    label: int
    others: tuple[tuple[str, int], ...]
    silent: int
    undecided: int

    @property
    def num_attempts(self) -> int:
        """Those that were decided."""
        return self.label + sum(count for _, count in self.others) + self.silent

    @property
    def rival(self) -> int:
        """Attempts for the most frequent other answer."""
        return self.others[0][1] if self.others else 0

    @property
    def passes(self) -> bool:
        """See the rule of this module."""
        is_clear = self.rival < MIN_REPEATED or self.label >= BAR * (self.label + self.rival)
        return self.label > self.rival and 2 * self.label >= self.num_attempts and is_clear

    @property
    def is_refused(self) -> bool:
        """See the rule of this module."""
        if self.rival < max(self.label, MIN_REPEATED):
            return False
        both = self.label + self.rival
        is_scattered = self.rival < MIN_OF_RIVAL * self.num_attempts and both < MIN_OF_BOTH * self.num_attempts
        return not is_scattered and wilson_interval(self.label / both, both).high < BAR

    @property
    def is_split(self) -> bool:
        """The label is one of two answers that are both given again and again."""
        return self.label >= max(MIN_REPEATED, MIN_OF_READING * (self.label + self.rival))


def count_votes(rows: Rows, sample: Sample) -> Votes:
    """What the attempts answer; `rows` hold a lenient verdict each."""
    label = silent = undecided = 0
    others: dict[str, int] = {}
    for row in rows:
        outcome, extracted = row["lenient"]["outcome"], row["lenient"]["extracted"]
        if outcome == "right":
            label += 1
        elif outcome == "undecided":
            undecided += 1
        elif not extracted:
            silent += 1
        else:
            answer = " ".join(str(extracted).split())
            known = next((other for other in others if is_same(answer, other, sample)), answer)
            others[known] = others.get(known, 0) + 1
    ranked = sorted(others.items(), key=lambda one: -one[1])
    return Votes(label=label, others=tuple(ranked), silent=silent, undecided=undecided)


def find_solver(rows: Rows, sample: Sample) -> Finding:
    """Does a stronger solver agree with the label, and is there one answer only?"""
    votes = count_votes(rows, sample)
    aside = f" ({votes.undecided} undecided are left out: the judge failed)" if votes.undecided else ""
    if not votes.label and not votes.others:
        return Finding(check="solver", ok=None, detail=f"none of {len(rows)} attempts gives an answer{aside}")
    told = (
        f"{votes.label} of {votes.num_attempts} attempts agree with the label "
        f"({percent(votes.label / votes.num_attempts)}){aside}, {len(votes.others) + bool(votes.label)} distinct "
        f"answers, {votes.silent} without one"
    )
    if votes.rival >= MIN_REPEATED:
        told += f"; {votes.rival} say {votes.others[0][0][:60]!r}"
    if votes.passes:
        return Finding(check="solver", ok=True, detail=told)
    if votes.is_refused and votes.is_split:
        why = "the text can be read in two ways; let it say which is meant"
        return Finding(check="solver", ok=False, detail=f"{told}: {why}")
    if votes.is_refused:
        return Finding(check="solver", ok=False, detail=f"{told}: the label or the text is wrong")
    why = "no clear majority" if votes.label <= votes.rival else "too many for another answer to be sure"
    return Finding(check="solver", ok=None, detail=f"{told}: {why}; ask more often, or a stronger solver")
