"""The recipes of papers: each says what its paper says, and each runs two steps on a tiny model."""

import re

import pytest

from polymath import api
from polymath.errors import SampleError
from polymath.evaluation.protocol import read_protocol
from polymath.evaluation.suites import SUITES
from polymath.prompts import TEMPLATES
from polymath.recipe import Recipe, arm_recipe, make_recipe, read_recipe
from polymath.rewards import REWARDS, check_rewards
from polymath.runs import RunFolder
from polymath.samples.labels import incorrect
from polymath.samples.sources import find_sample, load_samples
from tests.conftest import ROOT

RECIPES = ROOT / "recipes"
NAMES = (
    "polymath_2601",
    "one_shot_2504",
    "limr_2502",
    "control_2506",
    "dapo",
    "post_saturation",
    "em_2505",
    "one_gpu",
)
ABLATIONS = ("terms", "labels", "prompt")
DATA = ROOT.parent / "shared" / "data"

# What the papers and their released code say, from the sheets of this project, key by key.
SAID = {
    "one_shot_2504": {
        "model.path": "Qwen/Qwen2.5-Math-1.5B",
        "rollout.num_groups": 128,
        "rollout.group_size": 8,
        "rollout.temperature": 0.6,
        "rollout.max_tokens": 3072,
        "loss.epsilon_low": 0.2,
        "loss.epsilon_high": 0.2,
        "kl.coefficient": 0.001,
        "kl.estimator": "k3",
        "kl.clamp": 10.0,
        "entropy.coefficient": 0.001,
        "optimizer.learning_rate": 1e-6,
        "optimizer.weight_decay": 0.01,
        "train.num_steps": 2000,
        "train.updates_per_step": 1,
    },
    "polymath_2601": {
        "model.path": "Qwen/Qwen2.5-7B",
        "rollout.num_groups": 128,
        "rollout.group_size": 16,
        "rollout.temperature": 1.0,
        "rollout.max_tokens": 2048,
        "loss.aggregation": "sequence_mean",
        "loss.epsilon_high": 0.2,
        "kl.coefficient": 0.0,
        "entropy.coefficient": 0.0,
        "optimizer.learning_rate": 1e-6,
        "train.num_steps": 140,
    },
    "limr_2502": {
        "sample.threshold": 0.6,
        "sample.count": 1389,
        "rollout.num_groups": 1024,
        "rollout.group_size": 8,
        "rollout.temperature": 1.2,
        "reward.name": "limr3",
        "advantage.name": "gae",
        "critic.learning_rate": 9e-6,
        "critic.lam": 0.95,
        "critic.value_clip": 0.2,
        "kl.coefficient": 0.01,
        "kl.place": "reward",
        "optimizer.learning_rate": 5e-7,
        "train.updates_per_step": 1024 * 8 // 256,
    },
    "control_2506": {
        "rollout.num_groups": 64,
        "rollout.group_size": 16,
        "kl.coefficient": 0.0,
        "optimizer.learning_rate": 5e-7,
        "train.updates_per_step": 64 * 16 // 128,
    },
    "dapo": {
        "rollout.num_groups": 512,
        "rollout.group_size": 16,
        "rollout.max_tokens": 20480,
        "filter.name": "drop_unanimous",
        "filter.metric": "accuracy",
        "filter.max_rounds": 10,
        "loss.epsilon_low": 0.2,
        "loss.epsilon_high": 0.28,
        "loss.aggregation": "token_mean",
        "kl.coefficient": 0.0,
        "train.updates_per_step": 512 // 32,
    },
    "post_saturation": {
        "rollout.num_groups": 1,
        "rollout.group_size": 1024,
        "loss.aggregation": "constant_length",
        "entropy.target": 0.2,
        "entropy.delta": 1e-4,
        "entropy.maximum": 0.005,
    },
    "em_2505": {
        "loss.name": "entropy",
        "rollout.temperature": 0.5,
        "rollout.top_p": 0.95,
        "rollout.max_tokens": 512,
        "rollout.repetition_penalty": 1.15,
        "optimizer.learning_rate": 2e-5,
    },
}

# Two steps on a tiny model, whose answers are cut off at once. What a recipe is about stays as it is.
TINY = (
    "model.dtype=float32",
    "model.device=cpu",
    "prompt={}",
    "sample={}",
    "rollout.group_size=4",
    "rollout.max_tokens=6",
    "train.num_steps=2",
    "train.save_every=2",
    "evaluate={}",
    "evaluate.max_tokens=6",
    "optimizer.learning_rate=1e-3",
    "engine.threads=1",
)
GROUPS = {"limr_2502": 32, "dapo": 16, "control_2506": 8, "post_saturation": 1}


def value_at(recipe, key):
    for part in key.split("."):
        recipe = getattr(recipe, part)
    return recipe


def shrink(path, workplace, model_path, sample=None):
    """The recipe as a test can afford it: same method, tiny model, few rollouts."""
    groups = GROUPS.get(path.stem, 2)
    overrides = [
        *TINY,
        f"model.path={model_path}",
        f"sample.use={sample or workplace / 'sample.json'}",
        f"evaluate.suite={workplace / 'suite.jsonl'}",
        f"rollout.num_groups={groups}",
    ]
    recipe = read_recipe(path)
    if "overlong" in recipe.reward.options:
        overrides.append("reward.options.overlong.buffer=2")
    for name, arm in recipe.arms.items():
        if "rollout" in arm:
            overrides += [f"arms.{name}.rollout.num_groups=2", f"arms.{name}.rollout.group_size=4"]
        if "label" in arm and "num_votes" in arm["label"]:
            overrides.append(f"arms.{name}.label.num_votes=4")
    return read_recipe(path, overrides)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_what_its_paper_says(name):
    recipe = read_recipe(RECIPES / f"{name}.toml")
    assert recipe.name == name
    assert {key: value_at(recipe, key) for key in SAID.get(name, {})} == SAID.get(name, {})


@pytest.mark.parametrize("name", NAMES)
def test_every_name_in_a_recipe_is_one_that_exists(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    whole = read_recipe(RECIPES / f"{name}.toml")
    for recipe in (whole, *(arm_recipe(whole, arm) for arm in whole.arms)):
        check_rewards(recipe.reward.weights(), recipe.reward.options, max_tokens=recipe.rollout.max_tokens)
        assert set(recipe.reward.weights()) <= set(REWARDS)
        if recipe.prompt.file:
            assert (ROOT / recipe.prompt.file).read_text() == "{question}"
        else:
            assert recipe.prompt.template in TEMPLATES
        suite = SUITES.get(recipe.evaluate.suite)
        protocols = suite.protocols if suite else None
        assert read_protocol(recipe.evaluate.protocol, recipe.evaluate.max_tokens, of_suite=protocols)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_that_needs_no_file_of_yours_has_its_samples(name):
    """The others name pi_1 in your dsr_sub.parquet, or a pool; without that file the complaint names it."""
    section = read_recipe(RECIPES / f"{name}.toml").sample
    file = section.pool or (section.use or "").partition("@")[2]
    if not file:
        assert load_samples(section)
        return
    with pytest.raises(SampleError, match=re.escape(file)):
        load_samples(section.model_copy(update={"selector": None}))


@pytest.mark.skipif(not (DATA / "dsr_sub.parquet").exists(), reason="needs dsr_sub.parquet in shared/data")
@pytest.mark.parametrize("name", ["one_shot_2504", "em_2505"])
def test_the_published_sample_is_found_in_the_users_copy(name, monkeypatch):
    monkeypatch.chdir(DATA)
    (sample,) = load_samples(read_recipe(RECIPES / f"{name}.toml").sample)
    assert sample.answer == "12.8" and sample.meta["published"]["index"] == 124


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_trains_two_steps(name, workplace, model_path, tmp_path):
    recipe = shrink(RECIPES / f"{name}.toml", workplace, model_path)
    run = api.train(Recipe.model_validate({**recipe.model_dump(), "arms": {}}), out=tmp_path / "run")
    rows = run.read_metrics()
    assert [row["step"] for row in rows] == [1, 2]
    assert all(row["grad_norm"] >= 0 and row["num_tokens"] > 0 for row in rows)
    if name == "limr_2502":
        assert {row["reward"] for row in rows} == {-1.0} and "kl_penalty" in rows[0]
    if name == "dapo":  # nobody is right, so every group is drawn again to the cap
        assert [row["filter/rounds"] for row in rows] == [10, 10]
    if name == "em_2505":
        assert all(row["grad_norm"] > 0 for row in rows)
        assert rows[0]["loss"] == pytest.approx(rows[0]["entropy"], rel=1e-5)


@pytest.mark.parametrize("name", ["control_2506", "post_saturation"])
def test_the_arms_of_a_recipe_run_too(name, workplace, tmp_path):
    """With the lab's model, because somebody has to give answers that can be voted on."""
    recipe = shrink(RECIPES / f"{name}.toml", workplace, "lab", "lab-coins")
    recipe = make_recipe({**recipe.model_dump(), "rollout": {**recipe.rollout.model_dump(), "max_tokens": 32}})
    for arm in recipe.arms:
        run = api.train(arm_recipe(recipe, arm), out=tmp_path / arm)
        assert [row["step"] for row in run.read_metrics()] == [1, 2], arm
    labels = {arm: RunFolder(tmp_path / arm).read_samples()[0].answer for arm in recipe.arms}
    if name == "control_2506":
        assert {arm: labels[arm] for arm in ("random", "format", "python", "incorrect")} == {
            "random": "42",
            "format": "42",
            "python": "42",
            "incorrect": "38",
        }


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_of_the_lab_is_twelve_runs_of_fifty_steps_at_most(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe = read_recipe(RECIPES / "ablations" / f"{name}.toml")
    arms = [arm_recipe(recipe, arm) for arm in recipe.arms]
    assert recipe.name == name
    assert (1 + len(arms)) * (1 + len(recipe.replicate_seeds)) <= 12
    assert all(one.train.num_steps <= 50 and one.model.path == "lab" and load_samples(one.sample) for one in arms)


def test_the_terms_of_the_lab_are_the_rows_of_the_paper():
    """Table 5: row -> (policy, weight decay, KL, entropy)."""
    on = 1.0, 0.01, 0.001, 0.001
    rows = {
        "none": (0.0, 0.0, 0.0, 0.0),
        "policy": (1.0, 0.0, 0.0, 0.0),
        "policy-decay": (1.0, 0.01, 0.0, 0.0),
        "policy-decay-kl": (1.0, 0.01, 0.001, 0.0),
        "entropy-threefold": (1.0, 0.01, 0.001, 0.003),
        "policy-entropy": (1.0, 0.0, 0.0, 0.001),
        "decay-kl": (0.0, 0.01, 0.001, 0.0),
        "decay-kl-entropy": (0.0, 0.01, 0.001, 0.001),
        "entropy": (0.0, 0.0, 0.0, 0.001),
    }
    recipe = read_recipe(RECIPES / "ablations" / "terms.toml")
    keys = "loss.coefficient", "optimizer.weight_decay", "kl.coefficient", "entropy.coefficient"
    assert tuple(value_at(recipe, key) for key in keys) == on
    assert {arm: tuple(value_at(arm_recipe(recipe, arm), key) for key in keys) for arm in rows} == rows


def test_the_labels_of_the_lab_differ_in_the_label_alone(monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe = read_recipe(RECIPES / "ablations" / "labels.toml")
    (right,) = load_samples(recipe.sample)
    answers = {"off-by-one": "43", "guessable": "3", "unguessable": "5081736", "unguessable-alone": "5081736"}
    for arm, answer in answers.items():
        (sample,) = load_samples(arm_recipe(recipe, arm).sample)
        assert (sample.question, sample.answer) == (right.question, answer)
        assert sample.solution is None and sample.id != right.id
    assert right.answer == "42" and incorrect(right).answer == "38"


def test_the_simplified_problems_keep_the_answer():
    for file, value in (("one-step", 6 * 7), ("bare", 69 - 9 * 3)):
        (sample,) = find_sample(str(RECIPES / "ablations" / "samples" / f"{file}.json"))
        assert sample.answer == str(value) == find_sample("lab-coins")[0].answer
