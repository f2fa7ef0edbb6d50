"""vLLM as a policy for evaluation: prompts in, completions out. Unproven: written against its documented interface and
tested with a double, not yet run on a GPU.

vLLM batches by itself and does not promise the same rounding in another batch, so greedy answers of a resumed
evaluation may differ in rare places from an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from polymath.errors import ModelError, PromptError
from polymath.prompts import Prompt
from polymath.rollouts.local import encode_prompt
from polymath.rollouts.policy import Sampling
from polymath.seeds import child_seed
from polymath.types import Completion


class VllmPolicy:
    """A vLLM engine. `make_params` is vllm.SamplingParams, or a double of it."""

    def __init__(self, engine: Any, make_params: Callable[..., Any]) -> None:
        self.engine, self.make_params = engine, make_params
        self.tokenizer = engine.get_tokenizer()
        self.context = int(engine.llm_engine.model_config.max_model_len)

    @classmethod
    def load(cls, path: str, *, dtype: str = "bfloat16") -> VllmPolicy:
        """Load a model directory or hub id; raises ModelError where vLLM is absent or refuses."""
        try:
            from vllm import LLM, SamplingParams  # type: ignore[import-not-found, unused-ignore]
        except ImportError as error:
            raise ModelError(
                "--engine vllm", "vLLM is not installed", "pip install 'polymath-learning[vllm]' on a GPU machine"
            ) from error
        try:
            engine = LLM(model=path, dtype=dtype, enable_prefix_caching=True)
        except Exception as error:  # vLLM raises many kinds for an absent model or device
            raise ModelError(path, f"vLLM cannot load it ({str(error)[:200]})", "use --engine local") from error
        return cls(engine, SamplingParams)

    def fits(self, prompt: Prompt, max_tokens: int) -> bool:
        """The prompt and an answer of this many tokens fit the context."""
        return len(encode_prompt(self.tokenizer, prompt)) + max_tokens <= self.context

    def check_fit(self, prompts: Iterable[Prompt], max_tokens: int) -> None:
        """Raise PromptError for the first prompt that does not fit."""
        for prompt in prompts:
            if not self.fits(prompt, max_tokens):
                raise PromptError(
                    f"prompt {prompt.text[:40]!r}...",
                    f"and {max_tokens} tokens for the answer exceed the model's context of {self.context}",
                    "lower max_tokens, or take a model with a longer context",
                )

    def sample(self, prompts: Sequence[Prompt], n: int, sampling: Sampling, seed: int) -> list[list[Completion]]:
        """n completions for each prompt, in order."""
        seeds = [child_seed(seed, place) for place in range(len(prompts))]
        found = self._generate(prompts, n, sampling, seeds)
        return [found[place] for place in range(len(prompts))]

    def answer(
        self,
        prompts: Sequence[Prompt],
        n: int,
        sampling: Sampling,
        seeds: Sequence[int],
        *,
        batch_size: int,
        on_tokens: Callable[[int, int], None],
        on_answered: Callable[[Mapping[int, Sequence[Completion]]], None],
    ) -> None:
        """n completions for each prompt; vLLM decides itself how many it decodes at once."""
        answers = self._generate(prompts, n, sampling, seeds)
        on_tokens(sum(map(len, answers.values())), sum(one.length for draws in answers.values() for one in draws))
        on_answered(answers)

    def _generate(
        self, prompts: Sequence[Prompt], n: int, sampling: Sampling, seeds: Sequence[int]
    ) -> dict[int, list[Completion]]:
        requests = [{"prompt_token_ids": encode_prompt(self.tokenizer, prompt)} for prompt in prompts]
        params = [self._params(n, sampling, seed) for seed in seeds]
        found = self.engine.generate(requests, params, use_tqdm=False)
        return {place: [_completion(said) for said in output.outputs] for place, output in enumerate(found)}

    def _params(self, n: int, sampling: Sampling, seed: int) -> Any:
        return self.make_params(
            n=n,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            seed=None if sampling.temperature == 0 else seed,
        )


def _completion(said: Any) -> Completion:
    finish = "length" if said.finish_reason == "length" else "eos"
    return Completion(text=said.text, finish=finish, token_ids=tuple(said.token_ids))  # type: ignore[arg-type]
