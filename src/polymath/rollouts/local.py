"""A causal language model of transformers as a trainable policy.

Weights that are trained are float32 masters always: at a learning rate of 1e-6 a bfloat16 weight rounds its update
away. `dtype = "bfloat16"` computes in bfloat16 (autocast) for sampling and for scoring alike. With adapters
(`rollouts.lora`) the weights of the base are not trained, and are in the type of the computation.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.core_model_loading import revert_weight_conversion

from polymath.errors import ModelError
from polymath.prompts import Prompt
from polymath.recipe import LoraSection, RolloutSection
from polymath.rollouts import lora as adapters
from polymath.rollouts.answer import Answer, Question, answer
from polymath.rollouts.branches import decode_branches
from polymath.rollouts.decode import Decoded, decode
from polymath.rollouts.encoding import check_fit, encode_prompt
from polymath.rollouts.inference import inference_copy
from polymath.rollouts.policy import Sampler, Sampling, TokenScores
from polymath.rollouts.prompt_scorer import PromptScorer
from polymath.rollouts.ranks import Ranks
from polymath.rollouts.score import score_responses
from polymath.rollouts.slots import fits_slots
from polymath.seeds import child_seed
from polymath.types import Completion, Finish

_NUMBERS = itertools.count()
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")


class LocalPolicy:
    """A model and its tokenizer on one device.

    With `recompute`, scoring under autograd keeps the inputs of decoder layers alone (gradient checkpointing). With
    `is_base`, the model's adapters are off: it is the base that they were put into.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        dtype: str = "float32",
        max_rows: int = 1024,
        recompute: bool = False,
        is_base: bool = False,
    ) -> None:
        self.model = model.eval()  # no dropout: sampler and learner must be the same function
        self.tokenizer = tokenizer
        self.dtype = dtype
        self.max_rows = max_rows
        self.recompute, self.is_base = recompute, is_base
        self.context = int(getattr(model.config, "max_position_embeddings", 1 << 30))
        self.eos_ids = _eos_ids(model, tokenizer)
        self.ranks: Ranks | None = None
        self.sampler: Sampler | None = None
        self._copy: tuple[list[int], Any] | None = None
        self._number = next(_NUMBERS)  # tells this policy's weights from another's

    @classmethod
    def load(
        cls,
        path: str,
        *,
        device: str = "auto",
        dtype: str = "float32",
        lora: LoraSection | None = None,
        seed: int = 0,
        recompute: bool = False,
    ) -> LocalPolicy:
        """Load a model directory or hub id; raises ModelError in one line.

        With `lora` adapters are put in, drawn by `seed`, and they alone are trained.
        """
        if not Path(path).is_dir() and not HUB_ID.fullmatch(path):
            raise ModelError(path, "no such directory", "name a model directory or a hub id (OWNER/NAME)")
        if Path(path).is_dir() and not (Path(path) / "config.json").is_file():
            raise ModelError(path, "has no config.json", "name a directory in the transformers layout")
        target = choose_device(device)
        weights = torch.bfloat16 if lora is not None and dtype == "bfloat16" else torch.float32
        try:
            tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
            model, info = AutoModelForCausalLM.from_pretrained(
                path, dtype=weights, trust_remote_code=False, use_safetensors=True, output_loading_info=True
            )
        except Exception as error:  # transformers raises many kinds for an absent or torn model
            reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
            raise ModelError(
                path, f"cannot be loaded ({reason})", "name a model directory or a reachable hub id"
            ) from error
        if info["missing_keys"]:
            missing = sorted(info["missing_keys"])
            raise ModelError(path, f"weights lack {missing[0]} and {len(missing) - 1} more", "fetch the model again")
        if lora is not None:
            adapters.attach(model, lora, seed=seed)
        return cls(model.to(target), tokenizer, dtype=dtype, recompute=recompute)

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt, special tokens of the tokenizer or chat template included."""
        return encode_prompt(self.tokenizer, prompt)

    def fits(self, prompt: Prompt, max_tokens: int) -> bool:
        """The prompt and an answer of this many tokens fit the context."""
        return len(self.encode(prompt)) + max_tokens <= self.context

    def check_fit(self, prompts: Iterable[Prompt], max_tokens: int) -> None:
        """Raise PromptError where a prompt and its answer do not fit the context."""
        check_fit(self.tokenizer, prompts, max_tokens, self.context)

    def sample(
        self,
        prompts: Sequence[Prompt],
        n: int,
        sampling: Sampling,
        seed: int,
        on_tokens: Callable[[int], None] | None = None,
    ) -> list[list[Completion]]:
        """n completions for each prompt. Prompts of one call are decoded together, up to max_rows rows.

        Where there are several ranks, each draws its share of every prompt's completions; a sampler draws them all.
        """
        if self.sampler is not None:
            found = self._speaker(self.sampler).sample(prompts, n, sampling, seed)
            if on_tokens:
                on_tokens(sum(said.length for completions in found for said in completions))
            return [[self._reread(said, sampling) for said in completions] for completions in found]
        if self.ranks is None:
            return self.draw(prompts, n, sampling, seed, on_tokens)
        shares = self.ranks.do(
            "draw",
            lambda: self.draw_share(prompts, n, sampling, seed),
            prompts=prompts,
            n=n,
            sampling=sampling,
            seed=seed,
        )
        return [[said for share in shares for said in share[place]] for place in range(len(prompts))]

    def draw_share(self, prompts: Sequence[Prompt], n: int, sampling: Sampling, seed: int) -> list[list[Completion]]:
        """This rank's part of n completions for each prompt."""
        assert self.ranks is not None
        count = len(self.ranks.share(n))
        return self.draw(prompts, count, sampling, child_seed(seed, "rank", self.ranks.rank))

    def draw(
        self,
        prompts: Sequence[Prompt],
        n: int,
        sampling: Sampling,
        seed: int,
        on_tokens: Callable[[int], None] | None = None,
    ) -> list[list[Completion]]:
        """n completions for each prompt, by this process."""
        if not n:
            return [[] for _ in prompts]
        prompt_ids = [self.encode(prompt) for prompt in prompts]
        found: list[list[Completion]] = [[] for _ in prompts]
        for part, (rows, count) in enumerate(_chunks(len(prompts), n, self.max_rows)):
            decoded = self._decode([prompt_ids[row] for row in rows], count, sampling, child_seed(seed, part))
            for row, completions in zip(rows, decoded, strict=True):
                found[row].extend(
                    Completion(
                        text=self.decode(item.token_ids),
                        finish="eos" if item.has_ended else "length",
                        token_ids=item.token_ids,
                        logprobs=item.logprobs,
                    )
                    for item in completions
                )
            if on_tokens:
                on_tokens(sum(len(item.token_ids) for completions in decoded for item in completions))
        return found

    def _decode(
        self, prompt_ids: Sequence[Sequence[int]], n: int, sampling: Sampling, seed: int
    ) -> list[list[Decoded]]:
        if fits_slots(self.model):
            model = self._for_inference()
            return decode_branches(model, prompt_ids, n, sampling, seed, eos_ids=self.eos_ids)
        with self._compute():
            return decode(self.model, prompt_ids, n, sampling, seed, eos_ids=self.eos_ids)

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
        """n completions for each prompt, a finished row making room for the next one.

        They are given out together at the end: what else is in the batch can change how a kernel rounds, so a part of
        them, asked alone, might come out differently.
        """
        if self.sampler is not None:
            self._speaker(self.sampler).answer(
                prompts, n, sampling, seeds, batch_size=batch_size, on_tokens=on_tokens, on_answered=on_answered
            )
            return
        found: dict[int, dict[int, Completion]] = {place: {} for place in range(len(prompts))}

        def collect(place: int, draw: int, said: Answer) -> None:
            finish: Finish = "eos" if said.has_ended else "length"
            found[place][draw] = Completion(text=said.text, finish=finish, token_ids=said.token_ids)
            on_tokens(1, len(said.token_ids))

        questions = [
            Question(token_ids=tuple(self.encode(prompt)), num_draws=n, seed=seed)
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        answer(
            self._for_inference(),
            self.tokenizer,
            questions,
            sampling,
            batch_rows=batch_size,
            eos_ids=self.eos_ids,
            on_answer=collect,
        )
        on_answered({place: [draws[draw] for draw in range(n)] for place, draws in found.items()})

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of a response, without special tokens."""
        text = self.tokenizer.decode(list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    def score(
        self,
        prompt: Prompt,
        responses: Sequence[Sequence[int]],
        *,
        temperature: float,
        with_entropy_gradient: bool = False,
    ) -> TokenScores:
        """Log-probabilities of responses to one prompt."""
        self.make_room()
        with self._compute():
            return score_responses(
                self.model,
                self.encode(prompt),
                responses,
                temperature=temperature,
                with_entropy_gradient=with_entropy_gradient,
            )

    @property
    def attention_share(self) -> float:
        """What looking at one token costs, over what all else costs that a token needs: by counting products."""
        config = self.model.config
        return 2.0 * int(config.num_hidden_layers) * int(config.hidden_size) / self.num_parameters()

    def num_prompt_tokens(self, prompt: Prompt) -> int:
        """Tokens of a prompt."""
        return len(self.encode(prompt))

    def scorer(self, prompt: Prompt) -> PromptScorer:
        """Scores trees of responses to this prompt, the prompt computed once; close it after the last backward."""
        self.make_room()
        return PromptScorer(self.model, self.encode(prompt), self._compute, recompute=self.recompute)

    @torch.no_grad()
    def perplexities(self, prompts: Sequence[Prompt]) -> list[float]:
        """exp of the mean negative log-probability of each prompt's tokens but the first."""
        found = []
        for prompt in prompts:
            ids = torch.tensor([self.encode(prompt)], device=self.model.device)
            with self._compute():
                logits_TV = self.model(ids, use_cache=False).logits[0, :-1].float()
            logprob_T = logits_TV.log_softmax(-1).gather(1, ids[0, 1:, None])
            found.append(float((-logprob_T.mean()).exp()) if len(logprob_T) else 1.0)
        return found

    def samples_exactly(self, rollout: RolloutSection) -> bool:
        """In float32, from the whole distribution: what bfloat16 rounds, sampler and scorer round in their own ways."""
        is_whole = rollout.top_p >= 1 and not rollout.top_k and rollout.repetition_penalty == 1
        return self.dtype == "float32" and is_whole and self.sampler is None

    def attach(self, sampler: Sampler) -> None:
        """Have all responses said by this engine from now on, with the weights as they are when it is asked."""
        self.sampler = sampler
        self.context = min(self.context, sampler.context)

    def measures(self) -> dict[str, float]:
        """What the sampler has measured of itself since it was last asked; nothing without one."""
        return {} if self.sampler is None else self.sampler.measures()

    def weights(self) -> list[torch.Tensor]:
        """All weights, trainable or not, in the model's order."""
        return list(self.model.parameters())

    def parameters(self) -> list[torch.nn.Parameter]:
        """The trainable weights, in the model's order; tied weights once."""
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def num_parameters(self) -> int:
        """How many weights the model has; tied weights count once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def save(self, path: Path) -> None:
        """Write model (safetensors of its masters' type) and tokenizer in the transformers layout.

        Adapters are merged into what is written, so that it is a model like any other, and lie beside it in peft's
        layout: merged weights do not say which adapters made them.
        """
        if self._is_adapted:
            self._copy = None  # a merged model is as large
        adapters.merged(self.model).save_pretrained(path)
        self.tokenizer.save_pretrained(path)
        if self._is_adapted:
            adapters.save_adapter(self.model, path / adapters.FOLDER)

    def load_weights(self, path: Path) -> None:
        """Take the weights of a directory that `save` wrote, in place; of a model with adapters, those alone."""
        if self._is_adapted:
            adapters.load_adapter(self.model, path / adapters.FOLDER)
            return
        weights: dict[str, torch.Tensor] = {}
        for file in sorted(path.glob("model*.safetensors")):
            weights.update(load_file(file))
        missing, unexpected = self.model.load_state_dict(weights, strict=False)
        tied = set(getattr(self.model, "all_tied_weights_keys", None) or {})
        if unexpected or set(missing) - tied:
            raise ModelError(path, "weights do not fit this model", "resume with the model the run began with")

    def frozen_copy(self) -> LocalPolicy:
        """The same policy with its weights as they are now: a reference for KL.

        Of a model with adapters it is the base, with the adapters off, and shares all weights: take it before training.
        """
        if self._is_adapted:
            return LocalPolicy(self.model, self.tokenizer, dtype=self.dtype, max_rows=self.max_rows, is_base=True)
        model = copy.deepcopy(self.model)
        model.requires_grad_(False)
        return LocalPolicy(model, self.tokenizer, dtype=self.dtype, max_rows=self.max_rows)

    def make_room(self) -> None:
        """Let go of what answers: training goes on and wants its memory."""
        self._copy = None
        if self.sampler is not None:
            self.sampler.rest()

    def _speaker(self, sampler: Sampler) -> Sampler:
        """The sampler, with the weights as they are now."""
        state = (self._number, *self._changes())
        if sampler.holds != state:
            plain = adapters.merged(self.model, is_base=self.is_base)
            # As they would be written: some models are computed with weights in another arrangement.
            sampler.follow(revert_weight_conversion(plain, plain.state_dict()).items(), state)
        return sampler

    def _reread(self, said: Completion, sampling: Sampling) -> Completion:
        """The completion with the text that we read in its tokens, unless a stop text cut it."""
        return said if sampling.stop else replace(said, text=self.decode(said.token_ids or ()))

    def _changes(self) -> list[int]:
        """How often each weight was changed in place."""
        return [parameter._version for parameter in self.model.parameters()]

    def _for_inference(self) -> Any:
        """The copy of the model that answers, made anew after every change of a weight."""
        changes = self._changes()
        if self._copy is None or self._copy[0] != changes:
            self._copy = None
            dtype = torch.bfloat16 if self.dtype == "bfloat16" else torch.float32
            plain = adapters.merged(self.model, is_base=self.is_base)
            self._copy = (changes, inference_copy(plain, dtype))
        return self._copy[1]

    @property
    def _is_adapted(self) -> bool:
        return bool(adapters.adapted(self.model))

    @contextmanager
    def _compute(self) -> Iterator[None]:
        with ExitStack() as stack:
            if self.is_base:
                stack.enter_context(adapters.switched_off(self.model))
            if self.dtype == "bfloat16":
                # The cast weights are kept for the backward pass, but where layers run, and cast them, anew.
                device = self.model.device.type
                stack.enter_context(torch.autocast(device, dtype=torch.bfloat16, cache_enabled=not self.recompute))
            yield


def choose_device(setting: str) -> torch.device:
    """The device of a recipe; auto takes cuda, then mps, then cpu."""
    if setting == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))  # torchrun: a device a process
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(setting)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError("model.device", f"{setting!r} cannot be used here", "use auto, cpu, cuda or mps") from error
    return device


def hash_weights(path: Path) -> str:
    """sha256 over the safetensors files of a model directory, in name order; where there are none, over its .bin."""
    digest = hashlib.sha256()
    for file in sorted(path.glob("*.safetensors")) or sorted(path.glob("*.bin")):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _eos_ids(model: Any, tokenizer: Any) -> list[int]:
    """Every token that ends a response: the generation config may list several, the tokenizer one."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ids = set(configured if isinstance(configured, list) else [configured])
    ids.add(tokenizer.eos_token_id)
    found = sorted(token for token in ids if token is not None)
    if not found:
        raise ModelError("model", "names no end-of-sequence token", "set eos_token_id in generation_config.json")
    return found


def _chunks(num_prompts: int, n: int, max_rows: int) -> Iterable[tuple[list[int], int]]:
    """Split (prompts x n) rows: whole prompts together while they fit, else one prompt in parts."""
    if n >= max_rows:
        for row in range(num_prompts):
            for start in range(0, n, max_rows):
                yield [row], min(max_rows, n - start)
        return
    at_once = max_rows // n
    for start in range(0, num_prompts, at_once):
        yield list(range(start, min(num_prompts, start + at_once))), n
