"""TheoremQA: 800 problems on 350 theorems, 747 of them without a picture (Chen et al., arXiv 2305.12524; MIT).

A problem with a picture cannot be asked in text and is set aside. Floats are right within 4%, as in the authors' code,
integers exactly. The options of a choice stand in the question, as (a), (b), so the choices here only name them.
The hub's file has no field or subfield; its problems stand under no discipline.
"""

from __future__ import annotations

import re
from string import ascii_lowercase
from typing import Any, cast

from polymath.evaluation.benchmarks.benchmark import Benchmark, Unaskable
from polymath.types import AnswerType, Sample

TOLERANCE = 0.04
ANSWER_TYPES = {
    "float": "number",
    "integer": "number",
    "bool": "boolean",
    "option": "choice",
    "list of integer": "list",
    "list of float": "list",
}
DISCIPLINES = {
    "Math": ("mathematics",),
    "Physics": ("physics",),
    "Finance": ("others", "economics"),
    "EECS": ("computer science",),
}
# Of the field EECS, these are electrical engineering.
ENGINEERING = {"Signal processing", "Information theory"}


def to_sample(row: dict[str, Any]) -> Sample:
    """Raises Unaskable where there is a picture, ValueError for an unknown type of answer."""
    if row["picture"] is not None:
        raise Unaskable("the problem has a picture")
    kind = row["kind"].strip()
    if kind not in ANSWER_TYPES:
        raise ValueError(f"Answer_type is {kind!r} and none of {', '.join(ANSWER_TYPES)}")
    disciplines = DISCIPLINES.get(row["field"], ())
    return Sample(
        question=row["question"],
        answer=row["answer"],
        answer_type=cast(AnswerType, ANSWER_TYPES[kind]),
        choices=_name_options(row["question"], str(row["answer"])) if kind == "option" else None,
        tolerance=TOLERANCE if "float" in kind else None,
        disciplines=("engineering",) if row["subject"] in ENGINEERING else disciplines,
        subject=row["subject"],
        source="theoremqa",
        meta={"theorem": row["theorem"]} if row["theorem"] else {},
    )


def _name_options(question: str, answer: str) -> tuple[str, ...]:
    named = [*re.findall(r"\(([a-h])\)", question), answer.strip("() ").lower()]
    return tuple(f"({letter})" for letter in ascii_lowercase[: ascii_lowercase.index(max(named)) + 1])


BENCHMARK = Benchmark(
    name="theoremqa",
    num_problems=747,
    num_rows=800,
    to_sample=to_sample,
    columns={"question": ("Question",), "answer": ("Answer",), "kind": ("Answer_type",)},
    optional={"picture": ("Picture",), "field": ("field",), "subject": ("subfield",), "theorem": ("theorem",)},
    file="theoremqa",
    hub="TIGER-Lab/TheoremQA",
)
