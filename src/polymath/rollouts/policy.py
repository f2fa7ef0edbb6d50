"""The first seam: what a policy is.

A Policy says something to prompts. A TrainablePolicy also gives log-probabilities under autograd and its
parameters. B: responses, T: tokens of the longest one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from polymath.prompts import Prompt
from polymath.types import Completion

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to decode. Temperature 0 is greedy; top_k 0 and top_p 1 keep every token."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 64


@dataclass(frozen=True, kw_only=True)
class TokenScores:
    """Scores of given response tokens, padded on the right; padding holds zeros.

    Log-probabilities and entropies (nats) are those of logits / temperature.
    """

    logprob_BT: Tensor
    entropy_BT: Tensor
    mask_BT: Tensor


class Policy(Protocol):
    """Anything that answers prompts."""

    def sample(self, prompts: Sequence[Prompt], n: int, sampling: Sampling, seed: int) -> list[list[Completion]]:
        """n completions for each prompt, in order; the same seed gives the same completions."""
        ...


class TrainablePolicy(Policy, Protocol):
    """A policy whose weights can be changed and saved."""

    def score(
        self,
        prompt: Prompt,
        responses: Sequence[Sequence[int]],
        *,
        temperature: float,
        with_entropy_gradient: bool = False,
    ) -> TokenScores:
        """Log-probabilities of responses to one prompt, under autograd unless the caller turned it off."""
        ...

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """The trainable weights, in a stable order."""
        ...

    def save(self, path: Path) -> None:
        """Write model and tokenizer in the transformers layout."""
        ...

    def load_weights(self, path: Path) -> None:
        """Take the weights of a directory that `save` wrote."""
        ...
