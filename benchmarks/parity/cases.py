"""Random inputs, our side of every comparison, and what is written down of it.

In: a seed. Out: rows of the table, each with the largest difference in value and in gradient. Runs in the environments
of the peers, so nothing here imports one.

B: responses, T: tokens of the longest one, P: groups, G: rollouts a group.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polymath.prompts import Prompt
from polymath.recipe import Recipe, make_recipe
from polymath.rollouts.policy import NodeScores, TrainablePolicy
from polymath.training.credit import Weighed
from polymath.training.update import update_once

TOLERANCE = 1e-5
SEEDS = range(5)
MAX_TOKENS = 12


@dataclass(kw_only=True)
class Row:
    """One line of the table: over all seeds, the largest difference relative to the larger of 1 and the peer's largest
    value, and of the gradients relative to the peer's largest entry. None where there is nothing to compare."""

    what: str
    peer: str
    note: str = ""
    value: float | None = None
    gradient: float | None = None

    def see(self, ours: Tensor | float, theirs: Tensor | float) -> None:
        """Take one pair of values."""
        mine, other = (torch.as_tensor(value, dtype=torch.float64) for value in (ours, theirs))
        assert mine.shape == other.shape, (self.what, mine.shape, other.shape)
        scale = max(1.0, float(other.abs().max()))
        self.value = max(self.value or 0.0, _number(float((mine - other).abs().max()) / scale))

    def see_gradients(self, ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> None:
        """Take one pair of gradients, each a list of tensors."""
        mine = torch.cat([part.double().flatten() for part in ours])
        other = torch.cat([part.double().flatten() for part in theirs])
        assert mine.shape == other.shape and float(other.abs().max()) > 0, self.what
        found = float((mine - other).abs().max()) / float(other.abs().max())
        self.gradient = max(self.gradient or 0.0, _number(found))

    @property
    def agrees(self) -> bool:
        """Nothing differs by more than the tolerance, and something was compared."""
        seen = [number for number in (self.value, self.gradient) if number is not None]
        return bool(seen) and max(seen) <= TOLERANCE


def _number(value: float) -> float:
    """NaN is no agreement."""
    return value if value == value else float("inf")


@dataclass(kw_only=True)
class Table:
    """Rows by name, filled seed after seed."""

    peer: str
    rows: dict[str, Row] = field(default_factory=dict)

    def row(self, what: str, note: str = "") -> Row:
        """The row of this name."""
        return self.rows.setdefault(what, Row(what=what, peer=self.peer, note=note))

    def write(self, path: Path) -> None:
        """As JSON, for the program that asked."""
        path.write_text(json.dumps([asdict(row) for row in self.rows.values()]), encoding="utf-8")


def recipe_of(**sections: dict[str, Any]) -> Recipe:
    """A recipe of small micro-batches and no clipping of the gradient."""
    table: dict[str, Any] = {
        "rollout": {"max_tokens": MAX_TOKENS, "temperature": 0.7},
        "optimizer": {"max_grad_norm": 1e12},
        "train": {"micro_batch_tokens": 24},
    }
    for name, section in sections.items():
        table[name] = {**table.get(name, {}), **section}
    return make_recipe(table)


def our_update(
    policy: TrainablePolicy, part: Sequence[Weighed], recipe: Recipe, reference: TrainablePolicy | None = None
) -> tuple[dict[str, float], list[Tensor]]:
    """What one update of ours measures, and its gradients; the weights stay."""
    parameters = list(policy.parameters())
    caught: list[Tensor] = []

    class Catch(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            caught.extend(
                torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
                for parameter in parameters
            )

    return update_once(policy, Catch(parameters, lr=1.0), part, recipe, reference), caught


def check_clipped(measured: dict[str, float]) -> None:
    """Losses that clip nothing agree too easily: inputs must be clipped on both sides."""
    assert measured["clip_ratio/low_mean"] > 0.02 and measured["clip_ratio/high_mean"] > 0.02, measured


def random_responses(rng: random.Random, count: int, num_tokens: int) -> list[tuple[int, ...]]:
    """Responses that often begin alike, of 1 to MAX_TOKENS - 2 tokens."""
    length = MAX_TOKENS - 2
    return [tuple(5 + rng.randrange(num_tokens) for _ in range(rng.randint(1, length))) for _ in range(count)]


@dataclass(frozen=True, kw_only=True)
class Rewards:
    """Rewards of several groups, (P, G) float64, and who is counted."""

    reward_PG: Tensor
    is_counted_PG: Tensor

    @property
    def flat(self) -> Tensor:
        """Group after group, (P * G,)."""
        return self.reward_PG.flatten()


def random_rewards(seed: int, *, is_binary: bool, num_groups: int = 5, size: int = 8) -> Rewards:
    """Random rewards. Of the binary ones the first group is all right and the second all wrong."""
    generator = torch.Generator().manual_seed(seed)
    reward_PG = torch.randn(num_groups, size, generator=generator, dtype=torch.float64)
    if is_binary:
        reward_PG = (reward_PG > 0.3).double()
        reward_PG[0], reward_PG[1] = 1.0, 0.0
        reward_PG[2:, 0], reward_PG[2:, 1] = 1.0, 0.0
    return Rewards(reward_PG=reward_PG, is_counted_PG=torch.ones_like(reward_PG))


class TablePolicy:
    """A policy whose parameters are the log-probabilities and entropies of the tokens themselves, (B, T).

    Responses must differ in their first tokens, so that every token is a node of its own. Only for updates.
    """

    attention_share = 0.01
    ranks = None

    def __init__(self, prompt: Prompt, responses: Sequence[tuple[int, ...]], logprob_BT: Tensor) -> None:
        assert len({response[0] for response in responses}) == len(responses)
        self.row_of = {response[0]: row for row, response in enumerate(responses)}
        self.logprob_BT = torch.nn.Parameter(logprob_BT.clone())
        self.entropy_BT = torch.nn.Parameter(torch.zeros_like(logprob_BT))

    def parameters(self) -> list[torch.nn.Parameter]:
        """The two tables."""
        return [self.logprob_BT, self.entropy_BT]

    def num_prompt_tokens(self, prompt: Prompt) -> int:
        """Any number."""
        return 3

    def scorer(self, prompt: Prompt) -> TablePolicy:
        """The table scores by itself."""
        return self

    def score(self, trees: Sequence[Any], *, temperature: float, with_entropy_gradient: bool = False) -> NodeScores:
        """What the tables say of each node."""
        rows, columns = [], []
        for tree in trees:
            first = 0
            for node, (parent, depth) in enumerate(zip(tree.parents, tree.depths, strict=True)):
                first = node if parent < 0 else first
                rows.append(self.row_of[tree.token_ids[first]])
                columns.append(depth)
        return NodeScores(logprob_N=self.logprob_BT[rows, columns], entropy_N=self.entropy_BT[rows, columns])

    def close(self) -> None:
        """Nothing gathers."""


def over_seeds(compare: Callable[[Table, int], None], table: Table) -> None:
    """Run one comparison for every seed."""
    for seed in SEEDS:
        compare(table, seed)
