"""doctor: a recipe in; does it fit, will it learn, what will it cost, before the first step."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from polymath.api.runs import RecipeLike, _prepare, read_any
from polymath.runs import RunFolder


def doctor(
    recipe: RecipeLike,
    *,
    config: str | Path | None = None,
    memory: str | None = None,
    num_groups: int = 4,
) -> dict[str, Any]:
    """What is to be known before the first step: `healthy`, the findings, memory by phase, a probe, seconds.

    `config` is a directory with a config.json: the run of that model is examined by arithmetic alone, on a CUDA device
    unless the recipe says cpu. `memory`, say "24GB", stands for that of this machine. `num_groups` groups are drawn,
    and learnt from once, in memory; 0 draws none. Raises UserError where something that the recipe names does not load.
    """
    from polymath.doctoring.examine import examine_config, examine_job
    from polymath.doctoring.machine import own_memory, read_size

    given, available = read_any(recipe), None if memory is None else read_size(memory)
    if config is not None:
        from polymath.samples.sources import load_samples
        from polymath.selecting.recipes import choose_samples

        chosen = choose_samples(given.sample)
        samples = chosen.samples if chosen is not None else load_samples(given.sample)
        is_cuda = given.model.device != "cpu"
        return examine_config(given, samples, Path(config), available=available, is_cuda=is_cuda)
    import polymath.engines.local  # noqa: F401  # what the process takes before the model is with all packages

    process = own_memory()
    with tempfile.TemporaryDirectory() as folder:
        job = _prepare(given, RunFolder(Path(folder) / "run"), {}, with_suite=True)
        return examine_job(job, available=available, num_groups=num_groups, process=process)
