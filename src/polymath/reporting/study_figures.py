"""Recorded experiments in, figures out: for the page as inline SVG, for the documents as PNG.

Every figure explains its marks itself, so that it can stand alone. One unit is one CSS pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from polymath.reporting.figures import (
    AFTER,
    FAINT,
    FONT_PX,
    GRID,
    INK,
    LENIENT,
    NICE,
    SERIES,
    add_panel,
    canvas,
    running_mean,
    shorten,
    spread,
)
from polymath.reporting.recorded import (
    PROBE_SIGNALS,
    ArmsRecord,
    Curve,
    CurvesRecord,
    Draw,
    DrawsRecord,
    PassAtKRecord,
    RatesRecord,
    Record,
    gain_matrix,
    name_of,
    tell_rate,
)
from polymath.reporting.wording import percent, points

WIDE_PX, PNG_PX = 944, 1400
NUMERIC, CHOICE, REWARD = SERIES[0], SERIES[4], "#55555a"
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


def list_figures(record: Record) -> list[StudyFigure]:
    """The figures of a record with their words."""
    match record:
        case ArmsRecord():
            return [_arms_figure(record)]
        case DrawsRecord():
            return _draws_figures(record)
        case CurvesRecord():
            return [_curves_figure(record)]
        case RatesRecord():
            return [_rates_figure(record)]
        case PassAtKRecord():
            return [_pass_figure(record)]


def save_figures(records: Sequence[Record], out: Path) -> list[Path]:
    """Write every figure as NAME.png, 1400 pixels wide on white, and say where they are."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for figure in (figure for record in records for figure in list_figures(record)):
        paths.append(out / f"{figure.name}.png")
        # Without the half pixel, rounding down can lose one.
        dpi = 72 * (PNG_PX + 0.5) / WIDE_PX
        figure.draw(WIDE_PX).savefig(paths[-1], dpi=dpi, facecolor="white", metadata={"Software": None})
    return paths


def draw_arms(record: ArmsRecord, width: int) -> Figure:
    """A row an arm: strict mean filled with its interval, seeds as small dots, lenient hollow below."""
    is_wide, row, bottom = width > 600, 44, 34
    left, right, top = (170, 126, 72) if is_wide else (104, 46, 92)
    figure, axes = canvas(width, top + bottom + row * len(record.arms), left=left, right=right, top=top, bottom=bottom)
    for place, arm in enumerate(record.arms):
        strict, lenient = arm.strict_interval, arm.lenient_interval
        if place % 2 == 0:
            axes.axhspan(place - 0.5, place + 0.5, color="#f6f7f8", lw=0, zorder=0)
        axes.plot([strict.low, strict.high], [place - 0.06] * 2, color=AFTER, lw=7, alpha=0.25, solid_capstyle="butt")
        axes.plot(strict.mean, place - 0.06, "o", color=AFTER, ms=9, zorder=4)
        axes.plot(arm.strict, [place - 0.33] * len(arm.strict), "o", color=AFTER, ms=3.6, mew=0, alpha=0.75, zorder=4)
        axes.plot([lenient.low, lenient.high], [place + 0.27] * 2, color=LENIENT, lw=2, alpha=0.4)
        axes.plot(lenient.mean, place + 0.27, "o", color=LENIENT, mfc="white", mew=1.6, ms=7, zorder=4)
        _row_words(axes, place, shorten(arm.name, 24 if is_wide else 15), percent(strict.mean) if is_wide else "",
                   points(arm.strict_gain.mean), right=right)  # fmt: skip
    axes.axvline(record.base.strict, color=FAINT, lw=1.4, zorder=1)
    axes.axvline(record.base.lenient, color=LENIENT, lw=1.2, ls=(0, (2, 2)), zorder=1)
    axes.set_ylim(len(record.arms) - 0.5, -0.5)
    _row_words(axes, -0.72, "", "strict" if is_wide else "", "points", right=right, color=FAINT)
    axes.set_yticks([])
    _percent_axis(axes, "x")
    axes.xaxis.set_major_locator(MaxNLocator(6 if is_wide else 4, steps=NICE))
    axes.grid(axis="x", color=GRID, lw=1)
    marks = [
        _mark("strict, mean of the seeds", AFTER, marker="o", ms=8),
        _mark("strict, one seed", AFTER, marker="o", ms=4),
        _mark("95% interval, strict", AFTER, lw=7, alpha=0.25),
        _mark("lenient, mean and interval", LENIENT, marker="o", mfc="white", mew=1.6, ms=7, lw=1.5),
        _mark("base, strict", FAINT, lw=1.4),
        _mark("base, lenient", LENIENT, lw=1.2, ls=(0, (2, 2))),
    ]
    _legend(figure, marks, at=(left if is_wide else 8, 2), num_columns=3 if is_wide else 2)
    return figure


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
    _percent_axis(axes, "y")
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=NICE))
    axes.grid(axis="y", color=GRID, lw=1)
    marks = [*_answer_marks(), _mark("named good or poor", INK, marker="o", mfc="none", mew=1.5, ms=11)]
    marks += [] if is_wide else [_mark("base", FAINT, lw=1.4)]
    _legend(figure, marks, at=(left if is_wide else 8, 2), num_columns=3 if is_wide else 2)
    return figure


def draw_gain_matrix(record: DrawsRecord, width: int) -> Figure:
    """Discipline of the sample by discipline of the test: mean gain in points, printed in the cell."""
    matrix, tests = gain_matrix(record), list(record.base.disciplines)
    everyone = {t: sum(d.disciplines[t] for d in record.draws) / len(record.draws) - record.base.disciplines[t]
                for t in tests} if record.draws else {}  # fmt: skip
    rows = [("all samples", len(record.draws), everyone)] if everyone else []
    rows += [(name, count, gains) for name, (count, gains) in matrix.items()]
    left, right, top, bottom, row = 186, 74, 124, 8, 27
    figure, axes = canvas(width, top + bottom + row * len(rows), left=left, right=right, top=top, bottom=bottom)
    limit = max([0.01, *(abs(gain) for _, _, gains in rows for gain in gains.values())])
    colors = diverging_colormap()
    for y, (name, count, gains) in enumerate(rows):
        for x, test in enumerate(tests):
            shade = 0.5 + 0.5 * gains[test] / limit
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colors(shade), edgecolor="white", lw=1))
            if test == name:
                axes.add_patch(Rectangle((x - 0.46, y - 0.45), 0.92, 0.9, fill=False, edgecolor=INK, lw=1.6, zorder=3))
            color = _ink_on(colors(shade))
            axes.text(x, y + 0.03, points(gains[test]), color=color, fontsize=FONT_PX - 1.5, ha="center", va="center")
        axes.text(-0.62, y, f"{shorten(name, 24)}  ({count})", color=INK, fontsize=FONT_PX - 0.5, ha="right",
                  va="center", parse_math=False, fontweight="normal" if y else "bold")  # fmt: skip
    for x, test in enumerate(tests):
        axes.text(x - 0.25, -0.62, shorten(test, 24), color=INK, fontsize=FONT_PX - 0.5, rotation=45,
                  rotation_mode="anchor", ha="left", va="center", parse_math=False)  # fmt: skip
    axes.axhline(0.5, color="white", lw=5)
    axes.set_xlim(-0.5, len(tests) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_axis_off()
    at = (8 / width, 1 - (top - 34) / (72 * figure.get_figheight()))
    figure.text(*at, "sample from (number)\ntested in →", color=FAINT, fontsize=FONT_PX - 1, va="top")
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
        _percent_axis(axes, "x")
        _percent_axis(axes, "y")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.0f}" if x else "0%"))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=NICE))
        if place % columns:
            axes.tick_params(axis="y", labelleft=False)
        axes.grid(color=GRID, lw=1)
        _panel_title(axes, PROBE_SIGNALS[key], _tell_correlation(record, key))
    _legend(
        figure, [*_answer_marks(), _mark("base", FAINT, lw=1.2)], at=(left if columns == 4 else 8, 2), num_columns=3
    )
    return figure


def draw_curves(record: CurvesRecord, width: int) -> Figure:
    """An arm a column: reward and accuracy over steps above, ways of answering below."""
    is_wide = width > 600
    columns = max(1, min(3, len(record.arms))) if is_wide else 1
    num_rows = -(-len(record.arms) // columns)
    left, right, gap, legend = 46, 12, 20, (52 if is_wide else 92)
    title, upper, between, lower, bottom = 40, 170, 44, 130, 44
    block = title + upper + between + lower + bottom
    panel = (width - left - right - gap * (columns - 1)) / columns
    height = legend + num_rows * block
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    for place, arm in enumerate(record.arms):
        x, y = left + (place % columns) * (panel + gap), height - legend - (place // columns + 1) * block
        above = add_panel(figure, x, y + bottom + lower + between, panel, upper)
        below = add_panel(figure, x, y + bottom, panel, lower)
        _draw_learning(above, arm)
        _draw_ways(below, arm)
        _panel_title(above, arm.name, "reward and test accuracy")
        below.text(0, 1 + 6 / lower, "ways of answering in training", transform=below.transAxes, color=FAINT,
                   fontsize=FONT_PX - 1, va="bottom")  # fmt: skip
        below.set_xlabel("training step", color=FAINT, fontsize=FONT_PX - 1, labelpad=4)
        for axes in (above, below):
            axes.tick_params(axis="y", labelleft=place % columns == 0)
    found = [name for name in WAYS if any(name in arm.ways for arm in record.arms)]
    marks = [
        _mark("training reward", REWARD, lw=1.8), *_reading_marks(),
        _mark("saturation", INK, lw=1.2, ls=(0, (3, 2))),
    ]  # fmt: skip
    ways = [_mark(name.replace("_", " "), WAYS[name][0], lw=2, ls=WAYS[name][1]) for name in found]
    at = left if is_wide else 8
    _legend(figure, marks, at=(at, 2), num_columns=4 if is_wide else 2)
    _legend(figure, ways, at=(at, 24 if is_wide else 44), num_columns=4 if is_wide else 2)
    return figure


def draw_rates(record: RatesRecord, width: int) -> Figure:
    """Accuracy, and how the test was answered, against the learning rate on a log axis."""
    is_wide = width > 600
    arms = sorted(record.arms, key=lambda arm: arm.learning_rate)
    rates = [arm.learning_rate for arm in arms]
    left, right, gap, top, height, bottom = 48, 16, 56, 46, 190, 42
    block = top + height + bottom
    panel = (width - left - right - gap) / 2 if is_wide else width - left - right
    figure = Figure(figsize=(width / 72, (block if is_wide else 2 * block) / 72), dpi=72)
    panels = [
        add_panel(figure, left, bottom + (0 if is_wide else block), panel, height),
        add_panel(figure, left + (panel + gap if is_wide else 0), bottom, panel, height),
    ]
    _plot_reading(panels[0], rates, [arm.strict for arm in arms], [arm.lenient for arm in arms])
    for name in ("worked", "boxed"):
        color, style = WAYS[name]
        panels[1].plot(rates, [getattr(arm, name) for arm in arms], color=color, ls=style, lw=2, marker="o", ms=5)
    panels[1].plot(rates, [arm.truncated for arm in arms], color=FAINT, lw=1.4, marker="s", ms=4)
    shares = [_mark(n, WAYS[n][0], lw=2, ls=WAYS[n][1], marker="o", ms=5) for n in ("worked", "boxed")]
    shares.append(_mark("truncated", FAINT, lw=1.4, marker="s", ms=4))
    for axes, title, marks in zip(
        panels, ("test accuracy", "share of the test answers"), (_reading_marks(), shares), strict=True
    ):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(rates))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: tell_rate(x)))
        axes.set_xlabel("learning rate", color=FAINT, fontsize=FONT_PX - 1, labelpad=4)
        _share_axis(axes)
        axes.text(0, 1 + 24 / height, title, transform=axes.transAxes, color=INK, fontsize=FONT_PX, va="bottom")
        axes.legend(handles=marks, loc="lower left", bbox_to_anchor=(0, 1 + 2 / height), ncols=3, **_LEGEND)
    return figure


def draw_pass_at_k(record: PassAtKRecord, width: int) -> Figure:
    """pass@k against k on a log axis with interval bands; a ring where the base catches up."""
    is_wide = width > 600
    left, right, top, bottom, height = 52, (170 if is_wide else 104), (34 if is_wide else 52), 42, 320
    figure, axes = canvas(width, height + top + bottom, left=left, right=right, top=top, bottom=bottom)
    crossed = {one.model: one.k for one in record.crossovers}
    colors = [color for color in SERIES if color != SERIES[4]]
    ends = []
    for place, model in enumerate(record.models):
        color, marker = (FAINT, "s") if place == 0 else (colors[(place - 1) % len(colors)], "o^Dv"[(place - 1) % 4])
        axes.fill_between(record.k, model.low, model.high, color=color, alpha=0.13, lw=0)
        axes.plot(record.k, model.pass_at_k, color=color, lw=2, ls="-" if place else "--", marker=marker, ms=5)
        if (k := crossed.get(model.name)) in record.k:
            at = model.pass_at_k[record.k.index(k)]
            axes.plot(k, at, "o", color=INK, mfc="none", mew=1.5, ms=13, zorder=5)
        ends.append((model.pass_at_k[-1], model.name, color))
    values = [value for model in record.models for value in (*model.low, *model.high)]
    low, high = max(0.0, min(values, default=0) - 0.03), min(1.0, max(values, default=1) + 0.03)
    axes.set_ylim(low, high)
    ends.sort()
    heights = spread([(value - low) / (high - low) for value, _, _ in ends], 15 / height)
    for end, (_, name, color) in zip(heights, ends, strict=True):
        axes.annotate(
            shorten(name, 24 if is_wide else 14), (1, end), xytext=(8, 0), xycoords="axes fraction", va="center",
            textcoords="offset points", color=color, parse_math=False, fontsize=FONT_PX,
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    ticks = record.k if is_wide or len(record.k) <= 6 else record.k[:: 2 if len(record.k) <= 12 else 3]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0f}"))
    axes.set_xlabel("k, answers drawn", color=FAINT, fontsize=FONT_PX - 1, labelpad=4)
    _percent_axis(axes, "y")
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=NICE))
    axes.grid(color=GRID, lw=1)
    marks = [_mark("95% interval", FAINT, lw=8, alpha=0.25)]
    if any(crossed.values()):
        marks.append(_mark("first k at which the base is as good", INK, marker="o", mfc="none", mew=1.5, ms=11))
    _legend(figure, marks, at=(left if is_wide else 8, 2), num_columns=2 if is_wide else 1)
    return figure


def diverging_colormap() -> LinearSegmentedColormap:
    """Vermilion to nearly white to blue, straight in OKLab, so that equal gains look equally far apart.

    Both ends have the same lightness. OKLab after Ottosson (2020).
    """
    loss, none, gain = np.array([(0.50, 0.115, 0.085), (0.97, 0.0, 0.0), (0.50, -0.045, -0.115)])
    share = np.linspace(0, 1, 128)[:, None]
    lab = np.concatenate([loss + share * (none - loss), none + share * (gain - none)])
    return LinearSegmentedColormap.from_list("loss-to-gain", _oklab_to_srgb(lab), N=256)


def _arms_figure(record: ArmsRecord) -> StudyFigure:
    told = "; ".join(
        f"{arm.name}: strict {percent(arm.strict_interval.mean)}, {points(arm.strict_gain.mean)} points over base"
        for arm in record.arms
    )
    return StudyFigure(
        name=name_of(record),
        draw=lambda width: draw_arms(record, width),
        alt=f"Accuracy of every arm over {len(record.seeds)} seeds; base {percent(record.base.strict)} strict. {told}.",
        caption=(
            f"Mean over {len(record.seeds)} training seeds; the 95% intervals cover seeds and problems. "
            if len(record.seeds) > 1
            else "One training seed; the 95% intervals cover the choice of problems only. "
        )
        + "Points: strict gain over the base model.",
    )


def _draws_figures(record: DrawsRecord) -> list[StudyFigure]:
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


def _curves_figure(record: CurvesRecord) -> StudyFigure:
    told = "; ".join(
        f"{arm.name}: {'never saturated' if arm.saturation_step is None else f'saturated at {arm.saturation_step}'}, "
        f"strict {percent(arm.strict_last)} at the end"
        for arm in record.arms
    )
    is_smooth = any(len(arm.train_steps) >= 15 for arm in record.arms)
    return StudyFigure(
        name="curves",
        draw=lambda width: draw_curves(record, width),
        alt=f"Training reward, test accuracy and ways of answering over steps. {told}.",
        caption="Reward and ways of answering are of the training rollouts, accuracies of the test. "
        + ("Thin lines are single steps, bold ones their centred mean over 5 steps. " if is_smooth else "")
        + "The dashed line is the step at which training saturated. One run an arm: no interval.",
    )


def _rates_figure(record: RatesRecord) -> StudyFigure:
    told = "; ".join(
        f"{tell_rate(arm.learning_rate)}: strict {percent(arm.strict)}, worked {percent(arm.worked)}, "
        f"boxed {percent(arm.boxed)}"
        for arm in sorted(record.arms, key=lambda arm: arm.learning_rate)
    )
    return StudyFigure(
        name="rates",
        draw=lambda width: draw_rates(record, width),
        alt=f"Test accuracy and ways of answering by learning rate. {told}.",
        caption="A dot is one run at one learning rate, tested at its last step. One run a rate: no interval.",
    )


def _pass_figure(record: PassAtKRecord) -> StudyFigure:
    first, last = record.k[0], record.k[-1]
    told = "; ".join(
        f"{model.name}: {percent(model.pass_at_k[0])} at k = {first}, {percent(model.pass_at_k[-1])} at k = {last}"
        for model in record.models
    )
    return StudyFigure(
        name="pass-at-k",
        draw=lambda width: draw_pass_at_k(record, width),
        alt=f"Share of problems with at least one right answer among k. {told}.",
        caption=f"Share of {record.num_problems:,} problems with at least one right answer among k, mean over "
        f"disciplines, estimated from {record.num_draws} draws each. The bands are 95% intervals and cover the choice "
        "of problems.",
    )


def _draw_learning(axes: Axes, arm: Curve) -> None:
    smooth = running_mean(arm.reward)
    axes.plot(arm.train_steps, arm.reward, color=REWARD, lw=1 if smooth else 1.8, alpha=0.35 if smooth else 1)
    if smooth:
        axes.plot(arm.train_steps, smooth, color=REWARD, lw=1.8)
    _plot_reading(axes, arm.steps, arm.strict, arm.lenient)
    _share_axis(axes)
    _step_axis(axes, arm)
    if arm.saturation_step is not None:
        axes.axvline(arm.saturation_step, color=INK, lw=1.2, ls=(0, (3, 2)), zorder=1)
        start, stop = axes.get_xlim()
        is_left = arm.saturation_step < (start + stop) / 2
        axes.annotate(
            f"step {arm.saturation_step}", (arm.saturation_step, 0), xytext=(5 if is_left else -5, 6),
            textcoords="offset points", color=INK, fontsize=FONT_PX - 1, ha="left" if is_left else "right",
        )  # fmt: skip


def _draw_ways(axes: Axes, arm: Curve) -> None:
    for name, (color, style) in WAYS.items():
        if values := arm.ways.get(name):
            smooth = running_mean(values)
            if smooth:
                axes.plot(arm.train_steps, values, color=color, lw=1, alpha=0.25)
            axes.plot(arm.train_steps, smooth or values, color=color, ls=style, lw=2)
    _share_axis(axes)
    _step_axis(axes, arm)
    if arm.saturation_step is not None:
        axes.axvline(arm.saturation_step, color=INK, lw=1.2, ls=(0, (3, 2)), zorder=1)


def _step_axis(axes: Axes, arm: Curve) -> None:
    steps = (*arm.steps, *arm.train_steps)
    if steps:
        margin = 0.03 * max(1, max(steps) - min(steps))
        axes.set_xlim(min(steps) - margin, max(steps) + margin)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _plot_reading(axes: Axes, places: Sequence[float], strict: Sequence[float], lenient: Sequence[float]) -> None:
    axes.plot(places, lenient, color=LENIENT, ls=(0, (4, 2)), lw=1.6, marker="o", mfc="white", mew=1.4, ms=5)
    axes.plot(places, strict, color=AFTER, lw=2, marker="o", ms=5)


def _reading_marks() -> list[Line2D]:
    return [
        _mark("strict", AFTER, lw=2, marker="o", ms=5),
        _mark("lenient", LENIENT, lw=1.6, ls=(0, (4, 2)), marker="o", mfc="white", mew=1.4, ms=5),
    ]


def _answer_marks() -> list[Line2D]:
    return [_mark("numeric answer", NUMERIC, marker="o", ms=7, mew=0), _mark("choice", CHOICE, marker="D", ms=6, mew=0)]


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


def _row_words(axes: Axes, place: float, name: str, value: str, gain: str, *, right: int, color: str = INK) -> None:
    pixels = axes.get_position().width * axes.figure.get_figwidth() * 72  # type: ignore[union-attr]
    style = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": FONT_PX, "color": color}
    axes.text(-12 / pixels, place, name, ha="right", parse_math=False, **style)  # type: ignore[arg-type]
    axes.text(1 + 62 / pixels, place, value, ha="right", **style)  # type: ignore[arg-type]
    axes.text(1 + (right - 4) / pixels, place, gain, ha="right", **style)  # type: ignore[arg-type]


def _panel_title(axes: Axes, title: str, note: str) -> None:
    pixels = axes.get_position().height * axes.figure.get_figheight() * 72  # type: ignore[union-attr]
    style = {"transform": axes.transAxes, "va": "bottom", "parse_math": False}
    axes.text(0, 1 + 21 / pixels, title, color=INK, fontsize=FONT_PX, fontweight="bold", **style)  # type: ignore[arg-type]
    axes.text(0, 1 + 6 / pixels, note, color=FAINT, fontsize=FONT_PX - 1, **style)  # type: ignore[arg-type]


def _percent_axis(axes: Axes, which: str) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}%"))


def _share_axis(axes: Axes) -> None:
    axes.set_ylim(-0.04, 1.04)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    _percent_axis(axes, "y")
    axes.grid(axis="y", color=GRID, lw=1)


_LEGEND: dict[str, Any] = {
    "frameon": False, "fontsize": FONT_PX - 1, "labelcolor": INK, "handlelength": 1.9, "handletextpad": 0.6,
    "columnspacing": 1.6, "borderaxespad": 0, "borderpad": 0, "labelspacing": 0.6,
}  # fmt: skip


def _legend(figure: Figure, marks: Sequence[Line2D], *, at: tuple[float, float], num_columns: int) -> None:
    """A legend whose upper left corner is so many pixels from the figure's left and top."""
    width, height = (72 * inches for inches in figure.get_size_inches())
    anchor = (at[0] / width, 1 - at[1] / height)
    figure.legend(handles=marks, loc="upper left", bbox_to_anchor=anchor, ncols=num_columns, **_LEGEND)


def _mark(label: str, color: str, **style: object) -> Line2D:
    return Line2D([], [], color=color, label=label, **{"lw": 0, **style})  # type: ignore[arg-type]


def _ink_on(color: tuple[float, float, float, float]) -> str:
    """Black or white, whichever stands out more (WCAG relative luminance)."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    luminance = sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), channels, strict=True))
    return "white" if luminance < 0.179 else "black"


def _signed_root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


def _signed_square(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sign(values) * np.square(values))


def _oklab_to_srgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    to_cone = np.array(
        [(1, 0.3963377774, 0.2158037573), (1, -0.1055613458, -0.0638541728), (1, -0.0894841775, -1.2914855480)]
    )
    to_rgb = np.array(
        [
            (4.0767416621, -3.3077115913, 0.2309699292),
            (-1.2684380046, 2.6097574011, -0.3413193965),
            (-0.0041960863, -0.7034186147, 1.7076147010),
        ]
    )
    linear = np.clip((lab @ to_cone.T) ** 3 @ to_rgb.T, 0, 1)
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
