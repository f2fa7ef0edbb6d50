"""Recorded experiments in, figures out: for the page as inline SVG, for the documents as PNG.

Every figure explains its marks itself, so that it can stand alone. One unit is one CSS pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polymath.reporting.recorded import ArmsRecord, CurvesRecord, DrawsRecord, PassAtKRecord, RatesRecord, Record
from polymath.reporting.study_figures.arms import arms_figure
from polymath.reporting.study_figures.curves import curves_figure
from polymath.reporting.study_figures.drawing import WIDE_PX, StudyFigure
from polymath.reporting.study_figures.draws import draws_figures
from polymath.reporting.study_figures.pass_at_k import pass_figure
from polymath.reporting.study_figures.rates import rates_figure

__all__ = ["StudyFigure", "list_figures", "save_figures"]

PNG_PX = 1400


def list_figures(record: Record) -> list[StudyFigure]:
    """The figures of a record with their words."""
    match record:
        case ArmsRecord():
            return [arms_figure(record)]
        case DrawsRecord():
            return draws_figures(record)
        case CurvesRecord():
            return [curves_figure(record)]
        case RatesRecord():
            return [rates_figure(record)]
        case PassAtKRecord():
            return [pass_figure(record)]


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
