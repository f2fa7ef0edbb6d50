"""Evaluations and metrics in, figures as inline SVG text out.

One unit of a figure is one CSS pixel. Text stays text and takes the font of the page. The output is
deterministic: hashed ids are salted with the figure's name, which also prefixes every id, so that many
figures can stand in one page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from polymath.evaluation.statistics import Interval, wilson_interval
from polymath.reporting.read import Arm, Evaluation, ReportData
from polymath.reporting.wording import points

# Okabe and Ito's palette, which colour-blind readers can tell apart; before is a neutral grey.
BEFORE, AFTER, LENIENT = "#8c8c8c", "#0072B2", "#009E73"
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
INK, FAINT, GRID = "#333333", "#767676", "#e4e4e0"
FONT_PX = 12
NICE = [1, 2, 2.5, 5, 10]


def inline(figure: Figure, name: str) -> str:
    """The figure as an SVG element with ids of its own and nothing that reaches outside the page."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    return re.sub(r"\n\s*", "\n", svg).strip()


def draw_disciplines(before: Evaluation, after: Evaluation, *, width: int) -> Figure:
    """A dumbbell a discipline: strict filled with 95% intervals, lenient hollow below; sorted by strict change.

    Benchmarks that stand apart come last, below a line.
    """
    first_of, second_of = {**before.disciplines, **before.apart}, {**after.disciplines, **after.apart}
    names = [name for name in before.disciplines if name in after.disciplines]
    names.sort(key=lambda name: before.disciplines[name].accuracy - after.disciplines[name].accuracy)
    num_headline = len(names)
    names += [name for name in before.apart if name in after.apart]
    is_wide, row, top, bottom = width > 600, 34, 30, 34
    left, right = (180, 110) if is_wide else (132, 44)
    figure, axes = canvas(width, top + bottom + row * (len(names) + 1), left=left, right=right, top=top, bottom=bottom)
    axes.set_xlim(-0.015, 1.015)
    axes.set_ylim(len(names) + 0.5, -0.5)
    axes.axhspan(-0.5, 0.5, color="#f3f5f7", lw=0, zorder=0)
    for place, name in enumerate(names, start=1):
        first, second = first_of[name], second_of[name]
        intervals = [wilson_interval(score.accuracy, score.num_problems) for score in (first, second)]
        _dumbbell(axes, place, intervals, (first.lenient_accuracy, second.lenient_accuracy))
        _row_label(axes, place, name, first.num_problems, second.accuracy - first.accuracy, is_wide=is_wide)
    if len(names) > num_headline:
        axes.axhline(num_headline + 0.5, color=FAINT, lw=1)
    _dumbbell(axes, 0, [before.strict, after.strict], (before.lenient.mean, after.lenient.mean))
    gain = after.strict.mean - before.strict.mean
    _row_label(axes, 0, "All disciplines", before.num_problems, gain, is_wide=is_wide, weight="bold")
    head = {"fontsize": FONT_PX - 1, "color": FAINT, "va": "bottom", "ha": "right"}
    outside = axes.get_yaxis_transform()
    axes.text(1 + (right - 4) / (width - left - right), -0.62, "points", transform=outside, **head)  # type: ignore[arg-type]
    if is_wide:
        axes.text(1 + 48 / (width - left - right), -0.62, "n", transform=outside, **head)  # type: ignore[arg-type]
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.0f}%"))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.grid(axis="x", color=GRID, lw=1)
    return figure


def draw_metric(rows: Sequence[Mapping[str, object]], keys: Mapping[str, str]) -> Figure:
    """One panel of training dynamics: `keys` maps a metric to its label; thin is raw, bold its running mean."""
    figure, axes = canvas(300, 170, left=44, right=10, top=10, bottom=26)
    top = 0.0
    for color, (key, label) in zip(SERIES, keys.items(), strict=False):
        steps, values = series(rows, key)
        smooth = running_mean(values)
        axes.plot(steps, values, color=color, lw=1 if smooth else 1.8, alpha=0.35 if smooth else 1)
        if smooth:
            axes.plot(steps, smooth, color=color, lw=2, label=label)
        top = max(top, *values)
    low = min(min(series(rows, key)[1]) for key in keys)
    is_fraction = low >= 0 and 0.4 < top <= 1
    margin = 0.06 * (1.0 if is_fraction else (top - min(low, 0)) or 1.0)
    axes.set_ylim(min(low, 0) - margin, (1.0 if is_fraction else top or 1.0) + margin)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]) if is_fraction else MaxNLocator(5, steps=NICE))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="y", color=GRID, lw=1)
    return figure


def draw_accuracy(evaluations: Sequence[Evaluation]) -> Figure:
    """Strict and lenient accuracy over the evaluated steps with their intervals."""
    figure, axes = canvas(300, 170, left=44, right=10, top=10, bottom=26)
    steps = [evaluation.step for evaluation in evaluations]
    for color, style, scores in (
        (AFTER, "-", [evaluation.strict for evaluation in evaluations]),
        (LENIENT, "--", [evaluation.lenient for evaluation in evaluations]),
    ):
        axes.fill_between(steps, [s.low for s in scores], [s.high for s in scores], color=color, alpha=0.12, lw=0)
        axes.plot(steps, [s.mean for s in scores], color=color, ls=style, lw=2, marker="o", ms=4)
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.0f}%"))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="y", color=GRID, lw=1)
    return figure


def draw_ways_over_steps(rows: Sequence[Mapping[str, object]], *, width: int) -> Figure:
    """The share of training rollouts that answer in each way, labelled at the end of its line."""
    names = way_names(rows)
    figure, axes = canvas(width, 230, left=44, right=84, top=10, bottom=26)
    ends = []
    for color, name in zip(SERIES, names, strict=False):
        steps, values = series(rows, f"ways/{name}")
        smooth = running_mean(values)
        axes.plot(steps, values, color=color, lw=1 if smooth else 1.8, alpha=0.3 if smooth else 1)
        if smooth:
            axes.plot(steps, smooth, color=color, lw=2)
        ends.append(((smooth or values)[-1], name, color))
    axes.set_ylim(-0.04, 1.04)
    # 15 pixels of the axes' 194 hold one label; crowded ends are spread to that distance.
    for place, (_, name, color) in zip(spread([e[0] for e in sorted(ends)], 15 / 194), sorted(ends), strict=True):
        axes.annotate(
            name.replace("_", " "), (1, place), xytext=(6, 0), xycoords=axes.get_yaxis_transform(),
            textcoords="offset points", color=color, va="center", parse_math=False, fontsize=FONT_PX,
        )  # fmt: skip
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.0f}%"))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y", color=GRID, lw=1)
    return figure


def draw_ways_tested(before: Evaluation, after: Evaluation, *, width: int) -> Figure:
    """The share of test responses that answer in each way, before and after."""
    # Ties by name: the order of a set is another one in every process.
    names = sorted({*before.ways, *after.ways}, key=lambda name: (-after.ways.get(name, 0.0), name))
    figure, axes = canvas(width, max(230, 36 + 26 * len(names)), left=84, right=22, top=10, bottom=26)
    for place, name in enumerate(names):
        first, second = before.ways.get(name, 0.0), after.ways.get(name, 0.0)
        axes.plot([first, second], [place, place], color=AFTER, lw=3, alpha=0.3, solid_capstyle="round")
        axes.plot(first, place, "o", color=BEFORE, ms=8)
        axes.plot(second, place, "o", color=AFTER, ms=8)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], parse_math=False)
    axes.tick_params(axis="y", colors=INK)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.0f}%"))
    axes.set_xticks([0, 0.5, 1.0])
    axes.grid(axis="x", color=GRID, lw=1)
    return figure


def draw_arms(data: ReportData, *, width: int) -> Figure:
    """The difference to the base model, strict and lenient, of the trained model and of every arm."""
    assert data.difference is not None
    rows = [("trained", data.difference.strict, data.difference.lenient)]
    rows += [(arm.name, arm.difference.strict, arm.difference.lenient) for arm in compared(data.arms) if arm.difference]
    figure, axes = canvas(width, 44 + 40 * len(rows), left=110, right=20, top=10, bottom=34)
    for place, (_, strict, lenient) in enumerate(rows):
        for offset, interval, color, fill in ((-0.15, strict, AFTER, AFTER), (0.2, lenient, LENIENT, "white")):
            axes.plot([interval.low, interval.high], [place + offset] * 2, color=color, lw=2, alpha=0.55)
            axes.plot(interval.mean, place + offset, "o", color=color, mfc=fill, mew=1.6, ms=7)
    axes.axvline(0, color=FAINT, lw=1)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_yticks(range(len(rows)), [shorten(name, 15) for name, _, _ in rows], parse_math=False)
    axes.tick_params(axis="y", colors=INK)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: points(x).removesuffix(".0") or "0"))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=NICE))
    axes.grid(axis="x", color=GRID, lw=1)
    return figure


def compared(arms: Sequence[Arm]) -> list[Arm]:
    """Arms that have something to compare."""
    return [arm for arm in arms if arm.difference is not None]


def way_names(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """The ways that training recorded, in the order of their first appearance."""
    return list(dict.fromkeys(key.removeprefix("ways/") for row in rows for key in row if key.startswith("ways/")))


def series(rows: Sequence[Mapping[str, object]], key: str) -> tuple[list[int], list[float]]:
    """Steps and values of one metric; steps that did not record a finite number are left out."""
    steps, values = [], []
    for row in rows:
        value, step = row.get(key), row["step"]
        if isinstance(value, int | float) and isinstance(step, int) and abs(value) < float("inf"):
            steps.append(step)
            values.append(float(value))
    return steps, values


def running_mean(values: Sequence[float]) -> list[float]:
    """The centred mean over 5 steps (fewer at the ends); nothing for fewer than 15 steps."""
    if len(values) < 15:
        return []
    windows = [values[max(0, i - 2) : i + 3] for i in range(len(values))]
    return [sum(window) / len(window) for window in windows]


def spread(places: Sequence[float], distance: float) -> list[float]:
    """Sorted places moved apart to this distance, staying as near to 0..1 and to themselves as they can."""
    moved = list(places)
    for _ in range(100):
        for i in range(len(moved) - 1):
            lack = distance - (moved[i + 1] - moved[i])
            if lack > 1e-6:
                moved[i], moved[i + 1] = moved[i] - lack / 2, moved[i + 1] + lack / 2
        moved = [min(max(place, 0.0), 1.0) for place in moved] if len(moved) * distance < 1 else moved
    return moved


def _dumbbell(axes: Axes, place: float, intervals: Sequence[Interval], lenient: tuple[float, float]) -> None:
    first, second = intervals
    for interval, color in ((first, BEFORE), (second, AFTER)):
        axes.plot(
            [interval.low, interval.high], [place - 0.13] * 2, color=color, lw=7, alpha=0.22, solid_capstyle="butt"
        )
    axes.plot([first.mean, second.mean], [place - 0.13] * 2, color=AFTER, lw=1.6)
    axes.plot(first.mean, place - 0.13, "o", color=BEFORE, ms=9, zorder=4)
    axes.plot(second.mean, place - 0.13, "o", color=AFTER, ms=9, zorder=4)
    axes.plot(lenient, [place + 0.22] * 2, color=FAINT, lw=0.9, ls=(0, (2, 2)))
    axes.plot(lenient[0], place + 0.22, "o", color=BEFORE, mfc="white", mew=1.5, ms=6, zorder=4)
    axes.plot(lenient[1], place + 0.22, "o", color=AFTER, mfc="white", mew=1.5, ms=6, zorder=4)


def _row_label(
    axes: Axes, place: float, name: str, count: int, gain: float, *, is_wide: bool, weight: str = "normal"
) -> None:
    outside = axes.get_yaxis_transform()
    pixels = axes.get_position().width * axes.figure.get_figwidth() * 72  # type: ignore[union-attr]
    style = {"transform": outside, "va": "center", "fontsize": FONT_PX, "fontweight": weight, "parse_math": False}
    axes.text(-14 / pixels, place, shorten(name, 26 if is_wide else 16), ha="right", color=INK, **style)  # type: ignore[arg-type]
    gain_at = (106 if is_wide else 40) / pixels
    axes.text(1 + gain_at, place, points(gain), ha="right", color=INK, **style)  # type: ignore[arg-type]
    if is_wide:
        axes.text(1 + 48 / pixels, place, str(count), ha="right", color=FAINT, **style)  # type: ignore[arg-type]


def shorten(name: str, length: int) -> str:
    """A name cut to so many characters."""
    return name if len(name) <= length else name[: length - 1] + "…"


def canvas(width: float, height: float, *, left: float, right: float, top: float, bottom: float) -> tuple[Figure, Axes]:
    """A figure with one panel and these margins, in pixels."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    return figure, add_panel(figure, left, bottom, width - left - right, height - top - bottom)


def add_panel(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes in the house style at this place of a figure, in pixels from its lower left corner."""
    total_width, total_height = (72 * inches for inches in figure.get_size_inches())
    axes = figure.add_axes((left / total_width, bottom / total_height, width / total_width, height / total_height))
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(length=0, labelsize=FONT_PX - 1, colors=FAINT, pad=5)
    axes.set_axisbelow(True)
    return axes
