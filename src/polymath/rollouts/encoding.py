"""Prompts to tokens, and whether they leave room for an answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from polymath.errors import PromptError
from polymath.prompts import Prompt


def encode_prompt(tokenizer: Any, prompt: Prompt) -> list[int]:
    """Token ids of a prompt; raises PromptError for a chat prompt where there is no chat template."""
    if prompt.is_chat:
        if not tokenizer.chat_template:
            raise PromptError("prompt.template", "the model has no chat template", "use a template without -chat")
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt.text}], add_generation_prompt=True, tokenize=False
        )
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return list(tokenizer(prompt.text)["input_ids"])


def check_fit(tokenizer: Any, prompts: Iterable[Prompt], max_tokens: int, context: int) -> None:
    """Raise PromptError for the first prompt that does not fit a context with its answer."""
    for prompt in prompts:
        length = len(encode_prompt(tokenizer, prompt))
        if length + max_tokens > context:
            raise PromptError(
                f"prompt {prompt.text[:40]!r}...",
                f"{length} tokens and {max_tokens} for the answer exceed the model's context of {context}",
                "lower max_tokens, shorten the question, or take a model with a longer context",
            )
