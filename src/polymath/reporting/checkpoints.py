"""A run's metrics and evaluations in; the section on saturation and on the best evaluated step, out.

Intervals are of one run: they cover the choice of problems only, not the training seed.
"""

from __future__ import annotations

import math

from polymath.evaluation.curves import BestStep, LateGain, Saturation, best_step
from polymath.evaluation.evaluate import headline
from polymath.reporting.curve import saturation_and_gain
from polymath.reporting.read import ReportData
from polymath.reporting.sections import Section, gain_cell
from polymath.reporting.wording import direction, percent

RULE = "its mean over 10 steps at 0.99 or above; the papers name no threshold, this one is ours"
# Fewer evaluated steps leave nothing to choose.
MIN_STEPS = 3


def saturation_of(data: ReportData) -> tuple[Saturation, LateGain | None] | None:
    """When the reward saturated and what came after; None where the reward is not right or wrong alone."""
    if not data.metrics or data.recipe.reward.weights() != {"exact": 1.0}:
        return None
    return saturation_and_gain(data.metrics, data.recipe, {one.step: one.rows for one in data.evaluations})


def saturation_section(data: ReportData, found: tuple[Saturation, LateGain | None] | None) -> Section | None:
    """When the training reward saturated, the test after it, and the best evaluated step with its honest mean."""
    told = [] if found is None else _tell_saturation(*found)
    if len(data.evaluations) >= MIN_STEPS:
        best = best_step({one.step: headline(one.rows) for one in data.evaluations})
        if best is not None and not math.isnan(best.honest_mean):
            told.append(_tell_best(best, len(data.evaluations)))
    return Section(name="saturation", title="Saturation and the best step", told=tuple(told)) if told else None


def _tell_saturation(found: Saturation, gain: LateGain | None) -> list[str]:
    if found.held is None:
        reached = f" It got there at step {found.reached} and fell again." if found.reached is not None else ""
        return [f"The training reward did not saturate and stay saturated ({RULE}).{reached}"]
    told = f"The training reward stayed saturated from step {found.held} on ({RULE})."
    if found.reached is not None and found.reached < found.held:
        told += f" It first got there at step {found.reached}."
    if gain is None:
        return [told + " Fewer than two evaluations lie after it, so nothing can be said on what the test gained then."]
    change = f"{gain_cell(gain.difference)} points from step {gain.from_step} to step {gain.to_step}"
    match direction(gain.difference):
        case "gain":
            after = f"Test accuracy, strict, still rose after that: {change}."
        case "loss":
            after = f"Test accuracy, strict, fell after that: {change}."
        case _:
            after = f"After that the test shows no change, strict, that it can tell from chance: {change}."
    return [f"{told} {after}"]


def _tell_best(best: BestStep, num_steps: int) -> str:
    told = f"Of {num_steps} evaluated steps the best is step {best.step} with {percent(best.score.mean)} strict."
    if best.step == best.last_step:
        last = " It is the last one as well."
    else:
        last = f" The last one, step {best.last_step}, which nobody chose, has {percent(best.last.mean)}."
    return (
        f"{told}{last} Choosing a checkpoint on the test problems flatters: chosen on one half of the problems, a step "
        f"scores {percent(best.honest_mean)} on the other half."
    )
