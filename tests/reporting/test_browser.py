"""The page in a real browser: headless Chromium, no network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from polymath.reporting import write_report
from tests.reporting.synthetic import build_run_folder

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert CHROMIUM is not None, "no Chromium on this machine: apt-get install chromium"
    run = build_run_folder(tmp_path_factory.mktemp("browser") / "run", use="<img src=x onerror=document.body.remove()>")
    return write_report(run)


def browse(page: Path, profile: Path, *flags: str) -> str:
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_the_browser_shows_headline_and_figures_and_runs_no_script(page_path: Path, tmp_path: Path) -> None:
    dom = browse(page_path, tmp_path / "profile", "--dump-dom")
    assert 'id="headline"' in dom and "Strict accuracy" in dom
    assert dom.count("<svg") == page_path.read_text().count("<svg") >= 12
    assert "<script" not in dom and "<img" not in dom
    assert "onerror=document.body.remove()&gt;</h1>" in dom


def test_the_page_is_drawn_over_its_whole_height(page_path: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    browse(page_path, tmp_path / "profile", "--window-size=1200,6000", f"--screenshot={picture}")
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert int.from_bytes(content[16:20]) == 1200 and int.from_bytes(content[20:24]) == 6000
    assert len(content) > 200_000
