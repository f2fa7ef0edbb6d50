"""Every estimator of advantages against published values, arithmetic by hand and brute force."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from polymath.recipe import AdvantageSection
from polymath.training.advantages import ADVANTAGES

SUM_TO_ZERO = ["grpo", "dr_grpo", "rloo", "batch", "pass_at_k", "rl_zvp"]


def advantages(name, groups, counted=None, **options):
    """Rounded to nothing: lists of floats, group by group."""
    reward_PG = torch.tensor(groups, dtype=torch.float64)
    counted_PG = torch.ones_like(reward_PG) if counted is None else torch.tensor(counted, dtype=torch.float64)
    section = AdvantageSection(name=name, **options)
    return ADVANTAGES[name](reward_PG, counted_PG, section).tolist()


def of_eight(name, num_right, **options):
    """Advantage of a right and of a wrong rollout in a group of 8."""
    (found,) = advantages(name, [[1.0] * num_right + [0.0] * (8 - num_right)], **options)
    return found[0], found[-1]


# recipes.md, sections 6 and 27.
GOLDEN = [
    ("grpo", {"ddof": 1}, 1, 2.4749, -0.3536),
    ("grpo", {"ddof": 1}, 2, 1.6202, -0.5401),
    ("grpo", {"ddof": 1}, 4, 0.9354, -0.9354),
    ("grpo", {"ddof": 0}, 1, 2.6457, -0.3780),
    ("dr_grpo", {}, 1, 0.875, -0.125),
    ("rloo", {}, 1, 1.0, -0.1429),
    ("pass_at_k", {"k": 4}, 1, 1.0, -0.1429),
    ("pass_at_k", {"k": 4}, 2, 0.5222, -0.1741),
    ("rl_zvp", {"ddof": 1}, 2, 1.6202, -0.5401),
]


@pytest.mark.parametrize(("name", "options", "num_right", "right", "wrong"), GOLDEN)
def test_groups_of_eight_match_the_published_values(name, options, num_right, right, wrong):
    assert of_eight(name, num_right, **options) == pytest.approx((right, wrong), abs=5e-5)


def test_a_reward_is_weighed_against_the_mean_of_the_others():
    """10 against (4 + 1) / 2, 4 against 11 / 2, 1 against 7."""
    assert advantages("rloo", [[10.0, 4.0, 1.0]]) == [[7.5, -1.5, -6.0]]


def test_a_batch_is_scaled_by_the_deviation_of_all_its_rewards():
    """Rewards 1 0 1 1: mean 3/4, squared deviations 3/4, variance 1/4 with one degree of freedom less."""
    assert advantages("batch", [[1.0, 0.0], [1.0, 1.0]], epsilon=0.0) == [[1.0, -1.0], [0.0, 0.0]]
    by_population = advantages("batch", [[1.0, 0.0], [1.0, 1.0]], epsilon=0.0, ddof=0)
    assert by_population[0] == pytest.approx([0.5 / math.sqrt(3 / 16), -0.5 / math.sqrt(3 / 16)])


def test_undecided_rollouts_stay_out_of_the_deviation_of_the_batch():
    without = advantages("batch", [[1.0, 0.0], [1.0, 1.0]])
    found = advantages("batch", [[1.0, 0.0, 9.0], [1.0, 1.0, -9.0]], counted=[[1, 1, 0], [1, 1, 0]])
    assert found == [pytest.approx([*group, 0.0]) for group in without]


def brute_force_pass_at_k(rewards, k):
    """Every subgroup of k is one rollout of GRPO, rewarded if one is right; a rollout gets the mean of its own."""
    subgroups = list(itertools.combinations(range(len(rewards)), k))
    solved = [max(rewards[place] for place in members) for members in subgroups]
    mean = sum(solved) / len(solved)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in solved) / len(solved))
    if deviation == 0:
        return [0.0] * len(rewards)
    own = [
        [value for value, members in zip(solved, subgroups, strict=True) if place in members]
        for place in range(len(rewards))
    ]
    return [(sum(values) / len(values) - mean) / deviation for values in own]


@settings(deadline=None)
@given(rewards=st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=8), k=st.integers(1, 8))
def test_pass_at_k_is_the_mean_over_all_subgroups(rewards, k):
    k = min(k, len(rewards))
    assert advantages("pass_at_k", [rewards], k=k)[0] == pytest.approx(brute_force_pass_at_k(rewards, k), abs=1e-9)


def test_pass_at_k_is_silent_where_every_subgroup_holds_a_right_one():
    assert of_eight("pass_at_k", 5, k=4) == (0.0, 0.0)
    assert of_eight("pass_at_k", 4, k=4) != (0.0, 0.0)


def test_pass_at_k_counts_only_rollouts_that_are_counted():
    found = advantages("pass_at_k", [[1.0, 0.0, 0.0, 0.0, 1.0]], counted=[[1, 1, 1, 1, 0]], k=2)[0]
    assert found[:4] == pytest.approx(brute_force_pass_at_k([1.0, 0.0, 0.0, 0.0], 2))
    assert found[4] == 0.0


def test_pass_at_k_takes_any_two_rewards_for_right_and_wrong():
    """DAPO's rewards are +1 and -1."""
    assert advantages("pass_at_k", [[1.0, -1.0, -1.0, -1.0]], k=2) == advantages(
        "pass_at_k", [[1.0, 0.0, 0.0, 0.0]], k=2
    )


def test_w_reinforce_pushes_on_and_away_without_a_baseline():
    """recipes.md 27: +0.1 on right, -1 on wrong, whatever the group says."""
    assert advantages("w_reinforce", [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]) == [
        pytest.approx([0.1, -1.0]),
        pytest.approx([0.1, 0.1]),
        [-1.0, -1.0],
    ]


def test_negative_sample_reinforcement_leaves_right_rollouts_alone():
    assert advantages("w_reinforce", [[1.0, 0.0]], right_weight=0.0) == [[0.0, -1.0]]


def test_w_reinforce_needs_more_than_the_threshold_and_a_decided_verdict():
    assert advantages("w_reinforce", [[0.5, 0.51, 0.0]], counted=[[1, 1, 0]], threshold=0.5) == [
        pytest.approx([-1.0, 0.1, 0.0])
    ]


@pytest.mark.parametrize("name", SUM_TO_ZERO)
@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1, -3.7])
def test_a_unanimous_group_gets_exactly_nothing(name, reward):
    assert advantages(name, [[reward] * 7, [0.0] * 6 + [1.0]])[0] == [0.0] * 7


@pytest.mark.parametrize("name", SUM_TO_ZERO)
@settings(deadline=None)
@given(data=st.data())
def test_the_advantages_of_a_group_sum_to_zero(name, data):
    groups = data.draw(st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=6, max_size=6), min_size=1, max_size=4))
    for group in advantages(name, groups):
        assert sum(group) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", ADVANTAGES)
@settings(deadline=None)
@given(data=st.data())
def test_rollouts_may_change_places_within_a_group_and_groups_in_the_step(name, data):
    # Binary rewards for pass_at_k, whose right and wrong are two sides of a middle.
    value = st.sampled_from([0.0, 1.0]) if name == "pass_at_k" else st.floats(-2, 2)
    groups = data.draw(st.lists(st.lists(value, min_size=5, max_size=5), min_size=3, max_size=3))
    order = data.draw(st.permutations(range(5)))
    group_order = data.draw(st.permutations(range(3)))
    found = advantages(name, groups)
    moved = advantages(name, [[groups[row][place] for place in order] for row in group_order])
    assert moved == [pytest.approx([found[row][place] for place in order], abs=1e-7) for row in group_order]


@pytest.mark.parametrize("name", ["grpo", "dr_grpo", "rloo", "batch"])
def test_a_constant_added_to_every_reward_changes_nothing(name):
    groups = [[1.0, 0.25, 0.0], [0.5, 0.5, 2.0]]
    added = [[reward + 4.0 for reward in group] for group in groups]
    assert advantages(name, added) == [pytest.approx(group) for group in advantages(name, groups)]
