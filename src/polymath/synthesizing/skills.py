"""`polymath skills`: pools, samples and suites in; their skills, the spectra and the choice out.

replies.jsonl    every reply, as it came; a run that was killed goes on from here and pays for nothing twice
skills.jsonl     a row a sample: skills by category, as said and under their common names
names.json       category to common name to the spellings that it stands for
summary.json     spectra, choice, how replies read out, agreement with tags made by hand
chosen/ROLE.json the chosen samples, with the reason in meta
skills.html      the same for people
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from polymath.errors import EndpointError, RecipeError, RunFolderError, Stopped
from polymath.llm import Endpoint, Reply, Request
from polymath.progress import ProgressLine
from polymath.runs import RunFolder, read_lines
from polymath.synthesis.asking import Asker, Budget
from polymath.synthesis.replies import Ask, Replies
from polymath.synthesis.skill_names import THRESHOLD, canonical_names
from polymath.synthesis.skill_replies import Listed, read_skills
from polymath.synthesis.skill_rules import rules, tag_skills
from polymath.synthesis.skills import (
    Extracted,
    ask_for_skills,
    read_categories,
    read_instruction,
)
from polymath.synthesizing.skill_summary import write_summary
from polymath.types import Sample

RULES = "rules"
# Not measured: cosines of embeddings lie higher than those of letters.
EMBEDDING_THRESHOLD = 0.85
LABEL_CHARACTERS = 72
# What an offline run asks: nobody.
_NOBODY = "http://replay.invalid/v1"


@dataclass(frozen=True, kw_only=True)
class SkillSettings:
    """What is extracted and how. Without an endpoint and without recorded replies the rules decide.

    `replay` are folders of earlier runs, or their replies.jsonl; `model` names the model of the recorded replies where
    there is no endpoint. `merge` is the likeness at which names come together.
    """

    categories: tuple[str, ...] = ("all",)
    endpoint: Endpoint | None = None
    model: str | None = None
    replay: tuple[Path, ...] = ()
    template_file: str | None = None
    temperature: float = 0.0
    max_tokens: int = 512
    budget: Budget | None = None
    embedder: Endpoint | None = None
    merge: float = THRESHOLD
    breadth: str = "sum"
    data: str | None = None
    limit: int | None = None


def extract_skills(
    sources: Sequence[str], out: Path, settings: SkillSettings, *, resume: bool = False
) -> dict[str, Any]:
    """Extract, count, choose, and write the files above; the summary comes back.

    Raises UserError for what cannot be read or asked, Stopped at Ctrl-C; replies so far are kept in both cases.
    """
    categories = read_categories(settings.categories)
    _check_rules(categories, settings)
    template = read_instruction(settings.template_file)
    groups = read_groups(sources, data=settings.data, limit=settings.limit)
    _check_folder(out, resume=resume)
    out.mkdir(parents=True, exist_ok=True)
    samples = {sample.id: sample for members in groups.values() for _, sample in members}
    with RunFolder(out).locked():
        if settings.endpoint is None and not settings.replay:
            said = {sample.id: _by_rules(sample, categories) for sample in samples.values()}
            facts: dict[str, Any] = {"by": RULES}
        else:
            said, facts = _by_model(list(samples.values()), categories, template, out, settings)
        names = bring_together(said, categories, settings, out)
        rows = [
            _row(sample, group, label, said[sample.id], names, categories)
            for group, members in groups.items()
            for label, sample in members
        ]
        facts |= {"merge_threshold": settings.merge}
        return write_summary(out, rows, samples, names, said, facts, list(categories), breadth=settings.breadth)


def read_groups(
    sources: Iterable[str], *, data: str | None = None, limit: int | None = None
) -> dict[str, list[tuple[str, Sample]]]:
    """Group name to its samples with their labels: a benchmark of a suite is a group, and so is a pool.

    `library` is all samples that ship with the package, but for those that are flawed on purpose. Raises SampleError
    for what is neither pool nor suite.
    """
    from polymath.evaluation.benchmarks import BENCHMARKS
    from polymath.evaluation.suites import SUITES, load_suite
    from polymath.samples.pools import read_pool
    from polymath.samples.sources import find_sample, library_names

    groups: dict[str, list[tuple[str, Sample]]] = {}
    for source in sources:
        if source == "library":
            named = [(name, sample) for name in library_names() for sample in find_sample(name)]
            found = {"library": [(name, sample) for name, sample in named if "flaw" not in sample.meta][:limit]}
        elif source.endswith(".toml") or {*BENCHMARKS, *SUITES} & set(source.split("+")):
            suite = load_suite(source, data=data, limit=limit)
            for name, reason in suite.missing.items():
                print(f"missing  {name}: {reason}", file=sys.stderr)
            found = {name: [(_label(one), one) for one in problems] for name, problems in suite.benchmarks.items()}
        else:
            pool = read_pool(source)
            if pool.set_aside:
                print(f"{source}: {len(pool.set_aside)} rows set aside, {pool.set_aside[0].reason}", file=sys.stderr)
            is_named = source in library_names()
            found = {source: [(source if is_named else _label(row.sample), row.sample) for row in pool.rows[:limit]]}
        for name, members in found.items():
            groups.setdefault(name, []).extend(members)
    return groups


def bring_together(
    said: Mapping[str, Mapping[str, Listed]], categories: Iterable[str], settings: SkillSettings, out: Path
) -> dict[str, dict[str, str]]:
    """Category to spelling to common name; names of different categories are never one skill."""
    spoken = {category: [name for one in said.values() for name in one[category].skills] for category in categories}
    vectors = None
    if settings.embedder is not None:
        from polymath.synthesis.skill_vectors import embed

        vectors = embed(settings.embedder, {name for names in spoken.values() for name in names}, out / "vectors.jsonl")
    return {
        category: canonical_names(names, threshold=settings.merge, vectors=vectors)
        for category, names in spoken.items()
    }


def _check_rules(categories: Mapping[str, str], settings: SkillSettings) -> None:
    own = [name for name in categories if name not in rules()]
    if own and settings.endpoint is None and not settings.replay:
        raise RecipeError("--categories", f"there are no rules for {own[0]!r}", "name an endpoint with --url")
    if settings.template_file and settings.endpoint is None and not settings.replay:
        raise RecipeError("--template-file", "the rules read no instruction", "name an endpoint with --url")


def _check_folder(out: Path, *, resume: bool) -> None:
    used = [name for name in ("replies.jsonl", "summary.json") if (out / name).exists()]
    if used and not resume:
        raise RunFolderError(
            out, f"holds {used[0]} already", "go on with --resume, or choose another folder with --out"
        )


def _by_rules(sample: Sample, categories: Iterable[str]) -> dict[str, Listed]:
    found = tag_skills(sample, categories)
    return {name: Listed(skills=skills, reading="listed" if skills else "none") for name, skills in found.items()}


def _by_model(
    samples: Sequence[Sample], categories: Mapping[str, str], template: str, out: Path, settings: SkillSettings
) -> tuple[dict[str, dict[str, Listed]], dict[str, Any]]:
    """Ask what is not recorded yet. Raises Stopped and EndpointError with what was answered kept."""
    endpoint = settings.endpoint or Endpoint(url=_NOBODY, model=settings.model or _recorded_model(settings.replay))
    asks = {
        (one.problem, one.category): Ask(
            id=f"skills/{one.problem[:24]}/{one.category}",
            name="skills",
            endpoint=endpoint,
            request=Request(text=one.text, temperature=settings.temperature, max_tokens=settings.max_tokens),
        )
        for one in ask_for_skills(samples, categories, template)
    }
    with Replies(out / "replies.jsonl") as replies:
        _copy_recorded(replies, asks.values(), settings.replay)
        num_known = sum(replies.find(ask) is not None for ask in asks.values())
        if settings.endpoint is None:
            _check_complete(num_known, len(asks), endpoint.model)
            answers = {ask.id: replies.find(ask) for ask in asks.values()}
            is_spent = False
        else:
            answers, is_spent = _ask(list(asks.values()), replies, num_known, settings, out)
        served = sorted({row["served_model"] for ask in asks.values() if (row := replies.row(ask))})
        usage = asdict(replies.usage)
    said: dict[str, dict[str, Listed]] = {}
    for (problem, category), ask in asks.items():
        said.setdefault(problem, {})[category] = _read(answers.get(ask.id))
    facts = {
        "by": endpoint.model,
        "served_models": served,
        "num_calls": len(asks),
        "num_known_before": num_known,
        "is_budget_spent": is_spent,
        "usage": usage,
    }
    return said, facts


def _ask(
    asks: Sequence[Ask], replies: Replies, num_known: int, settings: SkillSettings, out: Path
) -> tuple[dict[str, Reply | None], bool]:
    try:
        with ProgressLine("skills", len(asks), start=num_known) as line:
            asker = Asker(
                replies,
                settings.budget or Budget(),
                on_trouble=lambda text: print(text, file=sys.stderr),
            )
            answers = asker.ask(asks, lambda ask, reply: line.advance(1, tokens=float(replies.usage.completion_tokens)))
            return dict(answers), asker.is_spent
    except EndpointError as error:
        remedy = f"{error.remedy}; replies are kept: the same command with --resume goes on"
        raise EndpointError(error.where, error.what, remedy) from error
    except KeyboardInterrupt:
        raise Stopped(f"stopped; {len(replies)} replies are in {out}: the same command with --resume goes on") from None


def _read(reply: Reply | None) -> Listed:
    if reply is None:
        return Listed(skills=(), reading="unasked")
    if reply.finish in ("blocked", "overlong"):
        return Listed(skills=(), reading="blocked")
    return read_skills(reply.text, is_cut=reply.finish == "length")


def _recorded(folder: Path) -> list[dict[str, Any]]:
    path = folder / "replies.jsonl" if folder.is_dir() else folder
    if not path.is_file():
        raise RunFolderError(path, "there are no recorded replies", "name a folder that polymath skills made")
    try:
        return read_lines(path)
    except ValueError as error:
        raise RunFolderError(path, f"cannot be read ({error})", "name a folder that polymath skills made") from None


def _recorded_model(replay: Sequence[Path]) -> str:
    models = sorted({str(row.get("model")) for folder in replay for row in _recorded(folder)})
    if len(models) != 1:
        told = ", ".join(models) or "no model"
        raise RunFolderError(str(replay[0]), f"holds replies of {told}", "name one of them with --served-model")
    return models[0]


def _copy_recorded(replies: Replies, asks: Iterable[Ask], replay: Sequence[Path]) -> None:
    """Take over what earlier runs were told, as far as it is asked again."""
    recorded = {(row["id"], row["key"]): row for folder in replay for row in _recorded(folder)}
    for ask in asks:
        row = recorded.get((ask.id, ask.key))
        if row is not None and replies.find(ask) is None:
            replies.copy(row)


def _check_complete(num_known: int, num_asks: int, model: str) -> None:
    if num_known < num_asks:
        raise RunFolderError(
            "--replay",
            f"{num_asks - num_known} of {num_asks} calls have no recorded reply of {model}",
            "ask for them with --url, or give the problems, categories and instruction of that run",
        )


def _label(sample: Sample) -> str:
    text = " ".join(sample.question.split())
    return text if len(text) <= LABEL_CHARACTERS else f"{text[: LABEL_CHARACTERS - 1]}…"


def _row(
    sample: Sample,
    group: str,
    label: str,
    said: Mapping[str, Listed],
    names: Mapping[str, Mapping[str, str]],
    categories: Iterable[str],
) -> Extracted:
    return Extracted(
        id=sample.id,
        group=group,
        label=label,
        disciplines=sample.disciplines,
        skills={category: said[category].skills for category in categories},
        canonical={
            category: tuple(dict.fromkeys(names[category][name] for name in said[category].skills))
            for category in categories
        },
        outcomes={category: said[category].reading for category in categories},
        num_cut=sum(one.is_cut for one in said.values()),
    )
