"""verl's trainer as a child process: started in a session of its own, its log kept, stopped when asked, never doubled.

It dies with us, and it holds a lock for as long as it lives, so that a run never has two trainers.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from polymath.errors import RunFolderError

LOCK = ".trainer.lock"
# How long Ray's processes may take to end after each signal.
PATIENCE_S = ((signal.SIGINT, 20.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
_PR_SET_PDEATHSIG = 1


class StopRequest:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.is_asked = False


@contextlib.contextmanager
def listening() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; the second raises KeyboardInterrupt.

    Not polymath.training.stopping, which promises to finish the step: verl cannot be asked for that.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        if request.is_asked:
            raise KeyboardInterrupt
        request.is_asked = True
        print("\nStopping verl; its steps since the last checkpoint are lost.", file=sys.stderr, flush=True)

    before: dict[int, Any] = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def running(command: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str]) -> Iterator[Any]:
    """The process that carries out `command` in `folder`; it and what it started are ended when the block is left.

    Raises RunFolderError where a trainer of this folder is still at work.
    """
    with (folder / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            remedy = "wait for it, or end it first"
            raise RunFolderError(folder, "a trainer of verl's is still at work on this run", remedy) from None
        with log.open("ab") as said:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                # Ctrl-C in a terminal goes to the whole group: it reaches us, and we end verl once.
                start_new_session=True,
                pass_fds=(lock.fileno(),),
                preexec_fn=_die_with_parent,
            )
    # The file is closed here, and the lock is the child's alone.
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process and its group to end, more firmly each time; one that has ended leaves no stragglers."""
    for number, seconds in PATIENCE_S:
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _die_with_parent() -> None:
    """Linux alone knows this; elsewhere a trainer whose parent is killed outright goes on, and holds its lock."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Lines:
    """The whole JSON lines that a growing file has had added since they were last read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def new(self) -> list[dict[str, Any]]:
        """What is new; a line that is still being written comes with the next call."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        return [json.loads(line) for line in whole.split(b"\n") if line.strip()]


def last_words(log: Path) -> str:
    """The line of the log that says most about how it ended."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines[-200:] if "Error" in line or "Exception" in line]
    return (telling or lines or ["it said nothing"])[-1][-300:]
