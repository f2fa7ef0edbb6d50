"""How much of a step teaches: a pass rate and a group size in, the share of groups that are not unanimous out.

A group whose answers are all right or all wrong has no advantage and so no gradient. With independent draws of pass
rate p a group of G is learnable with chance 1 - p^G - (1-p)^G.
"""

from __future__ import annotations

from polymath.evaluation.statistics import Interval


def learnable_fraction(pass_rate: float, group_size: int) -> float:
    """The chance that a group of this size holds both a right and a wrong answer."""
    return 1 - pass_rate**group_size - (1 - pass_rate) ** group_size


def learnable_interval(pass_rate: Interval, group_size: int) -> Interval:
    """The learnable fraction at every pass rate of an interval: largest at 1/2, smallest at one of the ends."""
    ends = [learnable_fraction(rate, group_size) for rate in (pass_rate.low, pass_rate.high)]
    holds_half = pass_rate.low <= 0.5 <= pass_rate.high
    high = learnable_fraction(0.5, group_size) if holds_half else max(ends)
    return Interval(mean=learnable_fraction(pass_rate.mean, group_size), low=min(ends), high=high)
