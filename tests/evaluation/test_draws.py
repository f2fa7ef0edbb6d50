"""mean@n, pass@k, maj@k and the crossover against closed forms, brute force and simulation."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from polymath.evaluation.draws import (
    Problem,
    crossover,
    majority_at_k,
    majority_curve,
    pair_problems,
    pass_at_k_curve,
    problems_of,
)
from polymath.evaluation.statistics import standard_error
from polymath.evaluation.summary import summarize


def problem(right, answers=None, *, name="p", discipline="algebra"):
    right = tuple(bool(one) for one in right)
    return Problem(
        benchmark="b",
        id=name,
        discipline=discipline,
        subject="s",
        right=right,
        answers=tuple(answers) if answers is not None else tuple("7" if one else "3" for one in right),
    )


def row(name, outcome, extracted, *, benchmark="b", discipline="algebra", subject=None):
    verdict = {"outcome": outcome, "extracted": extracted}
    return {
        "benchmark": benchmark,
        "id": name,
        "discipline": discipline,
        "subject": subject,
        "strict": verdict,
        "lenient": {"outcome": "right", "extracted": "9"},
    }


def test_rows_become_problems_with_undecided_as_not_right() -> None:
    rows = [row("p", "right", "7"), row("q", "wrong", None), row("p", "undecided", "3")]
    first, second = problems_of(rows)
    assert (first.id, first.right, first.answers) == ("p", (True, False), ("7", "3"))
    assert (second.id, second.right, second.answers, second.subject) == ("q", (False,), (None,), "unknown")
    assert problems_of(rows, "lenient")[0].right == (True, True)


def test_problems_are_paired_by_benchmark_and_id() -> None:
    before = [row("p", "right", "7"), row("q", "right", "7"), row("p", "right", "7", benchmark="c")]
    after = [row("p", "wrong", "3", benchmark="c"), row("r", "right", "7"), row("p", "right", "7")]
    pairs = pair_problems(before, after)
    assert [(first.benchmark, first.id, second.score) for first, second in pairs] == [("b", "p", 1.0), ("c", "p", 0.0)]


def whole_row(name, is_right):
    found = row(name, "right" if is_right else "wrong", "7")
    return {**found, "ways": [], "finish": "eos", "num_tokens": 3, "answer_type": "number"}


def test_the_standard_error_of_draws_is_clustered_by_problem() -> None:
    right = np.random.default_rng(0).integers(0, 2, size=(30, 8)).astype(bool)
    score = summarize([whole_row(f"p{i}", one) for i, draws in enumerate(right) for one in draws])["benchmarks"]["b"]
    assert (score["n"], score["num_draws"], score["accuracy"]) == (30, 8, pytest.approx(right.mean()))
    # With y_i right of m draws of problem i: se^2 = P / (P - 1) * sum (y_i - r m)^2 / (P m)^2.
    squares = ((right.sum(axis=1) - right.mean() * 8) ** 2).sum()
    assert score["se"] == pytest.approx(math.sqrt(30 / 29 * squares) / (30 * 8))


def test_draws_that_always_agree_are_no_more_evidence_than_one() -> None:
    scores = [True, False, False, True, True]
    many, one = (
        summarize([whole_row(f"p{i}", right) for i, right in enumerate(scores) for _ in range(num)])["benchmarks"]["b"]
        for num in (50, 1)
    )
    assert many["se"] == pytest.approx(one["se"])
    assert one["se"] == pytest.approx(standard_error(np.array(scores, dtype=float)))


def test_pass_at_k_is_the_share_of_subsets_with_a_right_draw() -> None:
    problems = [problem([1, 0, 0, 1, 0, 0]), problem([0, 0, 0, 0, 0, 1], discipline="physics")]
    for point in pass_at_k_curve(problems, [1, 2, 3, 6], num_resamples=10):
        shares = [np.mean([any(subset) for subset in combinations(one.right, point.k)]) for one in problems]
        assert point.score.mean == pytest.approx(np.mean(shares))


def test_the_curve_stands_at_powers_of_two_and_at_the_last_draw() -> None:
    assert [point.k for point in pass_at_k_curve([problem([1, 0] * 3)], num_resamples=2)] == [1, 2, 4, 6]
    assert [point.k for point in pass_at_k_curve([problem([1] * 8), problem([1] * 4)], num_resamples=2)] == [1, 2, 4]


@pytest.mark.parametrize("ks", [[0], [5], [1, 9]])
def test_a_k_beyond_the_draws_is_refused(ks) -> None:
    with pytest.raises(ValueError, match="k lies between 1 and 4"):
        pass_at_k_curve([problem([1, 0, 0, 1]), problem([1] * 9)], ks)


def test_the_interval_of_pass_at_k_is_that_of_resampled_problems() -> None:
    generator = np.random.default_rng(4)
    problems = [problem(generator.random(6) < chance) for chance in generator.random(60)]
    scores = [np.mean([any(subset) for subset in combinations(one.right, 3)]) for one in problems]
    resampled = [np.mean(generator.choice(scores, size=60)) for _ in range(20_000)]
    (point,) = pass_at_k_curve(problems, [3], num_resamples=20_000)
    assert [point.score.low, point.score.high] == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=0.006)


def votes_by_brute_force(right, answers, k):
    """Every subset is counted by hand, ties shared evenly."""
    total = Fraction(0)
    subsets = list(combinations(range(len(right)), k))
    for subset in subsets:
        counts: dict[object, int] = {}
        for place in subset:
            if right[place]:
                counts["the right one", 0] = counts.get(("the right one", 0), 0) + 1
            elif answers[place] is not None and answers[place].strip():
                counts[answers[place].strip()] = counts.get(answers[place].strip(), 0) + 1
        if counts:
            winners = [name for name, count in counts.items() if count == max(counts.values())]
            total += Fraction(("the right one", 0) in winners, len(winners))
    return total / len(subsets)


@pytest.mark.parametrize("seed", range(25))
def test_the_vote_is_exact_over_all_subsets(seed) -> None:
    generator = np.random.default_rng(seed)
    size = int(generator.integers(1, 10))
    right = [bool(one) for one in generator.random(size) < generator.random()]
    answers = [[None, "", "1", "2 ", "2", "3", "4", " 1"][place] for place in generator.integers(0, 8, size=size)]
    for k in range(1, size + 1):
        expected = float(votes_by_brute_force(right, answers, k))
        assert majority_at_k(right, answers, k) == pytest.approx(expected, abs=1e-12)


def test_right_answers_vote_together_however_they_are_spelled() -> None:
    # 1/2, 0.5 and .5 against 3 twice: the right ones win.
    assert majority_at_k([True, True, True, False, False], ["1/2", "0.5", ".5", "3", "3"], 5) == 1.0


def test_a_tie_is_split_and_silence_is_wrong() -> None:
    assert majority_at_k([True, False, False], ["7", "3", "4"], 3) == pytest.approx(1 / 3)
    assert majority_at_k([False, False], [None, ""], 2) == 0.0
    # One right vote among any number of answers that cannot be read wins.
    assert majority_at_k([True, False, False, False], ["7", None, None, " "], 4) == 1.0


def test_one_vote_is_the_mean() -> None:
    assert majority_at_k([True, False, False, True, False], ["7", "3", None, "7", "4"], 1) == pytest.approx(2 / 5)


def test_against_one_wrong_answer_the_vote_is_hypergeometric() -> None:
    right, k = [True] * 40 + [False] * 24, 16
    chance = stats.hypergeom(64, 40, k)
    expected = chance.sf(k // 2) + chance.pmf(k // 2) / 2
    assert majority_at_k(right, ["7"] * 40 + ["3"] * 24, k) == pytest.approx(expected, rel=1e-9)


def test_five_hundred_draws_are_still_exact() -> None:
    chance = stats.hypergeom(500, 260, 99)
    assert majority_at_k([True] * 260 + [False] * 240, ["7"] * 260 + ["3"] * 240, 99) == pytest.approx(
        chance.sf(49), rel=1e-9
    )


def test_the_curve_of_votes_is_the_mean_over_disciplines() -> None:
    problems = [problem([1, 1, 0]), problem([0, 0, 0]), problem([1, 0, 0], discipline="physics")]
    (point,) = majority_curve(problems, [3], num_resamples=10)
    assert point.score.mean == pytest.approx(((1 + 0) / 2 + 0) / 2)


def test_verdicts_and_answers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="not defined"):
        majority_at_k([True], ["7", "3"], 1)
    with pytest.raises(ValueError, match="not defined"):
        majority_at_k([True], ["7"], 2)


def test_the_crossover_is_where_the_curves_meet() -> None:
    # The base solves both now and then; the trained model one always, the other never.
    base = [problem([1, 0, 0, 0], name="p"), problem([1, 0, 0, 0], name="q")]
    trained = [problem([1, 1, 1, 1], name="p"), problem([0, 0, 0, 0], name="q")]
    # pass@k of the base is k / 4, of the trained 1/2: equal at 2.
    found = crossover(base, trained)
    assert found.k == 2
    assert found.base == pytest.approx((0.25, 0.5, 0.75, 1.0))
    assert found.trained == pytest.approx((0.5,) * 4)
    # Resamples: two of p (1/4) meet at 4, two of q (1/4) at 1, one of each (1/2) at 2.
    assert found.certainty == pytest.approx((0.25, 0.75, 0.75, 1.0), abs=0.05)


def test_without_a_meeting_there_is_no_crossover() -> None:
    found = crossover([problem([0, 0, 0])], [problem([1, 1, 0])])
    assert (found.k, found.certainty) == (None, (0.0, 0.0, 0.0))


def test_curves_that_both_end_at_one_have_met_there() -> None:
    # 1/3, 2/3, 1 against 2/3, 1, 1.
    assert crossover([problem([1, 0, 0])], [problem([1, 1, 0])]).k == 3


def test_a_base_that_is_no_worse_crosses_at_one() -> None:
    assert crossover([problem([1, 0])], [problem([0, 1])]).k == 1


def test_the_crossover_goes_to_the_smallest_number_of_draws() -> None:
    assert crossover([problem([0] * 9)], [problem([1] * 5)]).max_k == 5


def test_other_problems_are_no_pair() -> None:
    with pytest.raises(ValueError, match="the same problems"):
        crossover([problem([1], name="p")], [problem([1], name="q")])


def test_where_all_problems_agree_the_interval_is_no_point() -> None:
    never = summarize([whole_row(f"p{i}", False) for i in range(4)])
    # Wilson's interval of 0 of 4: up to z^2 / (n + z^2), z = 1.959964.
    limit = 1.959964**2 / (4 + 1.959964**2)
    assert (never["mean"], never["low"], never["high"]) == (0.0, 0.0, pytest.approx(limit, abs=1e-6))
    other = [{**whole_row(f"q{i}", True), "discipline": "physics"} for i in range(4)]
    both = summarize([whole_row(f"p{i}", False) for i in range(4)] + other)
    # Each discipline's distance, limit and limit, squared and added with weights of a half.
    assert both["mean"] == 0.5
    assert both["high"] == pytest.approx(0.5 + limit / 2, abs=1e-6)
    assert both["low"] == pytest.approx(0.5 - limit / 2, abs=1e-6)


def test_the_mean_over_benchmarks_stands_beside_that_over_disciplines() -> None:
    rows = [whole_row(f"p{i}", False) for i in range(8)] + [{**whole_row("q", True), "benchmark": "c"}]
    found = summarize(rows)
    assert found["mean"] == pytest.approx(1 / 9)
    assert found["benchmark_mean"] == 0.5
