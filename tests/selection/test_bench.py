"""The lab's bench of selectors: against brute force, closed forms, and a selector that is planted to be right."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from polymath.errors import RunFolderError, SampleError
from polymath.recipe import make_recipe
from polymath.runs import RunFolder, write_text
from polymath.samples.pools import Pool, PoolRow
from polymath.selecting.benching import bench_lab, freeze_scores, read_outcomes
from polymath.selection.bench import bench, precision_at, roc_area
from polymath.selection.probe import Probed
from polymath.selection.selectors import Evidence
from polymath.types import Sample


def test_the_area_is_the_share_of_pairs_in_the_right_order():
    generator = np.random.default_rng(0)
    scores, good = generator.integers(0, 6, size=30), generator.random(30) < 0.3
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[good] for b in scores[~good]]
    assert roc_area(scores, good) == pytest.approx(np.mean(pairs))
    found = stats.mannwhitneyu(scores[good], scores[~good])
    assert roc_area(scores, good) == pytest.approx(found.statistic / (good.sum() * (~good).sum()))
    assert roc_area([1.0, 2.0], [True, True]) is None


def test_a_tie_at_the_edge_counts_as_its_mean_over_all_ways_to_break_it():
    scores, good = [3.0, 2.0, 2.0, 2.0, 1.0], [False, True, False, True, True]
    ways = [np.mean([good[0], good[a], good[b]]) for a, b in itertools.combinations((1, 2, 3), 2)]
    assert precision_at(scores, good, first=3) == pytest.approx(np.mean(ways))
    assert precision_at(scores, good, first=99) == pytest.approx(3 / 5)


def outcomes_and_scores(num=40):
    generator = np.random.default_rng(1)
    names = [f"c{place:02d}" for place in range(num)]
    worth = generator.normal(size=num)
    outcomes = {
        name: [w + e for e in generator.normal(scale=0.3, size=2)] for name, w in zip(names, worth, strict=True)
    }
    scores = {
        "planted": dict(zip(names, worth + generator.normal(scale=0.3, size=num), strict=True)),
        "noise": dict(zip(names, generator.normal(size=num), strict=True)),
        "flat": dict.fromkeys(names, 1.0),
        "half": dict(zip(names[: num // 2], worth, strict=False)),
    }
    return outcomes, scores


def test_a_planted_selector_is_found_and_noise_is_not():
    outcomes, scores = outcomes_and_scores()
    found = bench(scores, outcomes)
    rows = {row.selector: row for row in found.rows}
    mean = [np.mean(values) for values in outcomes.values()]
    assert rows["planted"].rho.value == pytest.approx(stats.spearmanr(list(scores["planted"].values()), mean).statistic)
    assert rows["planted"].rho.low < rows["planted"].rho.value < rows["planted"].rho.high
    assert rows["planted"].holm_p_value < 0.001 and rows["noise"].holm_p_value > 0.05
    assert rows["planted"].auc.value > 0.85 and rows["planted"].precision >= 0.6
    assert (rows["half"].num, rows["planted"].num) == (20, 40)
    assert found.constant == ("flat",) and found.chance == 0.25 and found.num_seeds == 2
    assert found.reliability == pytest.approx(stats.spearmanr(np.array(list(outcomes.values()))).statistic)
    poor = np.array(mean) < np.median(mean) / 2
    expected = stats.mannwhitneyu(
        np.array(list(scores["planted"].values()))[~poor], np.array(list(scores["planted"].values()))[poor]
    )
    assert rows["planted"].poor_auc.value == pytest.approx(expected.statistic / (poor.sum() * (~poor).sum()))
    assert rows["planted"].poor_holm_p_value < 0.001 and found.num_poor == poor.sum()
    assert "planted" in found.verdict() and "noise" not in found.verdict()
    assert "no selector orders" in bench({"noise": scores["noise"]}, outcomes).verdict()


def test_few_candidates_are_refused():
    with pytest.raises(SampleError, match="has 7 candidates"):
        bench({}, {f"c{place}": [0.0] for place in range(7)})


@dataclass(frozen=True)
class Bench:
    run: RunFolder
    pool: Pool
    scores: Path


def sample(number: int) -> Sample:
    return Sample(question=f"{number}+1?", answer=str(number + 1), answer_type="number")


def probed(index: int) -> Probed:
    return Probed(
        index=index,
        id=sample(index).id,
        num_draws=16,
        right=index,
        lenient_right=index,
        undecided=0,
        truncated=0,
        ways={"worked": 16},
        right_ways={"worked": index},
        wrong={"0": 16 - index},
        mean_tokens=5.0,
    )


@pytest.fixture
def trial(tmp_path):
    """Ten candidates whose gain is their pass rate in one seed and nearly that in the other."""
    pool = Pool(source="made", rows=tuple(PoolRow(index=number, sample=sample(number)) for number in range(1, 11)))
    scores = tmp_path / "scores.json"
    freeze_scores(Evidence(pool=pool, probed={number: probed(number) for number in range(1, 11)}), scores)
    arms = {f"c{number}": {"sample": {"use": f"{number}.json"}} for number in range(2, 11)}
    recipe = {"name": "b", "sample": {"use": "1.json"}, "train": {"num_steps": 2}, "replicate_seeds": [1], "arms": arms}
    run = RunFolder(tmp_path / "run")
    for seed, folder in ((0, run), (1, run.replicate(1))):
        folder.path.mkdir(parents=True, exist_ok=True)
        folder.write_info(recipe=make_recipe(recipe).model_dump(mode="json"), status="complete")
        for number in range(1, 11):
            one = folder if number == 1 else folder.arm(f"c{number}")
            write_candidate(one, recipe, number, gain=number / 20 + 0.001 * seed * (-1) ** number)
    return Bench(run=run, pool=pool, scores=scores)


def write_candidate(arm, recipe, number, gain):
    if number > 1:
        arm.path.mkdir(parents=True)
        own = {**{key: value for key, value in recipe.items() if key != "arms"}, "sample": {"use": f"{number}.json"}}
        arm.write_info(recipe=make_recipe(own).model_dump(mode="json"), status="complete")
    write_text(arm.path / "samples.jsonl", sample(number).model_dump_json() + "\n")
    for step, mean in ((0, 0.1), (2, 0.1 + gain)):
        rows, summary = arm.evaluation_paths(step, "lab", "greedy")
        rows.parent.mkdir(parents=True)
        write_text(rows, "")
        write_text(summary, json.dumps({"mean": mean}))


def test_the_outcomes_of_a_run_meet_the_scores_that_were_frozen(trial):
    found, num_waiting = bench_lab(trial.run, trial.scores)
    rows = {row.selector: row for row in found.rows}
    assert num_waiting == 0 and found.num_candidates == 10 and found.num_seeds == 2
    assert rows["worked_right"].rho.value == 1.0 and found.same["pass_rate"] == "worked_right"
    assert "band" not in rows, "only pass rates up to .1 are eligible: one candidate"
    assert found.same["vcrl"] == "learnability"
    assert rows["worked_right"].precision == pytest.approx(3 / 5)
    assert "shortcut" in found.constant, "all draws are worked here"


def test_a_candidate_without_all_its_seeds_waits(trial):
    summary = trial.run.replicate(1).arm("c3").evaluation_paths(2, "lab", "greedy")[1]
    summary.unlink()
    outcomes, num_waiting = read_outcomes(trial.run, not_before="")
    assert num_waiting == 1 and len(outcomes) == 9 and sample(3).id not in outcomes


def test_scores_that_were_made_after_the_outcomes_are_refused(trial, tmp_path):
    late = tmp_path / "late.json"
    freeze_scores(Evidence(pool=trial.pool, probed={number: probed(number) for number in range(1, 11)}), late)
    with pytest.raises(RunFolderError, match="before the scores were frozen"):
        bench_lab(trial.run, late)
    with pytest.raises(SampleError, match="is there already"):
        freeze_scores(Evidence(pool=trial.pool), late)
    with pytest.raises(SampleError, match="no file of frozen scores"):
        bench_lab(trial.run, tmp_path / "none.json")
