"""Samples drawn at random from the world, and the stated rule that names a good and a poor one among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from polymath.errors import SampleError
from polymath.lab.templates import TEMPLATES
from polymath.lab.world import DISCIPLINES, stream
from polymath.types import Sample

# A sample that the base never or nearly always solves gives training nothing to choose from.
LEAST_RIGHT, MOST_RIGHT = 0.02, 0.5
LEARNED_REWARD = 0.9
_PATIENCE = 1_000
CHOICE_RULE = (
    "Of the samples that the base solves in 2% to 50% of its probe draws and that training solved (mean reward of "
    "the last five steps at least .9), good is the one with the highest strict accuracy on the dev problems after "
    "the last step, poor the one with the lowest; two-good is good and the next best. No test problem is looked at."
)


def draw_samples(num: int, seed: int, avoid: Sequence[Sample] = ()) -> list[Sample]:
    """Random samples of the dev split, the disciplines in turn, a random template each; none of `avoid`.

    The base has read no problem of this split.
    """
    rng = Random(f"lab/draws/{seed}")
    taken = {sample.question for sample in avoid}
    drawn: list[Sample] = []
    num_repeats = 0
    while len(drawn) < num:
        discipline = DISCIPLINES[len(drawn) % len(DISCIPLINES)]
        template = rng.choice([template for template in TEMPLATES if template.discipline == discipline])
        sample = next(stream(template, rng, "dev"))
        if sample.question in taken:
            num_repeats += 1
            if num_repeats > _PATIENCE + 10 * num:
                raise SampleError("lab", f"has only about {len(drawn)} such problems", f"ask for fewer than {num}")
            continue
        taken.add(sample.question)
        drawn.append(sample)
    return drawn


def choose(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The names of the good and the poor sample by CHOICE_RULE. Raises SampleError when fewer than two qualify."""
    ranked = rank(rows)
    if len(ranked) < 2:
        raise SampleError("draws", f"only {len(ranked)} of {len(rows)} samples fit the rule", "draw more samples")
    return ranked[0], ranked[-1]


def rank(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the samples that fit CHOICE_RULE, the best first.

    A row has name, strict (dev accuracy after training), reward (its last steps) and probe.right_frac.
    """
    fit = [
        row
        for row in rows
        if LEAST_RIGHT <= row["probe"]["right_frac"] <= MOST_RIGHT and row["reward"] >= LEARNED_REWARD
    ]
    return [row["name"] for row in sorted(fit, key=lambda row: (-row["strict"], row["name"]))]
