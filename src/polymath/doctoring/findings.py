"""What the doctor says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Answer = Literal["yes", "no", "warning", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One question's answer. `no` is a reason not to begin, `warning` one to look again."""

    check: str
    answer: Answer
    detail: str

    def table(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
