"""Rewards to advantages. P: groups a step. G: rollouts a group.

GRPO (arXiv 2402.03300): a rollout is weighed against its siblings. Standard deviation with ddof 1 and
1e-6 added after, as in verl; the golden values for groups of 8 are in the tests.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

STD_EPSILON = 1e-6


class AdvantageFunction(Protocol):
    def __call__(self, reward_PG: Tensor, is_counted_PG: Tensor, *, scale_by_std: bool) -> Tensor: ...


def grpo(reward_PG: Tensor, is_counted_PG: Tensor, *, scale_by_std: bool) -> Tensor:
    """Reward minus the group's mean, divided by the group's standard deviation where asked.

    Rollouts that are not counted (an undecided verdict) take no part in mean, deviation and count, and get
    zero. A group whose rewards agree gets zeros: it is kept and counted, because in one-shot runs most
    groups end there. A group with a single counted rollout has nobody to compare with and gets zero.
    """
    count_P1 = is_counted_PG.sum(dim=1, keepdim=True)
    mean_P1 = (reward_PG * is_counted_PG).sum(dim=1, keepdim=True) / count_P1.clamp(min=1)
    advantage_PG = (reward_PG - mean_P1) * is_counted_PG
    if scale_by_std:
        variance_P1 = advantage_PG.square().sum(dim=1, keepdim=True) / (count_P1 - 1).clamp(min=1)
        advantage_PG = advantage_PG / (variance_P1.sqrt() + STD_EPSILON)
    return torch.where(is_unanimous(reward_PG, is_counted_PG)[:, None], 0.0, advantage_PG)


def is_unanimous(reward_PG: Tensor, is_counted_PG: Tensor) -> Tensor:
    """Which groups have equal counted rewards, shape (P,): exact equality, so that rounding adds no signal."""
    highest_P = reward_PG.masked_fill(is_counted_PG == 0, -torch.inf).amax(dim=1)
    lowest_P = reward_PG.masked_fill(is_counted_PG == 0, torch.inf).amin(dim=1)
    return highest_P <= lowest_P


ADVANTAGES: dict[str, AdvantageFunction] = {"grpo": grpo}
