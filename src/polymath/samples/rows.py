"""Rows of a data set, each with the place it stands at: from the hub through `datasets`, or from a local file.

Read are NAME.jsonl, NAME.jsonl.gz, NAME.json (a list), NAME.parquet, NAME.csv and the directory NAME/ (one that
`datasets` saved, or one in the layout of the hub). Nothing is dropped: a row that cannot be read is an error that
names file and line. `datasets` and pyarrow take seconds to import, so only what needs them does.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath.errors import SampleError

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".parquet", ".csv")
CSV_FIELD_LIMIT = 10_000_000  # characters; the csv module's own limit is 131,072, less than a long passage


class MissingData(SampleError):
    """A data set whose rows cannot be had here: no local file, no network, or a gate that is shut."""


class UnreachableHub(MissingData):
    """The hub itself cannot be reached: no other set can be had from it now."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row and where it stands: FILE:LINE, FILE[PLACE] or HUB SPLIT[PLACE]."""

    where: str
    values: dict[str, Any]


def find_file(data: Path, name: str) -> Path:
    """The file or directory of this name, whatever its suffix; raises MissingData."""
    for path in [data / f"{name}{suffix}" for suffix in SUFFIXES]:
        if path.is_file():
            return path
    if (data / name).is_dir():
        return data / name
    if not data.is_dir():
        raise MissingData(data, "no such directory", "name the directory of the benchmark files with --data DIR")
    raise MissingData(
        data,
        f"has no {name}.jsonl (nor .jsonl.gz, .json, .parquet, .csv, nor a directory {name}/)",
        "put the published file there under this name",
    )


def read_file_rows(path: Path, *, config: str | None = None, split: str = "test") -> list[Row]:
    """All rows of a local file or directory, in its order.

    `config` and `split` choose within a directory. Raises SampleError with file and line.
    """
    if path.is_dir():
        return _read_directory(path, config, split)
    if not path.exists():
        raise MissingData(path, "no such file", f"name a file ({', '.join(SUFFIXES)}) or a directory")
    suffix = next((known for known in SUFFIXES if path.name.endswith(known)), None)
    if suffix is None:
        raise SampleError(path, "is of no known kind", f"use one of {', '.join(SUFFIXES)}")
    if suffix == ".parquet":
        rows = list(_read_parquet(path))
    else:
        text = _read_text(path)
        rows = list({".csv": _read_csv, ".json": _read_json}.get(suffix, _read_lines)(path, text))
    if not rows:
        raise SampleError(path, "holds no rows", "fetch the file again")
    return rows


def read_hub_rows(hub: str, *, config: str | None = None, split: str = "test", is_gated: bool = False) -> list[Row]:
    """All rows of a split of a data set on the hub, or of a local directory in the hub's layout.

    Raises MissingData with the reason where it cannot be had; `is_gated` means that it has terms to be accepted.
    """
    datasets = _quiet_datasets(hub)
    try:
        table = datasets.load_dataset(hub, config, split=split)
    except Exception as error:  # of datasets, huggingface_hub, the network or the file system: all say "not here"
        raise _explain(hub, error, is_gated) from error
    return _table_rows(table, f"{hub} {split}")


def pick(row: Row, columns: Mapping[str, tuple[str, ...]], optional: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The values by our names. A column may be spelled in several ways; the first that is there is taken.

    Raises SampleError for a column that is absent or empty; an optional one is None then.
    """
    found = {}
    for name, spellings in columns.items():
        spelling = next((one for one in spellings if one in row.values), None)
        if spelling is None:
            known = ", ".join(map(str, row.values))
            raise SampleError(
                row.where, f"has no column {' or '.join(spellings)}", f"its columns are {known}: fetch the file again"
            )
        if is_empty(row.values[spelling]):
            raise SampleError(row.where, f"{spelling} is empty", "fill it in, or fetch the file again")
        found[name] = row.values[spelling]
    for name, spellings in optional.items():
        values = (row.values[one] for one in spellings if one in row.values)
        found[name] = next((value for value in values if not is_empty(value)), None)
    return found


def is_empty(value: object) -> bool:
    """None, blank text, an empty list, or the nan that tables write for a hole."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value == [] or value != value


def _read_text(path: Path) -> str:
    try:
        raw = gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
        return raw.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise SampleError(path, f"cannot be read ({error})", "fetch the file again") from error


def _read_lines(path: Path, text: str) -> Iterator[Row]:
    # Not splitlines: a problem may hold U+2028, which JSON leaves as it is.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield Row(where=f"{path}:{number}", values=_parse(f"{path}:{number}", line))


def _read_json(path: Path, text: str) -> Iterator[Row]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise SampleError(path, f"is not JSON ({error})", "fetch the file again") from error
    for place, values in enumerate(found if isinstance(found, list) else [found]):
        yield Row(where=f"{path}[{place}]", values=_as_row(f"{path}[{place}]", values))


def _read_csv(path: Path, text: str) -> Iterator[Row]:
    before = csv.field_size_limit(CSV_FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        names = next(reader, [])
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SampleError(f"{path}:1", f"has two columns {twice!r}", "give each column a name of its own")
        line = reader.line_num + 1
        for cells in reader:
            if cells and len(cells) != len(names):
                raise SampleError(
                    f"{path}:{line}",
                    f"has {len(cells)} cells where the head has {len(names)}",
                    "quote the cells that hold a comma",
                )
            if cells:
                yield Row(where=f"{path}:{line}", values=dict(zip(names, cells, strict=True)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise SampleError(f"{path}:{line}", f"is not a row of CSV ({error})", "check its quotes") from error
    finally:
        csv.field_size_limit(before)


def _read_parquet(path: Path) -> Iterator[Row]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise SampleError(
            path, "needs pyarrow, which is not installed", "pip install pyarrow, or save the file as .jsonl"
        ) from error
    try:
        rows = parquet.read_table(path).to_pylist()
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise SampleError(path, f"is not a parquet file ({error})", "fetch the file again") from error
    for place, values in enumerate(rows):
        yield Row(where=f"{path}[{place}]", values=values)


def _read_directory(path: Path, config: str | None, split: str) -> list[Row]:
    saved = (path / "dataset_dict.json").is_file() or (path / "dataset_info.json").is_file()
    if not saved:
        return read_hub_rows(str(path), config=config, split=split)
    datasets = _quiet_datasets(str(path))
    try:
        table = datasets.load_from_disk(str(path))
        table = table[split] if hasattr(table, "keys") else table
    except Exception as error:
        raise SampleError(path, f"cannot be read ({_first_line(error)})", "save it again with save_to_disk") from error
    return _table_rows(table, f"{path} {split}")


def _table_rows(table: Any, where: str) -> list[Row]:
    for name, feature in table.features.items():
        if hasattr(feature, "decode"):  # a picture's bytes say that there is one; decoding would need Pillow
            table = table.cast_column(name, type(feature)(decode=False))
    rows = [Row(where=f"{where}[{place}]", values=dict(values)) for place, values in enumerate(table)]
    if not rows:
        raise SampleError(where, "holds no rows", "name another split or config")
    return rows


def _quiet_datasets(where: str) -> Any:
    """The `datasets` package without bars, warnings and telemetry."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import datasets
        import huggingface_hub
    except ImportError as error:
        raise MissingData(
            where,
            "needs the package datasets, which is not installed",
            "pip install datasets, or read local files with --data DIR",
        ) from error
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    huggingface_hub.utils.disable_progress_bars()
    huggingface_hub.utils.logging.set_verbosity_error()  # a line for each retry; our one line says it all
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    return datasets


def _explain(hub: str, error: Exception, is_gated: bool) -> MissingData:
    reason = _first_line(error)
    if is_gated or "gated" in reason.lower():
        remedy = f"accept its terms at https://huggingface.co/datasets/{hub} and log in with `hf auth login`"
        return MissingData(hub, f"is gated and cannot be loaded ({reason})", remedy)
    remedy = "check its layout" if Path(hub).exists() else "check the network, and id, config and split"
    kind = UnreachableHub if isinstance(error, ConnectionError) and not Path(hub).exists() else MissingData
    return kind(hub, f"cannot be loaded ({reason})", remedy)


def _first_line(error: Exception) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:300]


def _parse(where: str, line: str) -> dict[str, Any]:
    try:
        return _as_row(where, json.loads(line))
    except ValueError as error:
        raise SampleError(where, f"is not a row of JSON ({error})", "write one JSON object a line") from error


def _as_row(where: str, values: object) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise SampleError(where, "is not a row of named columns", "write a JSON object for each row")
    return values
