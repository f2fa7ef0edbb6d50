"""What one greedy answer does to the model's state in, a score or an order of samples out. No label is needed.

N: samples, D: hidden size.

SHIFT, arXiv 2605.28631: s and e are the hidden states, averaged over layers, where the chain begins and ends;
q = log(1 + |e - s|) says how far the answer moved the state, and phi = [s; e - s], normalised, where a sample lies.
HES, arXiv 2605.22389: how undecided the model is where it is most undecided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

HES_SHARE = 0.005  # arXiv 2605.22389: the top 0.5% of the tokens of an answer


def shift_scores(start_ND: Array, end_ND: Array) -> Array:
    """q = log(1 + |e - s|) of each sample, shape (N,); high is good (arXiv 2605.28631)."""
    change_ND = end_ND.astype(np.float64) - start_ND.astype(np.float64)
    return np.asarray(np.log1p(np.linalg.norm(change_ND, axis=1)))


def shift_places(start_ND: Array, end_ND: Array) -> Array:
    """phi = [s; e - s] of unit length, shape (N, 2D); a sample without any state lies at the origin."""
    start_ND = start_ND.astype(np.float64)
    place_NE = np.concatenate([start_ND, end_ND.astype(np.float64) - start_ND], axis=1)
    norm_N1 = np.linalg.norm(place_NE, axis=1, keepdims=True)
    return np.asarray(np.divide(place_NE, norm_N1, out=np.zeros_like(place_NE), where=norm_N1 > 0))


def pick_by_shift(start_ND: Array, end_ND: Array, count: int) -> list[int]:
    """Places of `count` samples in the order chosen: the highest q, then each time the highest q * distance.

    The distance is to the nearest sample chosen before, between unit vectors (arXiv 2605.28631). Of equal ones the
    first is taken.
    """
    quality_N, place_NE = shift_scores(start_ND, end_ND), shift_places(start_ND, end_ND)
    nearest_N = np.full(len(quality_N), np.inf)
    chosen: list[int] = []
    while len(chosen) < min(count, len(quality_N)):
        worth_N = quality_N * nearest_N if chosen else quality_N.copy()
        worth_N[chosen] = -np.inf
        chosen.append(int(worth_N.argmax()))
        nearest_N = np.minimum(nearest_N, np.linalg.norm(place_NE - place_NE[chosen[-1]], axis=1))
    return chosen


def high_entropy_sum(entropies: Sequence[float], share: float = HES_SHARE) -> float:
    """The sum of the highest `share` of an answer's token entropies, in nats; high is good (arXiv 2605.22389).

    At least one token counts, so that an answer of fewer than 1 / `share` tokens is scored by its most undecided one.
    """
    count = max(1, math.ceil(round(share * len(entropies), 9)))  # 0.005 * 1400 is a little more than 7
    return math.fsum(sorted(entropies, reverse=True)[:count])
