"""Holm against closed testing, sign flips against McNemar and enumeration, tables against hand-made files."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from polymath.evaluation.multiplicity import compare_subjects, holm, sign_flip_p
from polymath.evaluation.statistics import mcnemar_exact


def rows_of(outcomes, *, subject="algebra", discipline="mathematics", name=""):
    """{problem: verdicts of its draws} as rows of an evaluation file."""
    return [
        {
            "benchmark": "b",
            "id": f"{name}{problem}",
            "discipline": discipline,
            "subject": subject,
            "strict": {"outcome": "right" if one else "wrong", "extracted": "7"},
            "lenient": {"outcome": "right", "extracted": "7"},
        }
        for problem, draws in enumerate(outcomes)
        for one in draws
    ]


def closed_testing(p_values):
    """Every set of hypotheses tested by Bonferroni; a hypothesis falls when all sets that hold it do."""
    places = range(len(p_values))
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in combinations(places, size)]
    value = {chosen: min(1.0, len(chosen) * min(p_values[place] for place in chosen)) for chosen in sets}
    return [max(value[chosen] for chosen in sets if place in chosen) for place in places]


def test_holm_worked_by_hand() -> None:
    # Rising: .005, .01, .03, .04 times 4, 3, 2, 1 = .02, .03, .06, .04; never falling: .02, .03, .06, .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("seed", range(10))
def test_holm_is_the_closed_test_of_bonferroni(seed) -> None:
    generator = np.random.default_rng(seed)
    p_values = np.round(generator.random(int(generator.integers(1, 8))) ** 3, 2).tolist()
    assert holm(p_values) == pytest.approx(closed_testing(p_values))


def test_holm_never_exceeds_one_and_takes_an_empty_table() -> None:
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([1.2])


@pytest.mark.parametrize("gained, lost", [(0, 0), (1, 0), (7, 1), (5, 5), (12, 3)])
def test_sign_flips_of_single_draws_are_mcnemar(gained, lost) -> None:
    differences = [Fraction(1)] * gained + [Fraction(-1)] * lost + [Fraction(0)] * 20
    before = [0] * gained + [1] * lost + [1] * 20
    after = [1] * gained + [0] * lost + [1] * 20
    assert sign_flip_p(differences) == pytest.approx(mcnemar_exact(before, after))


@pytest.mark.parametrize("seed", range(10))
def test_sign_flips_are_exact_over_all_patterns(seed) -> None:
    generator = np.random.default_rng(seed)
    differences = [Fraction(int(generator.integers(-8, 9)), int(generator.integers(1, 9))) for _ in range(9)]
    observed = abs(sum(differences))
    patterns = list(product((-1, 1), repeat=9))
    extreme = sum(abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= observed for signs in patterns)
    assert sign_flip_p(differences) == pytest.approx(extreme / len(patterns))


def test_many_differences_with_unlike_denominators_are_drawn_and_never_zero() -> None:
    generator = np.random.default_rng(0)
    primes = [61, 67, 71, 73, 79, 83, 89, 97]
    values = [Fraction(int(generator.integers(-30, 31)), primes[i % 8]) for i in range(300)]
    numbers = np.array([float(value) for value in values])
    normal = abs(numbers.sum()) / np.sqrt((numbers**2).sum())
    # The sum of 300 independent signs is all but normal.
    assert sign_flip_p(values) == pytest.approx(2 * stats.norm.sf(normal), abs=0.02)
    assert sign_flip_p([abs(value) + 1 for value in values]) == pytest.approx(1 / 10_000)
    assert sign_flip_p(values) == sign_flip_p(values)


def test_sums_beyond_sixty_four_bits_are_exact() -> None:
    tiny = Fraction(1, 10**21 + 1)
    # 1, 2 and 4 minus a trifle: of eight patterns only the observed one and its mirror reach the sum.
    assert sign_flip_p([Fraction(1), Fraction(2), 4 - tiny]) == pytest.approx(2 / 8)


def test_eight_draws_of_five_hundred_problems_are_tested_exactly() -> None:
    generator = np.random.default_rng(3)
    eighths = generator.integers(-8, 9, size=500)
    normal = (abs(eighths.sum()) - 0.5) / np.sqrt((eighths.astype(float) ** 2).sum())
    assert sign_flip_p([Fraction(int(one), 8) for one in eighths]) == pytest.approx(2 * stats.norm.sf(normal), abs=0.01)


def test_every_subject_is_compared_with_its_own_problems() -> None:
    before = rows_of([[0]] * 10, subject="physics", name="f") + rows_of([[1]] * 4 + [[0]] * 4)
    after = rows_of([[1]] * 9 + [[0]], subject="physics", name="f") + rows_of([[1]] * 4 + [[0]] * 4)
    algebra, physics = compare_subjects(before, after)
    assert (algebra.label, algebra.num_problems, algebra.before, algebra.after) == ("algebra", 8, 0.5, 0.5)
    assert (physics.label, physics.num_problems, physics.before, physics.after) == ("physics", 10, 0.0, 0.9)
    assert algebra.p_value == algebra.holm_p_value == 1.0
    assert physics.p_value == pytest.approx(2 / 2**9)  # nine gained, none lost
    assert physics.holm_p_value == pytest.approx(4 / 2**9)
    # Ten problems, one of them unmoved: the resampled mean is binomial(10, .9) / 10.
    assert physics.difference.mean == pytest.approx(0.9)
    assert (physics.difference.low, physics.difference.high) == pytest.approx((0.7, 1.0))


def test_several_draws_are_tested_by_sign_flips() -> None:
    before, after = rows_of([[0, 0, 1, 0]] * 6), rows_of([[1, 1, 1, 0]] * 6)
    (found,) = compare_subjects(before, after, label="discipline")
    assert (found.label, found.before, found.after) == ("mathematics", 0.25, 0.75)
    assert found.p_value == pytest.approx(2 / 2**6)


def test_unequal_numbers_of_draws_are_compared_by_their_means() -> None:
    (found,) = compare_subjects(rows_of([[1, 0], [0, 0]]), rows_of([[1, 1, 0], [0, 1, 0]]))
    assert found.difference.mean == pytest.approx(((2 / 3 - 1 / 2) + 1 / 3) / 2)


def test_nothing_shared_is_an_empty_table() -> None:
    assert compare_subjects(rows_of([[1]], name="p"), rows_of([[1]], name="q")) == []


def test_the_lenient_reading_is_another_table() -> None:
    (found,) = compare_subjects(rows_of([[0]] * 3), rows_of([[1]] * 3), reading="lenient")
    assert (found.before, found.after, found.p_value) == (1.0, 1.0, 1.0)


def test_under_no_effect_a_false_claim_among_ten_subjects_is_rare() -> None:
    generator = np.random.default_rng(5)
    false_claims = 0
    for _ in range(120):
        before, after = [], []
        for subject in range(10):
            for target in (before, after):
                outcomes = (generator.random((30, 1)) < 0.5).astype(int).tolist()
                target.extend(rows_of(outcomes, subject=str(subject), name=f"{subject}-"))
        p_values = [
            mcnemar_exact(
                [row["strict"]["outcome"] == "right" for row in before if row["subject"] == str(subject)],
                [row["strict"]["outcome"] == "right" for row in after if row["subject"] == str(subject)],
            )
            for subject in range(10)
        ]
        false_claims += min(holm(p_values)) <= 0.05
    # At most 5 in 100; 12 of 120 would be a chance below one in a hundred.
    assert false_claims < 12
