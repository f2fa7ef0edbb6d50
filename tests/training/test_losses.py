"""Token losses by hand."""

import math

import pytest
import torch

from polymath.recipe import LossSection
from polymath.training.losses import Lengths, clip, k3, sequence_mean, token_mean

# old probability, new probability, advantage -> loss at epsilon 0.2 (low) and 0.28 (high)
CLIPS = [
    (0.5, 0.5, 1.0, -1.0),
    (0.5, 0.6, 1.0, -1.2),
    (0.5, 0.9, 1.0, -1.28),  # clipped above: pushing further gains nothing
    (0.5, 0.9, -1.0, 1.8),  # never clipped on the side that hurts
    (0.5, 0.25, -1.0, 0.8),  # clipped below
    (0.5, 0.25, 1.0, -0.5),
]


@pytest.mark.parametrize(("old", "new", "advantage", "loss"), CLIPS)
def test_the_ratio_is_clipped_on_the_side_that_would_gain(old, new, advantage, loss):
    settings = LossSection(epsilon_low=0.2, epsilon_high=0.28)
    found = clip(torch.tensor(math.log(new)), torch.tensor(math.log(old)), settings)
    of_unit = found.up if advantage > 0 else found.down
    assert abs(advantage) * of_unit.item() == pytest.approx(loss, rel=1e-5)


def test_k3_is_zero_at_equality_and_unbiased():
    policy, reference = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.4, 0.4, 0.2])
    assert k3(policy.log(), policy.log()).abs().max() == 0
    expected = (policy * (policy / reference).log()).sum()
    assert (policy * k3(policy.log(), reference.log())).sum().item() == pytest.approx(expected.item(), rel=1e-5)


def test_aggregations_weigh_tokens_as_they_say():
    lengths = Lengths(tokens=[1, 4], micro_batch=[0, 0], max_tokens=8)
    assert sequence_mean(lengths) == [0.5, 0.125]
    assert token_mean(lengths) == [0.2, 0.2]
