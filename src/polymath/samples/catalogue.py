"""The library as a table: what ships with the package, and which of it is sound.

In: the files of the library. Out: entries, and the Markdown table of docs/library.md. A file whose name begins with
`flawed-` holds a sample with one deliberate flaw, named in its `meta`, for tests of the audit. A `retelling-` is one
question with two labels, for an ablation. All others are meant for training.
"""

from __future__ import annotations

from dataclasses import dataclass

from polymath.samples.sources import find_sample, library_names
from polymath.types import Sample

FLAWED_PREFIX = "flawed-"
RETELLING_PREFIX = "retelling-"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One sample of the library and the name of its file."""

    name: str
    sample: Sample

    @property
    def flaw(self) -> str:
        """What is wrong with it on purpose; empty for a sound one."""
        return str(self.sample.meta.get("flaw", ""))


def sound_names() -> list[str]:
    """Names of the library samples to choose from for training: neither flawed nor a retelling."""
    return [name for name in library_names() if not name.startswith((FLAWED_PREFIX, RETELLING_PREFIX))]


def flawed_names() -> list[str]:
    """Names of the library samples with a deliberate flaw."""
    return [name for name in library_names() if name.startswith(FLAWED_PREFIX)]


def entries() -> list[Entry]:
    """Every sample of the library by the name of its file; a file with several samples has several entries."""
    return [Entry(name=name, sample=sample) for name in library_names() for sample in find_sample(name)]


def as_markdown() -> str:
    """The table of docs/library.md, one line a sample."""
    heads = ("name", "disciplines", "subject", "skills", "level", "answer type", "remark")
    lines = [f"| {' | '.join(heads)} |", f"|{':--|' * len(heads)}"]
    for entry in entries():
        sample = entry.sample
        cells = [
            f"`{entry.name}`",
            ", ".join(sample.disciplines),
            sample.subject or "",
            ", ".join(sample.skills),
            sample.level or "",
            sample.answer_type,
            _remark(entry),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _remark(entry: Entry) -> str:
    if entry.flaw:
        return f"flaw: {entry.flaw}"
    if "label" in entry.sample.meta:
        return f"{entry.sample.meta['label']} label, {entry.sample.answer}"
    return ""
