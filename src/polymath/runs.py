"""The run folder: where every stage of the house meets.

    run.json             resolved recipe, versions, commit, seed, status (never a secret)
    samples.jsonl        the sample, or the few
    metrics.jsonl        one object a step
    rollouts/step-N.jsonl     what was said, with verdicts and rewards
    checkpoints/step-N/  transformers layout + trainer state
    evaluations/step-N/SUITE--PROTOCOL.jsonl and .summary.json; step-0 is the base
    recorded/NAME.json   experiments made earlier with the same base weights
    arms/NAME/           the same again
    seeds/SEED/          the same again, arms and all, with another seed
    report.html

Step N of metrics and rollouts is the Nth rollout step (from 1); checkpoint and evaluation N are of the
policy after N steps. Everything is written under a temporary name and renamed, except metrics.jsonl,
which is appended a line at a time and cut back to the checkpoint on resume.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from polymath.errors import DiskError, RunFolderError
from polymath.recipe import Recipe, make_recipe
from polymath.types import Sample

FORMAT = 1


class RunFolder:
    """Paths, atomic writes and reads of one run. It holds no state but its path."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.report_path = self.path / "report.html"
        self.checkpoints = self.path / "checkpoints"
        self._metrics = self.path / "metrics.jsonl"

    # --- identity

    def read_info(self) -> dict[str, Any]:
        """What run.json says. Raises RunFolderError where there is no readable one."""
        try:
            info = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunFolderError(self.path, "has no run.json", "name a folder that polymath run made") from error
        except (OSError, ValueError) as error:
            raise RunFolderError(self.path, f"run.json cannot be read ({error})", "start a new run") from error
        if not isinstance(info, dict) or info.get("format") != FORMAT:
            raise RunFolderError(self.path, "run.json is of another format", "start a new run with this version")
        return info

    def write_info(self, **changes: Any) -> None:
        """Lay `changes` over run.json."""
        path = self.path / "run.json"
        info = self.read_info() if path.exists() else {"format": FORMAT, "created": datetime.now(UTC).isoformat()}
        write_text(path, json.dumps({**info, **changes}, indent=2, ensure_ascii=False) + "\n")

    def read_recipe(self) -> Recipe:
        """The resolved recipe of the run."""
        return make_recipe(self.read_info()["recipe"], where=str(self.path / "run.json"))

    def write_samples(self, samples: Iterable[Sample]) -> None:
        """Store the sample, or the few, that the run trains on."""
        write_lines(self.path / "samples.jsonl", (s.model_dump(mode="json", exclude_defaults=True) for s in samples))

    def read_samples(self) -> list[Sample]:
        """The samples that the run trains on."""
        return [Sample.model_validate(row) for row in read_lines(self.path / "samples.jsonl")]

    # --- one writer

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes this folder inside the block. The lock goes with the process, however that ends.

        Raises RunFolderError when another process has it.
        """
        with telling_disk_errors(self.path), (self.path / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunFolderError(
                    self.path, "is being written by another process", "wait for it, or stop it first"
                ) from None
            yield

    # --- metrics

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Add one step's object; it is on disk when this returns."""
        with telling_disk_errors(self._metrics), self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read_metrics(self) -> list[dict[str, Any]]:
        """The objects of all steps; a torn last line is left out."""
        if not self._metrics.exists():
            return []
        rows = []
        for line in self._metrics.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows

    def cut_metrics(self, step: int) -> None:
        """Forget everything after `step`, because the run continues from there."""
        write_lines(self._metrics, (row for row in self.read_metrics() if row["step"] <= step))

    # --- rollouts

    def rollouts_path(self, step: int) -> Path:
        """Where the rollouts of this step lie."""
        return self.path / "rollouts" / f"step-{step}.jsonl"

    def read_rollouts(self, step: int) -> list[dict[str, Any]]:
        """The rollouts of one step: a row per rollout."""
        return read_lines(self.rollouts_path(step))

    # --- evaluations

    def evaluation_paths(self, step: int, suite: str, protocol: str) -> tuple[Path, Path]:
        """Where responses and summary of one evaluation lie."""
        return evaluation_paths(self.path / "evaluations" / f"step-{step}", suite, protocol)

    def evaluated_steps(self, suite: str, protocol: str) -> list[int]:
        """Steps with a finished evaluation of this suite and protocol, in order."""
        found = (self.path / "evaluations").glob("step-*")
        steps = sorted(int(folder.name.removeprefix("step-")) for folder in found)
        return [step for step in steps if self.evaluation_paths(step, suite, protocol)[1].exists()]

    def read_evaluation(self, step: int, suite: str, protocol: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Rows and summary of one evaluation."""
        rows, summary = self.evaluation_paths(step, suite, protocol)
        return read_lines(rows), json.loads(summary.read_text(encoding="utf-8"))

    def is_complete(self) -> bool:
        """It has begun, and it has ended as it should."""
        return (self.path / "run.json").exists() and self.read_info().get("status") == "complete"

    def is_evaluated(self) -> bool:
        """The evaluation after its last step, and so all it was to do, is on disk."""
        recipe = self.read_recipe()
        return self.last_step() in self.evaluated_steps(recipe.evaluate.suite, recipe.evaluate.protocol)

    def last_step(self) -> int:
        """The step that training ends with: the recipe's last one, or an earlier one where `stop` ended it."""
        return int(self.read_info().get("ended_at", self.read_recipe().train.num_steps))

    # --- arms and replicates

    def replicate(self, seed: int) -> RunFolder:
        """The complete run folder of the same recipe with another seed."""
        return RunFolder(self.path / "seeds" / str(seed))

    def replicate_seeds(self) -> list[int]:
        """Seeds of the replicates that have begun, in the order of the recipe."""
        wished = self.read_info()["recipe"].get("replicate_seeds", [])
        return [seed for seed in wished if (self.replicate(seed).path / "run.json").exists()]

    def arm(self, name: str) -> RunFolder:
        """The complete run folder of one arm."""
        return RunFolder(self.path / "arms" / name)

    def arm_names(self) -> list[str]:
        """Arms that have begun, in the order of the recipe."""
        return [name for name in self.read_info()["recipe"]["arms"] if (self.arm(name).path / "run.json").exists()]


def evaluation_paths(folder: Path, suite: str, protocol: str) -> tuple[Path, Path]:
    """Where responses and summary lie in one evaluation folder."""
    stem = f"{suite}--{protocol}".replace("/", "_")
    return folder / f"{stem}.jsonl", folder / f"{stem}.summary.json"


def new_run_path(root: Path, name: str) -> Path:
    """An unused folder name ROOT/NAME-DATE-TIME."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    path, count = root / f"{name}-{stamp}", 1
    while path.exists():
        count += 1
        path = root / f"{name}-{stamp}-{count}"
    return path


@contextmanager
def telling_disk_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one line for the user."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskError(path, "the disk is full", "free some space, then continue with --resume") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
            raise DiskError(
                path, f"cannot be written ({error.strerror})", "choose another folder with --out"
            ) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file or nothing."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: temporary name, sync, rename."""
    temporary = path.with_name(f".{path.name}.tmp")
    with telling_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines, the whole file or nothing."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON lines file."""
    # split("\n"), not splitlines: model text may hold other line separators.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def remove_folder(path: Path) -> None:
    """Remove a folder so that a crash in between never leaves a half that looks whole."""
    doomed = path.with_name(f".{path.name}.old")
    shutil.rmtree(doomed, ignore_errors=True)
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
