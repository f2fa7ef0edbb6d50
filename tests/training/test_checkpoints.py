"""Checkpoints come back bit for bit, and a torn one is passed over."""

import pytest
import torch

from polymath.errors import DiskError
from polymath.recipe import make_recipe
from polymath.runs import RunFolder
from polymath.testing import tiny_policy
from polymath.training.checkpoints import (
    checkpoint_steps,
    load_checkpoint,
    newest_checkpoint,
    prune_checkpoints,
    save_checkpoint,
)
from polymath.training.update import improve, make_optimizer
from tests.training.test_update import BATCH

RECIPE = make_recipe({"optimizer": {"learning_rate": 1e-3}})


def weights(policy):
    return [parameter.detach().clone() for parameter in policy.parameters()]


def test_training_goes_on_bit_for_bit_after_a_checkpoint(tmp_path):
    run, policy = RunFolder(tmp_path), tiny_policy()
    optimizer = make_optimizer(policy, RECIPE)
    improve(policy, optimizer, BATCH, RECIPE, None)
    path = save_checkpoint(run, policy, optimizer, 1)
    improve(policy, optimizer, BATCH, RECIPE, None)

    other = tiny_policy(seed=9)
    other_optimizer = make_optimizer(other, RECIPE)
    load_checkpoint(path, other, other_optimizer)
    improve(other, other_optimizer, BATCH, RECIPE, None)
    for mine, theirs in zip(weights(policy), weights(other), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("harm", ["cut", "flip", "missing", "no manifest"])
def test_a_torn_checkpoint_is_passed_over(tmp_path, harm):
    run, policy = RunFolder(tmp_path), tiny_policy()
    optimizer = make_optimizer(policy, RECIPE)
    improve(policy, optimizer, BATCH, RECIPE, None)
    save_checkpoint(run, policy, optimizer, 1)
    path = save_checkpoint(run, policy, optimizer, 2)
    assert newest_checkpoint(run) == (2, path)
    victim = path / "model.safetensors"
    content = victim.read_bytes()
    if harm == "cut":
        victim.write_bytes(content[:-1])
    elif harm == "flip":
        victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif harm == "missing":
        victim.unlink()
    else:
        (path / "checkpoint.json").unlink()
    assert newest_checkpoint(run)[0] == 1


def test_only_the_newest_are_kept(tmp_path):
    run, policy = RunFolder(tmp_path), tiny_policy()
    optimizer = make_optimizer(policy, RECIPE)
    for step in (1, 2, 10):
        save_checkpoint(run, policy, optimizer, step)
    prune_checkpoints(run, keep=2)
    assert checkpoint_steps(run) == [2, 10]
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-10", "step-2"]


def test_a_disk_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "checkpoints").write_text("a file where a folder belongs")
    policy = tiny_policy()
    with pytest.raises(DiskError, match="cannot be written"):
        save_checkpoint(RunFolder(tmp_path), policy, make_optimizer(policy, RECIPE), 1)
