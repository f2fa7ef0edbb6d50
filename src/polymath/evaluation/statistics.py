"""Honest intervals: arrays of per-problem scores in, means with intervals and tests out.

A score is the mean over the draws of one problem, between 0 and 1. The headline number is the unweighted
mean over disciplines, so the disciplines are the strata and every resample keeps their sizes. All intervals
of this module cover the choice of problems only: they say what other problems of the same kind would give,
not what another training seed would give.

Bootstrap: Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 13 (percentile interval).
Wilson interval: Wilson, JASA 22 (1927). McNemar, exact form: two-sided binomial on the discordant pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A point estimate with the two ends of its interval."""

    mean: float
    low: float
    high: float


def discipline_mean(scores: ArrayLike, disciplines: Sequence[str]) -> float:
    """The unweighted mean over disciplines of the mean score in each."""
    return _mean_of_means([stratum for _, stratum in _strata(_as_scores(scores), disciplines)])


def standard_error(scores: ArrayLike) -> float | None:
    """The standard deviation (ddof = 1) over the square root of the count; None for fewer than two scores."""
    values = _as_scores(scores)
    return None if values.size < 2 else float(values.std(ddof=1) / math.sqrt(values.size))


def bootstrap_discipline_mean(
    scores: ArrayLike, disciplines: Sequence[str], *, seed: int, num_resamples: int = 10_000, level: float = 0.95
) -> Interval:
    """The discipline mean with its stratified percentile bootstrap interval.

    Problems are drawn with replacement inside their discipline. A discipline with a single problem adds no
    width. One run's interval covers the choice of problems only, not the training seed.
    """
    return _bootstrap(_as_scores(scores), disciplines, seed=seed, num_resamples=num_resamples, level=level)


def paired_difference(
    before: ArrayLike,
    after: ArrayLike,
    disciplines: Sequence[str],
    *,
    seed: int,
    num_resamples: int = 10_000,
    level: float = 0.95,
) -> Interval:
    """The discipline mean of `after - before` over the same problems, with its paired bootstrap interval.

    The arrays are aligned: position i is the same problem in both. A resample draws a problem with both of
    its scores, stratified by discipline. One run's interval covers the choice of problems only, not the
    training seed.
    """
    first, second = _as_scores(before), _as_scores(after)
    if first.shape != second.shape:
        raise ValueError(f"paired scores differ in length: {first.size} before, {second.size} after")
    return _bootstrap(second - first, disciplines, seed=seed, num_resamples=num_resamples, level=level)


def two_level_difference(
    before_SP: ArrayLike,
    after_SP: ArrayLike,
    disciplines: Sequence[str],
    *,
    seed: int,
    num_resamples: int = 10_000,
    level: float = 0.95,
) -> Interval:
    """The discipline mean of `after - before` with a bootstrap over training seeds and over problems.

    Row s is one training seed; column p is the same problem in every row and in both arrays. A resample draws
    seeds with replacement and, independently, problems inside their discipline, because every seed answers the
    same problems. A bootstrap of S seeds understates their variance by (S - 1) / S and knows nothing of how little
    S seeds say of it, so their deviations from the mean are stretched by sqrt(S / (S - 1)) and by Student's quantile
    of S - 1 degrees of freedom over the normal one. That errs on the wide side (decision 0005). One row has no
    deviation: its interval covers the choice of problems only.
    """
    first, second = np.asarray(before_SP, dtype=np.float64), np.asarray(after_SP, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(f"scores are seeds x problems, alike before and after: found {first.shape}, {second.shape}")
    if first.shape[1] != len(disciplines):
        raise ValueError(f"{first.shape[1]} problems and {len(disciplines)} disciplines")
    gain_SP = second - first
    num_seeds, labels = len(gain_SP), np.asarray(disciplines)
    stretched_SP = gain_SP.mean(axis=0) + _seed_stretch(num_seeds, level) * (gain_SP - gain_SP.mean(axis=0))
    rng = np.random.default_rng(seed)
    weight_RS = rng.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), size=num_resamples) / num_seeds
    total_R = np.zeros(num_resamples)
    names = sorted(set(disciplines))
    for name in names:
        stratum_Sn = stretched_SP[:, labels == name]
        size = stratum_Sn.shape[1]
        weight_Rn = rng.multinomial(size, np.full(size, 1 / size), size=num_resamples) / size
        total_R += ((weight_RS @ stratum_Sn) * weight_Rn).sum(axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(total_R / len(names), [tail, 1 - tail])
    mean = float(np.mean([discipline_mean(row, disciplines) for row in gain_SP]))
    return Interval(mean=mean, low=float(low), high=float(high))


def _seed_stretch(num_seeds: int, level: float) -> float:
    if num_seeds < 2:
        return 1.0
    normal = NormalDist().inv_cdf((1 + level) / 2)
    return math.sqrt(num_seeds / (num_seeds - 1)) * student_quantile((1 + level) / 2, num_seeds - 1) / normal


def student_quantile(chance: float, df: int) -> float:
    """The quantile of Student's t with df degrees of freedom at a chance above one half, by bisection.

    The distribution function is the finite sum of Abramowitz and Stegun 26.7.3 and 26.7.4.
    """

    def between(t: float) -> float:
        """P(|T| < t)."""
        theta = math.atan(t / math.sqrt(df))
        cosine, sine = math.cos(theta), math.sin(theta)
        if df % 2:
            term = total = cosine
            for k in range(3, df - 1, 2):
                term *= cosine**2 * (k - 1) / k
                total += term
            return 2 / math.pi * (theta + (sine * total if df > 1 else 0.0))
        term = total = 1.0
        for k in range(2, df - 1, 2):
            term *= cosine**2 * (k - 1) / k
            total += term
        return sine * total

    low, high = 0.0, 1.0
    while between(high) < 2 * chance - 1:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if between(middle) < 2 * chance - 1 else (low, middle)
    return high


def pass_at_k(num_draws: int, num_right: int, k: int) -> float:
    """The chance that at least one of k draws is right, unbiased from n draws of which c were right.

    1 - C(n-c, k) / C(n, k) as a product (Chen et al., arXiv 2107.03374, section 2.1).
    """
    if not 1 <= k <= num_draws or not 0 <= num_right <= num_draws:
        raise ValueError(f"pass@{k} of {num_draws} draws with {num_right} right is not defined")
    if num_draws - num_right < k:
        return 1.0
    return 1.0 - math.prod(1 - k / n for n in range(num_draws - num_right + 1, num_draws + 1))


def wilson_interval(mean: float, num_problems: int, *, level: float = 0.95) -> Interval:
    """A proportion with its Wilson score interval, which stays sensible at 0 and 1 and for few problems.

    For means over several draws it errs on the wide side, because such scores vary less than single ones.
    It covers the choice of problems only, not the training seed.
    """
    if num_problems < 1:
        raise ValueError("an interval needs at least one problem")
    z = NormalDist().inv_cdf((1 + level) / 2)
    spread = z * math.sqrt(mean * (1 - mean) / num_problems + z**2 / (4 * num_problems**2))
    center, shrink = mean + z**2 / (2 * num_problems), 1 + z**2 / num_problems
    return Interval(mean=mean, low=max(0.0, (center - spread) / shrink), high=min(1.0, (center + spread) / shrink))


def mcnemar_exact(before: ArrayLike, after: ArrayLike) -> float:
    """The two-sided exact p-value that right-to-wrong and wrong-to-right are equally likely.

    For single draws: every score is 0 or 1. Without a discordant pair it is 1.
    """
    first, second = _as_scores(before), _as_scores(after)
    if first.shape != second.shape:
        raise ValueError(f"paired scores differ in length: {first.size} before, {second.size} after")
    if not np.isin(np.concatenate([first, second]), (0.0, 1.0)).all():
        raise ValueError("McNemar's test is for scores of 0 or 1; use paired_difference for means over draws")
    gained, lost = int(((second - first) > 0).sum()), int(((second - first) < 0).sum())
    total = gained + lost
    tail = sum(math.comb(total, k) for k in range(min(gained, lost) + 1))
    return float(min(1.0, 2 * tail / (1 << total)))


def _bootstrap(values: Floats, disciplines: Sequence[str], *, seed: int, num_resamples: int, level: float) -> Interval:
    generator = np.random.default_rng(seed)
    strata = _strata(values, disciplines)
    total = np.zeros(num_resamples)
    for _, stratum in strata:
        # Equal scores are drawn together: their counts in a resample are multinomial with their shares, which
        # is the same distribution as drawing problems one by one and needs no array of resamples x problems.
        distinct, counts = np.unique(stratum, return_counts=True)
        resampled = generator.multinomial(stratum.size, counts / stratum.size, size=num_resamples)
        total += resampled @ distinct / stratum.size
    low, high = np.quantile(total / len(strata), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean=_mean_of_means([stratum for _, stratum in strata]), low=float(low), high=float(high))


def _strata(values: Floats, disciplines: Sequence[str]) -> list[tuple[str, Floats]]:
    if values.size == 0 or values.size != len(disciplines):
        raise ValueError(f"{values.size} scores for {len(disciplines)} discipline labels")
    labels = np.asarray(disciplines, dtype=object)
    return [(name, values[labels == name]) for name in sorted(set(disciplines))]


def _mean_of_means(strata: Sequence[Floats]) -> float:
    return float(np.mean([stratum.mean() for stratum in strata]))


def _as_scores(scores: ArrayLike) -> Floats:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"scores have one entry per problem, found shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("scores hold a NaN or an infinity")
    return values
