"""Two lists of numbers in, how alike they order things out: Spearman's rank correlation and its permutation test.

Spearman, American Journal of Psychology 15 (1904), with mean ranks for ties; the p-value draws permutations with a
fixed seed and adds the observed one (Phipson and Smyth, 2010).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = Sequence[float] | NDArray[np.float64]
NUM_PERMUTATIONS = 100_000
SEED = 0
_CHUNK = 10_000


def mean_ranks(values: Numbers) -> NDArray[np.float64]:
    """Ranks from 1, the smallest first; equal values share the mean of their ranks."""
    _, place, count = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place], dtype=np.float64)


def spearman(first: Numbers, second: Numbers) -> float | None:
    """The correlation of the ranks; None for fewer than three pairs, or where one side does not vary."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} values against {len(second)}")
    if len(first) < 3:
        return None
    x, y = _centered(first), _centered(second)
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale else None


def permutation_p(first: Numbers, second: Numbers, *, num: int = NUM_PERMUTATIONS, seed: int = SEED) -> float | None:
    """The two-sided p-value that the pairing is chance: (1 + as extreme) / (1 + drawn); None as for `spearman`."""
    if spearman(first, second) is None:
        return None
    x, y = _centered(first), _centered(second)
    observed = abs(float(x @ y)) * (1 - 1e-9)
    generator, as_extreme = np.random.default_rng(seed), 0
    for start in range(0, num, _CHUNK):
        shuffled = generator.permuted(np.tile(y, (min(_CHUNK, num - start), 1)), axis=1)
        as_extreme += int((np.abs(shuffled @ x) >= observed).sum())
    return (1 + as_extreme) / (1 + num)


def _centered(values: Numbers) -> NDArray[np.float64]:
    ranks = mean_ranks(values)
    return np.asarray(ranks - ranks.mean(), dtype=np.float64)
