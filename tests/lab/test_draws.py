"""Random samples: unread by the base, apart from dev and test problems, named good and poor by a stated rule."""

from collections import Counter

import pytest

from polymath.errors import SampleError
from polymath.evaluation.benchmarks import lab
from polymath.lab import DISCIPLINES, split_of
from polymath.lab.draws import choose, draw_samples


def row(name, strict, right=0.1, reward=0.95):
    return {"name": name, "strict": strict, "reward": reward, "probe": {"right_frac": right}}


def test_draws_are_of_the_dev_split_distinct_and_spread_over_disciplines():
    drawn = draw_samples(28, seed=3)
    assert {split_of(sample) for sample in drawn} == {"dev"}
    assert len({sample.id for sample in drawn}) == 28
    assert Counter(sample.discipline for sample in drawn) == dict.fromkeys(DISCIPLINES, 2)
    assert drawn == draw_samples(28, seed=3) != draw_samples(28, seed=4)


def test_no_draw_is_a_problem_that_it_is_judged_by():
    dev = lab.load_dev()
    first = draw_samples(14, seed=3)
    again = draw_samples(14, seed=3, avoid=[*dev, *first])
    assert not {sample.id for sample in again} & {sample.id for sample in [*dev, *first]}


def test_good_is_the_best_and_poor_the_worst_of_those_that_fit():
    rows = [
        row("never solved", 0.99, right=0.0),
        row("always solved", 0.98, right=0.9),
        row("not learned", 0.01, reward=0.5),
        row("best", 0.8),
        row("middle", 0.5),
        row("worst", 0.1),
    ]
    assert choose(rows) == ("best", "worst")


def test_too_few_that_fit_is_said():
    with pytest.raises(SampleError, match="only 1 of 2"):
        choose([row("a", 0.5), row("b", 0.5, reward=0.0)])
