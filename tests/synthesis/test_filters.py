"""Filters: each rejects what it is for, and lets through what looks like it."""

import pytest

from polymath.selection.probe import Probed
from polymath.synthesis.filters import benchmark_checks, near_checks, probe_checks, run_filters
from polymath.synthesis.instructions import ANSWERS
from polymath.synthesis.plan import FilterSection, ProbeSection
from polymath.types import Sample

LONG = (
    "A greenhouse of 40 square metres holds tomato plants, 3 to the square metre, and every plant takes 2 litres of "
    "water a day from a tank. A full tank of 1200 litres lasts for ____ days."
)


def failed(question=LONG, answer="5", *, kind="integer", has_answer=True, choices=None, **rules):
    sample = Sample(question=question, answer=answer, answer_type=ANSWERS[kind].answer_type, choices=choices)
    checks = run_filters(sample, ANSWERS[kind], FilterSection(**rules), has_answer=has_answer)
    assert all(check.ok for check in checks[:-1])
    return "" if checks[-1].ok else checks[-1].name


def test_a_good_sample_passes():
    assert failed() == ""


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("0", "range"),
        ("1", ""),
        ("1000", ""),
        ("1001", "range"),
        ("-5", "range"),
        ("5.5", "answer type"),
        ("5 days", "answer type"),
        ("five", "answer type"),
        ("", "answer type"),
        ("5.0", ""),
    ],
)
def test_a_whole_number_in_its_range_is_wanted(answer, name):
    assert failed(answer=answer) == name


def test_only_whole_numbers_have_a_range():
    assert failed(answer="5000 kg", kind="quantity") == ""
    assert failed(answer="x^2", kind="expression") == ""
    assert failed(answer="a pound of feathers", kind="quantity") == "answer type"


def test_a_choice_needs_its_options():
    assert failed(answer="B", kind="choice", choices=("4", "5")) == ""
    assert failed(answer="C", kind="choice", choices=("4", "5")) == "answer type"
    assert failed(answer="B", kind="choice") == "answer type"


def test_length_is_counted_in_characters():
    assert failed("Too short: ____.") == "length"
    assert failed("x" * 101, max_characters=100) == "length"
    assert failed("x" * 100, min_characters=100, max_characters=100) == ""


@pytest.mark.parametrize(
    ("tail", "is_leak"),
    [
        ("", False),
        (" The answer is 5.", True),
        (" (Answer: **5**)", True),
        (" Fill in: __5__", True),
        (" ____ = 5", True),
        (" $\\boxed{5}$", True),
        ("\n\nSolution: 1200 / 240 is what is wanted", True),
        ("\n**Answer:** see below", True),
        (" The answer is a number between 1 and 1000.", False),
        (" The answer is 5.5 when it rains.", False),
        (" The answer is 50 when it rains.", False),
        (" Each of the 5 workers drinks, too.", False),
        (" The salt solution: 5 grams a litre.", False),
        (" The result is ____.", False),
    ],
)
def test_an_answer_that_is_said_is_a_leak_and_a_given_that_equals_it_is_none(tail, is_leak):
    assert failed(LONG + tail) == ("leak" if is_leak else "")
    assert failed(LONG + tail, leak="off") == ""


def test_every_mention_is_a_leak_where_that_is_asked_for():
    assert failed(LONG + " Each of the 5 workers drinks.", leak="anywhere") == "leak"
    assert failed(LONG + " At 15.5 degrees, -5 at night, row A5.", leak="anywhere") == ""


def test_without_an_answer_only_the_question_is_checked():
    assert failed(answer="?", has_answer=False) == ""
    assert failed("short", answer="?", has_answer=False) == "length"


def samples(*questions):
    return [Sample(question=question, answer="5") for question in questions]


OTHER = "Two trains leave at noon and meet after some hours on a single track; one of them had waited ____ minutes."


def test_of_near_candidates_the_first_stays_and_takes_nobody_with_it():
    varied = LONG.replace("40", "50")
    checks = near_checks(samples(LONG, OTHER, varied, LONG), FilterSection(), ["a", "b", "c", "d"])
    assert [check.ok for check in checks] == [True, True, False, False]
    assert checks[2].detail.startswith("near a (Jaccard 0.") and checks[3].detail == "near a (Jaccard 1.00)"


def test_one_that_goes_rejects_nobody():
    """a is near b and b is near c, but c is not near a: once b is gone, c may stay."""
    words = [f"w{place}" for place in range(30)]
    a, b, c = (
        " ".join([*(f"{name}{place}" for place in range(count)), *words[count:]])
        for name, count in (("x", 0), ("x", 3), ("x", 6))
    )
    checks = near_checks(samples(a, b, c), FilterSection(near=0.75), ["a", "b", "c"])
    # 28 shingles each; a and b share 25 of 31 (.81), b and c 25 of 31, a and c 22 of 34 (.65).
    assert [check.ok for check in checks] == [True, False, True]


def test_a_problem_of_a_benchmark_is_named():
    benchmarks = {"one": samples(OTHER), "two": samples("Nothing like it at all, not a word.", LONG)}
    checks = benchmark_checks(samples("Quite another question about frogs.", LONG), FilterSection(), benchmarks)
    assert [(check.ok, check.detail) for check in checks] == [(True, ""), (False, "near two[1] (Jaccard 1.00)")]


def drawn(right, worked, num_draws=16):
    ways = {"right_ways": {"worked": worked}, "ways": {"worked": num_draws}, "wrong": {}, "mean_tokens": 5.0}
    counts = {"num_draws": num_draws, "right": right, "lenient_right": right, "undecided": 0, "truncated": 0}
    return Probed(index=0, id="x", **counts, **ways)


def failing(seen, **rules):
    return [check.name for check in probe_checks(seen, ProbeSection(**rules)) if not check.ok]


def test_the_probe_wants_a_band_first_and_then_work():
    seen = drawn(right=4, worked=3)
    assert failing(seen) == []
    assert failing(seen, min_pass_rate=0.25, max_pass_rate=0.25, max_shortcut=0.25) == []
    assert failing(seen, min_pass_rate=0.3) == ["band"]
    assert failing(seen, max_pass_rate=0.2, max_shortcut=0.1) == ["band"]
    assert failing(seen, max_shortcut=0.24) == ["shortcut"]


@pytest.mark.parametrize(
    ("right", "worked", "is_rejected"),
    [
        (10, 4, True),
        (10, 5, False),  # one half is not more than one half
        (4, 0, True),
        (4, 1, True),
        # Too few right draws decide nothing: the interval of 3 in 3 reaches below one half.
        (3, 0, False),
        (1, 0, False),
        (0, 0, False),
    ],
)
def test_where_most_right_draws_are_not_worked_a_candidate_is_rejected_unless_they_are_few(right, worked, is_rejected):
    assert failing(drawn(right, worked)) == (["shortcut"] if is_rejected else [])


def test_the_filter_of_shortcuts_can_be_switched_off():
    assert failing(drawn(right=16, worked=0), max_shortcut=1.0) == []
    told = probe_checks(drawn(right=3, worked=0), ProbeSection())[-1]
    assert told.ok and "3 of 16" in told.detail and "too few" in told.detail
