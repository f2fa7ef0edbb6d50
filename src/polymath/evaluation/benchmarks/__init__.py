"""Benchmarks by name. Each is one small file that says where its rows are and how a row becomes a sample."""

from __future__ import annotations

from polymath.evaluation.benchmarks import (
    aime24,
    aime25,
    amc23,
    clean_arithmetic,
    gpqa_diamond,
    gsm8k,
    lab,
    math500,
    minerva,
    mmlu_pro,
    mmlu_stem,
    olympiadbench,
    scibench,
    supergpqa,
    theoremqa,
)
from polymath.evaluation.benchmarks.benchmark import Benchmark, Loaded, load_benchmark

__all__ = ["APART", "BENCHMARKS", "Benchmark", "Loaded", "load_benchmark"]

BENCHMARKS: dict[str, Benchmark] = {
    "lab": lab.TEST,
    "lab-dev": lab.DEV,
    "lab-held-out": lab.HELD_OUT,
    "clean-arithmetic": clean_arithmetic.BENCHMARK,
    "gsm8k": gsm8k.BENCHMARK,
    "math500": math500.BENCHMARK,
    "aime24": aime24.BENCHMARK,
    "aime25": aime25.BENCHMARK,
    "amc23": amc23.BENCHMARK,
    "minerva": minerva.BENCHMARK,
    "olympiadbench": olympiadbench.BENCHMARK,
    "scibench": scibench.BENCHMARK,
    "theoremqa": theoremqa.BENCHMARK,
    "mmlu-stem": mmlu_stem.BENCHMARK,
    "mmlu-pro": mmlu_pro.FULL,
    "mmlu-pro-100": mmlu_pro.DRAWN,
    "gpqa-diamond": gpqa_diamond.BENCHMARK,
    "supergpqa": supergpqa.FULL,
    "supergpqa-1500": supergpqa.DRAWN,
}

# Beside other benchmarks these are a row of their own and no part of the mean over disciplines.
APART: frozenset[str] = frozenset({"lab-held-out"})
