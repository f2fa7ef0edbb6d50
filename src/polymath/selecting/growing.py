"""Features on their way to disk: a file that grows by a sample at a time and survives a kill.

    WHAT.partial.jsonl    first what is computed (settings), then a line for every sample that is done

Arrays stand in it as base64 of little-endian float32, which is exactly what goes into the finished file.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from polymath.errors import RunFolderError
from polymath.evaluation.unfinished import append_rows, locked_file, whole_lines
from polymath.runs import telling_disk_errors

# What makes two features of one kind different ones, and how to say it.
COMPARED = {
    "weights_sha256": "of other weights",
    "dtype": "with another dtype",
    "prompt": "with another prompt",
    "is_chat": "with another prompt (chat)",
    "max_tokens": "with another max_tokens",
    "num_draws": "with another --n",
    "params": "with other --params",
    "proj_dim": "with another --proj-dim",
    "seed": "with another seed",
    "samples_sha256": "of other samples (pool, limit or validation)",
}


def check_same(path: Path, found: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise RunFolderError where features that are there were made with other settings."""
    for key, difference in COMPARED.items():
        if found.get(key) != settings.get(key):
            raise RunFolderError(path, f"holds features {difference}", "choose another --out, or remove it")


def begun_threads(path: Path) -> int | None:
    """Threads that an unfinished attempt computed with: with another number sums round differently."""
    lines = whole_lines(path.read_bytes()) if path.exists() else iter(())
    begun = next((row for _, row in lines), {})
    return int(begun["threads"]) if "threads" in begun else None


class Growing:
    """The samples that are done, by their id."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.settings = json.loads(json.dumps(settings))
        self._file: TextIO | None = None

    @contextmanager
    def open(self, *, resume: bool) -> Iterator[dict[str, dict[str, Any]]]:
        """What an earlier attempt has done; nobody else writes the file inside the block, where `add` may be called;
        after it the file is gone.

        Raises RunFolderError where another process writes it, where there is something and `resume` is not asked for,
        or where the settings are others. A line that a kill has torn is cut off.
        """
        with locked_file(self.path) as self._file:
            done, kept_bytes = self._read(resume)
            with telling_disk_errors(self.path):
                self._file.truncate(kept_bytes)
                if not kept_bytes:
                    append_rows(self._file, [self.settings])
            yield done
            self.path.unlink()

    def _read(self, resume: bool) -> tuple[dict[str, dict[str, Any]], int]:
        """What is in the file, and the bytes of its whole lines, 0 where no sample is among them."""
        lines = list(whole_lines(self.path.read_bytes()))
        if len(lines) < 2:
            return {}, 0
        (_, begun), *rows = lines
        if not resume:
            raise RunFolderError(
                self.path,
                f"holds the features of {len(rows)} samples of a run that did not end",
                "continue it with --resume, or choose another --out",
            )
        check_same(self.path, begun, self.settings)
        return {row["id"]: row for _, row in rows}, rows[-1][0]

    def add(self, row: Mapping[str, Any]) -> None:
        """One sample; it is on disk when this returns."""
        assert self._file is not None, "add belongs inside open"
        with telling_disk_errors(self.path):
            append_rows(self._file, [row])


def pack(array: NDArray[np.floating]) -> str:
    """An array as text."""
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode("ascii")


def unpack(text: str) -> NDArray[np.floating]:
    """The array again, flat."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4")
