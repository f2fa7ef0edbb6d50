"""The [sample] of a recipe that chooses from a pool in; the chosen samples, and how it was done, out.

What is chosen is what `polymath select` chooses with the same settings; run.json says from which evidence.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from polymath.errors import RecipeError, SampleError, UserError
from polymath.jobs import Chosen
from polymath.recipe import SampleSection
from polymath.runs import read_lines
from polymath.samples.pools import Pool, read_pool
from polymath.selecting.choosing import FILES, list_notes, make_wanted, mark_chosen, rank_and_pick
from polymath.selecting.trials import SETTINGS
from polymath.selection.choice import pick, tell_cost
from polymath.selection.ranking import Ranked, Ranking
from polymath.selection.selectors import SELECTORS, Need

TOURNAMENT = "tournament"
# The key that names each kind of evidence.
KEY_OF: dict[Need, str] = {
    "history": "history",
    "scores": "scores",
    "probe": "probe",
    "skills": "skills",
    "hidden": "features",
    "gradients": "features",
}
# What is read of evidence that is a folder.
_READ = ("probe.jsonl", "*.scores.jsonl", "hidden.*", "step[_-]*.json*", "samples.jsonl", "rollouts/step-*.jsonl")
_OPTION = re.compile(
    r"--(by|seed|history|steps-per-epoch|scores|threshold|probe|band|skills|category|features|columns)\b"
)


def choose_samples(section: SampleSection) -> Chosen | None:
    """What the section chooses; None where it has no selector.

    Raises UserError where `polymath select` does, and RecipeError for a key that the selector does not use.
    """
    if section.selector is None:
        return None
    try:
        return _by_tournament(section) if section.selector == TOURNAMENT else _by_selector(section, section.selector)
    except UserError as error:
        where, what, remedy = map(_name_keys, (error.where, error.what, error.remedy))
        raise type(error)(where, what, remedy) from error


def check_same_choice(chosen: Chosen, before: Mapping[str, Any] | None) -> None:
    """Raises RecipeError where the run's other parts, with the same [sample], were given other samples before."""
    if before is not None and before["chosen"] != chosen.selection["chosen"]:
        raise RecipeError(
            "sample.selector",
            "chooses other samples now than when the run began",
            "give it the pool and the evidence of then, or start a new run",
        )


def tell_choice(chosen: Chosen) -> list[str]:
    """The choice in lines for people."""
    selection = chosen.selection
    lines = [
        f"chosen   row {row['index']} of {selection['pool']}: rank {row['rank']} of {selection['num_ranked']:,} by "
        f"{selection['selector']}, score {row['score']:.4f}, id {row['id'][:12]}"
        for row in selection["chosen"]
    ]
    lines += [f"note     {note}" for note in selection["notes"]]
    return [*lines, f"cost     {selection['cost']}", f"caveat   {selection['caveat']}"]


def _by_selector(section: SampleSection, name: str) -> Chosen:
    settings = {key: value for key, value in section.given().items() if key not in ("pool", "selector", TOURNAMENT)}
    if name not in SELECTORS:
        known = ", ".join([*SELECTORS, TOURNAMENT])
        raise SampleError("--by", f"there is no selector {name!r}", f"use one of {known}")
    wanted = make_wanted(str(section.pool), name, settings)
    _check_evidence(section, [KEY_OF[need] for need in SELECTORS[name].needs if need in KEY_OF])
    evidence, ranking, rows = rank_and_pick(wanted)
    notes = list_notes(evidence, ranking)
    return _chosen(
        section, evidence.pool, ranking, rows, cost=tell_cost(evidence), caveat=SELECTORS[name].caveat, notes=notes
    )


def _check_evidence(section: SampleSection, used: Sequence[str]) -> None:
    """Of evidence that is not looked at nothing may be expected. The first of `used` that is there is looked at."""
    given = [key for key in (*FILES, TOURNAMENT) if getattr(section, key) is not None]
    looked_at = next((key for key in used if key in given), None)
    for key in given:
        if key not in used:
            raise RecipeError(f"sample.{key}", f"is not used by the selector {section.selector}", "leave it out")
        if key != looked_at:
            raise RecipeError(
                f"sample.{key}", f"is not used by {section.selector} beside {looked_at}", "give one of them"
            )


def _by_tournament(section: SampleSection) -> Chosen:
    """What a finished tournament on this pool put first; the rank is the place there, failed candidates have none."""
    if section.tournament is None:
        raise RecipeError(
            "sample.selector",
            "tournament trains on every candidate, which is no part of a run",
            "hold one with polymath tournament --pool POOL --out FOLDER, and set sample.tournament to its folder",
        )
    settings = {key: value for key, value in section.given().items() if key not in ("pool", "selector", TOURNAMENT)}
    wanted = make_wanted(str(section.pool), TOURNAMENT, settings)
    _check_evidence(section, [TOURNAMENT])
    pool = read_pool(
        wanted.pool, columns=wanted.columns, split=wanted.split, strip_instruction=wanted.strip_instruction
    )
    found, rows = _read_tournament(Path(section.tournament))
    ranking = _rank_as_there(rows, pool, section.tournament)
    picked = pick(ranking, pool, wanted.count, per_subject=bool(wanted.per_subject))
    ledger = found["ledger"]
    cost = (
        f"the tournament trained {ledger['num_trials']} candidates for {ledger['steps']:,} steps: "
        f"{ledger['rollouts']:,} rollouts and {ledger['evaluations']} evaluations"
    )
    caveat = "the best of many noisy scores on its dev problems, which cannot also test it"
    notes = [found["tie"]] if found.get("tie") else []
    return _chosen(section, pool, ranking, picked, cost=cost, caveat=caveat, notes=notes)


def _read_tournament(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        found = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        rows = read_lines(folder / "ranking.jsonl")
        is_over = found["status"] == "complete"
    except (OSError, ValueError, KeyError) as error:
        remedy = "name the folder of a finished polymath tournament"
        raise SampleError(folder, f"cannot be read ({error})", remedy) from error
    if not is_over:
        remedy = f"finish it with polymath tournament --resume --out {folder}"
        raise SampleError(folder, f"is a tournament that is {found['status']}, not complete", remedy)
    return found, rows


def _rank_as_there(rows: Sequence[Mapping[str, Any]], pool: Pool, folder: str) -> Ranking:
    """The places of a tournament, each at the row of the pool that holds its sample."""
    samples = pool.by_index
    index_of: dict[str, int] = {}
    for row in pool.rows:
        index_of.setdefault(row.sample.id, row.index)
    ranked = []
    for place in rows:
        if place["failure"] is None and place["id"] in index_of:
            is_that_row = place["index"] in samples and samples[place["index"]].id == place["id"]
            index = place["index"] if is_that_row else index_of[place["id"]]
            ranked.append(Ranked(rank=place["rank"], index=index, id=place["id"], score=place["score"]))
    if not ranked:
        raise SampleError(folder, f"no candidate that stayed in is a row of {pool.source}", "name the pool it was of")
    scored = {row.index for row in ranked}
    return Ranking(selector=TOURNAMENT, rows=tuple(ranked), num_unranked=sum(index not in scored for index in samples))


def _chosen(
    section: SampleSection,
    pool: Pool,
    ranking: Ranking,
    rows: Sequence[Ranked],
    *,
    cost: str,
    caveat: str,
    notes: Sequence[str],
) -> Chosen:
    given = section.model_dump(mode="json", exclude={"use"}, exclude_none=True)
    selection = {
        **given,
        "pool_sha256": _hash_texts(f"{row.index} {row.sample.id}" for row in pool.rows),
        "evidence_sha256": {key: hash_evidence(given[key]) for key in (*FILES, TOURNAMENT) if key in given},
        "num_ranked": len(ranking.rows),
        "num_unranked": ranking.num_unranked,
        "cost": cost,
        "caveat": caveat,
        "notes": list(notes),
        "chosen": [asdict(row) for row in rows],
    }
    return Chosen(samples=mark_chosen(ranking.selector, pool, rows), selection=selection)


def hash_evidence(name: str) -> str:
    """sha256 of a file; of a folder that of the names and hashes of what is read of it."""
    path = Path(name)
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    patterns = ("ranking.jsonl",) if (path / SETTINGS).exists() else _READ
    files = sorted({file for pattern in patterns for file in path.glob(pattern)})
    return _hash_texts(f"{file.relative_to(path).as_posix()} {hash_evidence(str(file))}" for file in files)


def _hash_texts(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _name_keys(text: str) -> str:
    """Options of the command as keys of the recipe; those of another command stay."""
    return _OPTION.sub(lambda found: f"sample.{_key(found[1])}", text)


def _key(option: str) -> str:
    return "selector" if option == "by" else option.replace("-", "_")
