"""Your own suite: a TOML file that names files or hub ids, columns, types and disciplines.

    [benchmarks.thermo]
    file = "thermo.csv"                    # beside the TOML file; or hub = "OWNER/NAME", with split and config
    columns = { question = "problem_text", answer = "gold", choices = ["a", "b", "c"], subject = "topic" }
    answer_type = "choice"
    [disciplines]
    "heat engines" = "physics"             # subject = discipline

The answer of a choice is a letter, the text of an option, or with answer_index = true the option's place from 0.
`choices` is one column that holds a list (in CSV: a list in JSON) or a list of columns. Every reference answer must be
judged right against itself; nothing is dropped.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from polymath.disciplines import discipline_of
from polymath.errors import SampleError
from polymath.evaluation.benchmarks import Loaded
from polymath.judge.reference import check_reference
from polymath.samples.rows import MissingData, Row, pick, read_file_rows, read_hub_rows
from polymath.types import AnswerType, MissingUnit, Sample, Tolerance

MAX_CHOICES = 10  # A to J


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(_Table):
    """Our field to the data's column."""

    question: str = "question"
    answer: str = "answer"
    choices: str | tuple[str, ...] | None = None
    subject: str | None = None
    discipline: str | None = None
    level: str | None = None
    unit: str | None = None
    solution: str | None = None


class OwnBenchmark(_Table):
    """One benchmark of an own suite. A constant (discipline, unit) holds where no column says otherwise."""

    file: str | None = None
    hub: str | None = None
    config: str | None = None
    split: str = "test"
    columns: Columns = Columns()
    answer_type: AnswerType = "expression"
    answer_index: bool = False
    discipline: str | None = None
    unit: str | None = None
    tolerance: Tolerance = None
    missing_unit: MissingUnit = "accept"
    protocol: str | None = None
    max_tokens: int | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.hub is None):
            raise ValueError("give file or hub, one of them")
        if (self.answer_type == "choice") != (self.columns.choices is not None):
            raise ValueError('answer_type = "choice" and columns.choices go together')
        if self.answer_index and self.answer_type != "choice":
            raise ValueError('answer_index needs answer_type = "choice"')
        return self


class OwnSuite(_Table):
    """The whole file. `disciplines` is subject to discipline."""

    benchmarks: dict[str, OwnBenchmark] = Field(min_length=1)
    disciplines: dict[str, str] = {}


def read_own_suite(path: Path) -> OwnSuite:
    """The suite of this TOML file; raises SampleError with the first wrong key and the nearest known one."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SampleError(path, "no such file", "name a TOML file with a [benchmarks.NAME] table") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SampleError(path, f"cannot be read ({error})", "name a readable UTF-8 file") from error
    except tomllib.TOMLDecodeError as error:
        raise SampleError(path, f"is not TOML ({error})", "check the line that it names") from error
    try:
        return OwnSuite.model_validate(table)
    except ValidationError as error:
        raise _explain(error, path) from None


def load_own_benchmark(label: str, benchmark: OwnBenchmark, path: Path, disciplines: Mapping[str, str]) -> Loaded:
    """The samples of one benchmark of the suite at `path`; raises SampleError with file, line and column."""
    where = f"{path}: benchmarks.{label}"
    try:
        if benchmark.file is not None:
            rows = read_file_rows(path.parent / benchmark.file, config=benchmark.config, split=benchmark.split)
        else:
            rows = read_hub_rows(str(benchmark.hub), config=benchmark.config, split=benchmark.split)
    except MissingData as missing:  # a published set may be missing beside others; what a user names may not
        raise SampleError(missing.where, missing.what, missing.remedy) from missing
    columns = _columns(benchmark.columns)
    _check_columns(columns, rows[0], where)
    return Loaded(samples=tuple(_sample(label, benchmark, row, columns, disciplines) for row in rows))


def _columns(columns: Columns) -> dict[str, str]:
    named = columns.model_dump(exclude={"choices"}, exclude_none=True)
    if isinstance(columns.choices, tuple):
        return {**named, **{f"choices.{place}": column for place, column in enumerate(columns.choices)}}
    return {**named, "choices": columns.choices} if columns.choices else named


def _check_columns(columns: Mapping[str, str], row: Row, where: str) -> None:
    for field, column in columns.items():
        if column not in row.values:
            known = list(row.values)
            near = difflib.get_close_matches(column, known, n=1)
            raise SampleError(
                f"{where}.columns.{field}",
                f"{row.where} has no column {column!r}",
                f"did you mean {near[0]!r}?" if near else f"its columns are {', '.join(known)}",
            )


def _sample(
    label: str, benchmark: OwnBenchmark, row: Row, columns: Mapping[str, str], disciplines: Mapping[str, str]
) -> Sample:
    needed = {name: (column,) for name, column in columns.items() if name.partition(".")[0] in _NEEDED}
    values = pick(row, needed, {name: (column,) for name, column in columns.items() if name not in needed})
    subject = _text(values.get("subject"))
    discipline = _text(values.get("discipline")) or disciplines.get(subject or "") or benchmark.discipline
    choices = _choices(values, row.where) if benchmark.answer_type == "choice" else None
    answer = values["answer"]
    try:
        sample = Sample(
            question=_text(values["question"]) or "",
            answer=answer if choices is None else _letter(answer, choices, benchmark.answer_index, row.where),
            answer_type=benchmark.answer_type,
            choices=choices,
            unit=_text(values.get("unit")) or benchmark.unit,
            tolerance=benchmark.tolerance,
            missing_unit=benchmark.missing_unit,
            disciplines=(discipline or (discipline_of(subject) if subject else label),),
            subject=subject,
            level=_text(values.get("level")),
            solution=_text(values.get("solution")),
            source=label,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise SampleError(
            row.where, f"{columns.get(str(first['loc'][0]), first['loc'][0])}: {first['msg']}", "correct the cell"
        ) from None
    check_reference(sample, where=row.where)
    return sample


_NEEDED = {"question", "answer", "choices"}


def _text(value: object) -> str | None:
    if value is None:
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _choices(values: Mapping[str, Any], where: str) -> tuple[str, ...]:
    found = values.get("choices")
    if found is None:
        found = [value for name, value in values.items() if name.startswith("choices.")]
    elif isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError as error:
            raise SampleError(
                where, "choices is not a list", 'write ["red", "blue"] in the cell, or name one column for each option'
            ) from error
    if not isinstance(found, list) or any(isinstance(option, list | dict) for option in found):
        raise SampleError(where, "choices is not a list of options", 'write ["red", "blue"]')
    options = tuple((_text(option) or "").strip() for option in found)
    if not 2 <= len(options) <= MAX_CHOICES:
        raise SampleError(
            where, f"has {len(options)} option{'s' if len(options) > 1 else ''}", f"give 2 to {MAX_CHOICES} (A to J)"
        )
    if "" in options:
        raise SampleError(where, f"option {ascii_uppercase[options.index('')]} is empty", "give every option a text")
    twice = next((option for option in options if options.count(option) > 1), None)
    if twice is not None:
        raise SampleError(where, f"two options are {twice[:40]!r}", "make the options different")
    return options


def _letter(answer: object, choices: tuple[str, ...], is_index: bool, where: str) -> str:
    letters = ascii_uppercase[: len(choices)]
    text = (_text(answer) or "").strip()
    if is_index:
        if not text.isdecimal() or int(text) >= len(choices):
            raise SampleError(
                where, f"the answer {text[:40]!r} is no place of an option", f"give 0 to {len(choices) - 1}"
            )
        return letters[int(text)]
    letter = re.fullmatch(r"\(?([A-Za-z])[).]?", text)
    if text in choices:
        found = letters[choices.index(text)]
        if letter is not None and letter[1].upper() in letters and letter[1].upper() != found:
            raise SampleError(
                where, f"the answer {text!r} is the letter of one option and the text of another", "use answer_index"
            )
        return found
    if letter is None or letter[1].upper() not in letters:
        raise SampleError(
            where,
            f"the answer {text[:40]!r} is none of the options {letters[0]} to {letters[-1]}",
            "give a letter or an option's text, or set answer_index = true where it is a place from 0",
        )
    return letter[1].upper()


def _explain(error: ValidationError, path: Path) -> SampleError:
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"]]
    key = ".".join(keys) or "the file"
    if first["type"] == "extra_forbidden":
        tables: dict[int, type[_Table]] = {1: OwnSuite, 3: OwnBenchmark}
        known = list(tables.get(len(keys), Columns).model_fields)
        near = difflib.get_close_matches(keys[-1], known, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return SampleError(f"{path}: {key}", "is not a key of a suite", remedy)
    return SampleError(f"{path}: {key}", first["msg"].removeprefix("Value error, "), "correct this key")
