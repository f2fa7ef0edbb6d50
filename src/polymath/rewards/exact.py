"""1 for a right answer, 0 for any other: the reward of the one-shot paper (arXiv 2504.20571, section 2).

An undecided rollout gets 0.0 here as a placeholder; training masks it, because the failure is ours.
"""

from __future__ import annotations

from polymath.types import JudgedGroup


def exact(group: JudgedGroup) -> list[float]:
    """1.0 where the verdict is right, else 0.0."""
    return [1.0 if verdict.outcome == "right" else 0.0 for verdict in group.verdicts]
