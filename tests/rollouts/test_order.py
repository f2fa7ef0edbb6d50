"""Which sample a group draws: the published priorities and windows, and that one sample is always itself."""

from collections import Counter

import pytest

from polymath.recipe import RolloutSection
from polymath.rollouts.order import Tally, draw_places, priorities, window_start


def test_priorities_are_one_minus_success():
    assert priorities([1, 0.5, 0, 0.9]) == pytest.approx([0, 0.3125, 0.625, 0.0625])
    assert priorities([1.0, 1.0]) == [0.5, 0.5]


@pytest.mark.parametrize(("progress", "first"), [(0, 0), (0.25, 2), (0.5, 4), (0.99, 7), (1, 8)])
def test_the_window_of_familiar_samples_moves_to_the_least_familiar(progress, first):
    """Ten candidates, two a step (PREPO)."""
    assert window_start(10, 2, progress) == first


def drawn(order, num_samples=4, num_groups=6, step=1, tally=None, progress=0.0, candidates=0, seed=0, perplexity=None):
    settings = RolloutSection(order=order, num_groups=num_groups, candidates=candidates)
    return draw_places(
        settings,
        num_samples,
        step=step,
        seed=seed,
        progress=progress,
        tally=tally or Tally(num_samples=num_samples),
        perplexity=perplexity or (lambda places: [float(place) for place in places]),
    )


@pytest.mark.parametrize("order", ["in_turn", "prioritised", "familiar"])
def test_one_sample_is_always_itself(order):
    assert drawn(order, num_samples=1) == [0] * 6


def test_in_turn_goes_on_where_the_step_before_ended():
    assert drawn("in_turn") + drawn("in_turn", step=2) == [0, 1, 2, 3] * 3


def test_prioritised_draws_what_is_solved_least():
    tally = Tally(num_samples=3)
    for place, right in ((0, 8), (1, 4), (2, 0)):
        tally.add(place, 8, right)
    counts = Counter(drawn("prioritised", num_samples=3, num_groups=6000, tally=tally))
    assert counts[0] == 0
    assert counts[2] / 6000 == pytest.approx(2 / 3, abs=0.03)


def test_familiar_takes_the_window_and_goes_round_in_it():
    perplexity = {0: 9.0, 1: 3.0, 2: 1.0, 3: 5.0}

    def ask(places):
        return [perplexity[place] for place in places]

    assert drawn("familiar", num_groups=2, perplexity=ask) == [2, 1]
    assert drawn("familiar", num_groups=2, progress=1.0, perplexity=ask) == [3, 0]
    few = drawn("familiar", num_samples=4, num_groups=6, candidates=2, perplexity=ask)
    assert len(few) == 6 and len(set(few)) == 4


def test_familiar_asks_only_for_its_candidates():
    asked = []

    def ask(places):
        asked.append(list(places))
        return [1.0] * len(places)

    found = drawn("familiar", num_samples=50, num_groups=2, candidates=5, seed=3, perplexity=ask)
    assert [len(places) for places in asked] == [5] and set(found) <= set(asked[0])
