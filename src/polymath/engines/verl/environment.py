"""A Python that has verl: asked what it has, or made with a list of versions that go together.

verl holds back transformers and others, so it never shares an environment with us.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polymath.engines.verl.overrides import check_version
from polymath.errors import RecipeError
from polymath.runs import telling_disk_errors, write_text

MADE = "polymath-made.txt"
# What verl's trainer imports and does not declare, and, at the end, what our judge needs.
BESIDE = (
    "cachetools==8.0.1",
    "fastapi==0.165.0",
    "uvicorn==0.54.0",
    "TransferQueue==0.1.11",
    "math-verify==0.9.0",
    "pydantic==2.14.3",
)
# torch alone and first, by its exact version: pip chooses another build for anything looser.
CPU = (
    ("torch==2.13.0",),
    ("torch==2.13.0", "verl==0.9.1", "ray==2.60.0", "transformers==5.10.4", "hydra-core==1.3.8", *BESIDE),
)
# verl's own extra holds torch, vllm and transformers to versions that go together. Unproven until run on a GPU.
GPU = (("verl[vllm]==0.9.1", *BESIDE),)

_ASK = """
import importlib.metadata as m, json, sys
def of(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
names = ["verl", "ray", "torch", "transformers", "math-verify", "TransferQueue", "vllm"]
print(json.dumps({"python": sys.version.split()[0], **{name: of(name) for name in names}}))
"""
_NEEDED = ("ray", "torch", "math-verify", "TransferQueue")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A Python with a verl that we write for, and the versions of what it has."""

    python: Path
    versions: dict[str, str | None]


def find_environment(python: str | None) -> Environment:
    """The environment of engine.python; raises RecipeError in one line where there is none, or of another verl."""
    where = "engine.python"
    if python is None:
        remedy = "make one with: polymath engine install verl DIR, and set engine.python to DIR/bin/python"
        raise RecipeError(where, "is not set, and verl lives in an environment of its own", remedy)
    found = shutil.which(python)
    if found is None:
        raise RecipeError(where, f"{python} cannot be run", "polymath engine install verl DIR makes DIR/bin/python")
    # Not resolved: a virtual environment is what its link says it is.
    path = Path(found).absolute()
    answer = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, check=False)
    try:
        versions: dict[str, str | None] = json.loads(answer.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise RecipeError(where, f"{python} does not answer ({_last(answer.stderr)})", "name a Python") from None
    if versions["verl"] is None:
        raise RecipeError(where, f"{python} has no verl", "polymath engine install verl DIR")
    check_version(versions["verl"], where)
    missing = [name for name in _NEEDED if versions.get(name) is None]
    if missing:
        raise RecipeError(where, f"{python} has no {missing[0]}", f"{python} -m pip install {' '.join(missing)}")
    return Environment(python=path, versions=versions)


def install(folder: Path, *, with_gpu: bool | None = None) -> Environment:
    """Make a virtual environment with verl in `folder`, or finish one; a finished one is only looked at.

    `with_gpu` is whether to take the builds for GPUs, by default where there is an NVIDIA driver. Raises RecipeError in
    one line where pip fails; the same command goes on where it stopped.
    """
    rounds = GPU if (shutil.which("nvidia-smi") is not None if with_gpu is None else with_gpu) else CPU
    python, made = folder.absolute() / "bin" / "python", folder / MADE
    wanted = "\n".join(" ".join(names) for names in rounds) + "\n"
    if not (made.exists() and made.read_text(encoding="utf-8") == wanted):
        if folder.exists() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").exists():
            raise RecipeError(folder, "exists and is no virtual environment", "name a folder that can be made")
        with telling_disk_errors(folder):
            if not python.exists():
                _call([sys.executable, "-m", "venv", str(folder)], folder)
            for number, names in enumerate(rounds, start=1):
                print(f"{number} of {len(rounds)}: {' '.join(names)}", file=sys.stderr, flush=True)
                _call([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *names], folder)
            write_text(made, wanted)
    return find_environment(str(python))


def _call(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "ERROR" in line] or [_last(done.stderr)]
        raise RecipeError(folder, f"could not be made ({said[0].strip()})", "mend that, then give the same command")


def _last(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
