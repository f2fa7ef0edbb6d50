"""Two expressions in, whether they are the same mathematics out: Math-Verify, kept on a lead.

It is imported at the first use (about a second), called without its alarms (signals work only on the main
thread) and under one lock (its parser shares state between calls, and Python runs one at a time anyway).
Math-Verify reads both sides; points.py compares them at fixed points, because Math-Verify's own way,
simplification, has no bound on its time. Inequalities alone are left to it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from polymath.judge.points import agree

# Math-Verify's six decimals would accept 1.333333 for 4/3, which the exact rules refuse.
FLOAT_DECIMALS = 10
_NOISY = ("math_verify", "latex2sympy2_extended")
_lock = threading.Lock()


def parse(text: str) -> list[Any]:
    """What Math-Verify reads in this text: no or one sympy object. May raise anything."""
    with _lock:
        return _parse(text)


def are_same(reference: list[Any], answer: list[Any]) -> bool:
    """Whether two parsed expressions are equal. May raise anything."""
    with _lock:
        is_same = agree(reference[0], answer[0])
        if is_same is not None:
            return is_same
        verify = _load()[1]
        return bool(verify(reference, answer, float_rounding=FLOAT_DECIMALS, timeout_seconds=None, raise_on_error=True))


@lru_cache(maxsize=4096)
def _parse(text: str) -> list[Any]:
    parse_latex, _, config = _load()
    parsed: list[Any] = parse_latex(
        rf"\boxed{{{text}}}",
        extraction_config=config,
        fallback_mode="no_fallback",
        parsing_timeout=None,
        raise_on_error=True,
    )
    return parsed


@lru_cache(maxsize=1)
def _load() -> tuple[Any, Any, list[Any]]:
    import math_verify
    from math_verify.parser import LatexExtractionConfig

    with _silence():
        # It warns once, at the first call without a time limit.
        math_verify.verify(math_verify.parse("1", parsing_timeout=None), [], timeout_seconds=None)
    return math_verify.parse, math_verify.verify, [LatexExtractionConfig(boxed_match_priority=0)]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
