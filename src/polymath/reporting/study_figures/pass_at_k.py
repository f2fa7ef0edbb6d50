"""pass@k of several models in, its curves with their bands against k out."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from polymath.reporting.figures import FAINT, FONT_PX, GRID, INK, NICE, SERIES, canvas, shorten, spread
from polymath.reporting.recorded import PassAtKRecord
from polymath.reporting.study_figures.drawing import StudyFigure, add_legend, mark, show_percent
from polymath.reporting.wording import percent


def pass_figure(record: PassAtKRecord) -> StudyFigure:
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
    show_percent(axes, "y")
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=NICE))
    axes.grid(color=GRID, lw=1)
    marks = [mark("95% interval", FAINT, lw=8, alpha=0.25)]
    if any(crossed.values()):
        marks.append(mark("first k at which the base is as good", INK, marker="o", mfc="none", mew=1.5, ms=11))
    add_legend(figure, marks, at=(left if is_wide else 8, 2), num_columns=2 if is_wide else 1)
    return figure
