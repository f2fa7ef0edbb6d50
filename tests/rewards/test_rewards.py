"""Rewards of one group, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from polymath.errors import RecipeError, UserError
from polymath.judge import judge
from polymath.rewards import REWARDS, depends_on_verdict, reward_group
from polymath.types import Completion, JudgedGroup, Sample, Verdict

TEXTS = [r"\boxed{", r"\boxed{}", r"<think>\boxed{7}", "It is 7", r"\boxed{8}", r"\boxed{7}"]


def group_of(texts: Sequence[str], seed: int = 0) -> JudgedGroup:
    sample = Sample(question="?", answer="7", answer_type="number")
    return JudgedGroup(
        sample=sample,
        completions=tuple(Completion(text=text, finish="eos") for text in texts),
        verdicts=tuple(judge(text, sample) for text in texts),
        seed=seed,
    )


def test_exact_pays_right_answers_only() -> None:
    assert list(REWARDS["exact"](group_of(TEXTS))) == [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]


def test_exact_gives_an_undecided_rollout_zero_and_says_that_it_must_be_masked() -> None:
    undecided = Verdict(outcome="undecided", extracted="7", found_by="box", compared_by="math-verify")
    group = JudgedGroup(
        sample=group_of([]).sample, completions=group_of(["7"]).completions, verdicts=(undecided,), seed=0
    )
    assert list(REWARDS["exact"](group)) == [0.0]
    assert depends_on_verdict({"exact": 1.0, "format": 0.1})
    assert not depends_on_verdict({"format": 1.0, "random": 1.0})
    assert depends_on_verdict({"format": 1.0}, {"format": lambda group: [0.0]})


def test_format_pays_a_full_box_whatever_it_says() -> None:
    assert list(REWARDS["format"](group_of(TEXTS))) == [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]


def test_random_is_a_fair_coin_of_the_seed_and_not_of_the_text() -> None:
    first = list(REWARDS["random"](group_of(["a"] * 1000, seed=5)))
    assert first == list(REWARDS["random"](group_of([r"\boxed{7}"] * 1000, seed=5)))
    assert first != list(REWARDS["random"](group_of(["a"] * 1000, seed=6)))
    # Five standard deviations of a fair coin: 5 * sqrt(1000 / 4) = 79.
    assert abs(sum(first) - 500) < 79
    assert set(first) == {0.0, 1.0}


def test_parts_are_weighed_and_each_is_kept() -> None:
    totals, parts = reward_group(group_of(TEXTS[-2:]), {"exact": 1.0, "format": 0.25})
    assert totals == [0.25, 1.25]
    assert parts == [{"exact": 0.0, "format": 1.0}, {"exact": 1.0, "format": 1.0}]


def test_a_users_own_callable_is_a_part_like_any_other() -> None:
    totals, parts = reward_group(
        group_of(["a", "bbb"]), {"brief": -0.5}, {"brief": lambda group: [len(one.text) for one in group.completions]}
    )
    assert totals == [-0.5, -1.5]
    assert parts == [{"brief": 1.0}, {"brief": 3.0}]


@pytest.mark.parametrize(
    ("returned", "found"),
    [([1.0], "1 values for 2"), ([1.0, float("nan")], "value 1 is nan"), ([1.0, float("inf")], "value 1 is inf"),
     ([1.0, "1"], "value 1 is '1'"), ([None, 1.0], "value 0 is None"), (3.0, "TypeError")],
)  # fmt: skip
def test_a_callable_that_returns_something_else_is_named(returned: Any, found: str) -> None:
    with pytest.raises(UserError, match=f"reward 'mine'.*{found}.*return a list of 2 finite numbers") as caught:
        reward_group(group_of(["a", "b"]), {"mine": 1.0}, {"mine": lambda group: returned})
    assert "\n" not in str(caught.value)


def test_an_unknown_reward_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(RecipeError, match=r"no 'exakt'.*'exact', 'format', 'random'"):
        reward_group(group_of(["a"]), {"exakt": 1.0})
    with pytest.raises(RecipeError, match="no reward is named"):
        reward_group(group_of(["a"]), {})
