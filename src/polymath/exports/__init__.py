"""A suite in, a folder of task files out that another harness runs with our prompts and our judge.

An exporter makes texts by file name and touches no disk; `export_suite` writes them into an empty folder. Every row of
problems carries the prompt as it is asked, so that the harness asks what `polymath evaluate` asks, and the whole
sample, so that the judge decides by the same terms. docs/exports.md says what a harness cannot know.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from polymath.errors import DiskError, RecipeError
from polymath.evaluation.protocol import Protocol
from polymath.evaluation.suites import Suite
from polymath.exports.inspect_ai import inspect_files
from polymath.exports.lm_eval import lm_eval_files
from polymath.prompts import Template
from polymath.runs import write_text

__all__ = ["EXPORTERS", "SuiteExporter", "export_suite"]

SuiteExporter = Callable[[Suite, Template, Protocol], dict[str, str]]

EXPORTERS: dict[str, SuiteExporter] = {
    "lm-eval": lm_eval_files,
    "inspect": inspect_files,
}


def export_suite(suite: Suite, template: Template, protocol: Protocol, *, to: str, out: Path) -> list[Path]:
    """Write the suite for the harness `to` into the folder `out`; the files, README.md first.

    `protocol` gives every benchmark its draws and its decoding. Raises RecipeError for an unknown harness, DiskError
    for a folder that is not empty.
    """
    if to not in EXPORTERS:
        raise RecipeError("--to", f"there is no harness {to!r}", f"use {' or '.join(EXPORTERS)}")
    if out.exists() and not out.is_dir():
        raise DiskError(out, "is a file", "name a new or empty folder with --out")
    if out.exists() and any(out.iterdir()):
        raise DiskError(out, "is not empty", "name a new or empty folder with --out")
    texts = EXPORTERS[to](suite, template, protocol)
    paths = [out / name for name in sorted(texts, key=lambda name: (name != "README.md", name))]
    for path in paths:
        write_text(path, texts[path.name])
    return paths
