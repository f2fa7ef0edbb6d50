"""polymath doctor --devices: a recipe, a model and a number of devices in; the estimate in words and figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.doctoring.decoders import DECODERS, find_decoder
from polymath.doctoring.devices import DEVICES
from polymath.doctoring.examine import CHARACTERS_A_TOKEN
from polymath.doctoring.findings import Finding
from polymath.doctoring.memory import tell
from polymath.doctoring.scale import Assumptions, Estimate, estimate, load_of
from polymath.doctoring.shape import Shape, shape_of_config
from polymath.errors import ModelError, RecipeError
from polymath.lab import model_dir
from polymath.prompts import load_template, render_all
from polymath.recipe import Recipe

if TYPE_CHECKING:
    from polymath.types import Sample


def examine_scale(
    recipe: Recipe,
    samples: Sequence[Sample],
    *,
    num_devices: int,
    device: str = "h100",
    config: Path | None = None,
    assumptions: Assumptions | None = None,
) -> dict[str, Any]:
    """What the run would need on that many devices: `healthy` where it fits, findings, and the estimate as `scale`.

    Nothing is loaded: the shape is that of a config.json, or of a model known by its name. Prompts are counted at 3
    characters a token. Raises UserError for an unknown device or model, and for what this arithmetic does not cover.
    """
    if device not in DEVICES:
        raise RecipeError("--device", f"there is no {device!r}", f"use one of {', '.join(DEVICES)}")
    if num_devices < 1:
        raise RecipeError("--devices", f"{num_devices} is no number of devices", "give 1 or more")
    for key, is_set in (("model.lora", recipe.model.lora), ("advantage.name = gae", recipe.advantage.name == "gae")):
        if is_set:
            raise RecipeError(key, "is not in the arithmetic of --devices", "leave it out, or do without --devices")
    if recipe.engine.name == "sft":
        raise RecipeError("engine.name", "= sft draws nothing", "leave --devices out")
    shape = _shape(recipe, config)
    template = load_template(recipe.prompt.template, recipe.prompt.file, is_chat=recipe.prompt.chat)
    longest = max(len(prompt.text) for prompt in render_all(list(samples), template))
    load = load_of(recipe, -(-longest // CHARACTERS_A_TOKEN))
    found = estimate(shape, load, DEVICES[device], num_devices, assumptions=assumptions)
    return {
        "recipe": recipe.name,
        "healthy": found.fits,
        "device": DEVICES[device].name,
        "num_devices": num_devices,
        "parameters": shape.parameters,
        "findings": [finding.table() for finding in _findings(found, num_devices)],
        "scale": {key: _finite(value) for key, value in found.table().items()},
    }


def _shape(recipe: Recipe, config: Path | None) -> Shape:
    path = model_dir() if recipe.model.path == "lab" else Path(recipe.model.path)
    if config is None and (known := find_decoder(recipe.model.path)) is not None and not path.exists():
        return known
    if config is None and not (path / "config.json").is_file():
        raise ModelError(
            recipe.model.path,
            f"is no directory with a config.json, and not one of {', '.join(DECODERS)}",
            "name a directory that has it with --config",
        )
    return shape_of_config(config or path, None)


def _findings(found: Estimate, num_devices: int) -> list[Finding]:
    told = f"{tell(found.peak)} of {tell(found.available)} on each device at the peak"
    if not found.fits:
        remedy = "take more devices, a smaller train.micro_batch_tokens, or a shorter rollout.max_tokens"
        return [Finding(check="memory", answer="no", detail=f"{told}: {remedy}")]
    return [
        Finding(check="memory", answer="yes", detail=told),
        Finding(
            check="time",
            answer="unknown",
            detail=f"{found.step_s:.3g} s a step, {found.hours:.3g} h for the run, {found.device_hours:,.0f} device "
            "hours; evaluations, arms and seeds apart, nothing measured",
        ),
    ]


def lines(found: dict[str, Any]) -> list[str]:
    """The estimate for people: memory by phase and part, the layout, seconds by phase, bytes moved."""
    scale = found["scale"]
    told = [
        f"{found['parameters'] / 1e9:.3g} billion parameters on {found['num_devices']} x {found['device']}, on paper"
    ]
    for phase, parts in scale["memory"].items():
        amounts = " + ".join(f"{name} {tell(size)}" for name, size in parts.items())
        told.append(f"{phase:10} {tell(sum(parts.values())):>9}  = {amounts}")
    told.append(
        f"{'sampler':10} {scale['replicas']} copies on {scale['tensor_parallel']} devices each; a copy decodes up to "
        f"{scale['at_once']:,} responses of full length at once, so {scale['waves']} times"
    )
    told.append(f"{'a step':10} {scale['response_tokens']:,} response tokens, {scale['flops']:.3g} operations")
    if scale["seconds"]:
        parts = " + ".join(f"{name} {seconds:.3g}" for name, seconds in scale["seconds"].items())
        told.append(f"{'seconds':10} {scale['step_s']:9.3g}  = {parts}")
    moved = ", ".join(f"{name} {tell(size)}" for name, size in scale["moved"].items())
    return [*told, f"{'moved':10} {moved} (a step)"]


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    return None if isinstance(value, float) and math.isinf(value) else value
