"""How answers are drawn: `greedy`, or `sample-N` for N draws at temperature 1."""

from __future__ import annotations

import re
from dataclasses import dataclass

from polymath.errors import RecipeError
from polymath.rollouts.policy import Sampling


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A name that is part of file names, draws a problem, and the decoding."""

    name: str
    num_draws: int
    sampling: Sampling


def read_protocol(name: str, max_tokens: int) -> Protocol:
    """The protocol of this name; raises RecipeError for an unknown one."""
    if name == "greedy":
        return Protocol(name=name, num_draws=1, sampling=Sampling(temperature=0.0, max_tokens=max_tokens))
    if found := re.fullmatch(r"sample-([1-9]\d{0,3})", name):
        return Protocol(name=name, num_draws=int(found[1]), sampling=Sampling(max_tokens=max_tokens))
    raise RecipeError("evaluate.protocol", f"there is no {name!r}", "use greedy, or sample-N such as sample-8")
