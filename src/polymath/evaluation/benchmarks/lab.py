"""The lab's own problems: new numbers in known templates, the same count in every discipline; and new kinds.

The seed of the test problems is the hash of the base model's weights. Nobody can draw them before world, text
and weights are frozen, and another world draws others.
"""

from __future__ import annotations

from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.lab.card import read_card
from polymath.lab.world import generate, generate_held_out
from polymath.types import Sample

NUM_PER_DISCIPLINE = 25
NUM_HELD_OUT = 96
DEV_SEED = 2


def load() -> list[Sample]:
    """The test problems. No files needed."""
    return generate(NUM_PER_DISCIPLINE, seed=_test_seed(), split="test")


def load_dev() -> list[Sample]:
    """Problems for choosing samples and settings, disjoint from the test problems."""
    return generate(NUM_PER_DISCIPLINE, seed=DEV_SEED, split="dev")


def load_held_out() -> list[Sample]:
    """Test problems of kinds that the base model never read of: known words in new combinations.

    The first problems of the draw are left out: the base model was scored on them before the samples were chosen
    (docs/LOG.md), and a problem that was looked at is no test.
    """
    return generate_held_out(2 * NUM_HELD_OUT, seed=_test_seed(), split="test")[NUM_HELD_OUT:]


def _test_seed() -> str:
    return str(read_card()["weights_sha256"])


TEST = Benchmark(name="lab", generate=load)
DEV = Benchmark(name="lab-dev", generate=load_dev)
HELD_OUT = Benchmark(name="lab-held-out", num_problems=NUM_HELD_OUT, generate=load_held_out)
