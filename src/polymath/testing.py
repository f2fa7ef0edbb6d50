"""Public doubles: a policy that says what it is told, and a real one small enough for unit tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.prompts import Prompt
from polymath.rollouts.policy import Sampling
from polymath.types import Completion

if TYPE_CHECKING:
    from polymath.rollouts.local import LocalPolicy


class ScriptedPolicy:
    """Answers each prompt from a script; the texts of a prompt are said in turn, draw after draw."""

    def __init__(self, script: Mapping[str, Sequence[str]], default: str = "") -> None:
        self.script, self.default = dict(script), default
        self.calls: list[tuple[tuple[Prompt, ...], int]] = []

    def sample(self, prompts: Sequence[Prompt], n: int, sampling: Sampling, seed: int) -> list[list[Completion]]:
        """n completions for each prompt, the same for every seed."""
        self.calls.append((tuple(prompts), n))
        return [
            [self._complete((self.script.get(prompt.text) or [self.default]), draw) for draw in range(n)]
            for prompt in prompts
        ]

    @staticmethod
    def _complete(texts: Sequence[str], draw: int) -> Completion:
        return Completion(text=texts[draw % len(texts)], finish="eos")


def tiny_policy(seed: int = 0, *, hidden_size: int = 32, num_layers: int = 2, context: int = 512) -> LocalPolicy:
    """A real causal LM with random weights and one token a byte: any text in, any text out."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from polymath.rollouts.local import LocalPolicy

    tokenizer = byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    return LocalPolicy(model, tokenizer)


def byte_tokenizer() -> Any:
    """A tokenizer with one token a byte, <pad> and </s>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<pad>": 0, "</s>": 1}
    for symbol in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocabulary[symbol] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>")


def save_tiny_model(path: Path, seed: int = 0) -> Path:
    """A directory in the transformers layout, as a user would name it in `model.path`."""
    tiny_policy(seed).save(path)
    return path
