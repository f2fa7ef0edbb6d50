"""Truncated importance sampling: its weights by hand, and that it makes an off-policy gradient the policy's own."""

import math

import pytest
import torch

from polymath.errors import TrainingError
from polymath.prompts import Prompt
from polymath.recipe import SamplerSection
from polymath.training.correction import correct, importance_ratio, is_off
from polymath.training.credit import Seen, Weighed

PROMPT = Prompt(text="p")


def response(*sampler, advantage=1.0):
    given = torch.tensor(sampler) if sampler else None
    return Weighed(prompt=PROMPT, token_ids=(5, 6), advantage=advantage, sampler_logprobs=given)


def seen(*logprobs):
    return Seen(logprob_T=torch.tensor(logprobs), entropy_T=torch.zeros(len(logprobs)))


def weights(correction, cap=2.0):
    batch = [response(-1.0, -2.0, advantage=-3.0), response(-0.5, -0.5), response()]
    now = [seen(-1.0 + math.log(1.5), -2.0 + math.log(4.0)), seen(-0.5 + math.log(0.5), -0.5), seen(-9.0, -9.0)]
    return correct(batch, now, SamplerSection(name="vllm", correction=correction, correction_cap=cap))


def test_by_token_each_ratio_is_cut_off_at_the_cap_and_never_raised():
    found, measured = weights("token")
    assert found[0].advantage.tolist() == pytest.approx([-4.5, -6.0])
    assert found[1].advantage.tolist() == pytest.approx([0.5, 1.0])
    assert found[2].advantage == 1.0  # said by the policy itself
    assert measured["sampler/ratio_mean"] == pytest.approx((1.5 + 4 + 0.5 + 1) / 4)
    assert measured["sampler/capped_frac"] == 0.25
    # KL(sampler || policy) by k1 and k3 of the four tokens.
    logs = [math.log(ratio) for ratio in (1.5, 4.0, 0.5, 1.0)]
    assert measured["sampler/kl"] == pytest.approx(-sum(logs) / 4, abs=1e-6)
    k3 = sum(math.exp(log) - 1 - log for log in logs) / 4
    assert measured["sampler/k3_kl"] == pytest.approx(k3, rel=1e-5)
    assert measured["sampler/max_abs_difference"] == pytest.approx(math.log(4), abs=1e-6)


def test_by_sequence_the_ratio_is_that_of_the_whole_response():
    found, measured = weights("sequence", cap=5.0)
    assert found[0].advantage.tolist() == pytest.approx([-15.0, -15.0])
    assert found[1].advantage.tolist() == pytest.approx([0.5, 0.5])
    assert measured["sampler/capped_frac"] == 0.5


def test_a_ratio_beyond_any_is_bounded():
    assert importance_ratio(torch.tensor([900.0, -900.0]), "token").tolist() == pytest.approx(
        [math.exp(20), math.exp(-20)]
    )


def test_what_is_not_finite_is_told_in_words():
    with pytest.raises(TrainingError, match="not finite"):
        correct([response(float("nan"), -1.0)], [seen(-1.0, -1.0)], SamplerSection(name="vllm"))
    assert is_off([response(), response(-1.0, -1.0)]) and not is_off([response()])


def test_the_weighed_gradient_of_another_distribution_is_the_policys_own():
    """Over all responses of two tokens, each with its probability under the sampler, without a cap in reach."""
    torch.manual_seed(0)
    logits_V, off_V = torch.randn(4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    reward_VV = torch.randn(4, 4, dtype=torch.float64)
    wanted = gradient(logits_V, logits_V, reward_VV, None)
    settings = SamplerSection(name="vllm", correction="sequence", correction_cap=1e9)
    assert gradient(logits_V, off_V, reward_VV, settings).tolist() == pytest.approx(wanted.tolist(), abs=1e-12)
    assert gradient(logits_V, off_V, reward_VV, None).tolist() != pytest.approx(wanted.tolist(), abs=1e-2)


def gradient(logits_V, sampler_V, reward_VV, settings):
    """E over the sampler's draws of advantage * grad log p, by the policy's logits."""
    logits_V = logits_V.clone().requires_grad_()
    logprob_V, drawn_V = logits_V.log_softmax(0), sampler_V.log_softmax(0)
    total = torch.zeros((), dtype=torch.float64)
    for first in range(4):
        for second in range(4):
            pair = [first, second]
            item = Weighed(
                prompt=PROMPT,
                token_ids=(first, second),
                advantage=float(reward_VV[first, second]),
                sampler_logprobs=drawn_V[pair],
            )
            advantage = torch.full((2,), item.advantage, dtype=torch.float64)
            if settings is not None:
                now = Seen(logprob_T=logprob_V[pair].detach(), entropy_T=torch.zeros(2))
                advantage = correct([item], [now], settings)[0][0].advantage
            total = total + drawn_V[pair].sum().exp() * (advantage * logprob_V[pair]).sum()
    total.backward()
    return logits_V.grad
