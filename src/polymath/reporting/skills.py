"""The summary and the rows of `polymath skills` in, one self-contained page out: spectra, choice, names, agreement.

Bars are mean skills a sample by category; the panels of one row share their scale, so that lengths compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from polymath.reporting import figures
from polymath.reporting.templates import page_environment
from polymath.reporting.wording import number, percent

PANEL_PX, ROW_PX = 292, 18
MAX_PANELS = 12
MAX_ROWS = 200
# Categories of mathematics and the sciences, told apart by colour as well as by place.
COLORS = ("#0072B2", "#D55E00")
Row = Mapping[str, Any]


def render_skills(summary: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The page as text; `rows` are the samples, each once."""
    environment = page_environment()
    environment.filters |= {"percent": percent, "number": number}
    categories = summary["categories"]
    shown = [category for category in categories if any(row["counts"].get(category) for row in rows)]
    by_id = {row["id"]: row for row in rows}
    chosen = [(one, by_id[one["id"]]) for one in summary["choice"]]
    groups = dict(summary["groups"])
    fields = {name: group for name, group in summary["disciplines"].items() if len(summary["disciplines"]) > 1}
    return (
        environment.get_template("skills.html.j2").render(
            summary=summary,
            facts=list_facts(summary),
            categories=shown,
            untouched=[category for category in categories if category not in shown],
            groups=_panels({name: group["mean"] for name, group in groups.items()}, shown, "group", summary["groups"]),
            disciplines=_panels(
                {name: group["mean"] for name, group in fields.items()}, shown, "field", summary["disciplines"]
            ),
            chosen=_chosen_panels(chosen, shown),
            rows=sorted(rows, key=lambda row: (-sum(row["counts"].values()), row["label"]))[:MAX_ROWS],
            num_rows=len(rows),
            readings=sorted(summary["readings"].items(), key=lambda pair: -pair[1]),
        )
        + "\n"
    )


def list_facts(summary: Mapping[str, Any]) -> str:
    """Who said it, of how many samples, in one line."""
    by = "rules, no model" if summary["by"] == "rules" else f"model {summary['by']}"
    facts = [f"By {by}", count(summary["num_samples"], "sample"), f"{len(summary['categories'])} categories"]
    if "num_calls" in summary:
        facts.append(f"{summary['num_calls']:,} calls")
    return " · ".join(facts)


def count(number_of: int, noun: str) -> str:
    """A number with its noun, which takes an s where there are several."""
    return f"{number_of:,} {noun}{'' if number_of == 1 else 's'}"


def draw_spectrum(means: Mapping[str, float], categories: Sequence[str], *, top: float) -> Figure:
    """A horizontal bar a category, from 0 to `top`, with its value behind it."""
    from polymath.synthesis.skills import MATHEMATICS

    height = 30 + ROW_PX * len(categories)
    figure, axes = figures.canvas(PANEL_PX, height, left=116, right=38, top=6, bottom=24)
    for place, category in enumerate(categories):
        value = means.get(category, 0.0)
        axes.barh(place, value, height=0.62, color=COLORS[category not in MATHEMATICS], lw=0)
        axes.annotate(
            _value(value), (value, place), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize=figures.FONT_PX - 1, color=figures.INK if value else figures.FAINT, annotation_clip=False,
        )  # fmt: skip
    axes.set_xlim(0, top or 1.0)
    axes.set_ylim(len(categories) - 0.5, -0.5)
    axes.set_yticks(range(len(categories)), [figures.shorten(name, 17) for name in categories], parse_math=False)
    axes.tick_params(axis="y", colors=figures.INK)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=figures.NICE))
    axes.grid(axis="x", color=figures.GRID, lw=1)
    return figure


def _panels(
    spectra: Mapping[str, Mapping[str, float]], categories: Sequence[str], name: str, groups: Mapping[str, Any]
) -> list[dict[str, Any]]:
    if not categories:
        return []
    largest = sorted(spectra, key=lambda one: -groups[one]["num_samples"])[:MAX_PANELS]
    top = 1.05 * max((value for one in largest for value in spectra[one].values()), default=1.0)
    return [
        {
            "title": one,
            "note": f"{count(groups[one]['num_samples'], 'sample')}, {sum(spectra[one].values()):.2f} skills each",
            "alt": _alt(one, spectra[one], categories),
            "svg": Markup(figures.inline(draw_spectrum(spectra[one], categories, top=top), f"skills-{name}-{place}")),
        }
        for place, one in enumerate(largest)
    ]


def _chosen_panels(chosen: Sequence[tuple[Row, Row]], categories: Sequence[str]) -> list[dict[str, Any]]:
    top = 1.05 * max((float(value) for _, row in chosen for value in row["counts"].values()), default=1.0)
    return [
        {
            "title": f"{one['role'].capitalize()}",
            "note": one["why"],
            "alt": _alt(row["label"], row["counts"], categories),
            "svg": Markup(figures.inline(draw_spectrum(row["counts"], categories, top=top), f"skills-chosen-{place}")),
        }
        for place, (one, row) in enumerate(chosen)
    ]


def _alt(name: str, means: Mapping[str, float], categories: Sequence[str]) -> str:
    return f"Skills of {name}: " + ", ".join(f"{category} {_value(means.get(category, 0))}" for category in categories)


def _value(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.2f}"
