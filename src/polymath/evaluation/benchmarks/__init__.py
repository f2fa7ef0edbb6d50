"""Benchmarks by name. Each is one small file: load(data directory) -> samples, in a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from polymath.evaluation.benchmarks import clean_arithmetic, gsm8k, lab
from polymath.types import Sample

BENCHMARKS: dict[str, Callable[[Path | None], list[Sample]]] = {
    "clean-arithmetic": clean_arithmetic.load,
    "gsm8k": gsm8k.load,
    "lab": lab.load,
    "lab-dev": lab.load_dev,
    "lab-held-out": lab.load_held_out,
}

# Beside other benchmarks these are a row of their own and no part of the mean over disciplines.
APART: frozenset[str] = frozenset({"lab-held-out"})
