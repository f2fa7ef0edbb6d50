"""Features of a pool on disk, in plain formats: arrays without pickle, scores as JSON lines.

    hidden.npy             float32 (rows, 2, hidden size): state where the chain begins, and where it ends
    hidden.jsonl           index, id, and what the greedy answer was like
    gradients.npy          float32 (rows, proj_dim): projected policy gradients
    gradients.jsonl        index, id, draws, right ones, length of the gradient
    validation.npy         float32 (disciplines, proj_dim): summed over the problems of each
    validation.jsonl       the disciplines
    SELECTOR.scores.jsonl  {"index", "id", "score"} a row; high is good
    *.summary.json         model, prompt, settings, cost

Rows are in the order of the pool.
"""

from __future__ import annotations

import io
import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polymath.errors import SampleError
from polymath.runs import read_lines, write_bytes, write_lines
from polymath.selection.hidden import pick_by_shift

Array = NDArray[np.floating]

SCORES = ".scores.jsonl"
# Selectors whose scores `polymath features` writes, by what has to be computed for them.
SELECTORS = {
    "hidden": ("shift", "hes"),
    "gradients": ("grad_align", "grad_align_min", "grad_align_dot", "grad_align_learnable", "learn_align"),
}
_REMEDY = "make it with polymath features"


def read_features_scores(folder: str | Path) -> dict[str, dict[int, float]]:
    """Selector to pool row to score, of everything that `polymath features` has left in a folder; high is good.

    Rows without features (their prompt leaves no room for an answer) are absent. Raises SampleError with the line.
    """
    found = {
        path.name.removesuffix(SCORES): _read_scores(path)
        for path in sorted(Path(folder).glob(f"*{SCORES}"))
        if not path.name.startswith(".")
    }
    if not found:
        raise SampleError(folder, "holds no features", _REMEDY)
    return found


def read_shift_picks(folder: str | Path, count: int, among: Container[int] | None = None) -> list[int]:
    """`count` pool rows, of `among` where given, in SHIFT's order: far moved, and unlike those chosen before.

    Source: arXiv 2605.28631. Raises SampleError where the folder has no hidden states.
    """
    states_N2D = read_array(Path(folder) / "hidden.npy")
    indices = [int(row["index"]) for row in read_lines(Path(folder) / "hidden.jsonl")]
    places = [place for place, index in enumerate(indices) if among is None or index in among]
    picks = pick_by_shift(states_N2D[places, 0], states_N2D[places, 1], count)
    return [indices[places[pick]] for pick in picks]


def write_scores(folder: Path, selector: str, rows: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> None:
    """The scores of one selector; `rows` have index and id."""
    write_lines(
        folder / f"{selector}{SCORES}",
        [
            {"index": row["index"], "id": row["id"], "score": float(score)}
            for row, score in zip(rows, scores, strict=True)
        ],
    )


def read_array(path: Path) -> Array:
    """An array that `write_array` wrote; raises SampleError."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise SampleError(path, f"is not an array of features ({error})", _REMEDY) from error
    return np.asarray(found)


def write_array(path: Path, array: Array) -> None:
    """A float32 .npy file, whole or not at all; the same numbers give the same bytes."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array, dtype="<f4"), allow_pickle=False)
    write_bytes(path, stream.getvalue())


def read_features_ids(folder: Path) -> dict[int, str]:
    """Pool row to the id of the sample that was scored there."""
    found: dict[int, str] = {}
    for path in sorted(folder.glob("*.scores.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found[int(row["index"])] = str(row["id"])
    return found


def _read_scores(path: Path) -> dict[int, float]:
    scores = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            scores[int(row["index"])] = float(row["score"])
        except (ValueError, TypeError, KeyError) as error:
            raise SampleError(f"{path}:{number}", f"is not a row of scores ({error!r})", _REMEDY) from error
    return scores
