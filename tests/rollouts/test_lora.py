"""Adapters: they begin as nothing, alone are trained, merge into an ordinary model, and leave the base as reference."""

import json

import pytest
import torch

from polymath.errors import ModelError
from polymath.recipe import LoraSection, make_recipe
from polymath.rollouts import lora
from polymath.rollouts.local import LocalPolicy
from polymath.rollouts.policy import Sampling
from polymath.testing import tiny_policy
from polymath.training.update import improve, make_optimizer
from tests.training.test_update import BATCH

peft = pytest.importorskip("peft")

PROMPT, RESPONSES = BATCH[0].prompt, [list(item.token_ids) for item in BATCH]
RECIPE = make_recipe({"optimizer": {"learning_rate": 1e-2}, "kl": {"coefficient": 0.1}})


def adapted(settings=None, seed=0):
    policy = tiny_policy()
    lora.attach(policy.model, settings or LoraSection(rank=4, alpha=8), seed=seed)
    return policy


def trained(num_updates=3):
    policy = adapted()
    optimizer, reference = make_optimizer(policy, RECIPE), policy.frozen_copy()
    for _ in range(num_updates):
        improve(policy, optimizer, BATCH, RECIPE, reference)
    return policy, reference


@torch.no_grad()
def logprobs(policy):
    return policy.score(PROMPT, RESPONSES, temperature=1.0).logprob_BT


def largest(left, right):
    return float((left - right).abs().max())


def test_fresh_adapters_change_nothing_and_alone_are_trained():
    policy, plain = adapted(), tiny_policy()
    assert torch.equal(logprobs(policy), logprobs(plain))
    # A tiny Llama of 2 layers: hidden 32, feed-forward 64, 16 numbers of keys and of values; rank (in + out) a matrix.
    in_and_out = (32 + 32) + 2 * (32 + 16) + (32 + 32) + 2 * (32 + 64) + (64 + 32)
    assert sum(parameter.numel() for parameter in policy.parameters()) == 2 * 4 * in_and_out
    assert policy.num_parameters() == plain.num_parameters() + 2 * 4 * in_and_out


def test_the_base_stands_still_and_is_the_reference_without_a_second_model():
    policy, reference = trained()
    assert reference.model is policy.model
    moved = logprobs(policy)
    assert largest(moved, logprobs(tiny_policy())) > 1e-3
    assert torch.equal(logprobs(reference), logprobs(tiny_policy()))
    assert torch.equal(logprobs(policy), moved), "the adapters are on again"


def test_kl_to_the_base_gives_the_gradient_that_a_second_model_gives():
    one, other = trained(1)[0], trained(1)[0]
    improve(one, torch.optim.SGD(one.parameters(), lr=1.0), BATCH, RECIPE, one.frozen_copy())
    improve(other, torch.optim.SGD(other.parameters(), lr=1.0), BATCH, RECIPE, tiny_policy())
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_what_is_saved_is_an_ordinary_model_of_the_same_log_probabilities(tmp_path):
    policy, _ = trained()
    policy.save(tmp_path)
    opened = LocalPolicy.load(str(tmp_path))
    assert not lora.adapted(opened.model)
    assert largest(logprobs(opened), logprobs(policy)) < 2e-6
    # The base, told apart by its name, with W + alpha / rank * B A by hand.
    name = "model.layers.1.mlp.up_proj"
    layer = policy.model.get_submodule(name)
    by_hand = layer.base_layer.weight + 8 / 4 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    assert largest(opened.model.get_submodule(name).weight, by_hand) < 1e-7


def test_the_adapters_beside_it_are_opened_by_peft(tmp_path):
    policy, _ = trained()
    policy.save(tmp_path)
    opened = peft.PeftModel.from_pretrained(tiny_policy().model, tmp_path / lora.FOLDER)
    theirs = LocalPolicy(opened.merge_and_unload(), policy.tokenizer)
    assert largest(logprobs(theirs), logprobs(policy)) < 2e-6
    assert json.loads((tmp_path / lora.FOLDER / "adapter_config.json").read_text())["r"] == 4


def test_what_decodes_is_the_merged_model():
    policy, _ = trained()
    said = policy.sample([PROMPT], 4, Sampling(max_tokens=6), seed=0)[0]
    scores = policy.score(PROMPT, [said_.token_ids for said_ in said], temperature=1.0)
    for row, completion in enumerate(said):
        expected = scores.logprob_BT[row, : len(completion.token_ids)]
        assert largest(torch.tensor(completion.logprobs), expected.detach()) < 1e-5


def test_adapters_come_back_bit_for_bit(tmp_path):
    policy, _ = trained()
    policy.save(tmp_path)
    other = adapted(seed=5)
    other.load_weights(tmp_path)
    for mine, theirs in zip(policy.weights(), other.weights(), strict=True):
        assert torch.equal(mine, theirs)
    with pytest.raises(ModelError, match="do not fit"):
        adapted(LoraSection(rank=2, alpha=8)).load_weights(tmp_path)
    tiny_policy().save(tmp_path / "full")
    with pytest.raises(ModelError, match="holds no adapter"):
        other.load_weights(tmp_path / "full")


def test_in_bfloat16_the_base_is_kept_in_it_and_the_adapters_are_not(tmp_path):
    path = tiny_policy()
    path.save(tmp_path)
    policy = LocalPolicy.load(str(tmp_path), dtype="bfloat16", lora=LoraSection(rank=4))
    kinds = {name: weight.dtype for name, weight in policy.model.named_parameters()}
    assert {kind for name, kind in kinds.items() if "lora_" in name} == {torch.float32}
    assert {kind for name, kind in kinds.items() if "lora_" not in name} == {torch.bfloat16}
    optimizer = make_optimizer(policy, RECIPE)
    before = [weight.detach().clone() for weight in policy.parameters()]
    improve(policy, optimizer, BATCH, RECIPE, policy.frozen_copy())
    assert any(not torch.equal(old, new) for old, new in zip(before, policy.parameters(), strict=True))


def test_chosen_layers_and_wrong_ones():
    policy = adapted(LoraSection(rank=2, targets=("q_proj", "v_proj")))
    assert len(lora.adapted(policy.model)) == 4
    for wrong in ("no_such_layer", "embed_tokens"):
        with pytest.raises(ModelError, match=r"model\.lora\.targets"):
            adapted(LoraSection(targets=(wrong,)))
    with pytest.raises(ModelError, match="embedding"):
        adapted(LoraSection(targets=("lm_head",)))


def test_the_draw_of_the_adapters_is_the_seeds():
    one, same, other = adapted(seed=1), adapted(seed=1), adapted(seed=2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
