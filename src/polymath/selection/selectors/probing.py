"""Scores from a probe: the counted draws of one sample by the model to be trained in, a number out.

None where a sample has no draws of the kind that the score is a share of.
"""

from __future__ import annotations

from polymath.selection.probe import Probed


def shortcut(probed: Probed) -> float | None:
    """1 - P(worked | right), in draws of the base: right by a way that need not transfer. Low is good. Ours."""
    return probed.shortcut


def direct_right(probed: Probed) -> float | None:
    """The share of direct draws that are right: how often an answer without work is rewarded. Low is good. Ours."""
    return probed.right_rate("direct")


def worked_right(probed: Probed) -> float | None:
    """The share of worked draws that are right: whether work is rewarded. Ours."""
    return probed.right_rate("worked")


def worked_covariance(probed: Probed) -> float:
    """The covariance over draws of being right and being worked: which way the first update pushes. Ours."""
    n = probed.num_draws
    return probed.right_ways.get("worked", 0) / n - probed.right / n * (probed.ways.get("worked", 0) / n)


def answer_entropy(probed: Probed) -> float:
    """The entropy in nats of the answers, all right ones taken for one (AH-Technologies, one_shot_metrics)."""
    return probed.answer_entropy


def distinct_wrong(probed: Probed) -> float:
    """Different wrong answers times pass rate: many ways to err, and solvable (AH-Technologies, one_shot_metrics)."""
    return probed.num_distinct_wrong * probed.pass_rate


def pass_rate(probed: Probed) -> float:
    """The share of draws that are right, strictly."""
    return probed.pass_rate
