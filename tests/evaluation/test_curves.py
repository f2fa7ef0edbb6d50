"""Saturation, late gain, best step and gain matrix on hand-made runs and in simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from polymath.evaluation.curves import TrainedRun, best_step, gain_matrix, late_gain, saturation
from polymath.evaluation.multiplicity import compare_subjects, holm
from polymath.evaluation.statistics import discipline_mean


def metrics_of(rewards, *, start=1):
    return [{"step": step, "reward": reward} for step, reward in enumerate(rewards, start)]


def rows_of(scores, *, subject="algebra", discipline="mathematics"):
    return [
        {
            "benchmark": "b",
            "id": f"{subject}-{problem}",
            "discipline": discipline,
            "subject": subject,
            "strict": {"outcome": "right" if score else "wrong", "extracted": "7"},
            "lenient": {"outcome": "wrong", "extracted": "7"},
        }
        for problem, score in enumerate(scores)
    ]


def test_a_run_saturates_where_its_window_is_full_of_right_answers() -> None:
    found = saturation(metrics_of([0.2, 0.5, 1.0, 1.0, 1.0, 1.0]), window=3)
    assert (found.reached, found.held) == (5, 5)


def test_a_dip_lets_go_of_the_bar() -> None:
    # Means of two: .5, 1, 1, .75, .75, 1.
    found = saturation(metrics_of([0.0, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0]), window=2)
    assert (found.reached, found.held) == (3, 7)


def test_a_run_that_falls_apart_has_reached_and_not_held() -> None:
    found = saturation(metrics_of([1.0, 1.0, 1.0, 0.0]), window=2)
    assert (found.reached, found.held) == (2, None)


def test_a_run_that_never_saturates_has_no_step() -> None:
    found = saturation(metrics_of([0.9, 0.95, 0.98] * 10), window=5)
    assert (found.reached, found.held) == (None, None)


def test_records_shorter_than_the_window_say_nothing() -> None:
    assert saturation(metrics_of([1.0] * 4), window=5).reached is None
    assert saturation([]).held is None
    assert saturation(metrics_of([1.0] * 5), window=5).held == 5


def test_the_bar_lies_within_the_range_of_the_reward() -> None:
    # Of a reward from -1 to 1 the bar is .98; .985 is above it, and of 0 to 1 below .99.
    metrics = metrics_of([0.985] * 10)
    assert saturation(metrics, window=1, reward_range=(-1.0, 1.0)).held == 1
    assert saturation(metrics, window=1).held is None
    assert saturation(metrics_of([1.0] * 10), threshold=1.0, window=10).held == 10


def test_rows_without_the_metric_are_passed_over_and_order_does_not_matter() -> None:
    metrics = [{"step": 4, "reward": 1.0}, {"step": 1, "reward": 0.0}, {"step": 3}, {"step": 2, "reward": 1.0}]
    assert saturation(metrics, window=2).held == 4
    assert saturation([{"step": 1, "accuracy": 1.0}], key="accuracy", window=1).held == 1


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        saturation([], window=0)


def test_the_late_gain_is_last_minus_first_after_saturation() -> None:
    evaluations = {
        0: rows_of([0] * 8),
        40: rows_of([1] * 4 + [0] * 4),
        60: rows_of([1] * 8),
        80: rows_of([1] * 6 + [0] * 2),
    }
    found = late_gain(evaluations, 25)
    assert found is not None
    assert (found.from_step, found.to_step, found.num_problems) == (40, 80, 8)
    # Two of eight gained: resampled means are binomial(8, 1/4) / 8, whose quantiles at .025 and .975 are 0 and 5.
    assert found.difference.mean == pytest.approx(0.25)
    assert (found.difference.low, found.difference.high) == pytest.approx((0.0, 5 / 8))


def test_without_two_evaluations_after_saturation_there_is_no_late_gain() -> None:
    assert late_gain({0: rows_of([0]), 40: rows_of([1])}, 25) is None
    assert late_gain({}, 0) is None
    assert late_gain({30: rows_of([1], subject="a"), 40: rows_of([1], subject="b")}, 25) is None


def test_disciplines_count_equally_in_the_late_gain() -> None:
    def suite(algebra, physics):
        return rows_of(algebra) + rows_of(physics, subject="optics", discipline="physics")

    found = late_gain({1: suite([0] * 6, [1]), 2: suite([0] * 6, [0])}, 1)
    assert found is not None
    assert found.difference.mean == pytest.approx(-0.5)


def test_the_best_step_is_the_earliest_of_the_highest() -> None:
    found = best_step({0: rows_of([0, 0, 1]), 20: rows_of([1, 1, 0]), 40: rows_of([0, 1, 1]), 60: rows_of([1, 0, 0])})
    assert found is not None
    assert (found.step, found.score.mean) == (20, pytest.approx(2 / 3))
    assert (found.last_step, found.last.mean) == (60, pytest.approx(1 / 3))
    assert found.flattery == pytest.approx(found.score.mean - found.honest_mean)


def test_a_step_that_is_better_everywhere_is_not_flattered() -> None:
    found = best_step({0: rows_of([0] * 20), 20: rows_of([1] * 20)})
    assert found is not None
    assert (found.step, found.honest_mean, found.flattery) == (20, pytest.approx(1.0), pytest.approx(0.0))


def test_among_equal_steps_the_best_is_flattered_and_the_honest_mean_is_not() -> None:
    generator = np.random.default_rng(0)
    scores, honest = [], []
    for _ in range(40):
        found = best_step({step: rows_of(generator.random(60) < 0.5) for step in range(12)}, num_splits=60)
        assert found is not None
        scores.append(found.score.mean)
        honest.append(found.honest_mean)
    # The mean of the highest of twelve means of sixty coins lies 1.6 standard errors (.065) above one half.
    assert np.mean(scores) > 0.58
    assert np.mean(honest) == pytest.approx(0.5, abs=0.02)


def test_one_problem_cannot_be_halved_and_none_is_no_best_step() -> None:
    found = best_step({0: rows_of([1])})
    assert found is not None
    assert math.isnan(found.honest_mean)
    assert best_step({}) is None
    assert best_step({0: rows_of([1], subject="a"), 1: rows_of([1], subject="b")}) is None


def test_the_mean_of_the_best_step_is_over_disciplines() -> None:
    rows = rows_of([1, 0, 0, 0]) + rows_of([1], subject="optics", discipline="physics")
    found = best_step({3: rows})
    assert found is not None
    expected = discipline_mean([1, 0, 0, 0, 1], ["mathematics"] * 4 + ["physics"])
    assert found.score.mean == pytest.approx(expected)


def test_the_matrix_has_a_cell_a_run_and_subject_with_holm_over_all() -> None:
    base = rows_of([0] * 12) + rows_of([0] * 12, subject="optics", discipline="physics")
    better = rows_of([1] * 12) + rows_of([1] * 5 + [0] * 7, subject="optics", discipline="physics")
    worse = rows_of([0] * 12) + rows_of([1] * 8 + [0] * 4, subject="optics", discipline="physics")
    runs = [
        TrainedRun(name="one", train_subject="algebra", before=base, after=better),
        TrainedRun(name="two", train_subject="optics", before=base, after=worse),
    ]
    found = gain_matrix(runs)
    assert found.runs == (("one", "algebra"), ("two", "optics"))
    assert found.test_subjects == ("algebra", "optics")
    assert {key: cell.difference.mean for key, cell in found.cells.items()} == pytest.approx(
        {("one", "algebra"): 1.0, ("one", "optics"): 5 / 12, ("two", "algebra"): 0.0, ("two", "optics"): 8 / 12}
    )
    alone = [2 / 2**12, 2 / 2**5, 1.0, 2 / 2**8]
    keys = [("one", "algebra"), ("one", "optics"), ("two", "algebra"), ("two", "optics")]
    assert [found.cells[key].p_value for key in keys] == pytest.approx(alone)
    assert [found.cells[key].holm_p_value for key in keys] == pytest.approx(holm(alone))
    # The intervals are those of the subject's own table.
    assert found.cells[keys[1]].difference == compare_subjects(base, better)[1].difference


def test_a_subject_that_a_run_was_not_tested_on_has_no_cell() -> None:
    optics = rows_of([1, 0], subject="optics")
    found = gain_matrix(
        [
            TrainedRun(name="one", train_subject="algebra", before=rows_of([0, 0]), after=rows_of([1, 0])),
            TrainedRun(name="two", train_subject="algebra", before=optics, after=optics),
        ]
    )
    assert found.test_subjects == ("algebra", "optics")
    assert set(found.cells) == {("one", "algebra"), ("two", "optics")}


def test_two_runs_of_one_name_are_refused() -> None:
    run = TrainedRun(name="one", train_subject="a", before=[], after=[])
    with pytest.raises(ValueError, match="one name"):
        gain_matrix([run, run])
