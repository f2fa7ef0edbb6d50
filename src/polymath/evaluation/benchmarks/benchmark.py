"""What a benchmark is, and how its samples come out of its rows.

In: rows of the hub or of a local file. Out: samples in file order whose own answers are judged right, and what was set
aside and why. A hole (a column absent or empty, a row of another form) means that the file is torn, and is an error. A
row that is whole and still cannot be asked in text or cannot be judged is set aside and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from polymath.errors import SampleError
from polymath.judge.reference import check_reference
from polymath.samples.rows import MissingData, Row, find_file, pick, read_file_rows, read_hub_rows
from polymath.types import Sample


class Unaskable(Exception):
    """This row is whole and is no problem for a text model; the message says why."""


MAX_CHOICES = 10  # A to J


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One benchmark: where its rows are, and how a row becomes a sample.

    `columns` and `optional` are {our name: their spellings}, as hub and local files differ; `to_sample` gets the
    values by our names. It raises ValueError for a row of another form and Unaskable. `num_rows` and `num_problems`
    are the published numbers of rows and of problems that are asked. `keep` says which rows are of this benchmark where
    a file holds others too; `draw` chooses a subset. A benchmark with `generate` needs no rows. Choices are named A to
    J, and `fewest_choices` is 2 wherever the published rows are whole.
    """

    name: str
    num_problems: int | None = None
    num_rows: int | None = None
    to_sample: Callable[[dict[str, Any]], Sample] | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    file: str = ""
    hub: str = ""
    config: str | None = None
    split: str = "test"
    gated: bool = False
    keep: Callable[[dict[str, Any]], bool] | None = None
    draw: Callable[[list[Sample]], list[Sample]] | None = None
    generate: Callable[[], list[Sample]] | None = None
    fewest_choices: int = 2


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The samples in a fixed order; what was set aside as "WHERE: reason"; what else a reader should know."""

    samples: tuple[Sample, ...]
    set_aside: tuple[str, ...] = ()
    note: str = ""


def load_benchmark(benchmark: Benchmark, data: Path | None = None) -> Loaded:
    """The samples of the local file in `data`, or of the hub where `data` is None.

    Raises MissingData where the rows cannot be had and SampleError where they have holes.
    """
    if benchmark.generate is not None:
        return Loaded(samples=tuple(benchmark.generate()))
    samples, set_aside = [], []
    for row in _read(benchmark, data):
        values = pick(row, benchmark.columns, benchmark.optional)
        if benchmark.keep is not None and not benchmark.keep(values):
            continue
        try:
            samples.append(_to_sample(benchmark, row.where, values))
        except _SetAside as reason:
            set_aside.append(str(reason))
    if not samples:
        reason_why = set_aside[0] if set_aside else "none is of this benchmark"
        raise SampleError(benchmark.name, f"no row can be asked ({reason_why})", "check the file")
    return Loaded(
        samples=tuple(benchmark.draw(samples) if benchmark.draw else samples),
        set_aside=tuple(set_aside),
        note=_count(benchmark, len(samples) + len(set_aside)),
    )


class _SetAside(Exception):
    pass


def _read(benchmark: Benchmark, data: Path | None) -> list[Row]:
    try:
        if data is not None:
            return read_file_rows(find_file(data, benchmark.file), config=benchmark.config, split=benchmark.split)
        return read_hub_rows(benchmark.hub, config=benchmark.config, split=benchmark.split, is_gated=benchmark.gated)
    except MissingData as missing:
        other = (
            f"name a directory with {benchmark.file}.jsonl in it with --data DIR"
            if data is None
            else f"leave --data out to load {benchmark.hub} from the hub"
        )
        raise MissingData(missing.where, missing.what, f"{missing.remedy}, or {other}") from missing


def _to_sample(benchmark: Benchmark, where: str, values: dict[str, Any]) -> Sample:
    assert benchmark.to_sample is not None, f"{benchmark.name} has neither generate nor to_sample"
    try:
        sample = benchmark.to_sample(values)
    except Unaskable as reason:
        raise _SetAside(f"{where}: {reason}") from reason
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SampleError(where, f"{key}: {first['msg']}", "fetch the file again") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        what = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise SampleError(where, what, "fetch the file again") from error
    _check_choices(benchmark, sample, where)
    check_reference(sample, where=where)
    return sample


def _check_choices(benchmark: Benchmark, sample: Sample, where: str) -> None:
    if sample.choices is None or benchmark.fewest_choices <= len(sample.choices) <= MAX_CHOICES:
        return
    raise SampleError(
        where,
        f"has {len(sample.choices)} options, and {benchmark.name} has {benchmark.fewest_choices} to {MAX_CHOICES}",
        "correct the row, or fetch the file again",
    )


def _count(benchmark: Benchmark, num_rows: int) -> str:
    published = benchmark.num_rows or benchmark.num_problems
    return "" if num_rows == published else f"{num_rows:,} rows here, {published:,} published"
