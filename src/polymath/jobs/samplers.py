"""The engine that speaks for a policy that is trained, one at a time in a process.

A run's arms and seeds are jobs one after another, each with a policy of its own; an engine takes a minute to start and
most of a GPU, so it is handed on. Whose weights it holds is told by `Sampler.holds`.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

from polymath.errors import ModelError
from polymath.prompts import Prompt
from polymath.recipe import Recipe

if TYPE_CHECKING:
    from polymath.rollouts.local import LocalPolicy
    from polymath.rollouts.vllm import VllmPolicy

# Nats a token on average between sampler and policy that no rounding explains: a weight has not arrived.
NOT_THE_SAME = 0.1


class Standing:
    """The engine that stands, and what it was started with."""

    def __init__(self) -> None:
        self.started_with: Any = None
        self.engine: VllmPolicy | None = None

    def take(self, recipe: Recipe, policy: LocalPolicy) -> VllmPolicy:
        """The engine of this recipe: the one that stands, or another in its place."""
        from polymath.lab import model_dir
        from polymath.rollouts.vllm import VllmPolicy

        path = str(model_dir()) if recipe.model.path == "lab" else recipe.model.path
        # How its draws are corrected is no matter of the engine.
        settings = recipe.sampler.model_dump(exclude={"correction", "correction_cap"})
        device = str(policy.model.device)
        wanted = (path, recipe.model.dtype, device, settings, tuple(policy.eos_ids))
        if self.engine is None or self.started_with != wanted:
            self.close()
            self.engine = VllmPolicy.beside(
                path, recipe.sampler, dtype=recipe.model.dtype, device=device, eos_ids=policy.eos_ids
            )
            self.started_with = wanted
        return self.engine

    def rest(self) -> None:
        """Make room for the next job's model."""
        if self.engine is not None:
            self.engine.rest()

    def close(self) -> None:
        """End the engine, if one stands."""
        if self.engine is not None:
            self.engine.close()
        self.engine = self.started_with = None


STANDING = Standing()
atexit.register(STANDING.close)


def attach_sampler(policy: LocalPolicy, recipe: Recipe) -> None:
    """Have the recipe's sampler speak for the policy; without one an engine that stands is ended. verl has its own.

    Raises ModelError where the sampler draws from another distribution than the policy.
    """
    if recipe.sampler.name == "policy" or recipe.engine.name != "local":
        STANDING.close()
        return
    policy.attach(STANDING.take(recipe, policy))
    distance = distance_of(policy)
    if not distance < NOT_THE_SAME:
        STANDING.close()
        raise ModelError(
            recipe.model.path,
            f"vLLM's log-probabilities differ from the model's by {distance:.2g} nats a token, so it lacks weights",
            "leave sampler out",
        )


def distance_of(policy: LocalPolicy) -> float:
    """The mean difference between what sampler and policy find for some tokens that the sampler draws, in nats."""
    import torch

    from polymath.rollouts.policy import Sampling

    prompt = Prompt(text="1 + 1 =")
    (said,) = policy.sample([prompt], 8, Sampling(max_tokens=8), 0)
    with torch.no_grad():
        scores = policy.score(prompt, [one.token_ids or () for one in said], temperature=1.0)
    found = [
        abs(float(scores.logprob_BT[row, place]) - logprob)
        for row, one in enumerate(said)
        for place, logprob in enumerate(one.logprobs or ())
    ]
    return sum(found) / len(found)
