"""select, probe, tournament, audit, synthesize, skills: pools, samples and plans in, a folder and its summary out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.api.runs import RecipeLike, read_any
from polymath.errors import RecipeError, RunFolderError
from polymath.runs import new_run_path

if TYPE_CHECKING:
    from polymath.auditing import Audit
    from polymath.synthesis.plan import Plan
    from polymath.synthesizing.synthesize import Probe
    from polymath.types import Sample


def select(pool: str | Path, by: str, *, out: str | Path | None = None, **settings: Any) -> dict[str, Any]:
    """Rank the samples of a pool by a selector and write the chosen ones into `out`; returns what --json prints.

    `settings` are those of `polymath.selecting.choosing.Wanted`: history, scores, probe, count and so on. Raises
    UserError for missing evidence, and for a setting that the selector would pass over.
    """
    from polymath.selecting.choosing import make_wanted
    from polymath.selecting.choosing import select as choose

    return choose(make_wanted(str(pool), by, settings), Path(out) if out else None)


def probe(
    pool: str | Path,
    model: str,
    out: str | Path,
    *,
    num_draws: int = 16,
    temperature: float = 1.0,
    columns: str | Mapping[str, str] | None = None,
    limit: int | None = None,
    resume: bool = False,
    use_cache: bool = True,
    **settings: Any,
) -> dict[str, Any]:
    """Draw a few responses to every sample of a pool, its first `limit` rows; returns the summary.

    `settings` are those of `polymath.evaluating.Settings`: max_tokens, template, dtype, seed and so on. OUT/probe.jsonl
    is what selectors read. `resume` goes on with what was answered before.
    """
    from polymath.evaluating import Settings
    from polymath.selecting.probing import open_pool, probe_pool

    known = Settings(protocol=f"sample-{num_draws}-t{temperature:g}", **settings)
    found = open_pool(str(pool), columns, limit)
    return probe_pool(found, model, known, Path(out), num_draws=num_draws, resume=resume, use_cache=use_cache)


def tournament(
    recipe: RecipeLike | None = None,
    *,
    out: str | Path,
    pool: str | None = None,
    samples: Sequence[str] = (),
    resume: bool = False,
    executor: str = "local",
    jobs: int | None = None,
    ray_address: str | None = None,
    **asked: Any,
) -> dict[str, Any]:
    """Find the sample whose training transfers best, by successive halving in `out`; returns what --json prints.

    `asked` are the rest of `polymath.selecting.tournaments.Asked`: num, seed, rungs, keep, suite, limit, save_every.
    `resume` goes on with the tournament in `out`, which needs no recipe. Raises UserError before anything is written
    when the input is wrong, Stopped when asked to stop.
    """
    from polymath.selecting.driving import run_tournament
    from polymath.selecting.executors import EXECUTORS
    from polymath.selecting.tournaments import Asked, open_tournament

    if executor not in EXECUTORS:
        raise RecipeError("--executor", f"there is no {executor!r}", f"use one of {', '.join(EXECUTORS)}")
    given = None if recipe is None else read_any(recipe)
    wished = Asked(recipe=given, pool=pool, samples=tuple(samples), **asked)
    settings = open_tournament(Path(out), wished, resume=resume)
    num_gpus = int(settings.recipe.model.device.startswith("cuda"))
    return run_tournament(Path(out), EXECUTORS[executor](Path(out), jobs, ray_address, num_gpus))


def audit(
    sample: str | Path, *, out: str | Path | None = None, limit: int | None = None, **settings: Any
) -> tuple[list[Audit], Path | None]:
    """Is each sample of a file, a pool or the library (its first `limit`) sound? The audits, and the page's path.

    `settings` are those of `polymath.auditing.AuditSettings`: model, solver, against, pool and so on. The page is None
    where nobody names a folder and neither model nor solver is asked; then nothing is written.
    """
    from polymath.auditing import AuditSettings, audit_samples, default_folder, write_audit

    known = AuditSettings(**settings)
    found = _find_samples(str(sample))[:limit]
    folder = Path(out) if out else default_folder(str(sample), found)
    audits = audit_samples(found, known, folder)
    if out is None and known.model is None and known.solver is None:
        return audits, None
    write_audit(audits, known, str(sample), folder)
    return audits, folder / "audit.html"


def synthesize(
    plan: Plan | str | Path,
    *,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    resume: bool = False,
    replay: str | Path | None = None,
    probe: Probe | None = None,
) -> dict[str, Any]:
    """Have samples written as a plan says, in `out` (default: a new folder in synthesis/); returns the funnel.

    The funnel's `folder` and `report` say where it is. `overrides` are key=value laid over a plan file. `resume` goes
    on with the replies in `out`, `replay` takes those of another folder and asks nobody; `probe` looks at the samples
    in place of the plan's model. Raises UserError, and Stopped at Ctrl-C: every reply that came is kept.
    """
    from polymath.synthesis.plan import read_plan
    from polymath.synthesizing.synthesize import synthesize as carry_out

    if resume and out is None:
        raise RunFolderError("--resume", "does not say what to continue", "name the folder with --out")
    chosen = read_plan(plan, overrides) if isinstance(plan, str | Path) else plan
    folder = Path(out) if out else new_run_path(Path("synthesis"), chosen.name)
    funnel = carry_out(chosen, folder, resume=resume, replay=Path(replay) if replay else None, probe=probe)
    return {**funnel, "folder": str(folder), "report": str(folder / "synthesis.html")}


def skills(sources: str | Sequence[str], out: str | Path, *, resume: bool = False, **settings: Any) -> dict[str, Any]:
    """Which skills samples take, by category: spectra, specialists and the Prime in `out`; returns the summary.

    `settings` are those of `polymath.synthesizing.skills.SkillSettings`: endpoint, categories, breadth and so on.
    Without endpoint and recorded replies the rules decide. Raises UserError, and Stopped at Ctrl-C: every reply that
    came is kept.
    """
    from polymath.synthesizing.skills import SkillSettings, extract_skills

    listed = [sources] if isinstance(sources, str) else sources
    return extract_skills(listed, Path(out), SkillSettings(**settings), resume=resume)


def _find_samples(name: str) -> list[Sample]:
    """The samples of a file, of the library, or of a pool in a format that only pools have."""
    from polymath.samples.pools import read_pool
    from polymath.samples.sources import find_sample

    is_published = "@" in name and not Path(name).exists()
    if is_published or Path(name).suffix not in (".gz", ".parquet", ".csv"):
        return find_sample(name)
    return [row.sample for row in read_pool(name, strip_instruction=True).rows]
