"""Scores from accuracy histories: pool row to its curve over a whole training run in, pool row to score out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Curves = Mapping[int, Sequence[float]]

FIRST_VISITS = 5


def hvs(curves: Curves) -> dict[int, float]:
    """Historical variance: the population standard deviation of the whole, ragged curve; high is good.

    v_i = std(a_i1 .. a_iK), ddof 0 (arXiv 2504.20571, section 2, and its released code). Ties keep the order of the
    file, which decides the last 104 ranks of the published history.
    """
    return {index: float(np.std(curve)) for index, curve in curves.items()}


def lim(curves: Curves) -> dict[int, float]:
    """Learning impact: how closely a row follows the mean curve of all rows; high is good, 1 is the mean curve itself.

    s_i = 1 - sum_k (r_ik - m_k)^2 / sum_k (1 - m_k)^2 with m_k the mean over rows (arXiv 2502.11886, section 2.2).
    Curves are cut to the shortest. An always right row scores 0, also where all rows are always right.
    """
    length = min(map(len, curves.values()))
    curve_NK = np.array([curve[:length] for curve in curves.values()], dtype=np.float64)
    mean_K = curve_NK.mean(axis=0)
    scale = float(((1 - mean_K) ** 2).sum())
    if scale == 0:
        return dict.fromkeys(curves, 0.0)
    return dict(zip(curves, (1 - ((curve_NK - mean_K) ** 2).sum(axis=1) / scale).tolist(), strict=True))


def is_kept(score: float, threshold: float) -> bool:
    """LIM keeps a score that reaches the threshold after rounding to two decimals.

    The paper prints >, the released set of 1,389 is >= on the published scores, which have two decimals.
    """
    return round(score, 2) >= threshold


def mean_accuracy(curves: Curves) -> dict[int, float]:
    """The mean over all visits."""
    return {index: float(np.mean(curve)) for index, curve in curves.items()}


def first_accuracy(curves: Curves) -> dict[int, float]:
    """The mean of the first FIRST_VISITS visits: how hard a row is for the model that training starts from."""
    return {index: float(np.mean(curve[:FIRST_VISITS])) for index, curve in curves.items()}


def final_accuracy(curves: Curves) -> dict[int, float]:
    """The last visit."""
    return {index: float(curve[-1]) for index, curve in curves.items()}


def slope(curves: Curves) -> dict[int, float]:
    """The least-squares slope of the curve over its visits; 0 for a single visit."""
    return {
        index: float(np.polyfit(range(len(curve)), curve, 1)[0]) if len(curve) > 1 else 0.0
        for index, curve in curves.items()
    }
