"""The model card: what it claims is what was measured, with its interval, and no more."""

import json

import pytest
import yaml

from polymath.reporting.card import CARD, make_card, write_card
from polymath.runs import RunFolder
from tests.conftest import polymath


@pytest.fixture(scope="module")
def run(workplace, tmp_path_factory):
    path = tmp_path_factory.mktemp("card") / "run"
    done = polymath("run", workplace / "tiny.toml", "--out", path)
    assert done.returncode == 0, done.stderr
    return RunFolder(path)


def rewrite(run, step, num_right):
    """Make the first problems of an evaluation right, the others wrong, as the judge would have it."""
    recipe = run.read_recipe()
    rows, summary = run.evaluation_paths(step, recipe.evaluate.suite, recipe.evaluate.protocol)
    answers = [json.loads(line) for line in rows.read_text().splitlines()]
    for number, answer in enumerate(answers):
        for kind in ("strict", "lenient"):
            answer[kind]["outcome"] = "right" if number < num_right else "wrong"
    rows.write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    found = json.loads(summary.read_text())
    summary.write_text(json.dumps({**found, "mean": num_right / len(answers)}))


def test_a_finished_run_has_a_card_with_its_last_checkpoint(run):
    text = (run.checkpoints / "step-4" / CARD).read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert front["library_name"] == "transformers" and "polymath" in front["tags"]
    value = front["model-index"][0]["results"][0]["metrics"][0]["value"]
    recipe = run.read_recipe()
    assert value == run.read_evaluation(4, recipe.evaluate.suite, recipe.evaluate.protocol)[1]["mean"]
    assert "another seed, another sample" in text


def test_a_gain_whose_interval_holds_zero_is_no_claim(run):
    rewrite(run, 0, 5)
    rewrite(run, 4, 6)
    assert "which cannot be told from none" in make_card(run, 4)


def test_a_gain_that_is_told_has_its_interval_beside_it(run):
    rewrite(run, 0, 0)
    rewrite(run, 4, 12)
    text = make_card(run, 4)
    assert "+100.0 points [" in text and "cannot be told" not in text


def test_a_checkpoint_that_nobody_evaluated_claims_nothing(run):
    assert "has not been evaluated" in make_card(run, 3)
    write_card(run, 3)
    assert not (run.checkpoints / "step-3").exists()
