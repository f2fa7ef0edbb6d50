"""The learning rate of every step: the optimizer's section and the number of a step in, a rate out.

As in transformers, `step - 1` steps are behind a step when it is taken: the first step of a warm-up has rate 0, the
first step after it the full rate, and a rate that falls is not yet 0 in the last step.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from polymath.recipe import OptimizerSection

# From the share of the way from the end of the warm-up to the end, 0 to 1, to the share of the full rate.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: 0.5 * (1.0 + math.cos(math.pi * progress)),
}


def learning_rate_at(settings: OptimizerSection, step: int, num_steps: int) -> float:
    """The learning rate of step `step`, counted from 1, in a training of `num_steps` steps."""
    num_warmup = count_warmup_steps(settings, num_steps)
    behind = step - 1
    if behind < num_warmup:
        return settings.learning_rate * behind / num_warmup
    progress = min(1.0, (behind - num_warmup) / max(1, num_steps - num_warmup))
    return settings.learning_rate * SCHEDULES[settings.schedule](progress)


def count_warmup_steps(settings: OptimizerSection, num_steps: int) -> int:
    """Steps of the warm-up in a training of `num_steps` steps."""
    # 0.07 * 100 is a little more than 7, and means 7.
    return settings.warmup_steps or math.ceil(settings.warmup_frac * num_steps - 1e-9)
