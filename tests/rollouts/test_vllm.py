"""vLLM as a policy, driven against a double of its documented interface; nothing here shows that a GPU works."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from polymath.errors import ModelError, PromptError
from polymath.evaluation.evaluate import evaluate
from polymath.evaluation.protocol import read_protocol
from polymath.evaluation.suites import Suite
from polymath.prompts import TEMPLATES, Prompt
from polymath.rollouts.policy import Sampling, StreamingPolicy
from polymath.rollouts.vllm import VllmPolicy
from polymath.testing import byte_tokenizer
from polymath.types import Sample


class Engine:
    """What vllm.LLM offers, as far as we use it: it says the number of tokens that it was asked with."""

    def __init__(self, context=60):
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=context))
        self.asked = []

    def get_tokenizer(self):
        return byte_tokenizer()

    def generate(self, prompts, sampling_params, use_tqdm):
        self.asked.append((prompts, sampling_params))
        return [
            SimpleNamespace(outputs=[self._say(prompt, params, draw) for draw in range(params.n)])
            for prompt, params in zip(prompts, sampling_params, strict=True)
        ]

    @staticmethod
    def _say(prompt, params, draw):
        text = rf"\boxed{{{len(prompt['prompt_token_ids']) + draw}}}"
        finish = "length" if draw else "stop"
        return SimpleNamespace(text=text, token_ids=list(range(4 + draw)), finish_reason=finish, logprobs=None)


def policy(context=60):
    return VllmPolicy(Engine(context), SimpleNamespace)


def test_it_is_a_streaming_policy_and_evaluates_a_suite():
    asked = policy()
    assert isinstance(asked, StreamingPolicy)
    # "Problem: ab\nAnswer:" is 19 tokens of the byte tokenizer.
    suite = Suite(
        name="s", benchmarks={"b": (Sample(question="ab", answer="19"), Sample(question="x" * 60, answer="1"))}
    )
    found = evaluate(asked, suite, read_protocol("sample-2-t0.5", 8), TEMPLATES["plain"])
    assert [response.strict.outcome for response in found] == ["right", "wrong", "wrong", "wrong"]
    assert [response.completion.finish for response in found] == ["eos", "length", "overlong", "overlong"]
    ((prompts, params),) = asked.engine.asked
    assert len(prompts) == 1 and params[0].n == 2


def test_the_decoding_reaches_the_engine_and_every_prompt_has_a_seed_of_its_own():
    asked = policy()
    sampling = Sampling(temperature=0.5, top_p=0.8, top_k=10, max_tokens=7, stop=("\n",))
    asked.sample([Prompt(text="a"), Prompt(text="b")], 3, sampling, seed=1)
    first, second = asked.engine.asked[0][1]
    assert (first.n, first.temperature, first.top_p, first.top_k) == (3, 0.5, 0.8, 10)
    assert (first.max_tokens, first.stop) == (7, ["\n"])
    assert first.seed != second.seed
    asked.sample([Prompt(text="a")], 1, Sampling(temperature=0.0), seed=1)
    assert asked.engine.asked[1][1][0].seed is None


def test_a_prompt_without_room_is_told():
    with pytest.raises(PromptError, match="context of 60"):
        policy().check_fit([Prompt(text="x" * 58)], 8)


def test_without_vllm_one_line_says_what_to_install():
    pytest.importorskip("torch")
    try:
        import vllm  # noqa: F401
    except ImportError:
        with pytest.raises(ModelError, match=r"polymath-learning\[vllm\]"):
            VllmPolicy.load("somewhere")
    else:
        pytest.skip("vLLM is installed here")
