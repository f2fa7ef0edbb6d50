"""A suite is benchmarks side by side: `lab`, `gsm8k+clean-arithmetic`, or a JSON lines file of samples."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from polymath.errors import SampleError
from polymath.evaluation.benchmarks import BENCHMARKS
from polymath.samples.sources import read_samples
from polymath.types import Sample

LIMIT_SEED = "limit-1"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Benchmark name to its problems, in a fixed order."""

    name: str
    benchmarks: dict[str, tuple[Sample, ...]]


def load_suite(name: str, *, data: str | None = None, limit: int | None = None) -> Suite:
    """The suite of this name.

    `limit` draws that many problems of each benchmark with a fixed seed, so that base and trained model
    always see the same ones. Raises SampleError for unknown names and missing files.
    """
    benchmarks = {}
    for part in name.split("+"):
        if part in BENCHMARKS:
            samples = BENCHMARKS[part](Path(data) if data else None)
            label = part
        elif part.endswith((".json", ".jsonl")):
            samples, label = read_samples(Path(part)), Path(part).stem
        else:
            raise SampleError(
                f"suite {part!r}", "is not known", f"use {', '.join(BENCHMARKS)} or a .jsonl file of samples"
            )
        benchmarks[label] = tuple(_limit(samples, limit))
    return Suite(name=name, benchmarks=benchmarks)


def _limit(samples: list[Sample], limit: int | None) -> list[Sample]:
    if limit is None or limit >= len(samples):
        return samples
    kept = sorted(random.Random(LIMIT_SEED).sample(range(len(samples)), limit))
    return [samples[place] for place in kept]
