"""What machine this is: processors that are ours and free, versions, commit. No torch."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("polymath-learning", "torch", "transformers", "tokenizers", "numpy", "math-verify")


def usable_cpus() -> int:
    """Processors this process may run on: the affinity mask, cut by a cgroup quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            count = min(count, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return count


def busy_cpus(window_s: float = 0.25) -> float:
    """Processors that are busy right now, measured over a short window; the load average where /proc is absent."""
    first = _read_ticks()
    if first is None:
        return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    time.sleep(window_s)
    second = _read_ticks()
    if second is None or second[1] == first[1]:
        return 0.0
    busy, total = second[0] - first[0], second[1] - first[1]
    return busy / total * (os.cpu_count() or 1)


def choose_threads(setting: int | str = "auto") -> int:
    """How many threads to compute with.

    Two threads that fight for one processor are ten times slower than one thread, so others' work counts.
    """
    if isinstance(setting, int):
        return setting
    return max(1, usable_cpus() - round(busy_cpus()))


def versions() -> dict[str, str]:
    """Versions of what decides a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def describe_machine() -> dict[str, Any]:
    """System, processor and processor count."""
    return {"system": platform.platform(), "processor": _processor(), "cpus": usable_cpus()}


def source_commit() -> str | None:
    """The git commit this package runs from, with "+changes" where the tree differs; None outside a checkout."""
    folder = Path(__file__).parent
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def command_line() -> str:
    """How this process was called."""
    name = Path(sys.argv[0]).name.replace("__main__.py", "polymath")
    return " ".join([name, *sys.argv[1:]])


def _git(folder: Path, *arguments: str) -> str:
    call = ["git", "-C", str(folder), *arguments]
    return subprocess.run(call, capture_output=True, text=True, check=True, timeout=10).stdout.strip()


def _read_ticks() -> tuple[int, int] | None:
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
