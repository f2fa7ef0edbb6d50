"""What the figures of recorded experiments share: the noun, axes in percent, legends, a reading of a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter

from polymath.reporting.figures import AFTER, FAINT, FONT_PX, GRID, INK, LENIENT, SERIES

WIDE_PX = 944
# Way of answering to its colour and line; the lines keep them apart in print.
WAYS = {
    "worked": (SERIES[1], "-"),
    "direct": (SERIES[5], (0, (5, 2))),
    "boxed": (SERIES[4], (0, (1, 1.2))),
    "self_check": (SERIES[3], (0, (6, 2, 1, 2))),
}


@dataclass(frozen=True, kw_only=True)
class StudyFigure:
    """A figure that can be drawn at any width; a scrolled one is only drawn wide."""

    name: str
    draw: Callable[[int], Figure]
    alt: str
    caption: str
    is_scrolled: bool = False


LEGEND_STYLE: dict[str, Any] = {
    "frameon": False, "fontsize": FONT_PX - 1, "labelcolor": INK, "handlelength": 1.9, "handletextpad": 0.6,
    "columnspacing": 1.6, "borderaxespad": 0, "borderpad": 0, "labelspacing": 0.6,
}  # fmt: skip


def add_legend(figure: Figure, marks: Sequence[Line2D], *, at: tuple[float, float], num_columns: int) -> None:
    """A legend whose upper left corner is so many pixels from the figure's left and top."""
    width, height = (72 * inches for inches in figure.get_size_inches())
    anchor = (at[0] / width, 1 - at[1] / height)
    figure.legend(handles=marks, loc="upper left", bbox_to_anchor=anchor, ncols=num_columns, **LEGEND_STYLE)


def mark(label: str, color: str, **style: object) -> Line2D:
    return Line2D([], [], color=color, label=label, **{"lw": 0, **style})  # type: ignore[arg-type]


def title_panel(axes: Axes, title: str, note: str) -> None:
    pixels = axes.get_position().height * axes.figure.get_figheight() * 72  # type: ignore[union-attr]
    style = {"transform": axes.transAxes, "va": "bottom", "parse_math": False}
    axes.text(0, 1 + 21 / pixels, title, color=INK, fontsize=FONT_PX, fontweight="bold", **style)  # type: ignore[arg-type]
    axes.text(0, 1 + 6 / pixels, note, color=FAINT, fontsize=FONT_PX - 1, **style)  # type: ignore[arg-type]


def show_percent(axes: Axes, which: str) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}%"))


def show_shares(axes: Axes) -> None:
    axes.set_ylim(-0.04, 1.04)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    show_percent(axes, "y")
    axes.grid(axis="y", color=GRID, lw=1)


def plot_reading(axes: Axes, places: Sequence[float], strict: Sequence[float], lenient: Sequence[float]) -> None:
    axes.plot(places, lenient, color=LENIENT, ls=(0, (4, 2)), lw=1.6, marker="o", mfc="white", mew=1.4, ms=5)
    axes.plot(places, strict, color=AFTER, lw=2, marker="o", ms=5)


def reading_marks() -> list[Line2D]:
    return [
        mark("strict", AFTER, lw=2, marker="o", ms=5),
        mark("lenient", LENIENT, lw=1.6, ls=(0, (4, 2)), marker="o", mfc="white", mew=1.4, ms=5),
    ]
