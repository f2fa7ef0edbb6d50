"""Random samples in; what training on each led to, alone and against what was known before, out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from polymath.reporting.figures import FAINT, FONT_PX, GRID, INK, NICE, SERIES, add_panel, canvas, shorten, spread
from polymath.reporting.recorded import PROBE_SIGNALS, Draw, DrawsRecord, gain_matrix
from polymath.reporting.study_figures.drawing import StudyFigure, add_legend, mark, show_percent, title_panel
from polymath.reporting.study_figures.gain_matrix import draw_gain_matrix
from polymath.reporting.wording import percent, points

NUMERIC, CHOICE = SERIES[0], SERIES[4]


def draws_figures(record: DrawsRecord) -> list[StudyFigure]:
    if not record.draws:
        return []
    values = [draw.strict for draw in record.draws]
    chosen = [f"{draw.name} ({draw.chosen}, {percent(draw.strict)})" for draw in record.draws if draw.chosen]
    matrix = gain_matrix(record)
    own = [f"{name} {points(gains[name])}" for name, (_, gains) in matrix.items() if name in gains]
    rhos = [f"{label}: {told}" for key, label in PROBE_SIGNALS.items() if (told := _tell_correlation(record, key))]
    return [
        StudyFigure(
            name="draws",
            draw=lambda width: draw_outcomes(record, width),
            alt=f"Strict accuracy after training on each of {len(values)} random samples, sorted: from "
            f"{percent(min(values))} to {percent(max(values))}; base {percent(record.base.strict)}. "
            f"Named: {', '.join(chosen) or 'none'}.",
            caption=f"A dot is one run on one random sample: strict dev accuracy at the last step. {record.rule}",
        ),
        StudyFigure(
            name="gain-matrix",
            draw=lambda width: draw_gain_matrix(record, width),
            alt="Mean strict gain in points by discipline of the sample and of the test; the table below has every "
            f"number. In the sample's own discipline: {', '.join(own) or 'none'}.",
            caption="Points of strict accuracy over the base model, mean over the samples of a row (their number in "
            "brackets). Blue is gain, orange is loss; framed: the sample's own discipline. Rows of few samples move "
            "a lot by chance.",
            is_scrolled=True,
        ),
        StudyFigure(
            name="probe",
            draw=lambda width: draw_probe(record, width),
            alt="Strict accuracy after training against what the base model did with the sample before, in panels. "
            f"{'; '.join(rhos)}.",
            caption="A dot is one sample. Across: share of the base model’s answers to it before training, in "
            "percent, on a square-root axis. Up: strict accuracy after training on it. ρ is the rank correlation. "
            "Samples that the base never answered in that way are left out of a panel.",
        ),
    ]  # fmt: skip


def draw_outcomes(record: DrawsRecord, width: int) -> Figure:
    """A dot a sample, sorted by the strict accuracy it led to; the chosen ones are ringed and named."""
    is_wide = width > 600
    left, right, top, bottom, height = 52, (64 if is_wide else 14), (40 if is_wide else 60), 40, 330
    figure, axes = canvas(width, height + top + bottom, left=left, right=right, top=top, bottom=bottom)
    draws = sorted(record.draws, key=lambda draw: (draw.strict, draw.name))
    base = record.base.strict
    values = [base, *(draw.strict for draw in draws)]
    room = max(0.06, 0.14 * (max(values) - min(values)))
    axes.set_xlim(-0.8, len(draws) - 0.2)
    axes.set_ylim(min(values) - room, max(values) + room)
    axes.axhline(base, color=FAINT, lw=1.4, zorder=1)
    if is_wide:
        axes.text(1.008, base, f"base\n{percent(base)}", transform=axes.get_yaxis_transform(), color=INK,
                  fontsize=FONT_PX - 1, va="center")  # fmt: skip
    for place, draw in enumerate(draws):
        axes.plot(place, draw.strict, _shape(draw), color=_color(draw), ms=7 if is_wide else 5, mew=0, zorder=3)
        if draw.chosen:
            axes.plot(place, draw.strict, "o", color=INK, mfc="none", mew=1.5, ms=13 if is_wide else 10, zorder=4)
    for chosen in ("good", "poor"):
        _name_chosen(axes, draws, chosen, pixels=(width - left - right, height))
    axes.set_xticks([])
    axes.set_xlabel("samples, from the worst to the best outcome", color=FAINT, fontsize=FONT_PX - 1)
    show_percent(axes, "y")
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=NICE))
    axes.grid(axis="y", color=GRID, lw=1)
    marks = [*_answer_marks(), mark("named good or poor", INK, marker="o", mfc="none", mew=1.5, ms=11)]
    marks += [] if is_wide else [mark("base", FAINT, lw=1.4)]
    add_legend(figure, marks, at=(left if is_wide else 8, 2), num_columns=3 if is_wide else 2)
    return figure


def draw_probe(record: DrawsRecord, width: int) -> Figure:
    """A panel a signal known before training: a dot a sample, against the strict accuracy it led to."""
    signals = [key for key in PROBE_SIGNALS if any(getattr(draw.probe, key) is not None for draw in record.draws)]
    columns = 4 if width > 600 else 2
    num_rows = -(-len(signals) // columns)
    left, right, gap, top, height, bottom, legend = 48, 12, 18, 42, 150, 30, 26
    panel = (width - left - right - gap * (columns - 1)) / columns
    figure = Figure(figsize=(width / 72, (legend + num_rows * (top + height + bottom)) / 72), dpi=72)
    values = [record.base.strict, *(draw.strict for draw in record.draws)]
    room = 0.06 * (max(values) - min(values)) or 0.05
    for place, key in enumerate(signals):
        y = (num_rows - 1 - place // columns) * (top + height + bottom) + bottom
        axes = add_panel(figure, left + (place % columns) * (panel + gap), y, panel, height)
        for draw in record.draws:
            if (value := getattr(draw.probe, key)) is not None:
                axes.plot(value, draw.strict, _shape(draw), color=_color(draw), ms=5, mew=0, alpha=0.75)
        axes.axhline(record.base.strict, color=FAINT, lw=1.2, zorder=1)
        axes.set_ylim(min(values) - room, max(values) + room)
        # Square roots spread the small shares, where most samples are, and keep zero.
        axes.set_xscale("function", functions=(_signed_root, _signed_square))
        axes.set_xlim(-0.003, 1.06)
        axes.xaxis.set_major_locator(FixedLocator([0, 0.05, 0.25, 0.5, 1]))
        axes.xaxis.set_minor_locator(NullLocator())
        show_percent(axes, "x")
        show_percent(axes, "y")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.0f}" if x else "0%"))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=NICE))
        if place % columns:
            axes.tick_params(axis="y", labelleft=False)
        axes.grid(color=GRID, lw=1)
        title_panel(axes, PROBE_SIGNALS[key], _tell_correlation(record, key))
    add_legend(
        figure, [*_answer_marks(), mark("base", FAINT, lw=1.2)], at=(left if columns == 4 else 8, 2), num_columns=3
    )
    return figure


def _answer_marks() -> list[Line2D]:
    return [mark("numeric answer", NUMERIC, marker="o", ms=7, mew=0), mark("choice", CHOICE, marker="D", ms=6, mew=0)]


def _color(draw: Draw) -> str:
    return CHOICE if draw.answer_type == "choice" else NUMERIC


def _shape(draw: Draw) -> str:
    return "D" if draw.answer_type == "choice" else "o"


def _name_chosen(axes: Axes, draws: Sequence[Draw], chosen: str, *, pixels: tuple[int, int]) -> None:
    """Names beside the chosen dots: above and left of good ones, below and right of poor ones, where no dots are."""
    found = [(place, draw) for place, draw in enumerate(draws) if draw.chosen == chosen]
    low, high = axes.get_ylim()
    sign = 1 if chosen == "good" else -1
    distance = 16 / pixels[1]
    wished = [(draw.strict - low) / (high - low) + sign * 1.6 * distance for _, draw in found]
    for height, (place, draw) in zip(spread(wished, distance), found, strict=True):
        x = (place + 0.8) / (len(draws) + 0.6)
        room = pixels[0] * (x if sign > 0 else 1 - x) - 16
        name = shorten(f"{chosen}: {draw.name}", max(8, int(room / 6.6)))
        end = x - sign * 16 / pixels[0]
        at = axes.transData.transform((place, draw.strict)) - axes.transAxes.transform((0, 0))
        start = at / (axes.transAxes.transform((1, 1)) - axes.transAxes.transform((0, 0)))
        axes.plot([start[0], end], [start[1], height], color=FAINT, lw=0.8, transform=axes.transAxes, zorder=2)
        # On white, so that the line of another name can pass behind it.
        axes.text(
            end, height, name, transform=axes.transAxes, ha="right" if sign > 0 else "left", va="center", color=INK,
            fontsize=FONT_PX, parse_math=False, zorder=5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def _tell_correlation(record: DrawsRecord, key: str) -> str:
    for one in record.correlations:
        if one.signal in (key, PROBE_SIGNALS[key]) and one.rho is not None:
            return f"ρ = {one.rho:+.2f}, n = {one.n}".replace("-", "−")
    return ""


def _signed_root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


def _signed_square(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sign(values) * np.square(values))
