"""Answers that were paid for: by weights, prompt and decoding, never asked again.

    CACHE/KEY.jsonl    one file for weights, computation and decoding; a line for every prompt

CACHE is $POLYMATH_CACHE, else $XDG_CACHE_HOME/polymath, else ~/.cache/polymath. Greedy answers may differ
between devices and versions, so these are part of the key; removing the folder costs nothing but time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polymath.evaluation.evaluate import Task
from polymath.evaluation.unfinished import from_row, to_row
from polymath.runs import telling_disk_errors
from polymath.types import Completion


def cache_folder() -> Path:
    """Where answers are kept."""
    if chosen := os.environ.get("POLYMATH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "polymath"


class AnswerCache:
    """Answers of one model. `identity` is whatever decides them beside prompt and decoding: weights, dtype, seed."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder / "answers"
        self.identity = dict(identity)

    def find(self, tasks: Sequence[Task]) -> dict[int, list[Completion]]:
        """Place to answers, of the tasks that were answered before."""
        known = {path: self._read(path) for path in {self._path(task) for task in tasks}}
        found = ((task.place, known[self._path(task)].get(_prompt_key(task))) for task in tasks)
        return {place: [from_row(row) for row in rows] for place, rows in found if rows is not None}

    def add(self, tasks: Mapping[int, Task], answers: Mapping[int, Sequence[Completion]]) -> None:
        """Keep the answers of one batch."""
        lines: dict[Path, list[str]] = {}
        for place, completions in answers.items():
            row = {"prompt": _prompt_key(tasks[place]), "answers": [to_row(one) for one in completions]}
            lines.setdefault(self._path(tasks[place]), []).append(json.dumps(row, ensure_ascii=False) + "\n")
        with telling_disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for path, texts in lines.items():
                with path.open("a", encoding="utf-8") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    file.write("".join(texts))

    def _path(self, task: Task) -> Path:
        decoding = {"num_draws": task.decoding.num_draws, **vars(task.decoding.sampling)}
        return self.folder / f"{_sha256({**self.identity, **decoding})}.jsonl"

    @staticmethod
    def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
        found = {}
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
        for line in lines:
            try:
                row = json.loads(line)
                found[row["prompt"]] = row["answers"]
            except (ValueError, KeyError, TypeError):
                continue  # torn by a kill in the middle of a line; another writer may have gone on behind it
        return found


def _prompt_key(task: Task) -> str:
    # Draws have a seed of their own for every problem, so the same prompt of another benchmark is another key.
    drawn = [task.benchmark, task.sample.id] if task.decoding.sampling.temperature else []
    return _sha256([task.prompt.text, task.prompt.is_chat, *drawn])


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:40]
