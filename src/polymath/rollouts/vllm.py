"""vLLM as a policy: prompts in, completions out.

It answers an evaluation by itself (`load`), or says the responses of a policy that is trained beside it, with the
weights that it is handed before each step (`beside`). It was run on a CPU, with vLLM's own CPU backend (docs/vllm.md);
unproven on a GPU.

vLLM batches by itself and does not promise the same rounding in another batch, so greedy answers of a resumed
evaluation may differ in rare places from an uninterrupted one, and so may what a step draws when it is drawn again.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from polymath.errors import ModelError, RecipeError
from polymath.prompts import Prompt
from polymath.recipe import SamplerSection
from polymath.rollouts.encoding import check_fit, encode_prompt
from polymath.rollouts.policy import Sampling
from polymath.seeds import child_seed
from polymath.types import Completion, Finish

FINISHES: dict[str, Finish] = {"stop": "eos", "length": "length"}
CPU_SHARE = 0.2
# A prompt that is read in parts draws from a seeded generator and takes that back, which those of a CPU cannot.
ON_CPU = {"enable_chunked_prefill": False}
# Counters of vLLM: how often it drafted, how many tokens in all, and how many of them it kept.
COUNTERS = {
    "vllm:spec_decode_num_drafts": "drafts",
    "vllm:spec_decode_num_draft_tokens": "drafted",
    "vllm:spec_decode_num_accepted_tokens": "accepted",
}


class VllmPolicy:
    """A vLLM engine. `make_params` is vllm.SamplingParams, or a double of it.

    With `is_beside`, it follows a policy that is trained: its weights come from there, `eos_ids` end a response, and
    completions carry log-probabilities. With `sleeps` it gives its memory back in between.
    """

    def __init__(
        self,
        engine: Any,
        make_params: Callable[..., Any],
        *,
        is_beside: bool = False,
        sleeps: bool = False,
        speculates: bool = False,
        eos_ids: Sequence[int] = (),
    ) -> None:
        self.engine, self.make_params = engine, make_params
        self.tokenizer = engine.get_tokenizer()
        self.context = int(engine.llm_engine.model_config.max_model_len)
        self.is_beside, self.sleeps, self.speculates = is_beside, sleeps, speculates
        self.eos_ids = tuple(eos_ids)
        self.holds: tuple[int, ...] | None = None
        self._is_asleep = False
        self._counted = dict.fromkeys(COUNTERS.values(), 0.0)

    @classmethod
    def load(cls, path: str, *, dtype: str = "bfloat16") -> VllmPolicy:
        """Load a model directory or hub id; raises ModelError where vLLM is absent or refuses."""
        vllm = _import("--engine vllm")
        arguments: dict[str, Any] = {"dtype": dtype}
        if not _is_on_cuda(vllm):
            # On a CPU it is the machine's memory, where vLLM's own share of 0.9 is never free.
            arguments |= {**ON_CPU, "gpu_memory_utilization": CPU_SHARE}
        return cls(_start(vllm, path, arguments, "use --engine local"), vllm.SamplingParams)

    @classmethod
    def beside(
        cls, path: str, settings: SamplerSection, *, dtype: str, device: str, eos_ids: Sequence[int]
    ) -> VllmPolicy:
        """Load what follows a policy that is on `device`; raises UserError where vLLM is absent, refuses or cannot.

        The engine runs in this process, so that weights are handed over as they lie in memory.
        """
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        vllm = _import("sampler.name")
        on_cuda = _is_on_cuda(vllm)
        if device not in (("cuda", "cuda:0") if on_cuda else ("cpu",)):
            remedy = "set model.device = auto, and choose a GPU by CUDA_VISIBLE_DEVICES"
            raise RecipeError("sampler.name", f"vLLM takes {'cuda:0' if on_cuda else 'the CPU'}, not {device}", remedy)
        if settings.speculation and not on_cuda:
            raise RecipeError(
                "sampler.speculation",
                "on a CPU vLLM (0.32) draws from another distribution when it speculates (docs/vllm.md)",
                "leave it out on a CPU",
            )
        sleeps = settings.sleeps and on_cuda
        arguments = {
            **({} if on_cuda else ON_CPU),
            "dtype": dtype,
            "gpu_memory_utilization": settings.memory_share,
            "enable_sleep_mode": sleeps,
            # Log-probabilities of what it draws from, temperature and nucleus included.
            "logprobs_mode": "processed_logprobs",
            "disable_log_stats": not settings.speculation,
            "speculative_config": settings.speculation or None,
            "load_format": "dummy",  # it is handed its weights before it says anything
            **settings.options,
        }
        if not on_cuda:
            # There vLLM packs a head of its own, which does not follow the embeddings that it is tied to.
            arguments["hf_overrides"] = {"tie_word_embeddings": False}
        remedy = "lower sampler.memory_share or sampler.options.max_model_len, or leave sampler out"
        engine = _start(vllm, path, arguments, remedy)
        # It warns of every rotary embedding, which has no weights to load. A start forgets what was set before it.
        logging.getLogger("vllm.model_executor.model_loader.reload.layerwise").setLevel(logging.ERROR)
        speculates = bool(settings.speculation)
        return cls(engine, vllm.SamplingParams, is_beside=True, sleeps=sleeps, speculates=speculates, eos_ids=eos_ids)

    def fits(self, prompt: Prompt, max_tokens: int) -> bool:
        """The prompt and an answer of this many tokens fit the context."""
        return len(encode_prompt(self.tokenizer, prompt)) + max_tokens <= self.context

    def check_fit(self, prompts: Iterable[Prompt], max_tokens: int) -> None:
        """Raise PromptError for the first prompt that does not fit."""
        check_fit(self.tokenizer, prompts, max_tokens, self.context)

    def sample(self, prompts: Sequence[Prompt], n: int, sampling: Sampling, seed: int) -> list[list[Completion]]:
        """n completions for each prompt, in order."""
        seeds = [child_seed(seed, place) for place in range(len(prompts))]
        found = self._generate(prompts, n, sampling, seeds, with_logprobs=self.is_beside)
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
        answers = self._generate(prompts, n, sampling, seeds, with_logprobs=False)
        on_tokens(sum(map(len, answers.values())), sum(one.length for draws in answers.values() for one in draws))
        on_answered(answers)

    def follow(self, weights: Iterable[tuple[str, Tensor]], state: tuple[int, ...]) -> None:
        """Take these weights, named as in a checkpoint, and forget the prompts computed with others.

        Raises ModelError where vLLM keeps what it has cached.
        """
        assert self.is_beside
        self.holds = None
        self._wake("weights")
        self.engine.collective_rpc("reload_weights", kwargs={"weights_iterator": weights, "is_checkpoint_format": True})
        self._wake("kv_cache")
        self._is_asleep = False
        if not self.engine.reset_prefix_cache():
            raise ModelError("vLLM", "keeps prompts computed with weights of before", "set sampler.name = policy")
        self.holds = state

    def rest(self) -> None:
        """Hold no weights until `follow`; give their memory and the cache's back, where it sleeps."""
        self.holds = None
        if self.sleeps and not self._is_asleep:
            self.engine.sleep(level=2)
            self._is_asleep = True

    def close(self) -> None:
        """End the engine and free its memory."""
        if self.engine is None:
            return
        for part in ("weights", "kv_cache"):
            self._wake(part)
        self._is_asleep = False
        self.engine.llm_engine.engine_core.shutdown()
        self.engine = self.holds = None
        gc.collect()
        _free_cached_memory()

    def measures(self) -> dict[str, float]:
        """Acceptance rate and mean acceptance length of what was drafted since this was last asked, in vLLM's terms.

        The rate is of drafted tokens, the length in tokens a pass of the model.
        """
        if not self.speculates:
            return {}
        counted = dict.fromkeys(COUNTERS.values(), 0.0)
        for metric in self.engine.get_metrics():
            if metric.name in COUNTERS:
                counted[COUNTERS[metric.name]] += metric.value
        new = {name: count - self._counted[name] for name, count in counted.items()}
        self._counted = counted
        if not new["drafted"]:
            return {}
        return {
            "speculation/acceptance_rate": new["accepted"] / new["drafted"],
            "speculation/mean_acceptance_length": 1 + new["accepted"] / new["drafts"],
        }

    def _wake(self, part: str) -> None:
        if self._is_asleep:
            _free_cached_memory()  # what training has left in torch's allocator is not free for vLLM's
            self.engine.wake_up(tags=[part])

    def _generate(
        self, prompts: Sequence[Prompt], n: int, sampling: Sampling, seeds: Sequence[int], *, with_logprobs: bool
    ) -> dict[int, list[Completion]]:
        requests = [{"prompt_token_ids": encode_prompt(self.tokenizer, prompt)} for prompt in prompts]
        params = [self._params(n, sampling, seed, with_logprobs) for seed in seeds]
        found = self.engine.generate(requests, params, use_tqdm=False)
        return {place: [self._completion(said) for said in output.outputs] for place, output in enumerate(found)}

    def _params(self, n: int, sampling: Sampling, seed: int, with_logprobs: bool) -> Any:
        beside: dict[str, Any] = {}
        if self.is_beside:
            beside = {
                "logprobs": 0 if with_logprobs else None,  # 0: of the token that is said, and no other
                "stop_token_ids": list(self.eos_ids),
                "repetition_penalty": sampling.repetition_penalty,
            }
        return self.make_params(
            n=n,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            seed=None if sampling.temperature == 0 else seed,
            **beside,
        )

    def _completion(self, said: Any) -> Completion:
        if said.finish_reason not in FINISHES:
            raise ModelError("vLLM", f"gave up on a response ({said.finish_reason})", "see what it says above")
        token_ids, logprobs = tuple(said.token_ids), None
        if said.logprobs:
            logprobs = tuple(of[token].logprob for of, token in zip(said.logprobs, token_ids, strict=True))
        return Completion(text=said.text, finish=FINISHES[said.finish_reason], token_ids=token_ids, logprobs=logprobs)


def _import(where: str) -> Any:
    """The package, which is told to leave standard output alone; raises ModelError where it is absent."""
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    try:
        import vllm
        import vllm.platforms  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        remedy = "pip install 'polymath-learning[vllm]' on a GPU machine"
        raise ModelError(where, "vLLM is not installed", remedy) from error
    return vllm


def _is_on_cuda(vllm: Any) -> bool:
    """Whether this vLLM computes on CUDA; torch's answer can be another."""
    return bool(vllm.platforms.current_platform.is_cuda())


def _start(vllm: Any, path: str, arguments: Mapping[str, Any], remedy: str) -> Any:
    """vllm.LLM of a model. torch's threads stay as they are, though vLLM sets them, or sees to it that nobody does."""
    num_threads, set_num_threads = torch.get_num_threads(), torch.set_num_threads
    try:
        return vllm.LLM(model=path, enable_prefix_caching=True, **arguments)
    except Exception as error:  # vLLM raises many kinds for an absent model or device, or a wrong argument
        raise ModelError(path, f"vLLM cannot load it ({str(error)[:200]})", remedy) from error
    finally:
        torch.set_num_threads = set_num_threads
        torch.set_num_threads(num_threads)


def _free_cached_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def engine_version() -> dict[str, str]:
    """The version of vLLM, as run.json and caches name it."""
    import vllm

    return {"vllm": str(vllm.__version__)}
