"""The lab's own problems: new numbers in known templates, the same count in every discipline."""

from __future__ import annotations

from pathlib import Path

from polymath.lab.world import generate
from polymath.types import Sample

NUM_PER_DISCIPLINE = 25
TEST_SEED = 1
DEV_SEED = 2


def load(data: Path | None = None) -> list[Sample]:
    """The test problems. No files needed."""
    return generate(NUM_PER_DISCIPLINE, seed=TEST_SEED, split="test")


def load_dev(data: Path | None = None) -> list[Sample]:
    """Problems for choosing samples and settings, disjoint from the test problems."""
    return generate(NUM_PER_DISCIPLINE, seed=DEV_SEED, split="dev")
