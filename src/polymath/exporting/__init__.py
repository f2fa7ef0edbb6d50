"""A sample in, a folder out that another trainer trains from, with our prompts and our judge.

    grading.py    response + sample -> reward: what every exported reward function calls
    serving.py    the same over HTTP
    order.py      sample + recipe -> what is exported, and which recipe keys have no counterpart
    trl.py openrlhf.py verifiers.py jsonl.py verl.py    order -> texts by path in the folder

An exporter makes texts and bytes and touches no disk. `polymath.exports` does the same for suites and harnesses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from polymath.errors import DiskError, RecipeError
from polymath.exporting.jsonl import jsonl_files
from polymath.exporting.openrlhf import openrlhf_files
from polymath.exporting.order import Order, make_order
from polymath.exporting.trl import trl_files
from polymath.exporting.verifiers import verifiers_files
from polymath.exporting.verl import verl_files
from polymath.runs import telling_disk_errors, write_text

__all__ = ["EXPORTERS", "Order", "SampleExporter", "export_order", "make_order"]

SampleExporter = Callable[[Order], Mapping[str, str | bytes]]

EXPORTERS: dict[str, SampleExporter] = {
    "trl": trl_files,
    "openrlhf": openrlhf_files,
    "verifiers": verifiers_files,
    "jsonl": jsonl_files,
    "verl": verl_files,
}


def export_order(order: Order, *, to: str, out: Path | None = None) -> list[Path]:
    """Write the order for the trainer `to` into the folder `out` (default NAME-TO); the files, README.md first.

    Raises RecipeError for an unknown trainer and for a recipe that it has no words for, DiskError for a folder that is
    not empty.
    """
    if to not in EXPORTERS:
        raise RecipeError("--to", f"there is no trainer {to!r}", f"use {' or '.join(EXPORTERS)}")
    folder = Path(f"{order.name}-{to}") if out is None else out
    if folder.exists() and not folder.is_dir():
        raise DiskError(folder, "is a file", "name a new or empty folder with --out")
    if folder.exists() and any(folder.iterdir()):
        raise DiskError(folder, "is not empty", "name a new or empty folder with --out")
    texts = EXPORTERS[to](order)
    paths = [folder / name for name in sorted(texts, key=lambda name: (name != "README.md", name))]
    for path in paths:
        content = texts[str(path.relative_to(folder))]
        if isinstance(content, str):
            write_text(path, content)
        else:
            with telling_disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        if path.suffix == ".sh":
            with telling_disk_errors(path):
                path.chmod(0o755)
    return paths
