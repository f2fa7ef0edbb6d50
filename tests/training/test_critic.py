"""The critic: advantages by hand and by brute force, values and gradients as a plain model has them; it learns."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import StableLmConfig, StableLmForCausalLM

from polymath.errors import RunFolderError, TrainingError
from polymath.prompts import Prompt
from polymath.recipe import CriticSection, OptimizerSection, make_recipe
from polymath.rollouts.local import LocalPolicy
from polymath.testing import byte_tokenizer, tiny_policy
from polymath.training.credit import Weighed
from polymath.training.critic import Critic, estimate, explained_variance, gae, of_tokens, value_loss, whiten
from polymath.training.update import improve, make_optimizer

PROMPT, OTHER = Prompt(text="7*8="), Prompt(text="which one?")
BATCH = [
    Weighed(prompt=PROMPT, token_ids=token_ids, advantage=0.0)
    for token_ids in [(5, 9, 77, 1), (30,), (5, 9, 77, 1), (5, 9, 70, 71, 72, 1)]
] + [Weighed(prompt=OTHER, token_ids=(8, 8, 8), advantage=0.0)]
# Equal responses with different returns: a reward may be drawn at random.
RETURNS = [torch.linspace(-1, place, len(item.token_ids)).double() for place, item in enumerate(BATCH)]
OLD_VALUES = [torch.full((len(item.token_ids),), 0.2 * place) for place, item in enumerate(BATCH)]


def stablelm_policy():
    """A model whose attention has not been tried with masks of ours: its responses are run one by one."""
    tokenizer = byte_tokenizer()
    config = StableLmConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=128,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LocalPolicy(StableLmForCausalLM(config), tokenizer)


def critic_of(policy, *, micro_batch_tokens=16384, max_grad_norm=1e9, **settings):
    """A critic whose head says something."""
    critic = Critic.of(
        policy,
        CriticSection(**settings),
        optimizer=OptimizerSection(max_grad_norm=max_grad_norm),
        micro_batch_tokens=micro_batch_tokens,
    )
    with torch.no_grad():
        critic.head.weight.copy_(torch.randn(critic.head.weight.shape, generator=torch.Generator().manual_seed(3)))
        critic.head.bias.fill_(0.1)
    return critic


def weights(critic):
    return [parameter.detach().clone() for parameter in critic.optimizer.param_groups[0]["params"]]


def gradients(critic):
    """What one step of plain gradient descent at rate 1 takes off the weights, and what it measured."""
    before = weights(critic)
    critic.optimizer = torch.optim.SGD(critic.optimizer.param_groups[0]["params"], lr=1.0)
    measured = critic.improve(BATCH, RETURNS, OLD_VALUES)
    return [old - new for old, new in zip(before, weights(critic), strict=True)], measured


def plain_values(critic, item):
    """Values by one forward of prompt and response, nothing shared: that of the last token is asked of nobody."""
    prompt_ids = critic.encode(item.prompt)
    hidden = critic.body(torch.tensor([[*prompt_ids, *item.token_ids[:-1]]])).last_hidden_state[0]
    return hidden[len(prompt_ids) - 1 :] @ critic.head.weight[0] + critic.head.bias


def test_advantages_and_returns_are_those_worked_out_by_hand():
    """Deltas from the end: 1 - 0.7 = 0.3, 0.7 - 0.6 = 0.1, 0.6 - 0.5 = 0.1."""
    reward_T, value_T = of_tokens(1.0, 3), torch.tensor([0.5, 0.6, 0.7], dtype=torch.float64)
    assert reward_T.tolist() == [0, 0, 1]
    advantage_T, return_T = gae(reward_T, value_T, gamma=1.0, lam=0.95)
    assert advantage_T.tolist() == pytest.approx([0.1 + 0.95 * 0.385, 0.1 + 0.95 * 0.3, 0.3])
    assert return_T.tolist() == pytest.approx([0.96575, 0.985, 1.0])
    # gamma = lam = 1/2: deltas 0.3, 0.35 - 0.6 = -0.25, 0.3 - 0.5 = -0.2, each a quarter of the next one added.
    advantage_T, _ = gae(reward_T, value_T, gamma=0.5, lam=0.5)
    assert advantage_T.tolist() == pytest.approx([-0.24375, -0.175, 0.3])


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.7), (0.99, 0.0), (0.8, 1.0)])
def test_an_advantage_is_the_discounted_sum_of_the_deltas_behind_it(gamma, lam):
    generator = torch.Generator().manual_seed(7)
    reward_T, value_T = (torch.randn(9, dtype=torch.float64, generator=generator) for _ in range(2))
    next_T = torch.cat([value_T[1:], torch.zeros(1, dtype=torch.float64)])
    delta_T = reward_T + gamma * next_T - value_T
    expected = [sum((gamma * lam) ** (s - t) * delta_T[s].item() for s in range(t, 9)) for t in range(9)]
    advantage_T, return_T = gae(reward_T, value_T, gamma=gamma, lam=lam)
    assert advantage_T.tolist() == pytest.approx(expected)
    assert (return_T - value_T).tolist() == pytest.approx(expected)


def test_a_charge_on_tokens_is_taken_off_where_it_falls():
    """Charges 0.1, 0.2, 0.3 and a reward of 1 leave -0.1, -0.2, 0.7; with lam 0 and no values, these are advantages."""
    reward_T = of_tokens(1.0, 3, torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    assert reward_T.tolist() == pytest.approx([-0.1, -0.2, 0.7])
    advantage_T, _ = gae(reward_T, torch.zeros(3), gamma=1.0, lam=0.0)
    assert advantage_T.tolist() == pytest.approx([-0.1, -0.2, 0.7])
    late_T, _ = gae(of_tokens(1.0 - 0.6, 3), torch.zeros(3), gamma=1.0, lam=0.0)
    assert late_T.tolist() == pytest.approx([0, 0, 0.4])


def test_undiscounted_every_token_returns_the_reward_whatever_the_critic_says():
    value_T = torch.randn(50, generator=torch.Generator().manual_seed(1))
    advantage_T, return_T = gae(of_tokens(0.75, 50), value_T, gamma=1.0, lam=1.0)
    assert return_T.tolist() == pytest.approx([0.75] * 50, abs=1e-12)
    assert advantage_T.tolist() == pytest.approx((0.75 - value_T.double()).tolist(), abs=1e-12)
    assert advantage_T.dtype == return_T.dtype == torch.float64


def test_whitening_takes_mean_and_variance_over_all_tokens_of_the_step():
    """Of 1, 2, 3 and 6 the mean is 3 and the unbiased variance (4 + 1 + 0 + 9) / 3."""
    found = whiten([torch.tensor([1.0, 2.0]), torch.tensor([3.0]), torch.tensor([6.0])])
    deviation = (14 / 3) ** 0.5
    assert [tokens.tolist() for tokens in found] == [
        pytest.approx([-2 / deviation, -1 / deviation]),
        pytest.approx([0.0]),
        pytest.approx([3 / deviation]),
    ]


@pytest.mark.parametrize("equal", [[[0.5]], [[0.5, 0.5], [0.5]]])
def test_whitening_what_does_not_differ_gives_zeros(equal):
    found = whiten([torch.tensor(tokens) for tokens in equal])
    assert [tokens.tolist() for tokens in found] == [[0.0] * len(tokens) for tokens in equal]


@pytest.mark.parametrize(
    ("value", "expected", "is_clipped"),
    [
        (0.3, 0.245, False),  # within the clip: (0.3 - 1)^2 / 2
        (0.7, 0.125, True),  # beyond it, towards the return: no better than 0.5, (0.5 - 1)^2 / 2
        (1.0, 0.125, True),
        (-0.9, 1.805, False),  # beyond it, away from the return: the clip gives no relief
    ],
)
def test_a_value_gains_nothing_by_moving_beyond_the_clip(value, expected, is_clipped):
    """The old value is 0, the return 1, the clip 0.5."""
    one = torch.tensor([value], requires_grad=True)
    loss, clipped = value_loss(one, torch.tensor([1.0]), torch.tensor([0.0]), 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(expected)
    assert clipped.item() is is_clipped
    assert one.grad.item() == pytest.approx(0.0 if is_clipped else value - 1)


def test_without_a_clip_the_loss_is_half_the_squared_error():
    loss, is_clipped = value_loss(torch.tensor([3.0, -1.0]), torch.tensor([1.0, 1.0]), torch.zeros(2), 0.0)
    assert loss.tolist() == [2.0, 2.0]
    assert not is_clipped.any()


def test_explained_variance_is_one_for_what_is_known_and_zero_for_the_mean():
    returns = torch.tensor([0.0, 1.0, 1.0, 2.0])
    assert explained_variance(returns, returns) == 1
    assert explained_variance(torch.ones(4), returns) == 0
    assert explained_variance(-returns, returns) == pytest.approx(-3)  # the error is twice the return: 1 - 4
    assert explained_variance(returns, torch.ones(4)) == 0


@pytest.mark.parametrize("make", [tiny_policy, stablelm_policy])
def test_values_are_those_of_the_states_before_the_tokens(make):
    critic = critic_of(make())
    found = critic.values(BATCH)
    for item, value_T in zip(BATCH, found, strict=True):
        assert torch.allclose(value_T, plain_values(critic, item), atol=1e-5)
        assert value_T.dtype == torch.float32 and not value_T.requires_grad
    assert found[0] is found[2]


@pytest.mark.parametrize("make", [tiny_policy, stablelm_policy])
@pytest.mark.parametrize("value_clip", [0.0, 0.5])
def test_gradients_equal_those_of_responses_computed_one_by_one(make, value_clip):
    critic = critic_of(make(), value_clip=value_clip)
    plain = critic_of(make())
    losses, clipped = [], 0
    for item, return_T, old_T in zip(BATCH, RETURNS, OLD_VALUES, strict=True):
        value_T = plain_values(plain, item)
        near_T = value_T if not value_clip else torch.clamp(value_T, old_T - value_clip, old_T + value_clip)
        errors = torch.stack([(value_T - return_T) ** 2, (near_T - return_T) ** 2])
        losses.append(errors.max(dim=0).values / 2)
        clipped += int((errors[1] > errors[0]).sum())
    loss = torch.cat(losses).mean()
    loss.backward()
    expected = [parameter.grad for parameter in plain.optimizer.param_groups[0]["params"]]
    found, measured = gradients(critic)
    for mine, theirs in zip(found, expected, strict=True):
        assert torch.allclose(mine, theirs, atol=2e-5)
    assert measured["critic/loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert measured["critic/clip_frac"] == pytest.approx(clipped / sum(len(item.token_ids) for item in BATCH))
    assert bool(clipped) is bool(value_clip)
    norm = torch.cat([gradient.flatten() for gradient in expected]).norm().item()
    assert measured["critic/grad_norm"] == pytest.approx(norm, rel=1e-4)


def test_micro_batches_add_up_to_the_large_batch():
    (whole, whole_measured), (split, split_measured) = (
        gradients(critic_of(tiny_policy(), micro_batch_tokens=tokens)) for tokens in (16384, 1)
    )
    for one, other in zip(whole, split, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert whole_measured == pytest.approx(split_measured, rel=1e-4)


def test_a_new_critic_says_zero_of_everything_and_draws_no_random_number():
    before = torch.get_rng_state()
    critic = Critic.of(tiny_policy(), CriticSection(), optimizer=OptimizerSection(), micro_batch_tokens=64)
    assert torch.equal(before, torch.get_rng_state())
    assert all(not value_T.any() for value_T in critic.values(BATCH))


def test_the_critic_learns_and_the_policy_does_not_change():
    """The body is a copy."""
    policy = tiny_policy()
    before = [parameter.detach().clone() for parameter in policy.parameters()]
    critic = critic_of(policy, learning_rate=1e-2)
    was = weights(critic)
    critic.improve(BATCH, RETURNS, OLD_VALUES)
    assert all((old != new).any() for old, new in zip(was, weights(critic), strict=True) if old.numel() > 100)
    assert all(torch.equal(old, new) for old, new in zip(before, policy.parameters(), strict=True))


def test_in_bfloat16_the_values_are_near_and_the_weights_stay_float32():
    policy = tiny_policy()
    policy.dtype = "bfloat16"
    exact, rounded = critic_of(tiny_policy()), critic_of(policy, learning_rate=1e-6)
    for one, other in zip(exact.values(BATCH), rounded.values(BATCH), strict=True):
        assert torch.allclose(one, other, atol=0.3) and not torch.equal(one, other)
    before = weights(rounded)
    rounded.improve(BATCH, RETURNS, OLD_VALUES)
    assert all(weight.dtype == torch.float32 for weight in weights(rounded))
    assert any((old != new).any() for old, new in zip(before, weights(rounded), strict=True))


RIGHT, WRONG = (5, 9, 1), (5, 70, 1)
DECIDED = [Weighed(prompt=PROMPT, token_ids=token_ids, advantage=0.0) for token_ids in (RIGHT, WRONG) * 4]
REWARDS = [of_tokens(1.0, 3), of_tokens(0.0, 3)] * 4


def test_a_critic_that_has_learnt_credits_the_token_that_decides():
    """Half of the responses are right and their second token tells: before it 1/2 is expected, behind it 1 or 0."""
    policy = tiny_policy()
    critic = Critic.of(policy, CriticSection(learning_rate=3e-3), optimizer=OptimizerSection(), micro_batch_tokens=64)
    measured = []
    for _ in range(60):
        old_values = critic.values(DECIDED)
        _, returns = estimate(REWARDS, old_values, CriticSection(lam=1.0))
        measured.append(critic.improve(DECIDED, returns, old_values))
    # What nobody can know before the second token is 1/4 of variance, in two tokens of three.
    assert measured[0]["critic/loss"] == pytest.approx(1 / 4)
    assert measured[-1]["critic/loss"] == pytest.approx(2 / 3 / 8, abs=5e-3)
    assert measured[-1]["critic/explained_variance"] == pytest.approx(1 / 3, abs=0.02)

    values = critic.values(DECIDED)
    advantages, _ = estimate(REWARDS, values, CriticSection(lam=0.0, whiten=False))
    assert advantages[0].tolist() == pytest.approx([0, 0.5, 0], abs=0.1)
    assert advantages[1].tolist() == pytest.approx([0, -0.5, 0], abs=0.1)

    advantages, _ = estimate(REWARDS, values, CriticSection())
    assert torch.cat(advantages).mean().item() == pytest.approx(0, abs=1e-9)
    batch = [replace(item, advantage=advantage_T) for item, advantage_T in zip(DECIDED, advantages, strict=True)]

    def preference():
        scores = policy.score(PROMPT, [RIGHT, WRONG], temperature=1.0)
        return float((scores.logprob_BT[0, 1] - scores.logprob_BT[1, 1]).detach())

    before = preference()
    recipe = make_recipe({"rollout": {"num_groups": 4, "group_size": 2}, "optimizer": {"learning_rate": 1e-3}})
    improve(policy, make_optimizer(policy, recipe), batch, recipe, None)
    assert preference() > before + 0.01


@pytest.mark.parametrize("poison", ["return", "value"])
def test_what_is_not_finite_is_told_and_leaves_the_weights(poison):
    critic = critic_of(tiny_policy())
    returns, old_values = list(RETURNS), list(OLD_VALUES)
    if poison == "return":
        returns[1] = torch.tensor([float("inf")])
    else:
        old_values[1] = torch.tensor([float("nan")])
    before = weights(critic)
    with pytest.raises(TrainingError, match=r"not finite.*critic\.learning_rate"):
        critic.improve(BATCH, returns, old_values)
    assert all(torch.equal(old, new) for old, new in zip(before, weights(critic), strict=True))


def test_learning_goes_on_bit_for_bit_after_a_checkpoint(tmp_path):
    critic = critic_of(tiny_policy(), learning_rate=1e-3)
    critic.improve(BATCH, RETURNS, OLD_VALUES)
    critic.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["critic-optimizer.safetensors", "critic.safetensors"]
    critic.improve(BATCH, RETURNS, OLD_VALUES)
    other = critic_of(tiny_policy(seed=9), learning_rate=1e-3)
    other.load(tmp_path)
    other.improve(BATCH, RETURNS, OLD_VALUES)
    for mine, theirs in zip(weights(critic), weights(other), strict=True):
        assert torch.equal(mine, theirs)


def test_a_critic_that_has_not_learnt_yet_comes_back_too(tmp_path):
    critic = critic_of(tiny_policy())
    critic.save(tmp_path)
    other = critic_of(tiny_policy(seed=9))
    other.load(tmp_path)
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(weights(critic), weights(other), strict=True))


def test_a_checkpoint_of_another_critic_or_of_none_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="lacks critic"):
        critic_of(tiny_policy()).load(tmp_path)
    critic_of(tiny_policy()).save(tmp_path)
    larger = critic_of(tiny_policy(hidden_size=64))
    with pytest.raises(RunFolderError, match="is of another critic"):
        larger.load(tmp_path)


def test_frozen_weights_of_the_policy_stay_frozen_and_are_not_saved(tmp_path):
    policy = tiny_policy()
    policy.model.base_model.embed_tokens.requires_grad_(False)
    critic = critic_of(policy, learning_rate=1e-2)
    critic.improve(BATCH, RETURNS, OLD_VALUES)
    critic.save(tmp_path)
    assert torch.equal(critic.body.embed_tokens.weight, policy.model.base_model.embed_tokens.weight)
    assert "body.embed_tokens.weight" not in load_file(tmp_path / "critic.safetensors")
    other = critic_of(policy, learning_rate=1e-2)
    other.load(tmp_path)
    for mine, theirs in zip(critic.values(BATCH), other.values(BATCH), strict=True):
        assert torch.equal(mine, theirs)
