"""What contenders are told, and what all of them train: the same weights, the same prompt, the same reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEMPLATE = "plain"
LAB_RECIPE = Path(__file__).parent.parent.parent / "recipes" / "lab.toml"


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A size, and the settings that contenders share. `rows` is the micro-batch of TRL and of the plain loop."""

    contender: str
    model: str
    prompt_tokens: int
    num_groups: int
    group_size: int
    max_tokens: int
    has_ends: bool
    rows: int
    dtype: str
    device: str
    threads: int
    learning_rate: float
    cache: str | None = None
    micro_batch_tokens: int | None = None

    @property
    def num_rollouts(self) -> int:
        """Rollouts a step."""
        return self.num_groups * self.group_size


@dataclass(frozen=True, kw_only=True)
class Task:
    """The policy, its prompt, and the sample that it trains on."""

    policy: Any
    prompt: Any
    sample: Any
    is_judged: bool

    def reward(self, text: str, token_ids: Sequence[int]) -> float:
        """The lab's answers are judged; those of other models are right at random: where the sum of the ids is odd."""
        if not self.is_judged:
            return float(sum(token_ids) % 2)
        from polymath.judge import judge

        is_truncated = token_ids[-1] not in self.policy.eos_ids
        return float(judge(text, self.sample, is_truncated=is_truncated).outcome == "right")


def load_task(setup: Setup) -> Task:
    """The model as we load it, and a prompt of the length that is asked for."""
    import torch

    from polymath.prompts import load_template, render_all
    from polymath.recipe import read_recipe
    from polymath.rollouts.local import LocalPolicy
    from polymath.samples.sources import load_samples

    torch.set_num_threads(setup.threads)
    policy: Any
    if setup.model == "random":
        policy = random_policy(setup.dtype)
        policy.model.to(setup.device)
    else:
        policy = LocalPolicy.load(setup.model, device=setup.device, dtype=setup.dtype)
    if not setup.prompt_tokens:
        (sample,) = load_samples(read_recipe(LAB_RECIPE).sample)
        (prompt,) = render_all([sample], load_template(TEMPLATE, None, is_chat=False))
        return Task(policy=policy, prompt=prompt, sample=sample, is_judged=True)
    if not setup.has_ends:
        policy.eos_ids = []
    return task_of_length(policy, setup.prompt_tokens)


def task_of_length(policy: Any, num_tokens: int) -> Task:
    """A task whose prompt has exactly so many tokens."""
    from polymath.prompts import load_template, render_all
    from polymath.types import Sample

    template = load_template(TEMPLATE, None, is_chat=False)
    question = ""
    while True:
        sample = Sample(question=question or "?", answer="1")
        (prompt,) = render_all([sample], template)
        if len(policy.encode(prompt)) == num_tokens:
            return Task(policy=policy, prompt=prompt, sample=sample, is_judged=False)
        for word in (" the number of boxes on a shelf", " the", " a", "a", "."):
            (longer,) = render_all([Sample(question=question + word, answer="1")], template)
            if len(policy.encode(longer)) <= num_tokens:
                question += word
                break
        else:
            raise SystemExit(f"no prompt of exactly {num_tokens} tokens was found")


def random_policy(dtype: str) -> Any:
    """3.6 million random weights over bytes."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from polymath.rollouts.local import LocalPolicy
    from polymath.testing import byte_tokenizer

    tokenizer = byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=800,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    return LocalPolicy(LlamaForCausalLM(config), tokenizer, dtype=dtype)
