"""One optimizer step: exact under splitting, right against finite differences, and it really moves the weights."""

import pytest
import torch

from polymath.errors import TrainingError
from polymath.prompts import Prompt
from polymath.recipe import make_recipe
from polymath.testing import tiny_policy
from polymath.training.credit import Weighed
from polymath.training.update import improve, make_optimizer, micro_batches, update_once

PROMPT, OTHER = Prompt(text="7*8="), Prompt(text="which one?")
BATCH = [
    Weighed(prompt=PROMPT, token_ids=(5, 9, 77, 1), advantage=1.5),
    Weighed(prompt=PROMPT, token_ids=(30, 1), advantage=-0.5),
    Weighed(prompt=OTHER, token_ids=(8, 8, 8), advantage=-1.0),
    Weighed(prompt=PROMPT, token_ids=(5, 9, 70, 71, 72, 1), advantage=0.25),
]


def recipe(**sections):
    return make_recipe({"rollout": {"num_groups": 4, "group_size": 2}, **sections})


def gradients(batch, settings, reference=None):
    """Gradients of the step's loss, caught before the optimizer uses them."""
    policy = tiny_policy()
    caught = []

    class Catch(torch.optim.SGD):
        def step(self, closure=None):
            caught.extend(parameter.grad.clone() for parameter in policy.parameters())

    measured = update_once(policy, Catch(policy.parameters(), lr=1.0), batch, settings, reference)
    return caught, measured


@pytest.mark.parametrize("aggregation", ["sequence_mean", "token_mean"])
def test_micro_batches_add_up_to_the_large_batch(aggregation):
    large = recipe(loss={"aggregation": aggregation}, optimizer={"max_grad_norm": 1e9})
    small = recipe(loss={"aggregation": aggregation}, optimizer={"max_grad_norm": 1e9}, train={"micro_batch_tokens": 1})
    (whole, whole_measured), (split, split_measured) = gradients(BATCH, large), gradients(BATCH, small)
    for one, other in zip(whole, split, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert whole_measured.pop("computed_frac") < split_measured.pop("computed_frac") == 1
    assert whole_measured == pytest.approx(split_measured, rel=1e-4)


def test_the_order_of_responses_does_not_matter():
    settings = recipe(optimizer={"max_grad_norm": 1e9})
    forward, backward = gradients(BATCH, settings)[0], gradients(BATCH[::-1], settings)[0]
    for one, other in zip(forward, backward, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_the_gradient_is_that_of_the_advantage_weighted_log_likelihood():
    """On-policy the clipped loss has the gradient of -A * log p, each response's tokens averaged."""
    settings = recipe(optimizer={"max_grad_norm": 1e9})
    found, _ = gradients(BATCH, settings)
    policy = tiny_policy()
    loss = 0.0
    for item in BATCH:
        logprob = policy.score(item.prompt, [item.token_ids], temperature=1.0).logprob_BT
        loss = loss - item.advantage * logprob.mean() / len(BATCH)
    loss.backward()
    for one, parameter in zip(found, policy.parameters(), strict=True):
        assert torch.allclose(one, parameter.grad, atol=1e-5)


def test_the_entropy_and_kl_terms_agree_with_finite_differences():
    """The loss along a random direction, computed twice a small way apart, in float64."""
    torch.manual_seed(0)
    settings = recipe(entropy={"coefficient": 0.3}, kl={"coefficient": 0.2}, optimizer={"max_grad_norm": 1e9})
    policy, reference = tiny_policy(), tiny_policy(seed=7)
    policy.model.double()
    reference.model.double()
    directions = [torch.randn_like(parameter) for parameter in policy.parameters()]

    def loss_at(shift):
        """Entropy and KL only: the clipped ratio's value is not differentiable through its own old policy."""
        moved = tiny_policy()
        moved.model.double()
        with torch.no_grad():
            for parameter, direction in zip(moved.parameters(), directions, strict=True):
                parameter += shift * direction
        still = [Weighed(prompt=item.prompt, token_ids=item.token_ids, advantage=0.0) for item in BATCH]
        frozen = torch.optim.SGD(moved.parameters(), lr=0.0)
        return update_once(moved, frozen, still, settings, reference)["loss"]

    step = 1e-4
    numeric = (loss_at(step) - loss_at(-step)) / (2 * step)
    caught = []

    class Catch(torch.optim.SGD):
        def step(self, closure=None):
            caught.extend(parameter.grad.clone() for parameter in policy.parameters())

    still = [Weighed(prompt=item.prompt, token_ids=item.token_ids, advantage=0.0) for item in BATCH]
    update_once(policy, Catch(policy.parameters(), lr=1.0), still, settings, reference)
    analytic = sum((grad * direction).sum().item() for grad, direction in zip(caught, directions, strict=True))
    assert analytic == pytest.approx(numeric, rel=1e-3)


def test_zero_advantage_moves_nothing():
    still = [Weighed(prompt=PROMPT, token_ids=(5, 9), advantage=0.0)] * 2
    found, measured = gradients(still, recipe())
    assert all(gradient.abs().max() == 0 for gradient in found)
    assert measured["grad_norm"] == 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_update_at_the_published_learning_rate_changes_the_weights(dtype):
    """At 1e-6 a bfloat16 weight would round its update away; float32 masters keep it."""
    policy = tiny_policy()
    policy.dtype = dtype
    before = [parameter.detach().clone() for parameter in policy.parameters()]
    settings = recipe(optimizer={"learning_rate": 1e-6})
    improve(policy, make_optimizer(policy, settings), BATCH, settings, None)
    changed = [
        bool((old != new).any()) for old, new in zip(before, policy.parameters(), strict=True) if old.numel() > 100
    ]
    assert all(changed)
    assert all(parameter.dtype == torch.float32 for parameter in policy.parameters())
    rounded = [parameter.detach().to(torch.bfloat16) for parameter in policy.parameters()]
    largest = max(rounded, key=lambda weight: weight.numel())
    place = next(i for i, weight in enumerate(rounded) if weight is largest)
    assert (largest == before[place].to(torch.bfloat16)).float().mean() > 0.9


def test_several_updates_a_step_use_the_policy_of_before_the_first():
    policy = tiny_policy()
    settings = recipe(train={"updates_per_step": 2}, optimizer={"learning_rate": 0.05})
    measured = improve(policy, make_optimizer(policy, settings), BATCH, settings, None)
    assert measured["clip_ratio/low_mean"] + measured["clip_ratio/high_mean"] > 0


def test_an_update_with_one_optimizer_step_never_clips():
    policy = tiny_policy()
    measured = improve(policy, make_optimizer(policy, recipe()), BATCH, recipe(), None)
    assert measured["clip_ratio/low_mean"] == measured["clip_ratio/high_mean"] == 0


def test_a_gradient_that_is_not_finite_is_told_and_leaves_the_weights():
    policy = tiny_policy()
    before = [parameter.detach().clone() for parameter in policy.parameters()]
    poisoned = [Weighed(prompt=PROMPT, token_ids=(5, 9), advantage=float("inf"))]
    with pytest.raises(TrainingError, match=r"not finite.*learning_rate"):
        update_once(policy, make_optimizer(policy, recipe()), poisoned, recipe(), None)
    assert all(torch.equal(old, new) for old, new in zip(before, policy.parameters(), strict=True))


def test_micro_batches_hold_one_prompt_and_at_most_the_budget():
    found = list(micro_batches(BATCH, max_tokens=8))
    assert sorted(row for rows in found for row in rows) == [0, 1, 2, 3]
    for rows in found:
        assert len({BATCH[row].prompt for row in rows}) == 1
        longest = max(len(BATCH[row].token_ids) for row in rows)
        assert len(rows) == 1 or longest * len(rows) <= 8
