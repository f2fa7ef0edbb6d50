"""The engine around a stand-in trainer that replays what verl's own logger wrote: steps, resumes, stops, failures.

Expected numbers are read off the captured texts by hand: the sample's answer is 4.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from polymath.engines.verl.launch import train
from polymath.errors import RecipeError, Stopped, TrainingError
from polymath.prompts import load_template, render
from polymath.recipe import make_recipe
from polymath.rollouts.local import LocalPolicy
from polymath.runs import RunFolder, read_lines
from polymath.training.checkpoints import checkpoint_steps, newest_checkpoint
from polymath.types import Sample
from tests.conftest import ENVIRONMENT, POLYMATH, polymath
from tests.engines.verl.stand_in import change, make_stand_in

SAMPLE = Sample(question="2+2?", answer="4")
CAPTURED = json.loads((Path(__file__).parent / "captured.json").read_text())


def settings(python, model, **sections):
    table = {
        "engine": {"name": "verl", "python": str(python)},
        "model": {"path": str(model)},
        "rollout": {"num_groups": 2, "group_size": 4, "max_tokens": 12},
        "train": {"num_steps": 6, "save_every": 2, "keep": 2},
    }
    for name, values in sections.items():
        table[name] = {**table.get(name, {}), **values}
    return make_recipe(table)


@pytest.fixture
def policy(model_path):
    return LocalPolicy.load(str(model_path), device="cpu")


@pytest.fixture
def place(tmp_path, model_path, policy):
    """A stand-in and its folder, for the prompt of the sample."""
    folder = tmp_path / "environment"
    tokens = policy.encode(render(SAMPLE, load_template("plain")))
    return folder, make_stand_in(folder, tokens=tokens, model=str(model_path))


def begin(path):
    path.mkdir(exist_ok=True)
    return RunFolder(path)


def test_a_training_lands_in_the_run_folder_under_our_names(tmp_path, place, policy, model_path):
    run, seen, done = begin(tmp_path / "run"), [], []
    train(settings(place[1], model_path), [SAMPLE], policy, run, on_row=seen.append, after_step=done.append)
    rows = run.read_metrics()
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6] and rows == seen
    first, logged = rows[0], CAPTURED["metrics"][0]["data"]
    # Step 1 has the four texts in turn, each group two right of four; two of eight have no box.
    assert (first["accuracy"], first["boxed_frac"], first["undecided_frac"]) == (0.5, 0.75, 0.0)
    assert first["frac_reward_zero_std"] == 0.0 and first["learnable_fraction"] == 1.0
    # The deviation of 1, 0, 0, 1 with n - 1: sqrt(1 / 3).
    assert first["reward_std"] == pytest.approx((1 / 3) ** 0.5)
    assert first["verl/score_differs_frac"] == 0.0 and first["completions/distinct_frac"] == 0.5
    assert first["reward"] == logged["critic/score/mean"] and first["entropy"] == logged["actor/entropy"]
    assert first["step_time"] == 2.1 and first["learning_rate"] == 1e-6
    # 8 responses of 8.75 tokens in 2.1 seconds.
    assert first["num_tokens"] == 70 and first["tokens_per_s"] == pytest.approx(70 / 2.1)
    # Step 4: a group says one text four times, the first right, the second wrong.
    assert rows[3]["frac_reward_zero_std"] == 1.0 and rows[3]["reward_std"] == 0.0
    said = run.read_rollouts(1)
    assert [row["verdict"]["outcome"] for row in said[:4]] == ["right", "wrong", "wrong", "right"]
    assert {row["group"] for row in said} == {0, 1} and said[0]["sample_id"] == SAMPLE.id
    assert checkpoint_steps(run) == [4, 6] and done == [6]
    assert all(bool((tensor == 6).all()) for tensor in policy.model.state_dict().values())
    assert "custom_chat_template" in (run.path / "verl" / "train.sh").read_text()


def test_no_number_of_verls_is_lost(tmp_path, place, policy, model_path):
    run = begin(tmp_path / "run")
    train(settings(place[1], model_path), [SAMPLE], policy, run)
    for row, line in zip(run.read_metrics(), CAPTURED["metrics"], strict=True):
        assert set(line["data"].values()) <= set(row.values())


def test_a_trainer_that_is_killed_leaves_a_run_that_goes_on_as_if_it_had_not_been(tmp_path, place, policy, model_path):
    whole, broken = begin(tmp_path / "whole"), begin(tmp_path / "broken")
    recipe = settings(place[1], model_path)
    train(recipe, [SAMPLE], policy, whole)
    change(place[0], dies_after=5)
    with pytest.raises(TrainingError, match=r"code -9 after 4 of 6 steps saved"):
        train(recipe, [SAMPLE], policy, broken)
    # What was logged after the checkpoint stays until the run goes on, and is not there twice then.
    assert [row["step"] for row in broken.read_metrics()] == [1, 2, 3, 4, 5]
    change(place[0], dies_after=None)
    train(recipe, [SAMPLE], policy, broken)
    assert broken.read_metrics() == whole.read_metrics()
    assert [broken.read_rollouts(step) for step in range(1, 7)] == [whole.read_rollouts(step) for step in range(1, 7)]
    assert newest_checkpoint(broken)[0] == 6


def test_a_checkpoint_that_was_saved_and_not_merged_is_merged_on_resume(tmp_path, place, policy, model_path):
    run, recipe = begin(tmp_path / "run"), settings(place[1], model_path)
    change(place[0], dies_after=5)
    with pytest.raises(TrainingError):
        train(recipe, [SAMPLE], policy, run)
    manifest = run.checkpoints / "step-4" / "checkpoint.json"
    manifest.unlink()
    train(recipe, [SAMPLE], policy, run, until=4)
    assert newest_checkpoint(run)[0] == 4
    weights = load_file(run.checkpoints / "step-4" / "model.safetensors")
    assert all(torch.equal(tensor, torch.full_like(tensor, 4)) for tensor in weights.values())
    assert [row["step"] for row in run.read_metrics()] == [1, 2, 3, 4]


def test_evaluations_in_between_see_the_weights_of_their_step(tmp_path, place, policy, model_path):
    seen = []

    def look(step):
        seen.append((step, float(next(iter(policy.model.state_dict().values())).flatten()[0])))

    recipe = settings(place[1], model_path, evaluate={"every": 2}, train={"keep": 1})
    run = begin(tmp_path / "run")
    train(recipe, [SAMPLE], policy, run, after_step=look)
    assert seen == [(2, 2.0), (4, 4.0), (6, 6.0)] and checkpoint_steps(run) == [6]


def test_a_trainer_that_says_why_it_failed_is_quoted_in_one_line(tmp_path, place, policy, model_path):
    change(place[0], fails="there are 0 GPUs")
    with pytest.raises(TrainingError, match=r"code 1 after 0 of 6 steps saved \(RuntimeError: there are 0 GPUs\)"):
        train(settings(place[1], model_path), [SAMPLE], policy, begin(tmp_path / "run"))


def test_a_trainer_that_ends_well_without_a_step_is_a_failure(tmp_path, place, policy, model_path):
    change(place[0], refuses=None)
    recipe = settings(place[1], model_path, train={"num_steps": 7})  # one more than there is to replay
    with pytest.raises(TrainingError, match="code 0 after 6 of 7 steps saved"):
        train(recipe, [SAMPLE], policy, begin(tmp_path / "run"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"refuses": "ValueError: no such key"}, "validate: ValueError: no such key"),
        ({"tokens": [1, 2]}, "verl makes other tokens"),
        ({"versions": {"verl": "0.8.0"}}, "has verl 0.8.0"),
        ({"versions": {"verl": None}}, "has no verl"),
        ({"versions": {"verl": "0.9.1", "TransferQueue": None}}, "has no TransferQueue"),
    ],
)
def test_what_verl_does_not_take_ends_before_anything_is_trained(tmp_path, place, policy, model_path, changes, message):
    change(place[0], **changes)
    run = begin(tmp_path / "run")
    with pytest.raises(RecipeError, match=message):
        train(settings(place[1], model_path), [SAMPLE], policy, run)
    assert run.read_metrics() == [] and not list(run.path.glob("verl/metrics-*"))


def test_without_an_environment_it_says_how_to_make_one(tmp_path, policy, model_path):
    recipe = make_recipe({"engine": {"name": "verl"}, "model": {"path": str(model_path)}})
    with pytest.raises(RecipeError, match="polymath engine install verl DIR"):
        train(recipe, [SAMPLE], policy, begin(tmp_path / "run"))


COMMAND = """
[model]
path = {model}
[sample]
use = {sample}
[rollout]
num_groups = 2
group_size = 4
max_tokens = 12
[train]
num_steps = 6
save_every = 2
[evaluate]
suite = {suite}
max_tokens = 6
[engine]
name = "verl"
python = {python}
threads = 1
"""


def wait_for(path, lines, process):
    deadline = time.monotonic() + 120
    while not path.exists() or len(path.read_text().splitlines()) < lines:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_command_is_stopped_or_killed_and_goes_on_with_resume(workplace, tmp_path, place, model_path, number):
    change(place[0], waits_before=5)
    recipe, run = tmp_path / "verl.toml", tmp_path / "run"
    names = {"model": model_path, "sample": workplace / "sample.json", "suite": workplace / "suite.jsonl"}
    recipe.write_text(
        COMMAND.format(python=json.dumps(str(place[1])), **{k: json.dumps(str(v)) for k, v in names.items()})
    )
    call = [POLYMATH, "train", recipe, "--out", run]
    process = subprocess.Popen(call, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(run / "metrics.jsonl", 4, process)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    if number == signal.SIGTERM:
        assert process.returncode == 130, said
        assert f"4 of 6 steps are saved; continue with: polymath train --resume {run}" in said
        assert [row["step"] for row in read_lines(run / "metrics.jsonl")] == [1, 2, 3, 4]
    change(place[0], waits_before=None)
    deadline = time.monotonic() + 30
    while (done := polymath("train", "--resume", run, "--json")).returncode and time.monotonic() < deadline:
        assert "still at work" in done.stderr, done.stderr  # the trainer of a killed run takes a moment to end
        time.sleep(0.5)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["steps"] == 6
    assert [row["step"] for row in read_lines(run / "metrics.jsonl")] == [1, 2, 3, 4, 5, 6]
    assert json.loads((run / "run.json").read_text())["status"] == "complete"


def test_a_run_never_has_two_trainers(tmp_path, place, policy, model_path):
    run = begin(tmp_path / "run")
    code = (
        "import os, sys; from pathlib import Path; from polymath.engines.verl.process import running\n"
        "here, call = Path(sys.argv[1]), [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "with running(call, here, here / 'log.txt', os.environ) as child:\n"
        "    print(child.pid, flush=True); child.wait()"
    )
    folder = run.path / "verl"
    folder.mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        child = int(other.stdout.readline())
        with pytest.raises(Exception, match="still at work on this run"):
            train(settings(place[1], model_path), [SAMPLE], policy, run)
        other.kill()
        other.wait()
        deadline = time.monotonic() + 10
        while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{child}").exists(), "a trainer outlives the process that started it"
    finally:
        other.kill()
        other.wait()


def test_a_stop_ends_the_trainer_and_cuts_back_to_its_checkpoint(tmp_path, place, policy, model_path):
    change(place[0], waits_before=4)
    run = begin(tmp_path / "run")

    def stop(row):
        if row["step"] == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped, match="2 of 6 steps are saved"):
        train(settings(place[1], model_path), [SAMPLE], policy, run, on_row=stop)
    assert [row["step"] for row in run.read_metrics()] == [1, 2] and not run.rollouts_path(3).exists()
