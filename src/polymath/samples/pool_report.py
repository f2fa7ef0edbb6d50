"""A pool in; what is in it before anybody trains on it out: set-aside golds, duplicates, benchmark near-duplicates.

Near-duplicates are looked for without the instruction that all questions may end with, because shared words of an
instruction would make unlike problems look alike. What near means: samples/near.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from polymath.samples.near import THRESHOLD, find_near, find_near_within
from polymath.samples.pools import Pool, SetAside, shared_instruction
from polymath.types import Sample


@dataclass(frozen=True, kw_only=True)
class NearRow:
    """Pool row `index` says nearly what `other` says: another pool row, or a problem of a benchmark from 0."""

    index: int
    other: int
    jaccard: float


@dataclass(frozen=True, kw_only=True)
class PoolReport:
    """What is in a pool. `num_rows` counts every row of the source.

    `duplicates` are groups of indices with one sample id; `same_question` of those whose question is the same and whose
    answer differs, which only one of them can be right about. `near_within` leaves exact duplicates out.
    """

    source: str
    num_rows: int
    set_aside: tuple[SetAside, ...]
    duplicates: tuple[tuple[int, ...], ...]
    same_question: tuple[tuple[int, ...], ...]
    near_within: tuple[NearRow, ...]
    threshold: float
    near_benchmarks: Mapping[str, tuple[NearRow, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The report for people."""
        reasons = Counter(_kind(one.reason) for one in self.set_aside)
        told = [f"pool     {self.source}: {self.num_rows:,} rows, {len(self.set_aside):,} set aside"]
        told += [f"aside    {count:,} x {reason}" for reason, count in reasons.most_common()]
        copies = sum(len(group) - 1 for group in self.duplicates)
        told.append(f"copies   {copies:,} exact duplicates, {len(self.same_question):,} questions with two answers")
        told.append(
            f"near     {len(self.near_within):,} pairs inside the pool (Jaccard index {self.threshold:g} or more)"
        )
        for name, found in self.near_benchmarks.items():
            rows = len({one.index for one in found})
            told.append(f"near     {rows:,} rows near a problem of {name}")
        return [*told, *(f"note     {note}" for note in self.notes)]

    def as_dict(self) -> dict[str, Any]:
        """The report for programs."""
        return asdict(self)


def report_pool(
    pool: Pool, against: Mapping[str, Sequence[Sample]] | None = None, *, threshold: float = THRESHOLD
) -> PoolReport:
    """What is in the pool; `against` is benchmark to its problems. A minute for ten thousand rows."""
    ids: dict[str, list[int]] = {}
    answers: dict[str, dict[str, int]] = {}
    for row in pool.rows:
        ids.setdefault(row.sample.id, []).append(row.index)
        answers.setdefault(row.sample.question, {}).setdefault(row.sample.id, row.index)
    # One text a sample: exact duplicates are counted by id.
    firsts = [row for row in pool.rows if ids[row.sample.id][0] == row.index]
    firsts = list({row.sample.id: row for row in firsts}.values())
    questions = [row.sample.question for row in firsts]
    ending = shared_instruction(questions)
    texts = [text.removesuffix(ending) for text in questions]

    def rows_near(samples: Sequence[Sample]) -> tuple[NearRow, ...]:
        """Every copy of a row that is near."""
        return tuple(
            NearRow(index=index, other=near.other, jaccard=near.jaccard)
            for near in find_near(texts, [sample.question for sample in samples], threshold)
            for index in dict.fromkeys(ids[firsts[near.row].sample.id])
        )

    return PoolReport(
        source=pool.source,
        num_rows=len(pool.rows) + len(pool.set_aside),
        set_aside=pool.set_aside,
        duplicates=tuple(tuple(indices) for indices in ids.values() if len(indices) > 1),
        same_question=tuple(tuple(sorted(found.values())) for found in answers.values() if len(found) > 1),
        near_within=tuple(
            NearRow(index=firsts[near.row].index, other=firsts[near.other].index, jaccard=near.jaccard)
            for near in find_near_within(texts, threshold)
        ),
        threshold=threshold,
        near_benchmarks={benchmark: rows_near(samples) for benchmark, samples in (against or {}).items()},
        notes=pool.notes,
    )


def _kind(reason: str) -> str:
    """A reason without the gold it quotes, so that equal reasons count together."""
    before, quote, after = reason.partition("'")
    return before.strip() + (after.rpartition("'")[2] if quote else "")
