"""A tournament's folder in, its page out: who won, every score with its interval, what it cost. No torch, no network.

Read are tournament.json, ranking.jsonl and samples/NAME.json; the same folder gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from polymath.evaluation.statistics import Interval
from polymath.reporting import figures, wording
from polymath.reporting.templates import page_environment
from polymath.runs import read_lines, write_text

PAGE = "tournament.html"
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A candidate as it stands on the page. `cells` are its scores, a rung each; `outcome` is what became of it."""

    row: Row
    sample: Mapping[str, Any]
    cells: list[str]
    outcome: str
    drawing: Markup | None
    alt: str


def write_page(folder: Path) -> Path:
    """Write tournament.html beside the data and say where it is."""
    path = folder / PAGE
    write_text(path, render_page(folder))
    return path


def render_page(folder: Path) -> str:
    """The page as text."""
    found = json.loads((folder / "tournament.json").read_text(encoding="utf-8"))
    ranking = read_lines(folder / "ranking.jsonl")
    settings, ledger = found["settings"], found["ledger"]
    environment = page_environment()
    shown = [_show(folder, row, ranking, settings["rungs"], found["winner"]) for row in ranking]
    return (
        environment.get_template("tournament.html.j2").render(
            status=found["status"],
            winner=next((one for one in shown if one.row["name"] == found["winner"]), None),
            tie=found.get("tie"),
            story=[
                *tell_story(ranking, found["winner"]),
                *([f"A tie: {found['tie']}."] if found.get("tie") else []),
            ],
            facts=_list_facts(settings, ranking),
            rungs=settings["rungs"],
            shown=shown,
            costs=list_costs(ledger, found["wall_s"]),
            rules=tell_rules(settings),
            command=settings["command"],
        )
        + "\n"
    )


def tell_story(ranking: Sequence[Row], winner: str | None) -> list[str]:
    """Who won and by how much, and what the scores cannot say."""
    if winner is None:
        failed = sum(row["failure"] is not None for row in ranking)
        return [f"All {failed} candidates failed."] if failed == len(ranking) else ["It has not ended yet."]
    last = ranking[0]["rungs"][-1]
    found = _interval(last["difference"])
    ahead = (
        f"“{winner}” is ahead after {last['step']} steps: {wording.points(found.mean)} points "
        f"(95% interval {wording.span(found)}) on {last['num_problems']:,} dev problems."
    )
    told = [ahead]
    rival = next((row for row in ranking[1:] if row["failure"] is None and row["entered"] == last["step"]), None)
    if rival is not None:
        margin = _interval(rival["behind"])
        doubt = "" if wording.direction(margin) == "gain" else ": these problems cannot tell the two apart"
        told.append(
            f"That is {wording.points(margin.mean)} points ({wording.span(margin)}, problems paired) beyond the "
            f"next, “{rival['name']}”{doubt}."
        )
    if wording.direction(found) != "gain":
        told.append("Even the winner’s gain cannot be told from none.")
    return told


def tell_rules(settings: Mapping[str, Any]) -> str:
    """The rules in words."""
    steps = ", ".join(map(str, settings["rungs"]))
    return (
        f"The rungs are {steps} steps. Of those that enter one the best {wording.percent(settings['keep'])}, rounded "
        "up, train on from where they stand. A tie goes to the one that was ahead a rung before, then to the first in "
        "the list. A candidate that fails takes a place behind all others. Where one alone is left, it has won."
    )


def list_costs(ledger: Mapping[str, Any], wall_s: float) -> list[tuple[str, str]]:
    """The ledger in words."""
    if not ledger:
        return []
    saved = f"{ledger['steps']:,} of the {ledger['steps_of_all']:,} that training all to the end takes"
    return [
        ("Training steps", saved),
        ("Rollouts", f"{ledger['rollouts']:,} ({ledger['rollout_tokens']:,} tokens)"),
        (
            "Evaluations",
            f"{ledger['evaluations']:,} ({ledger['answers']:,} answers, {ledger['answer_tokens']:,} tokens)",
        ),
        ("Candidates that failed", f"{ledger['num_failed']} of {ledger['num_trials']}"),
        ("Pieces of work that were killed", f"{ledger['num_killed']} of {ledger['num_pieces']}"),
        ("Steps trained again for that", str(ledger["steps_again"])),
        ("Work", f"{ledger['work_s'] / 60:.1f} minutes over all workers"),
        ("Wall time", f"{wall_s / 60:.1f} minutes"),
    ]


def _list_facts(settings: Mapping[str, Any], ranking: Sequence[Row]) -> str:
    section = settings["recipe"]["evaluate"]
    limit = f", {section['limit']} problems a benchmark" if section["limit"] else ""
    model = Path(settings["recipe"]["model"]["path"]).name
    return (
        f"{len(ranking)} candidates · model {model} · rungs at {', '.join(map(str, settings['rungs']))} steps · "
        f"scored on {section['suite']} ({section['protocol']}{limit})"
    )


def _show(folder: Path, row: Row, ranking: Sequence[Row], rungs: Sequence[int], winner: str | None) -> Shown:
    sample = json.loads((folder / "samples" / f"{row['name']}.json").read_text(encoding="utf-8"))
    by_step = {one["step"]: _interval(one["difference"]) for one in row["rungs"]}
    cells = [f"{wording.points(by_step[s].mean)} ({wording.span(by_step[s])})" if s in by_step else "" for s in rungs]
    if row["failure"] is not None:
        outcome = f"failed: {row['failure']}"
    elif row["name"] == winner:
        outcome = "won"
    elif winner is None:
        outcome = "in the race" if row["entered"] == max(other["entered"] for other in ranking) else "dropped"
    else:
        outcome = f"dropped after step {row['entered']}" if row["entered"] < max(rungs) else "reached the last rung"
    alt = f"{row['name']}: " + ("; ".join(f"step {s}: {wording.points(i.mean)}" for s, i in by_step.items()) or "none")
    drawing = _draw(row, ranking) if by_step else None
    return Shown(row=row, sample=sample, cells=cells, outcome=outcome, drawing=drawing, alt=alt)


def _draw(row: Row, ranking: Sequence[Row]) -> Markup:
    """Score against steps: this candidate with its intervals, the others in grey behind it."""
    figure, axes = figures.canvas(300, 150, left=40, right=10, top=8, bottom=24)
    axes.axhline(0, color=figures.FAINT, lw=1)
    every = [one for other in ranking for one in other["rungs"]]
    for other in ranking:
        steps, means = _line(other)
        axes.plot(steps, means, color="#c9c9c4", lw=1, marker="o", ms=2.5, zorder=1)
    steps, means = _line(row)
    for one in row["rungs"]:
        ends = [one["difference"]["low"], one["difference"]["high"]]
        axes.plot([one["step"]] * 2, ends, color=figures.AFTER, lw=4, alpha=0.25, solid_capstyle="butt")
    axes.plot(steps, means, color=figures.AFTER, lw=2, marker="o", ms=5, zorder=3)
    low = min(0.0, *(one["difference"]["low"] for one in every))
    high = max(0.0, *(one["difference"]["high"] for one in every))
    margin = 0.06 * ((high - low) or 1.0)
    axes.set_ylim(low - margin, high + margin)
    rungs = sorted({0, *(one["step"] for one in every)})
    axes.set_xlim(-0.04 * rungs[-1], 1.04 * rungs[-1])
    axes.xaxis.set_major_locator(FixedLocator(rungs))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=figures.NICE))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: wording.points(y).removesuffix(".0") or "0"))
    axes.grid(axis="y", color=figures.GRID, lw=1)
    return Markup(figures.inline(figure, f"candidate-{row['rank']}"))


def _line(row: Row) -> tuple[list[int], list[float]]:
    # The base is step 0: a difference of 0 by definition.
    return [0, *(one["step"] for one in row["rungs"])], [0.0, *(one["difference"]["mean"] for one in row["rungs"])]


def _interval(table: Mapping[str, float]) -> Interval:
    return Interval(mean=table["mean"], low=table["low"], high=table["high"])
