"""Two evaluations of the same problems in; for every subject its difference, its p-value and Holm's out.

Looking at twenty-five subjects finds one at p < 0.05 by luck more often than not. Holm's step-down procedure keeps
the chance of any false claim among them at the level that one alone would have, whatever their dependence.
Intervals cover the choice of problems only and are of single subjects, not simultaneous.

Sources: Holm, Scandinavian Journal of Statistics 6 (1979); Fisher, The Design of Experiments (1935)
(sign flips); Phipson and Smyth, Statistical Applications in Genetics 9 (2010) (the + 1 in Monte Carlo p-values).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polymath.evaluation.draws import Problem, Reading, Row, pair_problems
from polymath.evaluation.statistics import Interval, mcnemar_exact, paired_difference

Label = Literal["subject", "discipline", "benchmark"]
# The bootstrap is seeded by a constant: the same files give the same table.
SEED = 0
# Steps of the exact sign-flip distribution beyond which it is drawn instead: about a second.
MAX_EXACT_WORK = 20_000_000
_CHUNK = 1_000


@dataclass(frozen=True, kw_only=True)
class SubjectDifference:
    """After minus before in one subject, over the problems that both evaluations hold.

    `p_value` is of this subject alone, `holm_p_value` is corrected for all subjects of the table. Of a single
    problem the interval has no width and says nothing.
    """

    label: str
    num_problems: int
    before: float
    after: float
    difference: Interval
    p_value: float
    holm_p_value: float


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: a claim holds at the level that its value does not exceed.

    In rising order p_(i) becomes max over j <= i of (m - j + 1) p_(j), at most 1.
    """
    if any(not 0 <= p <= 1 for p in p_values):
        raise ValueError(f"a p-value lies between 0 and 1: {list(p_values)}")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def compare_subjects(
    before: Iterable[Row], after: Iterable[Row], *, label: Label = "subject", reading: Reading = "strict"
) -> list[SubjectDifference]:
    """One row a subject (discipline, benchmark), in alphabetical order; empty where no problem is shared.

    Problems are paired by benchmark and id; without a subject they count under "unknown". The test is McNemar's
    exact one where every score is 0 or 1, else `sign_flip_p`. Intervals are paired bootstraps: they cover the choice
    of problems only.
    """
    groups: dict[str, list[tuple[Problem, Problem]]] = {}
    for pair in pair_problems(before, after, reading):
        groups.setdefault(getattr(pair[0], label), []).append(pair)
    return with_holm([_compare(name, groups[name]) for name in sorted(groups)])


def with_holm(rows: Sequence[SubjectDifference]) -> list[SubjectDifference]:
    """The same rows with Holm's correction over exactly these."""
    corrected = holm([row.p_value for row in rows])
    return [replace(row, holm_p_value=p_value) for row, p_value in zip(rows, corrected, strict=True)]


def sign_flip_p(differences: Sequence[Fraction], *, seed: int = SEED, num_flips: int = 9_999) -> float:
    """The two-sided p-value that every difference is as likely to have the other sign (paired permutation test).

    The statistic is the sum. Its distribution over all sign patterns is exact where it has few enough values, as
    with some draws a problem it has; else `num_flips` patterns are drawn and p = (1 + as extreme) / (1 + drawn).
    For differences of -1, 0 and 1 it is McNemar's exact test.
    """
    scale = math.lcm(*(difference.denominator for difference in differences))
    whole = [int(difference * scale) for difference in differences if difference]
    if not whole:
        return 1.0
    shared = math.gcd(*whole)
    sizes = [abs(number) // shared for number in whole]
    observed = abs(sum(whole)) // shared
    num_sums = min(2 ** min(len(sizes), 62), 2 * sum(sizes) + 1)
    if num_sums * len(sizes) <= MAX_EXACT_WORK:
        return _exact_flips(sizes, observed)
    size_m, generator, as_extreme = np.array(sizes, dtype=np.float64), np.random.default_rng(seed), 0
    for start in range(0, num_flips, _CHUNK):
        sign_Rm = generator.integers(0, 2, size=(min(_CHUNK, num_flips - start), len(sizes))) * 2 - 1
        # Sums of whole numbers in doubles are exact up to 2^53; beyond, a hair's breadth counts as extreme.
        as_extreme += int((np.abs(sign_Rm @ size_m) >= observed * (1 - 1e-12)).sum())
    return (1 + as_extreme) / (1 + num_flips)


def _exact_flips(sizes: Sequence[int], observed: int) -> float:
    # Sums beyond 64 bits, of unlike denominators, are Python's whole numbers.
    sums: NDArray[Any] = np.zeros(1, dtype=object if sum(sizes) >= 2**62 else np.int64)
    chances: NDArray[np.float64] = np.ones(1)
    for size in sizes:
        reached = np.concatenate([sums - size, sums + size])
        sums, places = np.unique(reached, return_inverse=True)
        chances = np.asarray(np.bincount(places, np.concatenate([chances, chances]) / 2), dtype=np.float64)
    return min(1.0, float(chances[np.abs(sums) >= observed].sum()))


def _compare(name: str, pairs: Sequence[tuple[Problem, Problem]]) -> SubjectDifference:
    first, second = (np.array([pair[side].score for pair in pairs]) for side in (0, 1))
    is_single = bool(np.isin(np.concatenate([first, second]), (0.0, 1.0)).all())
    p_value = mcnemar_exact(first, second) if is_single else sign_flip_p([gain_of(*pair) for pair in pairs])
    return SubjectDifference(
        label=name,
        num_problems=len(pairs),
        before=float(first.mean()),
        after=float(second.mean()),
        difference=paired_difference(first, second, [name] * len(pairs), seed=SEED),
        p_value=p_value,
        holm_p_value=p_value,
    )


def gain_of(before: Problem, after: Problem) -> Fraction:
    """The mean of a problem's draws after minus that before, exactly."""
    return Fraction(after.num_right, after.num_draws) - Fraction(before.num_right, before.num_draws)
