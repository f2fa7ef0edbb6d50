"""Successive halving against published brackets, by-hand cases, and any order in which scores can come."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polymath.selection.halving import Rules, Trial, list_rungs, next_runs, num_kept, plan_rungs, rank_trials, winner_of


def trials(scores, failures=()):
    """Name to its scores at the rungs in order, as trials; `failures` names those that failed."""
    return [
        Trial(name=name, scores=dict(zip(RULES.rungs, row, strict=False)), failure="no" if name in failures else None)
        for name, row in scores.items()
    ]


RULES = Rules(rungs=(10, 20, 40), keep=0.5)


def names(places):
    return [place.name for place in places]


def test_a_bracket_of_hyperband_is_the_published_one():
    # Li et al., arXiv 1603.06560, table 1: R = 81, eta = 3; n_i of the brackets s = 4, 3 and 2.
    thirds = Rules(rungs=(1, 3, 9, 27, 81), keep=1 / 3)
    assert plan_rungs(81, thirds) == [81, 27, 9, 3]  # the fifth rung of the table has one left: nothing to decide
    assert plan_rungs(27, thirds) == [27, 9, 3]
    assert plan_rungs(9, thirds) == [9, 3]


@pytest.mark.parametrize(
    ("num", "keep", "kept"),
    [(8, 0.5, 4), (5, 0.5, 3), (3, 0.5, 2), (2, 0.5, 1), (1, 0.5, 1), (30, 0.1, 3), (5, 0.9, 4), (4, 0.01, 1)],
)
def test_the_share_is_rounded_up_and_somebody_always_goes(num, keep, kept):
    assert num_kept(num, keep) == kept


def test_half_is_dropped_at_every_rung_and_the_last_rung_decides():
    found = trials(
        {"a": [1, 1], "b": [2, 5, 3], "c": [3, 4, 6], "d": [0], "e": [0.5], "f": [0.7], "g": [2, 2], "h": [0]}
    )
    assert [rung.entered for rung in list_rungs(found, RULES)] == [tuple("abcdefgh"), tuple("abcg"), ("b", "c")]
    assert [rung.going_on for rung in list_rungs(found, RULES)] == [("c", "b", "g", "a"), ("b", "c"), ()]
    assert names(rank_trials(found, RULES)) == ["c", "b", "g", "a", "f", "e", "d", "h"]
    assert winner_of(found, RULES) == "c" and next_runs(found, RULES) == []


def test_a_tie_goes_to_who_was_ahead_before_and_then_to_the_first_in_the_list():
    found = trials({"a": [1, 5, 7], "b": [2, 5, 7], "c": [0], "d": [0]})
    assert names(rank_trials(found, RULES)) == ["b", "a", "c", "d"]
    # A tie at the edge is broken too: two of four equal ones go on, the first two.
    assert list_rungs(trials({name: [1] for name in "wxyz"}), RULES)[0].going_on == ("w", "x")


def test_a_difference_of_rounding_is_a_tie():
    found = trials({"a": [0.1 + 0.2], "b": [0.3], "c": [0.3]})
    assert list_rungs(found, RULES)[0].going_on == ("a", "b")
    found = trials({"a": [0.3], "b": [0.1 + 0.2], "c": [0.3]})
    assert list_rungs(found, RULES)[0].going_on == ("a", "b")


def test_who_fails_is_dropped_there_behind_everybody_and_the_rest_goes_on():
    found = trials({"a": [9], "b": [1, 1], "c": [2, 2, 0], "d": [], "e": [0, 3, 1]}, failures={"a", "d"})
    # Of five that entered three go on; a failed only after it was scored, so the first rung stands as it was.
    assert list_rungs(found, RULES)[0].going_on == ("a", "c", "b")
    found = trials({"a": [9], "b": [1, 1], "c": [2, 2], "d": [], "e": [0]}, failures={"a", "d"})
    assert [rung.entered for rung in list_rungs(found, RULES)][1] == ("a", "b", "c")
    assert list_rungs(found, RULES)[1].going_on == ("c", "b")
    finished = trials({"a": [9], "b": [1, 1, 4], "c": [2, 2, 3], "d": [], "e": [0]}, failures={"a", "d"})
    assert names(rank_trials(finished, RULES)) == ["b", "c", "e", "a", "d"]
    assert [place.failure for place in rank_trials(finished, RULES)] == [None, None, None, "no", "no"]


def test_where_one_is_left_it_has_won_and_where_none_is_left_nobody_has():
    assert next_runs(trials({"a": [1], "b": [2]}), RULES) == []
    assert winner_of(trials({"a": [1], "b": [2]}), RULES) == "b"
    assert winner_of(trials({"a": [], "b": [2]}, failures={"a"}), RULES) == "b"
    assert winner_of(trials({"a": [], "b": []}, failures={"a", "b"}), RULES) is None


def test_before_the_end_there_is_a_standing_and_no_winner():
    found = trials({"a": [1], "b": [2], "c": [3, 5], "d": [0]})
    assert next_runs(found, RULES) == [("b", 20)] and winner_of(found, RULES) is None
    assert names(rank_trials(found, RULES)) == ["c", "b", "a", "d"]


@pytest.mark.parametrize("rungs", [(), (0, 2), (4, 2), (2, 2)])
def test_rungs_that_do_not_rise_are_refused(rungs):
    with pytest.raises(ValueError, match="rise"):
        Rules(rungs=rungs, keep=0.5)


@pytest.mark.parametrize("keep", [0, 1, -0.5, float("nan")])
def test_a_share_outside_of_0_and_1_is_refused(keep):
    with pytest.raises(ValueError, match="share"):
        Rules(rungs=(1,), keep=keep)


def play(truth, rules, failing, rng):
    """Run a tournament in which pieces end in a random order, one at a time, as after as many crashes."""
    known = {name: {} for name in truth}
    failed = set()
    num_pieces = 0
    while True:
        state = [Trial(name=name, scores=known[name], failure="no" if name in failed else None) for name in truth]
        pieces = next_runs(state, rules)
        if not pieces:
            return state, num_pieces
        name, budget = rng.choice(pieces)
        num_pieces += 1
        if failing.get(name) == budget:
            failed.add(name)
        else:
            known[name] = {**known[name], budget: truth[name][budget]}


CASES = st.tuples(
    st.integers(1, 12),
    st.sampled_from([0.2, 1 / 3, 0.5, 0.7]),
    st.integers(0, 2**32),
    st.integers(0, 3),
)


def make(case):
    num, keep, seed, num_failing = case
    rng, rules = Random(seed), Rules(rungs=(2, 4, 8), keep=keep)
    truth = {f"t{place}": {rung: rng.randrange(4) / 4 for rung in rules.rungs} for place in range(num)}
    failing = {name: rng.choice(rules.rungs) for name in rng.sample(list(truth), min(num, num_failing))}
    return truth, rules, failing


@given(CASES, st.integers(0, 2**32), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_the_end_does_not_depend_on_the_order_in_which_pieces_end(case, one, other):
    truth, rules, failing = make(case)
    first, num_first = play(truth, rules, failing, Random(one))
    second, num_second = play(truth, rules, failing, Random(other))
    assert rank_trials(first, rules) == rank_trials(second, rules) and num_first == num_second
    assert sorted(place.name for place in rank_trials(first, rules)) == sorted(truth)


@given(CASES)
@settings(max_examples=150, deadline=None)
def test_everybody_runs_as_often_as_the_plan_says_and_no_piece_twice(case):
    truth, rules, _ = make(case)
    state, num_pieces = play(truth, rules, {}, Random(0))
    assert num_pieces == sum(plan_rungs(len(truth), rules)) == sum(len(trial.scores) for trial in state)


@given(CASES)
@settings(max_examples=150, deadline=None)
def test_it_is_the_plain_recipe_of_the_paper(case):
    """Sort, keep the first ceil(keep n), go on: written down once more, in the order of a loop."""
    truth, rules, _ = make(case)
    left, out = list(truth), []
    for number, rung in enumerate(rules.rungs):
        past = rules.rungs[: number + 1][::-1]
        left.sort(key=lambda name, past=past: ([-truth[name][r] for r in past], list(truth).index(name)))
        if rung == rules.rungs[-1] or len(left) == 1:
            break
        size = max(1, min(len(left) - 1, math.ceil(len(left) * rules.keep - 1e-9)))
        left, out = left[:size], left[size:] + out
        if size == 1:
            break
    state, _ = play(truth, rules, {}, Random(1))
    assert names(rank_trials(state, rules)) == left + out
