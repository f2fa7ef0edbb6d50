"""Rewards to advantages. P: groups a step. G: rollouts a group.

A rollout is weighed against its siblings (GRPO, arXiv 2402.03300). Rollouts that are not counted (an undecided verdict)
take no part in mean, deviation and count, and get zero. The golden values for groups of 8 are in the tests.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from polymath.recipe import AdvantageSection

AdvantageFunction = Callable[[Tensor, Tensor, AdvantageSection], Tensor]


def grpo(reward_PG: Tensor, is_counted_PG: Tensor, settings: AdvantageSection) -> Tensor:
    """Reward minus the group's mean, divided by the group's standard deviation where asked.

    The deviation has `ddof` degrees of freedom less than there are rollouts, and `epsilon` is added after, as in verl.
    A group whose rewards agree gets zeros: it is kept and counted, because in one-shot runs most groups end there. A
    group with a single counted rollout has nobody to compare with and gets zero.
    """
    advantage_PG = _centred(reward_PG, is_counted_PG)
    if settings.scale_by_std:
        freedom_P1 = (is_counted_PG.sum(dim=1, keepdim=True) - settings.ddof).clamp(min=1)
        variance_P1 = advantage_PG.square().sum(dim=1, keepdim=True) / freedom_P1
        advantage_PG = advantage_PG / (variance_P1.sqrt() + settings.epsilon)
    return _silence(advantage_PG, reward_PG, is_counted_PG)


def dr_grpo(reward_PG: Tensor, is_counted_PG: Tensor, settings: AdvantageSection) -> Tensor:
    """Reward minus the group's mean, whatever its deviation (arXiv 2503.20783)."""
    return _silence(_centred(reward_PG, is_counted_PG), reward_PG, is_counted_PG)


def rloo(reward_PG: Tensor, is_counted_PG: Tensor, settings: AdvantageSection) -> Tensor:
    """Reward minus the mean of the others of the group (arXiv 2402.14740)."""
    count_P1 = is_counted_PG.sum(dim=1, keepdim=True)
    advantage_PG = _centred(reward_PG, is_counted_PG) * count_P1 / (count_P1 - 1).clamp(min=1)
    return _silence(advantage_PG, reward_PG, is_counted_PG)


def batch(reward_PG: Tensor, is_counted_PG: Tensor, settings: AdvantageSection) -> Tensor:
    """Reward minus the group's mean, divided by the standard deviation of all rewards of the step (Lite-PPO)."""
    advantage_PG = _silence(_centred(reward_PG, is_counted_PG), reward_PG, is_counted_PG)
    count = is_counted_PG.sum()
    mean = (reward_PG * is_counted_PG).sum() / count.clamp(min=1)
    variance = ((reward_PG - mean).square() * is_counted_PG).sum() / (count - settings.ddof).clamp(min=1)
    return advantage_PG / (variance.sqrt() + settings.epsilon)


def pass_at_k(reward_PG: Tensor, is_counted_PG: Tensor, settings: AdvantageSection) -> Tensor:
    """The mean advantage of a rollout over all subgroups of k in which it can stand, rewarded together if one is right.

    arXiv 2508.10751: with N rollouts, W of them wrong, R = 1 - C(W, k) / C(N, k) and s = sqrt(R (1 - R)), a right one
    gets (1 - R) / s and a wrong one (1 - R - C(W-1, k-1) / C(N-1, k-1)) / s. Zero where s is: with less than k wrong
    ones every subgroup holds a right one. A rollout counts as right where its reward is above the middle of its group.
    """
    k = settings.k
    count_P1 = is_counted_PG.sum(dim=1, keepdim=True)
    is_right_PG = _is_right(reward_PG, is_counted_PG)
    wrong_P1 = count_P1 - is_right_PG.sum(dim=1, keepdim=True)
    solved_P1 = 1 - _share_of_subsets(wrong_P1, count_P1, k)
    deviation_P1 = (solved_P1 * (1 - solved_P1)).sqrt()
    up_P1 = 1 - solved_P1
    down_P1 = 1 - solved_P1 - _share_of_subsets(wrong_P1 - 1, count_P1 - 1, k - 1)
    advantage_PG = torch.where(is_right_PG > 0, up_P1, down_P1) * is_counted_PG
    advantage_PG = torch.where(deviation_P1 > 0, advantage_PG / deviation_P1.clamp(min=1e-12), 0.0)
    return _silence(advantage_PG, reward_PG, is_counted_PG)


def w_reinforce(reward_PG: Tensor, is_counted_PG: Tensor, settings: AdvantageSection) -> Tensor:
    """right_weight for right rollouts, -wrong_weight for wrong ones, without a baseline (arXiv 2506.01347).

    right_weight = 0 is negative sample reinforcement. Right is a reward above `threshold`, since there is no group to
    compare with: an all-wrong group is pushed away from, an all-right one on.
    """
    is_right_PG = reward_PG > settings.threshold
    return torch.where(is_right_PG, settings.right_weight, -settings.wrong_weight).to(reward_PG) * is_counted_PG


def reward_itself(reward_PG: Tensor, is_counted_PG: Tensor, settings: AdvantageSection) -> Tensor:
    """The reward: a critic makes the advantages of the tokens out of it (`training.critic`)."""
    return reward_PG * is_counted_PG


def is_unanimous(reward_PG: Tensor, is_counted_PG: Tensor) -> Tensor:
    """Which groups have equal counted rewards, shape (P,): exact equality, so that rounding adds no signal."""
    highest_P = reward_PG.masked_fill(is_counted_PG == 0, -torch.inf).amax(dim=1)
    lowest_P = reward_PG.masked_fill(is_counted_PG == 0, torch.inf).amin(dim=1)
    return highest_P <= lowest_P


def _centred(reward_PG: Tensor, is_counted_PG: Tensor) -> Tensor:
    count_P1 = is_counted_PG.sum(dim=1, keepdim=True)
    mean_P1 = (reward_PG * is_counted_PG).sum(dim=1, keepdim=True) / count_P1.clamp(min=1)
    return (reward_PG - mean_P1) * is_counted_PG


def _silence(advantage_PG: Tensor, reward_PG: Tensor, is_counted_PG: Tensor) -> Tensor:
    return torch.where(is_unanimous(reward_PG, is_counted_PG)[:, None], 0.0, advantage_PG)


def _is_right(reward_PG: Tensor, is_counted_PG: Tensor) -> Tensor:
    highest_P1 = reward_PG.masked_fill(is_counted_PG == 0, -torch.inf).amax(dim=1, keepdim=True)
    lowest_P1 = reward_PG.masked_fill(is_counted_PG == 0, torch.inf).amin(dim=1, keepdim=True)
    return (reward_PG > (highest_P1 + lowest_P1) / 2).to(reward_PG) * is_counted_PG


def _share_of_subsets(part: Tensor, whole: Tensor, k: int) -> Tensor:
    """C(part, k) / C(whole, k), by product; 0 where part < k."""
    share = torch.ones_like(part)
    for taken in range(k):
        share = share * (part - taken).clamp(min=0) / (whole - taken).clamp(min=1)
    return share


ADVANTAGES: dict[str, AdvantageFunction] = {
    "grpo": grpo,
    "dr_grpo": dr_grpo,
    "rloo": rloo,
    "batch": batch,
    "pass_at_k": pass_at_k,
    "w_reinforce": w_reinforce,
    "rl_zvp": grpo,
    "gae": reward_itself,
}
