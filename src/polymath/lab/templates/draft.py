"""What a template writes: a question and its arithmetic. The answer follows from the arithmetic.

Every line of work is one operation on two whole numbers, small enough that a model of a million parameters
can learn all of it: results below 1,000, one factor of at most twelve, exact divisions. A template that
leaves these bounds fails here, when it is drawn, and not in a training run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

LARGEST = 999
LARGEST_SMALL_FACTOR = 12
_OPERATION = re.compile(r"(\d+)([-+*/])(\d+)")

NAMES = ("Ada", "Ben", "Clara", "Dan", "Emma", "Finn", "Grace", "Hugo", "Ivy", "Jonas", "Kira", "Leo")
ITEMS = ("apples", "pears", "pens", "books", "stamps", "marbles", "cards", "shells", "coins", "candles")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A question with its worked lines (`12*7=84.`). The value of the last line is the answer."""

    question: str
    steps: tuple[str, ...]
    value: int
    num_choices: int = 0


@dataclass(frozen=True, kw_only=True)
class Template:
    """One kind of problem: a function from a random stream to a draft.

    A chain that crosses disciplines counts under `discipline` and touches those in `also`.
    """

    name: str
    discipline: str
    skills: tuple[str, ...]
    write: Callable[[Random], Draft]
    also: tuple[str, ...] = ()


def calculate(operation: str) -> int:
    """The value of `12*7`, within the bounds of the world."""
    parts = _OPERATION.fullmatch(operation)
    assert parts, f"{operation}: a line of work is one operation on two whole numbers"
    left, sign, right = int(parts[1]), parts[2], int(parts[3])
    if sign == "/":
        assert right and left % right == 0, f"{operation} is not exact"
        value = left // right
        smaller_factor = min(right, value)
    else:
        value = {"+": left + right, "-": left - right, "*": left * right}[sign]
        smaller_factor = min(left, right) if sign == "*" else 0
    assert smaller_factor <= LARGEST_SMALL_FACTOR, f"{operation}: neither factor is small"
    assert 0 <= value <= LARGEST and left <= LARGEST, f"{operation}={value} is out of bounds"
    return value


def draft(question: str, *operations: str, num_choices: int = 0) -> Draft:
    """A draft whose lines are these operations, calculated."""
    values = [calculate(operation) for operation in operations]
    steps = tuple(f"{operation}={value}." for operation, value in zip(operations, values, strict=True))
    return Draft(question=question, steps=steps, value=values[-1], num_choices=num_choices)
