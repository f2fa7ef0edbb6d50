"""Scores of a pool in, figures out: score against rank, subject and pass rate, and two selectors against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from polymath.reporting.figures import AFTER, BEFORE, GRID, INK, SERIES, canvas, shorten

CHOSEN = SERIES[1]
MOST_SUBJECTS = 20


def draw_ranks(scores: Sequence[float], chosen: Sequence[int], *, width: int) -> Figure:
    """Score against rank; `chosen` are ranks from 1."""
    figure, axes = _canvas(width)
    ranks = range(1, len(scores) + 1)
    axes.plot(ranks, scores, color=AFTER, lw=1.8, marker="o" if len(scores) < 60 else "", ms=4)
    axes.plot(chosen, [scores[rank - 1] for rank in chosen], "o", color=CHOSEN, ms=8, zorder=4)
    _label(axes, "rank", "score")
    return figure


def draw_points(
    first: Mapping[int, float],
    second: Mapping[int, float],
    chosen: Sequence[int],
    *,
    names: tuple[str, str],
    width: int,
) -> Figure:
    """One dot a row that both score; the chosen rows stand out."""
    figure, axes = _canvas(width)
    shared = [index for index in first if index in second]
    size = 3 if len(shared) > 200 else 5
    axes.plot(
        [first[index] for index in shared], [second[index] for index in shared], "o", color=BEFORE, ms=size, alpha=0.45
    )
    picked = [index for index in chosen if index in first and index in second]
    axes.plot([first[one] for one in picked], [second[one] for one in picked], "o", color=CHOSEN, ms=8, zorder=4)
    _label(axes, *names)
    return figure


def draw_subjects(
    scores: Mapping[str, Sequence[float]], chosen: Mapping[str, Sequence[float]], *, width: int
) -> Figure:
    """A row a subject: every score a thin mark, the chosen ones dots; the largest subjects first."""
    names = sorted(scores, key=lambda name: (-len(scores[name]), name))[:MOST_SUBJECTS]
    figure, axes = canvas(width, 50 + 24 * len(names), left=150, right=16, top=10, bottom=34)
    for place, name in enumerate(names):
        axes.plot(scores[name], [place] * len(scores[name]), "|", color=BEFORE, ms=12, alpha=0.35)
        axes.plot(chosen.get(name, ()), [place] * len(chosen.get(name, ())), "o", color=CHOSEN, ms=8, zorder=4)
    axes.set_ylim(len(names) - 0.5, -0.5)
    labels = [f"{shorten(name, 20)}  {len(scores[name])}" for name in names]
    axes.set_yticks(range(len(names)), labels, parse_math=False)
    axes.tick_params(axis="y", colors=INK)
    axes.set_xlabel("score", fontsize=11, color=INK)
    axes.grid(axis="x", color=GRID, lw=1)
    return figure


def draw_agreement(rhos: Mapping[str, float], *, width: int) -> Figure:
    """Spearman's rho of each other selector with the one that chose."""
    names = sorted(rhos, key=lambda name: (-rhos[name], name))
    figure, axes = canvas(width, 50 + 24 * len(names), left=150, right=16, top=10, bottom=34)
    for place, name in enumerate(names):
        axes.plot([0, rhos[name]], [place, place], color=AFTER, lw=3, alpha=0.35, solid_capstyle="round")
        axes.plot(rhos[name], place, "o", color=AFTER, ms=7)
    axes.axvline(0, color=INK, lw=1)
    axes.set_xlim(-1.05, 1.05)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], parse_math=False)
    axes.tick_params(axis="y", colors=INK)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:+.1f}".replace("-", "−") if x else "0"))
    axes.grid(axis="x", color=GRID, lw=1)
    return figure


def _canvas(width: int) -> tuple[Figure, Axes]:
    return canvas(width, 250, left=58, right=14, top=10, bottom=40)


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x.replace("_", " "), fontsize=11, color=INK, parse_math=False)
    axes.set_ylabel(y.replace("_", " "), fontsize=11, color=INK, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", color=GRID, lw=1)
