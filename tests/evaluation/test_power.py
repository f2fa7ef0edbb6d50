"""Plans against closed forms, enumeration, scipy and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from polymath.errors import RecipeError
from polymath.evaluation.components import (
    Components,
    components_of,
    draws_for_mean,
    effective_problems,
    estimate_components,
    gain_components_of,
    problems_for_mean,
    stratified_variance,
)
from polymath.evaluation.power import (
    detectable_difference,
    discordant_share,
    exact_power,
    normal_power,
    plan,
    problems_for_exact,
    problems_for_paired,
)
from polymath.evaluation.statistics import mcnemar_exact

Z_LEVEL, Z_POWER = stats.norm.ppf(0.975), stats.norm.ppf(0.8)


def test_connors_formula_worked_by_hand() -> None:
    # psi .2, d .1: (1.959964 * .447214 + .841621 * .435890)^2 / .01 = (.876523 + .366854)^2 / .01 = 154.6
    assert problems_for_paired(0.1, 0.2) == 155
    # Half the difference with every change a gain before: four times as many, to a little.
    assert problems_for_paired(0.05, 0.2) == math.ceil(
        (Z_LEVEL * math.sqrt(0.2) + Z_POWER * math.sqrt(0.2 - 0.0025)) ** 2 / 0.0025
    )


def test_a_loss_takes_as_many_problems_as_a_gain() -> None:
    assert problems_for_paired(-0.1, 0.2) == problems_for_paired(0.1, 0.2)


@pytest.mark.parametrize("difference, discordant", [(0.0, 0.2), (0.3, 0.2), (0.1, 1.2)])
def test_a_difference_that_cannot_be_is_refused(difference, discordant) -> None:
    with pytest.raises(ValueError, match="discordant share"):
        problems_for_paired(difference, discordant)


@pytest.mark.parametrize(
    "num_problems, discordant, difference, alpha",
    [(6, 0.5, 0.3, 0.05), (7, 0.6, -0.2, 0.25), (9, 0.9, 0.9, 0.05), (8, 1.0, 0.0, 0.3), (5, 0.4, 0.1, 0.0625)],
)
def test_the_power_is_exact_over_all_outcomes(num_problems, discordant, difference, alpha) -> None:
    gained, lost = (discordant + difference) / 2, (discordant - difference) / 2
    total = 0.0
    for up in range(num_problems + 1):
        for down in range(num_problems + 1 - up):
            if mcnemar_exact([0] * up + [1] * down + [1], [1] * up + [0] * down + [1]) <= alpha:
                stays = num_problems - up - down
                total += stats.multinomial.pmf([up, down, stays], num_problems, [gained, lost, 1 - gained - lost])
    assert exact_power(num_problems, discordant, difference, alpha=alpha) == pytest.approx(total, abs=1e-10)


def test_without_a_difference_the_exact_test_keeps_its_level() -> None:
    for num_problems in (10, 57, 400):
        assert 0 < exact_power(num_problems, 0.3, 0.0) <= 0.05
    assert exact_power(100, 0.0, 0.0) == 0.0


def test_the_exact_power_is_what_simulated_experiments_show() -> None:
    generator = np.random.default_rng(0)
    counts = generator.multinomial(200, [0.16, 0.07, 0.77], size=1_500)
    shown = np.mean([stats.binomtest(int(up), int(up + down)).pvalue <= 0.05 for up, down, _ in counts])
    assert exact_power(200, 0.23, 0.09) == pytest.approx(shown, abs=0.04)


def test_the_exact_number_of_problems_has_the_power_and_lies_near_connors() -> None:
    exact, formula = problems_for_exact(0.1, 0.2), problems_for_paired(0.1, 0.2)
    assert exact_power(exact, 0.2, 0.1) >= 0.8
    assert exact_power(exact - 10, 0.2, 0.1) < 0.8
    assert formula <= exact <= 1.2 * formula


def test_the_detectable_difference_undoes_the_number_of_problems() -> None:
    for difference in (0.02, 0.05, 0.15):
        number = problems_for_paired(difference, 0.25)
        assert detectable_difference(number, 0.25) <= difference < detectable_difference(number - 1, 0.25)


def test_where_even_gains_alone_are_too_few_nothing_is_detectable() -> None:
    assert detectable_difference(10, 0.05) == math.inf


def test_independent_verdicts_change_as_often_as_products_say() -> None:
    assert discordant_share(0.3, 0.5) == pytest.approx(0.3 * 0.5 + 0.5 * 0.7)
    # The same verdicts twice never change; where one model solves all, the change is the difference.
    assert discordant_share(0.3, 0.3, 1.0) == pytest.approx(0.0)
    assert discordant_share(0.3, 1.0, 0.5) == pytest.approx(0.7)


def test_components_are_shares_of_a_coins_variance() -> None:
    parts = components_of(0.3, 0.25)
    assert (parts.between, parts.within) == pytest.approx((0.0525, 0.1575))
    assert parts.of(1) == pytest.approx(0.21)
    assert parts.of(3) == pytest.approx(0.105)
    assert parts.removable_frac(3) == pytest.approx(0.5)


def test_one_draw_of_the_gain_varies_as_its_discordant_share() -> None:
    # Var of a difference of two verdicts is psi - d^2, whichever way it is derived.
    parts = gain_components_of(0.3, 0.4, 0.6, shared=0.8)
    assert parts.of(1) == pytest.approx(discordant_share(0.3, 0.4, 0.6 * 0.8) - 0.1**2)


def test_the_components_predict_the_variance_of_simulated_means() -> None:
    # Beta(1, 1) problems: p (1 - p) = 1/4, between 1/12, so rho = 1/3.
    generator = np.random.default_rng(1)
    chances = generator.random((4_000, 40))
    means = generator.binomial(5, chances).mean(axis=1) / 5
    assert components_of(0.5, 1 / 3).of(5) / 40 == pytest.approx(means.var(), rel=0.1)


def test_the_estimated_components_are_unbiased() -> None:
    generator = np.random.default_rng(2)
    found = []
    for _ in range(300):
        chances, sizes = generator.random(25), generator.integers(2, 7, size=25)
        found.append(estimate_components([generator.random(n) < p for p, n in zip(chances, sizes, strict=True)]))
    # Var(p) = 1/12 and E p (1 - p) = 1/6 for uniform p.
    assert np.mean([parts.between for parts in found]) == pytest.approx(1 / 12, abs=0.005)
    assert np.mean([parts.within for parts in found]) == pytest.approx(1 / 6, abs=0.005)


def test_components_worked_by_hand() -> None:
    # 1 of 2 and 2 of 2: within (1/2 + 0) / 2; means .5 and 1 vary by 1/8, less (1/4 + 0) / 2 of drawing: 0.
    parts = estimate_components([[True, False], [True, True]])
    assert (parts.between, parts.within) == pytest.approx((0.0, 0.25))


def test_single_draws_have_no_components() -> None:
    for right in ([[True], [False]], [[True, False]], [[True, False], [True]]):
        with pytest.raises(ValueError, match="two draws"):
            estimate_components(right)


def test_problems_and_draws_follow_from_the_same_formula() -> None:
    parts = Components(between=0.02, within=0.2)
    needed = problems_for_mean(parts, 0.05, 4)
    assert needed == math.ceil((Z_LEVEL + Z_POWER) ** 2 * (0.02 + 0.05) / 0.0025)
    assert draws_for_mean(parts, 0.05, needed) == 4
    assert draws_for_mean(parts, 0.05, needed - 1) == 5
    assert normal_power(0.05, parts.of(4) / needed) == pytest.approx(0.8, abs=0.005)


def test_where_problems_differ_too_much_no_number_of_draws_helps() -> None:
    assert draws_for_mean(Components(between=0.1, within=0.1), 0.05, 100) is None
    assert draws_for_mean(Components(between=-0.01, within=0.1), 0.05, 100_000) == 1


def test_the_discipline_mean_varies_as_its_strata_worked_by_hand() -> None:
    # (.25 / 100 + .16 / 4) / 4
    assert stratified_variance({"a": 0.25, "b": 0.16}, {"a": 100, "b": 4}) == pytest.approx(0.010625)
    # Two disciplines of 100 and 4 problems are worth 4 / (.01 + .25) = 15.4 in equal ones; equal ones all there are.
    assert effective_problems({"a": 100, "b": 4}) == pytest.approx(4 / 0.26)
    assert effective_problems({"a": 30, "b": 30, "c": 30}) == pytest.approx(90)


def test_the_discipline_mean_varies_as_simulated() -> None:
    generator = np.random.default_rng(4)
    sizes, chances = {"a": 12, "b": 80}, {"a": 0.5, "b": 0.2}
    means = np.mean(
        [generator.binomial(sizes[name], chances[name], size=20_000) / sizes[name] for name in sizes], axis=0
    )
    predicted = stratified_variance({name: p * (1 - p) for name, p in chances.items()}, sizes)
    assert predicted == pytest.approx(means.var(), rel=0.05)


def test_a_plan_holds_what_its_parts_say() -> None:
    found = plan({"mathematics": 300, "physics": 100}, 0.1, before=0.4, correlation=0.5, shared=0.8, draws=(1, 8))
    assert found.discordant == pytest.approx(discordant_share(0.4, 0.5, 0.4))
    assert found.greedy.num_problems == 400
    assert found.greedy.power == pytest.approx(exact_power(400, found.discordant, 0.1))
    assert [one.alpha for one in found.disciplines] == [0.025, 0.025]
    assert found.effective_problems == pytest.approx(4 / (1 / 300 + 1 / 100))
    one, eight = found.by_draws
    assert one.standard_error == pytest.approx(math.sqrt((found.discordant - 0.01) / 300))
    assert one.detectable == pytest.approx((Z_LEVEL + Z_POWER) * one.standard_error)
    assert eight.needed < one.needed
    text = "\n".join(found.lines())
    assert "mathematics" in text
    assert "another training seed" in text
    assert max(map(len, found.lines())) <= 120


def test_what_was_seen_replaces_what_was_assumed() -> None:
    # Draws that are not correlated: the variance of a gain from .4 to .5 is .24 + .25 a pair of draws.
    found = plan({"a": 50}, 0.1, before=0.4, correlation=0.0, discordant=0.12, draws=(2,))
    assert found.discordant == 0.12
    assert found.by_draws[0].standard_error == pytest.approx(math.sqrt(0.49 / 2 / 50))
    assert found.by_draws[0].removable_frac == 1.0


def test_the_plan_says_how_many_draws_show_the_difference_or_that_none_do() -> None:
    found = plan({"a": 50}, 0.1, before=0.4, correlation=0.0)
    needed = found.draws_needed
    # .49 / (m 50) must be (.1 / (1.95996 + .84162))^2 or less: m = 7.69.
    assert needed == 8
    assert any("show it: 8" in line for line in found.lines())
    none = plan({"a": 50}, 0.02, before=0.4, correlation=0.9)
    assert none.draws_needed is None
    assert any("more problems are needed" in line for line in none.lines())
    assert any("Assumed: 40% right before" in line for line in none.lines())


def test_a_tiny_difference_is_planned_without_enumerating_millions() -> None:
    assert plan({"a": 50}, 0.0002).greedy.needed > 10_000_000


@pytest.mark.parametrize(
    "options",
    [
        {"difference": 0.0},
        {"difference": 0.8, "before": 0.3},
        {"power": 1.0},
        {"power": 0.01},
        {"alpha": 0.0},
        {"discordant": 0.01},
        {"draws": (0,)},
        {"suite_sizes": {}},
        {"suite_sizes": {"a": 0}},
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_one_line(options) -> None:
    with pytest.raises(RecipeError) as refused:
        plan(**{"suite_sizes": {"a": 10}, **options})
    assert "\n" not in str(refused.value)
