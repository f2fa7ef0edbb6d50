"""One piece of a tournament's work: bring one trial to one rung, or evaluate the base. What a worker process runs.

    python -m polymath.selecting.trials    reads a piece a line (JSON) on stdin, answers with its end, a line each

A trial is an ordinary run folder whose recipe goes to the last rung. A piece trains it on from its newest checkpoint to
its rung and evaluates it there, so it never begins anew, and `polymath run --resume` can finish one that was dropped.

    TOURNAMENT/base/evaluations/step-0/    the base, evaluated once; every trial gets a copy
    TOURNAMENT/samples/NAME.json           the candidate
    TOURNAMENT/trials/NAME/                its run folder, with
        work.jsonl                         a line when a piece begins and one when it ends
        failed.json                        why it is out
        log.txt                            what the pieces said
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from polymath.errors import PromptError, SampleError, Stopped, TrainingError, UserError
from polymath.recipe import Recipe, make_recipe
from polymath.runs import RunFolder, telling_disk_errors, write_text

# What is wrong with the candidate itself. Everything else (disk, model, suite) is no reason to drop it.
CANDIDATE_FAULTS = (SampleError, PromptError, TrainingError)
SETTINGS, FAILED, WORK, LOG = "tournament.json", "failed.json", "work.jsonl", "log.txt"
OK, BROKEN, USER_ERROR, STOPPED = 0, 1, 2, 130
_LOOK_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Bring `trial` to step `budget`; no trial is the base. `directory` is what relative paths are relative to."""

    folder: str
    directory: str
    trial: str | None = None
    budget: int = 0

    @property
    def name(self) -> str:
        """What people call it."""
        return self.trial or "base"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a piece ended: an exit code as of a command, negative for a signal; and the last line that it said."""

    piece: Piece
    code: int
    line: str = ""


def trial_path(folder: Path, name: str) -> Path:
    """The run folder of a candidate."""
    return folder / "trials" / name


def sample_path(folder: Path, name: str) -> Path:
    """The file of a candidate."""
    return folder / "samples" / f"{name}.json"


def base_folder(folder: Path) -> RunFolder:
    """Where the base's evaluation lies."""
    return RunFolder(folder / "base")


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings in tournament.json, as they were written."""
    return dict(json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["settings"])


def write_failure(folder: Path, name: str, reason: str) -> None:
    """Record that a candidate is out, and why."""
    write_text(trial_path(folder, name) / FAILED, json.dumps({"reason": reason}, ensure_ascii=False) + "\n")


def read_failure(folder: Path, name: str) -> str | None:
    """Why a candidate is out, None where it is not."""
    path = trial_path(folder, name) / FAILED
    return str(json.loads(path.read_text(encoding="utf-8"))["reason"]) if path.exists() else None


def do_piece(piece: Piece) -> Ended:
    """Do one piece of work; whatever happens becomes its end. What it says goes to the log of its folder."""
    folder = Path(piece.folder)
    home = trial_path(folder, piece.trial) if piece.trial else base_folder(folder).path
    try:
        home.mkdir(parents=True, exist_ok=True)
        log = (home / LOG).open("a", encoding="utf-8")
        with log, redirect_stdout(log), redirect_stderr(log), chdir(piece.directory):
            return _end_of(piece, folder, home)
    except OSError as error:
        return Ended(piece=piece, code=USER_ERROR, line=f"{home}: {error}")


def _end_of(piece: Piece, folder: Path, home: Path) -> Ended:
    try:
        with _alone_in(home):
            if piece.trial is None:
                record_base_once(folder)
            else:
                train_and_score(folder, piece.trial, piece.budget)
        return Ended(piece=piece, code=OK)
    except UserError as error:
        print(f"polymath: {error}", file=sys.stderr)
        if piece.trial is None or not isinstance(error, CANDIDATE_FAULTS):
            return Ended(piece=piece, code=USER_ERROR, line=str(error))
        write_failure(folder, piece.trial, str(error))
        return Ended(piece=piece, code=OK, line=str(error))
    except (Stopped, KeyboardInterrupt) as stop:
        return Ended(piece=piece, code=STOPPED, line=str(stop))
    except Exception as error:  # a mistake of ours ends this piece, not the tournament
        traceback.print_exc()
        return Ended(piece=piece, code=BROKEN, line=f"{type(error).__name__}: {error}")


def record_base_once(folder: Path) -> None:
    """Evaluate the base, unless that is done."""
    from polymath.jobs import record_base

    record_base(make_recipe(read_settings(folder)["recipe"]), base_folder(folder))


def train_and_score(folder: Path, name: str, budget: int) -> None:
    """Train a trial on to step `budget` and evaluate it there, with what is on disk of that taken as done."""
    from polymath.jobs import before_and_after, begin, copy_base_evaluation, keeping_status, prepare

    began = time.perf_counter()
    settings = read_settings(folder)
    run = RunFolder(trial_path(folder, name))
    has_begun = (run.path / "run.json").exists()
    recipe = run.read_recipe() if has_begun else trial_recipe(settings["recipe"], sample_path(folder, name))
    num_trained, num_lost = trained_steps(run)
    place = {"budget": budget, "host": socket.gethostname(), "pid": os.getpid()}
    _note(run, {"began": _now(), **place, "step": num_trained, "steps_again": num_lost})
    try:
        job = prepare(recipe, run, {}, with_suite=True)
        begin(run, job)
        run.write_info(command=settings["command"])
        copy_base_evaluation(base_folder(folder), run)
        ends_as = "complete" if budget >= recipe.train.num_steps else "paused"
        with keeping_status(run, "run", ends_as=ends_as):
            before_and_after(job, run, until=budget)
    finally:  # stopped or refused is not killed
        _note(run, {"ended": _now(), **place, "seconds": time.perf_counter() - began})


def trial_recipe(table: Mapping[str, Any], sample: Path) -> Recipe:
    """The recipe of one trial: the tournament's, with the candidate as its sample."""
    return make_recipe({**table, "sample": {"use": str(sample)}})


def trained_steps(run: RunFolder) -> tuple[int, int]:
    """Steps that a checkpoint holds, and steps beyond it, which a kill has lost and which are trained again."""
    from polymath.training.checkpoints import newest_checkpoint

    found = newest_checkpoint(run)
    step = found[0] if found else 0
    rows = run.read_metrics()
    return step, max(0, rows[-1]["step"] - step) if rows else 0


def read_work(run: RunFolder) -> list[dict[str, Any]]:
    """The lines of a trial's work, a torn last one left out."""
    path = run.path / WORK
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.split("\n")[:-1]]


def _note(run: RunFolder, row: Mapping[str, Any]) -> None:
    path = run.path / WORK
    with telling_disk_errors(path), path.open("ab+") as file:
        # A kill in the middle of a line must not spoil the next one.
        file.seek(0)
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)
        file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    """Nobody else works in this folder inside the block.

    Waits for the worker of a driver that was killed: it saves after its step, and what it has done counts.
    """
    with telling_disk_errors(home), (home / ".work.lock").open("w") as file:
        is_told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not is_told:
                    print("another worker is still here; waiting until it has saved", file=sys.stderr, flush=True)
                is_told = True
                time.sleep(_LOOK_S)
        yield


def _stop_with_parent() -> None:
    """Ask ourselves to save and stop when the driver is gone."""
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, daemon=True).start()


def main() -> None:
    """The loop of a worker process; it ends with its stdin."""
    _stop_with_parent()
    # What anything prints is not an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        print(json.dumps(asdict(do_piece(Piece(**json.loads(line))))), file=answers, flush=True)


if __name__ == "__main__":
    main()
