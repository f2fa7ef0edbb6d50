"""run, train, evaluate: recipe in, run folder out; a model in, its summary out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.errors import RecipeError, RunFolderError
from polymath.jobs import (
    Job,
    before_and_after,
    begin,
    finish_in_processes,
    keeping_status,
    prepare,
    share_base_evaluation,
    share_records,
    train_job,
)
from polymath.machine import usable_cpus
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
    jobs: int = 1,
) -> RunFolder:
    """The main job: evaluate the base, train, evaluate again, the same for every arm and seed, write the report.

    `out` is the folder to make (default runs/NAME-DATE-TIME). `resume` continues a run folder instead; a
    recipe given with it must be the run's. `rewards` are your own reward functions by the name the recipe
    uses for them. `jobs` arms and seeds run at once, each in a process of its own. Raises UserError before
    anything is written when the input is wrong, Stopped when asked to stop; both leave what is on disk whole.
    """
    folder, recipe = _open(recipe, out, resume)
    if jobs > 1 and rewards:
        raise RecipeError("--jobs", "your own reward functions do not reach other processes", "run with jobs = 1")
    _check_arms(recipe, folder, rewards or {})
    job = _prepare(recipe, folder, rewards or {}, with_suite=True)
    begin(folder, job)
    _run_job(job, folder, rewards or {}, jobs)
    return folder


def _check_arms(recipe: Recipe, folder: RunFolder, rewards: Mapping[str, RewardFunction]) -> None:
    """Find an arm's wrong reward or missing sample before the hours that come before that arm.

    One that has begun was found to be right, and has its own sample.
    """
    from polymath.rewards import check_rewards
    from polymath.samples.sources import load_samples
    from polymath.selecting.recipes import choose_samples

    begun = set(folder.arm_names()) if (folder.path / "run.json").exists() else set()
    for arm, name in ((arm_recipe(recipe, name), name) for name in recipe.arms if name not in begun):
        limit, where = arm.rollout.max_tokens, f"arms.{name}.reward"
        check_rewards(arm.reward.weights(), arm.reward.options, rewards, max_tokens=limit, where=where)
        if choose_samples(arm.sample) is None:
            load_samples(arm.sample)


def _prepare(
    recipe: Recipe,
    folder: RunFolder,
    rewards: Mapping[str, RewardFunction],
    *,
    with_suite: bool,
    num_threads: int | None = None,
    whole: RunFolder | None = None,
) -> Job:
    """`prepare`, with the samples chosen first where the recipe has a selector; stderr says which.

    `whole` is the run that this one is a part of: the same [sample] means the same samples in both.
    """
    chosen = None
    if recipe.sample.selector is not None and not (folder.path / "run.json").exists():
        from polymath.selecting.recipes import check_same_choice, choose_samples, tell_choice

        chosen = choose_samples(recipe.sample)
        assert chosen is not None
        if whole is not None and whole.read_recipe().sample == recipe.sample:
            check_same_choice(chosen, whole.read_info().get("selection"))
        print("\n".join(tell_choice(chosen)), file=sys.stderr)
    return prepare(recipe, folder, rewards, with_suite=with_suite, num_threads=num_threads, chosen=chosen)


def _run_job(job: Job, folder: RunFolder, rewards: Mapping[str, RewardFunction], jobs: int) -> None:
    """The run itself, then its arms and replicates, then its report."""
    from polymath.reporting import write_report

    with keeping_status(folder, "run"):
        before_and_after(job, folder)
        waiting = []
        num_threads = folder.read_info()["threads"] if jobs == 1 else max(1, usable_cpus() // jobs)
        for part, part_recipe in _parts(folder, job.recipe):
            if part.is_complete() and part.is_evaluated() and part.report_path.exists():
                continue
            part_job = _prepare(part_recipe, part, rewards, with_suite=True, num_threads=num_threads, whole=folder)
            begin(part, part_job)
            share_base_evaluation(job, folder, part_job, part)
            if jobs > 1:
                waiting.append(part)
                continue
            print(part.path.relative_to(folder.path), file=sys.stderr)
            _run_job(part_job, part, rewards, jobs)
        if waiting:
            finish_in_processes(waiting, jobs)
        share_records(folder)
    with telling_disk_errors(folder.report_path):
        write_report(folder)


def _parts(folder: RunFolder, recipe: Recipe) -> list[tuple[RunFolder, Recipe]]:
    """The complete runs that belong to this one: its arms, then itself again with further seeds."""
    arms = [(folder.arm(name), arm_recipe(recipe, name)) for name in recipe.arms]
    again = recipe.model_dump(exclude={"replicate_seeds"})
    return arms + [(folder.replicate(seed), make_recipe({**again, "seed": seed})) for seed in recipe.replicate_seeds]


def train(
    recipe: RecipeLike | None = None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    rewards: Mapping[str, RewardFunction] | None = None,
) -> RunFolder:
    """Train only: metrics, rollouts and checkpoints, and evaluations where `evaluate.every` asks for them."""
    folder, recipe = _open(recipe, out, resume)
    if recipe.train.num_steps == 0:
        raise RecipeError("train.num_steps", "is 0, so there is nothing to train", "use polymath run for such a recipe")
    job = _prepare(recipe, folder, rewards or {}, with_suite=recipe.evaluate.every > 0)
    begin(folder, job)
    with keeping_status(folder, "train"):
        train_job(job, folder)
    return folder


def evaluate(
    model: str,
    *,
    suite: str | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    use_cache: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Evaluate a model directory, hub id, checkpoint of a run, or an endpoint's address; returns the summary.

    `settings` are those of `polymath.evaluating.Settings`: protocol, max_tokens, template, limit, data, dtype and so
    on; what is left out is as in the run of a checkpoint, else the default. Results lie in `out`, by default beside the
    checkpoint's run, else in evaluations/MODEL. `resume` goes on with what an attempt before has answered.
    """
    from polymath.evaluating import Settings, evaluate_model

    known = Settings(suite=suite, **settings)
    return evaluate_model(model, known, out=Path(out) if out else None, resume=resume, use_cache=use_cache)


def _open(recipe: RecipeLike | None, out: str | Path | None, resume: str | Path | None) -> tuple[RunFolder, Recipe]:
    """The run folder, which need not exist yet, and the recipe."""
    given = None if recipe is None else read_any(recipe)
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


def read_any(recipe: RecipeLike) -> Recipe:
    """The recipe, from whatever names it."""
    if isinstance(recipe, Recipe):
        return recipe
    return make_recipe(recipe) if isinstance(recipe, Mapping) else read_recipe(recipe)
