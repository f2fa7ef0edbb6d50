"""MMLU-Pro: 12,032 problems with up to ten options (Wang et al., arXiv 2406.01574; Apache-2.0), and a draw of it.

`mmlu-pro-100` is 100 problems of each subject that has a row in the polymath paper's tables (arXiv 2601.03111, Table
13). Engineering has none and is not drawn. The authors name neither seed nor problems; ours are fixed here, and the
drawn ids are in mmlu_pro_100.json (first 16 digits of Sample.id). Five problems of the full file have one option, and
159 rows repeat another; they are kept, as everyone scores them.
"""

from __future__ import annotations

from dataclasses import replace
from string import ascii_uppercase
from typing import Any

from polymath.disciplines import paper_disciplines
from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.evaluation.benchmarks.strata import draw_strata
from polymath.types import Sample

SEED = "mmlu-pro-100-1"
NUM_PER_SUBJECT = 100
DRAWN_SUBJECTS = (
    "math",
    "physics",
    "chemistry",
    "biology",
    "computer science",
    "business",
    "health",
    "psychology",
    "other",
    "philosophy",
    "economics",
    "law",
    "history",
)
SUBJECTS = (*DRAWN_SUBJECTS, "engineering")


def to_sample(row: dict[str, Any]) -> Sample:
    """Subject is the category. Raises ValueError for a category that is none of the 14."""
    subject = row["subject"].strip()
    if subject not in SUBJECTS:
        raise ValueError(f"category is {subject!r} and none of {', '.join(SUBJECTS)}")
    if not isinstance(row["options"], list | tuple):
        raise ValueError("options is no list")
    if row["place"] is not None and ascii_uppercase.find(str(row["answer"]).strip()) != int(row["place"]):
        raise ValueError(f"answer is {row['answer']!r} and answer_index {row['place']}, which is another option")
    return Sample(
        question=row["question"],
        answer=row["answer"],
        answer_type="choice",
        choices=tuple(row["options"]),
        disciplines=paper_disciplines(subject),
        subject=subject,
        source="mmlu-pro",
        meta={"src": row["src"]} if row["src"] else {},
    )


def draw(samples: list[Sample]) -> list[Sample]:
    """100 of each of the 13 subjects."""
    return draw_strata(samples, dict.fromkeys(DRAWN_SUBJECTS, NUM_PER_SUBJECT), seed=SEED, name="mmlu-pro")


FULL = Benchmark(
    name="mmlu-pro",
    num_problems=12_032,
    to_sample=to_sample,
    columns={"question": ("question",), "answer": ("answer",), "options": ("options",), "subject": ("category",)},
    optional={"src": ("src",), "place": ("answer_index",)},
    fewest_choices=1,  # five of the published rows have one option: essay questions whose answer is it
    file="mmlu_pro",
    hub="TIGER-Lab/MMLU-Pro",
)
DRAWN = replace(FULL, name="mmlu-pro-100", num_problems=1_300, num_rows=12_032, draw=draw)
