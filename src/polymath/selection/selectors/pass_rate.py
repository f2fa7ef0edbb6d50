"""Scores from a pass rate p, or from k right of G draws: how hard a sample is for a model, one number in and out."""

from __future__ import annotations


def learnability(p: float) -> float:
    """p (1 - p), the variance of one draw; most at one half (arXiv 2502.12272)."""
    return p * (1 - p)


def vcrl(num_right: int, num_draws: int) -> float:
    """The unbiased variance of the rewards over the most that a group of this size can have; 0 to 1.

    s^2 = k (G - k) / (G (G - 1)), which is largest at k = G / 2, rounded down (arXiv 2509.19803).
    """
    if num_draws < 2:
        raise ValueError(f"a variance needs two draws, found {num_draws}")
    half = num_draws // 2
    return num_right * (num_draws - num_right) / (half * (num_draws - half))


def azr(p: float) -> float:
    """1 - p, and 0 for what is never or always solved: rare but solvable is best (arXiv 2505.03335, propose reward)."""
    return 1 - p if 0 < p < 1 else 0.0


def is_in_band(p: float, band: tuple[float, float]) -> bool:
    """Above the lower end, up to the upper one: (0, 0.1] is the hardest tenth that still gets hits."""
    return band[0] < p <= band[1]
