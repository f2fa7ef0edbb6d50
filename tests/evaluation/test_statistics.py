"""Intervals against closed forms, scipy and brute force."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from polymath.evaluation.statistics import (
    bootstrap_discipline_mean,
    discipline_mean,
    mcnemar_exact,
    paired_difference,
    pass_at_k,
    standard_error,
    student_quantile,
    two_level_difference,
    wilson_interval,
)

SCORES = [1, 1, 0, 1, 0, 0, 0, 0, 1, 0]
DISCIPLINES = ["algebra"] * 4 + ["physics"] * 6


def test_disciplines_count_equally_however_many_problems_they_have() -> None:
    # algebra 3/4, physics 1/6: their mean is 11/24, not 4/10.
    assert discipline_mean(SCORES, DISCIPLINES) == pytest.approx(11 / 24)


def test_the_order_of_problems_does_not_matter() -> None:
    order = np.random.default_rng(0).permutation(10)
    shuffled = bootstrap_discipline_mean(np.array(SCORES)[order], [DISCIPLINES[i] for i in order], seed=3)
    assert shuffled == bootstrap_discipline_mean(SCORES, DISCIPLINES, seed=3)


def test_the_standard_error_uses_n_minus_one() -> None:
    # [0, 1]: deviation sqrt(1/2) with ddof 1, over sqrt(2).
    assert standard_error([0, 1]) == pytest.approx(0.5)
    assert standard_error(SCORES) == pytest.approx(stats.sem(SCORES, ddof=1))


def test_a_single_score_has_no_standard_error() -> None:
    assert standard_error([1.0]) is None


def test_the_bootstrap_agrees_with_drawing_problems_one_by_one() -> None:
    scores = np.random.default_rng(1).choice([0, 0.25, 0.5, 1.0], size=60)
    disciplines = ["a"] * 15 + ["b"] * 45
    generator = np.random.default_rng(2)
    means = [
        (scores[:15][generator.integers(15, size=15)].mean() + scores[15:][generator.integers(45, size=45)].mean()) / 2
        for _ in range(20_000)
    ]
    ours = bootstrap_discipline_mean(scores, disciplines, seed=0, num_resamples=50_000)
    assert [ours.low, ours.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.006)


def test_one_binary_stratum_gives_the_quantiles_of_a_binomial() -> None:
    ours = bootstrap_discipline_mean([1] * 60 + [0] * 140, ["a"] * 200, seed=0, num_resamples=200_000)
    exact = stats.binom.ppf([0.025, 0.975], 200, 0.3) / 200
    assert [ours.low, ours.high] == pytest.approx(exact, abs=0.005 + 1e-9)


def test_the_width_follows_the_stratified_variance() -> None:
    generator = np.random.default_rng(5)
    parts = [generator.random(size) for size in (200, 400, 300)]
    names = ["a"] * 200 + ["b"] * 400 + ["c"] * 300
    ours = bootstrap_discipline_mean(np.concatenate(parts), names, seed=0, level=0.9)
    deviation = math.sqrt(sum(part.var() / part.size for part in parts)) / 3
    assert (ours.high - ours.low) / 2 == pytest.approx(1.6449 * deviation, rel=0.03)


def test_the_bootstrap_is_the_same_under_the_same_seed() -> None:
    first = bootstrap_discipline_mean(SCORES, DISCIPLINES, seed=7, num_resamples=500)
    assert first == bootstrap_discipline_mean(SCORES, DISCIPLINES, seed=7, num_resamples=500)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    names = ["a"] * 80 + ["b"] * 120
    hits = 0
    for trial in range(300):
        scores = np.concatenate([generator.random(80) < 0.3, generator.random(120) < 0.6])
        interval = bootstrap_discipline_mean(scores, names, seed=trial, num_resamples=1_000)
        hits += interval.low <= 0.45 <= interval.high
    assert 0.91 <= hits / 300 <= 0.98


def test_the_paired_difference_is_after_minus_before() -> None:
    after = [1] * 10
    ours = paired_difference(SCORES, after, DISCIPLINES, seed=0)
    assert ours.mean == pytest.approx(discipline_mean(after, DISCIPLINES) - discipline_mean(SCORES, DISCIPLINES))
    assert ours.low <= ours.mean <= ours.high


def test_pairing_makes_a_constant_gain_certain() -> None:
    before = np.linspace(0, 0.5, 40)
    ours = paired_difference(before, before + 0.25, ["a", "b"] * 20, seed=0)
    assert [ours.mean, ours.low, ours.high] == pytest.approx([0.25, 0.25, 0.25])


def test_pairing_agrees_with_scipy_on_the_per_problem_differences() -> None:
    generator = np.random.default_rng(4)
    before, after = generator.random(120), generator.random(120) + 0.1
    ours = paired_difference(before, after, ["a"] * 120, seed=0, num_resamples=20_000)
    theirs = stats.bootstrap(
        (after - before,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], abs=0.005)


def test_paired_scores_must_be_of_the_same_problems() -> None:
    with pytest.raises(ValueError, match="2 before, 1 after"):
        paired_difference([0, 1], [1], ["a"], seed=0)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (5, 0), (7, 2), (2, 7), (6, 6), (40, 18), (900, 810)])
def test_mcnemar_is_the_two_sided_binomial_test(gained: int, lost: int) -> None:
    before = [0] * gained + [1] * lost + [1, 0, 1]
    after = [1] * gained + [0] * lost + [1, 0, 1]
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar_exact(before, after) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_by_hand() -> None:
    # Five gained, none lost: 2 * (1/2)^5.
    assert mcnemar_exact([0] * 5, [1] * 5) == pytest.approx(0.0625)


def test_mcnemar_refuses_means_over_draws() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        mcnemar_exact([0.5], [1.0])


@pytest.mark.parametrize(("right", "total"), [(0, 30), (30, 30), (7, 30), (1, 1), (611, 1319)])
def test_wilson_agrees_with_scipy(right: int, total: int) -> None:
    ours = wilson_interval(right / total, total)
    theirs = stats.binomtest(right, total).proportion_ci(method="wilson")
    assert [ours.low, ours.high] == pytest.approx([theirs.low, theirs.high], abs=1e-9)


@pytest.mark.parametrize("scores", [[], [0.1, 0.2], [math.nan], [[0.1]]])
def test_unusable_scores_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError):
        discipline_mean(scores, ["a"])


def test_ten_thousand_resamples_of_twelve_thousand_problems_are_quick() -> None:
    scores = np.random.default_rng(0).integers(0, 2, size=12_000)
    interval = bootstrap_discipline_mean(scores, [f"d{i % 14}" for i in range(12_000)], seed=0)
    assert interval.high - interval.low < 0.02


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 9, 30])
def test_students_quantile_is_that_of_scipy(df: int) -> None:
    assert student_quantile(0.975, df) == pytest.approx(stats.t.ppf(0.975, df), rel=1e-9)


def test_of_one_seed_only_the_problems_are_resampled() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.integers(0, 2, (1, 80)), rng.integers(0, 2, (1, 80))
    labels = ["a"] * 20 + ["b"] * 60
    found = two_level_difference(before, after, labels, seed=0)
    single = paired_difference(before[0], after[0], labels, seed=1)
    assert found.mean == pytest.approx(single.mean)
    assert (found.low, found.high) == pytest.approx((single.low, single.high), abs=0.02)


def test_where_only_seeds_differ_the_interval_is_students() -> None:
    """Every problem of a seed scores alike: the interval is that of a mean of three numbers."""
    seeds = np.array([0.4, 0.5, 0.9])
    found = two_level_difference(np.zeros((3, 50)), np.tile(seeds[:, None], 50), ["a"] * 50, seed=0)
    half = stats.t.ppf(0.975, 2) * stats.sem(seeds)
    assert found.mean == pytest.approx(0.6)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_the_two_level_interval_holds_the_truth_as_often_as_it_says(num_seeds: int) -> None:
    """Seeds that differ by ten points, 100 problems. 200 worlds: a coverage of .95 has a standard error of .015."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(200):
        skill = 0.6 + 0.1 * rng.normal(size=(num_seeds, 1)) + 0.2 * rng.uniform(-1, 1, size=(1, 100))
        after = (rng.random((num_seeds, 100)) < skill).astype(float)
        found = two_level_difference(np.zeros_like(after), after, ["a"] * 100, seed=0, num_resamples=1_000)
        held += found.low <= 0.6 <= found.high
    assert 0.90 <= held / 200 <= 1.0


def test_seeds_that_disagree_widen_the_interval_and_seeds_that_agree_do_not() -> None:
    rng = np.random.default_rng(5)
    scores = rng.integers(0, 2, 200)
    nothing, labels = np.zeros((3, 200)), ["a"] * 200
    alike = two_level_difference(nothing, np.stack([scores] * 3), labels, seed=0)
    apart = two_level_difference(nothing, np.stack([scores, scores * 0, scores * 0 + 1]), labels, seed=0)
    single = paired_difference(nothing[0], scores, labels, seed=0)
    assert alike.high - alike.low == pytest.approx(single.high - single.low, abs=0.02)
    assert apart.high - apart.low > 3 * (alike.high - alike.low)


def test_two_levels_refuse_tables_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="seeds x problems"):
        two_level_difference([0, 1], [1, 1], ["a", "a"], seed=0)
    with pytest.raises(ValueError, match="2 problems and 1 disciplines"):
        two_level_difference([[0, 1]], [[1, 1]], ["a"], seed=0)


@pytest.mark.parametrize(("n", "c"), [(8, 0), (8, 1), (8, 3), (8, 8), (5, 4)])
def test_pass_at_k_is_the_share_of_subsets_with_a_right_draw(n: int, c: int) -> None:
    right = [True] * c + [False] * (n - c)
    for k in range(1, n + 1):
        subsets = list(combinations(right, k))
        assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_pass_at_k_of_more_draws_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="pass@9 of 8"):
        pass_at_k(8, 1, 9)
