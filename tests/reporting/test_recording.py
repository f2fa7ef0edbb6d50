"""Records are computed from run folders and from nothing else; what is computed is checked by other means."""

import json

import numpy as np
import pytest
from scipy import stats

from polymath import api
from polymath.errors import RecipeError, RunFolderError
from polymath.evaluation.evaluate import headline
from polymath.provenance import bare_code, code_hash, recipe_hash, result_hash
from polymath.reporting import recording
from polymath.reporting.recorded import parse_record
from polymath.runs import RunFolder, write_lines, write_text
from tests.reporting.synthetic import build_run_folder

TOLD = {"commands": ["polymath run r.toml"], "title": "A title"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return build_run_folder(tmp_path_factory.mktemp("recording") / "run", use="crate")


def mean_of(run, step, reading):
    rows = run.read_evaluation(step, "lab", "greedy")[0]
    names = sorted({row["discipline"] for row in rows})
    right = {name: [row[reading]["outcome"] == "right" for row in rows if row["discipline"] == name] for name in names}
    return np.mean([np.mean(values) for values in right.values()])


def test_arms_of_one_seed_are_read_as_they_are(run):
    record = recording.record_arms(run, **TOLD)
    parse_record(record)
    assert [arm["name"] for arm in record["arms"]] == ["trained", "random", "format"]
    trained = record["arms"][0]
    assert trained["strict"] == pytest.approx([mean_of(run, 60, "strict")])
    assert trained["lenient"] == pytest.approx([mean_of(run, 60, "lenient")])
    assert trained["strict_gain"]["mean"] == pytest.approx(mean_of(run, 60, "strict") - mean_of(run, 0, "strict"))
    assert trained["strict_gain"]["low"] < trained["strict_gain"]["mean"] < trained["strict_gain"]["high"]
    assert record["base"]["strict"] == pytest.approx(mean_of(run, 0, "strict"))
    assert trained["reward"] == pytest.approx([np.mean([row["reward"] for row in run.read_metrics()[-5:]])])
    assert 0 < trained["disciplines_up"] <= trained["num_disciplines"] == 12


def test_a_curve_finds_the_step_from_which_the_sample_is_solved(tmp_path):
    run = build_run_folder(tmp_path / "run", with_arms=False, use="crate")
    rewards = [0.5] * 30 + [1.0, 1.0, 0.9, 1.0, 0.995, 1.0] + [0.7] * 24
    rows = [{**row, "reward": reward} for row, reward in zip(run.read_metrics(), rewards, strict=True)]
    write_lines(run.path / "metrics.jsonl", rows)
    curve = recording.record_curves(run, **TOLD)["arms"][0]
    assert curve["saturation_step"] == 34
    assert curve["steps"] == [0, 20, 40, 60]
    assert curve["strict_at_saturation"] == pytest.approx(mean_of(run, 40, "strict"))
    assert curve["strict_last"] == pytest.approx(mean_of(run, 60, "strict"))


def test_a_sample_that_is_never_solved_has_no_saturation_step(run):
    record = recording.record_curves(run, **TOLD)
    parse_record(record)
    assert record["arms"][0]["saturation_step"] is record["arms"][0]["strict_at_saturation"] is None


def test_rates_say_what_share_of_worked_answers_is_right(run):
    record = recording.record_rates(run, **TOLD)
    parse_record(record)
    rows = headline(run.read_evaluation(60, "lab", "greedy")[0])
    worked = [row for row in rows if "worked" in row["ways"]]
    found = record["arms"][0]
    assert found["worked"] == pytest.approx(len(worked) / len(rows))
    assert found["worked_right"] == pytest.approx(np.mean([row["strict"]["outcome"] == "right" for row in worked]))


def responses(path, chances, num_draws=16):
    rng = np.random.default_rng(0)
    rows = []
    for number, chance in enumerate(chances):
        for draw in range(num_draws):
            outcome = "right" if rng.random() < chance else "wrong"
            row = {"benchmark": "lab", "id": str(number), "discipline": "ab"[number % 2], "draw": draw}
            rows.append({**row, "strict": {"outcome": outcome}, "lenient": {"outcome": outcome}, "ways": []})
    write_lines(path, rows)
    return path


def test_pass_at_k_crosses_where_the_base_catches_up(run, tmp_path):
    """The base solves every problem now and then; the other always solves half of them and the rest never."""
    base = responses(tmp_path / "base.jsonl", [0.4] * 40)
    sharp = responses(tmp_path / "sharp.jsonl", [1.0, 1.0, 0.0, 0.0] * 10)
    record = recording.record_pass_at_k({"base": base, "sharp": sharp}, run, **TOLD)
    parse_record(record)
    assert record["k"] == [1, 2, 4, 8, 16] and record["num_problems"] == 40
    curve = {model["name"]: model["pass_at_k"] for model in record["models"]}
    assert curve["sharp"] == [0.5] * 5
    assert curve["base"][0] < 0.5 < curve["base"][1] and curve["base"][-1] > 0.95
    assert record["crossovers"] == [{"model": "sharp", "k": 2}]


def test_rank_correlations_are_those_of_scipy():
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 6, 24), rng.normal(size=24)
    rho, p = recording._spearman(np.array([first, second + first / 4]).T)
    expected = stats.spearmanr(first, second + first / 4)
    assert rho == pytest.approx(expected.statistic)
    assert p == pytest.approx(expected.pvalue, abs=0.02)


def test_a_signal_without_spread_correlates_with_nothing():
    assert recording._spearman(np.array([[1.0, 0.2], [1.0, 0.4], [1.0, 0.9]])) == (None, None)


def test_the_metrics_hash_forgets_times_and_nothing_else(tmp_path):
    run = RunFolder(tmp_path)
    row = {"step": 1, "reward": 0.5, "time/rollout_s": 1.0, "step_time": 2.0, "memory/peak_bytes": 3, "tokens_per_s": 4}
    hashes = []
    for changes in ({}, {"time/rollout_s": 9.0, "step_time": 9.0, "memory/peak_bytes": 9}, {"reward": 0.5000001}):
        write_lines(tmp_path / "metrics.jsonl", [{**row, **changes}])
        hashes.append(result_hash(run))
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_code_hash_sees_code_and_not_words():
    code = '"""Says."""\n\n\ndef f(x):\n    """Says\n    more."""\n    return x + 1  # why\n'
    assert bare_code(code) == "def f(x):\n    return x + 1"
    assert bare_code(code.replace("1", "2")) != bare_code(code)
    assert bare_code('s = "# no comment"') == 's = "# no comment"'


def test_a_recipes_hash_ignores_its_name_and_threads_and_nothing_else():
    from polymath.recipe import make_recipe

    first = recipe_hash(make_recipe({"name": "a", "sample": {"use": "crate"}}))
    assert first == recipe_hash(make_recipe({"name": "b", "sample": {"use": "crate"}, "engine": {"threads": 1}}))
    assert first != recipe_hash(make_recipe({"sample": {"use": "crate"}, "seed": 1}))


def test_a_record_is_written_where_it_is_wished_and_what_is_missing_is_told(run, tmp_path):
    path = api.record_lab("arms", run.path, title="t", commands=None, probe=None, responses=[], out=tmp_path / "a.json")
    assert json.loads(path.read_text())["commands"] == ["polymath run recipes/lab.toml"]
    for experiment, words in (("draws", "--probe"), ("pass-at-k", "--responses"), ("nonsense", "use arms")):
        with pytest.raises(RecipeError, match=words):
            api.record_lab(experiment, run.path, title="", commands=None, probe=None, responses=[], out=None)


def test_only_a_run_of_todays_code_that_came_out_the_same_confirms_a_record(tmp_path, monkeypatch):
    """On a record of a synthetic run: another weight, another metric, another answer or old code do not confirm."""
    run = build_run_folder(tmp_path / "run", with_arms=False, use="crate")
    run.write_info(code_sha256=code_hash())
    shelf = tmp_path / "recorded"
    monkeypatch.setattr("polymath.lab.recorded_dir", lambda: shelf)
    record = recording.record_arms(run, **TOLD)
    old = {**record, "hashes": {**record["hashes"], "code": "old"}}

    def verdict():
        write_text(shelf / "arms.json", json.dumps(old))
        told = api.confirm_records(run.path)["arms"]
        return told, json.loads((shelf / "arms.json").read_text())["hashes"]["code"]

    assert verdict() == ("confirmed", code_hash())
    whole = {path: path.read_text() for path in run.path.rglob("*.json*")}
    for name, before, after in (
        ("run.json", "abababab", "cdcdcdcd"),
        ("metrics.jsonl", '"loss": ', '"loss": 1'),
        ("evaluations/step-60/lab--greedy.jsonl", "Take", "Tale"),
        ("run.json", '"num_groups": 4', '"num_groups": 8'),
    ):
        path = run.path / name
        path.write_text(whole[path].replace(before, after))
        assert path.read_text() != whole[path] and verdict() == ("not by this run", "old"), name
        path.write_text(whole[path])
    run.write_info(code_sha256="old")
    with pytest.raises(RunFolderError, match="today's code"):
        api.confirm_records(run.path)


def test_arms_that_answered_other_problems_are_not_compared(tmp_path):
    run = build_run_folder(tmp_path / "run", use="crate")
    path = run.arm("format").path / "evaluations/step-60/lab--greedy.jsonl"
    path.write_text(path.read_text().replace('"id": "', '"id": "0'))
    with pytest.raises(RunFolderError, match="other problems"):
        recording.record_arms(run, **TOLD)


def test_a_record_of_an_unfinished_run_is_refused(tmp_path):
    run = build_run_folder(tmp_path / "run", num_steps=40, use="crate")
    for record in (recording.record_arms, recording.record_curves, recording.record_rates):
        with pytest.raises(RunFolderError, match="not complete"):
            record(run, **TOLD)
