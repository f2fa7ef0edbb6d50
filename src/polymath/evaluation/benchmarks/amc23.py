"""AMC 12 2023: the 40 problems of both papers whose answer is a number; asked without their options.

The answers are floats in the local file and text on the hub: both are whole numbers.
"""

from __future__ import annotations

from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.evaluation.benchmarks.competition import COLUMNS, OPTIONAL, to_sample_of

BENCHMARK = Benchmark(
    name="amc23",
    num_problems=40,
    to_sample=to_sample_of("amc23"),
    columns=COLUMNS,
    optional=OPTIONAL,
    file="amc23",
    hub="math-ai/amc23",
)
