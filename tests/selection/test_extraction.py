"""Features of the lab's real model against plain transformers and autograd, one row at a time, nothing shared."""

import copy
import math

import numpy as np
import pytest
import torch

from polymath.jobs import load_policy
from polymath.judge import judge
from polymath.lab.draws import draw_samples
from polymath.prompts import TEMPLATES, render
from polymath.recipe import make_recipe
from polymath.rollouts.policy import Sampling
from polymath.selecting.extraction import gradient_features, hidden_features, policy_gradient
from polymath.selecting.parameters import PARAMS, lora_down
from polymath.selection.gradients import project
from polymath.testing import tiny_policy
from polymath.training.update import Weighed, update_once

SAMPLE = draw_samples(6, seed=1_000_000)[1]
PROMPT = render(SAMPLE, TEMPLATES["plain"])
NUM_DRAWS = 24


@pytest.fixture(scope="module")
def policy():
    return load_policy("lab", device="cpu", dtype="float32", threads=1)


@pytest.fixture(scope="module")
def draws(policy):
    """Answers, some right and some wrong, and GRPO's advantages by hand."""
    completions = policy.sample([PROMPT], NUM_DRAWS, Sampling(max_tokens=48), seed=3)[0]
    rewards = [float(judge(one.text, SAMPLE, is_truncated=one.is_truncated).outcome == "right") for one in completions]
    mean = sum(rewards) / NUM_DRAWS
    assert 0 < mean < 1, "the test needs a group that is not unanimous"
    deviation = math.sqrt(sum((reward - mean) ** 2 for reward in rewards) / (NUM_DRAWS - 1))
    advantages = [(reward - mean) / (deviation + 1e-6) for reward in rewards]
    return [(one.token_ids, advantage) for one, advantage in zip(completions, advantages, strict=True)]


def full_gradient(policy, model, draws):
    """Name to gradient of every weight: each prompt with its answer run by itself, one backward for all."""
    model.zero_grad()
    prompt_ids = policy.encode(PROMPT)
    for token_ids, advantage in draws:
        ids = torch.tensor([[*prompt_ids, *token_ids]])
        logprob = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        said = logprob[torch.arange(len(prompt_ids) - 1, ids.shape[1] - 1), ids[0, len(prompt_ids) :]]
        (advantage * said.mean() / len(draws)).backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    return found


@pytest.fixture(scope="module")
def expected(policy, draws):
    """On a copy whose output matrix is not tied to the embedding, so that each use has its own gradient."""
    model = copy.deepcopy(policy.model)
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    return full_gradient(policy, model, draws)


def extracted(policy, draws, params):
    weighed = [Weighed(prompt=PROMPT, token_ids=ids, advantage=advantage) for ids, advantage in draws]
    with PARAMS[params](policy.model, 5) as parameters:
        return policy_gradient(policy, weighed, parameters)


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-6)


def test_the_last_layers_gradient_is_the_full_gradient_restricted_to_it(policy, draws, expected):
    names = [name for name in expected if name.startswith("model.layers.3.")]
    assert len(names) == 9  # four of attention, three of the feed-forward, two norms; the model has four layers
    assert_equal(extracted(policy, draws, "last_layer"), [expected[name] for name in names])


def test_the_heads_gradient_leaves_its_use_as_embedding_out(policy, draws, expected):
    assert_equal(extracted(policy, draws, "lm_head"), [expected["lm_head.weight"]])


def test_the_adapters_gradient_is_that_of_every_linear_map_times_its_random_matrix(policy, draws, expected):
    maps = [gradient for name, gradient in expected.items() if ".layers." in name and gradient.ndim == 2]
    assert len(maps) == 4 * 7
    projected = [gradient @ lora_down(5, place, gradient.shape[1]).T for place, gradient in enumerate(maps)]
    assert_equal(extracted(policy, draws, "lora"), projected)


def test_all_weights_have_the_full_gradient_with_tied_ones_once(policy, draws):
    model = copy.deepcopy(policy.model)
    assert_equal(extracted(policy, draws, "all"), list(full_gradient(policy, model, draws).values()))


@pytest.mark.parametrize("params", PARAMS)
def test_the_model_is_as_before_afterwards(policy, draws, params):
    before = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    names = [name for name, _ in policy.model.named_parameters()]
    extracted(policy, draws[:2], params)
    assert [name for name, weight in policy.model.named_parameters() if weight.requires_grad] == names
    assert all(torch.equal(weight, before[name]) for name, weight in policy.model.state_dict().items())
    assert policy.model.lm_head.weight is policy.model.model.embed_tokens.weight
    assert not any(module._forward_hooks for module in policy.model.modules())
    assert all(weight.grad is None for weight in policy.model.parameters())


def test_the_trainers_first_update_goes_that_way():
    """Plain SGD with rate 1 moves the weights by exactly the gradient of all of them."""
    policy, prompt = tiny_policy(), render(SAMPLE, TEMPLATES["plain"])
    batch = [
        Weighed(prompt=prompt, token_ids=(5, 9, 77, 1), advantage=1.5),
        Weighed(prompt=prompt, token_ids=(30, 1), advantage=-0.5),
        Weighed(prompt=prompt, token_ids=(8, 8, 8), advantage=0.0),
    ]
    with PARAMS["all"](policy.model, 0) as parameters:
        gradient = policy_gradient(policy, batch, parameters)
    before = [weight.detach().clone() for weight in policy.parameters()]
    recipe = make_recipe({"rollout": {"num_groups": 1, "group_size": 3}, "optimizer": {"max_grad_norm": 1e9}})
    update_once(policy, torch.optim.SGD(policy.parameters(), lr=1.0), batch, recipe, None)
    moved = [after.detach() - old for after, old in zip(policy.parameters(), before, strict=True)]
    for one, other in zip(gradient, moved, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_a_samples_gradient_is_projected_and_its_length_is_that_before(policy):
    options = {"num_draws": NUM_DRAWS, "max_tokens": 48, "params": "last_layer", "seed": 0}
    whole = gradient_features(policy, SAMPLE, PROMPT, proj_dim=0, **options)
    small = gradient_features(policy, SAMPLE, PROMPT, proj_dim=256, **options)
    size = sum(weight.numel() for weight in policy.model.model.layers[3].parameters())
    assert whole.array.shape == (size,) and small.array.shape == (256,)
    assert 0 < whole.facts["right"] < NUM_DRAWS
    assert small.facts == whole.facts
    assert whole.facts["gradient_norm"] == pytest.approx(np.linalg.norm(whole.array))
    assert np.linalg.norm(small.array) == pytest.approx(whole.facts["gradient_norm"], rel=0.35)


def test_a_unanimous_group_has_no_gradient(policy):
    never = SAMPLE.model_copy(update={"answer": "123456789", "answer_type": "number", "unit": None})
    found = gradient_features(
        policy, never, PROMPT, num_draws=4, max_tokens=48, params="last_layer", proj_dim=64, seed=0
    )
    assert found.facts["right"] == 0 and found.facts["gradient_norm"] == 0
    assert not found.array.any()


def test_hidden_states_equal_those_of_a_plain_forward(policy):
    """Taken from the layers themselves by hooks, and as transformers lists them."""
    found = hidden_features(policy, PROMPT, max_tokens=48, seed=0)
    prompt_ids = policy.encode(PROMPT)
    generated = policy.model.generate(
        torch.tensor([prompt_ids]), do_sample=False, max_new_tokens=48, pad_token_id=0, use_cache=False
    )
    length = generated.shape[1] - len(prompt_ids)
    assert found.facts["num_tokens"] == length > 3
    caught = []
    hooks = [
        layer.register_forward_hook(lambda module, inputs, output: caught.append(output))
        for layer in policy.model.model.layers
    ]
    with torch.no_grad():
        said = policy.model(generated, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    layers = [*caught[:-1], policy.model.model.norm(caught[-1])]
    for ours, listed in zip(layers, said.hidden_states[1:], strict=True):
        torch.testing.assert_close(ours, listed)
    ends = [torch.stack([layer[0, place] for layer in layers]).mean(0) for place in (len(prompt_ids), -1)]
    torch.testing.assert_close(torch.tensor(found.array), torch.stack(ends).detach(), rtol=1e-4, atol=1e-5)
    probability = said.logits[0, len(prompt_ids) - 1 : -1].double().softmax(-1)
    entropy = -(probability * probability.log()).sum(-1)
    assert found.facts["hes"] == pytest.approx(float(entropy.max()), rel=1e-4)
    assert found.facts["mean_entropy"] == pytest.approx(float(entropy.mean()), rel=1e-4)


def test_projections_of_real_gradients_keep_their_cosines(policy):
    """Last-layer gradients of six lab samples: 200,000 coordinates to 512, over 8 random matrices."""
    samples = draw_samples(16, seed=1_000_000)
    options = {"num_draws": 8, "max_tokens": 48, "params": "last_layer", "proj_dim": 0, "seed": 0}
    rows = []
    for one in samples:
        array = gradient_features(policy, one, render(one, TEMPLATES["plain"]), **options).array
        rows += [array] if array.any() and len(rows) < 6 else []
    assert len(rows) == 6
    pairs = np.triu_indices(6, 1)
    unit = np.stack(rows) / np.linalg.norm(rows, axis=1, keepdims=True)
    errors = []
    for seed in range(8):
        small = np.stack([project([row], 512, seed) for row in rows])
        small /= np.linalg.norm(small, axis=1, keepdims=True)
        errors.append((small @ small.T - unit @ unit.T)[pairs])
    assert np.sqrt(np.mean(np.square(errors))) < 1.3 / np.sqrt(512)
    assert np.abs(errors).max() < 5 / np.sqrt(512)
