"""Run folders that have begun in, each finished by a process of its own, some at once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from polymath.errors import RecipeError, RunFolderError, Stopped
from polymath.progress import ProgressLine
from polymath.runs import RunFolder

LOG = "log.txt"
_POLL_S = 0.3


def finish_in_processes(folders: Sequence[RunFolder], num_at_once: int) -> None:
    """Finish run folders that have begun, some at once, each by a `polymath run --resume` of its own.

    What a process says goes to FOLDER/log.txt. A failed one does not keep the others from finishing.
    Raises Stopped after a polite stop, when all of them have saved; RunFolderError when one has failed.
    """
    from polymath.rollouts.ranks import num_ranks
    from polymath.training.stopping import listening_for_stop

    if num_ranks() > 1:
        raise RecipeError("--jobs", "has no meaning under torchrun", "leave it out: the ranks share each run")
    waiting, failed = list(folders), list[RunFolder]()
    running: dict[subprocess.Popen[bytes], RunFolder] = {}
    with listening_for_stop() as stop, ProgressLine("arms and seeds", len(folders)) as line:
        while (waiting and not stop.is_asked) or running:
            while waiting and len(running) < num_at_once and not stop.is_asked:
                folder = waiting.pop(0)
                running[_finish_in_process(folder)] = folder
            time.sleep(_POLL_S)
            if stop.is_asked:
                _stop(running)
            for process in [process for process in running if process.poll() is not None]:
                folder = running.pop(process)
                line.advance(1)
                if process.returncode and not stop.is_asked:
                    failed.append(folder)
                    print(f"{folder.path} failed: {_last_line(folder.path / LOG)}", file=sys.stderr)
    if stop.is_asked:
        raise Stopped(f"stopped with {len(waiting)} of {len(folders)} arms and seeds not started, the others saved")
    if failed:
        raise RunFolderError(
            failed[0].path, f"failed ({len(failed)} in all)", f"see {LOG} there, then continue with --resume"
        )


def _stop(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Ask them once to save and stop, and wait; whoever cannot wait kills them, so that none is left behind."""
    for process in processes:
        process.terminate()
    try:
        for process in processes:
            process.wait()
    except KeyboardInterrupt:
        for process in processes:
            process.kill()
            process.wait()
        raise


def _finish_in_process(folder: RunFolder) -> subprocess.Popen[bytes]:
    with (folder.path / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "polymath", "run", "--resume", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C reaches us alone; we ask each process to stop, once.
            start_new_session=True,
        )


def _last_line(log: Path) -> str:
    return next(reversed(log.read_text(errors="replace").strip().splitlines()), "it said nothing")
