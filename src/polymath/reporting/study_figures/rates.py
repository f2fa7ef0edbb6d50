"""One run at several learning rates in, what came of it against the rate out."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from polymath.reporting.figures import FAINT, FONT_PX, INK, add_panel
from polymath.reporting.recorded import RatesRecord
from polymath.reporting.study_figures.drawing import (
    LEGEND_STYLE,
    WAYS,
    StudyFigure,
    mark,
    plot_reading,
    reading_marks,
    show_shares,
)
from polymath.reporting.wording import percent, tell_rate


def rates_figure(record: RatesRecord) -> StudyFigure:
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
    plot_reading(panels[0], rates, [arm.strict for arm in arms], [arm.lenient for arm in arms])
    for name in ("worked", "boxed"):
        color, style = WAYS[name]
        panels[1].plot(rates, [getattr(arm, name) for arm in arms], color=color, ls=style, lw=2, marker="o", ms=5)
    panels[1].plot(rates, [arm.truncated for arm in arms], color=FAINT, lw=1.4, marker="s", ms=4)
    shares = [mark(n, WAYS[n][0], lw=2, ls=WAYS[n][1], marker="o", ms=5) for n in ("worked", "boxed")]
    shares.append(mark("truncated", FAINT, lw=1.4, marker="s", ms=4))
    for axes, title, marks in zip(
        panels, ("test accuracy", "share of the test answers"), (reading_marks(), shares), strict=True
    ):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(rates))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: tell_rate(x)))
        axes.set_xlabel("learning rate", color=FAINT, fontsize=FONT_PX - 1, labelpad=4)
        show_shares(axes)
        axes.text(0, 1 + 24 / height, title, transform=axes.transAxes, color=INK, fontsize=FONT_PX, va="bottom")
        axes.legend(handles=marks, loc="lower left", bbox_to_anchor=(0, 1 + 2 / height), ncols=3, **LEGEND_STYLE)
    return figure
