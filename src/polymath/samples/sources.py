"""Where the samples of a recipe come from: a JSON or JSON lines file, the library by name, or a pool."""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from polymath.errors import RecipeError, SampleError
from polymath.judge.reference import check_reference
from polymath.recipe import SampleSection
from polymath.types import Sample

# Another stream than that of `polymath lab draw`, whose seeds are small.
LAB_POOL_SEED = 1_000_000


def load_samples(section: SampleSection) -> list[Sample]:
    """The samples a recipe trains on; each one's own reference answer must be judged right.

    A single sample that fails is refused. Rows of a pool that fail are set aside, and stderr says how many.
    """
    if section.use is not None and section.pool is not None:
        raise RecipeError("sample", "use and pool are both given", "give one of them")
    if section.pool is not None:
        return _pool_samples(section.pool)
    if section.use is None:
        raise RecipeError("sample", "neither use nor pool is given", "name a sample with sample.use or --sample")
    samples = find_sample(section.use)
    for sample in samples:
        check_reference(sample, where=f"sample {sample.question[:40]!r}")
    return samples


def _pool_samples(name: str) -> list[Sample]:
    from polymath.samples.pools import read_pool

    pool = read_pool(name)
    if pool.set_aside:
        first = pool.set_aside[0]
        print(
            f"pool {name}: {len(pool.set_aside)} of {len(pool.rows) + len(pool.set_aside)} rows set aside, "
            f"the first at {first.where}: {first.reason}",
            file=sys.stderr,
        )
    return [row.sample for row in pool.rows]


def find_sample(name: str) -> list[Sample]:
    """The library sample of this name, PUBLISHED@POOL (a published sample in the user's copy of a pool), or a file."""
    if name in library_names():
        return read_samples(Path(str(files("polymath.samples") / "library" / f"{name}.json")))
    if Path(name).suffix in (".json", ".jsonl") or Path(name).exists():
        return read_samples(Path(name))
    published, _, pool = name.partition("@")
    if pool:
        from polymath.samples.pools import list_rows
        from polymath.samples.published import find_published

        return [find_published(published, list_rows(pool))]
    # Flawed samples and ablations are there by name, and not to be picked by accident.
    offered = [known for known in library_names() if not known.startswith(("flawed-", "retelling-"))]
    raise SampleError(f"sample {name!r}", "is neither a file nor in the library", f"library: {', '.join(offered)}")


def library_names() -> list[str]:
    """Names of the samples that ship with the package."""
    folder = files("polymath.samples") / "library"
    return sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))


def read_samples(path: Path) -> list[Sample]:
    """The samples of a JSON file (one object) or a JSON lines file, with the line in every complaint."""
    return [validate(where, row) for where, row in read_objects(path)]


def read_objects(path: Path) -> list[tuple[str, Any]]:
    """What a JSON file (an object or a list) or a JSON lines file holds, each with its place; raises SampleError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SampleError(path, "no such file", "name a JSON or JSON lines file of samples") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SampleError(path, f"cannot be read ({error})", "name a readable UTF-8 file") from error
    try:
        rows = [(str(path), json.loads(text))]
    except ValueError:
        lines = [(f"{path}:{number}", line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        rows = [(where, _parse(where, line)) for where, line in lines]
    if len(rows) == 1 and isinstance(rows[0][1], list):
        rows = [(f"{path}[{place}]", row) for place, row in enumerate(rows[0][1])]
    if not rows:
        raise SampleError(path, "holds no sample", "put at least one JSON object with question and answer in it")
    return rows


def _parse(where: str, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise SampleError(where, f"is not JSON ({error})", "write one JSON object a line") from error


def validate(where: str, row: object) -> Sample:
    """The sample of these fields; raises SampleError with the place and the first field that is wrong."""
    try:
        return Sample.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the row"
        raise SampleError(where, f"{key}: {first['msg']}", "see docs/api.md for the fields of a sample") from None
