"""What the ranks behind rank 0 do: wait for a task, do their share of it, give it back (rollouts/ranks.py).

A rank is told a recipe's part and holds the policy, and for KL its reference. It writes nothing.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from polymath.errors import RecipeError
from polymath.recipe import Recipe
from polymath.rollouts.local import LocalPolicy
from polymath.rollouts.policy import TrainablePolicy
from polymath.rollouts.ranks import END, Ranks, num_ranks
from polymath.training.update import differentiate, see

Load = Callable[[Recipe, int], LocalPolicy]


def lead(recipe: Recipe, policy: LocalPolicy, reference: TrainablePolicy | None, threads: int) -> None:
    """Rank 0, before training: have the others load the recipe's policy. Without torchrun nothing happens.

    Raises RecipeError for devices that are named, since every rank needs one of its own.
    """
    if num_ranks() == 1:
        return
    if recipe.model.device.startswith("cuda:"):
        raise RecipeError("model.device", f"{recipe.model.device!r} would be every rank's", "use auto or cuda")
    ranks = Ranks.join()
    if policy.ranks is None:
        ranks.hand_out("begin", recipe=recipe, has_reference=reference is not None, threads=threads)
        policy.ranks = ranks
    print(f"{ranks.size} ranks", file=sys.stderr)


def align(policy: TrainablePolicy, reference: TrainablePolicy | None) -> None:
    """Rank 0, after a checkpoint was loaded or the reference has moved: give its weights to all ranks."""
    if policy.ranks is None:
        return
    policy.ranks.hand_out("weights")
    policy.ranks.spread(list(policy.parameters()))
    if reference is not None:
        policy.ranks.hand_out("reference")
        policy.ranks.spread(list(reference.weights()))


def follow_rank_0(load: Load) -> None:
    """Another rank: do what is handed out until rank 0 is done. `load` gives the recipe's policy, by threads."""
    # Ctrl-C reaches every process of a terminal; rank 0 finishes its step with the others, saves, and sends them home.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    follower = Follower(Ranks.join(), load)
    while True:
        name, arguments = follower.ranks.take()
        if name == END:
            return
        TASKS[name](follower, **arguments)


class Follower:
    """A rank's policy and reference, and what it can be asked to do."""

    def __init__(self, ranks: Ranks, load: Load) -> None:
        self.ranks, self.load = ranks, load
        self.policy: LocalPolicy
        self.reference: LocalPolicy | None = None

    def begin(self, recipe: Recipe, has_reference: bool, threads: int) -> None:
        """Load the policy as rank 0 has."""
        self.policy = self.load(recipe, threads)
        self.policy.ranks = self.ranks
        self.reference = self.policy.frozen_copy() if has_reference else None

    def weights(self) -> None:
        """Take the weights of rank 0's policy."""
        self.ranks.spread(list(self.policy.parameters()))

    def follow_reference(self) -> None:
        """Take the weights of rank 0's reference."""
        assert self.reference is not None
        self.ranks.spread(self.reference.weights())

    def draw(self, **arguments: Any) -> None:
        """Completions."""
        self.ranks.collect(self.policy.draw_share(**arguments))

    def survey(self, batch: Sequence[Any], recipe: Recipe) -> None:
        """Log-probabilities and entropies."""
        own = self.ranks.share(len(batch))
        self.ranks.collect(see(self.policy, batch[own.start : own.stop], recipe))

    def differentiate(
        self, part: Sequence[Any], recipe: Recipe, has_reference: bool, entropy_coefficient: float
    ) -> None:
        """Gradients."""
        for parameter in self.policy.parameters():
            parameter.grad = None
        reference = self.reference if has_reference else None
        self.ranks.collect(differentiate(self.policy, part, recipe, reference, entropy_coefficient, self.ranks))
        self.ranks.add_up(self.policy.parameters())


TASKS: dict[str, Callable[..., None]] = {
    "begin": Follower.begin,
    "weights": Follower.weights,
    "reference": Follower.follow_reference,
    "draw": Follower.draw,
    "survey": Follower.survey,
    "differentiate": Follower.differentiate,
}
