"""Policy and optimizer to disk and back.

A checkpoint is a folder in the transformers layout plus

    optimizer.safetensors    moments and step count of every weight, by its place in the parameter list
    adapter/                 adapters in peft's layout, where they are what is trained: the weights are merged with them
    checkpoint.json          step, and size and sha256 of every other file; written last

It is written under a temporary name, synced and renamed. A folder whose checkpoint.json is missing or does
not match its files is torn: `newest_checkpoint` passes over it to the one before.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from polymath.errors import RunFolderError
from polymath.recipe import Recipe
from polymath.rollouts.policy import TrainablePolicy
from polymath.runs import RunFolder, remove_folder, telling_disk_errors

MANIFEST = "checkpoint.json"
# Where bitsandbytes puts what belongs to 8-bit moments in a state_dict; it takes it back without this key as well.
QUANTIZED = "__bnb_optimizer_quant_state__"


def save_checkpoint(
    run: RunFolder,
    policy: TrainablePolicy,
    optimizer: torch.optim.Optimizer,
    step: int,
    extras: Sequence[Callable[[Path], None]] = (),
) -> Path:
    """Write checkpoints/step-N, whole or not at all. `extras` write what else belongs to it into the folder."""
    final = run.checkpoints / f"step-{step}"
    temporary = run.checkpoints / f".step-{step}.tmp"
    with telling_disk_errors(final):
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            policy.save(temporary)
            save_file(_optimizer_tensors(optimizer), temporary / "optimizer.safetensors")
            for write in extras:
                write(temporary)
            written = sorted(path for path in temporary.rglob("*") if path.is_file())
            files = {path.relative_to(temporary).as_posix(): _describe(path) for path in written}
            (temporary / MANIFEST).write_text(json.dumps({"step": step, "files": files}, indent=2) + "\n")
            for path in (*temporary.rglob("*"), temporary):
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


def keep_checkpoints(run: RunFolder, recipe: Recipe) -> None:
    """Remove the checkpoints that the recipe no longer wants: all but the newest and the best by its dev suite."""
    test = recipe.evaluate
    best = best_checkpoint(run, test.dev, test.protocol) if test.dev else None
    prune_checkpoints(run, recipe.train.keep, best)


def prune_checkpoints(run: RunFolder, keep: int, best: int | None = None) -> None:
    """Remove all but the newest `keep` checkpoints and the one of step `best`."""
    for step in checkpoint_steps(run)[:-keep]:
        if step != best:
            remove_folder(run.checkpoints / f"step-{step}")


def best_checkpoint(run: RunFolder, suite: str, protocol: str) -> int | None:
    """The checkpoint with the greatest strict mean on this suite, the earliest of equal ones; None before any."""
    means = {}
    for step in checkpoint_steps(run):
        summary = run.evaluation_paths(step, suite, protocol)[1]
        if summary.exists():
            means[step] = json.loads(summary.read_text(encoding="utf-8"))["mean"]
    return max(means, key=lambda step: (means[step], -step)) if means else None


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


def restore(run: RunFolder, policy: TrainablePolicy, optimizer: torch.optim.Optimizer) -> tuple[int, Path | None]:
    """Bring policy, optimizer and metrics to the newest whole checkpoint; its step and folder, or 0 and None."""
    step, path = newest_checkpoint(run) or (0, None)
    if path is not None:
        load_checkpoint(path, policy, optimizer)
    run.cut_metrics(step)
    return step, path


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
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        name, _, place = key.rpartition(".")
        state.setdefault(int(place), {})[name] = tensor
    own = _moments_of(optimizer)
    if any(
        place >= len(parameters)
        or not own <= set(entry)
        or any(entry[name].shape != parameters[place].shape for name in own)
        for place, entry in state.items()
    ):
        raise RunFolderError(
            path, "optimizer state does not fit the model", "resume with the recipe the run began with"
        )
    if "state1" in own:
        for entry in state.values():
            entry["step"] = int(entry["step"])  # bitsandbytes counts in integers
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _moments_of(optimizer: torch.optim.Optimizer) -> set[str]:
    """Names of what an optimizer keeps of every weight, in the weight's shape."""
    return {"exp_avg", "exp_avg_sq"} if isinstance(optimizer, torch.optim.AdamW) else {"state1", "state2"}


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Every tensor of the state by name and place of its weight; a plain number becomes a tensor."""
    found: dict[str, torch.Tensor] = {}
    shared: set[int] = set()
    for place, entry in optimizer.state_dict()["state"].items():
        flat = dict(entry)
        flat |= flat.pop(QUANTIZED, {})
        for name, value in flat.items():
            tensor = torch.as_tensor(value).detach().cpu().contiguous()
            # The table of the 8-bit numbers is one for all weights, and safetensors writes no tensor twice.
            found[f"{name}.{place}"] = tensor.clone() if tensor.data_ptr() in shared else tensor
            shared.add(tensor.data_ptr())
    return found


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
