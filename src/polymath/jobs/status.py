"""How a run stands, in its run.json: running, interrupted, failed, paused, complete; and for how long it ran."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polymath.errors import Stopped
from polymath.runs import RunFolder


@contextmanager
def keeping_status(folder: RunFolder, command: str, *, ends_as: str = "complete") -> Iterator[None]:
    """Write to run.json how it ended and how long it took, and tell how to continue.

    `ends_as` is the status after the block: "paused" where the run is to go on later.
    """
    with folder.locked():
        yield from _keep_status(folder, command, ends_as)


def _keep_status(folder: RunFolder, command: str, ends_as: str) -> Iterator[None]:
    began = time.perf_counter()
    earlier_s = float(folder.read_info().get("seconds", 0.0))

    def close(status: str) -> None:
        folder.write_info(status=status, seconds=earlier_s + time.perf_counter() - began)

    folder.write_info(status="running")
    try:
        yield
    except (Stopped, KeyboardInterrupt) as stop:
        close("interrupted")
        reason = str(stop) or "stopped at once; the steps since the last checkpoint are lost"
        raise Stopped(
            reason.split("; continue with")[0] + f"; continue with: polymath {command} --resume {_root(folder)}"
        ) from None
    except BaseException:
        close("failed")
        raise
    close(ends_as)


def _root(folder: RunFolder) -> Path:
    """The run that an arm or a replicate belongs to, or the run itself."""
    path = folder.path
    while path.parent.name in ("arms", "seeds") and (path.parent.parent / "run.json").exists():
        path = path.parent.parent
    return path
