"""Cells of text under their headings: a table that a page or a document can show; as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Table:
    """Text cells under their headings. The first `num_words` columns hold words, the others numbers.

    `is_detail` marks what a page may fold away.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_words: int = 1
    note: str = ""
    is_detail: bool = False


def to_markdown(table: Table) -> str:
    """One table as GitHub markdown under its title in bold."""
    marks = [":--" if place < table.num_words else "--:" for place in range(len(table.heads))]
    lines = [_line(table.heads), f"|{'|'.join(marks)}|", *map(_line, table.rows)]
    parts = [f"**{escape(table.title)}**", "\n".join(lines), *([escape(table.note)] if table.note else [])]
    return "\n\n".join(parts)


def escape(text: str) -> str:
    """Text as GitHub markdown shows it: one line, no HTML, no cell ends."""
    return re.sub(r"&(?=#?\w+;)", "&amp;", " ".join(text.split())).replace("<", "&lt;").replace("|", "\\|")


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(escape, cells))} |"
