"""What one run has found, given to another that would find the very same."""

from __future__ import annotations

import json
import shutil

from polymath.jobs.job import Job
from polymath.runs import RunFolder, telling_disk_errors, write_text


def share_base_evaluation(job: Job, folder: RunFolder, arm_job: Job, arm: RunFolder) -> None:
    """Copy the base's evaluation to an arm or a replicate that would compute the very same one."""
    same = all(
        getattr(job.recipe, section) == getattr(arm_job.recipe, section)
        for section in ("model", "prompt", "evaluate", "sampler")
    )
    # Demonstrations are the run's own samples; draws at a temperature depend on the seed.
    same = same and not arm_job.recipe.evaluate.demonstrate
    same = same and (job.recipe.seed == arm_job.recipe.seed or job.protocol.is_greedy)
    if same:
        copy_base_evaluation(folder, arm)


def copy_base_evaluation(folder: RunFolder, other: RunFolder) -> None:
    """Give another run the evaluation of the base that this folder holds, unless it has one."""
    target = other.path / "evaluations" / "step-0"
    if not target.exists():
        with telling_disk_errors(target):
            temporary = target.with_name(".step-0.tmp")
            shutil.copytree(folder.path / "evaluations" / "step-0", temporary, dirs_exist_ok=True)
            temporary.rename(target)


def share_records(folder: RunFolder) -> None:
    """Copy what was recorded with the lab's model to a run that used the very same weights."""
    from polymath.lab import recorded_dir

    weights = folder.read_info()["model"]["sha256"]
    for path in sorted(recorded_dir().glob("*.json")):
        text = path.read_text(encoding="utf-8")
        if json.loads(text)["hashes"]["weights"] == weights:
            write_text(folder.path / "recorded" / path.name, text)
