"""A pool and what is known of it in; a ranking, the chosen samples and a page that explains them, on disk, out.

OUT/ranking.jsonl     rank, index, id, score, the best first
OUT/chosen/*.json     one sample a file, ready for polymath run --sample
OUT/selection.json    settings, cost, the pool's report, how far selectors agree
OUT/selection.html    the same as a page
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from polymath.errors import RecipeError, RunFolderError, SampleError
from polymath.runs import new_run_path, read_lines, remove_folder, write_lines, write_text
from polymath.samples.near import THRESHOLD
from polymath.samples.pool_report import PoolReport, report_pool
from polymath.samples.pools import Pool, read_pool
from polymath.selection.choice import Selected, group_rows, pick, tell_cost
from polymath.selection.features_file import read_features_ids, read_features_scores, read_shift_picks
from polymath.selection.histories import read_histories, read_scores
from polymath.selection.probe import read_probe
from polymath.selection.ranking import Ranked, Ranking, agree, rank
from polymath.selection.selectors import SELECTORS, Evidence, computable
from polymath.types import Sample

FILES = ("history", "scores", "probe", "skills", "features")
# Settings with a meaning only under some selectors, and only beside another setting.
ONLY_BY = {"threshold": ("lim", "polymath"), "band": ("band",), "seed": ("random",)}
ONLY_BESIDE = {"steps_per_epoch": "history", "category": "skills", "data": "against"}
SHIFT_NOTE = "chosen as SHIFT chooses several: each far moved and unlike those before it, so not by rank alone"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be chosen, from what, by which evidence. Paths are None where there is no such evidence.

    `count` is a number of samples, of each subject where `per_subject`; None is the selector's own way.
    """

    pool: str
    by: str
    columns: Mapping[str, str] | None = None
    split: str = "train"
    strip_instruction: bool = False
    history: Path | None = None
    steps_per_epoch: int | None = None
    scores: Path | None = None
    probe: Path | None = None
    skills: Path | None = None
    features: Path | None = None
    threshold: float = 0.6
    band: tuple[float, float] = (0.0, 0.1)
    category: str | None = None
    count: int = 1
    per_subject: bool | None = None
    seed: int = 0
    against: str | None = None
    data: str | None = None
    near: float = THRESHOLD


def select(wanted: Wanted, out: Path | None = None) -> dict[str, Any]:
    """Choose, write everything into `out` (default: a new folder in selections/), and say what `--json` prints.

    An earlier selection in `out` is replaced; raises RunFolderError where something else is there.
    """
    from polymath.reporting.selection import render_selection

    if out is not None:
        _check_folder(out)
    selected = choose(wanted)
    folder = out or new_run_path(Path("selections"), f"{Path(wanted.pool).name.replace(':', '-')}-{wanted.by}")
    ranking = [asdict(row) for row in selected.ranking.rows]
    write_lines(folder / "ranking.jsonl", ranking)
    files = _write_chosen(selected, folder / "chosen")
    summary = {
        "selector": wanted.by,
        "pool": wanted.pool,
        "num_ranked": len(ranking),
        "num_unranked": selected.ranking.num_unranked,
        "cost": selected.cost,
        "notes": list(selected.notes),
        "caveat": SELECTORS[wanted.by].caveat,
        "agreement": [asdict(one) for one in selected.agreements],
        "report": selected.report.as_dict(),
        "chosen": files,
        "settings": _settings(wanted),
    }
    write_text(folder / "selection.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / "selection.html", render_selection(selected))
    shown = {key: summary[key] for key in ("cost", "notes", "caveat", "num_unranked")}
    return {
        "selector": wanted.by,
        "ranking": ranking,
        "chosen": files,
        **shown,
        "report": selected.report.lines(),
        "folder": str(folder),
        "page": str(folder / "selection.html"),
    }


def make_wanted(pool: str, by: str, settings: Mapping[str, Any]) -> Wanted:
    """What these settings ask for; those that are None are not asked.

    Raises SampleError for a band that is none, RecipeError for a setting that would be passed over.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    reasons = {name: f"has no meaning with --by {by}" for name, names in ONLY_BY.items() if by not in names}
    reasons |= {name: f"has no meaning without --{other}" for name, other in ONLY_BESIDE.items() if other not in given}
    for name, reason in reasons.items():
        if name in given:
            raise RecipeError(f"--{name.replace('_', '-')}", reason, "leave it out")
    low, high = given.get("band", (0.0, 1.0))
    if not -1 <= low < high <= 1:
        raise SampleError("--band", f"{low:g},{high:g} is no band of pass rates", "write --band 0,0.1")
    given |= {name: Path(given[name]) for name in FILES if name in given}
    return Wanted(pool=pool, by=by, **given)


def choose(wanted: Wanted) -> Selected:
    """The ranking and the choice, in memory; raises SampleError for an unknown selector or missing evidence."""
    evidence, ranking, chosen = rank_and_pick(wanted)
    report = report_pool(evidence.pool, _problems(wanted), threshold=wanted.near)
    is_by_shift = wanted.by == "shift" and wanted.count > 1
    others = [name for name in computable(evidence) if name != wanted.by]
    return Selected(
        by=wanted.by,
        evidence=evidence,
        ranking=ranking,
        chosen=chosen,
        report=report,
        agreements=tuple(agree(wanted.by, other, evidence) for other in others),
        cost=tell_cost(evidence),
        notes=(*list_notes(evidence, ranking), *([SHIFT_NOTE] if is_by_shift else []), *_warn(chosen, report)),
    )


def rank_and_pick(wanted: Wanted) -> tuple[Evidence, Ranking, tuple[Ranked, ...]]:
    """What is known of the pool, its ranking and the rows that are chosen; raises SampleError."""
    if wanted.by not in SELECTORS:
        raise SampleError("--by", f"there is no selector {wanted.by!r}", f"use one of {', '.join(SELECTORS)}")
    pool = read_pool(
        wanted.pool, columns=wanted.columns, split=wanted.split, strip_instruction=wanted.strip_instruction
    )
    evidence = gather(wanted, pool)
    ranking = rank(wanted.by, evidence)
    per_subject = SELECTORS[wanted.by].is_per_subject if wanted.per_subject is None else wanted.per_subject
    if wanted.by == "shift" and wanted.count > 1 and wanted.features is not None:
        return evidence, ranking, pick_apart(ranking, pool, wanted.features, wanted.count, per_subject=per_subject)
    return evidence, ranking, pick(ranking, pool, wanted.count, per_subject=per_subject)


def pick_apart(ranking: Ranking, pool: Pool, features: Path, count: int, *, per_subject: bool) -> tuple[Ranked, ...]:
    """`count` rows, of each subject where `per_subject`, as SHIFT chooses several: each unlike those before it."""
    chosen: list[Ranked] = []
    for rows in group_rows(ranking, pool, per_subject=per_subject):
        by_index = {row.index: row for row in rows}
        chosen += [by_index[index] for index in read_shift_picks(features, count, among=by_index)]
    return tuple(chosen)


def gather(wanted: Wanted, pool: Pool) -> Evidence:
    """Everything that the given files say of this pool."""
    epochs = {} if wanted.steps_per_epoch is None else {"steps_per_epoch": wanted.steps_per_epoch}
    evidence = Evidence(
        pool=pool,
        histories=read_histories(wanted.history, pool, **epochs) if wanted.history else None,
        scores=read_scores(wanted.scores, pool) if wanted.scores else None,
        probed=read_probe(wanted.probe / "probe.jsonl" if wanted.probe.is_dir() else wanted.probe)
        if wanted.probe
        else None,
        skills=read_skills(wanted.skills, pool) if wanted.skills else None,
        features=read_features_scores(wanted.features) if wanted.features else None,
        threshold=wanted.threshold,
        band=wanted.band,
        category=wanted.category,
        seed=wanted.seed,
    )
    _check_category(evidence)
    _check_fit(evidence, read_features_ids(wanted.features) if wanted.features else {})
    return evidence


def read_skills(path: Path, pool: Pool) -> dict[int, dict[str, int]]:
    """Pool row to category to number of skills, of rows with index or id, and counts or lists of names by category.

    Names that were brought together (`canonical`) count before raw ones (`skills`). Raises SampleError.
    """
    of_id: dict[str, list[int]] = {}
    for row in pool.rows:
        of_id.setdefault(row.sample.id, []).append(row.index)
    found: dict[int, dict[str, int]] = {}
    try:
        for values in read_lines(path):
            skills = values.get("counts") or values.get("canonical") or values["skills"]
            counts = {name: one if isinstance(one, int) else len(one) for name, one in skills.items()}
            indices = [values["index"]] if "index" in values else of_id.get(values["id"], [])
            found.update(dict.fromkeys(indices, counts))
    except OSError as error:
        raise SampleError(path, f"cannot be read ({error.strerror})", "make it with polymath skills") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SampleError(path, f"is no file of skills ({error!r})", "a row is {index or id, skills}") from error
    if not found:
        raise SampleError(path, f"has no row of {pool.source}", "name the pool it was made for")
    return found


def _check_category(evidence: Evidence) -> None:
    """A category that no row has would score every row 0, and choose the first."""
    known = sorted({name for counts in (evidence.skills or {}).values() for name in counts})
    if evidence.category is not None and evidence.skills is not None and evidence.category not in known:
        raise SampleError("--category", f"no row has skills of {evidence.category!r}", f"use one of {', '.join(known)}")


def _check_folder(folder: Path) -> None:
    """What a selection would write over is an earlier selection or nothing."""
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(folder, "is a file", "name a folder with --out")
    is_selection = (folder / "ranking.jsonl").exists() and not (folder / "tournament.json").exists()
    if folder.exists() and any(folder.iterdir()) and not is_selection:
        raise RunFolderError(folder, "is not empty and holds no selection", "choose another --out")


def _check_fit(evidence: Evidence, features: Mapping[int, str]) -> None:
    """Evidence of another pool would rank rows that have nothing to do with it."""
    known = {row.index for row in evidence.pool.rows} | {one.index for one in evidence.pool.set_aside}
    parts: list[tuple[str, set[int]]] = []
    if evidence.histories is not None:
        parts.append((evidence.histories.source, set(evidence.histories.curves)))
    if evidence.probed is not None:
        parts.append(("the probe", set(evidence.probed)))
        _check_ids("--probe", evidence.pool, {index: one.id for index, one in evidence.probed.items()})
    if features:
        parts.append(("the features", set(features)))
        _check_ids("--features", evidence.pool, features)
    for source, rows in parts:
        if not rows & known:
            raise SampleError(source, f"has no row of {evidence.pool.source}", "name the pool it was made for")


def _check_ids(option: str, pool: Pool, ids: Mapping[int, str]) -> None:
    samples = pool.by_index
    other = next((index for index, id in ids.items() if index in samples and samples[index].id != id), None)
    if other is not None:
        raise SampleError(option, f"row {other} is another sample there", "make it from this pool, read alike")


def list_notes(evidence: Evidence, ranking: Ranking) -> list[str]:
    """What a reader of the ranking has to know of the files that it is made from."""
    notes = list(evidence.pool.notes)
    strangers = sum(row.id is None for row in ranking.rows)
    notes += [f"{strangers:,} ranked rows are set aside or not in the pool and keep their rank"] if strangers else []
    for part in (evidence.histories, evidence.scores):
        if part is not None:
            notes += [f"{part.source}: {note}" for note in part.notes]
    if evidence.histories is not None:
        bare = sum(row.index not in evidence.histories.curves for row in evidence.pool.rows)
        notes += [f"{bare:,} pool rows have no history"] if bare else []
    return notes


def _warn(chosen: tuple[Ranked, ...], report: PoolReport) -> list[str]:
    picked = {row.index for row in chosen}
    return [
        f"row {one.index} is chosen and near problem {one.other} of {benchmark} (Jaccard index {one.jaccard:.2f})"
        for benchmark, found in report.near_benchmarks.items()
        for one in found
        if one.index in picked
    ]


def _problems(wanted: Wanted) -> dict[str, tuple[Sample, ...]]:
    from polymath.evaluation.suites import load_suite

    return load_suite(wanted.against, data=wanted.data).benchmarks if wanted.against else {}


def mark_chosen(by: str, pool: Pool, chosen: Sequence[Ranked]) -> list[Sample]:
    """The chosen samples, each with where it comes from in its meta."""
    samples, found = pool.by_index, []
    for row in chosen:
        sample = samples[row.index]
        origin = {"pool": pool.source, "selector": by, **asdict(row)}
        found.append(sample.model_copy(update={"meta": {**sample.meta, "selected": origin}}))
    return found


def _write_chosen(selected: Selected, folder: Path) -> list[str]:
    if folder.exists():
        remove_folder(folder)
    files = []
    for row, sample in zip(selected.chosen, mark_chosen(selected.by, selected.pool, selected.chosen), strict=True):
        path = folder / f"{row.rank:04}-row-{row.index}.json"
        write_text(path, json.dumps(sample.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False) + "\n")
        files.append(str(path))
    return files


def _settings(wanted: Wanted) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(wanted).items()}
