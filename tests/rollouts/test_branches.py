"""Draws that share rows until they part: the distribution, the log-probabilities and the ends of plain sampling."""

import itertools
import math
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from polymath.prompts import Prompt
from polymath.rollouts.branches import choose_in_rows, decode_branches
from polymath.rollouts.inference import ATTENTION, inference_copy
from polymath.rollouts.policy import Sampling
from polymath.testing import tiny_policy

VOCABULARY, EOS = 5, 4
PROMPT = (2, 0, 1, 3)
FREE = Sampling(max_tokens=3)


def tiny_model(seed=0, spread=30.0, config=LlamaConfig, model=LlamaForCausalLM):
    """Five tokens and far from uniform choices."""
    settings = config(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = model(settings).eval()
    with torch.no_grad():
        found.lm_head.weight.mul_(spread)
    return found


@torch.no_grad()
def plain_logits(model, prompt, response):
    """What may follow each token of the response but the last, and the prompt, (T, V): one row, no cache."""
    row = torch.tensor([[*prompt, *response]])
    return model(row, use_cache=False).logits[0, len(prompt) - 1 : -1].double()


def plain_logprobs(model, prompt, response, temperature=1.0):
    logprob = (plain_logits(model, prompt, response) / temperature).log_softmax(-1)
    return logprob[torch.arange(len(response)), torch.tensor(response)]


def all_responses(max_tokens):
    """Every response that can be said: to the first end of sequence, or to the last token."""
    for length in range(1, max_tokens + 1):
        for tokens in itertools.product(range(VOCABULARY), repeat=length):
            if EOS not in tokens[:-1] and (tokens[-1] == EOS or length == max_tokens):
                yield tokens


def kept(logits_V, sampling):
    """Temperature, then top-k, then the nucleus, by their definitions; probabilities, (V,)."""
    probability_V = (logits_V / sampling.temperature).softmax(-1)
    order = sorted(range(VOCABULARY), key=lambda token: -probability_V[token])
    order = order[: sampling.top_k or VOCABULARY]
    total = sum(probability_V[token].item() for token in order)
    mass, inside = 0.0, []
    for token in order:
        if mass < sampling.top_p:
            inside.append(token)
        mass += probability_V[token].item() / total
    result = torch.zeros(VOCABULARY, dtype=torch.float64)
    result[inside] = probability_V[inside]
    return result / result.sum()


def penalised(logits_V, said, penalty):
    """Of tokens that were said, positive logits divided and others multiplied."""
    factors = [
        1.0 if token not in said else penalty if logits_V[token] < 0 else 1 / penalty for token in range(VOCABULARY)
    ]
    return logits_V * torch.tensor(factors, dtype=torch.float64)


def exact_distribution(model, prompt, sampling):
    """Probability of every response, by enumeration."""
    found = {}
    for response in all_responses(sampling.max_tokens):
        logits = [
            penalised(row, {*prompt, *response[:place]}, sampling.repetition_penalty)
            for place, row in enumerate(plain_logits(model, prompt, response))
        ]
        steps = [kept(row, sampling)[token].item() for row, token in zip(logits, response, strict=True)]
        found[response] = math.prod(steps)
    return found


def draws(model, n, sampling, seed, prompts=(PROMPT,)):
    return decode_branches(inference_copy(model, torch.float32), prompts, n, sampling, seed, eos_ids=[EOS])


SAMPLINGS = {
    "free": FREE,
    "cold": Sampling(max_tokens=3, temperature=0.5),
    "top-k": Sampling(max_tokens=3, top_k=3),
    "nucleus": Sampling(max_tokens=3, temperature=1.3, top_p=0.8),
    "both": Sampling(max_tokens=3, top_k=4, top_p=0.9),
    "penalised": Sampling(max_tokens=3, temperature=1.2, repetition_penalty=1.4),
}


def p_value(found, model, prompt, sampling):
    """Chi-square of drawn responses against enumeration; those expected less than 5 times are put together."""
    exact = exact_distribution(model, prompt, sampling)
    assert sum(exact.values()) == pytest.approx(1.0)
    seen = Counter(one.token_ids for one in found)
    assert all(exact[response] > 0 for response in seen)
    expected = {response: len(found) * share for response, share in exact.items()}
    cells = [[response] for response, count in expected.items() if count >= 5]
    rare = [response for response, count in expected.items() if 0 < count < 5]
    cells += [rare] if rare else []
    assert len(cells) > 5
    observed = [sum(seen[response] for response in cell) for cell in cells]
    return chisquare(observed, [sum(expected[response] for response in cell) for cell in cells]).pvalue


@pytest.mark.parametrize("name", SAMPLINGS)
def test_responses_come_as_often_as_enumeration_says(name):
    """Over all responses of up to three of five tokens: 85 of them, or fewer where tokens are cut."""
    model, sampling = tiny_model(), SAMPLINGS[name]
    (found,) = draws(model, 4000, sampling, seed=1)
    assert p_value(found, model, PROMPT, sampling) > 1e-3


def test_a_wrong_distribution_would_be_seen():
    """The same draws against the distribution at another temperature."""
    model = tiny_model()
    (found,) = draws(model, 4000, FREE, seed=1)
    assert p_value(found, model, PROMPT, Sampling(max_tokens=3, temperature=1.15)) < 1e-6


def test_draws_do_not_depend_on_each_other():
    """Pairs of neighbouring draws: the first tokens of one say nothing of the other's."""
    model = tiny_model()
    first = [one.token_ids[0] for one in draws(model, 4000, Sampling(max_tokens=1), seed=2)[0]]
    share = Counter(first)
    pairs = Counter(zip(first[::2], first[1::2], strict=True))
    cells = [(one, other) for one in share for other in share]
    expected = [2000 * share[one] * share[other] / 4000**2 for one, other in cells]
    enough = [place for place, value in enumerate(expected) if value >= 5]
    observed = [pairs[cells[place]] for place in enough]
    statistic = sum(
        (seen - expected[place]) ** 2 / expected[place] for seen, place in zip(observed, enough, strict=True)
    )
    assert len(enough) > 5 and statistic < len(enough) + 5 * math.sqrt(2 * len(enough))


@pytest.mark.parametrize("temperature", [0.6, 1.0])
def test_log_probabilities_are_those_of_the_plain_model(temperature):
    model = tiny_model()
    sampling = Sampling(max_tokens=6, temperature=temperature)
    for one in draws(model, 60, sampling, seed=3)[0]:
        expected = plain_logprobs(model, PROMPT, one.token_ids, temperature)
        assert one.logprobs == pytest.approx(expected.tolist(), abs=1e-4)


def test_log_probabilities_under_top_k_are_those_of_what_was_drawn_from():
    model, sampling = tiny_model(), Sampling(max_tokens=4, top_k=2)
    for one in draws(model, 40, sampling, seed=4)[0]:
        logits = plain_logits(model, PROMPT, one.token_ids)
        expected = [kept(row, sampling)[token].log().item() for row, token in zip(logits, one.token_ids, strict=True)]
        assert one.logprobs == pytest.approx(expected, abs=1e-4)


def test_responses_end_at_the_end_of_sequence_or_at_the_limit():
    found = draws(tiny_model(), 200, Sampling(max_tokens=4), seed=5)[0]
    for one in found:
        assert EOS not in one.token_ids[:-1]
        assert one.has_ended == (one.token_ids[-1] == EOS)
        assert one.has_ended or len(one.token_ids) == 4
        assert len(one.logprobs) == len(one.token_ids)
    assert {len(one.token_ids) for one in found} == {1, 2, 3, 4}


def test_greedy_draws_are_one_and_transformers_own():
    model = tiny_model(seed=3)
    (found,) = draws(model, 4, Sampling(max_tokens=9, temperature=0.0), seed=0)
    prompt = torch.tensor([PROMPT])
    with torch.no_grad():
        said = model.generate(
            prompt, max_new_tokens=9, do_sample=False, eos_token_id=EOS, pad_token_id=0, attention_mask=prompt * 0 + 1
        )
    said = said[0, len(PROMPT) :].tolist()
    said = said[: said.index(EOS) + 1] if EOS in said else said
    assert [one.token_ids for one in found] == [tuple(said)] * 4


def test_a_draw_does_not_depend_on_how_many_follow_it():
    model = tiny_model(spread=6.0)
    sampling = Sampling(max_tokens=20)
    few, many = draws(model, 5, sampling, seed=6)[0], draws(model, 40, sampling, seed=6)[0]
    assert [one.token_ids for one in many[:5]] == [one.token_ids for one in few]


@pytest.mark.parametrize(("config", "kind"), [(LlamaConfig, LlamaForCausalLM), (Qwen2Config, Qwen2ForCausalLM)])
def test_a_shared_prefix_and_a_copied_one_say_the_same(config, kind):
    """Attention to the prompt is one product for all rows, or each row has a copy of its keys and values."""
    model = tiny_model(config=config, model=kind)
    shared = inference_copy(model, torch.float32)
    assert shared.config._attn_implementation == ATTENTION
    model.set_attn_implementation("eager")
    copied = inference_copy(model, torch.float32)
    sampling = Sampling(max_tokens=12)
    pair = [decode_branches(one, [PROMPT], 50, sampling, 7, eos_ids=[EOS])[0] for one in (shared, copied)]
    assert [one.token_ids for one in pair[0]] == [one.token_ids for one in pair[1]]
    for one, other in zip(*pair, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_nothing_of_a_call_stays_behind():
    """The shared prefix is taken off the model: a call with another prompt is as if it were the first."""
    model = inference_copy(tiny_model(), torch.float32)
    decode_branches(model, [PROMPT], 9, FREE, 8, eos_ids=[EOS])
    other = decode_branches(model, [(1, 1)], 9, FREE, 8, eos_ids=[EOS])
    assert other == decode_branches(inference_copy(tiny_model(), torch.float32), [(1, 1)], 9, FREE, 8, eos_ids=[EOS])
    assert all(getattr(module, "shared_prefix", None) is None for module in model.modules())


def test_several_prompts_of_different_lengths_keep_apart():
    model = tiny_model()
    prompts = [PROMPT, (1,), (3, 3, 0, 2, 1, 0, 2)]
    found = draws(model, 30, Sampling(max_tokens=5), seed=9, prompts=prompts)
    assert [len(group) for group in found] == [30, 30, 30]
    for prompt, group in zip(prompts, found, strict=True):
        assert len({one.token_ids for one in group}) > 3
        for one in group:
            assert one.logprobs == pytest.approx(plain_logprobs(model, prompt, one.token_ids).tolist(), abs=1e-4)


def test_several_prompts_have_the_distributions_of_each():
    model, prompts, sampling = tiny_model(), [PROMPT, (1,)], Sampling(max_tokens=2)
    for prompt, found in zip(prompts, draws(model, 3000, sampling, seed=10, prompts=prompts), strict=True):
        assert p_value(found, model, prompt, sampling) > 1e-3


@pytest.mark.parametrize("eos_ids", [[], [EOS]])
def test_long_responses_outgrow_their_slots_and_stay_right(eos_ids):
    """More tokens than one step of capacity, draws that split late, and few that go on at the end."""
    model = tiny_model(seed=7)
    sampling = Sampling(max_tokens=140, temperature=0.3)
    found = decode_branches(inference_copy(model, torch.float32), [PROMPT], 60, sampling, 11, eos_ids=eos_ids)[0]
    lengths = [len(one.token_ids) for one in found]
    assert max(lengths) > 64 and (not eos_ids or min(lengths) < 20)
    for one in found:
        expected = plain_logprobs(model, PROMPT, one.token_ids, 0.3)
        assert one.logprobs == pytest.approx(expected.tolist(), abs=2e-3)


def test_more_rows_than_allowed_are_decoded_in_parts():
    policy = tiny_policy()
    policy.max_rows = 8
    prompts = [Prompt(text="7*8="), Prompt(text="which?")]
    found = policy.sample(prompts, 20, Sampling(max_tokens=4), seed=0)
    assert [len(group) for group in found] == [20, 20]
    for prompt, group in zip(prompts, found, strict=True):
        assert len({one.token_ids for one in group}) == 20  # 258 tokens nearly alike: parts do not repeat each other
        for one in group:
            expected = plain_logprobs(policy.model, policy.encode(prompt), one.token_ids)
            assert one.logprobs == pytest.approx(expected.tolist(), abs=1e-4)


def test_draws_that_share_a_row_of_logits_take_it_each_for_themselves():
    """Probabilities .2 .3 .5 in one row and .5 .5 0 in the other; numbers in any order."""
    logits_SV = torch.tensor([[0.2, 0.3, 0.5], [0.5, 0.5, 0.0]]).log()
    slot_R = torch.tensor([1, 0, 0, 1, 0, 0])
    uniform_R = torch.tensor([0.49, 0.19, 0.21, 0.51, 0.99, 0.0], dtype=torch.float64)
    token_R, logprob_R = choose_in_rows(logits_SV, slot_R, Sampling(), uniform_R)
    assert token_R.tolist() == [0, 0, 1, 1, 2, 0]
    assert logprob_R.exp().tolist() == pytest.approx([0.5, 0.2, 0.3, 0.5, 0.5, 0.2])


def test_a_token_without_probability_is_never_drawn():
    logits_SV = torch.tensor([[0.5, 0.5, 0.0]]).log()
    edge = torch.tensor([1.0 - 2**-53], dtype=torch.float64)
    token_R, _ = choose_in_rows(logits_SV, torch.tensor([0]), Sampling(), edge)
    assert token_R.tolist() == [1]
