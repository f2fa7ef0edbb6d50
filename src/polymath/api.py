"""The commands as functions: recipe in, run folder out. torch is imported when a function needs it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
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
from polymath.machine import choose_threads, usable_cpus
from polymath.recipe import Recipe, arm_recipe, first_difference, make_recipe, read_recipe
from polymath.runs import RunFolder, new_run_path, telling_disk_errors, write_lines, write_text

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
    job = prepare(recipe, folder, rewards or {}, with_suite=True)
    begin(folder, job)
    _run_job(job, folder, rewards or {}, jobs)
    return folder


def _check_arms(recipe: Recipe, folder: RunFolder, rewards: Mapping[str, RewardFunction]) -> None:
    """Find an arm's wrong reward or missing sample before the hours that come before that arm.

    One that has begun was found to be right, and has its own sample.
    """
    from polymath.rewards import check_rewards
    from polymath.samples.sources import load_samples

    begun = set(folder.arm_names()) if (folder.path / "run.json").exists() else set()
    for arm, name in ((arm_recipe(recipe, name), name) for name in recipe.arms if name not in begun):
        limit, where = arm.rollout.max_tokens, f"arms.{name}.reward"
        check_rewards(arm.reward.weights(), arm.reward.options, rewards, max_tokens=limit, where=where)
        load_samples(arm.sample)


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
            part_job = prepare(part_recipe, part, rewards, with_suite=True, num_threads=num_threads)
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
    job = prepare(recipe, folder, rewards or {}, with_suite=recipe.evaluate.every > 0)
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


def draw_lab_samples(recipe: Path, out: Path, *, num: int, seed: int) -> dict[str, Any]:
    """Random samples of the lab as files in `out`, all in pool.jsonl, and recipe.toml with one arm a sample."""
    from polymath.evaluation.benchmarks import lab
    from polymath.lab.draws import draw_samples

    given = read_recipe(recipe)
    if given.arms or given.sample.use or given.sample.pool:
        raise RecipeError(
            recipe, "has a [sample] or arms of its own", "name one without, such as recipes/lab-draws.toml"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunFolderError(out, "exists and is not empty", "choose another --out")
    drawn = draw_samples(num, seed, avoid=lab.load_dev())
    names = [f"draw-{number:02}" for number in range(1, num + 1)]
    rows = [sample.model_dump(mode="json", exclude_defaults=True) for sample in drawn]
    for name, row in zip(names, rows, strict=True):
        write_text(out / f"{name}.json", json.dumps(row, indent=2, ensure_ascii=False) + "\n")
    write_lines(out / "pool.jsonl", rows)
    paths = {name: json.dumps((out / f"{name}.json").as_posix(), ensure_ascii=False) for name in names}
    arms = "".join(f"\n[arms.{name}]\nsample.use = {paths[name]}\n" for name in names[1:])
    text = recipe.read_text(encoding="utf-8").rstrip() + f"\n\n[sample]\nuse = {paths[names[0]]}\n{arms}"
    write_text(out / "recipe.toml", text)
    read_recipe(out / "recipe.toml")
    return {"samples": str(out / "pool.jsonl"), "recipe": str(out / "recipe.toml"), "num_samples": num}


def record_lab(
    experiment: str,
    run_folder: Path,
    *,
    title: str,
    commands: Sequence[str] | None,
    probe: Path | None,
    responses: Sequence[str],
    out: Path | None,
) -> Path:
    """Write the record of an experiment from its run folder; by default among those that ship with the lab."""
    from polymath.lab import recorded_dir
    from polymath.reporting import recording

    folder = RunFolder(run_folder)
    told: dict[str, Any] = {"commands": commands or [folder.read_info()["command"]], "title": title}
    if experiment == "draws":
        if probe is None:
            raise RecipeError("--probe", "is missing", "name the folder of the base's evaluation on the samples")
        record = recording.record_draws(folder, probe, **told)
    elif experiment == "pass-at-k":
        pairs = dict(pair.split("=", 1) for pair in responses if "=" in pair)
        if len(pairs) < max(2, len(responses)):
            raise RecipeError(
                "--responses", "does not name two models or more as NAME=FILE", "write base=FILE and another NAME=FILE"
            )
        record = recording.record_pass_at_k({name: Path(file) for name, file in pairs.items()}, folder, **told)
    elif experiment in recording.RECORDERS:
        record = recording.RECORDERS[experiment](folder, **told)
    else:
        known = ", ".join([*recording.RECORDERS, "draws", "pass-at-k"])
        raise RecipeError(experiment, "is no experiment that can be recorded", f"use {known}")
    path = out or recorded_dir() / f"{experiment}.json"
    write_text(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return path


def confirm_records(run_folder: Path) -> dict[str, str]:
    """Give records today's code hash where a new run of their recipe came out the same.

    The new run has the record's main recipe (no arms, no replicates) and weights; every metric of every step, every
    answer and every verdict must be the same bit for bit. A run on another kind of processor adds in another order
    and proves nothing either way.
    """
    from polymath.lab import recorded_dir
    from polymath.provenance import code_hash, recipe_hash, result_hash

    folder, verdicts = RunFolder(run_folder), {}
    info, recipe, result = folder.read_info(), folder.read_recipe(), result_hash(folder)
    if not folder.is_complete() or not folder.is_evaluated() or info.get("code_sha256") != code_hash():
        raise RunFolderError(run_folder, "is no complete run of today's code", "run the record's recipe again")
    same = {"main_recipe_sha256": recipe_hash(recipe), "result_sha256": result}
    for path in sorted(recorded_dir().glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        is_same = all(record[key] == value for key, value in same.items())
        is_same = is_same and record["hashes"]["weights"] == info["model"]["sha256"]
        if is_same:
            record["hashes"]["code"] = code_hash()
            write_text(path, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        verdicts[record["experiment"]] = "confirmed" if is_same else "not by this run"
    return verdicts


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
