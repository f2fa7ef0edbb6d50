"""Evaluation rows and rollouts in, a stated deterministic pick of examples out.

Test problems: for every kind of change a fixed number, the first in the order of their ids. Ids are hashes,
so this order has nothing to do with what the problems are or how they went. Rollouts: the texts said most
often in one step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polymath.reporting.compare import Row

# Kind of change to the number shown. Undecided verdicts are our own failures, so they are shown too.
PICKS: dict[tuple[str, str], int] = {
    ("wrong", "right"): 3,
    ("right", "wrong"): 2,
    ("wrong", "wrong"): 2,
    ("right", "right"): 1,
}
NUM_UNDECIDED = 1
NUM_TEXTS = 3
# Longest text shown, in characters; a page with eight examples of a long reasoner stays readable.
MAX_CHARS = 2_400


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A response cut around the last place of its extracted answer, marked with what became of it."""

    lead: str
    answer: str
    tail: str
    outcome: str
    num_hidden: int


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one model said to one problem."""

    passage: Passage
    strict: dict[str, Any]
    lenient: dict[str, Any]
    is_truncated: bool
    num_tokens: int


@dataclass(frozen=True, kw_only=True)
class Example:
    """One test problem, before and after."""

    kind: str
    question: str
    answer: str
    discipline: str
    subject: str
    id: str
    before: Side
    after: Side


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """A text that a training step said `count` times, with its verdict and its mean reward."""

    passage: Passage
    count: int
    reward: float
    verdict: dict[str, Any]


def pick_examples(before: Sequence[Row], after: Sequence[Row]) -> list[Example]:
    """Problems of every kind of change, first draw each, in the order of PICKS."""
    first, second = (
        {(row["id"], row["benchmark"]): row for row in rows if row["draw"] == 0} for rows in (before, after)
    )
    pairs = [(first[problem], second[problem]) for problem in sorted(first.keys() & second.keys())]
    examples = []
    for kind, count in PICKS.items():
        found = [pair for pair in pairs if (_outcome(pair[0]), _outcome(pair[1])) == kind]
        examples += [_example(" → ".join(kind), *pair) for pair in found[:count]]
    unsure = [pair for pair in pairs if "undecided" in (_outcome(pair[0]), _outcome(pair[1]))]
    return examples + [_example("undecided", *pair) for pair in unsure[:NUM_UNDECIDED]]


def pick_rollouts(rows: Sequence[Row]) -> list[Spoken]:
    """The texts said most often; among equals the earlier one."""
    counts = Counter(row["text"] for row in rows)
    spoken = []
    for text, count in counts.most_common(NUM_TEXTS):
        same = [row for row in rows if row["text"] == text]
        verdict = same[0]["verdict"]
        spoken.append(
            Spoken(
                passage=cut_passage(text, verdict),
                count=count,
                reward=sum(row["reward"] for row in same) / count,
                verdict=verdict,
            )
        )
    return spoken


def cut_passage(text: str, verdict: Mapping[str, Any]) -> Passage:
    """Cut a text around the last place of its extracted answer, and shorten it where it is too long."""
    extracted, outcome = verdict["extracted"], verdict["outcome"]
    num_hidden = max(0, len(text) - MAX_CHARS)
    shown = text[:MAX_CHARS]
    place = shown.rfind(extracted) if extracted else -1
    if not extracted or place < 0:
        return Passage(lead=shown, answer="", tail="", outcome=outcome, num_hidden=num_hidden)
    end = place + len(extracted)
    return Passage(
        lead=shown[:place], answer=shown[place:end], tail=shown[end:], outcome=outcome, num_hidden=num_hidden
    )


def _outcome(row: Row) -> str:
    return str(row["strict"]["outcome"])


def _example(kind: str, before: Row, after: Row) -> Example:
    return Example(
        kind=kind,
        question=before["question"],
        answer=str(before["answer"]),
        discipline=before["discipline"],
        subject=before.get("subject") or "",
        id=before["id"],
        before=_side(before),
        after=_side(after),
    )


def _side(row: Row) -> Side:
    read_by = row["strict"] if row["strict"]["extracted"] else row["lenient"]
    return Side(
        passage=cut_passage(row["response"], read_by),
        strict=row["strict"],
        lenient=row["lenient"],
        is_truncated=row["finish"] == "length",
        num_tokens=row["num_tokens"],
    )
