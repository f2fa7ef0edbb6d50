"""A run and the evaluations of its checkpoints in, its curve out: scores by step, saturation, what came after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from polymath.evaluation.curves import SATURATION_WINDOW, LateGain, Saturation, best_step, late_gain, saturation
from polymath.evaluation.evaluate import headline
from polymath.recipe import Recipe
from polymath.runs import RunFolder

Row = dict[str, Any]
SHOWN = ("mean", "low", "high", "lenient_mean", "boxed_frac", "truncated_frac", "mean_tokens", "disciplines")


def describe_curve(run: RunFolder, summaries: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """What `polymath evaluate RUN --all-checkpoints --json` prints. Steps are those of the run; 0 is its base."""
    rows = {step: run.read_evaluation(step, told["suite"], told["protocol"])[0] for step, told in summaries.items()}
    metrics, recipe = run.read_metrics(), run.read_recipe()
    reached, gain = saturation_and_gain(metrics, recipe, rows)
    best = best_step({step: headline(members) for step, members in rows.items()})
    return {
        "run": str(run.path),
        "checkpoints": [{"step": step, **{name: summaries[step][name] for name in SHOWN}} for step in sorted(rows)],
        "saturation_can_be_said": can_saturate(metrics, recipe),
        "saturation_step": reached.held,
        "gain_after_saturation": asdict(gain.difference) if gain else None,
        "best": asdict(best) if best else None,
    }


def can_saturate(metrics: Sequence[Row], recipe: Recipe) -> bool:
    """The reward is right or wrong alone, and there are as many steps as its moving mean has."""
    return recipe.reward.weights() == {"exact": 1.0} and len(metrics) >= SATURATION_WINDOW


def saturation_and_gain(
    metrics: Sequence[Row], recipe: Recipe, rows: Mapping[int, Sequence[Row]]
) -> tuple[Saturation, LateGain | None]:
    """When the training reward saturated, and the test's gain after that. For rewards between 0 and 1."""
    is_told = can_saturate(metrics, recipe)
    found = saturation(metrics, key="reward") if is_told else Saturation(reached=None, held=None)
    if found.held is None:
        return found, None
    trained = {step: headline(members) for step, members in rows.items() if step > 0}
    return found, late_gain(trained, found.held)
