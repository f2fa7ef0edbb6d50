"""Samples to the rows that an exported benchmark carries, and benchmark names to names that a harness accepts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from polymath.prompts import Template, render
from polymath.types import Sample


def problem_rows(samples: Sequence[Sample], template: Template) -> list[dict[str, str]]:
    """One row a problem, every value a text.

    `prompt` is asked as it stands; `sample` is the whole sample as JSON, because a table of columns would have to give
    optional fields of several types one type; `id` is unique in its benchmark, which may hold a problem twice.
    """
    return [
        {
            "id": f"{number:05d}-{sample.id[:12]}",
            "discipline": sample.discipline,
            "subject": sample.subject or "",
            "prompt": render(sample, template).text,
            "target": sample.answer,
            "sample": sample.model_dump_json(exclude_defaults=True),
        }
        for number, sample in enumerate(samples, 1)
    ]


def to_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """The text of a JSON lines file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def task_names(benchmarks: Iterable[str]) -> dict[str, str]:
    """Benchmark to task name: its letters, digits and underscores behind polymath_, which hides no task of a harness.

    Names that become equal get a number behind them.
    """
    names: dict[str, str] = {}
    for benchmark in benchmarks:
        stem = name = "polymath_" + (re.sub(r"[^a-z0-9]+", "_", benchmark.lower()).strip("_") or "benchmark")
        count = 1
        while name in names.values():
            count += 1
            name = f"{stem}_{count}"
        names[benchmark] = name
    return names
