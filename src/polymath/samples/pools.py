"""The name of a pool in, its samples with the place each one stands at out.

    lab:60                        random problems of the lab, always the same
    NAME                          a sample of the library
    RUN                           a run folder: the samples it trains on
    FILE.jsonl .jsonl.gz .json .parquet .csv, or a directory that `datasets` wrote
    OWNER/NAME[:CONFIG]           a data set of the hub

Layouts are told by their columns (samples/layouts.py) or given as a map. Histories are keyed by (source, index),
because pools hold duplicates: `index` is the row of the file, from 0, and for verl files extra_info.index. A row whose
gold cannot be reached is set aside with the reason and counted; the others keep their index.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polymath.errors import SampleError
from polymath.judge.reference import check_reference
from polymath.lab.draws import draw_samples
from polymath.runs import RunFolder
from polymath.samples.layouts import LAYOUTS, fields_by_map, layout_of, look_up
from polymath.samples.rows import SUFFIXES, Row, read_file_rows, read_hub_rows
from polymath.samples.sources import LAB_POOL_SEED, find_sample, library_names, read_objects, validate
from polymath.types import Sample

_LAB = re.compile(r"lab:([1-9]\d{0,4})")
_HUB = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?")
# A shared ending of fewer words may be an accident; it is looked for among so many different questions.
MIN_INSTRUCTION_WORDS, MIN_QUESTIONS = 5, 5


@dataclass(frozen=True, kw_only=True)
class PoolRow:
    """One sample and the row of the pool it stands at."""

    index: int
    sample: Sample


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A row that cannot be trained on: where it is and why."""

    index: int
    where: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The rows that can be trained on, in the order of the source, and those that cannot.

    Duplicates are kept. `notes` say what else differs from the source: columns left out, an index that was no index.
    """

    source: str
    rows: tuple[PoolRow, ...]
    set_aside: tuple[SetAside, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def by_index(self) -> dict[int, Sample]:
        """Row to sample; rows that repeat an index hold the same sample."""
        return {row.index: row.sample for row in self.rows}


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A row on its way into the pool: its fields, or the reason why there are none."""

    where: str
    index: int
    sample: Sample | None
    reason: str = ""


def read_pool(
    source: str | Path,
    columns: Mapping[str, str] | None = None,
    split: str = "train",
    *,
    config: str | None = None,
    strip_instruction: bool = False,
) -> Pool:
    """The pool of this name; `columns` is our field to the source's column (question, answer, index ...).

    `split` and `config` choose within a data set of the hub or a directory. `strip_instruction` takes away what every
    question ends with, if that is an instruction of at least MIN_INSTRUCTION_WORDS words; a note says that it did.
    Raises SampleError where nothing can be read, and where no row can be trained on.
    """
    name = str(source)
    read, notes = _read(name, columns, split, config)
    if strip_instruction:
        read, note = _strip(read)
        notes = (*notes, note)
    rows, set_aside = [], []
    for one in read:
        reason = one.reason or _reason_against(one.sample, one.where)
        if reason or one.sample is None:
            set_aside.append(SetAside(index=one.index, where=one.where, reason=reason))
        else:
            rows.append(PoolRow(index=one.index, sample=one.sample))
    if not rows:
        raise SampleError(name, f"no row can be trained on ({set_aside[0].reason})", "correct the golds, or --columns")
    return Pool(source=name, rows=tuple(rows), set_aside=tuple(set_aside), notes=notes)


def list_rows(source: str | Path) -> list[PoolRow]:
    """The rows of a pool that have a sample, their golds not judged: for finding one of them."""
    read, _ = _read(str(source), None, "train", None)
    return [PoolRow(index=one.index, sample=one.sample) for one in read if one.sample is not None]


def shared_instruction(questions: Sequence[str]) -> str:
    """The text that all these questions end with, from the end of a sentence on; "" where there is none.

    It must have at least MIN_INSTRUCTION_WORDS words and end MIN_QUESTIONS different questions.
    """
    distinct = set(questions)
    if len(distinct) < MIN_QUESTIONS:
        return ""
    # The shared ending of the smallest and largest of the reversed texts is that of all.
    first, last = min(text[::-1] for text in distinct), max(text[::-1] for text in distinct)
    length = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    ending = first[:length][::-1]
    start = re.search(r"^\s|(?<=[.?!])\s", ending)
    found = ending[start.start() :] if start else ""
    return found if len(found.split()) >= MIN_INSTRUCTION_WORDS else ""


def _read(
    name: str, columns: Mapping[str, str] | None, split: str, config: str | None
) -> tuple[list[_Read], tuple[str, ...]]:
    path = Path(name)
    if found := _LAB.fullmatch(name):
        return _numbered(draw_samples(int(found[1]), seed=LAB_POOL_SEED), name), ()
    if name in library_names():
        return _numbered(find_sample(name), name), ()
    if (path / "run.json").is_file():
        return _numbered(RunFolder(path).read_samples(), str(path / "samples.jsonl")), ()
    if path.suffix in (".json", ".jsonl"):
        return _to_samples(_read_ours(path), columns, True)
    if path.is_dir() or name.endswith(SUFFIXES):
        is_ours = name.endswith(".jsonl.gz")
        return _to_samples(read_file_rows(path, config=config, split=split), columns, is_ours)
    if (hub := _HUB.fullmatch(name)) and not path.exists():
        return _to_samples(read_hub_rows(hub[1], config=hub[2] or config, split=split), columns, False)
    if path.is_file():
        return _to_samples(_read_ours(path), columns, True)
    raise SampleError(
        f"pool {name!r}",
        "is no file, run folder, library sample, lab:N or data set of the hub (OWNER/NAME)",
        f"files end in {', '.join(SUFFIXES)}",
    )


def _read_ours(path: Path) -> list[Row]:
    rows = []
    for where, values in read_objects(path):
        if not isinstance(values, dict):
            raise SampleError(where, "is not a row of named columns", "write a JSON object for each row")
        rows.append(Row(where=where, values=values))
    return rows


def _numbered(samples: Sequence[Sample], where: str) -> list[_Read]:
    return [_Read(where=f"{where}[{place}]", index=place, sample=sample) for place, sample in enumerate(samples)]


def _to_samples(
    rows: Sequence[Row], columns: Mapping[str, str] | None, is_ours: bool
) -> tuple[list[_Read], tuple[str, ...]]:
    """Rows by map or layout. In a file of ours a column that no sample has is a mistake; elsewhere it is left out."""
    layout = None
    if columns is None:
        layout = layout_of(rows[0].values)
        if layout is None:
            known = ", ".join(map(str, rows[0].values))
            raise SampleError(
                rows[0].where, f"is of no known layout: {known}", "name its columns: --columns question=..,answer=.."
            )
    read = [_to_sample(place, row, columns, layout, is_ours) for place, row in enumerate(rows)]
    numbers, note = _indices(rows, read, columns, layout)
    read = [replace(one, index=number) for one, number in zip(read, numbers, strict=True)]
    left_out = () if layout is None or (is_ours and layout == "sample") else _left_out(rows[0].values, layout)
    return read, (*left_out, *([note] if note else []))


def _to_sample(place: int, row: Row, columns: Mapping[str, str] | None, layout: str | None, is_ours: bool) -> _Read:
    try:
        if columns is not None:
            fields = fields_by_map(row, columns)
        elif layout == "sample" and is_ours:
            fields = row.values
        else:
            assert layout is not None
            fields = LAYOUTS[layout].fields(row.values)
    except ValueError as error:
        return _Read(where=row.where, index=place, sample=None, reason=str(error))
    except KeyError as error:
        raise SampleError(row.where, f"has no column {error}", "make all rows alike, or name --columns") from error
    return _Read(where=row.where, index=place, sample=validate(row.where, fields))


def _indices(
    rows: Sequence[Row], read: Sequence[_Read], columns: Mapping[str, str] | None, layout: str | None
) -> tuple[list[int], str]:
    """The index of each row, and a note where the source's own index could not be used."""
    places = list(range(len(rows)))
    if columns is not None and "index" in columns:
        found = [look_up(row, columns["index"]) for row in rows]
    elif layout == "verl":
        found = [(row.values.get("extra_info") or {}).get("index") for row in rows]
    else:
        return places, ""
    numbers = [int(value) for value in found if str(value).isdecimal()]
    if len(numbers) < len(rows):
        return places, "the index column is not a whole number in every row: rows are numbered from 0 instead"
    sample_of: dict[int, str] = {}
    for number, one in zip(numbers, read, strict=True):
        identity = one.sample.id if one.sample else one.where
        if sample_of.setdefault(number, identity) != identity:
            return places, f"index {number} stands for different samples: rows are numbered from 0 instead"
    return numbers, ""


def _left_out(values: Mapping[str, Any], layout: str) -> tuple[str, ...]:
    unread = [str(name) for name in values if name not in LAYOUTS[layout].columns]
    return (f"columns not read: {', '.join(unread)}",) if unread else ()


def _strip(read: Sequence[_Read]) -> tuple[list[_Read], str]:
    ending = shared_instruction([one.sample.question for one in read if one.sample])
    if not ending:
        return list(read), "the questions share no instruction at their end: nothing was taken away"
    stripped = [
        replace(one, sample=one.sample.model_copy(update={"question": one.sample.question.removesuffix(ending)}))
        if one.sample
        else one
        for one in read
    ]
    return stripped, f"taken away from the end of every question: {ending.strip()!r}"


def _reason_against(sample: Sample | None, where: str) -> str:
    if sample is None:
        return "cannot be read"
    if not sample.question.strip():
        return "the question is empty"
    try:
        check_reference(sample, where=where)
    except SampleError as error:
        return error.what
    return ""
