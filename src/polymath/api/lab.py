"""The lab's commands: its model, its random samples, and the records that ship with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polymath.api.runs import evaluate
from polymath.errors import RecipeError, RunFolderError
from polymath.machine import choose_threads
from polymath.recipe import read_recipe
from polymath.runs import RunFolder, telling_disk_errors, write_lines, write_text


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
    from polymath.reporting.ablation import record_ablation

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
    elif experiment == "ablation":
        record = record_ablation(folder, **told)
    elif experiment in recording.RECORDERS:
        record = recording.RECORDERS[experiment](folder, **told)
    else:
        known = ", ".join([*recording.RECORDERS, "draws", "pass-at-k", "ablation"])
        raise RecipeError(experiment, "is no experiment that can be recorded", f"use {known}")
    name = f"ablation-{record['grid']}" if experiment == "ablation" else experiment
    path = out or recorded_dir() / f"{name}.json"
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
        verdicts[path.stem] = "confirmed" if is_same else "not by this run"
    return verdicts
