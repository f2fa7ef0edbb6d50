"""Runs over their steps in, a column an arm out: reward and test above, ways of answering below."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from polymath.reporting.figures import FAINT, FONT_PX, INK, add_panel, running_mean
from polymath.reporting.recorded import Curve, CurvesRecord
from polymath.reporting.study_figures.drawing import (
    WAYS,
    StudyFigure,
    add_legend,
    mark,
    plot_reading,
    reading_marks,
    show_shares,
    title_panel,
)
from polymath.reporting.wording import percent

REWARD = "#55555a"


def curves_figure(record: CurvesRecord) -> StudyFigure:
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
        title_panel(above, arm.name, "reward and test accuracy")
        below.text(0, 1 + 6 / lower, "ways of answering in training", transform=below.transAxes, color=FAINT,
                   fontsize=FONT_PX - 1, va="bottom")  # fmt: skip
        below.set_xlabel("training step", color=FAINT, fontsize=FONT_PX - 1, labelpad=4)
        for axes in (above, below):
            axes.tick_params(axis="y", labelleft=place % columns == 0)
    found = [name for name in WAYS if any(name in arm.ways for arm in record.arms)]
    marks = [
        mark("training reward", REWARD, lw=1.8), *reading_marks(),
        mark("saturation", INK, lw=1.2, ls=(0, (3, 2))),
    ]  # fmt: skip
    ways = [mark(name.replace("_", " "), WAYS[name][0], lw=2, ls=WAYS[name][1]) for name in found]
    at = left if is_wide else 8
    add_legend(figure, marks, at=(at, 2), num_columns=4 if is_wide else 2)
    add_legend(figure, ways, at=(at, 24 if is_wide else 44), num_columns=4 if is_wide else 2)
    return figure


def _draw_learning(axes: Axes, arm: Curve) -> None:
    smooth = running_mean(arm.reward)
    axes.plot(arm.train_steps, arm.reward, color=REWARD, lw=1 if smooth else 1.8, alpha=0.35 if smooth else 1)
    if smooth:
        axes.plot(arm.train_steps, smooth, color=REWARD, lw=1.8)
    plot_reading(axes, arm.steps, arm.strict, arm.lenient)
    show_shares(axes)
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
    show_shares(axes)
    _step_axis(axes, arm)
    if arm.saturation_step is not None:
        axes.axvline(arm.saturation_step, color=INK, lw=1.2, ls=(0, (3, 2)), zorder=1)


def _step_axis(axes: Axes, arm: Curve) -> None:
    steps = (*arm.steps, *arm.train_steps)
    if steps:
        margin = 0.03 * max(1, max(steps) - min(steps))
        axes.set_xlim(min(steps) - margin, max(steps) + margin)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
