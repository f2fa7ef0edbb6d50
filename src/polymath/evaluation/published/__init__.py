"""The published figures as data: which rows of the two papers a result of ours is put beside.

In: the two TOML files of this folder, figures and names only. Out: tables of frozen rows. Sources: polymath
learning, arXiv 2601.03111v2; one-shot RLVR, arXiv 2504.20571v3. Cells are as printed, also where they contradict
each other; tests/evaluation/test_published.py recomputes what can be recomputed and names what does not agree.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

Grouping = Literal["domain", "benchmark", "subject"]

PAPER_OF_FILE: dict[str, str] = {
    "polymath.toml": "arXiv 2601.03111v2",
    "one_shot.toml": "arXiv 2504.20571v3",
}

# The first table with rows of the model is the one to show; without a model, the first table's own.
BESIDE: dict[tuple[str, Grouping], tuple[str, ...]] = {
    ("polymath", "domain"): ("polymath-3", "polymath-15"),
    ("polymath", "benchmark"): ("polymath-12", "polymath-17"),
    ("polymath", "subject"): ("polymath-figures-1-10",),
    ("one-shot-math", "benchmark"): ("one-shot-8", "one-shot-4", "one-shot-10"),
    ("one-shot-math", "subject"): ("one-shot-3",),
}


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """One arm: what it was trained on or shown, and its cells in the order of the table's columns.

    A cell is None where nothing is printed. `spread` holds standard deviations over runs where the table has them.
    `settings` says what else tells this row from its neighbours: algorithm, step, size.
    """

    label: str
    model: str
    arm: str
    sample: str | None = None
    values: tuple[float | None, ...]
    spread: tuple[float, ...] | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """A published table under our names.

    `means` maps a column to those it is the unweighted mean of. `odd` says what is known to be wrong or unusual.
    `probable_columns` is what the columns were probably meant to be, where the printed heads do not fit the cells.
    """

    key: str
    paper: str
    where: str
    metric: str
    decoding: str
    checkpoint: str
    unit: str
    columns: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    means: dict[str, tuple[str, ...]] = field(default_factory=dict)
    odd: tuple[str, ...] = ()
    probable_columns: tuple[str, ...] | None = None

    def row(self, label: str, model: str | None = None) -> dict[str, float | None]:
        """The cells of one row by column. Raises KeyError unless exactly one row has this label and model."""
        found = [row for row in self.rows if row.label == label and (model is None or row.model == model)]
        if len(found) != 1:
            raise KeyError(f"{self.key} has {len(found)} rows {label!r}")
        return dict(zip(self.columns, found[0].values, strict=True))

    def of_model(self, model: str) -> PublishedTable:
        """The same table with the rows of one model only, perhaps none."""
        return replace(self, rows=tuple(row for row in self.rows if _is_model(row.model, model)))

    def as_probably_meant(self) -> PublishedTable:
        """The cells under the columns they were probably meant for, in the printed order of the columns."""
        if self.probable_columns is None:
            return self
        places = [self.probable_columns.index(column) for column in self.columns]
        rows = tuple(replace(row, values=tuple(row.values[place] for place in places)) for row in self.rows)
        return replace(self, rows=rows, probable_columns=None)


def read_tables() -> dict[str, PublishedTable]:
    """Every published table that we ship, by key: `polymath-3` is Table 3 of that paper."""
    folder = Path(__file__).parent
    tables: dict[str, PublishedTable] = {}
    for name, paper in PAPER_OF_FILE.items():
        for key, entry in tomllib.loads((folder / name).read_text(encoding="utf-8")).items():
            tables[key] = _read_table(key, paper, entry)
    return tables


def rows_beside(suite: str, model: str | None = None, *, by: Grouping = "benchmark") -> PublishedTable | None:
    """The published rows to put beside a result on this suite, or None where there are none.

    `model` is a hub id or a path; its last part counts, in any case of letters. Without one: the paper's own main
    model. Cells that the paper probably printed under the wrong heads stand where they were probably meant to.
    """
    tables = read_tables()
    candidates = [tables[key] for key in BESIDE.get((suite, by), ())]
    for table in candidates:
        found = table.of_model(model) if model is not None else table
        if found.rows:
            return found.as_probably_meant()
    return None


def as_markdown(table: PublishedTable) -> str:
    """The table as Markdown, with its source above and what is odd about it below."""
    models = sorted({row.model for row in table.rows} - {""})
    has_models = len(models) > 1
    title = f"{table.where} of {table.paper}: {table.metric}, {table.unit}"
    heads = [*(["model"] if has_models else []), "row", *table.columns]
    lines = [title if has_models else ", ".join([title, *models]), "", _line(heads), _line("---" for _ in heads)]
    for row in table.rows:
        cells = ["" if value is None else f"{value:g}" if table.unit == "count" else f"{value}" for value in row.values]
        if row.spread is not None:
            cells = [f"{cell} ± {spread:g}" for cell, spread in zip(cells, row.spread, strict=True)]
        lines.append(_line([*([row.model] if has_models else []), row.label, *cells]))
    notes = [f"Decoding: {table.decoding}.", f"Checkpoint: {table.checkpoint}."]
    return "\n".join([*lines, "", *notes, *(f"- {remark}" for remark in table.odd)])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _is_model(published: str, asked: str) -> bool:
    return published.rpartition("/")[2].lower() == asked.rstrip("/").rpartition("/")[2].lower()


def _read_table(key: str, paper: str, entry: dict[str, Any]) -> PublishedTable:
    columns = tuple(entry["columns"])
    rows = tuple(_read_row(row, entry.get("model", "")) for row in entry["rows"])
    assert all(len(row.values) == len(columns) for row in rows), key
    return PublishedTable(
        key=key,
        paper=paper,
        where=entry["where"],
        metric=entry["metric"],
        decoding=entry["decoding"],
        checkpoint=entry.get("checkpoint", "not stated"),
        unit=entry["unit"],
        columns=columns,
        rows=rows,
        means={column: tuple(parts) for column, parts in entry.get("means", {}).items()},
        odd=tuple(entry.get("odd", ())),
        probable_columns=tuple(entry["probable_columns"]) if "probable_columns" in entry else None,
    )


def _read_row(entry: dict[str, Any], model: str) -> PublishedRow:
    return PublishedRow(
        label=entry["label"],
        model=entry.get("model", model),
        arm=entry["arm"],
        sample=entry.get("sample"),
        values=tuple(None if math.isnan(value) else value for value in entry["values"]),
        spread=tuple(entry["spread"]) if "spread" in entry else None,
        settings=entry.get("settings", {}),
    )
