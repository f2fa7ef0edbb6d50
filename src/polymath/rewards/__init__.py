"""A judged group in, one float for each of its rollouts out, in named parts.

A reward is a function of one group. A user's own callable has the same signature and is given by name in
`custom`. Where a reward rests on the verdict, undecided rollouts must be masked (`depends_on_verdict`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real

from polymath.errors import RecipeError, UserError
from polymath.rewards.exact import exact
from polymath.rewards.format import format_only
from polymath.rewards.random import random
from polymath.types import JudgedGroup

RewardFunction = Callable[[JudgedGroup], Sequence[float]]

REWARDS: dict[str, RewardFunction] = {"exact": exact, "format": format_only, "random": random}

# The others never look at a verdict, so an undecided rollout has a true reward.
INDEPENDENT_OF_VERDICT = frozenset({"format", "random"})

__all__ = ["INDEPENDENT_OF_VERDICT", "REWARDS", "RewardFunction", "depends_on_verdict", "reward_group"]


def depends_on_verdict(parts: Mapping[str, float], custom: Mapping[str, RewardFunction] | None = None) -> bool:
    """Whether undecided rollouts must be masked under these parts. A user's callable is taken to depend."""
    return any(name not in INDEPENDENT_OF_VERDICT or name in (custom or {}) for name in parts)


def reward_group(
    group: JudgedGroup, parts: Mapping[str, float], custom: Mapping[str, RewardFunction] | None = None
) -> tuple[list[float], list[dict[str, float]]]:
    """The weighted sum of the named parts for each rollout, and the unweighted parts by name.

    A name in `custom` comes before one of ours. Raises RecipeError for an unknown or missing name, UserError
    for a callable that fails or does not return one finite number for each rollout.
    """
    known = {**REWARDS, **(custom or {})}
    unknown = sorted(set(parts) - set(known))
    if unknown or not parts:
        found = f"there is no {unknown[0]!r}" if unknown else "no reward is named"
        raise RecipeError("reward", found, f"use one of {sorted(known)}")
    by_name = {name: _call(name, known[name], group) for name in parts}
    rewards_by_part = [
        {name: values[index] for name, values in by_name.items()} for index in range(len(group.completions))
    ]
    totals = [math.fsum(parts[name] * value for name, value in row.items()) for row in rewards_by_part]
    return totals, rewards_by_part


def _call(name: str, function: RewardFunction, group: JudgedGroup) -> list[float]:
    where, num_rollouts = f"reward {name!r}", len(group.completions)
    remedy = f"return a list of {num_rollouts} finite numbers, one for each completion of the group, in order"
    try:
        returned = list(function(group))
    except UserError:
        raise
    except Exception as error:
        raise UserError(where, f"it failed with {type(error).__name__}: {error}", remedy) from error
    if len(returned) != num_rollouts:
        raise UserError(where, f"it returned {len(returned)} values for {num_rollouts} rollouts", remedy)
    for index, value in enumerate(returned):
        if not isinstance(value, Real) or not math.isfinite(value):
            raise UserError(where, f"value {index} is {value!r}", remedy)
    return [float(value) for value in returned]
