"""Fresh integer expressions of 1 to 4 operations, exact by construction, so that leakage is impossible."""

from __future__ import annotations

import random
from pathlib import Path

from polymath.types import Sample

NUM_PROBLEMS = 400
SEED = "clean-arithmetic-1"


def load(data: Path | None = None) -> list[Sample]:
    """100 expressions of each length, the lengths in turn; no files needed."""
    draw = random.Random(SEED)
    return [_expression(draw, num_operations=1 + place % 4) for place in range(NUM_PROBLEMS)]


def _expression(draw: random.Random, num_operations: int) -> Sample:
    value = draw.randint(2, 99)
    text = str(value)
    for _ in range(num_operations):
        operator = draw.choice("+-*" if text.isdigit() else "+-")
        other = draw.randint(2, 9 if operator == "*" else 99)
        value = {"+": value + other, "-": value - other, "*": value * other}[operator]
        text += f" {operator} {other}"
    return Sample(
        question=f"Compute {text}.",
        answer=str(value),
        answer_type="number",
        disciplines=("arithmetic",),
        subject="arithmetic",
        level=str(num_operations),
        source="clean-arithmetic",
    )
