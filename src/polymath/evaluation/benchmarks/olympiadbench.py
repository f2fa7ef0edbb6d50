"""OlympiadBench, open-ended mathematics in English without pictures (He et al., arXiv 2402.14008; Apache-2.0).

All values of `final_answer` are asked for, joined by commas; the one-shot paper compares the first only. The hub's
config has 674 rows; the file that both papers' harnesses use has 675. `error` is an absolute tolerance; ours are
relative, so it is divided by the answer.
"""

from __future__ import annotations

from typing import Any

from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.types import Sample


def to_sample(row: dict[str, Any]) -> Sample:
    """Subject is the subfield."""
    answers = row["answer"] if isinstance(row["answer"], list) else [row["answer"]]
    answer = ", ".join(map(str, answers))
    return Sample(
        question=f"{row['context']}\n{row['question']}" if row["context"] else row["question"],
        answer=answer,
        unit=row["unit"],
        tolerance=abs(float(row["error"]) / float(answer)) if row["error"] else None,
        disciplines=("mathematics",),
        subject=row["subject"],
        solution="\n".join(row["solution"]) if isinstance(row["solution"], list) else row["solution"],
        source="olympiadbench",
    )


BENCHMARK = Benchmark(
    name="olympiadbench",
    num_problems=675,
    to_sample=to_sample,
    columns={"question": ("question",), "answer": ("final_answer",), "subject": ("subfield",)},
    optional={"context": ("context",), "unit": ("unit",), "error": ("error",), "solution": ("solution",)},
    file="olympiadbench",
    hub="Hothan/OlympiadBench",
    config="OE_TO_maths_en_COMP",
    split="train",
)
