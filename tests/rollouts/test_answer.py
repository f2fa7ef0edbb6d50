"""The evaluation's decoder against transformers' generate, the exact distribution, and itself in other company."""

import itertools
import random
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare
from tokenizers import Tokenizer, decoders, models
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from polymath.rollouts.answer import Answer, Question, answer, shared_length
from polymath.rollouts.decode import keep_likely
from polymath.rollouts.draws import choose, likely_tokens, uniforms
from polymath.rollouts.inference import PackedLinear, inference_copy, is_packable
from polymath.rollouts.policy import Sampling
from polymath.rollouts.slots import MODEL_TYPES, fits_slots, prefill
from polymath.testing import byte_tokenizer, tiny_policy

VOCABULARY = 258
# About every seventh token ends an answer, so that lengths are uneven.
EOS = list(range(3, VOCABULARY, 7))
GREEDY = Sampling(temperature=0, max_tokens=24)
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "attn_implementation": "sdpa",
}
OF_TYPE = {
    "gemma3_text": {
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
        "query_pre_attn_scalar": 8,
    },
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
    "mistral": {"sliding_window": 8},
    "phi3": {"sliding_window": 8},
}


def steep_model(model_type: str = "llama", **settings):
    """A tiny model whose large weights make its greedy answers vary with every token of the prompt."""
    config = AutoConfig.for_model(model_type, **{**SIZES, **OF_TYPE.get(model_type, {}), **settings})
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).eval()
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.4)
    return model


def prompts_of(count: int, longest: int = 40, shared: int = 0) -> list[tuple[int, ...]]:
    """Random prompts of uneven length that share their first tokens."""
    generator = random.Random(0)
    prefix = [generator.randrange(2, VOCABULARY) for _ in range(shared)]
    return [
        (*prefix, *(generator.randrange(2, VOCABULARY) for _ in range(generator.randint(1, longest))))
        for _ in range(count)
    ]


def generated(model, prompt: tuple[int, ...], max_tokens: int = GREEDY.max_tokens) -> tuple[int, ...]:
    """What transformers says to one prompt, alone."""
    row = torch.tensor([prompt])
    model.generation_config.eos_token_id = EOS
    out = model.generate(
        input_ids=row, attention_mask=torch.ones_like(row), max_new_tokens=max_tokens, do_sample=False, pad_token_id=0
    )
    return tuple(out[0, len(prompt) :].tolist())


def answered(model, questions, sampling=GREEDY, *, tokenizer=None, eos_ids=EOS, **settings) -> dict:
    """Every answer by question and draw; each must come exactly once."""
    found: dict[tuple[int, int], Answer] = {}

    def keep(question: int, draw: int, said: Answer) -> None:
        assert (question, draw) not in found
        found[question, draw] = said

    settings = {"batch_rows": 4, **settings}
    tokenizer = tokenizer or byte_tokenizer()
    answer(model, tokenizer, questions, sampling, eos_ids=eos_ids, on_answer=keep, **settings)
    return found


def tokens_of(found: dict) -> list[tuple[int, ...]]:
    return [found[key].token_ids for key in sorted(found)]


@pytest.mark.parametrize("model_type", sorted(MODEL_TYPES))
def test_greedy_answers_are_those_of_generate(model_type):
    model = steep_model(model_type)
    assert fits_slots(model)
    prompts = prompts_of(10)
    expected = [generated(model, prompt) for prompt in prompts]
    assert len(set(map(len, expected))) > 3
    questions = [Question(token_ids=prompt) for prompt in prompts]
    assert tokens_of(answered(model, questions)) == expected
    assert tokens_of(answered(inference_copy(model, torch.float32), questions)) == expected


def test_eager_attention_says_the_same():
    model = steep_model(attn_implementation="eager")
    prompts = prompts_of(6, shared=20)
    found = answered(model, [Question(token_ids=prompt) for prompt in prompts])
    assert tokens_of(found) == [generated(model, prompt) for prompt in prompts]


@pytest.mark.parametrize("shared", [0, 20])
def test_greedy_answers_do_not_depend_on_batch_order_or_memory(shared):
    model = steep_model()
    prompts = prompts_of(24, shared=shared, longest=150)
    expected = [generated(model, prompt) for prompt in prompts]
    questions = [Question(token_ids=prompt) for prompt in prompts]
    assert shared_length(questions) == shared
    for batch_rows in (1, 3, 16, 64):
        assert tokens_of(answered(model, questions, batch_rows=batch_rows)) == expected
    # Room for about two long rows: rows must wait, and some are given up and said again.
    assert tokens_of(answered(model, questions, batch_rows=16, max_cache_bytes=150_000)) == expected
    assert tokens_of(answered(model, questions[::-1]))[::-1] == expected


def test_the_cache_stays_within_its_bound():
    model, sizes = steep_model(), []

    def look(module, args, kwargs):
        sizes.append(sum(layer.keys.nbytes + layer.values.nbytes for layer in kwargs["past_key_values"].layers))

    model.register_forward_pre_hook(look, with_kwargs=True)
    questions = [Question(token_ids=prompt) for prompt in prompts_of(20, longest=150)]
    bound = 200_000
    answered(model, questions, batch_rows=16, max_cache_bytes=bound)
    assert max(sizes) <= bound
    sizes.clear()
    answered(model, questions, batch_rows=16)
    assert max(sizes) > bound


def test_a_model_that_does_not_fit_into_slots_is_decoded_in_batches():
    model = steep_model("gemma2", sliding_window=8, attn_implementation="eager", query_pre_attn_scalar=8)
    assert not fits_slots(model)
    prompts = prompts_of(6)
    questions = [Question(token_ids=prompt, num_draws=2, seed=place) for place, prompt in enumerate(prompts)]
    found = answered(model, questions)
    assert [found[place, 1].token_ids for place in range(6)] == [generated(model, prompt) for prompt in prompts]
    sampling = Sampling(max_tokens=6)
    many = [Question(token_ids=prompts[0], num_draws=9, seed=3), *questions]
    drawn = answered(model, many, sampling)
    assert len(drawn) == 9 + 12 and len({drawn[0, draw].token_ids for draw in range(9)}) > 5
    assert answered(model, many[:1], sampling) == {key: said for key, said in drawn.items() if key[0] == 0}


def test_a_draw_is_the_same_in_any_company():
    model = steep_model()
    prompts = prompts_of(6, shared=20)
    sampling = Sampling(temperature=0.8, top_p=0.95, max_tokens=16)
    questions = [Question(token_ids=prompt, num_draws=5, seed=place) for place, prompt in enumerate(prompts)]
    expected = answered(model, questions, sampling, batch_rows=64)
    assert len({said.token_ids for said in expected.values()}) > 25
    assert answered(model, questions, sampling, batch_rows=2) == expected
    alone = answered(model, questions[2:3], sampling)
    assert [alone[0, draw] for draw in range(5)] == [expected[2, draw] for draw in range(5)]
    fewer = answered(model, [Question(token_ids=prompts[4], num_draws=2, seed=4)], sampling)
    assert [fewer[0, draw] for draw in range(2)] == [expected[4, draw] for draw in range(2)]
    other = answered(model, [Question(token_ids=prompts[4], num_draws=2, seed=99)], sampling)
    assert other != fewer


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0, max_tokens=2),
        Sampling(temperature=0.5, top_k=3, max_tokens=2),
        Sampling(temperature=0.7, top_p=0.8, max_tokens=2),
        Sampling(temperature=0.7, top_k=4, top_p=0.9, max_tokens=2),
    ],
    ids=["plain", "top-k", "top-p", "both"],
)
def test_two_tokens_follow_the_exact_distribution(sampling):
    """All pairs of tokens of a model with seven, against probabilities that the plain model gives."""
    model = steep_model(vocab_size=7, pad_token_id=0)
    with torch.no_grad():
        model.lm_head.weight /= 6  # flat enough for rare tokens to be drawn
    prompt, num_draws = (3, 5, 2), 4000

    @torch.no_grad()
    def following(*said: int) -> list[float]:
        logits = model(torch.tensor([[*prompt, *said]]), use_cache=False).logits[:, -1].double()
        return keep_likely(logits / sampling.temperature, sampling).softmax(-1)[0].tolist()

    first = following()
    exact = {
        (one, two): first[one] * second
        for one in range(7)
        if first[one]
        for two, second in enumerate(following(one))
        if second
    }
    question = Question(token_ids=prompt, num_draws=num_draws, seed=1)
    found = answered(model, [question], sampling, eos_ids=[], batch_rows=500)
    seen = Counter(said.token_ids for said in found.values())
    assert set(seen) <= set(exact) and len(seen) > 3
    common = [pair for pair in exact if exact[pair] * num_draws >= 5]
    rare = num_draws - sum(seen[pair] for pair in common)
    observed, expected = [seen[pair] for pair in common], [exact[pair] * num_draws for pair in common]
    if (rest := num_draws - sum(expected)) > 1:
        observed, expected = [*observed, rare], [*expected, rest]
    assert chisquare(observed, [value * sum(observed) / sum(expected) for value in expected]).pvalue > 0.001


@pytest.mark.parametrize("top_k", [0, 1, 5, 400])
@pytest.mark.parametrize("top_p", [0.05, 0.6, 0.999, 1.0])
def test_likely_tokens_are_those_of_the_trainers_sampler(top_k, top_p):
    logits = torch.randn(6, 3000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[0.1], [1], [3]] * 2)
    sampling = Sampling(top_k=top_k, top_p=top_p)
    expected = keep_likely(logits, sampling).softmax(-1)
    tokens, probabilities = likely_tokens(logits, sampling)
    if tokens is not None:
        probabilities = torch.zeros_like(logits).scatter(1, tokens, probabilities)
    assert torch.allclose(probabilities / probabilities.sum(-1, keepdim=True), expected, atol=1e-6)


def test_ties_with_the_last_of_top_k_stay():
    tokens, probabilities = likely_tokens(torch.tensor([[2.0, 1.0, 1.0, 0.0], [4.0, 3.0, 2.0, 1.0]]), Sampling(top_k=2))
    kept = [
        {token for token, mass in zip(*row, strict=True) if mass}
        for row in zip(tokens.tolist(), probabilities.tolist(), strict=True)
    ]
    assert kept == [{0, 1, 2}, {0, 1}]


def test_a_uniform_number_picks_the_token_whose_share_it_falls_into():
    logits = torch.tensor([[0.25, 0.0, 0.5, 0.25, 0.0]]).log()
    shares = [(0.0, 0), (0.2499, 0), (0.2501, 2), (0.7499, 2), (0.7501, 3), (1 - 2**-53, 3)]
    for number, token in shares:
        found = choose(logits, Sampling(), torch.tensor([number], dtype=torch.float64))
        assert found.tolist() == [token]


def test_streams_of_different_draws_are_unlike_and_repeatable():
    assert uniforms(7, 5) == uniforms(7, 8)[:5]
    assert not set(uniforms(7, 5)) & set(uniforms(8, 5))


def test_an_answer_ends_before_the_first_stop_string():
    model, tokenizer = steep_model(), byte_tokenizer()
    question = Question(token_ids=prompts_of(1)[0])
    whole = answered(model, [question], eos_ids=[])[0, 0]
    assert not whole.has_ended and len(whole.token_ids) == GREEDY.max_tokens
    texts = [tokenizer.decode(list(whole.token_ids[:count])) for count in range(25)]
    plain = [count for count in range(3, 21) if "\ufffd" not in whole.text[count : count + 2]]
    start = next(count for count in plain if whole.text.index(whole.text[count : count + 2]) == count)
    stop = whole.text[start : start + 2]
    for stops in ((stop,), ("never said", stop), (stop, whole.text[start + 1 : start + 4])):
        said = answered(model, [question], Sampling(temperature=0, max_tokens=24, stop=stops), eos_ids=[])[0, 0]
        assert said.text == whole.text[:start] and said.has_ended
        assert said.token_ids == whole.token_ids[: next(n for n in range(25) if texts[n].startswith(said.text))]


def test_a_stop_string_across_tokens_is_seen_and_cut_within_a_token():
    """Two letters a token; the stop string begins in the middle of one and ends in the middle of the next."""
    letters = ["".join(pair) for pair in itertools.product("abcdefghijklmnop", repeat=2)]
    tokenizer = Tokenizer(
        models.WordLevel({"<pad>": 0, "</s>": 1, **{word: 2 + at for at, word in enumerate(letters)}})
    )
    tokenizer.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>")
    model, question = steep_model(), Question(token_ids=prompts_of(1)[0])
    whole = answered(model, [question], tokenizer=tokenizer, eos_ids=[])[0, 0]
    assert len(whole.text) == 48
    place = next(at for at in range(5, 40, 2) if whole.text.index(whole.text[at : at + 2]) == at)
    stop = Sampling(temperature=0, max_tokens=24, stop=(whole.text[place : place + 2],))
    said = answered(model, [question], stop, tokenizer=tokenizer, eos_ids=[])[0, 0]
    assert said.text == whole.text[:place]
    # The token that the stop string began in is kept, because the text needs its first letter.
    assert said.token_ids == whole.token_ids[: place // 2 + 1]


def test_answers_are_handed_over_as_they_end():
    model = steep_model()
    prompts = prompts_of(12)
    lengths = [len(generated(model, prompt)) for prompt in prompts]
    heard: list[int] = []

    def stop_after_three(question: int, draw: int, said: Answer) -> None:
        heard.append(len(said.token_ids))
        if len(heard) == 3:
            raise KeyboardInterrupt

    questions = [Question(token_ids=prompt) for prompt in prompts]
    with pytest.raises(KeyboardInterrupt):
        answer(model, byte_tokenizer(), questions, GREEDY, batch_rows=12, eos_ids=EOS, on_answer=stop_after_three)
    assert heard == sorted(lengths)[:3]


def test_nothing_asked_nothing_answered():
    assert answered(steep_model(), []) == {}
    assert answered(steep_model(), [Question(token_ids=(4, 5), num_draws=0)]) == {}


def test_an_inference_copy_leaves_the_model_alone_and_computes_the_same():
    policy = tiny_policy()
    before = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        expected = policy.model(ids).logits
        copied = inference_copy(policy.model, torch.float32)
        assert torch.allclose(copied(ids).logits, expected, atol=1e-5)
        assert torch.equal(policy.model(ids).logits, expected)
    assert policy.model.config._attn_implementation == "sdpa"
    assert all(torch.equal(weight, before[name]) for name, weight in policy.model.state_dict().items())
    assert any(parameter.requires_grad for parameter in policy.model.parameters())


def test_an_inference_copy_has_its_weights_in_one_dtype_and_rotary_frequencies_in_float32():
    policy = tiny_policy()
    copied = inference_copy(policy.model, torch.bfloat16)
    assert {weight.dtype for weight in copied.parameters()} == {torch.bfloat16}
    assert copied.model.rotary_emb.inv_freq.dtype == torch.float32
    is_packed = any(isinstance(module, PackedLinear) for module in copied.modules())
    assert is_packed == is_packable(torch.bfloat16)


def test_prompts_prefilled_together_have_the_keys_and_values_they_have_alone():
    model = steep_model()
    sequences = [(5, 6, 7, 8, 9), (10, 11), (12, 13, 14)]
    with torch.no_grad():
        prefix = prefill(model, None, [(20, 21, 22)])
        together = prefill(model, prefix, sequences)
        for row, sequence in enumerate(sequences):
            alone = prefill(model, None, [(20, 21, 22, *sequence)])
            for layer, pair in enumerate(alone):
                for found, expected in zip(together[layer], pair, strict=True):
                    assert torch.allclose(found[row, :, : 3 + len(sequence)], expected[0], atol=1e-5)
