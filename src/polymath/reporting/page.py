"""A run folder in, one self-contained HTML page out: no network, no script, every text escaped.

The page depends on the folder only, so the same folder gives the same bytes.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from polymath.reporting import figures, study_figures, wording
from polymath.reporting.answers import behaviours_section, draws_section
from polymath.reporting.beside import beside_section
from polymath.reporting.cells import Table
from polymath.reporting.checkpoints import saturation_of, saturation_section
from polymath.reporting.compare import Difference, Reading
from polymath.reporting.examples import pick_examples, pick_rollouts
from polymath.reporting.read import ReportData, read_report
from polymath.reporting.record_tables import list_tables
from polymath.reporting.recorded import Record, parse_record, read_records
from polymath.reporting.recording import across_seeds
from polymath.reporting.sections import Section, form_section, matrix_section, subjects_section
from polymath.reporting.templates import page_environment
from polymath.runs import RunFolder, write_text

WIDE_PX, NARROW_PX, HALF_PX = 944, 384, 456

# Title of a panel to its metrics and their labels; panels without data are left out.
PANELS: dict[str, dict[str, str]] = {
    "Reward": {"reward": "reward"},
    "Groups that teach": {"learnable_fraction": "learnable", "frac_reward_zero_std": "unanimous"},
    "Entropy, nats a token": {"entropy": "entropy"},
    "Loss of the demonstrations": {"loss": "loss"},
    "Gradient norm": {"grad_norm": "gradient norm"},
    "Response length, tokens": {"completions/mean_length": "mean length"},
    "Cut off at the limit": {"completions/clipped_ratio": "cut off"},
    "Boxed and undecided": {"boxed_frac": "boxed", "undecided_frac": "undecided"},
    "Tokens a second": {"tokens_per_s": "tokens a second"},
    "KL to the base model": {"kl": "kl"},
}


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure as it stands in the page; `shape` says on which screens."""

    svg: Markup
    alt: str
    shape: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One of the small multiples."""

    title: str
    note: str
    keys: list[tuple[str, str]]
    drawing: Drawing


@dataclass(frozen=True, kw_only=True)
class Study:
    """A recorded experiment as it stands in the page: its figures with their captions, and its tables."""

    record: Record
    figures: list[tuple[str, list[Drawing]]]
    tables: list[Table]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A section as it stands in the page."""

    section: Section
    figures: list[tuple[str, Drawing]]


def write_report(run: RunFolder) -> Path:
    """Write the report of this run beside its data and say where it is."""
    write_text(run.report_path, render_report(read_report(run)))
    return run.report_path


def render_report(data: ReportData) -> str:
    """The page as text."""
    environment = page_environment()
    saturated = saturation_of(data)
    saturation_step = saturated[0].held if saturated else None
    sections = [
        subjects_section(data),
        form_section(data),
        draws_section(data),
        matrix_section(data),
        beside_section(data),
        saturation_section(data, saturated),
        behaviours_section(data),
    ]
    environment.filters |= {
        "percent": wording.percent,
        "points": wording.points,
        "span": wording.span,
        "number": wording.number,
        "p_value": wording.p_value,
        "changes": lambda table: ", ".join(recipe_lines(table)),
    }
    return (
        environment.get_template("page.html.j2").render(
            data=data,
            facts=list_facts(data),
            story=wording.tell_result(data),
            caveat=wording.tell_caveat(data),
            strip=list_rates(data),
            disciplines=draw_disciplines(data),
            arms_figure=draw_arms(data),
            over_seeds=draw_over_seeds(data.run),
            studies=[draw_study(record) for record in read_records(data.run.path / "recorded")],
            panels=draw_panels(data, saturation_step),
            saturation_step=saturation_step,
            sections=draw_sections(sections),
            ways=draw_ways(data),
            transitions=tell_transitions(data.difference),
            examples=pick_examples(data.before.rows, data.after.rows) if data.before and data.after else [],
            rollouts=[(step, len(rows), pick_rollouts(rows)) for step, rows in filter(None, (data.early, data.late))],
            command=list_command(data),
            provenance=list_provenance(data),
            recipe="\n".join(recipe_lines(data.recipe.model_dump(mode="json"))),
            change_cell=change_cell,
        )
        + "\n"
    )


def list_facts(data: ReportData) -> str:
    """Model, length of training and test, in one line."""
    model, recipe = data.info.get("model", {}), data.recipe
    size = model.get("num_parameters")
    facts = [f"Model {Path(recipe.model.path).name or recipe.model.path}" + (f" ({tell_size(size)})" if size else "")]
    facts.append(f"{len(data.metrics)} training steps")
    facts.append(f"tested on {recipe.evaluate.suite}, {recipe.evaluate.protocol}")
    if data.before:
        count, draws = data.before.num_problems, data.before.num_draws
        facts.append(f"{count:,} problems in {len(data.before.disciplines)} disciplines")
        is_equal = all(score.get("num_draws", draws) == draws for score in data.before.benchmarks.values())
        facts += [f"{'' if is_equal else 'up to '}{draws} draws each"] if draws > 1 else []
    return " · ".join(facts)


def tell_size(num_parameters: int) -> str:
    """A parameter count as people say it."""
    for unit, name in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if num_parameters >= unit:
            return f"{num_parameters / unit:.3g} {name} parameters"
    return f"{num_parameters} parameters"


def list_rates(data: ReportData) -> list[tuple[str, str, str]]:
    """What the test responses were like, before and after."""
    before, after = data.before, data.after
    if before is None:
        return []
    shown = [("Boxed", "boxed_frac"), ("Truncated", "truncated_frac"), ("Undecided", "undecided_frac")]
    if before.undecided_frac or (after and after.undecided_frac):
        shown += [("Strict if all undecided were right", "strict_upper")]
        shown += [("Lenient if all undecided were right", "lenient_upper")]
    rates = [
        (title, wording.percent(getattr(before, key)), wording.percent(getattr(after, key)) if after else "")
        for title, key in shown
    ]
    return [*rates, ("Tokens a response", f"{before.mean_tokens:.1f}", f"{after.mean_tokens:.1f}" if after else "")]


def draw_disciplines(data: ReportData) -> list[Drawing]:
    """The dumbbells for wide and for narrow screens."""
    if data.before is None or data.after is None:
        return []
    before, after = data.before, data.after
    alt = "Strict accuracy before and after training. " + "; ".join(
        f"{name}: {wording.percent(score.accuracy)} to {wording.percent(after.disciplines[name].accuracy)}"
        for name, score in before.disciplines.items()
        if name in after.disciplines
    )
    return [
        _drawing(figures.draw_disciplines(before, after, width=width), f"disciplines-{shape}", alt, shape)
        for shape, width in (("wide", WIDE_PX), ("narrow", NARROW_PX))
    ]


def draw_arms(data: ReportData) -> list[Drawing]:
    """The arms against the base model, for wide and for narrow screens."""
    if data.difference is None or not figures.compared(data.arms):
        return []
    alt = "Difference to the base model in points. " + "; ".join(
        f"{name}: strict {wording.points(difference.strict.mean)}, lenient {wording.points(difference.lenient.mean)}"
        for name, difference in (("trained", data.difference), *((arm.name, arm.difference) for arm in data.arms))
        if difference
    )
    return [
        _drawing(figures.draw_arms(data, width=width), f"arms-{shape}", alt, shape)
        for shape, width in (("wide", WIDE_PX), ("narrow", NARROW_PX))
    ]


def draw_over_seeds(run: RunFolder) -> Study | None:
    """The run, its arms and its replicates in one figure, once all of them are complete."""
    record = across_seeds(run)
    return draw_study(parse_record(record), prefix="seeds") if record else None


def draw_study(record: Record, prefix: str = "recorded") -> Study:
    """The figures and tables of one experiment; `prefix` keeps their ids apart in the page."""
    drawn = []
    for figure in study_figures.list_figures(record):
        shapes = [("scrolled", WIDE_PX)] if figure.is_scrolled else [("wide", WIDE_PX), ("narrow", NARROW_PX)]
        drawings = [
            _drawing(figure.draw(width), f"{prefix}-{figure.name}-{shape}", figure.alt, shape)
            for shape, width in shapes
        ]
        drawn.append((figure.caption, drawings))
    return Study(record=record, figures=drawn, tables=list_tables(record))


def draw_sections(sections: Iterable[Section | None]) -> dict[str, Shown]:
    """The sections that apply, by name, with their figures, two side by side."""
    return {
        section.name: Shown(
            section=section,
            figures=[
                (figure.caption, _drawing(figure.draw(HALF_PX), f"{section.name}-{figure.name}", figure.alt))
                for figure in section.figures
            ],
        )
        for section in filter(None, sections)
    }


def draw_panels(data: ReportData, saturation_step: int | None = None) -> list[Panel]:
    """The small multiples over training steps; test accuracy and reward with a mark at the saturation step."""
    panels = []
    if len(data.evaluations) > 2:
        first, last = data.evaluations[0].strict.mean, data.evaluations[-1].strict.mean
        alt = f"Test accuracy over training steps: strict from {wording.percent(first)} to {wording.percent(last)}."
        keys = [(figures.AFTER, "strict"), (figures.LENIENT, "lenient")]
        drawing = _drawing(_mark(figures.draw_accuracy(data.evaluations), saturation_step), "accuracy", alt)
        panels.append(Panel(title="Test accuracy", note="", keys=keys, drawing=drawing))
    imitates = data.recipe.engine.name == "sft"
    for title, wished in PANELS.items():
        if "loss" in wished and not imitates:
            continue  # of a policy gradient it says nothing
        found = {key: label for key, label in wished.items() if figures.series(data.metrics, key)[1]}
        if not found:
            continue
        values = figures.series(data.metrics, next(iter(found)))[1]
        ends = f"{wording.number(values[0])} → {wording.number(values[-1])}"
        keys = list(zip(figures.SERIES, found.values(), strict=False)) if len(found) > 1 else []
        drawn = figures.draw_metric(data.metrics, found)
        drawing = _drawing(
            _mark(drawn, saturation_step if "reward" in found else None),
            "metric-" + next(iter(found)).replace("/", "-"),
            f"{title} over training steps, from first to last: {ends}.",
        )
        panels.append(Panel(title=title, note="" if keys else ends, keys=keys, drawing=drawing))
    return panels


def draw_ways(data: ReportData) -> list[tuple[str, str, Drawing]]:
    """Ways of answering: over training steps, and on the test problems before and after."""
    drawn = []
    if names := figures.way_names(data.metrics):
        alt = f"Share of training rollouts over steps by way of answering: {', '.join(names)}."
        drawing = _drawing(figures.draw_ways_over_steps(data.metrics, width=HALF_PX), "ways-steps", alt)
        drawn.append(("In training", "share of the rollouts of each step", drawing))
    if data.before and data.after and (data.before.ways or data.after.ways):
        before, after = data.before, data.after
        alt = "Share of test responses by way of answering, before and after. " + "; ".join(
            f"{name}: {wording.percent(before.ways.get(name, 0))} to {wording.percent(after.ways.get(name, 0))}"
            for name in sorted({*before.ways, *after.ways})
        )
        drawing = _drawing(figures.draw_ways_tested(before, after, width=HALF_PX), "ways-test", alt)
        drawn.append(("On the test problems", "share of the responses, grey before, blue after", drawing))
    return drawn


def tell_transitions(difference: Difference | None) -> str:
    """How many problems changed, of those with one draw."""
    if difference is None or difference.matrix is None:
        return ""
    counts = difference.matrix
    return (
        f"Of {difference.num_problems:,} problems {counts[False, True]:,} turned right, "
        f"{counts[True, False]:,} turned wrong, {counts[True, True]:,} stayed right "
        f"and {counts[False, False]:,} stayed wrong (undecided is counted with wrong here)."
    )


def change_cell(difference: Difference | None, reading: Reading) -> Markup:
    """A table cell with a difference and its interval."""
    if difference is None:
        return Markup("<td></td>")
    interval = difference.strict if reading == "strict" else difference.lenient
    return Markup("<td>{} <small>{}</small></td>").format(wording.points(interval.mean), wording.span(interval))


def list_command(data: ReportData) -> str:
    """The command that made the run."""
    command = data.info.get("command") or ""
    return command if isinstance(command, str) else shlex.join(str(part) for part in command)


def list_provenance(data: ReportData) -> list[tuple[str, str]]:
    """Where the run came from: seed, commit, machine, versions."""
    info = data.info
    model, seconds = info.get("model", {}), info.get("seconds")
    listed = [
        ("Seed", info.get("seed", data.recipe.seed)),
        ("Commit", info.get("commit")),
        ("Started", info.get("created")),
        ("Wall time", f"{seconds / 60:.1f} minutes" if isinstance(seconds, int | float) else None),
        ("Model", model.get("path")),
        ("Model sha256", model.get("sha256")),
        ("Device", " · ".join(str(info[key]) for key in ("device", "dtype") if info.get(key))),
        ("Threads", info.get("threads")),
        ("Machine", _listed(info.get("machine"))),
        ("Versions", _listed(info.get("versions"))),
    ]
    return [(name, str(value)) for name, value in listed if value not in (None, "")]


def recipe_lines(table: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Nested keys as lines of TOML; keys without a value are left out, as TOML has no null."""
    lines = []
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += recipe_lines(value, f"{prefix}{key}.")
        elif value is not None:
            lines.append(f"{prefix}{key} = {json.dumps(value, ensure_ascii=False)}")
    return lines


def _listed(table: object) -> str | None:
    return ", ".join(f"{key} {value}" for key, value in table.items()) if isinstance(table, Mapping) else None


def _mark(figure: Figure, step: int | None) -> Figure:
    """The same panel with a dashed line at this training step."""
    if step is not None:
        figure.axes[0].axvline(step, color=figures.INK, lw=1.2, ls=(0, (3, 2)), zorder=1)
    return figure


def _drawing(figure: Figure, name: str, alt: str, shape: str = "") -> Drawing:
    return Drawing(svg=Markup(figures.inline(figure, name)), alt=alt, shape=shape)
