"""SciBench: 692 problems of ten college textbooks, 227 physics, 266 chemistry, 199 mathematics (arXiv 2307.10635; MIT).

The rows with worked solutions are among the 692. Answers are right within 5%, as in the authors' code. The unit may
carry a power of ten (10^{-10} m with answer 1.2); the judge then takes 1.2e-10 m and a bare 1.2 alike.
"""

from __future__ import annotations

from typing import Any

from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.types import Sample

TOLERANCE = 0.05
# The authors' names of the books: discipline and subject.
BOOKS = {
    "fund": ("physics", "fundamentals of physics"),
    "class": ("physics", "classical dynamics"),
    "thermo": ("physics", "thermodynamics"),
    "atkins": ("chemistry", "physical chemistry"),
    "matter": ("chemistry", "physical chemistry of matter"),
    "chemmc": ("chemistry", "quantum chemistry"),
    "quan": ("chemistry", "quantum chemistry"),
    "calculus": ("mathematics", "calculus"),
    "diff": ("mathematics", "differential equations"),
    "stat": ("mathematics", "probability and statistics"),
}


def to_sample(row: dict[str, Any]) -> Sample:
    """Raises ValueError for a book that is none of the ten."""
    book = row["book"].strip()
    if book not in BOOKS:
        raise ValueError(f"source is {book!r} and none of {', '.join(BOOKS)}")
    discipline, subject = BOOKS[book]
    return Sample(
        question=row["question"],
        answer=row["answer"].strip(),
        answer_type="quantity",
        unit=row["unit"].strip() if row["unit"] else None,
        tolerance=TOLERANCE,
        disciplines=(discipline,),
        subject=subject,
        solution=row["solution"],
        source="scibench",
        meta={"book": book},
    )


BENCHMARK = Benchmark(
    name="scibench",
    num_problems=692,
    to_sample=to_sample,
    columns={"question": ("problem_text",), "answer": ("answer_number",), "book": ("source", "book")},
    optional={"unit": ("unit",), "solution": ("solution",)},
    file="scibench",
    hub="xw27/scibench",
    split="train",
)
