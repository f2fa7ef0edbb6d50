"""Selectors against golden values: the published history, the toys of the papers, tables by hand."""

import math

import pytest
from scipy.stats import spearmanr

from polymath.errors import SampleError
from polymath.runs import write_lines
from polymath.samples.pools import read_pool
from polymath.selection.correlation import mean_ranks, permutation_p, spearman
from polymath.selection.histories import Histories, Scores, read_histories
from polymath.selection.probe import Probed
from polymath.selection.published_bench import (
    BAD_LABELS,
    BENCHED,
    bench_published,
    detectable_rho,
    published_outcomes,
)
from polymath.selection.ranking import agree, rank
from polymath.selection.selectors import SELECTORS, Evidence, computable, pass_rates
from polymath.selection.selectors.history import hvs, is_kept, lim, slope
from polymath.selection.selectors.pass_rate import azr, is_in_band, learnability, vcrl
from polymath.selection.selectors.probing import (
    answer_entropy,
    direct_right,
    distinct_wrong,
    shortcut,
    worked_covariance,
    worked_right,
)
from polymath.selection.selectors.skills import count_skills
from tests.conftest import ROOT

DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "acc_step_500.json").exists(), reason=f"no public data in {DATA}")


@pytest.fixture(scope="module")
def published():
    pool = read_pool(DATA / "dsr_sub.parquet")
    return Evidence(pool=pool, histories=read_histories(DATA / "acc_step_500.json"))


def made_pool(folder, num=4, **fields):
    path = folder / "pool.jsonl"
    rows = [{"question": f"{n} + 1 = ?", "answer": str(n + 1)} for n in range(num)]
    for name, values in fields.items():
        rows = [{**row, name: value} for row, value in zip(rows, values, strict=True)]
    write_lines(path, rows)
    return read_pool(path)


def made_histories(curves):
    return Histories(source="made", curves=curves, num_rollouts=0)


# --- the published history: our notes on arXiv 2504.20571, section 2.2


@needs_data
def test_the_golden_ranks_of_the_one_shot_paper(published):
    ranking = rank("hvs", published)
    index_of = {row.rank: row.index for row in ranking.rows}
    golden = {1: 124, 2: 267, 3: 531, 4: 931, 5: 212, 13: 682, 1209: 789}
    assert {place: index_of[place] for place in golden} == golden
    assert [row.rank for row in ranking.rows] == list(range(1, 1210))


@needs_data
def test_the_golden_spreads_of_the_one_shot_paper(published):
    score_of = {row.rank: row.score for row in rank("hvs", published).rows}
    golden = {1: 0.4068, 2: 0.3961, 3: 0.3377, 4: 0.3245, 5: 0.3155, 7: 0.3090, 11: 0.2779, 13: 0.2726, 16: 0.2687}
    golden |= {17: 0.2610, 605: 0.1073, 606: 0.1071, 1201: 0.0}
    assert {place: round(score_of[place], 4) for place in golden} == golden


@needs_data
def test_a_hundred_and_four_rows_never_vary_and_keep_the_order_of_the_file(published):
    last = [row for row in rank("hvs", published).rows if row.score == 0]
    assert (len(last), last[0].rank) == (104, 1106)
    order = list(published.histories.curves)
    assert [row.index for row in last] == sorted((row.index for row in last), key=order.index)
    curves = published.histories.curves
    assert sum(not any(curve) for curve in curves.values()) == 99
    assert {index for index, curve in curves.items() if all(one == 1 for one in curve)} == {196, 921, 454, 768, 559}


@needs_data
def test_a_row_that_is_set_aside_keeps_its_rank_and_cannot_be_chosen(published):
    row = next(row for row in rank("hvs", published).rows if row.index == 265)
    assert (row.rank, row.id) == (1101, None)


@needs_data
def test_how_far_the_scores_of_the_published_history_agree(published):
    """HVS and LIM .70, HVS and p(1 - p) .96 over the 1,209 rows (recipes.md, section 3)."""
    found = agree("hvs", "lim", published)
    assert (found.num_rows, round(found.spearman, 2)) == (1209, 0.70)
    assert round(agree("hvs", "learnability", published).spearman, 2) == 0.96
    assert agree("hvs", "hvs", published, k=7).overlap == 7


# --- toys and tables of the papers

# recipes.md, section 2: the mean curve is (.3125, .4375, .5625).
TOY = {0: (0, 0.5, 1), 1: (0.25, 0.25, 0.25), 2: (1, 1, 1), 3: (0, 0, 0)}


def test_the_toy_of_lim_and_its_variance():
    assert lim(TOY) == pytest.approx({0: 0.7012, 1: 0.8606, 2: 0.0, 3: 0.3825}, abs=5e-5)
    assert hvs(TOY) == pytest.approx({0: 0.4082, 1: 0, 2: 0, 3: 0}, abs=5e-5)


def test_lim_scores_one_for_the_mean_curve_and_cuts_to_the_shortest():
    curves = {0: (0.0, 1.0, 1.0), 1: (1.0, 0.0), 2: (0.5, 0.5, 0.0)}
    assert lim(curves)[2] == pytest.approx(1.0)


def test_lim_of_a_pool_that_is_always_right_is_zero_and_not_undefined():
    assert lim({0: (1, 1), 1: (1, 1)}) == {0: 0.0, 1: 0.0}


@pytest.mark.parametrize(
    ("score", "kept"), [(0.6, True), (0.595001, True), (0.5949, False), (0.604, True), (0.59, False)]
)
def test_lim_keeps_what_reaches_the_threshold_on_two_decimals(score, kept):
    assert is_kept(score, 0.6) is kept


def test_hvs_divides_by_all_visits_and_not_by_one_fewer():
    assert hvs({0: (0.0, 1.0)}) == {0: 0.5}


@pytest.mark.parametrize(
    ("curve", "expected"), [((0.0, 0.5, 1.0), 0.5), ((1.0,), 0.0), ((0.5, 0.5), 0.0), ((0, 0, 1), 0.5)]
)
def test_slope_is_the_least_squares_line(curve, expected):
    assert slope({0: curve})[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("k", "expected"), list(enumerate([0, 0.4375, 0.75, 0.9375, 1, 0.9375, 0.75, 0.4375, 0])))
def test_the_table_of_vcrl_for_groups_of_eight(k, expected):
    assert vcrl(k, 8) == pytest.approx(expected)


def test_vcrl_of_an_odd_group_reaches_one_in_its_middle():
    assert [vcrl(k, 3) for k in range(4)] == [0, 1, 1, 0]
    with pytest.raises(ValueError, match="two draws"):
        vcrl(1, 1)


@pytest.mark.parametrize(("p", "expected"), [(0, 0), (0.125, 0.875), (0.5, 0.5), (1, 0)])
def test_the_table_of_the_absolute_zero_proposer(p, expected):
    assert azr(p) == expected


def test_learnability_is_largest_at_one_half_and_falls_on_both_sides():
    values = [learnability(k / 16) for k in range(17)]
    assert values[8] == 0.25
    assert all(values[k] < values[k + 1] and values[16 - k] < values[15 - k] for k in range(8))


@pytest.mark.parametrize(("p", "expected"), [(0, False), (0.01, True), (0.1, True), (0.11, False)])
def test_a_band_is_open_below_and_closed_above(p, expected):
    assert is_in_band(p, (0.0, 0.1)) is expected


# --- probes


def probed(index=0, id_="", **counts):
    base = {"num_draws": 16, "right": 0, "lenient_right": 0, "undecided": 0, "truncated": 0, "mean_tokens": 9.0}
    return Probed(index=index, id=id_, **{**base, "ways": {}, "right_ways": {}, "wrong": {}, **counts})


# 16 draws: 6 worked of which 4 right, 10 direct of which 1 right.
MIXED = probed(
    right=5, ways={"worked": 6, "direct": 10}, right_ways={"worked": 4, "direct": 1}, wrong={"7": 6, "8": 4, "": 1}
)


def test_the_scores_of_a_probe_by_hand():
    assert shortcut(MIXED) == pytest.approx(1 / 5)
    assert direct_right(MIXED) == pytest.approx(1 / 10)
    assert worked_right(MIXED) == pytest.approx(4 / 6)
    assert worked_covariance(MIXED) == pytest.approx(4 / 16 - 5 / 16 * 6 / 16)
    assert distinct_wrong(MIXED) == pytest.approx(2 * 5 / 16)
    shares = [5 / 16, 6 / 16, 4 / 16, 1 / 16]
    assert answer_entropy(MIXED) == pytest.approx(-sum(share * math.log(share) for share in shares))


def test_a_share_of_nothing_is_no_score():
    never = probed(ways={"direct": 16}, wrong={"7": 16})
    assert shortcut(never) is None and worked_right(never) is None
    assert direct_right(never) == 0.0


def test_rows_without_a_score_are_left_out_and_counted(tmp_path):
    pool = made_pool(tmp_path, 3)
    draws = {
        0: probed(0, right=2, right_ways={"worked": 0}),
        1: probed(1, right=4, right_ways={"worked": 3}),
        2: probed(2),
    }
    ranking = rank("shortcut", Evidence(pool=pool, probed=draws))
    assert [(row.index, row.score) for row in ranking.rows] == [(1, 0.25), (0, 1.0)]
    assert ranking.num_unranked == 1


# --- ranking


def test_equal_scores_keep_the_order_of_the_evidence(tmp_path):
    pool = made_pool(tmp_path)
    histories = made_histories({3: (0.5,), 1: (1.0,), 0: (0.0,), 2: (0.0, 1.0)})
    assert [row.index for row in rank("hvs", Evidence(pool=pool, histories=histories)).rows] == [2, 3, 1, 0]


def test_the_polymath_rule_takes_the_lowest_score_that_lim_keeps(tmp_path):
    pool = made_pool(tmp_path, 5)
    scores = Scores(source="made", by_index={0: 0.9, 1: 0.6, 2: 0.59, 3: 0.604, 4: 0.7})
    evidence = Evidence(pool=pool, scores=scores)
    assert [row.index for row in rank("polymath", evidence).rows] == [1, 3, 4, 0]
    assert [row.index for row in rank("lim", evidence).rows] == [0, 4, 3, 1]


def test_a_band_ranks_the_hardest_that_still_gets_hits_first(tmp_path):
    pool = made_pool(tmp_path)
    histories = made_histories({0: (0.0,), 1: (0.1,), 2: (0.05,), 3: (0.5,)})
    assert [row.index for row in rank("band", Evidence(pool=pool, histories=histories)).rows] == [2, 1]


def test_a_probe_counts_before_a_history_for_pass_rates(tmp_path):
    histories, draws = made_histories({0: (1.0,)}), {0: probed(right=4)}
    assert pass_rates(Evidence(pool=made_pool(tmp_path), histories=histories, probed=draws)) == {0: 0.25}


def test_chance_depends_on_seed_and_row_alone(tmp_path):
    few = [row.index for row in rank("random", Evidence(pool=made_pool(tmp_path, 5), seed=3)).rows]
    large = made_pool(tmp_path, 50)
    many = [row.index for row in rank("random", Evidence(pool=large, seed=3)).rows]
    assert [index for index in many if index < 5] == few
    assert many != [row.index for row in rank("random", Evidence(pool=large, seed=4)).rows]


def test_a_specialist_has_the_most_skills_of_its_category_and_prime_the_most_of_all(tmp_path):
    """Algebra, geometry, probability, number theory, precalculus of arXiv 2601.03111, figures 2 and 8."""
    names = ("algebra", "geometry", "probability", "number theory", "precalculus")
    table = {0: (23, 0, 3, 0, 11), 1: (5, 6, 0, 0, 5), 2: (38, 0, 19, 8, 26), 3: (6, 0, 0, 0, 6)}
    skills = {index: dict(zip(names, counts, strict=True)) for index, counts in table.items()}
    evidence = Evidence(pool=made_pool(tmp_path), skills=skills)
    assert [row.index for row in rank("skills", evidence).rows] == [2, 0, 1, 3]
    geometry = Evidence(pool=evidence.pool, skills=skills, category="geometry")
    assert rank("skills", geometry).rows[0].index == 1


def test_more_categories_break_a_tie_of_totals_and_never_outweigh_a_skill():
    assert count_skills({"a": 2, "b": 2}) > count_skills({"a": 4, "b": 0})
    assert count_skills({"a": 5, "b": 0}) > count_skills({"a": 2, "b": 2})


def test_a_selector_says_what_it_needs(tmp_path):
    evidence = Evidence(pool=made_pool(tmp_path))
    assert computable(evidence) == ["random"]
    with pytest.raises(SampleError, match="--history FILE"):
        rank("hvs", evidence)
    with pytest.raises(SampleError, match="polymath probe"):
        rank("shortcut", evidence)
    with pytest.raises(SampleError, match="use one of random"):
        rank("best", evidence)
    with pytest.raises(SampleError, match="none of 1 scores is eligible"):
        rank("lim", Evidence(pool=evidence.pool, scores=Scores(source="made", by_index={0: 0.1})))


@pytest.mark.parametrize("name", SELECTORS)
def test_every_selector_says_its_source_and_what_it_is_worth(name):
    assert SELECTORS[name].paper and SELECTORS[name].caveat and SELECTORS[name].needs


# --- correlation and the published bench


def test_rank_correlation_is_that_of_scipy_with_ties():
    first, second = [3, 1, 1, 5, 2, 2, 9], [0.1, 0.4, 0.2, 0.2, 0.3, 0.9, 1.0]
    assert list(mean_ranks(first)) == [5, 1.5, 1.5, 6, 3.5, 3.5, 7]
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_a_permutation_p_is_the_share_of_orders_as_extreme():
    """Of the 24 orders of four, the two that are in line reach |rho| = 1: p = 1/12."""
    assert permutation_p([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1 / 12, abs=0.003)


def test_a_correlation_of_nothing_is_none():
    assert spearman([1, 2], [1, 2]) is None
    assert permutation_p([1, 1, 1], [1, 2, 3]) is None


# recipes.md, rule 2.
GOLDEN = {
    "hvs": 0.22,
    "slope": 0.16,
    "lim": 0.14,
    "learnability": 0.09,
    "first_accuracy": 0.07,
    "final_accuracy": 0.03,
    "mean_accuracy": 0.02,
}


@needs_data
def test_no_selector_relates_to_the_published_outcomes(published):
    bench = bench_published(published.histories)
    assert {row.selector: round(row.rho, 2) for row in bench.rows} == GOLDEN
    assert {row.n for row in bench.rows} == {14}
    p_of = {row.selector: row.p_value for row in bench.rows}
    assert p_of["hvs"] == pytest.approx(0.47, abs=0.015) and p_of["lim"] == pytest.approx(0.62, abs=0.015)
    assert {row.holm_p_value for row in bench.rows} == {1.0}
    assert bench.verdict().startswith("not significant")


@needs_data
def test_without_the_two_bad_labels_every_sign_is_negative(published):
    bench = bench_published(published.histories, without=BAD_LABELS)
    rho_of = {row.selector: round(row.rho, 2) for row in bench.rows}
    assert {row.n for row in bench.rows} == {12}
    assert (rho_of["mean_accuracy"], rho_of["hvs"], rho_of["learnability"]) == (-0.43, -0.12, -0.32)
    assert max(rho_of.values()) < 0
    p_of = {row.selector: row.p_value for row in bench.rows}
    assert p_of["mean_accuracy"] == pytest.approx(0.17, abs=0.015)


@needs_data
def test_the_published_samples_are_joined_by_rank(published):
    found = {one.name: (one.index, one.outcome) for one in published_outcomes(published.histories)}
    assert len(found) == 14
    assert (found["pi-1"], found["pi-13"], found["pi-1209"]) == ((124, 74.0), (682, 74.4), (789, 72.2))


def test_another_history_has_no_published_outcomes():
    with pytest.raises(SampleError, match="acc_step_500"):
        published_outcomes(made_histories({0: (0.5, 1.0), 1: (0.5,)}))


def test_what_fourteen_samples_can_show():
    """Fisher: tanh((1.95996 + 0.84162) / sqrt(11))."""
    assert detectable_rho(14) == pytest.approx(math.tanh(2.80158 / math.sqrt(11)), abs=1e-5)
    assert set(BENCHED) == set(GOLDEN)
