"""The commands as functions: recipe in, run folder out. torch is imported when a function needs it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.errors import RecipeError, RunFolderError
from polymath.jobs import (
    before_and_after,
    begin,
    keeping_status,
    load_policy,
    prepare,
    share_base_evaluation,
    train_job,
)
from polymath.machine import choose_threads
from polymath.prompts import load_template, render_all
from polymath.recipe import Recipe, arm_recipe, first_difference, make_recipe, read_recipe
from polymath.runs import RunFolder, new_run_path, telling_disk_errors

if TYPE_CHECKING:
    from polymath.rewards import RewardFunction

RecipeLike = Recipe | str | Path | Mapping[str, Any]


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
    begin(folder, job)
    with keeping_status(folder, "run"):
        before_and_after(job, folder)
        for name in recipe.arms:
            arm = folder.arm(name)
            arm_job = prepare(arm_recipe(recipe, name), arm, rewards or {}, with_suite=True)
            begin(arm, arm_job)
            share_base_evaluation(job, folder, arm_job, arm)
            print(f"arm {name}", file=sys.stderr)
            with keeping_status(arm, "run"):
                before_and_after(arm_job, arm)
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
    begin(folder, job)
    with keeping_status(folder, "train"):
        train_job(job, folder)
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
    from polymath.lab import model_dir
    from polymath.rollouts.local import hash_weights

    chosen_suite, chosen_protocol = load_suite(suite, data=data, limit=limit), read_protocol(protocol, max_tokens)
    chosen_template = load_template(template, template_file)
    policy = load_policy(model, device=device, dtype=dtype, threads=choose_threads(threads))
    problems = [sample for samples in chosen_suite.benchmarks.values() for sample in samples]
    policy.check_fit(render_all(problems, chosen_template), max_tokens)
    folder = Path(out) if out else evaluation_folder(model)
    facts = {"model": model, "folder": str(folder), "dtype": dtype}
    directory = model_dir() if model == "lab" else Path(model)
    if directory.is_dir():
        facts["weights_sha256"] = hash_weights(directory)
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
