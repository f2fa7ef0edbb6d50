"""An update equals a plain loop over response tokens, however its responses are ordered, cut, padded and shared."""

import random
from dataclasses import replace

import pytest
import torch

from polymath.prompts import Prompt
from polymath.recipe import make_recipe
from polymath.testing import tiny_policy
from polymath.training.credit import Weighed
from polymath.training.update import update_once

PROMPTS = (Prompt(text="7*8="), Prompt(text="which one is it? "))
MAX_TOKENS = 12
TEMPERATURE = 0.7
CLIP_LOW, CLIP_HIGH = 0.1, 0.25

LOSSES = {
    "clip": {"name": "clip"},
    "dual clip": {"name": "clip", "dual_clip": 1.5},
    "gspo": {"name": "gspo"},
    "cispo": {"name": "cispo"},
    "clip_cov": {"name": "clip_cov"},
    "kl_cov": {"name": "kl_cov"},
    "kimi": {"name": "kimi"},
    "entropy": {"name": "entropy"},
}
AGGREGATIONS = ["sequence_mean", "token_mean", "constant_length"]


def double_policy(seed, noise=0.0):
    """In float64, so that nothing hides in rounding; `noise` moves the weights of seed 0."""
    policy = tiny_policy(0)
    policy.model.double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter += noise * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return policy


def plain_scores(policy, prompt, token_ids):
    """Log-probabilities and entropies of one response as one row, without a cache, (T,) each."""
    prompt_ids = policy.encode(prompt)
    row = torch.tensor([[*prompt_ids, *token_ids]])
    logits = policy.model(row, use_cache=False).logits[0, len(prompt_ids) - 1 : -1] / TEMPERATURE
    logprob = logits.log_softmax(-1)
    picked = logprob[torch.arange(len(token_ids)), torch.tensor(token_ids)]
    return picked, -(logprob.exp() * logprob).sum(-1)


def random_batch(seed=2, *, is_on_policy=False):
    """Responses of 1 to 9 tokens that begin alike and repeat with other advantages, to two prompts."""
    rng = random.Random(seed)
    old = double_policy(1, noise=0.05)
    batch = []
    for prompt in PROMPTS:
        responses = [tuple(rng.choice((5, 6, 7)) for _ in range(rng.randint(1, 9))) for _ in range(5)]
        for token_ids in [*responses, responses[0], responses[1], responses[0]]:
            with torch.no_grad():
                old_T = plain_scores(old, prompt, token_ids)[0]
            batch.append(
                Weighed(
                    prompt=prompt,
                    token_ids=token_ids,
                    advantage=rng.gauss(0, 1),
                    weight=rng.uniform(0.5, 1.5),
                    held=torch.tensor([rng.random() < 0.3 for _ in token_ids]),
                    old_logprobs=None if is_on_policy else old_T,
                )
            )
    return batch


def settings_of(loss, aggregation="sequence_mean", **sections):
    table = {
        "rollout": {"max_tokens": MAX_TOKENS, "temperature": TEMPERATURE},
        "optimizer": {"max_grad_norm": 1e12},
        "loss": {"epsilon_low": CLIP_LOW, "epsilon_high": CLIP_HIGH, "aggregation": aggregation, **loss},
    }
    return make_recipe({**table, **sections})


def our_step(batch, settings, reference=None):
    """What the update measures, and its gradient as one vector."""
    policy = double_policy(0)
    caught = []

    class Catch(torch.optim.SGD):
        def step(self, closure=None):
            caught.extend(parameter.grad.clone() for parameter in policy.parameters())

    measured = update_once(policy, Catch(policy.parameters(), lr=1.0), batch, settings, reference)
    return measured, torch.cat([gradient.flatten() for gradient in caught])


def plain_token_loss(name, settings, ratio, logprob, advantage):
    """The formulas of the papers, one token or one response at a time."""
    if name == "kl_cov":
        return -ratio * advantage
    if name == "cispo":
        return -min(ratio.item(), 1 + CLIP_HIGH) * advantage * logprob
    bounded = ratio.clamp(1 - CLIP_LOW, 1 + CLIP_HIGH)
    loss = -torch.min(ratio * advantage, bounded * advantage)
    if advantage < 0 and settings.loss.dual_clip:
        loss = torch.min(loss, torch.as_tensor(-advantage * settings.loss.dual_clip))
    return loss


def plain_step(batch, settings, reference=None, old_of_kimi=0.0):
    """Loss and gradient of the same update, response by response and token by token."""
    policy = double_policy(0)
    name, aggregation = settings.loss.name, settings.loss.aggregation
    total = torch.zeros((), dtype=torch.float64)
    for item in batch:
        logprob_T, entropy_T = plain_scores(policy, item.prompt, item.token_ids)
        old_T = logprob_T.detach() if item.old_logprobs is None else item.old_logprobs
        ratio_T = (logprob_T - old_T).exp()
        length = len(item.token_ids)
        terms = []
        for place in range(length):
            if name == "entropy":
                term = entropy_T[place]
            elif name == "gspo":
                term = plain_token_loss(name, settings, (logprob_T - old_T).mean().exp(), None, item.advantage)
            elif name == "kimi":
                squared = (logprob_T - old_T).sum().square()
                term = -item.advantage * logprob_T[place] + settings.loss.tau / 2 * squared / length
            else:
                term = plain_token_loss(name, settings, ratio_T[place], logprob_T[place], item.advantage)
            if name == "kl_cov" and item.held[place]:
                term = term + settings.loss.cov_coefficient * (logprob_T - old_T)[place].abs()
            term = settings.loss.coefficient * term if name != "entropy" else term
            term = term - settings.entropy.coefficient * entropy_T[place]
            if reference is not None:
                with torch.no_grad():
                    difference = plain_scores(reference, item.prompt, item.token_ids)[0][place]
                difference = difference - logprob_T[place]
                term = term + settings.kl.coefficient * (difference.exp() - difference - 1)
            terms.append(term)
        divisor = {
            "sequence_mean": length * len(batch),
            "token_mean": sum(len(other.token_ids) for other in batch),
            "constant_length": MAX_TOKENS * len(batch),
        }[aggregation]
        total = total + item.weight * sum(terms) / divisor
    total.backward()
    gradient = torch.cat([parameter.grad.flatten() for parameter in policy.parameters()])
    return total.item(), gradient


def assert_close(found, expected, tolerance=1e-6):
    # Not tighter: the model normalises in float32, whatever its weights are in.
    assert expected.abs().max() > 1e-6
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_an_update_off_the_policy_is_that_of_a_plain_loop(loss, aggregation):
    """Shared prompt, trees, pushes up and down apart, several micro-batches: none of it shows."""
    settings = settings_of(LOSSES[loss], aggregation, train={"micro_batch_tokens": 15})
    batch = random_batch()
    measured, gradient = our_step(batch, settings)
    value, expected = plain_step(batch, settings)
    assert_close(gradient, expected)
    assert measured["loss"] == pytest.approx(value, rel=1e-6)
    if loss == "clip":
        assert min(measured["clip_ratio/low_mean"], measured["clip_ratio/high_mean"]) > 0.1


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_entropy_and_divergence_are_those_of_a_plain_loop(aggregation):
    reference = double_policy(2, noise=0.05)
    settings = settings_of(
        {}, aggregation, entropy={"coefficient": 0.3}, kl={"coefficient": 0.2}, train={"micro_batch_tokens": 15}
    )
    measured, gradient = our_step(random_batch(), settings, reference)
    value, expected = plain_step(random_batch(), settings, reference)
    assert_close(gradient, expected)
    assert measured["loss"] == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("loss", ["clip", "dual clip", "kl_cov", "kimi", "entropy"])
def test_the_gradient_agrees_with_finite_differences_of_the_plain_loss(loss):
    """Along a random direction; the values come from the plain loop, so that nothing of ours is on both sides."""
    settings = settings_of(LOSSES[loss], entropy={"coefficient": 0.1})
    batch = random_batch()
    _, gradient = our_step(batch, settings)
    generator = torch.Generator().manual_seed(5)
    direction = torch.randn(gradient.shape, generator=generator, dtype=torch.float64)

    def value_at(shift):
        policy = double_policy(0)
        offset = 0
        with torch.no_grad():
            for parameter in policy.parameters():
                part = direction[offset : offset + parameter.numel()]
                parameter += shift * part.view_as(parameter)
                offset += parameter.numel()
        return plain_value(policy, batch, settings)

    step = 1e-4
    numeric = (value_at(step) - value_at(-step)) / (2 * step)
    assert (gradient @ direction).item() == pytest.approx(numeric, rel=1e-3)


@torch.no_grad()
def plain_value(policy, batch, settings):
    """The plain loop's loss under this policy, sequence mean."""
    total = 0.0
    for item in batch:
        logprob_T, entropy_T = plain_scores(policy, item.prompt, item.token_ids)
        log_ratio_T = logprob_T - item.old_logprobs
        name, length = settings.loss.name, len(item.token_ids)
        if name == "entropy":
            terms = entropy_T.clone()
        elif name == "kimi":
            terms = -item.advantage * logprob_T + settings.loss.tau / 2 * log_ratio_T.sum().square() / length
        else:
            ratios = zip(log_ratio_T.exp(), logprob_T, strict=True)
            terms = torch.stack([plain_token_loss(name, settings, *pair, item.advantage) for pair in ratios])
        if name == "kl_cov":
            terms = terms + settings.loss.cov_coefficient * item.held * log_ratio_T.abs()
        terms = terms - settings.entropy.coefficient * entropy_T
        total += item.weight * terms.sum().item() / (length * len(batch))
    return total


@pytest.mark.parametrize("loss", LOSSES)
def test_micro_batches_order_and_padding_do_not_matter(loss):
    batch = random_batch()
    whole, gradient = our_step(batch, settings_of(LOSSES[loss], "token_mean"))
    order = random.Random(1).sample(range(len(batch)), len(batch))
    for num_tokens in (1, 8, 30):
        settings = settings_of(LOSSES[loss], "token_mean", train={"micro_batch_tokens": num_tokens})
        measured, cut = our_step([batch[place] for place in order], settings)
        assert_close(cut, gradient)
        for name in ("loss", "entropy", "clip_ratio/low_mean", "clip_ratio/high_mean"):
            assert measured[name] == pytest.approx(whole[name], rel=1e-6, abs=1e-12)


def test_a_long_response_pads_the_others_and_changes_only_itself():
    """Under constant length a response's share does not depend on its neighbours: gradients of parts add up."""
    settings = settings_of({}, "constant_length")
    batch = random_batch()
    long = replace(batch[0], token_ids=(7, 7, 5, 5, 6, 6, 7, 5, 6, 7, 5, 6), old_logprobs=None, held=None)
    _, together = our_step([*(replace(item, old_logprobs=None) for item in batch), long], settings)
    _, alone = our_step([long], settings)
    _, others = our_step([replace(item, old_logprobs=None) for item in batch], settings)
    count = len(batch)
    assert_close((others * count + alone) / (count + 1), together)


@pytest.mark.parametrize("aggregation", [*AGGREGATIONS, "verl_micro_batches"])
def test_every_response_twice_is_the_same_update(aggregation):
    settings = settings_of({}, aggregation, train={"micro_batch_tokens": 4096})
    batch = random_batch()
    measured, gradient = our_step(batch, settings)
    twice, same = our_step([*batch, *batch], settings)
    assert_close(same, gradient)
    assert twice["computed_frac"] == pytest.approx(measured["computed_frac"] / 2)


def test_equal_responses_pushed_apart_do_not_cancel_under_the_clip():
    """Off the policy one of the two pushes is clipped: summed as one advantage of zero, both would be lost."""
    item = next(one for one in random_batch() if len(one.token_ids) > 3)
    pair = [replace(item, advantage=1.0, weight=1.0), replace(item, advantage=-1.0, weight=1.0)]
    _, off = our_step(pair, settings_of({}))
    _, on = our_step([replace(one, old_logprobs=None) for one in pair], settings_of({}))
    _, expected = plain_step(pair, settings_of({}))
    assert_close(off, expected)
    assert on.abs().max() < 1e-12


ON_POLICY = {
    "clip": {"name": "clip"},
    "clip-higher": {"name": "clip", "epsilon_low": 0.2, "epsilon_high": 0.28},
    "dual clip": {"name": "clip", "dual_clip": 3.0},
    "gspo": {"name": "gspo", "epsilon_low": 3e-4, "epsilon_high": 4e-4},
    "cispo": {"name": "cispo"},
    "kl_cov": {"name": "kl_cov"},
    "kimi": {"name": "kimi"},
}


@pytest.mark.parametrize("loss", ON_POLICY)
def test_on_the_policy_every_loss_has_the_gradient_of_the_weighted_log_likelihood(loss):
    """The mean over responses of -A * mean log p: the clip, clip-higher, dual clip, gspo and cispo are one."""
    batch = random_batch(is_on_policy=True)
    _, gradient = our_step(batch, settings_of(ON_POLICY[loss]))
    policy = double_policy(0)
    total = 0.0
    for item in batch:
        logprob_T, _ = plain_scores(policy, item.prompt, item.token_ids)
        total = total - item.weight * item.advantage * logprob_T.mean() / len(batch)
    total.backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in policy.parameters()])
    assert_close(gradient, expected)


def test_a_policy_that_was_given_its_own_log_probabilities_is_on_the_policy():
    batch = random_batch(is_on_policy=True)
    policy = double_policy(0)
    with torch.no_grad():
        told = [replace(item, old_logprobs=plain_scores(policy, item.prompt, item.token_ids)[0]) for item in batch]
    _, untold = our_step(batch, settings_of({}))
    _, gradient = our_step(told, settings_of({}))
    assert_close(gradient, untold)


def test_a_reference_that_is_the_policy_adds_nothing():
    batch = random_batch()
    _, without = our_step(batch, settings_of({}))
    measured, gradient = our_step(batch, settings_of({}, kl={"coefficient": 5.0}), double_policy(0))
    assert_close(gradient, without)
    assert measured["kl"] == pytest.approx(0.0, abs=1e-9)
