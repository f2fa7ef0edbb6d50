"""Policy and optimizer to disk and back.

A checkpoint is a folder in the transformers layout plus

    optimizer.safetensors    moments and step count of every weight, by its place in the parameter list
    checkpoint.json          step, and size and sha256 of every other file; written last

It is written under a temporary name, synced and renamed. A folder whose checkpoint.json is missing or does
not match its files is torn: `newest_checkpoint` passes over it to the one before.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from polymath.errors import RunFolderError
from polymath.rollouts.policy import TrainablePolicy
from polymath.runs import RunFolder, remove_folder, telling_disk_errors

MANIFEST = "checkpoint.json"


def save_checkpoint(run: RunFolder, policy: TrainablePolicy, optimizer: torch.optim.Optimizer, step: int) -> Path:
    """Write checkpoints/step-N, whole or not at all."""
    final = run.checkpoints / f"step-{step}"
    temporary = run.checkpoints / f".step-{step}.tmp"
    with telling_disk_errors(final):
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            policy.save(temporary)
            save_file(_optimizer_tensors(optimizer), temporary / "optimizer.safetensors")
            files = {path.name: _describe(path) for path in sorted(temporary.iterdir())}
            (temporary / MANIFEST).write_text(json.dumps({"step": step, "files": files}, indent=2) + "\n")
            for path in (*temporary.iterdir(), temporary):
                _sync(path)
            if final.exists():
                remove_folder(final)
            temporary.rename(final)
            _sync(run.checkpoints)
        except Exception as error:
            shutil.rmtree(temporary, ignore_errors=True)
            _raise_as_disk_error(error)
            raise
    return final


def prune_checkpoints(run: RunFolder, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints."""
    for step in checkpoint_steps(run)[:-keep]:
        remove_folder(run.checkpoints / f"step-{step}")


def checkpoint_steps(run: RunFolder) -> list[int]:
    """Steps that have a checkpoint folder, in order; whether whole is not looked at."""
    return sorted(int(path.name.removeprefix("step-")) for path in run.checkpoints.glob("step-*"))


def newest_checkpoint(run: RunFolder) -> tuple[int, Path] | None:
    """The newest whole checkpoint, or None."""
    for step in reversed(checkpoint_steps(run)):
        path = run.checkpoints / f"step-{step}"
        if is_whole(path):
            return step, path
    return None


def is_whole(path: Path) -> bool:
    """Whether every file of a checkpoint is there with the size and sha256 that it was written with."""
    try:
        files = json.loads((path / MANIFEST).read_text())["files"]
        return all(_describe(path / name) == expected for name, expected in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def load_checkpoint(path: Path, policy: TrainablePolicy, optimizer: torch.optim.Optimizer) -> None:
    """Bring policy and optimizer to where the checkpoint left them."""
    policy.load_weights(path)
    tensors = load_file(path / "optimizer.safetensors")
    parameters = optimizer.param_groups[0]["params"]
    names = ("step", "exp_avg", "exp_avg_sq")
    state = {
        place: {name: tensors[f"{name}.{place}"] for name in names}
        for place in range(len(parameters))
        if f"step.{place}" in tensors
    }
    if any(state[place]["exp_avg"].shape != parameters[place].shape for place in state):
        raise RunFolderError(path, "optimizer state does not fit the model", "resume with the model the run began with")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"{name}.{place}": value.detach().cpu().contiguous()
        for place, entry in state.items()
        for name, value in entry.items()
    }


def _describe(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_as_disk_error(error: Exception) -> None:
    """safetensors reports a full disk as its own error with the number of the OS error in its text."""
    if "os error 28" in str(error).lower() or "no space left" in str(error).lower():
        raise OSError(28, "No space left on device") from error
