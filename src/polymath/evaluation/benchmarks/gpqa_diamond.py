"""GPQA Diamond: 198 problems of graduate physics, chemistry and biology, four options (arXiv 2311.12022; CC BY 4.0).

The set is gated, and its authors ask that no text of it is put where crawlers read. The right option is a column of its
own, so the order of the options is ours: by sha256 of problem and option, the same from any copy of the data.
"""

from __future__ import annotations

import hashlib
from string import ascii_uppercase
from typing import Any

from polymath.evaluation.benchmarks.benchmark import Benchmark
from polymath.types import Sample

SEED = "gpqa-diamond-1"
WRONG = ("wrong1", "wrong2", "wrong3")


def to_sample(row: dict[str, Any]) -> Sample:
    """Discipline is the high-level domain, subject the subdomain."""
    question, right = row["question"].strip(), row["right"].strip()
    options = [right, *(row[name].strip() for name in WRONG)]
    options.sort(key=lambda option: hashlib.sha256(f"{SEED}{question}{option}".encode()).digest())
    discipline = row["domain"].strip().lower()
    return Sample(
        question=question,
        answer=ascii_uppercase[options.index(right)],
        answer_type="choice",
        choices=tuple(options),
        disciplines=(discipline,),
        subject=row["subject"] or discipline,
        source="gpqa-diamond",
        meta={"record": row["record"]} if row["record"] else {},
    )


BENCHMARK = Benchmark(
    name="gpqa-diamond",
    num_problems=198,
    to_sample=to_sample,
    columns={
        "question": ("Question",),
        "right": ("Correct Answer",),
        "wrong1": ("Incorrect Answer 1",),
        "wrong2": ("Incorrect Answer 2",),
        "wrong3": ("Incorrect Answer 3",),
        "domain": ("High-level domain",),
    },
    optional={"subject": ("Subdomain",), "record": ("Record ID",)},
    file="gpqa_diamond",
    hub="Idavidrein/gpqa",
    config="gpqa_diamond",
    split="train",
    gated=True,
)
