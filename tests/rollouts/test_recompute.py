"""Gradient checkpointing: the same gradients, less memory, and a model that is left as it was."""

import pytest
import torch

from polymath.errors import ModelError
from polymath.recipe import make_recipe
from polymath.rollouts.tree import grow
from polymath.testing import tiny_policy
from polymath.training.critic import Critic
from polymath.training.update import update_once
from tests.training.test_update import BATCH

RECIPE = make_recipe({"entropy": {"coefficient": 0.01}, "train": {"micro_batch_tokens": 8}})


class Keeping(torch.optim.SGD):
    """Holds the gradients instead of taking the step."""

    def step(self, closure=None):
        self.kept = [group.grad.clone() for group in self.param_groups[0]["params"]]


def gradients(policy, recompute):
    policy.recompute = recompute
    optimizer = Keeping(policy.parameters(), lr=1.0)
    update_once(policy, optimizer, BATCH, RECIPE, None)
    return optimizer.kept


def bytes_kept(policy, recompute):
    """Bytes that a scoring forward keeps for its backward pass, by the hooks of autograd."""
    policy.recompute = recompute
    sizes = {}

    def keep(tensor):
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = {weight.untyped_storage().data_ptr() for weight in policy.weights()}
    prompt = BATCH[0].prompt
    scorer = policy.scorer(prompt)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scorer.score([grow([tuple(range(10, 74))])], temperature=1.0)
    return sum(size for place, size in sizes.items() if place not in weights)


def test_gradients_are_those_of_kept_activations():
    for mine, theirs in zip(gradients(tiny_policy(), True), gradients(tiny_policy(), False), strict=True):
        assert float((mine - theirs).abs().max()) <= 1e-6 * float(theirs.abs().max())


def test_a_deep_model_keeps_far_less_and_decodes_as_before():
    policy = tiny_policy(num_layers=16)
    layers = policy.model.base_model.layers
    few, many = bytes_kept(policy, True), bytes_kept(policy, False)
    assert few < many / 4
    assert all("forward" not in vars(layer) for layer in layers)


def test_models_that_take_no_mask_of_ours_are_refused():
    from transformers import BloomConfig, BloomForCausalLM

    from polymath.rollouts.local import LocalPolicy
    from polymath.testing import byte_tokenizer

    tokenizer = byte_tokenizer()
    config = BloomConfig(vocab_size=len(tokenizer), hidden_size=32, n_layer=2, n_head=4, eos_token_id=1)
    policy = LocalPolicy(BloomForCausalLM(config), tokenizer, recompute=True)
    with pytest.raises(ModelError, match="gradient_checkpointing"):
        policy.scorer(BATCH[0].prompt)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 2**-7)])
def test_a_critic_does_as_its_policy(dtype, tolerance):
    """In bfloat16 the sums over a weight's uses are rounded in another order: two bits of its eight."""
    found = []
    for recompute in (False, True):
        policy, recipe = tiny_policy(), make_recipe({})
        policy.recompute, policy.dtype = recompute, dtype
        critic = Critic.of(policy, recipe.critic, optimizer=recipe.optimizer, micro_batch_tokens=64)
        torch.nn.init.ones_(critic.head.weight)
        critic.optimizer = Keeping(critic.optimizer.param_groups[0]["params"], lr=1.0)
        returns = [torch.ones(len(item.token_ids)) for item in BATCH]
        critic.improve(BATCH, returns, returns)
        found.append(critic.optimizer.kept)
        assert critic.recompute == recompute
    for mine, theirs in zip(*found, strict=True):
        assert float((mine - theirs).abs().max()) <= tolerance * float(theirs.abs().max())
