"""The records that ship: made with this code, these recipes and these weights, and printed to the letter in docs."""

import json

import pytest

from polymath import api
from polymath.lab import recorded_dir, weights_hash
from polymath.lab.draws import choose, draw_samples
from polymath.provenance import TABULATING, code_hash, recipe_hash
from polymath.recipe import read_recipe
from polymath.reporting.record_tables import tables
from polymath.reporting.recorded import EXPERIMENTS, parse_record, read_records
from polymath.samples.sources import find_sample
from tests.conftest import ROOT

# pass@k is measured on models of the arms' runs.
RECIPE_OF = {"arms": "lab-arms", "curves": "lab-curves", "rates": "lab-rates", "pass-at-k": "lab-arms"}
GRIDS = ("labels", "prompt", "terms")
RECIPE_OF |= {f"ablation-{grid}": f"ablations/{grid}" for grid in GRIDS}
NAMES = [*(name for name in EXPERIMENTS if name != "ablation"), *(f"ablation-{grid}" for grid in GRIDS)]
NUM_DRAWS, SEED_OF_DRAWS = 28, 0

STALE = (
    "this record is stale: make it again (its commands are in docs/lab.md), or, after a change that should not change "
    "results, run its recipe without arms and let `polymath lab confirm RUN` compare (docs/decisions/0005)"
)


def load(name):
    return json.loads((recorded_dir() / f"{name}.json").read_text())


def test_every_experiment_is_recorded():
    assert {path.stem for path in recorded_dir().glob("*.json")} == set(NAMES)
    assert {record.experiment for record in read_records(recorded_dir())} == set(EXPERIMENTS)


@pytest.mark.parametrize("name", NAMES)
def test_a_record_belongs_to_the_weights_and_the_code(name):
    hashes = load(name)["hashes"]
    assert hashes["weights"] == weights_hash(), STALE
    assert hashes["code"] == code_hash(), STALE
    assert hashes["tables"] == code_hash(TABULATING), "record it again: intervals are computed in another way now"


@pytest.mark.parametrize(("name", "recipe"), RECIPE_OF.items())
def test_a_record_belongs_to_its_recipe(name, recipe):
    assert load(name)["hashes"]["recipe"] == recipe_hash(read_recipe(ROOT / "recipes" / f"{recipe}.toml")), STALE


def test_the_record_of_random_samples_belongs_to_its_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    draws = tmp_path.joinpath("build").relative_to(tmp_path) / "draws"
    api.draw_lab_samples(ROOT / "recipes" / "lab-draws.toml", draws, num=NUM_DRAWS, seed=SEED_OF_DRAWS)
    assert load("draws")["hashes"]["recipe"] == recipe_hash(read_recipe(draws / "recipe.toml")), STALE


def test_good_and_poor_are_those_that_the_rule_names_and_the_library_has_them():
    rows = load("draws")["draws"]
    drawn = dict(zip((row["name"] for row in rows), draw_samples(NUM_DRAWS, SEED_OF_DRAWS, _dev()), strict=True))
    good, poor = choose(rows)
    assert {row["name"]: row["chosen"] for row in rows if row["chosen"]} == {good: "good", poor: "poor"}
    recipe = read_recipe(ROOT / "recipes" / "lab.toml")
    assert find_sample(recipe.sample.use)[0].id == drawn[good].id
    assert find_sample(recipe.arms["poor"]["sample"]["use"])[0].id == drawn[poor].id


def test_the_page_on_the_lab_holds_the_tables_as_they_are_printed():
    page = (ROOT / "docs" / "lab.md").read_text()
    for name in NAMES:
        assert tables(parse_record(load(name))) in page, f"run `polymath lab tables` and renew docs/lab.md: {name}"


def _dev():
    from polymath.evaluation.benchmarks import lab

    return lab.load_dev()
