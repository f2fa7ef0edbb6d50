"""The tables of how selectors fared: printed to the letter in docs, computed from scores that were frozen before."""

import importlib.util
import json

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, spearmanr

from tests.conftest import ROOT

FOLDER = ROOT / "benchmarks" / "selectors"
WORLDS = sorted(path.name.removesuffix(".bench.json") for path in FOLDER.glob("*.bench.json"))


def load(name, kind):
    return json.loads((FOLDER / f"{name}.{kind}.json").read_text())


def printer():
    spec = importlib.util.spec_from_file_location("selector_table", ROOT / "benchmarks" / "selector_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_holds_both_worlds_side_by_side():
    lines = printer().side_by_side(*(load(name, "bench") for name in WORLDS))
    assert len(WORLDS) == 2 and "\n".join(lines) in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", WORLDS)
def test_the_page_on_selection_holds_the_table_as_it_is_printed(name):
    assert "\n".join(printer().table(load(name, "bench"))) in (ROOT / "docs" / "selection.md").read_text()


@pytest.mark.parametrize("name", WORLDS)
def test_the_table_is_that_of_the_frozen_scores_and_the_outcomes(name):
    """Spearman and areas by scipy; good is the top quarter, poor is under half of the median gain."""
    scores, outcomes = load(name, "scores")["scores"], load(name, "outcomes")
    gain = {sample: round(np.mean(gains), 9) for sample, gains in outcomes.items()}
    assert len(gain) == 60 and all(len(gains) == 2 for gains in outcomes.values())
    half = np.median(list(gain.values())) / 2
    good = set(sorted(gain, key=lambda sample: (-gain[sample], sample))[:15])
    for row in load(name, "bench")["rows"]:
        own = scores[row["selector"]]
        samples = [sample for sample in own if sample in gain]
        x, y = [own[sample] for sample in samples], [gain[sample] for sample in samples]
        assert row["num"] == len(samples)
        assert row["rho"]["value"] == pytest.approx(spearmanr(x, y).statistic, abs=1e-5)
        assert row["auc"]["value"] == pytest.approx(area(x, [sample in good for sample in samples]), abs=1e-5)
        if row["poor_auc"]:
            poor = [gain[sample] < half for sample in samples]
            assert row["poor_auc"]["value"] == pytest.approx(1 - area(x, poor), abs=1e-5)


def area(x, is_marked):
    marked = [value for value, mark in zip(x, is_marked, strict=True) if mark]
    others = [value for value, mark in zip(x, is_marked, strict=True) if not mark]
    return mannwhitneyu(marked, others).statistic / (len(marked) * len(others))
