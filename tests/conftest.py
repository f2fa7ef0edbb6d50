"""What all tests share: the command as a user calls it, a tiny model on disk, a suite of one's own."""

import atexit
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from tests.warm import WarmCommand

# A commit passes or fails the same way every time; `make test-slow` looks for new counterexamples.
settings.register_profile("commit", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, max_examples=1_000, deadline=None)
settings.load_profile("commit")

ROOT = Path(__file__).parent.parent
POLYMATH = Path(sys.executable).with_name("polymath")
# One thread: tests share two cores with whatever else runs, and two threads that fight are ten times slower.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "120"}


def polymath(*arguments, cwd=None, environment=ENVIRONMENT, timeout_s=240, is_fresh=False):
    """Run the command as a user would; returns the finished process with its text.

    It is a fork of a process that has imported what commands import (warm.py), or a process of its own start to end.
    """
    words = [str(POLYMATH), *map(str, arguments)]
    if is_fresh:
        return subprocess.run(
            words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    return warm_command().call(words, cwd=cwd, environment=environment, timeout_s=timeout_s)


def start(*arguments, environment=ENVIRONMENT):
    """The command as a process of its own, which can be stopped or killed."""
    return subprocess.Popen(
        [POLYMATH, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process, timeout_s=120):
    """Its exit code and its text, once it has ended."""
    stdout, stderr = process.communicate(timeout=timeout_s)
    return process.returncode, stdout, stderr


@cache
def warm_command():
    command = WarmCommand(ENVIRONMENT)
    atexit.register(command.close)
    return command


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Answers that tests pay for are not the user's."""
    ENVIRONMENT["POLYMATH_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def model_path(tmp_path_factory):
    """A random tiny model in the transformers layout."""
    from polymath.testing import save_tiny_model

    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def workplace(tmp_path_factory, model_path):
    """A folder with a recipe, a sample and a suite for the tiny model; paths in the recipe are absolute."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "sample.json").write_text(json.dumps({"question": "2+2?", "answer": "4", "answer_type": "number"}))
    problems = [
        {"question": f"{a}+1?", "answer": str(a + 1), "answer_type": "number", "disciplines": [f"d{a % 3}"]}
        for a in range(12)
    ]
    (folder / "suite.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in problems))
    (folder / "tiny.toml").write_text(
        f"""
name = "tiny"
[model]
path = {json.dumps(str(model_path))}
[sample]
use = {json.dumps(str(folder / "sample.json"))}
[rollout]
num_groups = 2
group_size = 4
max_tokens = 6
[reward]
name = "random"
[optimizer]
learning_rate = 1e-3
[train]
num_steps = 4
save_every = 2
[evaluate]
suite = {json.dumps(str(folder / "suite.jsonl"))}
max_tokens = 6
every = 2
[engine]
threads = 1
"""
    )
    return folder
