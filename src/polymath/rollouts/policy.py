"""The first seam: what a policy is.

A Policy says something to prompts. A TrainablePolicy also gives log-probabilities under autograd and its
parameters. B: responses, T: tokens of the longest one, N: nodes of prefix trees (`rollouts.tree`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from polymath.prompts import Prompt
from polymath.types import Completion

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from polymath.recipe import RolloutSection
    from polymath.rollouts.ranks import Ranks
    from polymath.rollouts.tree import Tree


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to decode. Temperature 0 is greedy; top_k 0 and top_p 1 keep every token.

    A response ends before the first of the `stop` strings that it would say. `repetition_penalty` is known to the
    policies that are trained (`rollouts.draws.penalise`); evaluation does not use it.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 64
    stop: tuple[str, ...] = ()
    repetition_penalty: float = 1.0


@dataclass(frozen=True, kw_only=True)
class TokenScores:
    """Scores of given response tokens, padded on the right; padding holds zeros.

    Log-probabilities and entropies (nats) are those of logits / temperature.
    """

    logprob_BT: Tensor
    entropy_BT: Tensor
    mask_BT: Tensor


@dataclass(frozen=True, kw_only=True)
class NodeScores:
    """Of every node of every tree, one after another: log-probability and, of the choice there, entropy in nats.

    Both are those of logits / temperature. Shape (N,), float32 or wider.
    """

    logprob_N: Tensor
    entropy_N: Tensor


class Policy(Protocol):
    """Anything that answers prompts."""

    def sample(self, prompts: Sequence[Prompt], n: int, sampling: Sampling, seed: int) -> list[list[Completion]]:
        """n completions for each prompt, in order; the same seed gives the same completions."""
        ...


@runtime_checkable
class StreamingPolicy(Policy, Protocol):
    """A policy that answers many different prompts, a finished one making room for the next; for evaluation."""

    def fits(self, prompt: Prompt, max_tokens: int) -> bool:
        """The prompt and an answer of this many tokens fit the context."""
        ...

    def check_fit(self, prompts: Iterable[Prompt], max_tokens: int) -> None:
        """Raise PromptError for the first prompt that does not fit."""
        ...

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
        """Give n completions for each prompt to `on_answered`, by the prompt's place, `batch_size` decoded at once.

        Draws depend on their prompt's seed. What was given may be kept for good: asking for the other prompts alone,
        later, gives them the same greedy answers. `on_tokens` hears the number of responses and tokens that are new.
        """
        ...


class Sampler(StreamingPolicy, Protocol):
    """An engine beside the model that is trained, which says its responses with the weights that it is handed.

    Its completions carry log-probabilities, those of the distribution that it drew from.
    """

    context: int
    holds: tuple[int, ...] | None  # what `follow` was told of the weights that it has, None without any

    def follow(self, weights: Iterable[tuple[str, Tensor]], state: tuple[int, ...]) -> None:
        """Take these weights, named as in a checkpoint, and forget what was computed with others."""
        ...

    def rest(self) -> None:
        """Hold nothing, and give back what memory it can, until it is asked to follow again."""
        ...

    def measures(self) -> dict[str, float]:
        """What it has measured of itself since this was last asked, by the names of metrics.jsonl."""
        ...


class PromptScorer(Protocol):
    """Scores responses to one prompt, computed once, until it is closed."""

    def score(self, trees: Sequence[Tree], *, temperature: float, with_entropy_gradient: bool = False) -> NodeScores:
        """Scores of the nodes of these trees, one tree after another; under autograd where that is on."""
        ...

    def close(self) -> None:
        """Carry what gradients have gathered on the prompt into the weights; after the last backward."""
        ...


class TrainablePolicy(Policy, Protocol):
    """A policy whose weights can be changed and saved. `ranks` are the processes that share its work, None alone."""

    ranks: Ranks | None

    def measures(self) -> dict[str, float]:
        """What sampling has measured of itself since this was last asked, by the names of metrics.jsonl."""
        ...

    def make_room(self) -> None:
        """Let go of what answers, before training wants its memory."""
        ...

    @property
    def attention_share(self) -> float:
        """What looking at one token costs, over what all else costs that a token needs."""
        ...

    def num_prompt_tokens(self, prompt: Prompt) -> int:
        """Tokens of a prompt."""
        ...

    def scorer(self, prompt: Prompt) -> PromptScorer:
        """Log-probabilities of responses to this prompt."""
        ...

    def perplexities(self, prompts: Sequence[Prompt]) -> list[float]:
        """exp of the mean negative log-probability of each prompt's tokens but the first, as the policy is now."""
        ...

    def samples_exactly(self, rollout: RolloutSection) -> bool:
        """Whether the log-probabilities that `sample` reports are those that `scorer` finds, up to rounding."""
        ...

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """The trainable weights, in a stable order."""
        ...

    def weights(self) -> Iterable[Tensor]:
        """All weights, trainable or not, in a stable order."""
        ...

    def save(self, path: Path) -> None:
        """Write model and tokenizer in the transformers layout."""
        ...

    def load_weights(self, path: Path) -> None:
        """Take the weights of a directory that `save` wrote."""
        ...
