"""The one-shot samples with a published outcome in; how far scores from histories go with the outcomes out.

arXiv 2504.20571, Table 3, prints MATH500 after training on each of 14 single samples of DSR-sub, named by their rank
pi_j under HVS, and its repository has the history that ranks them. So every score of a history can be held against
what came of the sample. Read with care: 14 is few, eight of them are among the first 17 by HVS and none was drawn at
random, each outcome is one run and its best checkpoint on the test problems.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from statistics import NormalDist

from polymath.errors import SampleError
from polymath.evaluation.multiplicity import holm
from polymath.evaluation.published import read_tables
from polymath.samples.pools import Pool
from polymath.selection.correlation import permutation_p, spearman
from polymath.selection.histories import Histories
from polymath.selection.ranking import goodness
from polymath.selection.selectors import Evidence
from polymath.selection.selectors.history import hvs

TABLE, OUTCOME = "one-shot-3", "math500"
BENCHED = ("hvs", "slope", "lim", "learnability", "first_accuracy", "final_accuracy", "mean_accuracy")
# Rank to row where the parquet files of the repository say so themselves.
KNOWN_ROWS = {1: 124, 2: 267, 13: 682, 1209: 789}
# A label that is wrong, and a problem that is never solved.
BAD_LABELS = ("pi-1207", "pi-1208")
LEVEL, POWER = 0.05, 0.8


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One published sample: its name, its row of the pool, and the accuracy in percent after training on it."""

    name: str
    index: int
    outcome: float


@dataclass(frozen=True, kw_only=True)
class BenchRow:
    """One selector: Spearman's rho with the outcome, its permutation p-value, and Holm's over all selectors."""

    selector: str
    n: int
    rho: float
    p_value: float
    holm_p_value: float


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A bench and what was left out of it."""

    rows: tuple[BenchRow, ...]
    outcomes: tuple[Outcome, ...]
    without: tuple[str, ...] = ()

    def verdict(self) -> str:
        """What it shows, in a sentence or two."""
        n = len(self.outcomes)
        found = [row for row in self.rows if row.holm_p_value < LEVEL]
        seen = f"with {n} samples only a true |rho| of about {detectable_rho(n):.2f} would be found four times in five"
        if found:
            return f"significant after Holm's correction: {', '.join(row.selector for row in found)}; {seen}"
        least = min(row.p_value for row in self.rows)
        return (
            f"not significant: the least p-value of {len(self.rows)} selectors is {least:.2f} before correction; {seen}"
        )


def published_outcomes(histories: Histories) -> list[Outcome]:
    """The single samples of the table with their rows of the pool.

    Raises SampleError where the history is not the published one: pi_j would be another row.
    """
    scores = hvs(histories.curves)
    order = sorted(scores, key=lambda index: -scores[index])
    wrong = [rank for rank, index in KNOWN_ROWS.items() if rank > len(order) or order[rank - 1] != index]
    if wrong:
        raise SampleError(
            histories.source,
            f"pi_{wrong[0]} is not row {KNOWN_ROWS[wrong[0]]} by its variance",
            "give acc_step_500.json of the one-shot repository",
        )
    table = read_tables()[TABLE]
    place = table.columns.index(OUTCOME)
    return [
        Outcome(name=row.label, index=order[int(row.label.removeprefix("pi-")) - 1], outcome=value)
        for row in table.rows
        if row.arm == "one-sample" and (value := row.values[place]) is not None
    ]


def bench_published(histories: Histories, *, without: Collection[str] = ()) -> Bench:
    """Every score of a history against the published outcomes, those of `without` left out."""
    outcomes = [one for one in published_outcomes(histories) if one.name not in without]
    evidence = Evidence(pool=Pool(source=histories.source, rows=()), histories=histories)
    measured = [one.outcome for one in outcomes]
    found = []
    for name in BENCHED:
        scores = goodness(name, evidence)
        chosen = [scores[one.index] for one in outcomes]
        rho, p_value = spearman(chosen, measured), permutation_p(chosen, measured)
        assert rho is not None and p_value is not None, f"{name} does not vary"
        found.append((name, rho, p_value))
    corrected = holm([p_value for _, _, p_value in found])
    rows = [
        BenchRow(selector=name, n=len(outcomes), rho=rho, p_value=p_value, holm_p_value=adjusted)
        for (name, rho, p_value), adjusted in zip(found, corrected, strict=True)
    ]
    return Bench(rows=tuple(rows), outcomes=tuple(outcomes), without=tuple(without))


def detectable_rho(n: int, *, level: float = LEVEL, power: float = POWER) -> float:
    """The true correlation that n pairs show with this chance, by Fisher's z: tanh((z_a + z_b) / sqrt(n - 3))."""
    normal = NormalDist()
    return math.tanh((normal.inv_cdf(1 - level / 2) + normal.inv_cdf(power)) / math.sqrt(n - 3))
