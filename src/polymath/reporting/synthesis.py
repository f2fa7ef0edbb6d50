"""The folder of a synthesis in; a table for the terminal and one self-contained page out. No network, no script.

Every text of a model is escaped. The page depends on the files alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polymath.reporting.templates import page_environment
from polymath.runs import read_lines, write_text

STAGE_WORDS = {
    "read": "reading the reply",
    "filter": "filters",
    "agree": "agreement",
    "gold": "filters on the gold",
    "probe": "probe",
}
SHOWN_CHARACTERS = 4000


def write_synthesis_page(folder: Path) -> Path:
    """Write synthesis.html beside the data and say where it is."""
    path = folder / "synthesis.html"
    write_text(path, render_synthesis_page(folder))
    return path


def render_synthesis_page(folder: Path) -> str:
    """The page as text, from funnel.json, candidates.jsonl, plan.json and replies.jsonl."""

    environment = page_environment()
    environment.filters |= {"usage": tell_usage, "cut": _cut}
    funnel = json.loads((folder / "funnel.json").read_text(encoding="utf-8"))
    rows = read_lines(folder / "candidates.jsonl")
    replies = {row["id"]: row for row in read_lines(folder / "replies.jsonl")}
    largest = max((stage["num"] for stage in funnel["stages"]), default=0) or 1
    page = environment.get_template("synthesis.html.j2").render(
        funnel=funnel,
        bars=[(stage["stage"], stage["num"], round(100 * stage["num"] / largest, 1)) for stage in funnel["stages"]],
        story=tell_funnel(funnel),
        stage_words=STAGE_WORDS,
        accepted=[row for row in rows if row["outcome"] == "accepted"],
        others=[row for row in rows if row["outcome"] != "accepted"],
        replies=replies,
        plan=json.dumps(json.loads((folder / "plan.json").read_text(encoding="utf-8")), indent=2, ensure_ascii=False),
    )
    return page + "\n"


def funnel_table(funnel: Mapping[str, Any]) -> RenderableType:
    """How many came how far, why the others did not, and what it took."""
    stages = Table(box=SIMPLE_HEAD, title=Text(f"{funnel['name']}: {funnel['status']}"), padding=(0, 1))
    stages.add_column("stage")
    stages.add_column("candidates", justify="right")
    for stage in funnel["stages"]:
        stages.add_row(Text(stage["stage"]), str(stage["num"]))
    parts: list[RenderableType] = [stages]
    if funnel["rejected"]:
        reasons = Table(box=SIMPLE_HEAD, padding=(0, 1))
        for head in ("rejected at", "reason"):
            reasons.add_column(head)
        reasons.add_column("candidates", justify="right")
        for row in funnel["rejected"]:
            reasons.add_row(STAGE_WORDS.get(row["stage"], row["stage"]), Text(row["reason"]), str(row["num"]))
        parts.append(reasons)
    parts += [Text(line) for line in tell_funnel(funnel)]
    parts.append(Text(f"took {tell_usage(funnel['usage'])}"))
    return Group(*parts)


def tell_funnel(funnel: Mapping[str, Any]) -> list[str]:
    """What the counts mean, in sentences."""
    asked, accepted = funnel["stages"][0]["num"], funnel["stages"][-1]["num"]
    told = [f"{accepted} of {asked} candidates were accepted."]
    if funnel["unfinished"]:
        told.append(
            f"{funnel['unfinished']} were left unfinished, because the replies that the budget allows did not suffice; "
            "they count neither as accepted nor as rejected."
        )
    opinions = funnel["writer_agrees"]
    if opinions["no"]:
        told.append(
            f"On {opinions['no']} of the {sum(opinions.values())} that the solvers agree on, the writer's own answer "
            "is another one."
        )
    told += [
        f"{role} {name}: {one['num_repeated']} of {one['usage']['num_replies']} replies say word for word what an "
        "earlier one to the same prompt said. Where that is most of them, its server does not "
        "sample, and its attempts are one."
        for role, ones in (("Writer", funnel["writers"]), ("Solver", funnel["solvers"]))
        for name, one in ones.items()
        if one["num_repeated"]
    ]
    if funnel["missing_benchmarks"]:
        told.append(f"Not compared with {', '.join(sorted(funnel['missing_benchmarks']))}: missing here.")
    if not funnel["benchmarks"]:
        told.append("No benchmark was compared with.")
    return told


def tell_usage(usage: Mapping[str, Any]) -> str:
    """Tokens, requests and cost in one line."""
    parts = [
        f"{usage['num_replies']:,} replies",
        f"{usage['prompt_tokens']:,} + {usage['completion_tokens']:,} tokens",
    ]
    if usage["num_retries"]:
        parts.append(f"{usage['num_retries']:,} tried again")
    if usage["num_estimated"]:
        parts.append(f"{usage['num_estimated']:,} of them counted by length")
    parts.append("no price given" if usage["cost"] is None else f"cost {usage['cost']:.4g}")
    return ", ".join(parts)


def _cut(text: object) -> str:
    """A text of a page's size; it says where it was cut."""
    shown = str(text)
    if len(shown) <= SHOWN_CHARACTERS:
        return shown
    return f"{shown[:SHOWN_CHARACTERS]} … {len(shown) - SHOWN_CHARACTERS:,} more characters"
