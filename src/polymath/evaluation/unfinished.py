"""Answers on their way to disk: a file beside the results that grows by a batch at a time and survives a kill.

    SUITE--PROTOCOL.partial.jsonl    first what the evaluation is (settings), then a line for every problem answered

It is removed when the rows and their summary are whole.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from polymath.errors import RunFolderError
from polymath.evaluation.evaluate import Answers
from polymath.runs import telling_disk_errors
from polymath.types import Completion


class Unfinished:
    """The answers of an evaluation that is not finished.

    `answered` is place in the suite to answers, `told` what was to be remembered beside the last of them.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], compared: Mapping[str, str]) -> None:
        self.path = path
        self.settings = json.loads(json.dumps(settings))
        self.compared = compared
        self.answered: dict[int, list[Completion]] = {}
        self.told: dict[str, Any] = {}
        self._file: TextIO | None = None

    @contextmanager
    def growing(self, *, resume: bool) -> Iterator[None]:
        """What an earlier attempt has left is read; nobody else writes the file inside the block, where `add` may be
        called; after it the file is gone.

        Raises RunFolderError where another process writes it, where there are answers and `resume` is not asked for,
        or where they were begun with other settings. A line that a kill has torn is cut off.
        """
        with locked_file(self.path) as self._file:
            kept_bytes = self._read(resume)
            with telling_disk_errors(self.path):
                self._file.truncate(kept_bytes)
                if not kept_bytes:
                    append_rows(self._file, [self.settings])
            yield
            self.path.unlink()

    def _read(self, resume: bool) -> int:
        """Take what is in the file; returns the bytes of its whole lines, 0 where no answer is among them."""
        lines = list(whole_lines(self.path.read_bytes()))
        if len(lines) < 2:
            return 0
        (_, begun), *rows = lines
        if not resume:
            raise RunFolderError(
                self.path,
                f"is an unfinished evaluation with {len(rows)} problems answered",
                "continue it with --resume, or choose another --out",
            )
        for key, difference in self.compared.items():
            if begun.get(key) != self.settings.get(key):
                raise RunFolderError(
                    self.path, f"is an unfinished evaluation {difference}", "choose another --out, or remove it"
                )
        self.answered = {row["place"]: [from_row(answer) for answer in row["answers"]] for _, row in rows}
        self.told = dict(rows[-1][1].get("told", {}))
        return rows[-1][0]

    def add(self, answers: Answers, told: Mapping[str, Any] | None = None) -> None:
        """The answers of one batch, and what is to be remembered with them; they are on disk when this returns."""
        assert self._file is not None, "add belongs inside growing"
        beside = {"told": dict(told)} if told else {}
        rows = [
            {"place": place, "answers": [to_row(one) for one in completions], **beside}
            for place, completions in answers.items()
        ]
        with telling_disk_errors(self.path):
            append_rows(self._file, rows)


@contextmanager
def locked_file(path: Path) -> Iterator[TextIO]:
    """The file, made where it is not there, to append to; nobody else gets it so inside the block.

    It is to be read only then: what another process added before it let go of the file is in it. Raises RunFolderError
    where another process has it, or has finished and removed it meanwhile.
    """
    with telling_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFolderError(path, "is being written by another process", "wait for it") from None
        if not os.fstat(file.fileno()).st_nlink:
            raise RunFolderError(path, "was just finished by another process", "run the same command again")
        yield file


def append_rows(file: TextIO, rows: Sequence[Mapping[str, Any]]) -> None:
    """JSON lines at the end of the file; they are on disk when this returns."""
    file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    file.flush()
    os.fsync(file.fileno())


def to_row(completion: Completion) -> dict[str, Any]:
    """What is kept of an answer: its verdict is made anew."""
    return {"text": completion.text, "finish": completion.finish, "num_tokens": completion.length}


def from_row(row: Mapping[str, Any]) -> Completion:
    """The answer again, without its token ids."""
    return Completion(text=row["text"], finish=row["finish"], num_tokens=row["num_tokens"])


def whole_lines(content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of the lines that are whole, each with the number of bytes up to its end."""
    end = 0
    for line in content.split(b"\n")[:-1]:
        end += len(line) + 1
        try:
            yield end, json.loads(line)
        except ValueError:
            return
