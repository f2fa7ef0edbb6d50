"""Arms over seeds in, a row an arm out: strict with its interval and seeds, lenient, the gain in points."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from polymath.reporting.figures import AFTER, FAINT, FONT_PX, GRID, INK, LENIENT, NICE, canvas, shorten
from polymath.reporting.recorded import ArmsRecord, name_of
from polymath.reporting.study_figures.drawing import StudyFigure, add_legend, mark, show_percent
from polymath.reporting.wording import percent, points


def arms_figure(record: ArmsRecord) -> StudyFigure:
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
    show_percent(axes, "x")
    axes.xaxis.set_major_locator(MaxNLocator(6 if is_wide else 4, steps=NICE))
    axes.grid(axis="x", color=GRID, lw=1)
    marks = [
        mark("strict, mean of the seeds", AFTER, marker="o", ms=8),
        mark("strict, one seed", AFTER, marker="o", ms=4),
        mark("95% interval, strict", AFTER, lw=7, alpha=0.25),
        mark("lenient, mean and interval", LENIENT, marker="o", mfc="white", mew=1.6, ms=7, lw=1.5),
        mark("base, strict", FAINT, lw=1.4),
        mark("base, lenient", LENIENT, lw=1.2, ls=(0, (2, 2))),
    ]
    add_legend(figure, marks, at=(left if is_wide else 8, 2), num_columns=3 if is_wide else 2)
    return figure


def _row_words(axes: Axes, place: float, name: str, value: str, gain: str, *, right: int, color: str = INK) -> None:
    pixels = axes.get_position().width * axes.figure.get_figwidth() * 72  # type: ignore[union-attr]
    style = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": FONT_PX, "color": color}
    axes.text(-12 / pixels, place, name, ha="right", parse_math=False, **style)  # type: ignore[arg-type]
    axes.text(1 + 62 / pixels, place, value, ha="right", **style)  # type: ignore[arg-type]
    axes.text(1 + (right - 4) / pixels, place, gain, ha="right", **style)  # type: ignore[arg-type]
