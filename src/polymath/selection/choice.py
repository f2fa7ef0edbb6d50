"""What was chosen from a pool and why: the noun between choosing and its page, and what choosing counts."""

from __future__ import annotations

from dataclasses import dataclass

from polymath.samples.pool_report import PoolReport
from polymath.samples.pools import Pool
from polymath.selection.histories import Histories
from polymath.selection.ranking import Agreement, Ranked, Ranking
from polymath.selection.selectors import Evidence
from polymath.types import Sample


@dataclass(frozen=True, kw_only=True)
class Selected:
    """A finished choice: everything that the page shows."""

    by: str
    evidence: Evidence
    ranking: Ranking
    chosen: tuple[Ranked, ...]
    report: PoolReport
    agreements: tuple[Agreement, ...]
    cost: str
    notes: tuple[str, ...]

    @property
    def pool(self) -> Pool:
        """Where it was chosen from."""
        return self.evidence.pool


def pick(ranking: Ranking, pool: Pool, count: int, *, per_subject: bool) -> tuple[Ranked, ...]:
    """The first `count` rows, of each subject where `per_subject`; a sample that the pool holds twice counts once."""
    groups = group_rows(ranking, pool, per_subject=per_subject)
    return tuple(sorted((row for rows in groups for row in rows[:count]), key=lambda row: row.rank))


def group_rows(ranking: Ranking, pool: Pool, *, per_subject: bool) -> list[list[Ranked]]:
    """What may be chosen, in the order of the ranking: one row a sample, by subject where `per_subject`."""
    samples = pool.by_index
    seen: set[str] = set()
    groups: dict[str, list[Ranked]] = {}
    for row in ranking.rows:
        if row.id is not None and row.id not in seen:
            seen.add(row.id)
            groups.setdefault(subject_of(samples[row.index]) if per_subject else "", []).append(row)
    return list(groups.values())


def subject_of(sample: Sample) -> str:
    """The subject, or the discipline where it has none."""
    return sample.subject or sample.discipline


def tell_cost(evidence: Evidence) -> str:
    """What the evidence cost somebody, counted from its files."""
    told = []
    if evidence.histories is not None:
        told.append(tell_history(evidence.histories))
    if evidence.scores is not None:
        told.append(
            f"the scores of {evidence.scores.source} come from a training run on a whole pool, whose cost is not in "
            "the file (arXiv 2502.11886: 21 epochs of 8,523 prompts, 8 rollouts each, about 1.4 million rollouts)"
        )
    if evidence.probed is not None:
        draws = sum(one.num_draws for one in evidence.probed.values())
        told.append(f"the probe is {draws:,} responses of the base model and no training")
    return "; ".join(told) or "nothing was paid"


def tell_history(histories: Histories) -> str:
    """The hidden cost of a history, counted from its file."""
    rows = len(histories.curves)
    each = f" of {histories.group_size} rollouts" if histories.group_size else ""
    return (
        f"the history is a training run on the whole pool: {histories.num_visits:,} visits{each}, "
        f"{histories.num_rollouts:,} rollouts of {rows:,} rows and their updates"
    )
