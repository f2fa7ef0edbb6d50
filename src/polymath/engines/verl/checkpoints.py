"""verl's checkpoints in, ours out: its shards merged by its own model_merger, in the transformers layout.

    CHECKPOINTS/latest_checkpointed_iteration.txt    the newest whole one, written after it
    CHECKPOINTS/global_step_N/actor/                 shards of weights and optimizer, from which verl itself resumes

A merged checkpoint holds weights in bfloat16, as verl's merger writes them; what resumes is verl's own, in float32.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import torch

from polymath.engines.verl.environment import Environment
from polymath.errors import RunFolderError
from polymath.rollouts.policy import TrainablePolicy
from polymath.runs import RunFolder
from polymath.training.checkpoints import save_checkpoint

LATEST = "latest_checkpointed_iteration.txt"
STEP = "global_step_"


def whole_of_verl(checkpoints: Path) -> list[tuple[int, Path]]:
    """verl's whole checkpoints with their steps, in order: those up to the one that its note names."""
    try:
        latest = int((checkpoints / LATEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    found = ((int(actor.parent.name.removeprefix(STEP)), actor.parent) for actor in checkpoints.glob(f"{STEP}*/actor"))
    return sorted((step, folder) for step, folder in found if step <= latest)


def newest_of_verl(checkpoints: Path) -> tuple[int, Path] | None:
    """The newest whole checkpoint of verl's and its step, or None."""
    return next(reversed(whole_of_verl(checkpoints)), None)


def import_checkpoint(run: RunFolder, step: int, folder: Path, environment: Environment, policy: Any) -> bool:
    """Merge verl's checkpoint into checkpoints/step-N; whether it was there to be merged.

    The tokenizer is `policy`'s: the one that verl saves has the template that raw prompts pass through. Raises
    RunFolderError where verl's merger fails.
    """
    merged = _Merged(folder, environment, policy.tokenizer)
    # verl keeps the moments in its own shards; here is an optimizer without any.
    nothing = torch.optim.AdamW([torch.zeros(1)])
    try:
        save_checkpoint(run, cast(TrainablePolicy, merged), nothing, step)
    except RunFolderError as error:
        if not (folder / "actor").is_dir():
            print(f"step {step}: verl has removed its checkpoint before it was merged", file=sys.stderr)
            return False
        raise error
    return True


class _Merged:
    """What `save_checkpoint` needs of a policy: its weights and tokenizer in a folder."""

    def __init__(self, folder: Path, environment: Environment, tokenizer: Any) -> None:
        self.folder, self.environment, self.tokenizer = folder, environment, tokenizer

    def save(self, path: Path) -> None:
        """Let verl merge its shards into `path`."""
        target = path / "merged"
        command = [str(self.environment.python), "-m", "verl.model_merger", "merge", "--backend", "fsdp"]
        command += ["--local_dir", str(self.folder / "actor"), "--target_dir", str(target)]
        done = subprocess.run(command, cwd=path, capture_output=True, text=True, check=False)
        if done.returncode or not any(target.glob("*.safetensors")):
            said = (done.stderr.strip().splitlines() or ["no weights were written"])[-1]
            raise RunFolderError(
                self.folder, f"verl could not merge it ({said})", "see that all of its shards are here"
            )
        for file in target.iterdir():
            file.rename(path / file.name)
        shutil.rmtree(target)
        self.tokenizer.save_pretrained(path)


def forget_after(run: RunFolder, step: int, *folders: Path) -> None:
    """Remove what was measured and said after `step`, because the run goes on from there."""
    run.cut_metrics(step)
    for path in (run.path / "rollouts").glob("step-*.jsonl"):
        if int(path.stem.removeprefix("step-")) > step:
            path.unlink()
    for folder in folders:
        for path in folder.glob("*.jsonl"):
            if path.stem.isdecimal() and int(path.stem) > step:
                path.unlink()
