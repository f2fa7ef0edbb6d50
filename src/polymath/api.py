"""The commands as functions: recipe in, run folder out.

Everything that can be wrong with the input is found before the run folder is made. torch is imported when
a function needs it, not before.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.errors import RecipeError, RunFolderError, Stopped
from polymath.machine import choose_threads, command_line, describe_machine, source_commit, usable_cpus, versions
from polymath.prompts import Template, load_template, render_all
from polymath.recipe import Recipe, arm_recipe, first_difference, make_recipe, read_recipe
from polymath.runs import RunFolder, new_run_path, telling_disk_errors
from polymath.types import Sample

if TYPE_CHECKING:
    from polymath.evaluation.protocol import Protocol
    from polymath.evaluation.suites import Suite
    from polymath.rewards import RewardFunction
    from polymath.rollouts.local import LocalPolicy

RecipeLike = Recipe | str | Path | Mapping[str, Any]


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


def run(
    recipe: RecipeLike | None = None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    rewards: Mapping[str, RewardFunction] | None = None,
) -> RunFolder:
    """The main job: evaluate the base, train, evaluate again, the same for every arm, and write the report.

    `out` is the folder to make (default runs/NAME-DATE-TIME). `resume` continues a run folder instead; a
    recipe given with it must be the run's. `rewards` are your own reward functions by the name the recipe
    uses for them. Raises UserError before anything is written when the input is wrong, Stopped when asked
    to stop; both leave what is on disk whole.
    """
    from polymath.reporting import write_report

    folder, recipe = _open(recipe, out, resume)
    job = prepare(recipe, folder, rewards or {}, with_suite=True)
    _begin(folder, job)
    with _keeping_status(folder, "run"):
        _before_and_after(job, folder)
        for name in recipe.arms:
            arm = folder.arm(name)
            arm_job = prepare(arm_recipe(recipe, name), arm, rewards or {}, with_suite=True)
            _begin(arm, arm_job)
            _share_base_evaluation(job, folder, arm_job, arm)
            with _keeping_status(arm, "run"):
                _before_and_after(arm_job, arm)
    with telling_disk_errors(folder.report_path):
        write_report(folder)
    return folder


def train(
    recipe: RecipeLike | None = None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    rewards: Mapping[str, RewardFunction] | None = None,
) -> RunFolder:
    """Train only: metrics, rollouts and checkpoints, and evaluations where `evaluate.every` asks for them."""
    folder, recipe = _open(recipe, out, resume)
    job = prepare(recipe, folder, rewards or {}, with_suite=recipe.evaluate.every > 0)
    _begin(folder, job)
    with _keeping_status(folder, "train"):
        _train(job, folder)
    return folder


def evaluate(
    model: str,
    *,
    suite: str = "lab",
    out: str | Path | None = None,
    template: str = "plain",
    template_file: str | None = None,
    protocol: str = "greedy",
    max_tokens: int = 64,
    limit: int | None = None,
    data: str | None = None,
    batch_size: int = 128,
    dtype: str = "float32",
    device: str = "auto",
    threads: int | str = "auto",
) -> dict[str, Any]:
    """Evaluate a model directory, hub id, or checkpoint of a run; returns the summary.

    Results lie in `out`, by default beside the checkpoint's run, else in evaluations/MODEL.
    """
    from polymath.evaluation.protocol import read_protocol
    from polymath.evaluation.record import record_evaluation
    from polymath.evaluation.suites import load_suite

    chosen_suite, chosen_protocol = load_suite(suite, data=data, limit=limit), read_protocol(protocol, max_tokens)
    chosen_template = load_template(template, template_file)
    policy = load_policy(model, device=device, dtype=dtype, threads=choose_threads(threads))
    problems = [sample for samples in chosen_suite.benchmarks.values() for sample in samples]
    policy.check_fit(render_all(problems, chosen_template), max_tokens)
    folder = Path(out) if out else evaluation_folder(model)
    facts = {"model": model, "folder": str(folder), "dtype": dtype}
    return record_evaluation(
        policy,
        chosen_suite,
        chosen_protocol,
        chosen_template,
        folder,
        title=f"evaluate {suite}",
        batch_size=batch_size,
        facts=facts,
    )


def pretrain_lab(out: Path, *, minutes: float | None, seed: int, threads: int | None) -> dict[str, Any]:
    """Pre-train the lab's model into `out` and write its base scores on its card; returns the card."""
    from polymath.lab import read_card, update_card
    from polymath.lab.pretrain import PretrainRecipe, pretrain
    from polymath.progress import ProgressLine

    recipe = PretrainRecipe()
    num_steps = recipe.num_steps if minutes is None else max(1, round(minutes * recipe.steps_per_minute))
    with ProgressLine("pretrain", num_steps) as line:

        def show(step: int, num_steps: int, loss: float, tokens_per_s: float) -> None:
            line.advance(1, loss=loss, tokens_per_s=tokens_per_s)

        with telling_disk_errors(out):
            pretrain(out, minutes=minutes, seed=seed, num_threads=choose_threads(threads or "auto"), on_step=show)
    update_card(out, base_scores=measure_base(str(out), out / "evaluation"))
    shutil.rmtree(out / "evaluation")
    return read_card(out)


def measure_base(model: str, folder: Path) -> dict[str, Any]:
    """What the card says of a lab model: greedy on the lab's test problems, strict and lenient."""
    summary = evaluate(model, suite="lab", out=folder, batch_size=350)
    shown = ("num_problems", "mean", "low", "high", "lenient_mean", "lenient_low", "lenient_high", "boxed_frac", "ways")
    return {"suite": "lab", "protocol": "greedy", **{name: summary[name] for name in shown}}


def evaluation_folder(model: str) -> Path:
    """RUN/evaluations/step-N for RUN/checkpoints/step-N, else evaluations/MODEL."""
    path = Path(model)
    if path.parent.name == "checkpoints" and (path.parent.parent / "run.json").exists():
        return path.parent.parent / "evaluations" / path.name
    return Path("evaluations") / path.name


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


def _open(recipe: RecipeLike | None, out: str | Path | None, resume: str | Path | None) -> tuple[RunFolder, Recipe]:
    """The run folder, which need not exist yet, and the recipe."""
    given = None
    if isinstance(recipe, Recipe):
        given = recipe
    elif isinstance(recipe, Mapping):
        given = make_recipe(recipe)
    elif recipe is not None:
        given = read_recipe(recipe)
    if resume is not None:
        folder = RunFolder(resume)
        stored = folder.read_recipe()
        if given is not None and (difference := first_difference(given, stored)):
            raise RunFolderError(
                resume, f"is a run of another recipe ({difference})", "start a new run without --resume"
            )
        return folder, stored
    if given is None:
        raise RecipeError("recipe", "none is given", "name a TOML file, or continue a run with --resume RUN")
    path = Path(out) if out else new_run_path(Path("runs"), given.name)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunFolderError(path, "exists and is not empty", "choose another --out, or continue it with --resume")
    return RunFolder(path), given


def _begin(folder: RunFolder, job: Job) -> None:
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


def _before_and_after(job: Job, folder: RunFolder) -> None:
    _record(job, folder, step=0)
    _train(job, folder)
    _record(job, folder, step=job.recipe.train.num_steps)


def _train(job: Job, folder: RunFolder) -> None:
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


def _share_base_evaluation(job: Job, folder: RunFolder, arm_job: Job, arm: RunFolder) -> None:
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
def _keeping_status(folder: RunFolder, command: str) -> Iterator[None]:
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
