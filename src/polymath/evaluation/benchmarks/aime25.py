"""AIME 2025: both exams of the year, 15 problems each; answers are integers from 0 to 999, zeros in front allowed."""

from __future__ import annotations

from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.evaluation.benchmarks.competition import COLUMNS, OPTIONAL, to_sample_of

BENCHMARK = Benchmark(
    name="aime25",
    num_problems=30,
    to_sample=to_sample_of("aime25"),
    columns=COLUMNS,
    optional=OPTIONAL,
    file="aime25",
    hub="math-ai/aime25",
    split="test",
)
