"""The skills of samples in; the files of `polymath skills` and their summary out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from polymath.runs import write_lines, write_text
from polymath.synthesis.choice import Chosen, Spectrum, choose_prime, choose_specialists
from polymath.synthesis.skill_replies import Listed
from polymath.synthesis.skill_rules import agree_on_disciplines, agree_on_skills
from polymath.synthesis.skills import Extracted, mean_spectrum
from polymath.types import Sample

TOP_SKILLS = 12


def write_summary(
    out: Path,
    rows: Sequence[Extracted],
    samples: Mapping[str, Sample],
    names: Mapping[str, Mapping[str, str]],
    said: Mapping[str, Mapping[str, Listed]],
    facts: Mapping[str, Any],
    categories: Sequence[str],
    *,
    breadth: str,
) -> dict[str, Any]:
    """Count, choose and write skills.jsonl, names.json, chosen/, summary.json and skills.html; the summary."""
    from polymath.reporting.skills import render_skills

    once = list({row.id: row for row in rows}.values())
    chosen = choose(once, categories, breadth=breadth)
    summary = {
        **facts,
        "categories": list(categories),
        "num_samples": len(once),
        "groups": _spectra(rows, categories, lambda row: (row.group,)),
        "disciplines": _spectra(rows, categories, lambda row: row.disciplines[:1]),
        "names": {category: _count_names(once, category) for category in categories},
        "readings": dict(Counter(one.reading for each in said.values() for one in each.values())),
        "num_cut": sum(one.is_cut for each in said.values() for one in each.values()),
        "num_repeated": sum(one.num_repeated for each in said.values() for one in each.values()),
        "num_dropped": sum(one.num_dropped for each in said.values() for one in each.values()),
        "agreement": _agreement(samples.values(), once),
        "choice": [{**asdict(one), "why": one.why} for one in chosen],
        "top": {category: _top(once, category) for category in categories},
        "folder": str(out),
    }
    write_lines(out / "skills.jsonl", [{**asdict(row), "counts": row.counts} for row in rows])
    write_text(out / "names.json", _as_json({category: _spellings(names[category]) for category in categories}))
    for one in chosen:
        path = out / "chosen" / f"{one.role.replace(' ', '-')}.json"
        meta = {**samples[one.id].meta, "chosen": {"role": one.role, "rule": one.rule, "why": one.why}}
        edited = samples[one.id].model_copy(update={"meta": meta})
        write_text(path, _as_json(edited.model_dump(mode="json", exclude_defaults=True)))
    write_text(out / "summary.json", _as_json(summary))
    write_text(out / "skills.html", render_skills(summary, [{**asdict(row), "counts": row.counts} for row in once]))
    return summary


def choose(rows: Sequence[Extracted], categories: Sequence[str], *, breadth: str) -> list[Chosen]:
    """The Prime and, it set apart, the specialists; nothing for fewer than two samples or where none has a skill."""
    spectra = [Spectrum(id=row.id, name=row.label, counts=row.counts) for row in rows]
    if len(spectra) < 2 or not any(one.total for one in spectra):
        return []
    prime = choose_prime(spectra, breadth=breadth)
    return [prime, *choose_specialists(spectra, categories, apart=[prime.id]).values()]


def _spectra(
    rows: Sequence[Extracted], categories: Sequence[str], keys: Callable[[Extracted], Iterable[str]]
) -> dict[str, dict[str, Any]]:
    members: dict[str, list[Extracted]] = {}
    for row in rows:
        for key in keys(row):
            members.setdefault(key, []).append(row)
    return {
        name: {"num_samples": len(group), "mean": mean_spectrum(group, categories)} for name, group in members.items()
    }


def _count_names(rows: Sequence[Extracted], category: str) -> dict[str, int]:
    """Mentions, spellings, and what is left when spellings of one skill are one."""
    return {
        "mentions": sum(len(row.skills[category]) for row in rows),
        "spellings": len({name for row in rows for name in row.skills[category]}),
        "skills": len({name for row in rows for name in row.canonical[category]}),
    }


def _top(rows: Sequence[Extracted], category: str) -> list[tuple[str, int]]:
    counts = Counter(name for row in rows for name in row.canonical[category])
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP_SKILLS]


def _agreement(samples: Iterable[Sample], rows: Sequence[Extracted]) -> dict[str, Any]:
    known, found = list(samples), {row.id: row.skills for row in rows}
    return {
        "disciplines": asdict(agree_on_disciplines(known, found)),
        "skills": asdict(agree_on_skills(known, found)),
    }


def _spellings(names: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for spelling, name in sorted(names.items()):
        found.setdefault(name, []).append(spelling)
    return found


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
