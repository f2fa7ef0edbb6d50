"""Sizes of a suite and the difference that matters in; how many problems, and draws of each, show it, out.

Two designs. One greedy answer a problem before and after: only problems that change sides tell, and the test is
McNemar's, so what counts is the discordant share psi, the share of problems whose verdict changes. Several draws a
problem: the variance of the gain in its two parts (components.py). All of it is about other problems of the same
kind: another training seed varies on top, and no number of problems shows that.

Source: Connor, Biometrics 43 (1987) 207-211 (paired proportions; Miettinen, Biometrics 24 (1968) 339-352, has a
conditional variant).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from polymath.errors import RecipeError
from polymath.evaluation.components import (
    Components,
    draws_for_mean,
    effective_problems,
    gain_components_of,
    normal_factor,
    problems_for_mean,
)
from polymath.evaluation.draws import Floats

# The exact test is enumerated up to so many problems, more than any suite has; beyond, it takes minutes and changes
# the number by less than a thousandth.
MAX_PROBLEMS = 30_000
DRAWS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, kw_only=True)
class GreedyPlan:
    """One answer a problem before and after, over so many problems, with McNemar's exact test at `alpha`.

    `power` is the exact test's at the planned difference, `detectable` the smallest difference that reaches the
    planned power (Connor's formula, infinite where none does), `needed` the problems that the planned one takes.
    """

    name: str
    num_problems: int
    alpha: float
    power: float
    detectable: float
    needed: int


@dataclass(frozen=True, kw_only=True)
class DrawsPlan:
    """So many draws of every problem before and after: what the mean over disciplines shows.

    `needed` are problems in all, in disciplines of equal size. `removable_frac` is the share of the variance that
    endless further draws would remove.
    """

    num_draws: int
    standard_error: float
    detectable: float
    power: float
    removable_frac: float
    needed: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a suite can show. `disciplines` are tested at alpha / J, the first step of Holm's procedure.

    `draws_needed` are the draws of each of its problems that show the difference, None where no number does. Assumed
    are the base's accuracy `before`, the `correlation` of draws within a problem, and how alike problems are in
    difficulty before and after (`shared`).
    """

    difference: float
    power: float
    alpha: float
    discordant: float
    components: Components
    effective_problems: float
    greedy: GreedyPlan
    disciplines: tuple[GreedyPlan, ...]
    by_draws: tuple[DrawsPlan, ...]
    draws_needed: int | None
    before: float
    correlation: float
    shared: float

    def lines(self) -> list[str]:
        """The plan as text, differences in points."""
        name_width = max(12, *(len(one.name) for one in self.disciplines))
        greedy = [
            f"{one.name:<{name_width}} {one.num_problems:>8,} {one.power:>7.0%} {_points(one.detectable):>11} "
            f"{one.needed:>8,}"
            for one in (self.greedy, *(self.disciplines if len(self.disciplines) > 1 else ()))
        ]
        sampled = [
            f"{one.num_draws:>5} {_points(one.standard_error):>10} {one.power:>7.0%} {_points(one.detectable):>11} "
            f"{one.removable_frac:>10.0%} {one.needed:>8,}"
            for one in self.by_draws
        ]
        worth = f"{self.effective_problems:,.0f} problems"
        return [
            f"To show {_points(self.difference)} points, two-sided at {self.alpha:g}, with power {self.power:.0%}:",
            f"Assumed: {self.before:.0%} right before; correlations: {self.correlation:.2g} of draws of a problem,",
            f"{self.shared:.2g} of its difficulty before and after. So {self.discordant:.0%} of problems change sides.",
            "One greedy answer a problem, McNemar's exact test"
            + ("; each discipline at alpha over their number:" if len(self.disciplines) > 1 else ":"),
            f"{'':<{name_width}} {'problems':>8} {'power':>7} {'detectable':>11} {'needed':>8}",
            *greedy,
            f"Several draws a problem, mean over {len(self.disciplines)} disciplines (worth {worth} in equal ones):",
            f"{'draws':>5} {'std. error':>10} {'power':>7} {'detectable':>11} {'draw noise':>10} {'needed':>8}",
            *sampled,
            "No number of draws shows it: more problems are needed."
            if self.draws_needed is None
            else f"Draws of each of these problems that show it: {self.draws_needed:,}.",
            "All of this covers the choice of problems only: another training seed varies on top of it.",
        ]


def plan(
    suite_sizes: Mapping[str, int],
    difference: float = 0.05,
    power: float = 0.8,
    alpha: float = 0.05,
    *,
    before: float = 0.3,
    discordant: float | None = None,
    correlation: float = 0.5,
    shared: float = 0.9,
    draws: Sequence[int] = DRAWS,
) -> Plan:
    """What a suite of these disciplines and problems shows of this difference (a fraction, not points).

    `before` is the base's assumed accuracy, `correlation` the intra-problem one, `shared` how alike problems are in
    difficulty before and after. `discordant` replaces what follows from these by what was seen. A greedy answer is
    taken for one draw. Raises RecipeError for a difference, power, level or accuracy that is none.
    """
    _check_plan(suite_sizes, difference, power, alpha, before, discordant, draws)
    after = before + difference
    parts = gain_components_of(before, after, correlation, shared=shared)
    changed = discordant_share(before, after, correlation * shared) if discordant is None else discordant
    effective, num_disciplines = effective_problems(suite_sizes), len(suite_sizes)
    factor = normal_factor(alpha, power)

    def greedy(name: str, num_problems: int, level: float) -> GreedyPlan:
        return GreedyPlan(
            name=name,
            num_problems=num_problems,
            alpha=level,
            power=exact_power(num_problems, changed, difference, alpha=level),
            detectable=detectable_difference(num_problems, changed, alpha=level, power=power),
            needed=problems_for_exact(difference, changed, alpha=level, power=power),
        )

    return Plan(
        difference=difference,
        power=power,
        alpha=alpha,
        discordant=changed,
        components=parts,
        effective_problems=effective,
        greedy=greedy("all problems", sum(suite_sizes.values()), alpha),
        disciplines=tuple(greedy(name, size, alpha / num_disciplines) for name, size in suite_sizes.items()),
        by_draws=tuple(
            DrawsPlan(
                num_draws=num,
                standard_error=math.sqrt(parts.of(num) / effective),
                detectable=factor * math.sqrt(parts.of(num) / effective),
                power=normal_power(difference, parts.of(num) / effective, alpha=alpha),
                removable_frac=parts.removable_frac(num),
                needed=problems_for_mean(parts, difference, num, alpha=alpha, power=power),
            )
            for num in draws
        ),
        draws_needed=draws_for_mean(parts, difference, effective, alpha=alpha, power=power),
        before=before,
        correlation=correlation,
        shared=shared,
    )


def discordant_share(before: float, after: float, correlation: float = 0.0) -> float:
    """The share of problems whose verdict changes, from both accuracies and the correlation of the verdicts.

    p0 (1 - p1) + p1 (1 - p0) - 2 rho sqrt(p0 (1 - p0) p1 (1 - p1)), never below |p1 - p0|. Correlation 0, the most
    cautious that is plausible, is two models that have nothing to do with each other.
    """
    spread = math.sqrt(before * (1 - before) * after * (1 - after))
    share = before * (1 - after) + after * (1 - before) - 2 * correlation * spread
    return min(1.0, max(abs(after - before), share))


def problems_for_paired(difference: float, discordant: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Problems with one answer each that show this difference in a two-sided McNemar test, by Connor's formula.

    n = (z_(1 - alpha/2) sqrt(psi) + z_power sqrt(psi - d^2))^2 / d^2: the variance of one problem's difference is psi
    where there is none and psi - d^2 where it is d. It is about the test without a correction for continuity; the
    exact test needs a little more (`problems_for_exact`).
    """
    _check_difference(difference, discordant)
    return math.ceil(_connor(abs(difference), discordant, alpha, power) - 1e-9)


def problems_for_exact(difference: float, discordant: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """The same for McNemar's exact test, from its exact power: the smallest number at which it has the power.

    Power rises with the number of problems but for small steps back, so the number is found by bisection and is
    right to within those steps. Beyond MAX_PROBLEMS it is Connor's, from which it then differs by next to nothing.
    """
    formula = problems_for_paired(difference, discordant, alpha=alpha, power=power)
    if formula > MAX_PROBLEMS:
        return formula
    low, high = 0, formula
    while exact_power(high, discordant, difference, alpha=alpha) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if exact_power(middle, discordant, difference, alpha=alpha) >= power else (middle, high)
        )
    return high


def exact_power(num_problems: int, discordant: float, difference: float, *, alpha: float = 0.05) -> float:
    """The chance that McNemar's exact two-sided test of this many problems gives p <= alpha, by enumeration.

    The number of changed verdicts is binomial with psi, and of those the number gained is binomial with
    (psi + d) / (2 psi). At d = 0 it is the test's true level, which lies below alpha.
    """
    _check_difference(difference, discordant, may_be_zero=True)
    if discordant == 0:
        return 0.0
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, num_problems + 1)))])
    chance = _binomial(num_problems, discordant, log_factorial)
    gained = (discordant + difference) / (2 * discordant)
    total = 0.0
    for num_changed in np.flatnonzero(chance > 1e-15):
        one_sided = np.cumsum(_binomial(int(num_changed), 0.5, log_factorial)[: (num_changed + 1) // 2])
        # The last count of the rarer side that is still rejected; the same on the other side. A p-value of exactly
        # alpha, as of 2^-m, must not be lost to rounding.
        num_rejected = int((2 * one_sided <= alpha * (1 + 1e-12)).sum())
        if num_rejected:
            tails = _binomial(int(num_changed), gained, log_factorial)
            total += float(chance[num_changed]) * float(tails[:num_rejected].sum() + tails[-num_rejected:].sum())
    return min(1.0, total)


def detectable_difference(num_problems: int, discordant: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest difference that so many problems with one answer each show with this power (Connor's formula).

    The discordant share is held; where even d = psi, every change being a gain, cannot be shown, it is infinite.
    """
    if num_problems < 1 or not 0 < discordant <= 1:
        raise ValueError("a detectable difference needs a problem, and a discordant share above 0 and up to 1")
    if _connor(discordant, discordant, alpha, power) > num_problems:
        return math.inf
    low, high = 0.0, discordant
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _connor(middle, discordant, alpha, power) > num_problems else (low, middle)
    return high


def normal_power(difference: float, variance: float, *, alpha: float = 0.05) -> float:
    """The chance that a two-sided z test shows this difference, where the estimate has this variance."""
    if variance <= 0:
        return 1.0 if difference else alpha
    normal, shift = NormalDist(), abs(difference) / math.sqrt(variance)
    limit = normal.inv_cdf(1 - alpha / 2)
    return normal.cdf(shift - limit) + normal.cdf(-shift - limit)


def _connor(difference: float, discordant: float, alpha: float, power: float) -> float:
    if difference <= 0:
        return math.inf
    normal = NormalDist()
    under_none = normal.inv_cdf(1 - alpha / 2) * math.sqrt(discordant)
    under_some = normal.inv_cdf(power) * math.sqrt(max(0.0, discordant - difference**2))
    return ((under_none + under_some) / difference) ** 2


def _binomial(num_trials: int, chance: float, log_factorial: Floats) -> Floats:
    """The chances of 0 ... num_trials successes."""
    counts = np.arange(num_trials + 1)
    if chance <= 0 or chance >= 1:
        return np.where(counts == (num_trials if chance >= 1 else 0), 1.0, 0.0)
    ways = log_factorial[num_trials] - log_factorial[: num_trials + 1] - log_factorial[num_trials::-1]
    return np.asarray(np.exp(ways + counts * math.log(chance) + (num_trials - counts) * math.log1p(-chance)))


def _check_difference(difference: float, discordant: float, *, may_be_zero: bool = False) -> None:
    if not 0 <= discordant <= 1 or abs(difference) > discordant + 1e-12 or (difference == 0 and not may_be_zero):
        raise ValueError(
            f"a difference of {difference} with a discordant share of {discordant}: the share lies between the "
            "difference, which is not 0, and 1"
        )


def _check_plan(
    sizes: Mapping[str, int],
    difference: float,
    power: float,
    alpha: float,
    before: float,
    discordant: float | None,
    draws: Sequence[int],
) -> None:
    if not sizes or min(sizes.values()) < 1:
        raise RecipeError("--plan", "the suite has no problems", "name a suite that has some")
    if not (0 < alpha < 1 and alpha < power < 1):
        raise RecipeError(
            "--plan",
            f"alpha {alpha:g} and power {power:g} are no plan",
            "use 0 < alpha < power < 1, such as 0.05 and 0.8",
        )
    if difference <= 0 or before < 0 or before + difference > 1:
        raise RecipeError(
            "--plan",
            f"{100 * difference:g} points above an accuracy of {before:.0%} cannot be",
            "ask for a smaller difference, or give --from the rows of a model with another accuracy",
        )
    if discordant is not None and not difference <= discordant <= 1:
        raise RecipeError(
            "--plan",
            f"a difference of {difference:g} cannot come from {discordant:g} of the problems",
            "the share of problems that change sides lies between the difference and 1",
        )
    if not draws or min(draws) < 1:
        raise RecipeError("--plan", f"{list(draws)} are no numbers of draws", "use whole numbers from 1")


def _points(fraction: float) -> str:
    return "none" if math.isinf(fraction) or fraction > 1 else f"{100 * fraction:.3g}"
