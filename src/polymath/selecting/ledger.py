"""What a tournament has cost, read off its folders: steps, rollouts, tokens, evaluations, seconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polymath.recipe import Recipe
from polymath.runs import RunFolder
from polymath.selecting.trials import base_folder, read_failure, read_work, trial_path


def read_ledger(folder: Path, names: Sequence[str], recipe: Recipe) -> dict[str, Any]:
    """The cost so far; every trial counts, dropped and failed ones too.

    `steps_again` are steps that a kill took away before their checkpoint and that were trained again (their rollouts
    were not sampled again). `work_s` adds up the pieces that ended; `num_killed` pieces began and did not end.
    `answers_kept` are those that a killed evaluation left and that were not asked for again. `steps_of_all` is what
    training everybody to the last rung takes.
    """
    runs = [RunFolder(trial_path(folder, name)) for name in names]
    metrics = [row for run in runs for row in run.read_metrics()]
    work = [row for run in runs for row in read_work(run)]
    ended = [row for row in work if "ended" in row]
    evaluations = [_evaluation(base_folder(folder), 0, recipe)]
    evaluations += [_evaluation(run, step, recipe) for run in runs for step in _steps(run, recipe) if step > 0]
    done = [one for one in evaluations if one]
    return {
        "num_trials": len(names),
        "num_failed": sum(read_failure(folder, name) is not None for name in names),
        "steps": len(metrics),
        "steps_again": sum(row.get("steps_again", 0) for row in work),
        "steps_of_all": len(names) * recipe.train.num_steps,
        "rollouts": len(metrics) * recipe.rollout.num_groups * recipe.rollout.group_size,
        "rollout_tokens": int(sum(row["num_tokens"] for row in metrics)),
        "evaluations": len(done),
        "answers": sum(one["answers"] for one in done),
        "answers_kept": sum(one["answers_kept"] for one in done),
        "answer_tokens": sum(one["answer_tokens"] for one in done),
        "num_pieces": len(work) - len(ended),
        "num_killed": len(work) - 2 * len(ended),
        "work_s": sum(row["seconds"] for row in ended) + sum(one["seconds"] for one in done[:1]),
    }


def _steps(run: RunFolder, recipe: Recipe) -> list[int]:
    return run.evaluated_steps(recipe.evaluate.suite, recipe.evaluate.protocol)


def _evaluation(run: RunFolder, step: int, recipe: Recipe) -> dict[str, Any] | None:
    rows_path, summary_path = run.evaluation_paths(step, recipe.evaluate.suite, recipe.evaluate.protocol)
    if not summary_path.exists():
        return None
    with rows_path.open(encoding="utf-8") as file:
        tokens = [json.loads(line)["num_tokens"] for line in file if line.strip()]
    summary = json.loads(summary_path.read_text(encoding="utf-8"))
    kept = summary["num_from_before"]
    return {"answers": len(tokens), "answers_kept": kept, "answer_tokens": sum(tokens), "seconds": summary["seconds"]}
