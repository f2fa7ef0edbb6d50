"""SuperGPQA: 26,529 graduate problems of 13 disciplines, up to ten options (arXiv 2502.14739; ODC-BY); a draw of it.

`supergpqa-1500` is drawn by the rows of the polymath paper's table (arXiv 2601.03111, Table 13). They add up to 1,498
of the 1,500 that its text names. The authors name neither seed nor problems; our seed is fixed here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from polymath.disciplines import paper_disciplines
from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.evaluation.benchmarks.strata import draw_strata
from polymath.types import Sample

SEED = "supergpqa-1500-1"
# Table 13; rows that it shares with MMLU-Pro less the 100 of that.
SIZES = {
    "science": 557,
    "engineering": 447,
    "medicine": 155,
    "literature & arts": 93,
    "economics": 49,
    "history": 38,
    "law": 37,
    "management": 28,
    "education": 27,
    "agronomy": 27,
    "philosophy": 20,
    "military science": 12,
    "sociology": 8,
}


def to_sample(row: dict[str, Any]) -> Sample:
    """Subject is the discipline of the file. Raises ValueError for one that is none of the 13."""
    subject = row["subject"].strip().lower().replace(" and ", " & ")
    if subject not in SIZES:
        raise ValueError(f"discipline is {row['subject']!r} and none of {', '.join(SIZES)}")
    return Sample(
        question=row["question"],
        answer=row["answer"],
        answer_type="choice",
        choices=tuple(map(str, row["options"])),
        disciplines=paper_disciplines(subject),
        subject=subject,
        level=row["level"],
        source="supergpqa",
        meta={name: row[name] for name in ("field", "subfield", "is_calculation", "uuid") if row[name] is not None},
    )


def draw(samples: list[Sample]) -> list[Sample]:
    """So many of each discipline as the paper's table counts."""
    return draw_strata(samples, SIZES, seed=SEED, name="supergpqa")


FULL = Benchmark(
    name="supergpqa",
    num_problems=26_529,
    to_sample=to_sample,
    columns={
        "question": ("question",),
        "answer": ("answer_letter",),
        "options": ("options",),
        "subject": ("discipline",),
    },
    optional={
        "level": ("difficulty",),
        "field": ("field",),
        "subfield": ("subfield",),
        "is_calculation": ("is_calculation",),
        "uuid": ("uuid",),
    },
    file="supergpqa",
    hub="m-a-p/SuperGPQA",
    split="train",
)
DRAWN = replace(FULL, name="supergpqa-1500", num_problems=sum(SIZES.values()), num_rows=26_529, draw=draw)
