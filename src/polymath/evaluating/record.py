"""A model, a suite and a protocol in; rows and summary on disk out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polymath.errors import EndpointError, RunFolderError, Stopped
from polymath.evaluating.after import check_comparable
from polymath.evaluating.policies import open_cache, open_policy
from polymath.evaluating.settings import Asked, Settings, evaluation_folder, leave_room, prepare, run_of
from polymath.machine import versions
from polymath.runs import RunFolder


def evaluate_model(
    model: str,
    settings: Settings,
    *,
    out: Path | None = None,
    resume: bool = False,
    use_cache: bool = True,
    before: Path | None = None,
) -> dict[str, Any]:
    """The summary of one model's evaluation. Results lie in `out`, by default where `evaluation_folder` says.

    `before` is the folder of an evaluation that this one is to be compared with: raises RunFolderError at once where
    that cannot be.
    """
    if (Path(model) / "run.json").exists():
        raise RunFolderError(
            model, "is a run folder, not a model", "name one of its checkpoints, or ask for --all-checkpoints"
        )
    asked = prepare(model, settings)
    if before is not None:
        check_comparable(before, asked)
    step = re.fullmatch(r"step-(\d+)", Path(model).name) if run_of(model) else None
    facts = {"step": int(step[1])} if step else {}
    folder = out or evaluation_folder(model, settings.served.model)
    return record(model, asked, folder, facts, resume=resume, use_cache=use_cache)


def evaluate_checkpoints(
    run: RunFolder, settings: Settings, *, resume: bool = False, use_cache: bool = True
) -> dict[int, dict[str, Any]]:
    """Step to summary, of the base and of every checkpoint of a run; results lie in its evaluations/."""
    steps = sorted(int(path.name.removeprefix("step-")) for path in run.checkpoints.glob("step-*"))
    if not steps:
        raise RunFolderError(run.path, "has no checkpoints", "name a run folder whose checkpoints are still there")
    models = {0: str(run.read_recipe().model.path)}
    models |= {step: str(run.checkpoints / f"step-{step}") for step in steps}
    asked = prepare(models[steps[0]], settings)
    return {
        step: record(
            model,
            asked,
            run.path / "evaluations" / f"step-{step}",
            {"step": step},
            resume=resume,
            use_cache=use_cache,
        )
        for step, model in models.items()
    }


def record(
    model: str, asked: Asked, folder: Path, facts: Mapping[str, Any], *, resume: bool, use_cache: bool
) -> dict[str, Any]:
    """Open the model and have it answer what is asked; rows and summary lie in `folder` then. Returns the summary.

    An answer that is known is not asked for again: of a finished evaluation there, of an unfinished one with `resume`,
    of the cache with `use_cache`.
    """
    from polymath.evaluation.record import record_evaluation

    settings = asked.settings
    policy, known = open_policy(model, settings)
    asked = leave_room(asked, policy)
    facts = {**known, **facts, "template": settings.template_file or settings.template}
    facts |= {"folder": str(folder), "seed": settings.seed, "versions": versions()}
    try:
        summary = record_evaluation(
            policy,
            asked.suite,
            asked.protocol,
            asked.template,
            folder,
            title=f"evaluate {asked.suite.name}",
            seed=settings.seed or 0,
            batch_size=settings.batch_size or 32,
            facts=facts,
            resume=resume,
            cache=open_cache(facts, settings) if use_cache else None,
            tell=getattr(policy, "tell_usage", dict),
        )
    except EndpointError as error:
        remedy = f"{error.remedy}; what was answered is kept: continue with the same command and --resume"
        raise EndpointError(error.where, error.what, remedy) from error
    except KeyboardInterrupt:
        raise Stopped(
            f"stopped; what was answered is in {folder}; continue with the same command and --resume"
        ) from None
    # A folder may have been moved, and a run's own evaluations do not say where they are.
    return {**summary, "folder": str(folder)}
