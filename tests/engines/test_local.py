"""The loop on a tiny real model: it learns, it resumes bit for bit, and it stops politely."""

import json
import os
import signal

import pytest
import torch

from polymath.engines.local import train
from polymath.errors import SampleError, Stopped
from polymath.recipe import make_recipe
from polymath.rewards import REWARDS
from polymath.runs import RunFolder
from polymath.testing import tiny_policy
from polymath.training.checkpoints import newest_checkpoint
from polymath.types import Sample

SAMPLE = Sample(question="2+2?", answer="4", answer_type="number")
LOGGED = [
    "step",
    "reward",
    "reward_std",
    "frac_reward_zero_std",
    "learnable_fraction",
    "entropy",
    "kl",
    "grad_norm",
    "loss",
    "learning_rate",
    "completions/mean_length",
    "completions/clipped_ratio",
    "clip_ratio/low_mean",
    "clip_ratio/high_mean",
    "step_time",
    "boxed_frac",
    "undecided_frac",
    "ways/worked",
    "ways/direct",
    "time/rollout_s",
    "time/judge_s",
    "time/update_s",
    "memory/peak_bytes",
    "num_tokens",
    "tokens_per_s",
    "reward_parts/low",
]
VOLATILE = ("time/", "memory/", "step_time", "tokens_per_s")


def starts_with_low_byte(group):
    """A reward that a random byte model can be taught within seconds."""
    return [float(c.token_ids[0] < 130) for c in group.completions]


def recipe(**sections):
    table = {
        "rollout": {"num_groups": 2, "group_size": 8, "max_tokens": 4},
        "reward": {"name": "low"},
        "optimizer": {"learning_rate": 3e-3},
        "train": {"num_steps": 6, "save_every": 2, "keep": 3},
    }
    for name, values in sections.items():
        table[name] = {**table.get(name, {}), **values}
    return make_recipe(table)


def run_training(path, settings, samples=(SAMPLE,), after_step=lambda step: None, reference=None):
    policy, folder = tiny_policy(), RunFolder(path)
    path.mkdir(exist_ok=True)
    train(
        settings,
        list(samples),
        policy,
        folder,
        rewards={"low": starts_with_low_byte},
        reference=reference,
        after_step=after_step,
    )
    return policy, folder


def stable(rows):
    return [{key: value for key, value in row.items() if not key.startswith(VOLATILE)} for row in rows]


def test_the_reward_rises_when_the_policy_can_earn_it(tmp_path):
    _, folder = run_training(
        tmp_path / "run", recipe(train={"num_steps": 30}, rollout={"num_groups": 4}, optimizer={"learning_rate": 1e-2})
    )
    rewards = [row["reward"] for row in folder.read_metrics()]
    assert sum(rewards[:5]) / 5 < 0.7
    assert sum(rewards[-5:]) / 5 > 0.95


def test_the_log_holds_the_published_names(tmp_path):
    _, folder = run_training(tmp_path / "run", recipe(kl={"coefficient": 0.1}), reference=tiny_policy())
    row = folder.read_metrics()[-1]
    for name in LOGGED:
        assert name in row, name
    assert row["frac_reward_zero_std"] + row["learnable_fraction"] == pytest.approx(1)
    assert row["kl"] > 0


@pytest.mark.parametrize("updates_per_step", [1, 2])
def test_a_run_killed_after_any_step_ends_with_the_same_bits(tmp_path, updates_per_step):
    """Killed before the checkpoint of a step, resumed in a fresh policy: weights, metrics and rollouts agree."""
    settings = recipe(train={"updates_per_step": updates_per_step})
    whole, whole_folder = run_training(tmp_path / "whole", settings)

    class Killed(Exception):
        pass

    for kill_after in (1, 3, 4):
        path = tmp_path / f"killed-{kill_after}"

        def kill(step, kill_after=kill_after):
            if step == kill_after:
                raise Killed

        with pytest.raises(Killed):
            run_training(path, settings, after_step=kill)
        resumed, folder = run_training(path, settings)
        for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
            assert torch.equal(one, other)
        assert stable(folder.read_metrics()) == stable(whole_folder.read_metrics())
        for step in range(1, 7):
            assert folder.rollouts_path(step).read_text() == whole_folder.rollouts_path(step).read_text()


def test_stored_rollouts_are_replayed_and_not_judged_again(tmp_path):
    settings = recipe(train={"num_steps": 1})
    _, folder = run_training(tmp_path / "run", settings)
    rows = folder.read_rollouts(1)
    for row in rows:
        row["verdict"]["detail"] = "paid once"
    folder.rollouts_path(1).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "run" / "checkpoints").rename(tmp_path / "gone")
    run_training(tmp_path / "run", settings)
    assert all(row["verdict"]["detail"] == "paid once" for row in folder.read_rollouts(1))
    assert "time/rollout_s" not in folder.read_metrics()[0]


def test_ctrl_c_finishes_the_step_saves_and_says_so(tmp_path):
    def interrupt(step):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped, match="after step 3 of 6"):
        run_training(tmp_path / "run", recipe(train={"save_every": 100}), after_step=interrupt)
    assert newest_checkpoint(RunFolder(tmp_path / "run"))[0] == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    def insist(step):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_training(tmp_path / "run", recipe(), after_step=insist)
    assert newest_checkpoint(RunFolder(tmp_path / "run"))[0] == 2


def test_several_samples_take_the_groups_in_turn(tmp_path):
    samples = [SAMPLE, Sample(question="3+3?", answer="6"), Sample(question="4+4?", answer="8")]
    _, folder = run_training(tmp_path / "run", recipe(train={"num_steps": 3}), samples=samples)
    drawn = [[row["sample_id"] for row in folder.read_rollouts(step)[::8]] for step in (1, 2, 3)]
    ids = [sample.id for sample in samples]
    assert drawn == [[ids[0], ids[1]], [ids[2], ids[0]], [ids[1], ids[2]]]


def test_equal_prompts_keep_their_groups_apart(tmp_path):
    _, folder = run_training(tmp_path / "run", recipe(rollout={"num_groups": 4}, train={"num_steps": 1}))
    rows = folder.read_rollouts(1)
    assert [row["group"] for row in rows] == [group for group in range(4) for _ in range(8)]
    assert len({tuple(row["token_ids"]) for row in rows}) > 16


def test_no_sample_is_refused(tmp_path):
    with pytest.raises(SampleError, match="there are none"):
        run_training(tmp_path / "run", recipe(), samples=())


def test_the_controls_are_there():
    assert {"exact", "format", "random"} <= set(REWARDS)
