"""GSM8K test: grade-school word problems, gold after #### (Cobbe et al., arXiv 2110.14168; MIT)."""

from __future__ import annotations

from typing import Any

from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.types import Sample


def to_sample(row: dict[str, Any]) -> Sample:
    """Raises ValueError where the mark before the gold is absent."""
    solution, mark, gold = row["answer"].rpartition("####")
    if not mark:
        raise ValueError("the answer has no ####")
    return Sample(
        question=row["question"],
        answer=gold.strip().replace(",", ""),
        answer_type="number",
        disciplines=("mathematics",),
        subject="prealgebra",
        solution=solution.strip(),
        source="gsm8k",
    )


BENCHMARK = Benchmark(
    name="gsm8k",
    num_problems=1_319,
    to_sample=to_sample,
    columns={"question": ("question",), "answer": ("answer",)},
    file="gsm8k_test",
    hub="openai/gsm8k",
    config="main",
)
