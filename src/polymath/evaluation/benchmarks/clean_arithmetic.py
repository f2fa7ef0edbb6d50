"""Fresh integer expressions of 1 to 20 steps, exact by construction, so that leakage is impossible.

A step adds, subtracts or multiplies; multiplication binds to the number before it, as written arithmetic does. The
level is the number of steps, so accuracy by level shows where carrying on breaks down.
"""

from __future__ import annotations

import random

from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.types import Sample

MAX_STEPS = 20
NUM_PER_LENGTH = 20
SEED = "clean-arithmetic-2"
# A product grows no further than this, so that a long expression is long and not a feat with large numbers.
MAX_PRODUCT = 999


def load() -> list[Sample]:
    """20 expressions of each length, the lengths in turn, all different; no files needed."""
    draw = random.Random(SEED)
    texts: dict[str, Sample] = {}
    while len(texts) < MAX_STEPS * NUM_PER_LENGTH:
        sample = _expression(draw, num_steps=1 + len(texts) % MAX_STEPS)
        texts.setdefault(sample.question, sample)
    return list(texts.values())


def _expression(draw: random.Random, num_steps: int) -> Sample:
    total, term = 0, draw.randint(2, 99)  # what is finished, and the signed product that may still grow
    text = str(term)
    for _ in range(num_steps):
        factor = draw.randint(2, 9)
        operator = draw.choice("+-*" if abs(term) * factor <= MAX_PRODUCT else "+-")
        if operator == "*":
            term *= factor
            text += f" * {factor}"
        else:
            total += term
            term = draw.randint(2, 99)
            text += f" {operator} {term}"
            term = term if operator == "+" else -term
    return Sample(
        question=f"Compute {text}.",
        answer=str(total + term),
        answer_type="number",
        disciplines=("arithmetic",),
        subject="arithmetic",
        level=str(num_steps),
        source="clean-arithmetic",
    )


BENCHMARK = Benchmark(name="clean-arithmetic", num_problems=MAX_STEPS * NUM_PER_LENGTH, generate=load)
