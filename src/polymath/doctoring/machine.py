"""How much memory there is: of the GPU, or of this process's share of the machine."""

from __future__ import annotations

import re
from pathlib import Path

from polymath.errors import UserError

UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
CGROUP = Path("/sys/fs/cgroup")


class MemoryOptionError(UserError):
    """A size of memory that cannot be read."""


def read_size(text: str) -> int:
    """Bytes of `24GB` (powers of ten) or `24GiB` (powers of two)."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?b)\s*", text, re.IGNORECASE)
    if not found:
        raise MemoryOptionError("--memory", f"{text!r} is no size", "write it as 24GB or 80GiB")
    return int(float(found[1]) * UNITS[found[2].lower()])


def gpu_memory() -> int | None:
    """Bytes of the GPU that others do not hold; None where there is none."""
    import torch

    if not torch.cuda.is_available():
        return None
    return int(torch.cuda.mem_get_info()[0]) + int(torch.cuda.memory_reserved())


def device_bytes() -> int | None:
    """Bytes of the GPU, whoever holds them; None where there is none."""
    import torch

    return int(torch.cuda.mem_get_info()[1]) if torch.cuda.is_available() else None


def own_memory() -> int:
    """Bytes that this process takes now."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(fields["VmRSS"].split()[0]) * 1024
    except (OSError, KeyError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def free_memory() -> int | None:
    """Bytes that are free on this machine, or in this container, what this process holds included; None if unknown."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024 + own_memory()
    except (OSError, KeyError):
        return None
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        return min(free, limit - used + own_memory())
    except (OSError, ValueError):
        return free
