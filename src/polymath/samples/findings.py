"""What an audit finds: one check, whether it is passed, and why, in plain words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# A sample that fails one of these is unsound. The others warn: what they see may be meant so.
DECIDES = frozenset(
    ("reference", "near misses", "choices", "balance", "solution", "label", "in the text", "guessable", "shortcut",
     "solver", "pass rate", "blank prompt", "benchmarks", "fits")
)  # fmt: skip

# A model's right draws of which more than this share are not worked (Probed.shortcut) are too many: the reward would
# teach to answer without working. Four of them at least, or nothing is said: the 95% Wilson interval of 4 in 4 is the
# first that lies above one half (0.51; of 3 in 3 it begins at 0.44).
MAX_SHORTCUT = 0.5
MIN_RIGHT = 4


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`ok` is None where it stays open: not checked, too few draws, or a coincidence as likely as a flaw.

    `detail` says what was seen, and what to do where it is bad.
    """

    check: str
    ok: bool | None
    detail: str

    @property
    def decides(self) -> bool:
        """Failing it makes the sample unsound."""
        return self.check in DECIDES


def is_sound(findings: Iterable[Finding]) -> bool:
    """No check that decides has failed. What is open does not count against a sample."""
    return not any(finding.ok is False and finding.decides for finding in findings)
