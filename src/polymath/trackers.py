"""The rows of metrics.jsonl, sent on to other people's dashboards: off unless a recipe names one.

In: [log] of a recipe and the numbers of each step. Out: what the tracker writes. The run folder stays the record; a
resumed run goes on in the same place. Each library is imported only where it is named.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from numbers import Real
from pathlib import Path
from typing import Any, Protocol

from polymath.errors import RecipeError
from polymath.recipe import LogSection


class Tracker(Protocol):
    """Takes the numbers of one step after another."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Send one step."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


def check_trackers(settings: LogSection) -> None:
    """Raise RecipeError for a tracker that is named and not installed, before anything is made."""
    for name in settings.to:
        if find_spec(name) is None:
            raise RecipeError("log.to", f"{name} is not installed", f"pip install {name}")


def open_trackers(settings: LogSection, run: Path, *, config: Mapping[str, Any], first_step: int) -> list[Tracker]:
    """The trackers that a recipe names, for the run folder `run`, whose next step is `first_step`.

    Raises RecipeError in one line where one is not installed or cannot be reached.
    """
    opened: list[Tracker] = []
    for name in settings.to:
        try:
            opened.append(TRACKERS[name](settings, run, config, first_step))
        except Exception as error:  # whatever a service raises must not look like a fault of the training
            reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
            raise RecipeError("log.to", f"{name} cannot be opened ({reason})", "log in, or leave it out") from error
    return opened


def send(trackers: Sequence[Tracker], row: Mapping[str, Any]) -> None:
    """Send a row of metrics.jsonl to all of them; what is no number stays at home."""
    numbers = {name: float(value) for name, value in row.items() if isinstance(value, Real) and name != "step"}
    for tracker in trackers:
        tracker.log(int(row["step"]), numbers)


class TensorBoard:
    """Event files in RUN/tensorboard, for `tensorboard --logdir`; steps after the checkpoint are purged on resume."""

    def __init__(self, settings: LogSection, run: Path, config: Mapping[str, Any], first_step: int) -> None:
        writer = import_module("torch.utils.tensorboard").SummaryWriter
        self._writer: Any = writer(log_dir=str(run / "tensorboard"), purge_step=first_step)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """One scalar a number."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush the event file."""
        self._writer.close()


class Trackio:
    """A local data base of trackio, shown by `trackio show`. What it says goes to stderr: stdout is for results."""

    def __init__(self, settings: LogSection, run: Path, config: Mapping[str, Any], first_step: int) -> None:
        with redirect_stdout(sys.stderr):
            self._run: Any = import_module("trackio").init(
                project=settings.project, name=run.name, config=dict(config), resume="allow"
            )

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """One row."""
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        """Write what is queued."""
        with redirect_stdout(sys.stderr):
            import_module("trackio").finish()  # the run's own would be called once more when Python ends


class WeightsAndBiases:
    """A run at wandb, or in RUN/wandb where WANDB_MODE=offline."""

    def __init__(self, settings: LogSection, run: Path, config: Mapping[str, Any], first_step: int) -> None:
        self._run: Any = import_module("wandb").init(
            project=settings.project, name=run.name, id=run.name, dir=str(run), config=dict(config), resume="allow"
        )

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """One row."""
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        """Upload what is left."""
        self._run.finish()


TRACKERS: dict[str, Callable[[LogSection, Path, Mapping[str, Any], int], Tracker]] = {
    "tensorboard": TensorBoard,
    "trackio": Trackio,
    "wandb": WeightsAndBiases,
}
