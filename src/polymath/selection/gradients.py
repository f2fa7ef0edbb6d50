"""Gradients of samples in, scores out: would training on this sample help what one wants to get better at?

N: samples, K: dimension of a projected gradient, M: validation sets (disciplines).

GradAlign, arXiv 2602.21492: alignment of a candidate's policy gradient with that of a validation set. With a set for
every discipline, the mean over them is a sample that helps on average, the minimum one that harms none.
LearnAlign, arXiv 2506.11480: alignment of the candidates with one another, weighed by p(1 - p); no validation set.

A sample whose group is unanimous has no gradient: its cosine with anything is 0 here, neither help nor harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

# Entries of the random matrix that a coordinate meets, as in a sparse Johnson-Lindenstrauss transform (Kane and
# Nelson, J. ACM 2014): the error of a cosine is that of a dense matrix, about (1 - cos^2) / sqrt(K), but the cost is
# 4 additions a coordinate instead of K. With 1 (feature hashing) a gradient with a few large coordinates is worse off.
NONZEROS = 4
_CHUNK = 1 << 20  # coordinates whose entries are drawn at once: bounds the memory


def project(parts: Iterable[Array], dim: int, seed: int) -> Array:
    """The gradient, given in parts of any shape, times a random matrix of `dim` rows that `seed` names; shape (K,).

    Inner products are kept in expectation. The same seed and the same shapes give the same matrix, on any machine.
    `dim` 0 gives the whole gradient, unprojected.
    """
    if dim == 0:
        return np.concatenate([np.ravel(part).astype(np.float64) for part in parts])
    edges = [block * dim // NONZEROS for block in range(NONZEROS + 1)] if dim >= NONZEROS else [0, dim]
    blocks = list(pairwise(edges))
    found = np.zeros(dim)
    for number, part in enumerate(parts):
        flat = np.ravel(part).astype(np.float64)
        if not flat.any():
            continue
        for start in range(0, len(flat), _CHUNK):
            chunk = flat[start : start + _CHUNK]
            draw = np.random.default_rng([seed, number, start])
            for low, high in blocks:
                entry = draw.integers(0, 2 * (high - low), size=len(chunk))
                signed = np.where(entry % 2, chunk, -chunk)
                found[low:high] += np.bincount(entry // 2, weights=signed, minlength=high - low)
    return np.asarray(found / np.sqrt(len(blocks)))


def cosines(left_NK: Array, right_MK: Array) -> Array:
    """Cosine of every row of one with every row of the other, shape (N, M); 0 where one of the two is zero."""
    return np.asarray(_unit(left_NK) @ _unit(right_MK).T)


def _unit(rows_NK: Array) -> Array:
    rows_NK = np.asarray(rows_NK, dtype=np.float64)
    norm_N1 = np.linalg.norm(rows_NK, axis=1, keepdims=True)
    return np.asarray(np.divide(rows_NK, norm_N1, out=np.zeros_like(rows_NK), where=norm_N1 > 0))


REDUCE: dict[str, Callable[[Array], Array]] = {
    "mean": lambda alignment_NM: alignment_NM.mean(axis=1),
    "min": lambda alignment_NM: alignment_NM.min(axis=1),
}


def grad_align(candidate_NK: Array, validation_MK: Array, *, reduce: str = "mean", is_dot: bool = False) -> Array:
    """Alignment of each candidate's gradient with the validation gradients, shape (N,); high is good.

    A validation gradient is the sum over its problems. `reduce` says how the disciplines become one number: mean, or
    min for the worst case. `is_dot` takes inner products instead of cosines, so that long gradients count more
    (arXiv 2602.21492 has both).
    """
    alignment_NM = candidate_NK @ validation_MK.T if is_dot else cosines(candidate_NK, validation_MK)
    return REDUCE[reduce](alignment_NM)


def grad_align_learnable(candidate_NK: Array, validation_MK: Array, pass_rate_N: Array) -> Array:
    """Mean cosine times 4p(1 - p), the variant of arXiv 2602.21492's code that prefers half-solved samples."""
    return grad_align(candidate_NK, validation_MK) * 4 * pass_rate_N * (1 - pass_rate_N)


def learn_align(gradient_NK: Array, pass_rate_N: Array) -> Array:
    """Row means of S_ij = V_i V_j cos(g_i, g_j) with V = p(1 - p), shape (N,); high is good (arXiv 2506.11480).

    Every sample's cosine with itself is part of its mean.
    """
    learnability_N = pass_rate_N * (1 - pass_rate_N)
    # Without the N x N matrix: the mean over j is an inner product with one vector.
    weighed_NK = learnability_N[:, None] * _unit(gradient_NK)
    return np.asarray(weighed_NK @ weighed_NK.mean(axis=0))
