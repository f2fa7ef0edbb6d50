"""What a look at the tokens of a step adds to advantages: golden values, and that nothing of it is differentiated."""

import math
from dataclasses import replace

import pytest
import torch

from polymath.prompts import Prompt
from polymath.recipe import AdvantageSection, LossSection, make_recipe
from polymath.testing import tiny_policy
from polymath.training.credit import (
    Seen,
    Weighed,
    assign,
    clip_cov_tokens,
    covariances,
    kl_cov_tokens,
    push_unanimous,
    relative_entropy,
    shape_by_perplexity,
    shape_by_position,
    tokens_of,
)
from polymath.training.update import improve

PROMPT = Prompt(text="7*8=")


def weighed(num_tokens, advantage, **others):
    return Weighed(prompt=PROMPT, token_ids=tuple(range(5, 5 + num_tokens)), advantage=advantage, **others)


def seen(logprobs, entropies=None):
    logprob_T = torch.tensor(logprobs, dtype=torch.float64)
    entropy_T = torch.zeros_like(logprob_T) if entropies is None else torch.tensor(entropies, dtype=torch.float64)
    return Seen(logprob_T=logprob_T, entropy_T=entropy_T)


ENTROPY = torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64)


def test_groups_that_agree_are_pushed_by_the_entropy_of_their_tokens():
    """recipes.md 26: alpha .1 and H .1 .5 2 give .01 .05 .2 where all are right, -.19 -.15 0 where all are wrong."""
    right = push_unanimous(weighed(3, 0.0, unanimous=1), ENTROPY, 0.1)
    wrong = push_unanimous(weighed(3, 0.0, unanimous=-1), ENTROPY, 0.1)
    assert right.advantage.tolist() == pytest.approx([0.01, 0.05, 0.2])
    assert wrong.advantage.tolist() == pytest.approx([-0.19, -0.15, 0.0])


def test_a_mixed_group_keeps_the_advantages_of_grpo():
    item = weighed(3, 1.6202)
    assert push_unanimous(item, ENTROPY, 0.1) is item


def test_late_tokens_are_pushed_more():
    """recipes.md 20: A = .8 and alpha = .1 at positions 0, 1/2, 1 give .8001 .85 .8999."""
    (found,) = shape_by_position([weighed(3, 0.8)], [seen([0.0] * 3)], 0.1)
    assert found.advantage.tolist() == pytest.approx([0.8001, 0.85, 0.8999], abs=5e-5)
    (found,) = shape_by_position([weighed(3, -0.8)], [seen([0.0] * 3)], 0.1)
    assert found.advantage.tolist() == pytest.approx([-0.8001, -0.85, -0.8999], abs=5e-5)


def test_the_position_adds_half_of_an_advantage_at_most():
    (found,) = shape_by_position([weighed(3, 0.02)], [seen([0.0] * 3)], 0.1)
    assert found.advantage[2].item() == pytest.approx(0.03)
    (found,) = shape_by_position([weighed(3, 0.0)], [seen([0.0] * 3)], 0.1)
    assert found.advantage.tolist() == [0.0, 0.0, 0.0]


def test_rollouts_of_high_perplexity_in_their_group_count_less():
    """Mean negative log-probabilities 1, 2, 3 in one group: z = -1, 0, 1. The other group is by itself: +-sqrt(1/2).

    At alpha = .1 the factors are 1.1, 1, .9; at alpha = 5 the clamps .8 and 1.2 hold.
    """
    part = [weighed(2, 2.0), weighed(1, -1.0), weighed(3, 4.0), weighed(1, 1.0, group=1), weighed(1, 1.0, group=1)]
    logprobs = [seen([-0.5, -1.5]), seen([-2.0]), seen([-3.0] * 3), seen([-7.0]), seen([-9.0])]
    half = math.sqrt(0.5)
    found = [item.advantage for item in shape_by_perplexity(part, logprobs, 0.1)]
    assert found == pytest.approx([2.2, -1.0, 3.6, 1 + 0.1 * half, 1 - 0.1 * half])
    found = [item.advantage for item in shape_by_perplexity(part, logprobs, 5.0)]
    assert found == pytest.approx([2.4, -1.0, 3.2, 1.2, 0.8])


def test_a_group_of_one_perplexity_keeps_its_advantages():
    part = [weighed(1, 2.0), weighed(1, -1.0), weighed(1, 3.0, group=1)]
    found = shape_by_perplexity(part, [seen([-1.0]), seen([-1.0]), seen([-4.0])], 0.1)
    assert [item.advantage for item in found] == [2.0, -1.0, 3.0]


def test_a_rollout_counts_as_its_entropy_over_that_of_the_step():
    """recipes.md 19: mean entropies .2 .4 .6 give weights .5 1 1.5."""
    entropies = [torch.tensor(values) for values in ([0.1, 0.3], [0.4], [0.6, 0.6, 0.6])]
    assert relative_entropy(entropies) == pytest.approx([0.5, 1.0, 1.5])
    assert relative_entropy([torch.zeros(2), torch.zeros(1)]) == [1.0, 1.0]


# Two responses: advantages 1 1 | -1, log-probabilities -1 -3 | -2. Means 1/3 and -2.
PART = [weighed(2, 1.0), weighed(1, -1.0)]
SEEN = [seen([-1.0, -3.0]), seen([-2.0])]


def test_covariances_are_those_of_all_tokens_of_the_step():
    found = covariances([tokens_of(item) for item in PART], [one.logprob_T for one in SEEN])
    assert found[0].tolist() == pytest.approx([2 / 3, -2 / 3])
    assert found[1].tolist() == pytest.approx([0.0])


def test_clip_cov_takes_tokens_between_its_bounds():
    loss = LossSection(name="clip_cov", cov_low=-0.1, cov_high=5.0, cov_fraction=1.0)
    assert [taken.tolist() for taken in clip_cov_tokens(PART, SEEN, loss, 0)] == [[True, False], [True]]
    narrow = loss.model_copy(update={"cov_low": 0.5})
    assert [taken.tolist() for taken in clip_cov_tokens(PART, SEEN, narrow, 0)] == [[True, False], [False]]


def test_clip_cov_draws_its_share_by_the_seed():
    """A third of three tokens is one; either of the two candidates comes up."""
    loss = LossSection(name="clip_cov", cov_low=-0.1, cov_high=5.0, cov_fraction=0.34)
    drawn = [[taken.tolist() for taken in clip_cov_tokens(PART, SEEN, loss, seed)] for seed in range(20)]
    assert all(sum(map(sum, found)) == 1 for found in drawn)
    assert [[True, False], [False]] in drawn and [[False, False], [True]] in drawn
    assert drawn[3] == [taken.tolist() for taken in clip_cov_tokens(PART, SEEN, loss, 3)]


def test_tokens_that_clip_cov_takes_push_nothing():
    loss = LossSection(name="clip_cov", cov_low=0.5, cov_high=5.0, cov_fraction=1.0)
    found = assign(PART, SEEN, AdvantageSection(), loss, 0)
    assert [tokens_of(item).tolist() for item in found] == [[0.0, 1.0], [-1.0]]


def test_kl_cov_holds_the_tokens_of_greatest_covariance():
    for fraction, held in (
        (0.3, [[True, False], [False]]),
        (0.7, [[True, False], [True]]),
        (0.0, [[False] * 2, [False]]),
    ):
        loss = LossSection(name="kl_cov", cov_fraction=fraction)
        assert [taken.tolist() for taken in kl_cov_tokens(PART, SEEN, loss)] == held
        assert [item.held.tolist() for item in assign(PART, SEEN, AdvantageSection(), loss, 0)] == held


def test_a_look_at_the_tokens_leaves_its_arguments_alone():
    before = list(PART)
    assign(PART, SEEN, AdvantageSection(shaping="position", weight="relative_entropy"), LossSection(name="kl_cov"), 0)
    assert before == PART and all(item.held is None and item.weight == 1.0 for item in PART)


BATCH = [
    Weighed(prompt=PROMPT, token_ids=(5, 9, 77, 1), advantage=1.5),
    Weighed(prompt=PROMPT, token_ids=(30, 1), advantage=-0.5),
    Weighed(prompt=PROMPT, token_ids=(5, 9, 70, 71, 72, 1), advantage=0.25),
]


def step_gradients(batch, **sections):
    """Gradients of one whole step."""
    policy = tiny_policy()
    policy.model.double()
    caught = []

    class Catch(torch.optim.SGD):
        def step(self, closure=None):
            caught.extend(parameter.grad.clone() for parameter in policy.parameters())

    settings = make_recipe({"optimizer": {"max_grad_norm": 1e9}, **sections})
    improve(policy, Catch(policy.parameters(), lr=1.0), batch, settings, None, seed=3)
    return torch.cat([gradient.flatten() for gradient in caught])


@pytest.mark.parametrize("unanimous", [1, -1])
def test_a_group_that_agrees_moves_by_the_entropies_as_constants(unanimous):
    """RL-ZVP by hand: the gradient of -A_t * log p_t, with A_t from entropies taken beforehand."""
    batch = [replace(item, advantage=0.0, unanimous=unanimous) for item in BATCH]
    found = step_gradients(batch, advantage={"name": "rl_zvp", "alpha": 0.3})
    policy = tiny_policy()
    policy.model.double()
    loss = 0.0
    for item in batch:
        scores = policy.score(PROMPT, [item.token_ids], temperature=1.0)
        entropy_T = scores.entropy_BT[0].detach()
        push_T = entropy_T if unanimous > 0 else entropy_T - entropy_T.max()
        loss = loss - (0.3 * push_T * scores.logprob_BT[0]).mean() / len(batch)
    loss.backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in policy.parameters()])
    assert expected.abs().max() > 1e-5
    assert (found - expected).abs().max() < 1e-6 * expected.abs().max()


def test_a_step_that_agrees_and_is_not_pushed_by_entropies_moves_nothing():
    batch = [replace(item, advantage=0.0, unanimous=1) for item in BATCH]
    assert step_gradients(batch).abs().max() == 0


@pytest.mark.parametrize("name", ["clip_cov", "kl_cov"])
def test_a_share_of_zero_tokens_is_the_loss_without(name):
    plain = step_gradients(BATCH)
    assert torch.equal(step_gradients(BATCH, loss={"name": name, "cov_fraction": 0.0}), plain)


def test_all_tokens_taken_by_clip_cov_move_nothing():
    loss = {"name": "clip_cov", "cov_fraction": 1.0, "cov_low": -1e9, "cov_high": 1e9}
    assert step_gradients(BATCH, loss=loss).abs().max() == 0
