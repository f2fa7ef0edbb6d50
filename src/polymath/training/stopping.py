"""Ctrl-C and SIGTERM as a polite request: finish the step, save, say how to continue.

The first signal asks; the second does not wait. Off the main thread signals cannot be caught, and nothing
is changed there.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopRequest:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.is_asked = False


@contextmanager
def listening_for_stop() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM inside the block into a request; the second raises KeyboardInterrupt."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        if request.is_asked and number == signal.SIGTERM and os.environ.get("WORLD_SIZE", "1") != "1":
            return  # torchrun passes a Ctrl-C on, which has reached us by itself
        if request.is_asked:
            raise KeyboardInterrupt
        request.is_asked = True
        print("\nStopping after this step; once more stops at once and loses it.", file=sys.stderr, flush=True)

    before: dict[int, Any] = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
