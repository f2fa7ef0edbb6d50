"""Audits in; the object that --json prints, audit.json, a table for a terminal and a self-contained page out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polymath.auditing.stage import Audit, AuditSettings
from polymath.reporting.templates import page_environment
from polymath.runs import write_text
from polymath.samples.findings import DECIDES

MARKS = {True: "good", False: "bad", None: "open"}
STYLES = {True: "green", False: "red", None: "dim"}
# Each check as a question, in plain words.
QUESTIONS = {
    "reference": "Is its own answer judged right?",
    "near misses": "Are nearly right answers judged wrong?",
    "choices": "Are the options different?",
    "balance": "Is the reaction balanced?",
    "solution": "Does the worked solution hold?",
    "label": "Is the label exact?",
    "in the text": "Does the answer stand in the question?",
    "guessable": "Can it be guessed?",
    "shortcut": "Does simple arithmetic give it?",
    "fits": "Does it fit the model's context?",
    "box": "Is the answer put in a box?",
    "pass rate": "Can the model solve it, and fail?",
    "ways": "Are right answers worked out?",
    "majority": "Does the model insist on another answer?",
    "blank prompt": "Does the model say it unasked?",
    "solver": "Does a solver agree?",
    "benchmarks": "Is it in a benchmark?",
    "pool": "Is it in the pool?",
}


def to_json(audits: Sequence[Audit]) -> dict[str, Any]:
    """What --json prints: sound only where every sample is. Of several, each detail begins with its sample's number."""
    findings = []
    for number, audit in enumerate(audits, 1):
        lead = f"sample {number}: " if len(audits) > 1 else ""
        findings += [{"check": one.check, "ok": one.ok, "detail": lead + one.detail} for one in audit.findings]
    return {"sound": all(audit.is_sound for audit in audits), "findings": findings}


def audit_table(audits: Sequence[Audit], name: str) -> RenderableType:
    """One page for a terminal."""
    parts: list[RenderableType] = []
    for number, audit in enumerate(audits, 1):
        parts += [
            Text(_heading(audit, name, number, len(audits)), style="bold"),
            Text(_short(audit.sample.question, 200)),
        ]
        table = Table(box=SIMPLE_HEAD, title_justify="left", show_edge=False)
        table.add_column("check", no_wrap=True)
        table.add_column("", no_wrap=True)
        table.add_column("what was found", overflow="fold")
        for one in audit.findings:
            warns = "" if one.decides or one.ok is not False else " (warning)"
            table.add_row(QUESTIONS[one.check], Text(MARKS[one.ok] + warns, style=STYLES[one.ok]), Text(one.detail))
        parts += [table, Text(verdict(audit), style=STYLES[audit.is_sound])]
    return Group(*parts)


def verdict(audit: Audit) -> str:
    """The last line, in a sentence."""
    warnings = [one.check for one in audit.findings if one.ok is False and not one.decides]
    open_ = [one.check for one in audit.findings if one.ok is None]
    told = "Sound." if audit.is_sound else f"Unsound: {', '.join(audit.reasons)}."
    told += f" Warned of: {', '.join(warnings)}." if warnings else ""
    return told + (f" Open: {', '.join(open_)}." if open_ else "")


def audit_counts(audits: Sequence[Audit], name: str) -> RenderableType:
    """How many samples of a large file each check refuses, and how many it leaves open."""
    table = Table(box=SIMPLE_HEAD, title_justify="left", show_edge=False)
    for column in ("check", "unsound", "warned", "open"):
        table.add_column(column, justify="left" if column == "check" else "right")
    for check, question in QUESTIONS.items():
        found = [one for audit in audits for one in audit.findings if one.check == check]
        if not found:
            continue
        bad = sum(one.ok is False for one in found)
        decides = check in DECIDES
        num_open = sum(one.ok is None for one in found)
        table.add_row(question, str(bad if decides else 0), str(0 if decides else bad), str(num_open))
    num_unsound = sum(not audit.is_sound for audit in audits)
    told = f"{num_unsound} of {len(audits)} samples of {name} are unsound ({num_unsound / len(audits):.1%})"
    return Group(table, Text(told, style=STYLES[not num_unsound]))


def write_audit(audits: Sequence[Audit], settings: AuditSettings, name: str, folder: Path) -> None:
    """audit.json and audit.html, each whole or not at all."""
    told = {
        **to_json(audits),
        "sample": name,
        "decides": sorted(DECIDES),
        "group_size": settings.group_size,
        "num_groups": settings.num_groups,
        "samples": [
            {
                "id": audit.sample.id,
                "question": audit.sample.question,
                "answer": audit.sample.answer,
                "sound": audit.is_sound,
                "reasons": audit.reasons,
                "findings": [{**vars(one), "decides": one.decides} for one in audit.findings],
                **audit.figures,
            }
            for audit in audits
        ],
    }
    write_text(folder / "audit.json", json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / "audit.html", render_page(audits, name))


def render_page(audits: Sequence[Audit], name: str) -> str:
    """The page; no network, no script, every text escaped."""
    environment = page_environment(Path(__file__).parent)
    return environment.get_template("audit.html.j2").render(
        audits=audits, name=name, marks=MARKS, questions=QUESTIONS, verdict=verdict, shown=_shown_answers
    )


def _shown_answers(audit: Audit) -> list[tuple[str, list[tuple[str, int]]]]:
    """Who was asked, and the answers said most often."""
    shown = []
    for key, title in (("draws", "The model's draws"), ("solver", "The solver's replies")):
        if told := audit.figures.get(key):
            wrong = [(f"wrong: {answer or 'no answer'}", count) for answer, count in list(told["wrong"].items())[:6]]
            shown.append((f"{title}: {told['model']}", [(f"right: {audit.sample.answer}", told["right"]), *wrong]))
    return shown


def _heading(audit: Audit, name: str, number: int, total: int) -> str:
    place = f", sample {number} of {total}" if total > 1 else ""
    return f"{name}{place}: {audit.sample.answer_type}, labelled {audit.sample.answer}"


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
