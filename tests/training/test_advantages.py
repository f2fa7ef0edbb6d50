"""Advantages against the published table and by hand."""

import pytest
import torch

from polymath.recipe import AdvantageSection
from polymath.training.advantages import grpo

# k right of 8 -> advantage of a right and of a wrong rollout (verl's GRPO, ddof 1, eps 1e-6).
GROUPS_OF_8 = [
    (1, 2.4749, -0.3536),
    (2, 1.6202, -0.5401),
    (3, 1.2076, -0.7246),
    (4, 0.9354, -0.9354),
    (5, 0.7246, -1.2076),
    (6, 0.5401, -1.6202),
    (7, 0.3536, -2.4749),
]


def advantages(rewards, counted=None, scale_by_std=True):
    reward_PG = torch.tensor([rewards], dtype=torch.float64)
    counted_PG = torch.ones_like(reward_PG) if counted is None else torch.tensor([counted], dtype=torch.float64)
    return grpo(reward_PG, counted_PG, AdvantageSection(scale_by_std=scale_by_std))[0].tolist()


@pytest.mark.parametrize(("num_right", "right", "wrong"), GROUPS_OF_8)
def test_groups_of_eight_match_the_published_values(num_right, right, wrong):
    found = advantages([1.0] * num_right + [0.0] * (8 - num_right))
    assert found[0] == pytest.approx(right, abs=5e-5)
    assert found[-1] == pytest.approx(wrong, abs=5e-5)


@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1])
def test_a_unanimous_group_has_exactly_zero_advantage(reward):
    assert advantages([reward] * 7) == [0.0] * 7


def test_without_scaling_the_advantage_is_the_distance_from_the_mean():
    assert advantages([1.0, 0.0, 0.0, 0.0], scale_by_std=False) == [0.75, -0.25, -0.25, -0.25]


def test_an_undecided_rollout_takes_no_part():
    with_undecided = advantages([1.0, 0.0, 0.0, 0.0], counted=[1, 1, 1, 0])
    assert with_undecided[:3] == pytest.approx(advantages([1.0, 0.0, 0.0]))
    assert with_undecided[3] == 0.0


def test_a_lone_counted_rollout_has_nobody_to_compare_with():
    assert advantages([1.0, 0.0], counted=[1, 0]) == [0.0, 0.0]


def test_groups_never_mix():
    reward_PG = torch.tensor([[1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    found = grpo(reward_PG, torch.ones_like(reward_PG), AdvantageSection(scale_by_std=False))
    assert found.tolist() == [[0.5, -0.5], [0.0, 0.0]]
