"""The variance of scores in two parts, between problems and from draw to draw; and of the mean over disciplines.

A mean over P problems with K draws each has the variance (between + within / K) / P: draws wear down only the part
within, problems both. The parts come from an assumed accuracy and intra-problem correlation, or from the rows of a
real evaluation. All of it is about other problems of the same kind, not about other training seeds.

Sources: Cochran, Sampling Techniques (1977), chapters 5 (strata) and 10 (two stages); Miller, arXiv 2411.00640
(the same for evaluations of language models).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from polymath.evaluation.draws import Floats


@dataclass(frozen=True, kw_only=True)
class Components:
    """The variance of one problem's score, in two parts: between problems, and within one from draw to draw.

    As estimates from data both are unbiased, so `between` may come out below zero.
    """

    between: float
    within: float

    def of(self, num_draws: int) -> float:
        """The variance of a problem's mean over so many draws; never below zero."""
        return max(0.0, self.between) + max(0.0, self.within) / num_draws

    def removable_frac(self, num_draws: int) -> float:
        """The share of that variance which endless further draws would remove: what drawing can still help."""
        total = self.of(num_draws)
        return 0.0 if total == 0 else max(0.0, self.within) / num_draws / total


def components_of(accuracy: float, correlation: float) -> Components:
    """The parts that an accuracy p and an intra-problem correlation rho give: rho p (1 - p) and (1 - rho) p (1 - p).

    rho 0: all problems are equally hard; rho 1: each is always or never solved, and draws beyond the first are idle.
    """
    if not (0 <= accuracy <= 1 and 0 <= correlation <= 1):
        raise ValueError(f"an accuracy and a correlation lie between 0 and 1: found {accuracy} and {correlation}")
    spread = accuracy * (1 - accuracy)
    return Components(between=correlation * spread, within=(1 - correlation) * spread)


def gain_components_of(before: float, after: float, correlation: float, *, shared: float = 0.9) -> Components:
    """The parts of the difference of two accuracies over the same problems.

    `shared` is the correlation of how hard problems are before and after: 1 where all gain alike, 0 where what was
    solved before says nothing. The draws of the two models are independent.
    """
    first, second = components_of(before, correlation), components_of(after, correlation)
    covariance = shared * math.sqrt(first.between * second.between)
    return Components(between=first.between + second.between - 2 * covariance, within=first.within + second.within)


def estimate_components(right: Sequence[Sequence[bool]]) -> Components:
    """The parts from the draws of a real evaluation, by the method of moments; both unbiased.

    Within one problem of which c of n draws are right the variance of a draw is estimated by c (n - c) / (n (n - 1)),
    and the variance between problems by that of the problems' means less the mean of these over n. It takes two
    problems, and at least two draws of each; else ValueError.
    """
    within, error = _within(right)
    means = [sum(draws) / len(draws) for draws in right]
    return Components(between=float(np.var(means, ddof=1) - error.mean()), within=float(within.mean()))


def problems_for_mean(
    components: Components, difference: float, num_draws: int, *, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Problems with so many draws each whose mean shows this difference, two-sided: (z + z)^2 variance / d^2."""
    if difference == 0:
        raise ValueError("no number of problems shows a difference of nothing")
    return max(1, math.ceil(normal_factor(alpha, power) ** 2 * components.of(num_draws) / difference**2 - 1e-9))


def draws_for_mean(
    components: Components, difference: float, num_problems: float, *, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Draws of each of so many problems whose mean shows this difference; None where no number of draws does."""
    left = num_problems * (difference / normal_factor(alpha, power)) ** 2 - max(0.0, components.between)
    within = max(0.0, components.within)
    if within == 0:
        return 1 if left >= 0 else None
    return max(1, math.ceil(within / left - 1e-9)) if left > 0 else None


def stratified_variance(variances: Mapping[str, float], sizes: Mapping[str, int]) -> float:
    """The variance of the unweighted mean over J disciplines: sum of s_j^2 / n_j, over J^2.

    `variances` are those of one problem's score in each. It covers the choice of problems only.
    """
    if variances.keys() != sizes.keys() or not sizes or min(sizes.values()) < 1:
        raise ValueError("every discipline needs a variance and at least one problem")
    return sum(variances[name] / sizes[name] for name in sizes) / len(sizes) ** 2


def effective_problems(sizes: Mapping[str, int]) -> float:
    """How many problems a suite of equal disciplines would need for the same interval of the discipline mean.

    J^2 / sum of 1 / n_j where all disciplines vary alike: never more than there are, and the small ones rule.
    """
    return 1 / stratified_variance(dict.fromkeys(sizes, 1.0), sizes)


def normal_factor(alpha: float, power: float) -> float:
    """What a difference must be of its standard error to be shown two-sided at alpha with this power."""
    return NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(power)


def _within(right: Sequence[Sequence[bool]]) -> tuple[Floats, Floats]:
    """The variance of a draw of each problem, and that of each problem's mean; both unbiased."""
    if len(right) < 2 or min(map(len, right)) < 2:
        raise ValueError("the parts of a variance need two problems, and at least two draws of each")
    sizes = np.array([len(draws) for draws in right], dtype=np.float64)
    counts = np.array([sum(draws) for draws in right], dtype=np.float64)
    within = counts * (sizes - counts) / (sizes * (sizes - 1))
    return within, within / sizes
