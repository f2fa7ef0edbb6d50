"""What a person sees while a job runs: a live bar on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PLAIN_EVERY_S = 5.0


class ProgressLine:
    """One job with a known number of units and a few live figures.

    Use as a context manager; `advance` after each unit. Figures are shown in the order given.
    """

    def __init__(self, title: str, total: int, *, start: int = 0, console: Console | None = None) -> None:
        self.title, self.total, self.done = title, total, start
        self._console = console or Console(file=sys.stderr)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._began = self._shown = time.monotonic()
        self._first = start

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
            self._bar = Progress(
                *columns, TextColumn("{task.fields[figures]}"), TimeRemainingColumn(), console=self._console
            )
            self._bar.start()
            self._task = self._bar.add_task(self.title, total=self.total, completed=self.done, figures="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int, /, **figures: float) -> None:
        """Count units as done and show the newest figures."""
        self.done += count
        text = "  ".join(f"{name.replace('_', ' ')} {format_figure(value)}" for name, value in figures.items())
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done, figures=text)
            return
        now = time.monotonic()
        if now - self._shown >= PLAIN_EVERY_S or self.done >= self.total or self.done - self._first == count:
            self._shown = now
            remaining_s = (now - self._began) / max(1, self.done - self._first) * (self.total - self.done)
            line = f"{self.title} {self.done}/{self.total}  {text}  {remaining_s:.0f} s left"
            print(line, file=self._console.file, flush=True)


def format_figure(value: float) -> str:
    """A figure in few characters."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def step_figures(metrics: Mapping[str, float]) -> dict[str, float]:
    """What a person wants to see of a training step."""
    return {
        "reward": metrics["reward"],
        "learnable": metrics["learnable_fraction"],
        "tokens/s": metrics["tokens_per_s"],
    }
