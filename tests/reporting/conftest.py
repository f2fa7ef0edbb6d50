"""Run folders to report on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from polymath.runs import RunFolder
from tests.reporting.synthetic import build_run_folder


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A complete run with two arms. Session-wide: read it, do not change it."""
    return build_run_folder(tmp_path_factory.mktemp("runs") / "lab-20260102-030405")


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., RunFolder]:
    """Build a run folder of your own."""
    return lambda **wishes: build_run_folder(tmp_path / "run", **wishes)
