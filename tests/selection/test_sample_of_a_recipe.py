"""A recipe that chooses its sample: what polymath select chooses, told, recorded, and never chosen anew on resume."""

import json
import tomllib
from dataclasses import asdict

import numpy as np
import pytest

from polymath import api
from polymath.errors import RecipeError, SampleError, UserError
from polymath.recipe import SampleSection, make_recipe, read_recipe
from polymath.runs import RunFolder, write_lines, write_text
from polymath.samples.pools import read_pool
from polymath.samples.sources import load_samples
from polymath.selecting.recipes import choose_samples, hash_evidence
from polymath.selection.features_file import write_array, write_scores
from polymath.selection.probe import Probed
from polymath.selection.selectors import SELECTORS
from tests.conftest import ROOT, polymath

DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "acc_step_500.json").exists(), reason=f"no public data in {DATA}")
# A key that the evidence of a selector is given by, where it is not the one that its `needs` name first.
FEATURES = [name for name, one in SELECTORS.items() if one.needs[0] in ("hidden", "gradients")]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Six problems in two subjects, and evidence of every kind on them; row 4 is a copy of row 0."""
    folder = tmp_path_factory.mktemp("choice")
    subjects = ("sums", "sums", "shapes", "shapes", "sums", "shapes")
    rows = [
        {"question": f"What is {n} plus 1?", "answer": str(n + 1), "subject": subject}
        for n, subject in zip((0, 1, 2, 3, 0, 5), subjects, strict=True)
    ]
    write_lines(folder / "pool.jsonl", rows)
    pool = read_pool(folder / "pool.jsonl")
    # Population spreads: row 2 .5, row 0 .43, row 1 .35, row 5 .11, row 3 none.
    curves = {
        "0": [0, 1, 0.75, 0],
        "1": [0, 0.5, 0.5, 1],
        "2": [0, 1, 1, 0],
        "3": [0, 0, 0, 0],
        "5": [0.25, 0.25, 0.5, 0.25],
    }
    write_text(folder / "history.json", json.dumps(curves))
    write_lines(
        folder / "scores.jsonl", [{"index": n, "score": s} for n, s in enumerate((0.9, 0.61, 0.8, 0.2, 0.9, 0.6))]
    )
    probed = [
        Probed(index=row.index, id=row.sample.id, num_draws=16, right=k, lenient_right=k, undecided=0, truncated=0,
               ways={"worked": 8, "direct": 8}, right_ways={"worked": min(k, 4), "direct": max(0, k - 4)},
               wrong={"7": 16 - k} if k < 16 else {}, mean_tokens=5.0)
        for row, k in zip(pool.rows, (2, 8, 16, 0, 2, 1), strict=True)
    ]  # fmt: skip
    write_lines(folder / "probe" / "probe.jsonl", [asdict(one) for one in probed])
    skills = [{"index": n, "skills": {"algebra": ["a"] * n, "geometry": ["g"] * (5 - n)}} for n in range(6)]
    write_lines(folder / "skills.jsonl", skills)
    ids = [{"index": row.index, "id": row.sample.id} for row in pool.rows]
    (folder / "features").mkdir()
    states = np.random.default_rng(0).normal(size=(6, 2, 3)).astype(np.float32)
    states[4] = states[0]
    write_array(folder / "features" / "hidden.npy", states)
    write_lines(folder / "features" / "hidden.jsonl", ids)
    moved = np.log1p(np.linalg.norm(states[:, 1] - states[:, 0], axis=1))
    for shift, name in enumerate(FEATURES):
        write_scores(folder / "features", name, ids, list(moved if name == "shift" else np.roll(moved, shift)))
    return folder


def evidence_of(selector, place):
    files = {
        "pool": {},
        "history": {"history": place / "history.json"},
        "scores": {"scores": place / "scores.jsonl"},
        "probe": {"probe": place / "probe"},
        "skills": {"skills": place / "skills.jsonl"},
    }
    found = files.get(SELECTORS[selector].needs[0], {"features": place / "features"})
    return {key: str(path) for key, path in found.items()}


def section_of(place, **keys):
    return SampleSection(pool=str(place / "pool.jsonl"), **keys)


@pytest.mark.parametrize(
    ("selector", "more"),
    [
        *((name, {}) for name in SELECTORS),
        ("hvs", {"count": 3}),
        ("hvs", {"per_subject": True}),
        ("polymath", {"per_subject": False, "threshold": 0.8}),
        ("shift", {"count": 4}),
        ("random", {"seed": 3, "count": 2}),
        ("skills", {"category": "geometry"}),
        ("band", {"band": (0.1, 0.6)}),
        ("vcrl", {"columns": {"question": "question", "answer": "answer"}}),
    ],
)
def test_a_recipe_chooses_what_the_command_chooses(place, tmp_path, selector, more):
    """The same samples to the last field, as they would be read from the files that the command writes."""
    evidence = evidence_of(selector, place)
    chosen = choose_samples(section_of(place, selector=selector, **evidence, **more))
    shown = api.select(place / "pool.jsonl", selector, out=tmp_path / "s", **evidence, **more)
    read = [load_samples(SampleSection(use=file))[0] for file in shown["chosen"]]
    assert chosen.samples == read and len(read) >= 1
    assert [row["index"] for row in chosen.selection["chosen"]] == [one.meta["selected"]["index"] for one in read]
    assert chosen.selection["cost"] == shown["cost"]


def test_the_choice_is_the_one_that_arithmetic_gives(place):
    """Spreads and pass rates of the fixture, by hand; the lowest of each subject that 0.6 keeps."""

    def rows(**keys):
        return [row["index"] for row in choose_samples(section_of(place, **keys)).selection["chosen"]]

    history, scores, probe = (str(place / name) for name in ("history.json", "scores.jsonl", "probe"))
    assert rows(selector="hvs", history=history, count=2) == [2, 0]
    assert rows(selector="learnability", probe=probe) == [1]
    assert rows(selector="polymath", scores=scores) == [5, 1]
    # Row 4 is a copy of row 0, so the third of the first scores is row 2.
    assert rows(selector="lim", scores=scores, count=2) == [0, 2]


def test_a_recipe_that_chooses_nothing_is_left_to_others():
    assert choose_samples(SampleSection(use="crate")) is None
    assert choose_samples(SampleSection(pool="lab:5")) is None


# keys beside the pool -> words of the one line
REFUSED = [
    ({"selector": "hsv"}, ["sample.selector", "no selector 'hsv'", "hvs", "tournament"]),
    ({"selector": "hvs"}, ["needs history", "sample.history"]),
    ({"selector": "hvs", "history": "HISTORY", "probe": "PROBE"}, ["sample.probe", "not used by the selector hvs"]),
    ({"selector": "random", "features": "FEATURES"}, ["sample.features", "not used by the selector random"]),
    ({"selector": "learnability", "history": "HISTORY", "probe": "PROBE"}, ["sample.history", "beside probe"]),
    ({"selector": "lim", "history": "HISTORY", "scores": "SCORES"}, ["sample.history", "beside scores"]),
    ({"selector": "hvs", "history": "HISTORY", "threshold": 0.5}, ["sample.threshold", "sample.selector hvs"]),
    ({"selector": "hvs", "history": "HISTORY", "seed": 1}, ["sample.seed", "sample.selector hvs"]),
    ({"selector": "learnability", "probe": "PROBE", "band": (0, 0.5)}, ["sample.band", "no meaning"]),
    ({"selector": "band", "probe": "PROBE", "band": (0.5, 0.1)}, ["sample.band", "no band"]),
    (
        {"selector": "lim", "scores": "SCORES", "steps_per_epoch": 4},
        ["sample.steps_per_epoch", "without sample.history"],
    ),
    ({"selector": "random", "category": "algebra"}, ["sample.category", "without sample.skills"]),
    ({"selector": "skills", "skills": "SKILLS", "category": "x"}, ["sample.category", "algebra, geometry"]),
    ({"selector": "hvs", "history": "SCORES"}, ["scores.jsonl", "is not JSON"]),
    ({"selector": "lim", "scores": "SCORES", "threshold": 0.99}, ["none of 6", "sample.threshold"]),
    ({"selector": "tournament"}, ["sample.selector", "polymath tournament --pool POOL", "sample.tournament"]),
    ({"selector": "random", "tournament": "cup"}, ["sample.tournament", "not used by the selector random"]),
]
FILES = {"HISTORY": "history.json", "SCORES": "scores.jsonl", "PROBE": "probe", "SKILLS": "skills.jsonl"}


@pytest.mark.parametrize(("keys", "words"), REFUSED)
def test_what_cannot_be_chosen_is_one_line_that_names_the_key(place, keys, words):
    known = {key: str(place / FILES.get(value, value)) if key in {"history", "scores", "probe", "skills"} else value
             for key, value in keys.items()}  # fmt: skip
    with pytest.raises(UserError) as caught:
        choose_samples(section_of(place, **known))
    line = str(caught.value)
    assert "\n" not in line and "--by" not in line
    for word in words:
        assert word in line, line


# --- a tournament


def write_tournament(folder, pool, status="complete", tie=None):
    """A finished one in which row 5 was first, row 1 second, and row 0 failed."""
    ids = {row.index: row.sample.id for row in read_pool(pool).rows}
    ledger = {"num_trials": 3, "steps": 70, "rollouts": 1120, "evaluations": 6}
    write_text(folder / "tournament.json", json.dumps({"status": status, "ledger": ledger, "tie": tie}))
    places = [(1, 5, 0.2, None), (2, 1, 0.1, None), (3, 0, None, "too long")]
    rows = [{"rank": rank, "index": index, "id": ids[index], "score": score, "failure": failure}
            for rank, index, score, failure in places]  # fmt: skip
    write_lines(folder / "ranking.jsonl", rows)
    return folder


def test_a_finished_tournament_is_a_selector_too(place, tmp_path):
    cup = write_tournament(tmp_path / "cup", place / "pool.jsonl", tie="at step 3 2 score alike")
    chosen = choose_samples(section_of(place, selector="tournament", tournament=str(cup), count=3))
    assert [sample.question for sample in chosen.samples] == ["What is 5 plus 1?", "What is 1 plus 1?"]
    assert chosen.selection["chosen"][0] == {"rank": 1, "index": 5, "id": chosen.samples[0].id, "score": 0.2}
    assert "70 steps: 1,120 rollouts and 6 evaluations" in chosen.selection["cost"]
    assert chosen.selection["notes"] == ["at step 3 2 score alike"]
    assert list(chosen.selection["evidence_sha256"]) == ["tournament"]


def test_a_tournament_that_cannot_decide_is_told(place, tmp_path):
    cup = write_tournament(tmp_path / "cup", place / "pool.jsonl", status="interrupted")
    with pytest.raises(SampleError, match="interrupted, not complete; finish it with polymath tournament --resume"):
        choose_samples(section_of(place, selector="tournament", tournament=str(cup)))
    with pytest.raises(SampleError, match="name the folder of a finished polymath tournament"):
        choose_samples(section_of(place, selector="tournament", tournament=str(tmp_path / "none")))
    cup = write_tournament(tmp_path / "cup", place / "pool.jsonl")
    with pytest.raises(SampleError, match="no candidate that stayed in is a row of lab:3"):
        choose_samples(SampleSection(pool="lab:3", selector="tournament", tournament=str(cup)))


# --- what is recorded


def test_evidence_has_a_hash_that_changes_with_what_is_read_of_it_only(place, tmp_path):
    probe = tmp_path / "probe"
    write_lines(probe / "probe.jsonl", [{"a": 1}])
    before = hash_evidence(str(probe))
    write_text(probe / "probe.summary.json", "{}")
    assert hash_evidence(str(probe)) == before
    write_lines(probe / "probe.jsonl", [{"a": 2}])
    assert hash_evidence(str(probe)) != before
    write_text(tmp_path / "file", "")
    # sha256 of nothing.
    assert hash_evidence(str(tmp_path / "file")).startswith("e3b0c44298fc1c149afbf4c8996fb924")


@pytest.fixture(scope="module")
def run(place, workplace, tmp_path_factory):
    """A run that chose by its recipe, with an arm that chooses in another way, and a second seed."""
    folder = tmp_path_factory.mktemp("chosen")
    history = folder / "history.json"
    history.write_text((place / "history.json").read_text())
    text = (workplace / "tiny.toml").read_text()
    before, _, after = text.partition("[sample]")
    pool = json.dumps(str(place / "pool.jsonl"))
    chosen = f'[sample]\npool = {pool}\nselector = "hvs"\nhistory = {json.dumps(str(history))}\n'
    arm = f'[arms.random]\nsample = {{ pool = {pool}, selector = "random", seed = 1 }}\n'
    recipe = folder / "chosen.toml"
    recipe.write_text(f"replicate_seeds = [1]\n{before}{chosen}[rollout]{after.partition('[rollout]')[2]}{arm}")
    found = polymath("run", recipe, "--out", folder / "run", "--json")
    assert found.returncode == 0, found.stderr
    json.loads(found.stdout)
    return RunFolder(folder / "run"), recipe, found.stderr


def test_a_run_trains_on_its_choice_and_says_which_and_why(run, place):
    folder, recipe, said = run
    expected = choose_samples(read_recipe(recipe).sample)
    assert folder.read_samples() == expected.samples and len(expected.samples) == 1
    assert "rank 1 of 5 by hvs, score 0.5000" in said and f"row 2 of {place / 'pool.jsonl'}" in said
    info = folder.read_info()
    assert info["selection"] == expected.selection
    assert info["selection"]["selector"] == "hvs" and info["selection"]["chosen"][0]["index"] == 2
    assert info["selection"]["evidence_sha256"]["history"] == hash_evidence(str(place / "history.json"))
    assert "20 visits of 4 rollouts, 80 rollouts" in info["selection"]["cost"]
    arm = folder.arm("random")
    assert arm.read_info()["selection"]["selector"] == "random"
    assert arm.read_samples() == choose_samples(arm.read_recipe().sample).samples
    assert folder.replicate(1).read_samples() == folder.read_samples()


def test_a_resumed_run_keeps_its_sample_and_a_new_part_must_choose_the_same(run, tmp_path):
    """The evidence is gone, then another: what has begun does not look, what has not is refused another sample."""
    folder, recipe, _ = run
    history = recipe.parent / "history.json"
    curves = json.loads(history.read_text())
    history.unlink()
    again = polymath("run", "--resume", folder.path, "--json")
    assert again.returncode == 0 and "chosen " not in again.stderr, again.stderr
    part = folder.replicate(1).path
    part.rename(tmp_path / "aside")
    history.write_text(json.dumps({**curves, "2": [0, 0, 0, 0]}))
    refused = polymath("run", "--resume", folder.path)
    assert refused.returncode == 2 and "sample.selector: chooses other samples now" in refused.stderr.splitlines()[-1]
    assert not (part / "run.json").exists()


def test_an_arm_that_cannot_choose_is_found_before_anything_is_written(run, tmp_path):
    overrides = ["--set", "arms.random.sample.selector=hvs", "--set", "evaluate.every=0"]
    found = polymath("run", run[1], *overrides, "--set", "arms.random.sample.seed=0", "--out", tmp_path / "run")
    assert found.returncode == 2 and found.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_example_of_the_docs_is_a_recipe():
    text = (ROOT / "docs" / "selection.md").read_text()
    tables = [tomllib.loads(part.partition("```")[0]) for part in text.split("```toml\n")[1:]]
    assert tables and all(make_recipe(table).sample.selector for table in tables)


@needs_data
def test_the_first_sample_of_the_one_shot_paper_is_chosen_by_a_recipe():
    keys = {"pool": str(DATA / "dsr_sub.parquet"), "selector": "hvs", "history": str(DATA / "acc_step_500.json")}
    chosen = choose_samples(make_recipe({"sample": keys}).sample)
    assert [sample.answer for sample in chosen.samples] == ["12.8"]
    assert chosen.selection["chosen"][0]["index"] == 124 and chosen.selection["num_ranked"] == 1209


def test_a_choice_needs_a_pool_and_a_selector():
    for table, word in (
        ({"selector": "random"}, "none is given"),
        ({"selector": "random", "use": "crate"}, "use and selector are both given"),
        ({"pool": "lab:3", "count": 2}, "count has no meaning without selector"),
        ({"use": "crate", "history": "x.json"}, "history has no meaning without selector"),
    ):
        with pytest.raises(RecipeError, match=word):
            make_recipe({"sample": table})
