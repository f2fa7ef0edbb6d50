"""Scores frozen before any outcome, and what came of training on each candidate, in; what each selector is worth, out.

Candidates are drawn at random, so that selectors are not judged on samples that one of them chose. An outcome is the
gain on problems that nobody trained on, a mean over RL seeds. Good candidates are the quarter with the highest mean.
Where most candidates do equally well, as in the lab's first draws, being good is chance, and what a selector can do is
to keep out the poor ones: those that gain less than half of a median that is a gain. Selectors that order all
candidates alike are one selector here; `random` is shown and counts in no correction.
Intervals are percentile bootstraps over candidates: they cover the choice of candidates, not other models or worlds.

Sources: Spearman and permutation p-values as in correlation.py; the area under the ROC curve as Mann and Whitney's
statistic (Annals of Mathematical Statistics 18 (1947) 50-60), ties counting a half.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polymath.errors import SampleError
from polymath.evaluation.multiplicity import holm
from polymath.selection.correlation import mean_ranks, permutation_p, spearman

NUM_RESAMPLES = 2_000
FIRST = 5
MIN_CANDIDATES = 8
LEVEL = 0.05
POOR = 0.5
REFERENCE = "random"

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Span:
    """A number with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What one selector is worth over the `num` candidates that it can score.

    `rho` is Spearman's with the mean outcome and `p_value` its permutation p-value; `auc` the chance that a good
    candidate is scored above another one, `poor_auc` the chance that a poor one is scored below another one (.5 is
    chance; None where none or all are poor) with `poor_p_value`; `precision` the share of good ones among its first
    five, where equal scores share their places. Holm's correction is over all selectors of the bench.
    """

    selector: str
    num: int
    rho: Span
    p_value: float
    holm_p_value: float
    auc: Span
    poor_auc: Span | None
    poor_p_value: float | None
    poor_holm_p_value: float | None
    precision: float


@dataclass(frozen=True, kw_only=True)
class LabBench:
    """All selectors, the most worth first, and what bounds them.

    `reliability` is Spearman's rho of the outcomes of the first seed with those of the second, `ceiling` what a
    selector that knew the true worth could be expected to reach against the mean of k seeds (Spearman and Brown):
    sqrt(k r / (1 + (k - 1) r)). `chance` is the precision of a random choice. `constant` names selectors whose scores
    do not vary here, `same` selector to the one that orders the candidates alike.
    """

    num_candidates: int
    num_seeds: int
    outcomes: Floats
    reliability: float | None
    ceiling: float | None
    chance: float
    num_poor: int
    rows: tuple[Worth, ...]
    constant: tuple[str, ...]
    same: Mapping[str, str]

    def verdict(self) -> str:
        """What it shows, in two sentences."""
        tried = [row for row in self.rows if row.selector != REFERENCE]
        certain = [row for row in tried if row.holm_p_value < LEVEL]
        told = f"after Holm's correction over {len(tried)} selectors"
        ways = {
            "orders candidates": [row.selector for row in certain if row.rho.value > 0],
            "orders them backwards": [row.selector for row in certain if row.rho.value < 0],
        }
        found = [f"{way} {told}: {', '.join(names)}" for way, names in ways.items() if names]
        least = min((row.p_value for row in tried), default=1.0)
        first = "; ".join(found) or f"no selector orders candidates {told} (least p {least:.3g} before it)"
        if not self.num_poor:
            return f"{first}; no candidate is poor"
        keeping = [
            row.selector
            for row in self.rows
            if row.poor_holm_p_value is not None and row.poor_holm_p_value < LEVEL
            and row.poor_auc is not None and row.poor_auc.value > 0.5
        ]  # fmt: skip
        second = f"keeps out the poor: {', '.join(keeping)}" if keeping else "none keeps out the poor"
        return f"{first}; {second}"


def bench(scores: Mapping[str, Mapping[str, float]], outcomes: Mapping[str, Sequence[float]]) -> LabBench:
    """Every selector against the outcomes.

    `scores` is selector to candidate to score, more is better; `outcomes` candidate to its gain by RL seed, a fraction.
    Raises SampleError for fewer than eight candidates with outcomes.
    """
    names = sorted(outcomes)
    if len(names) < MIN_CANDIDATES:
        raise SampleError("bench", f"has {len(names)} candidates with an outcome", f"train at least {MIN_CANDIDATES}")
    # Equal gains are equal: what the sum of two fractions leaves behind must not order them.
    outcomes = {name: [round(gain, 12) for gain in gains] for name, gains in outcomes.items()}
    mean = {name: round(float(np.mean(outcomes[name])), 9) for name in names}
    good = _top_quarter(mean)
    median = float(np.median(list(mean.values())))
    poor = {name for name in names if mean[name] < POOR * median} if median > 0 else set()
    found: list[Worth] = []
    constant: list[str] = []
    same: dict[str, str] = {}
    seen: dict[object, str] = {}
    for selector, given in scores.items():
        known = [name for name in names if name in given]
        order = (tuple(known), tuple(mean_ranks([given[name] for name in known])))
        if order in seen:
            same[selector] = seen[order]
            continue
        seen[order] = selector
        worth = _measure(
            selector,
            [given[name] for name in known],
            [mean[name] for name in known],
            is_good=[name in good for name in known],
            is_poor=[name in poor for name in known],
        )
        if worth is None:
            constant.append(selector)
        else:
            found.append(worth)
    rows = _correct(found)
    num_seeds = min(len(values) for values in outcomes.values())
    reliability = None
    if num_seeds > 1:
        reliability = spearman(*([outcomes[name][seed] for name in names] for seed in (0, 1)))
    return LabBench(
        num_candidates=len(names),
        num_seeds=num_seeds,
        outcomes=np.array([mean[name] for name in names]),
        reliability=reliability,
        ceiling=_ceiling(reliability, num_seeds),
        chance=len(good) / len(names),
        num_poor=len(poor),
        rows=tuple(sorted(rows, key=lambda row: (-row.rho.value, row.selector))),
        constant=tuple(constant),
        same=same,
    )


def roc_area(scores: ArrayLike, is_good: ArrayLike) -> float | None:
    """The chance that a good one is scored above one that is not, ties a half; None where either kind is absent."""
    good = np.asarray(is_good, dtype=bool)
    num_good, num_other = int(good.sum()), int((~good).sum())
    if not num_good or not num_other:
        return None
    ranks = mean_ranks(np.asarray(scores, dtype=np.float64))
    return float((ranks[good].sum() - num_good * (num_good + 1) / 2) / (num_good * num_other))


def precision_at(scores: Sequence[float], is_good: Sequence[bool], first: int = FIRST) -> float:
    """The share of good ones among the `first` with the highest scores; its mean over all ways to break a tie."""
    order = np.asarray(scores, dtype=np.float64)
    good = np.asarray(is_good, dtype=bool)
    first = min(first, len(order))
    edge = np.sort(order)[::-1][first - 1]
    above, level = order > edge, order == edge
    places = first - int(above.sum())
    return float((good[above].sum() + places * good[level].mean()) / first)


def _ceiling(reliability: float | None, num_seeds: int) -> float | None:
    if reliability is None or reliability <= 0:
        return None
    return math.sqrt(num_seeds * reliability / (1 + (num_seeds - 1) * reliability))


def _top_quarter(mean: Mapping[str, float]) -> set[str]:
    num = math.ceil(len(mean) / 4)
    return set(sorted(mean, key=lambda name: (-mean[name], name))[:num])


def _measure(
    selector: str,
    scores: Sequence[float],
    outcomes: Sequence[float],
    *,
    is_good: Sequence[bool],
    is_poor: Sequence[bool],
) -> Worth | None:
    rho, p_value, area = spearman(scores, outcomes), permutation_p(scores, outcomes), roc_area(scores, is_good)
    if rho is None or p_value is None or area is None:
        return None
    x, y, good, poor = np.array(scores), np.array(outcomes), np.array(is_good), np.array(is_poor)
    kept_out = roc_area(-x, poor)
    # The rank sum of the poor orders permutations as the correlation with being poor does.
    poor_p_value = None if kept_out is None else permutation_p(scores, [float(one) for one in is_poor])
    return Worth(
        selector=selector,
        num=len(scores),
        rho=_span(rho, lambda chosen: spearman(x[chosen], y[chosen]), len(x)),
        p_value=p_value,
        holm_p_value=p_value,
        auc=_span(area, lambda chosen: roc_area(x[chosen], good[chosen]), len(x)),
        poor_auc=None
        if kept_out is None
        else _span(kept_out, lambda chosen: roc_area(-x[chosen], poor[chosen]), len(x)),
        poor_p_value=poor_p_value,
        poor_holm_p_value=poor_p_value,
        precision=precision_at(scores, is_good),
    )


def _correct(found: Sequence[Worth]) -> list[Worth]:
    """Holm's correction over the selectors, of each of the two questions by itself."""
    tried = [row for row in found if row.selector != REFERENCE]
    of_rho = dict(zip([row.selector for row in tried], holm([row.p_value for row in tried]), strict=True))
    asked = {row.selector: row.poor_p_value for row in tried if row.poor_p_value is not None}
    of_poor = dict(zip(asked, holm(list(asked.values())), strict=True))
    return [
        replace(
            row,
            holm_p_value=of_rho.get(row.selector, row.p_value),
            poor_holm_p_value=of_poor.get(row.selector, row.poor_p_value),
        )
        for row in found
    ]


def _span(value: float, statistic: Callable[[NDArray[np.int64]], float | None], num: int) -> Span:
    """The 95% percentile interval over candidates drawn anew; resamples in which it is not defined are drawn again."""
    generator = np.random.default_rng(0)
    found: list[float] = []
    while len(found) < NUM_RESAMPLES:
        one = statistic(generator.integers(0, num, size=num))
        if one is not None:
            found.append(one)
    low, high = np.quantile(found, [0.025, 0.975])
    return Span(value=value, low=float(low), high=float(high))
