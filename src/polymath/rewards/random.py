"""A coin for each rollout: the control arm that shows what training without a signal does."""

from __future__ import annotations

import numpy as np

from polymath.types import JudgedGroup


def random(group: JudgedGroup) -> list[float]:
    """0.0 or 1.0 with probability one half each, from the seed of the group and never from the text."""
    coins = np.random.default_rng(group.seed).integers(0, 2, size=len(group.completions))
    return [float(coin) for coin in coins]
