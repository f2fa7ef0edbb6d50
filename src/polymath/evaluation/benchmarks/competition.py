"""What the AIME and AMC files share: a problem and a whole number. Each publisher spells the columns in its own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polymath.types import Sample

COLUMNS = {"question": ("problem", "Problem", "question"), "answer": ("answer", "Answer")}
OPTIONAL = {"solution": ("solution", "Solution"), "url": ("url",)}


def to_sample_of(source: str) -> Callable[[dict[str, Any]], Sample]:
    """Row to sample for this competition."""

    def to_sample(row: dict[str, Any]) -> Sample:
        return Sample(
            question=row["question"],
            answer=row["answer"],
            answer_type="number",
            disciplines=("mathematics",),
            subject="competition mathematics",
            solution=row["solution"],
            source=source,
            meta={"url": row["url"]} if row["url"] else {},
        )

    return to_sample
