"""Chance: the arm that every other selector has to beat."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random


def random_scores(indices: Iterable[int], seed: int) -> dict[int, float]:
    """A number in [0, 1) a row that depends on seed and row only, so that more rows change nobody's place."""
    return {index: Random(f"select/random/{seed}/{index}").random() for index in indices}
