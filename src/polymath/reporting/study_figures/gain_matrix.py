"""Discipline of the sample by discipline of the test: a coloured table of gains, and its colours."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from polymath.reporting.figures import FAINT, FONT_PX, INK, canvas, shorten
from polymath.reporting.recorded import DrawsRecord, gain_matrix
from polymath.reporting.wording import points


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


def diverging_colormap() -> LinearSegmentedColormap:
    """Vermilion to nearly white to blue, straight in OKLab, so that equal gains look equally far apart.

    Both ends have the same lightness. OKLab after Ottosson (2020).
    """
    loss, none, gain = np.array([(0.50, 0.115, 0.085), (0.97, 0.0, 0.0), (0.50, -0.045, -0.115)])
    share = np.linspace(0, 1, 128)[:, None]
    lab = np.concatenate([loss + share * (none - loss), none + share * (gain - none)])
    return LinearSegmentedColormap.from_list("loss-to-gain", _oklab_to_srgb(lab), N=256)


def _ink_on(color: tuple[float, float, float, float]) -> str:
    """Black or white, whichever stands out more (WCAG relative luminance)."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    luminance = sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), channels, strict=True))
    return "white" if luminance < 0.179 else "black"


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
