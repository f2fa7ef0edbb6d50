"""SHIFT and HES: the sheet's golden values, brute force, and the edges."""

import math

import numpy as np
import pytest

from polymath.selection.hidden import high_entropy_sum, pick_by_shift, shift_places, shift_scores

# reference/recipes.md 30, by hand: |e - s| is 3, sqrt(3.1^2 + 0.1^2) and 2.
START = np.array([[1, 0], [1, 0], [0, 1]], dtype=float)
END = np.array([[4, 0], [4.1, 0.1], [0, 3]])


def test_the_score_is_how_far_the_answer_moved_the_state():
    assert shift_scores(START, END) == pytest.approx([math.log(4), math.log(1 + math.sqrt(9.62)), math.log(3)])
    assert np.round(shift_scores(START, END), 3).tolist() == [1.386, 1.411, 1.099]


def test_the_second_pick_is_not_the_near_duplicate_of_the_first():
    assert pick_by_shift(START, END, 1) == [1]
    assert pick_by_shift(START, END, 2) == [1, 2]
    assert pick_by_shift(START, END, 9) == [1, 2, 0]


def test_places_have_unit_length_and_the_first_one_is_as_by_hand():
    places = shift_places(START, END)
    assert places[0] == pytest.approx(np.array([1, 0, 3, 0]) / math.sqrt(10))
    assert np.linalg.norm(places, axis=1) == pytest.approx(np.ones(3))


def test_picks_equal_a_search_over_all_samples_each_time():
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(40, 6)), rng.normal(size=(40, 6))
    change = [end[i] - start[i] for i in range(40)]
    place = [np.hstack([start[i], change[i]]) / np.linalg.norm(np.hstack([start[i], change[i]])) for i in range(40)]
    quality = [math.log(1 + math.dist(start[i], end[i])) for i in range(40)]
    chosen = [max(range(40), key=lambda i: quality[i])]
    while len(chosen) < 12:
        rest = [i for i in range(40) if i not in chosen]
        chosen.append(max(rest, key=lambda i: quality[i] * min(math.dist(place[i], place[j]) for j in chosen)))
    assert pick_by_shift(start, end, 12) == chosen


def test_samples_that_did_not_move_and_equal_samples_are_still_picked_once_each():
    zero = np.zeros((3, 2))
    assert shift_scores(zero, zero).tolist() == [0, 0, 0]
    assert pick_by_shift(zero, zero, 3) == [0, 1, 2]


@pytest.mark.parametrize(
    ("entropies", "total"),
    [
        ([0.1, 2.0, 0.5], 2.0),  # 0.5% of 3 is less than one token: the most undecided one
        ([*[0.0] * 195, 1.0, 2.0, 3.0, 4.0, 5.0], 5.0),  # 0.5% of 200 is one
        ([*[0.5] * 200, 3.0], 3.5),  # 0.5% of 201 is more than one, so two
        ([*range(1, 1401)], 1400 + 1399 + 1398 + 1397 + 1396 + 1395 + 1394),  # 7 of 1400
    ],
)
def test_only_the_most_undecided_half_percent_of_tokens_counts(entropies, total):
    assert high_entropy_sum(entropies) == pytest.approx(total)


def test_the_share_can_be_chosen():
    assert high_entropy_sum([1.0, 2.0, 3.0, 4.0], share=0.5) == pytest.approx(7.0)
