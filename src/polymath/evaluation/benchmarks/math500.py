"""MATH500: 500 problems of the MATH test set (Hendrycks et al., arXiv 2103.03874; the split of arXiv 2305.20050; MIT).

The gold is the `answer` column. (The one-shot paper's harness takes it from the solution's text again.)
"""

from __future__ import annotations

from typing import Any

from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.types import Sample


def to_sample(row: dict[str, Any]) -> Sample:
    """Subject and level are MATH's own: seven subjects, levels 1 to 5."""
    return Sample(
        question=row["question"],
        answer=row["answer"],
        disciplines=("mathematics",),
        subject=row["subject"],
        level=str(row["level"]),
        solution=row["solution"],
        source="math500",
        meta={"unique_id": row["unique_id"]},
    )


BENCHMARK = Benchmark(
    name="math500",
    num_problems=500,
    to_sample=to_sample,
    columns={"question": ("problem",), "answer": ("answer",), "subject": ("subject",), "level": ("level",)},
    optional={"solution": ("solution",), "unique_id": ("unique_id",)},
    file="math500",
    hub="HuggingFaceH4/MATH-500",
)
