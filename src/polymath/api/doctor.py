"""doctor: a recipe in; does it fit, will it learn, what will it cost, before the first step."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.api.runs import RecipeLike, _prepare, read_any
from polymath.recipe import Recipe
from polymath.runs import RunFolder

if TYPE_CHECKING:
    from polymath.types import Sample


def doctor(
    recipe: RecipeLike,
    *,
    config: str | Path | None = None,
    memory: str | None = None,
    num_groups: int = 4,
    devices: int | None = None,
    device: str = "h100",
) -> dict[str, Any]:
    """What is to be known before the first step: `healthy`, the findings, memory by phase, a probe, seconds.

    `config` is a directory with a config.json: the run of that model is examined by arithmetic alone, on a CUDA device
    unless the recipe says cpu. `memory`, say "24GB", stands for that of this machine. `num_groups` groups are drawn,
    and learnt from once, in memory; 0 draws none. `devices` puts the run on that many of `device` instead, on paper
    (docs/scale.md): nothing is loaded. Raises UserError where something that the recipe names does not load.
    """
    from polymath.doctoring.examine import examine_config, examine_job
    from polymath.doctoring.machine import own_memory, read_size

    given, available = read_any(recipe), None if memory is None else read_size(memory)
    if devices is not None:
        from polymath.doctoring.at_scale import examine_scale

        where = None if config is None else Path(config)
        return examine_scale(given, _samples(given), num_devices=devices, device=device, config=where)
    if config is not None:
        samples = _samples(given)
        is_cuda = given.model.device != "cpu"
        return examine_config(given, samples, Path(config), available=available, is_cuda=is_cuda)
    import polymath.engines.local  # noqa: F401  # what the process takes before the model is with all packages

    process = own_memory()
    with tempfile.TemporaryDirectory() as folder:
        job = _prepare(given, RunFolder(Path(folder) / "run"), {}, with_suite=True)
        return examine_job(job, available=available, num_groups=num_groups, process=process)


def _samples(recipe: Recipe) -> list[Sample]:
    from polymath.samples.sources import load_samples
    from polymath.selecting.recipes import choose_samples

    chosen = choose_samples(recipe.sample)
    return list(chosen.samples) if chosen is not None else load_samples(recipe.sample)
