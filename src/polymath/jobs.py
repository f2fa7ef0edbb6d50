"""A job: a recipe with everything it names loaded, and what is done with it in its run folder.

Everything that can be wrong with the input is found by `prepare`, before the run folder is made.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from polymath.errors import RecipeError, Stopped
from polymath.machine import choose_threads, command_line, describe_machine, source_commit, usable_cpus, versions
from polymath.prompts import Template, load_template, render_all
from polymath.recipe import Recipe
from polymath.runs import RunFolder, telling_disk_errors
from polymath.types import Sample

if TYPE_CHECKING:
    from polymath.evaluation.protocol import Protocol
    from polymath.evaluation.suites import Suite
    from polymath.rewards import RewardFunction
    from polymath.rollouts.local import LocalPolicy


@dataclass(frozen=True, kw_only=True)
class Job:
    """A recipe with everything it names loaded and found to fit together."""

    recipe: Recipe
    samples: list[Sample]
    template: Template
    policy: LocalPolicy
    suite: Suite
    protocol: Protocol
    rewards: Mapping[str, RewardFunction]


def load_policy(path: str, *, device: str, dtype: str, threads: int) -> LocalPolicy:
    """The policy at a model directory or hub id; `lab` is the embedded model."""
    import huggingface_hub
    import torch
    import transformers

    from polymath.lab import model_dir
    from polymath.rollouts.local import LocalPolicy

    transformers.utils.logging.disable_progress_bar()
    huggingface_hub.logging.set_verbosity_error()  # it would report each of its retries
    if path != "lab" and not Path(path).is_dir():
        print(f"model {path} from the hub", file=sys.stderr)
    torch.set_num_threads(threads)
    return LocalPolicy.load(str(model_dir()) if path == "lab" else path, device=device, dtype=dtype)


def prepare(recipe: Recipe, folder: RunFolder, rewards: Mapping[str, RewardFunction], *, with_suite: bool) -> Job:
    """Load everything a recipe names; raises UserError for whatever does not exist or fit."""
    from polymath.evaluation.protocol import read_protocol
    from polymath.evaluation.suites import load_suite
    from polymath.rewards import REWARDS
    from polymath.samples.sources import load_samples

    for name in recipe.reward.weights():
        if name not in REWARDS and name not in rewards:
            known = ", ".join([*REWARDS, *rewards])
            raise RecipeError("reward", f"there is no {name!r}", f"use {known}, or pass your own function")
    is_begun = (folder.path / "run.json").exists()
    samples = folder.read_samples() if is_begun else load_samples(recipe.sample)
    template = load_template(recipe.prompt.template, recipe.prompt.file, is_chat=recipe.prompt.chat)
    settings = recipe.evaluate
    # A run that only trains needs no benchmark files.
    suite = load_suite(settings.suite if with_suite else "lab", data=settings.data, limit=settings.limit)
    protocol = read_protocol(settings.protocol, settings.max_tokens)
    # The same thread count on resume, because sums in another order are other bits.
    threads = folder.read_info()["threads"] if is_begun else choose_threads(recipe.engine.threads)
    print(f"threads {threads} of {usable_cpus()} processors (engine.threads)", file=sys.stderr)
    policy = load_policy(recipe.model.path, device=recipe.model.device, dtype=recipe.model.dtype, threads=threads)
    policy.check_fit(render_all(samples, template), recipe.rollout.max_tokens)
    if with_suite:
        problems = [sample for problems in suite.benchmarks.values() for sample in problems]
        policy.check_fit(render_all(problems, template), settings.max_tokens)
    return Job(
        recipe=recipe,
        samples=samples,
        template=template,
        policy=policy,
        suite=suite,
        protocol=protocol,
        rewards=rewards,
    )


def begin(folder: RunFolder, job: Job) -> None:
    """Write run.json and the samples, once."""
    import torch

    from polymath.rollouts.local import hash_weights

    if (folder.path / "run.json").exists():
        return
    from polymath.lab import model_dir

    path = str(model_dir()) if job.recipe.model.path == "lab" else job.recipe.model.path
    folder.write_samples(job.samples)
    folder.write_info(
        name=job.recipe.name,
        status="running",
        recipe=job.recipe.model_dump(mode="json"),
        seed=job.recipe.seed,
        versions=versions(),
        commit=source_commit(),
        command=command_line(),
        machine=describe_machine(),
        threads=torch.get_num_threads(),
        device=str(job.policy.model.device),
        dtype=job.recipe.model.dtype,
        model={
            "path": job.recipe.model.path,
            "sha256": hash_weights(Path(path)) if Path(path).is_dir() else None,
            "num_parameters": job.policy.num_parameters(),
        },
        seconds=0.0,
    )


def before_and_after(job: Job, folder: RunFolder) -> None:
    _record(job, folder, step=0)
    train_job(job, folder)
    _record(job, folder, step=job.recipe.train.num_steps)


def train_job(job: Job, folder: RunFolder) -> None:
    from polymath.engines import ENGINES

    def evaluate_when_due(step: int) -> None:
        every = job.recipe.evaluate.every
        if every and step % every == 0 and step < job.recipe.train.num_steps:
            _record(job, folder, step=step)

    ENGINES[job.recipe.engine.name](
        job.recipe,
        job.samples,
        job.policy,
        folder,
        rewards=job.rewards,
        reference=job.policy.frozen_copy() if job.recipe.kl.coefficient else None,
        after_step=evaluate_when_due,
    )


def _record(job: Job, folder: RunFolder, *, step: int) -> None:
    from polymath.evaluation.record import record_evaluation

    record_evaluation(
        job.policy,
        job.suite,
        job.protocol,
        job.template,
        folder.path / "evaluations" / f"step-{step}",
        title=f"evaluate step {step}",
        seed=job.recipe.seed,
        batch_size=job.recipe.evaluate.batch_size,
        facts={"step": step, "model": job.recipe.model.path, "dtype": job.recipe.model.dtype},
    )


def share_base_evaluation(job: Job, folder: RunFolder, arm_job: Job, arm: RunFolder) -> None:
    """Copy the base's evaluation to an arm that would compute the very same one."""
    same = all(
        getattr(job.recipe, section) == getattr(arm_job.recipe, section) for section in ("model", "prompt", "evaluate")
    )
    target = arm.path / "evaluations" / "step-0"
    if same and not target.exists():
        with telling_disk_errors(target):
            temporary = target.with_name(".step-0.tmp")
            shutil.copytree(folder.path / "evaluations" / "step-0", temporary, dirs_exist_ok=True)
            temporary.rename(target)


@contextmanager
def keeping_status(folder: RunFolder, command: str) -> Iterator[None]:
    """Write to run.json how it ended and how long it took, and tell how to continue."""
    began = time.perf_counter()
    earlier_s = float(folder.read_info().get("seconds", 0.0))

    def close(status: str) -> None:
        folder.write_info(status=status, seconds=earlier_s + time.perf_counter() - began)

    folder.write_info(status="running")
    try:
        yield
    except (Stopped, KeyboardInterrupt) as stop:
        close("interrupted")
        reason = str(stop) or "stopped at once; the steps since the last checkpoint are lost"
        raise Stopped(
            reason.split("; continue with")[0] + f"; continue with: polymath {command} --resume {_root(folder)}"
        ) from None
    except BaseException:
        close("failed")
        raise
    close("complete")


def _root(folder: RunFolder) -> Path:
    """The run that an arm belongs to, or the run itself."""
    return folder.path.parent.parent if folder.path.parent.name == "arms" else folder.path
