"""Every loss by hand, and its gradient against finite differences in float64."""

import math

import pytest
import torch

from polymath.recipe import LossSection
from polymath.training.losses import (
    AGGREGATIONS,
    KL_ESTIMATORS,
    RESPONSE_LOSSES,
    TOKEN_LOSSES,
    Lengths,
    cispo,
    clip,
    gspo,
    k1,
    k2,
    k3,
    log_likelihood,
    mirror,
    nothing,
    unclipped,
)

DUAL = {"epsilon_low": 0.2, "epsilon_high": 0.28, "dual_clip": 3.0}


def tokens(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def loss_and_slope(function, log_ratio, advantage, **settings):
    """Loss of one token with this advantage, and its derivative by the log-probability. The old one is -1."""
    logprob = tokens(-1.0 + log_ratio)
    found = function(logprob, torch.full_like(logprob, -1.0).detach(), LossSection(**settings))
    loss = max(advantage, 0.0) * found.up + max(-advantage, 0.0) * found.down
    (loss + 0 * logprob).sum().backward()  # one loss is a constant
    return loss.item(), logprob.grad.item()


# ratio, advantage, loss and slope by hand at 0.2 / 0.28 / dual clip 3; the slope of an unclipped -ratio * A is itself.
CASES = [
    (1.0, 1.0, -1.0, -1.0),
    (1.2, 1.0, -1.2, -1.2),
    (1.5, 1.0, -1.28, 0.0),
    (0.5, 1.0, -0.5, -0.5),
    (0.5, -1.0, 0.8, 0.0),
    (0.9, -2.0, 1.8, 1.8),
    (2.0, -1.0, 2.0, 2.0),
    (5.0, -1.0, 3.0, 0.0),
    (5.0, -0.5, 1.5, 0.0),
    (5.0, 1.0, -1.28, 0.0),
]


@pytest.mark.parametrize(("ratio", "advantage", "loss", "slope"), CASES)
def test_the_dual_clip_bounds_what_a_token_pushed_down_may_lose(ratio, advantage, loss, slope):
    found = loss_and_slope(clip, math.log(ratio), advantage, **DUAL)
    assert found == pytest.approx((loss, slope), abs=1e-12)


def test_without_a_dual_clip_a_token_pushed_down_may_lose_anything():
    assert loss_and_slope(clip, math.log(50.0), -1.0) == pytest.approx((50.0, 50.0))


def test_ratios_that_would_overflow_are_bounded():
    loss, _ = loss_and_slope(clip, 800.0, -1.0)
    assert loss == pytest.approx(math.exp(20.0))


def test_where_the_clip_leaves_no_gradient_is_said():
    logprob, old = tokens(0.5, 0.0, -0.5) - 1.0, tokens(0.0, 0.0, 0.0) - 1.0
    found = clip(logprob, old, LossSection())
    assert found.is_clipped_up.tolist() == [True, False, False]
    assert found.is_clipped_down.tolist() == [False, False, True]


def test_cispo_keeps_the_gradient_that_the_clip_takes():
    """recipes.md 8: ratio 1.5 and A = 1; PPO at 0.2 has none, CISPO at 0.28 has 1.28 * grad log p."""
    assert loss_and_slope(clip, math.log(1.5), 1.0)[1] == 0.0
    assert loss_and_slope(cispo, math.log(1.5), 1.0, epsilon_high=0.28)[1] == pytest.approx(-1.28)
    assert loss_and_slope(cispo, math.log(1.5), -2.0, epsilon_high=0.28)[1] == pytest.approx(2.56)
    assert loss_and_slope(cispo, math.log(0.5), 1.0, epsilon_high=0.28)[1] == pytest.approx(-0.5)


def gspo_of(log_ratios, mask, advantage, **settings):
    """Loss of each token and its slope, of responses whose old log-probabilities are -1."""
    mask_UT = torch.tensor(mask, dtype=torch.float64)
    logprob_UT = (torch.tensor(log_ratios, dtype=torch.float64) - 1.0).requires_grad_()
    found = gspo(logprob_UT, torch.full_like(logprob_UT, -1.0).detach(), LossSection(**settings), mask_UT)
    loss_UT = (found.up if advantage > 0 else found.down) * abs(advantage) * mask_UT
    (loss_UT.sum(1) / mask_UT.sum(1)).sum().backward()
    return loss_UT.detach(), logprob_UT.grad


def test_gspo_takes_the_ratio_of_the_whole_response():
    """recipes.md 8: log-ratios .02 -.01 .05 give s = exp(.02) = 1.02020."""
    loss_UT, slope_UT = gspo_of([[0.02, -0.01, 0.05]], [[1, 1, 1]], 1.0)
    assert loss_UT[0].tolist() == pytest.approx([-1.02020] * 3, abs=5e-6)
    assert slope_UT[0].tolist() == pytest.approx([-math.exp(0.02) / 3] * 3)


def test_gspo_clips_whole_responses_and_leaves_padding_out():
    """The first response has a mean log-ratio of .3 over its two tokens, the second one of -.01 over three."""
    loss_UT, slope_UT = gspo_of([[0.1, 0.5, 9.0], [0.02, -0.1, 0.05]], [[1, 1, 0], [1, 1, 1]], 1.0)
    assert loss_UT[0].tolist() == pytest.approx([-1.2, -1.2, 0.0])
    assert slope_UT[0].tolist() == [0.0, 0.0, 0.0]
    assert slope_UT[1].tolist() == pytest.approx([-math.exp(-0.01) / 3] * 3)


def gspo_objective(log_ratio_T, advantage, epsilon):
    """The paper's: -min(s * A, clip(s) * A), s the geometric mean of the ratios."""
    s = math.exp(sum(log_ratio_T) / len(log_ratio_T))
    return -min(s * advantage, min(max(s, 1 - epsilon), 1 + epsilon) * advantage)


@pytest.mark.parametrize("advantage", [1.3, -0.7])
@pytest.mark.parametrize("log_ratios", [(0.02, -0.01, 0.05), (0.5, 0.1, 0.4), (-0.5, 0.1, -0.9), (0.1, 0.3, -0.05)])
def test_the_gradient_of_gspo_is_that_of_the_papers_objective(log_ratios, advantage):
    _, slope_UT = gspo_of([log_ratios], [[1, 1, 1]], advantage)
    step = 1e-6
    for place in range(3):
        up, down = list(log_ratios), list(log_ratios)
        up[place] += step
        down[place] -= step
        numeric = (gspo_objective(up, advantage, 0.2) - gspo_objective(down, advantage, 0.2)) / (2 * step)
        assert slope_UT[0, place].item() == pytest.approx(numeric, abs=1e-8)


# Losses whose value has the gradient that they are made for (those of gspo and cispo are carried past a stop).
DIFFERENTIABLE = [
    (clip, {}),
    (clip, {"epsilon_low": 0.1, "epsilon_high": 0.28}),
    (clip, DUAL),
    (unclipped, {}),
    (log_likelihood, {}),
    (nothing, {}),
]


@pytest.mark.parametrize(("function", "settings"), DIFFERENTIABLE)
@pytest.mark.parametrize("advantage", [1.7, -0.6])
def test_losses_agree_with_finite_differences(function, settings, advantage):
    step = 1e-6
    for log_ratio in (-1.5, -0.3, -0.15, 0.0, 0.05, 0.2, 0.3, 0.9, 1.5):
        _, slope = loss_and_slope(function, log_ratio, advantage, **settings)
        up, down = (loss_and_slope(function, log_ratio + way * step, advantage, **settings)[0] for way in (1, -1))
        assert slope == pytest.approx((up - down) / (2 * step), abs=1e-7)


def test_every_token_loss_grows_in_proportion_to_the_advantage_and_is_odd_on_policy():
    """On the policy all push alike: up is minus down, and the slope is -A."""
    for name, function in TOKEN_LOSSES.items():
        slope = 0.0 if name == "entropy" else 1.0
        assert loss_and_slope(function, 0.0, 1.0)[1] == pytest.approx(-slope), name
        assert loss_and_slope(function, 0.0, -2.0)[1] == pytest.approx(2 * slope), name


def test_the_mirror_term_is_the_squared_log_ratio_of_the_response():
    """tau / 2 * (.3 - .1)^2 and its slope tau * .2 by every token; padding bears nothing."""
    mask_UT = torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64)
    logprob_UT = torch.tensor([[-0.7, -1.1, 5.0]], dtype=torch.float64, requires_grad=True)
    loss_UT = mirror(logprob_UT, torch.full_like(logprob_UT, -1.0).detach(), mask_UT, tau=0.5)
    loss_UT.sum().backward()
    assert loss_UT.sum().item() == pytest.approx(0.25 * 0.04)
    assert logprob_UT.grad[0].tolist() == pytest.approx([0.1, 0.1, 0.0])


def test_kl_estimators_by_hand():
    """Log-probabilities -1 and -1.5: the ratio of the reference to the policy is exp(-.5)."""
    policy, reference = tokens(-1.0), tokens(-1.5).detach()
    assert k1(policy, reference).item() == 0.5
    assert k2(policy, reference).item() == 0.125
    assert k3(policy, reference).item() == pytest.approx(math.exp(-0.5) + 0.5 - 1)


@pytest.mark.parametrize("name", KL_ESTIMATORS)
def test_kl_estimators_agree_with_finite_differences(name):
    reference, step = torch.tensor(-1.2, dtype=torch.float64), 1e-6
    for value in (-3.0, -1.2, -0.4):
        logprob = tokens(value)
        KL_ESTIMATORS[name](logprob, reference).sum().backward()
        up, down = (KL_ESTIMATORS[name](tokens(value + way * step), reference).item() for way in (1, -1))
        assert logprob.grad.item() == pytest.approx((up - down) / (2 * step), abs=1e-8)


def expected_over_draws(estimator, policy, reference):
    """Exact expectations over one token: of the estimate, and of its gradient by the policy's logits."""
    logits = policy.log().requires_grad_()
    logprob = logits.log_softmax(-1)
    estimate = estimator(logprob, reference.log())
    probability = policy / policy.sum()
    value = (probability * estimate).sum()
    value.backward()  # the probabilities are constants: a draw has no gradient
    return value.item(), logits.grad


def test_k1_and_k3_are_right_on_average_and_k2_has_the_right_gradient():
    policy = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    reference = torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64)
    logits = policy.log().requires_grad_()
    exact = (logits.softmax(-1) * (logits.log_softmax(-1) - reference.log())).sum()
    exact.backward()
    value1, gradient1 = expected_over_draws(k1, policy, reference)
    _, gradient2 = expected_over_draws(k2, policy, reference)
    value3, gradient3 = expected_over_draws(k3, policy, reference)
    assert value1 == pytest.approx(exact.item())
    assert value3 == pytest.approx(exact.item())
    assert gradient1.abs().max() < 1e-12
    assert torch.allclose(gradient2, logits.grad)
    # k3 as a loss pulls towards the reference, with the gradient of the other divergence: probability - reference.
    assert torch.allclose(gradient3, policy - reference)


def test_aggregations_weigh_tokens_as_they_say():
    """Lengths 2 and 8, at most 10: three different sums of ones by hand, recipes.md 6."""
    lengths = Lengths(tokens=[2, 8], micro_batch=[0, 0], max_tokens=10)
    weights = {name: function(lengths) for name, function in AGGREGATIONS.items()}
    assert weights["sequence_mean"] == [1 / 4, 1 / 16]
    assert weights["token_mean"] == [1 / 10, 1 / 10]
    assert weights["constant_length"] == [1 / 20, 1 / 20]
    assert weights["verl_micro_batches"] == [1 / 10, 1 / 10]


def test_micro_batch_weighting_depends_on_the_cut():
    """Two responses of 2 and 8 tokens in one micro-batch, one of 5 in another: 2/3 over 10, and 1/3 over 5."""
    found = AGGREGATIONS["verl_micro_batches"](Lengths(tokens=[2, 5, 8], micro_batch=[0, 1, 0], max_tokens=10))
    assert found == pytest.approx([2 / 3 / 10, 1 / 3 / 5, 2 / 3 / 10])


def test_every_loss_of_a_recipe_is_there():
    names = set(LossSection.model_fields["name"].annotation.__args__)
    assert names == set(TOKEN_LOSSES) | set(RESPONSE_LOSSES)
