"""The result for the terminal and for programs."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from polymath.reporting import result_table, summarize_run
from polymath.reporting.compare import compare, problem_scores
from polymath.reporting.examples import MAX_CHARS, cut_passage, pick_examples
from polymath.reporting.figures import spread
from polymath.reporting.wording import number, percent, points
from polymath.runs import RunFolder
from tests.reporting.synthetic import DISCIPLINES


def test_the_summary_has_exactly_the_shape_of_the_contract(finished_run: RunFolder) -> None:
    result = summarize_run(finished_run)
    assert list(result) == ["run", "report", "before", "after", "difference", "arms"]
    assert list(result["difference"]) == ["mean", "low", "high"]
    assert set(result["arms"]) == {"random", "format"}
    for one in (result["before"], result["after"], *result["arms"].values()):
        assert list(one) == ["mean", "lenient_mean", "disciplines"]
        assert set(one["disciplines"]) == set(DISCIPLINES)
        assert all(0 <= accuracy <= 1 for accuracy in one["disciplines"].values())
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_the_difference_is_after_minus_before(finished_run: RunFolder) -> None:
    result = summarize_run(finished_run)
    assert result["difference"]["mean"] == pytest.approx(result["after"]["mean"] - result["before"]["mean"])
    assert result["difference"]["low"] < result["difference"]["mean"] < result["difference"]["high"]


def test_what_an_unfinished_run_has_not_reached_is_null(build: Callable[..., RunFolder]) -> None:
    result = summarize_run(build(num_steps=7))
    assert result["before"] is not None
    assert (result["after"], result["difference"], result["arms"]["random"]) == (None, None, None)


def test_the_table_shows_base_trained_arms_and_disciplines(finished_run: RunFolder) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(result_table(finished_run))
    text = console.export_text()
    for expected in ("base", "trained", "arm random", "arm format", "lenient", *DISCIPLINES):
        assert expected in text
    assert percent(summarize_run(finished_run)["after"]["mean"]) in text
    assert "…" not in text


def row(
    problem: str, outcome: str, *, draw: int = 0, benchmark: str = "lab", lenient: str | None = None
) -> dict[str, object]:
    verdicts = {
        reading: {"outcome": found, "extracted": "1", "found_by": "box", "compared_by": "text", "detail": ""}
        for reading, found in (("strict", outcome), ("lenient", lenient or outcome))
    }
    return {
        "benchmark": benchmark, "id": problem, "draw": draw, "discipline": "algebra", "question": "q", "answer": "1",
        "response": "it is 1", "finish": "eos", "num_tokens": 3, **verdicts,
    }  # fmt: skip


def test_a_score_is_the_mean_over_draws_and_undecided_is_not_right() -> None:
    rows = [row("a", "right"), row("a", "wrong", draw=1), row("b", "undecided"), row("b", "right", draw=1)]
    assert problem_scores(rows, "strict") == {("lab", "a"): 0.5, ("lab", "b"): 0.5}


def test_a_problem_that_a_benchmark_holds_twice_is_one_problem() -> None:
    rows = [row("a", "right"), row("a", "wrong"), row("a", "right", benchmark="other")]
    assert problem_scores(rows, "strict") == {("lab", "a"): 0.5, ("other", "a"): 1.0}


def test_problems_are_paired_by_id_and_the_unpaired_are_counted() -> None:
    difference = compare([row("a", "wrong"), row("b", "right")], [row("b", "right"), row("c", "right")])
    assert difference is not None
    assert (difference.strict.mean, difference.num_problems, difference.num_unpaired) == (0.0, 1, 2)


def test_the_format_part_is_the_strict_gain_minus_the_lenient_gain() -> None:
    # Strict 0/4 -> 3/4, lenient 2/4 -> 3/4: 75 points, of which 50 are format.
    before = [row(p, "wrong", lenient="right" if p in "ab" else "wrong") for p in "abcd"]
    after = [row(p, "right" if p in "abc" else "wrong") for p in "abcd"]
    difference = compare(before, after)
    assert difference is not None
    assert (difference.strict.mean, difference.lenient.mean, difference.format_part.mean) == (0.75, 0.25, 0.5)


def test_several_draws_have_no_mcnemar_test() -> None:
    before = [row("a", "right"), row("a", "wrong", draw=1)]
    difference = compare(before, before)
    assert difference is not None and difference.p_value is None and difference.matrix is None


def test_evaluations_of_different_problems_are_not_compared() -> None:
    assert compare([row("a", "right")], [row("b", "right")]) is None


def test_examples_are_picked_by_kind_in_the_order_of_ids() -> None:
    before = [row(p, "wrong") for p in "edcba"] + [row("z", "right"), row("y", "undecided")]
    after = [row(p, "right") for p in "abcde"] + [row("z", "wrong"), row("y", "wrong")]
    picked = [(example.kind, example.id) for example in pick_examples(before, after)]
    assert picked == [("wrong → right", p) for p in "abc"] + [("right → wrong", "z"), ("undecided", "y")]


def test_the_last_place_of_an_answer_is_marked_and_long_texts_are_cut() -> None:
    passage = cut_passage("7 and 7." + "x" * MAX_CHARS, {"extracted": "7", "outcome": "right"})
    assert (passage.lead, passage.answer, passage.num_hidden) == ("7 and ", "7", 8)
    assert cut_passage("seven", {"extracted": "7", "outcome": "right"}).answer == ""


def test_crowded_labels_are_moved_apart_in_order() -> None:
    moved = spread([0.0, 0.01, 0.02, 0.9], 0.08)
    assert all(right - left >= 0.079 for left, right in itertools.pairwise(moved))
    assert moved[0] >= 0 and moved[-1] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1712, "0.17"), (34.94, "34.9"), (4101.2, "4101"), (0, "0"), (-3.14159, "−3.14"), (2e-5, "2e−05")],
)
def test_numbers_have_sensible_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.1234, "+12.3"), (-0.05, "−5.0"), (0.0, "0.0"), (-0.0001, "0.0")])
def test_differences_are_signed_points(value: float, text: str) -> None:
    assert points(value) == text
