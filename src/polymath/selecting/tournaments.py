"""A tournament of samples: candidates and a recipe in; the sample that transfers best after a few steps out.

    TOURNAMENT/
      tournament.json    settings, status, and the ledger of what it cost
      ranking.jsonl      a line a candidate, the best first, with its score at every rung
      winner.json        the winning sample, for --sample
      tournament.html    the same for people
      base/ samples/ trials/    see selecting/trials.py

The score of a candidate at a rung is the accuracy of its trial on the dev problems minus that of the base, as the
report of a run has it: strict, mean over disciplines, problems paired. Here are the settings: a tournament begins with
them, and goes on with the same ones only. What happens then is in selecting/driving.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from polymath.errors import RecipeError, RunFolderError, SampleError
from polymath.machine import command_line
from polymath.recipe import Recipe, first_difference, make_recipe
from polymath.rewards import check_rewards
from polymath.runs import write_text
from polymath.selecting.candidates import Candidate, check_number, from_files, from_pool, seen_in_dev
from polymath.selecting.trials import SETTINGS, sample_path, write_failure
from polymath.selection.halving import Rules

FORMAT = 1
RUNGS, KEEP, SAVE_EVERY = (10, 20, 40), 0.5, 1


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line asks for. None is the default, or what a tournament that goes on was begun with."""

    recipe: Recipe | None = None
    pool: str | None = None
    samples: tuple[str, ...] = ()
    num: int | None = None
    seed: int = 0
    rungs: tuple[int, ...] | None = None
    keep: float | None = None
    suite: str | None = None
    limit: int | None = None
    save_every: int | None = None


class Entry(BaseModel):
    """A candidate as the settings name it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    id: str
    index: int | None


class Settings(BaseModel):
    """What decides a tournament; everything else (jobs, executor) may differ when it goes on.

    `recipe` is that of every trial, without a sample. `command` and `directory` say where it was begun.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    rungs: tuple[int, ...]
    keep: float
    candidates: tuple[Entry, ...]
    command: str
    directory: str

    @property
    def rules(self) -> Rules:
        """The rungs and the share that goes on."""
        return Rules(rungs=self.rungs, keep=self.keep)

    @property
    def names(self) -> list[str]:
        """The candidates, in order."""
        return [entry.name for entry in self.candidates]


def open_tournament(folder: Path, asked: Asked, *, resume: bool) -> Settings:
    """Begin a tournament, or find that the one in the folder is what is asked for; raises UserError.

    Two that would differ in anything that decides the result are not the same tournament.
    """
    candidates = _read_candidates(asked)
    if not resume:
        if asked.recipe is None or candidates is None:
            raise RecipeError("tournament", "needs a recipe and --pool or --samples", "or go on with one by --resume")
        rules = make_rules(asked.rungs or RUNGS, KEEP if asked.keep is None else asked.keep)
        recipe = trials_recipe(
            asked.recipe,
            rules.rungs,
            suite=asked.suite or asked.recipe.evaluate.suite,
            limit=asked.limit or asked.recipe.evaluate.limit,
            save_every=asked.save_every or SAVE_EVERY,
        )
        return begin_tournament(folder, recipe, candidates, rules)
    settings, _ = read_tournament(folder)
    known = settings.recipe
    rules = make_rules(asked.rungs or settings.rungs, settings.keep if asked.keep is None else asked.keep)
    recipe = trials_recipe(
        asked.recipe or known,
        rules.rungs,
        suite=asked.suite or known.evaluate.suite,
        limit=asked.limit or known.evaluate.limit,
        save_every=asked.save_every or known.train.save_every,
    )
    _check_same(folder, settings, recipe, rules, candidates)
    return settings


def _read_candidates(asked: Asked) -> list[Candidate] | None:
    if asked.pool is not None and asked.samples:
        raise SampleError("--pool, --samples", "are both given", "give one of them")
    if asked.num is not None and asked.pool is None:
        raise SampleError("--candidates", "draws from a pool and none is given", "add --pool")
    if asked.pool is not None:
        return from_pool(asked.pool, asked.num, asked.seed)
    return from_files(asked.samples) if asked.samples else None


def trials_recipe(recipe: Recipe, rungs: Sequence[int], *, suite: str, limit: int | None, save_every: int) -> Recipe:
    """The recipe of every trial: to the last rung, one thread, evaluated at the rungs; without sample and arms.

    Raises RecipeError for what a tournament cannot have.
    """
    if recipe.replicate_seeds:
        raise RecipeError("replicate_seeds", "a trial is one run of one sample", "--set replicate_seeds=[]")
    if recipe.arms:
        print(f"the recipe's arms do not take part: {', '.join(recipe.arms)}", file=sys.stderr)
    if recipe.evaluate.demonstrate:
        raise RecipeError(
            "evaluate.demonstrate", "asks every trial in another way, so that none compares to the base", "leave it out"
        )
    if recipe.sample.use is not None or recipe.sample.pool is not None:
        print("the recipe's own [sample] does not take part: the candidates replace it", file=sys.stderr)
    check_rewards(recipe.reward.weights(), recipe.reward.options, max_tokens=recipe.rollout.max_tokens)
    table = recipe.model_dump(mode="json", exclude={"sample", "arms", "replicate_seeds"})
    table["train"] |= {"num_steps": rungs[-1], "save_every": save_every}
    table["evaluate"] |= {"every": 0, "suite": suite, "limit": limit}
    table["engine"] |= {"threads": 1}
    return make_recipe(table)


def make_rules(rungs: Sequence[int], keep: float) -> Rules:
    """The rules; raises RecipeError where they cannot be held."""
    try:
        return Rules(rungs=tuple(rungs), keep=keep)
    except ValueError as error:
        raise RecipeError("--rungs, --keep", str(error), "say --rungs 10,20,40 --keep 0.5") from None


def begin_tournament(folder: Path, recipe: Recipe, candidates: Sequence[Candidate], rules: Rules) -> Settings:
    """Make the folder of a new tournament. Nothing is trained yet; the settings are written last."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunFolderError(folder, "exists and is not empty", "choose another --out, or continue it with --resume")
    check_number(candidates)
    refused = seen_in_dev(candidates, recipe)
    for candidate in candidates:
        row = candidate.sample.model_dump(mode="json", exclude_defaults=True)
        write_text(sample_path(folder, candidate.name), json.dumps(row, indent=2, ensure_ascii=False) + "\n")
    for name, reason in refused.items():
        print(f"{name}: {reason}; it does not take part", file=sys.stderr)
        write_failure(folder, name, reason)
    settings = Settings(
        recipe=recipe,
        rungs=rules.rungs,
        keep=rules.keep,
        candidates=tuple(Entry(name=one.name, id=one.sample.id, index=one.index) for one in candidates),
        command=command_line(),
        directory=str(Path.cwd()),
    )
    write_tournament(folder, settings, status="running", wall_s=0.0)
    return settings


def read_tournament(folder: Path) -> tuple[Settings, float]:
    """The settings of a tournament that has begun, and the seconds it has taken; raises RunFolderError."""
    path = folder / SETTINGS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise RunFolderError(path, "is of another format", "start a new tournament with this version")
        return Settings.model_validate(found["settings"]), float(found["wall_s"])
    except FileNotFoundError as error:
        raise RunFolderError(folder, f"has no {SETTINGS}", "start a new tournament without --resume") from error
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise RunFolderError(path, "cannot be read", "start a new tournament") from error


def _check_same(
    folder: Path, settings: Settings, recipe: Recipe, rules: Rules, candidates: Sequence[Candidate] | None
) -> None:
    difference = None
    if rules != settings.rules:
        asked, begun = ((list(one.rungs), one.keep) for one in (rules, settings.rules))
        difference = f"rungs and keep {asked} against {begun}"
    elif candidates is not None:
        names = {one.name: one.sample.id for one in candidates}
        begun_names = {entry.name: entry.id for entry in settings.candidates}
        if list(names.items()) != list(begun_names.items()):
            other = sorted({name for name, _ in names.items() ^ begun_names.items()})
            difference = f"other candidates: {', '.join(other[:3]) or 'in another order'}"
    difference = difference or first_difference(recipe, settings.recipe)
    if difference is not None:
        raise RunFolderError(folder, f"is a tournament with other settings ({difference})", "choose another --out")


def write_tournament(
    folder: Path,
    settings: Settings,
    *,
    status: str,
    wall_s: float,
    ledger: dict[str, Any] | None = None,
    winner: str | None = None,
    tie: str | None = None,
) -> None:
    """Write tournament.json."""
    table = {
        "format": FORMAT,
        "status": status,
        "winner": winner,
        "tie": tie,
        "wall_s": wall_s,
        "ledger": ledger or {},
        "settings": settings.model_dump(mode="json"),
    }
    write_text(folder / SETTINGS, json.dumps(table, indent=2, ensure_ascii=False) + "\n")
