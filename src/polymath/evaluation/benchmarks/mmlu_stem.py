"""MMLU STEM: the 18 science and engineering subjects of MMLU, four options (Hendrycks et al., arXiv 2009.03300; MIT).

The hub's file holds all 57 subjects; those of other fields are left out of it, uncounted.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any

from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.types import Sample

DISCIPLINES = {
    "abstract_algebra": "mathematics",
    "college_mathematics": "mathematics",
    "elementary_mathematics": "mathematics",
    "high_school_mathematics": "mathematics",
    "high_school_statistics": "mathematics",
    "astronomy": "physics",
    "college_physics": "physics",
    "conceptual_physics": "physics",
    "high_school_physics": "physics",
    "college_chemistry": "chemistry",
    "high_school_chemistry": "chemistry",
    "college_biology": "biology",
    "high_school_biology": "biology",
    "college_computer_science": "computer science",
    "computer_security": "computer science",
    "high_school_computer_science": "computer science",
    "machine_learning": "computer science",
    "electrical_engineering": "engineering",
}


def is_stem(row: dict[str, Any]) -> bool:
    """The row's subject is one of the 18."""
    return row["subject"] in DISCIPLINES


def to_sample(row: dict[str, Any]) -> Sample:
    """The answer is the place of the right option."""
    choices = tuple(map(str, row["choices"]))
    return Sample(
        question=row["question"],
        answer=ascii_uppercase[int(row["answer"])],
        answer_type="choice",
        choices=choices,
        disciplines=(DISCIPLINES[row["subject"]],),
        subject=row["subject"].replace("_", " "),
        source="mmlu-stem",
    )


BENCHMARK = Benchmark(
    name="mmlu-stem",
    num_problems=3_018,
    to_sample=to_sample,
    keep=is_stem,
    columns={"question": ("question",), "answer": ("answer",), "choices": ("choices",), "subject": ("type", "subject")},
    file="mmlu_stem",
    hub="cais/mmlu",
    config="all",
)
