"""polymath ablate: a grid is a recipe with arms, complete runs under one root, and a table of what each is worth."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest

from polymath import api
from polymath.errors import RecipeError
from polymath.grids import Axis, make_axes, make_grid, parse_axis, settings_of
from polymath.recipe import arm_recipe, make_recipe
from polymath.reporting.ablation import record_ablation, summarize_ablation
from polymath.runs import RunFolder
from tests.conftest import ENVIRONMENT, POLYMATH, polymath

LAB = {"sample": {"use": "crate"}, "reward": {"parts": {"exact": 1.0, "overlong": 0.5}}}

# text -> key and values
AXES = [
    ("kl.coefficient=0,0.001", "kl.coefficient", (0, 0.001)),
    ("loss.name=clip, cispo", "loss.name", ("clip", "cispo")),
    ('sample.use="a,b.json",c.json', "sample.use", ("a,b.json", "c.json")),
    ("train.x=true", "train.x", (True,)),
    (
        "rollout={num_groups=1,group_size=128},{num_groups=16,group_size=8}",
        "rollout",
        ({"num_groups": 1, "group_size": 128}, {"num_groups": 16, "group_size": 8}),
    ),
    ("sample.band=[0,0.1],[0.1,0.5]", "sample.band", ([0, 0.1], [0.1, 0.5])),
]


@pytest.mark.parametrize(("text", "key", "values"), AXES)
def test_an_axis_is_read_from_a_text(text, key, values):
    axis = parse_axis(text)
    assert (axis.key, axis.values) == (key, values)
    assert [type(value) for value in axis.values] == [type(value) for value in values]


def test_the_arms_are_every_combination_but_the_recipes_own():
    recipe = make_recipe(LAB)
    axes = make_axes({"kl.coefficient": [0.0, 0.001], "optimizer.weight_decay": [0.0, 0.01, 0.1]})
    grid = make_grid(recipe, axes)
    points = {
        (one.kl.coefficient, one.optimizer.weight_decay) for one in (arm_recipe(grid, name) for name in grid.arms)
    }
    assert points == {(0.0, 0.01), (0.0, 0.1), (0.001, 0.0), (0.001, 0.01), (0.001, 0.1)}
    assert next(iter(grid.arms)) == "kl-0-weight_decay-0_01"
    assert settings_of(grid)["kl-0_001-weight_decay-0_1"] == {"kl.coefficient": 0.001, "optimizer.weight_decay": 0.1}
    assert settings_of(grid)["trained"] == {"kl.coefficient": 0.0, "optimizer.weight_decay": 0.0}


def test_a_grid_of_a_part_of_reward_or_sample_keeps_the_rest_of_it():
    recipe = make_recipe({**LAB, "sample": {"pool": "lab:9", "selector": "random", "count": 2}})
    grid = make_grid(recipe, make_axes({"reward.options.overlong.buffer": [8, 16], "sample.count": [2, 3]}))
    arms = [arm_recipe(grid, name) for name in grid.arms]
    assert len(arms) == 4 and all(arm.reward.weights() == recipe.reward.weights() for arm in arms)
    assert {arm.sample.count for arm in arms} == {2, 3} and {arm.sample.selector for arm in arms} == {"random"}
    other = make_grid(recipe, make_axes({"reward.name": ["format"], "sample.use": ["crate", "melons"]}))
    assert {arm_recipe(other, name).sample.pool for name in other.arms} == {None}


def test_names_stay_apart_and_short():
    recipe = make_recipe(LAB)
    same = make_grid(recipe, [Axis(key="sample.use", values=("a/x.json", "b/x.json"))])
    assert list(same.arms) == ["001-sample-x", "002-sample-x"]
    long = make_grid(recipe, [Axis(key="prompt.file", values=tuple(f"{'w' * 90}{n}" for n in range(3)))])
    assert all(len(name) < 90 for name in long.arms) and len(long.arms) == 3
    both = make_grid(recipe, make_axes({"loss.name": ["cispo"], "loss.coefficient": [2.0]}))
    assert list(both.arms) == ["loss_name-cispo-loss_coefficient-2"]


# grid -> words of the one line
REFUSED = [
    (["nonsense"], "key=v1,v2"),
    (["kl.coefficient="], "key=v1,v2"),
    (["kl.coefficient=0,0"], "twice"),
    (["kl.coefficient=0,1", "kl.coefficient=2"], "twice"),
    (["kl.coefficent=0,1"], "did you mean coefficient"),
    (["kl.coefficient=0,-1"], "kl.coefficient"),
    (["seed=1,2"], "--seeds"),
    (["kl.coefficient=0"], "second value"),
    ([], "no arms"),
]


@pytest.mark.parametrize(("grid", "words"), REFUSED)
def test_a_wrong_grid_is_refused(grid, words):
    with pytest.raises(RecipeError, match=words):
        make_grid(make_recipe(LAB), make_axes(grid))


def test_a_recipe_with_arms_takes_no_grid_beside_them():
    recipe = make_recipe({**LAB, "arms": {"a": {"kl": {"coefficient": 0.1}}}})
    with pytest.raises(RecipeError, match=r"arms=\{\}"):
        make_grid(recipe, make_axes(["kl.coefficient=0,1"]))
    assert make_grid(recipe, ()) == recipe


def test_seeds_and_grid_belong_to_a_new_run(tmp_path):
    with pytest.raises(RecipeError, match="keeps its recipe"):
        api.ablate(grid={"kl.coefficient": [0, 1]}, resume=tmp_path)


GRID = ["--grid", "reward.name=random,format", "--seeds", "0,1"]


@pytest.fixture(scope="module")
def ablated(workplace, tmp_path_factory):
    """A grid of two over two seeds."""
    out = tmp_path_factory.mktemp("ablate") / "run"
    call = ["ablate", workplace / "tiny.toml", *GRID, "--set", "train.num_steps=2", "--set", "evaluate.every=0"]
    found = polymath(*call, "--out", out, "--json")
    assert found.returncode == 0, found.stderr
    assert "4 runs of 2 steps" in found.stderr
    return RunFolder(out), json.loads(found.stdout)


def test_the_grid_is_complete_runs_under_one_root(ablated):
    run, told = ablated
    assert list(run.read_recipe().arms) == ["reward-format"] == [arm["name"] for arm in told["arms"][1:]]
    for whole in (run, run.replicate(1)):
        assert all(part.is_complete() and part.is_evaluated() for part in (whole, whole.arm("reward-format")))
    assert told["seeds"] == [0, 1] and told["varied"] == ["reward.name"]
    assert told["arms"][0]["settings"] == {"reward.name": "random"}
    assert "<!doctype html>" in run.report_path.read_text()[:20]


def mean_of(folder, step, reading):
    recipe = folder.read_recipe()
    rows = folder.read_evaluation(step, recipe.evaluate.suite, recipe.evaluate.protocol)[0]
    names = sorted({row["discipline"] for row in rows})
    right = {name: [row[reading]["outcome"] == "right" for row in rows if row["discipline"] == name] for name in names}
    return np.mean([np.mean(values) for values in right.values()])


def test_the_table_is_what_the_answers_on_disk_say(ablated):
    run, told = ablated
    for arm in told["arms"]:
        folders = [whole if arm["name"] == "trained" else whole.arm(arm["name"]) for whole in (run, run.replicate(1))]
        for reading in ("strict", "lenient"):
            after, before = (np.mean([mean_of(one, step, reading) for one in folders]) for step in (2, 0))
            assert arm[reading] == pytest.approx(after)
            assert arm[f"{reading}_gain"]["mean"] == pytest.approx(after - before)
        rewards = [np.mean([row["reward"] for row in one.read_metrics()]) for one in folders]
        assert arm["reward"] == pytest.approx(np.mean(rewards))
        if arm["name"] != "trained":
            against = arm["against_trained"]
            assert against["mean"] == pytest.approx(arm["strict"] - told["arms"][0]["strict"])
            assert against["low"] <= against["mean"] <= against["high"]


def test_a_record_of_a_grid_holds_what_each_arm_sets(ablated):
    run, told = ablated
    record = record_ablation(run, commands=["polymath ablate"], title="A title")
    assert record["experiment"] == "ablation" and record["grid"] == "tiny"
    assert record["settings"] == {"trained": {"reward.name": "random"}, "reward-format": {"reward.name": "format"}}
    assert [arm["strict_interval"]["mean"] for arm in record["arms"]] == [arm["strict"] for arm in told["arms"]]
    assert set(record["hashes"]) >= {"recipe", "code", "weights"}


def test_a_grid_that_is_done_prints_its_table_again(ablated):
    run, told = ablated
    shown = polymath("ablate", "--resume", run.path)
    assert shown.returncode == 0, shown.stderr
    assert "over base" in shown.stdout and "95% intervals" in shown.stdout and str(run.report_path) in shown.stdout
    assert summarize_ablation(run) == told


def test_a_stopped_grid_goes_on_where_it_was(workplace, tmp_path):
    out = tmp_path / "run"
    call = [
        "ablate",
        workplace / "tiny.toml",
        "--grid",
        "reward.name=random,format",
        "--set",
        "train.num_steps=30",
        "--set",
        "evaluate.every=0",
    ]
    process = subprocess.Popen(
        [POLYMATH, *map(str, call), "--out", out],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list((out / "arms").glob("*/metrics.jsonl")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and f"polymath ablate --resume {out}" in stderr, stderr
    arm = RunFolder(out).arm("reward-format")
    assert not arm.is_complete()
    done = polymath("ablate", "--resume", out, "--json")
    assert done.returncode == 0, done.stderr
    assert arm.is_complete() and [row["step"] for row in arm.read_metrics()] == list(range(1, 31))
    assert [one["name"] for one in json.loads(done.stdout)["arms"]] == ["trained", "reward-format"]


def test_bad_input_is_one_line_and_leaves_nothing(workplace, tmp_path):
    for arguments, word in ((["--grid", "sample.use=no-such-sample"], "library"), (["--seeds", "a"], "list of seeds")):
        found = polymath("ablate", workplace / "tiny.toml", *arguments, cwd=tmp_path)
        assert found.returncode == 2 and "Traceback" not in found.stderr, found.stderr
        assert word in found.stderr.splitlines()[-1] and found.stdout == ""
    assert not list(tmp_path.iterdir())


def test_help_answers_without_torch():
    assert "--grid" in polymath("ablate", "--help").stdout
