"""The shared-prompt decoder and scorer against the plain model, row by row."""

import pytest
import torch

from polymath.prompts import Prompt
from polymath.rollouts.decode import keep_likely
from polymath.rollouts.policy import Sampling
from polymath.testing import tiny_policy

PROMPTS = [Prompt(text="7*8="), Prompt(text="a much longer prompt than the first"), Prompt(text="x")]


def plain_logprobs(policy, prompt, token_ids, temperature=1.0):
    """Run prompt and response as one row, without any cache."""
    prompt_ids = policy.encode(prompt)
    row = torch.tensor([prompt_ids + list(token_ids)])
    logits = policy.model(row, use_cache=False).logits[0, len(prompt_ids) - 1 : -1].float() / temperature
    return logits.log_softmax(-1)[torch.arange(len(token_ids)), torch.tensor(token_ids)]


def test_sampling_reports_the_log_probability_of_each_token_it_drew():
    policy = tiny_policy()
    sampling = Sampling(temperature=0.7, max_tokens=12)
    for prompt, completions in zip(PROMPTS, policy.sample(PROMPTS, 3, sampling, seed=1), strict=True):
        for completion in completions:
            expected = plain_logprobs(policy, prompt, completion.token_ids, 0.7)
            assert torch.allclose(torch.tensor(completion.logprobs), expected, atol=1e-5)


def test_greedy_answers_do_not_depend_on_who_else_is_in_the_batch():
    policy = tiny_policy()
    sampling = Sampling(temperature=0, max_tokens=16)
    together = policy.sample(PROMPTS, 1, sampling, seed=0)
    alone = [policy.sample([prompt], 1, sampling, seed=0)[0] for prompt in PROMPTS]
    assert [row[0].token_ids for row in together] == [row[0].token_ids for row in alone]


def test_the_same_seed_gives_the_same_completions_and_another_seed_others():
    policy = tiny_policy()
    draw = [policy.sample(PROMPTS[:1], 8, Sampling(max_tokens=8), seed=seed)[0] for seed in (5, 5, 6)]
    assert draw[0] == draw[1]
    assert draw[0] != draw[2]


def test_draws_of_one_prompt_differ_and_are_split_over_chunks():
    policy = tiny_policy()
    policy.max_rows = 3
    found = policy.sample(PROMPTS[:2], 7, Sampling(max_tokens=6), seed=0)
    assert [len(row) for row in found] == [7, 7]
    assert len({completion.token_ids for completion in found[0]}) > 3


def test_a_row_ends_at_end_of_sequence_and_says_so():
    policy = tiny_policy()
    first = policy.sample(PROMPTS[:1], 1, Sampling(temperature=0, max_tokens=4), seed=0)[0][0]
    assert first.is_truncated and len(first.token_ids) == 4
    policy.eos_ids = [first.token_ids[2]]
    second = policy.sample(PROMPTS[:1], 1, Sampling(temperature=0, max_tokens=4), seed=0)[0][0]
    place = first.token_ids.index(first.token_ids[2])
    assert not second.is_truncated and second.token_ids == first.token_ids[: place + 1]


def test_rows_that_end_early_leave_the_others_as_they_were():
    """With a common token as end of sequence most rows leave early; the rest must match the plain model."""
    policy = tiny_policy()
    policy.eos_ids = list(range(2, 120))
    for completion in policy.sample(PROMPTS[:1], 40, Sampling(max_tokens=20), seed=3)[0]:
        expected = plain_logprobs(policy, PROMPTS[0], completion.token_ids)
        assert torch.allclose(torch.tensor(completion.logprobs), expected, atol=1e-5)


def test_scores_and_gradients_equal_those_of_the_plain_model():
    responses = [(5, 9, 77, 1), (30,), (200, 201)]
    shared, plain = tiny_policy(), tiny_policy()
    scores = shared.score(PROMPTS[0], responses, temperature=0.6)
    scores.logprob_BT.sum().backward()
    expected = [plain_logprobs(plain, PROMPTS[0], response, 0.6) for response in responses]
    sum(row.sum() for row in expected).backward()
    for place, row in enumerate(expected):
        assert torch.allclose(scores.logprob_BT[place, : len(row)], row, atol=1e-5)
        assert scores.logprob_BT[place, len(row) :].abs().sum() == 0
    for mine, theirs in zip(shared.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(mine.grad, theirs.grad, atol=1e-4)


def test_entropy_is_that_of_the_tempered_distribution():
    policy = tiny_policy()
    prompt_ids = policy.encode(PROMPTS[0])
    logits = policy.model(torch.tensor([prompt_ids])).logits[0, -1] / 0.6
    expected = torch.distributions.Categorical(logits=logits).entropy()
    entropy = policy.score(PROMPTS[0], [(5,)], temperature=0.6).entropy_BT[0, 0]
    assert entropy.item() == pytest.approx(expected.item(), rel=1e-5)


def test_top_k_and_top_p_keep_the_likeliest_tokens():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))
    kept = keep_likely(logits, Sampling(top_k=2)).exp()[0]
    assert kept.tolist() == pytest.approx([0.5, 0.3, 0, 0])
    kept = keep_likely(logits, Sampling(top_p=0.6)).exp()[0]
    assert kept.tolist() == pytest.approx([0.5, 0.3, 0, 0])
    kept = keep_likely(logits, Sampling(top_p=0.1)).exp()[0]
    assert kept.tolist() == pytest.approx([0.5, 0, 0, 0])


def test_answers_follow_every_change_of_the_weights():
    """The copy that answers is made anew after an update, and after a checkpoint is loaded."""
    policy, prompts = tiny_policy(1), [Prompt(text="some words"), Prompt(text="other")]
    sampling = Sampling(temperature=0.0, max_tokens=12)

    def answers():
        found = {}
        policy.answer(prompts, 1, sampling, [0, 0], batch_size=2, on_tokens=lambda *_: None, on_answered=found.update)
        return [found[place][0].token_ids for place in range(2)]

    def sampled():
        return [draws[0].token_ids for draws in policy.sample(prompts, 1, sampling, 0)]

    first = answers()
    assert first == sampled()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)))
    assert answers() == sampled() != first
    policy.model.load_state_dict(tiny_policy(1).model.state_dict())
    assert answers() == sampled() == first
