"""Which sample each group of a step draws.

In: the samples, what has been seen of them, a seed. Out: a place in the list of samples for each group. With one sample
every order is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from polymath.recipe import RolloutSection


@dataclass(kw_only=True)
class Tally:
    """Rollouts and right ones of each sample so far, by its place."""

    num_samples: int
    seen: dict[int, int] = field(default_factory=dict)
    right: dict[int, int] = field(default_factory=dict)

    def add(self, place: int, num_rollouts: int, num_right: int) -> None:
        """Count the rollouts of a group."""
        self.seen[place] = self.seen.get(place, 0) + num_rollouts
        self.right[place] = self.right.get(place, 0) + num_right

    def success(self) -> list[float]:
        """Share of right rollouts of each sample; 0 for one that was never drawn."""
        places = range(self.num_samples)
        return [self.right.get(place, 0) / self.seen[place] if self.seen.get(place) else 0.0 for place in places]


def draw_places(
    settings: RolloutSection,
    num_samples: int,
    *,
    step: int,
    seed: int,
    progress: float,
    tally: Tally,
    perplexity: Callable[[Sequence[int]], Sequence[float]],
) -> list[int]:
    """The sample of each group of this step (from 1). `perplexity` is asked of places, where the order needs it."""
    if num_samples == 1 or settings.order == "in_turn":
        return in_turn(settings.num_groups, num_samples, step)
    if settings.order == "prioritised":
        return prioritised(settings.num_groups, tally.success(), seed)
    return familiar(settings.num_groups, num_samples, settings.candidates, progress, seed, perplexity)


def in_turn(num_groups: int, num_samples: int, step: int) -> list[int]:
    """One after another, going on where the step before ended."""
    first = (step - 1) * num_groups
    return [(first + group) % num_samples for group in range(num_groups)]


def prioritised(num_groups: int, success: Sequence[float], seed: int) -> list[int]:
    """At random with `priorities` (Kimi k1.5, arXiv 2501.12599)."""
    return Random(seed).choices(range(len(success)), priorities(success), k=num_groups)


def priorities(success: Sequence[float]) -> list[float]:
    """One minus the success rate, as probabilities; equal ones where everything is solved."""
    missing = [1 - rate for rate in success]
    total = sum(missing)
    return [part / total for part in missing] if total > 0 else [1 / len(success)] * len(success)


def familiar(
    num_groups: int,
    num_samples: int,
    num_candidates: int,
    progress: float,
    seed: int,
    perplexity: Callable[[Sequence[int]], Sequence[float]],
) -> list[int]:
    """PREPO's schedule (arXiv 2511.00794): of the candidates, sorted by the perplexity of their prompts, a window that
    moves from the most familiar to the least as `progress` goes from 0 to 1."""
    candidates = list(range(num_samples))
    if 0 < num_candidates < num_samples:
        candidates = sorted(Random(seed).sample(candidates, max(num_candidates, min(num_groups, num_samples))))
    size = min(num_groups, len(candidates))
    scored = sorted(zip(perplexity(candidates), candidates, strict=True))
    first = window_start(len(candidates), size, progress)
    window = [place for _, place in scored[first : first + size]]
    return [window[group % size] for group in range(num_groups)]


def window_start(num_candidates: int, size: int, progress: float) -> int:
    """floor(progress * (candidates - size))."""
    return int(progress * (num_candidates - size))
