"""Minerva: 272 problems of nine MIT courses (Lewkowycz et al., arXiv 2206.14858).

The gold is the last box of the solution; the hub's file has it in `answer` instead and names no course. Both papers
count the set as mathematics, whatever the course; the course's own discipline stands second.
"""

from __future__ import annotations

from typing import Any

from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.judge.extract import find_boxes
from polymath.types import Sample

# By how the name of the course begins.
DISCIPLINES = {
    "Introduction to Astronomy": "physics",
    "Relativity": "physics",
    "Dynamics and Control": "engineering",
    "Information and Entropy": "engineering",
    "Introduction to Solid State Chemistry": "chemistry",
    "Physical Chemistry": "chemistry",
    "Ecology": "biology",
    "Principles of Microeconomics": "economics",
}


def to_sample(row: dict[str, Any]) -> Sample:
    """Raises ValueError where there is neither an answer nor a box in the solution."""
    boxes = [] if row["answer"] else find_boxes(row["solution"] or "")[0]
    if not row["answer"] and not boxes:
        raise ValueError("has neither an answer nor a \\boxed{} in its solution")
    course = row["course"].partition(" (")[0] if row["course"] else None
    own = next((name for start, name in DISCIPLINES.items() if course and course.startswith(start)), None)
    return Sample(
        question=row["question"],
        answer=row["answer"] or boxes[-1],
        disciplines=("mathematics", own) if own else ("mathematics",),
        subject=course,
        solution=row["solution"],
        source="minerva",
    )


BENCHMARK = Benchmark(
    name="minerva",
    num_problems=272,
    to_sample=to_sample,
    columns={"question": ("problem", "question")},
    optional={"answer": ("answer",), "solution": ("solution",), "course": ("type",)},
    file="minerva_math",
    hub="math-ai/minervamath",
)
