"""Moments in 8 bits: they take a quarter of the memory, follow AdamW, and come back bit for bit."""

import pytest
import torch

from polymath.errors import RunFolderError
from polymath.recipe import make_recipe
from polymath.runs import RunFolder
from polymath.testing import tiny_policy
from polymath.training.checkpoints import load_checkpoint, save_checkpoint
from polymath.training.update import improve, make_optimizer
from tests.training.test_update import BATCH

pytest.importorskip("bitsandbytes")

PLAIN = make_recipe({"optimizer": {"learning_rate": 1e-3}})
RECIPE = make_recipe({"optimizer": {"learning_rate": 1e-3, "name": "adamw_8bit"}})


def large_policy(seed=0):
    """Matrices of 4,096 numbers and more: smaller ones keep their moments in 32 bits."""
    return tiny_policy(seed, hidden_size=64)


def state_bytes(optimizer):
    shared = {
        tensor.data_ptr(): tensor.nbytes
        for state in optimizer.state.values()
        for tensor in state.values()
        if isinstance(tensor, torch.Tensor)
    }
    return sum(shared.values())


def test_moments_are_small_and_training_follows_adamw():
    end = {}
    for recipe in (PLAIN, RECIPE):
        policy = large_policy()
        optimizer = make_optimizer(policy, recipe)
        before = [weight.detach().clone() for weight in policy.parameters()]
        for _ in range(5):
            improve(policy, optimizer, BATCH, recipe, None)
        moved = torch.cat([(w - b).flatten() for w, b in zip(policy.parameters(), before, strict=True)])
        end[recipe.optimizer.name] = (moved.detach(), state_bytes(optimizer))
    cosine = torch.nn.functional.cosine_similarity(end["adamw"][0], end["adamw_8bit"][0], dim=0)
    assert cosine > 0.97
    assert end["adamw_8bit"][1] < 0.45 * end["adamw"][1]


def test_training_goes_on_bit_for_bit_after_a_checkpoint(tmp_path):
    run, policy = RunFolder(tmp_path), large_policy()
    optimizer = make_optimizer(policy, RECIPE)
    improve(policy, optimizer, BATCH, RECIPE, None)
    path = save_checkpoint(run, policy, optimizer, 1)
    improve(policy, optimizer, BATCH, RECIPE, None)

    other = large_policy(seed=9)
    other_optimizer = make_optimizer(other, RECIPE)
    load_checkpoint(path, other, other_optimizer)
    improve(other, other_optimizer, BATCH, RECIPE, None)
    for mine, theirs in zip(policy.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    again = save_checkpoint(run, policy, optimizer, 2)
    theirs = save_checkpoint(RunFolder(tmp_path / "other"), other, other_optimizer, 2)
    assert (again / "optimizer.safetensors").read_bytes() == (theirs / "optimizer.safetensors").read_bytes()


def test_the_state_of_another_optimizer_is_refused(tmp_path):
    run, policy = RunFolder(tmp_path), large_policy()
    optimizer = make_optimizer(policy, PLAIN)
    improve(policy, optimizer, BATCH, PLAIN, None)
    path = save_checkpoint(run, policy, optimizer, 1)
    with pytest.raises(RunFolderError, match="does not fit"):
        load_checkpoint(path, policy, make_optimizer(policy, RECIPE))
