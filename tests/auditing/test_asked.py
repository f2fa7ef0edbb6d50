"""What the draws of the model to be trained show, in findings; and the groups of a step that teach."""

import pytest

from polymath.auditing.asked import find_blank, find_box, find_fit, find_majority, find_pass_rate, find_ways
from polymath.auditing.learnable import learnable_fraction, learnable_interval
from polymath.evaluation.statistics import Interval
from polymath.prompts import TEMPLATES
from polymath.samples.findings import is_sound
from polymath.selection.probe import Probed
from polymath.selection.selectors.probing import shortcut
from polymath.synthesis.filters import probe_checks
from polymath.synthesis.plan import ProbeSection
from polymath.types import Sample

MELONS = Sample(question="A farmer packs 8 crates with 9 melons each?", answer="72", answer_type="number")


def probed(right, num_draws=64, **changes):
    fields = {"lenient_right": right, "undecided": 0, "truncated": 0, "mean_tokens": 9.0, "wrong": {}}
    fields |= {"ways": {"worked": num_draws}, "right_ways": {"worked": right}} | changes
    return Probed(index=0, id="x", num_draws=num_draws, right=right, **fields)


@pytest.mark.parametrize(
    ("rate", "group_size", "unanimous"),
    [(0.99, 8, 0.923), (0.99, 16, 0.851), (0.99, 128, 0.276), (0.95, 8, 0.663), (0.999, 1024, 0.359)],
)
def test_the_learnable_fraction_is_what_unanimous_groups_leave(rate, group_size, unanimous):
    # The table of recipes.md 0, rule 3.
    assert learnable_fraction(rate, group_size) == pytest.approx(1 - unanimous, abs=6e-4)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (0.3, 0.8), (0.6, 0.9), (0.0, 0.05)])
def test_the_learnable_interval_holds_every_pass_rate_of_the_interval(low, high):
    found = learnable_interval(Interval(mean=(low + high) / 2, low=low, high=high), 8)
    grid = [1 - p**8 - (1 - p) ** 8 for p in (low + (high - low) * step / 1000 for step in range(1001))]
    assert (found.low, found.high) == (pytest.approx(min(grid), abs=1e-6), pytest.approx(max(grid), abs=1e-4))


# right, draws, undecided, sound. 16 groups of 8: one group teaches where p >= 0.0080 (1 - 0.992^8 = 0.0623 = 1/16).
PASS_RATES = [
    (0, 64, 0, None),  # the 95% interval reaches 5.7%: 16*(1 - 0.943^8) = 6 groups
    (0, 600, 0, False),  # 0.64%: 0.8 groups
    (600, 600, 0, False),
    (64, 64, 0, None),
    (1, 1, 0, None),
    (1, 64, 0, True),
    (63, 64, 0, True),
    (0, 16, 16, None),
    (4, 16, 8, True),
]


@pytest.mark.parametrize(("right", "num_draws", "undecided", "ok"), PASS_RATES)
def test_a_pass_rate_is_unsound_only_where_even_its_interval_leaves_no_group_that_teaches(
    right, num_draws, undecided, ok
):
    assert find_pass_rate(probed(right, num_draws, undecided=undecided), 8, 16).ok is ok


def test_undecided_draws_are_left_out_and_never_called_too_hard():
    told = find_pass_rate(probed(4, 16, undecided=8), 8, 16).detail
    assert "4 of 8 draws" in told and "8 undecided" in told and "50.0%" in told
    lost = find_pass_rate(probed(0, 16, undecided=16), 8, 16).detail
    assert "judge failed" in lost and "easier" not in lost


def test_a_few_blank_draws_decide_nothing():
    assert find_blank([reply("right", "1")], probed(1, 1)).ok is None
    assert find_blank([reply("undecided", "1")] * 30, probed(1)).ok is None


def test_a_pass_rate_is_told_with_its_interval_and_the_groups_that_teach():
    # scipy.stats.binomtest(16, 64).proportion_ci(method="wilson") is 16.0% to 36.8%; 1 - .25^8 - .75^8 = .8999.
    told = find_pass_rate(probed(16), 8, 16).detail
    assert "16 of 64" in told and "[16.0%, 36.8%]" in told and "14.4 can be expected" in told


def test_the_remedy_for_a_reward_that_never_comes_names_the_cause():
    assert "not boxed" in find_pass_rate(probed(0, lenient_right=9), 8, 16).detail
    assert "--max-tokens" in find_pass_rate(probed(0, truncated=60), 8, 16).detail
    assert "easier" in find_pass_rate(probed(0), 8, 16).detail


# right draws, worked ones of them, ok
WORKED = [(20, 4, False), (20, 18, True), (20, 10, True), (20, 9, False), (4, 0, False), (3, 0, None), (0, 0, None)]


@pytest.mark.parametrize(("right", "worked", "ok"), WORKED)
def test_more_right_answers_without_work_than_with_it_are_warned_of(right, worked, ok):
    ways = {"ways": {"worked": 30, "direct": 34}, "right_ways": {"worked": worked, "direct": right - worked}}
    found = find_ways(probed(right, **ways))
    assert found.ok is ok and is_sound([found])


@pytest.mark.parametrize(("right", "worked", "ok"), WORKED)
def test_audit_selector_and_the_filter_of_a_synthesis_mean_the_same_by_a_shortcut(right, worked, ok):
    seen = probed(right, right_ways={"worked": worked, "direct": right - worked})
    expected = None if not right else (right - worked) / right
    assert shortcut(seen) == (None if expected is None else pytest.approx(expected))
    (rejected,) = [check for check in probe_checks(seen, ProbeSection()) if check.name == "shortcut"]
    assert rejected.ok is (ok is not False), "what is open for the audit passes the filter"


def test_right_answers_that_are_neither_worked_nor_direct_took_a_shortcut_too():
    code = probed(20, ways={"code": 64}, right_ways={"code": 20})
    assert find_ways(code).ok is False and "100.0% of 20 right answers are not worked" in find_ways(code).detail


def test_a_model_that_insists_on_another_answer_makes_the_label_suspect():
    # The base model of pi_1 says 12.7 in 57.8% of its draws and the label 12.8 in 6.3%.
    insists = find_majority(probed(8, 128, wrong={"12.7": 74, "13": 8, "": 38}))
    assert insists.ok is False and "12.7" in insists.detail and "57.8%" in insists.detail
    assert find_majority(probed(8, 128, wrong={"12.7": 30, "13": 8, "": 82})).ok is True


def reply(outcome, extracted):
    return {"lenient": {"outcome": outcome, "extracted": extracted}}


@pytest.mark.parametrize(
    ("num_hits", "num_right", "num_options", "ok"),
    [
        (4, 60, 0, False),
        (2, 60, 0, True),
        # One of four options is chance.
        (6, 40, 4, True),
        (12, 40, 4, False),
        # The model is right no more often when it sees the question.
        (6, 9, 4, False),
    ],
)
def test_a_label_that_the_blank_prompt_gives_is_guessed(num_hits, num_right, num_options, ok):
    rows = [reply("right", "1")] * num_hits + [reply("wrong", "3")] * (32 - num_hits)
    assert find_blank(rows, probed(num_right), num_options).ok is ok


def test_prompt_and_answer_must_fit():
    assert find_fit(100, 412, 512).ok is True
    assert find_fit(101, 412, 512).ok is False


def test_a_prompt_without_a_box_is_fine_where_the_model_boxes_by_itself():
    boxing, other = probed(1, ways={"boxed": 60}), probed(1, ways={"boxed": 6})
    assert find_box(MELONS, TEMPLATES["plain"], boxing).ok is True
    assert find_box(MELONS, TEMPLATES["boxed"], other).ok is False
    assert find_box(MELONS, TEMPLATES["boxed"], None).ok is True
