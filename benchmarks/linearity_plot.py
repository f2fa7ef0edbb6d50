"""Draws what `one_shot_step.py --linearity --json FILE` measured: seconds of a step over rollouts, lengths, prompts.

    python benchmarks/linearity_plot.py FILE.json PICTURE.png

Dots are medians, thin lines the range over the steps. Dashed, in the first two panels: the straight line of least
squares with its intercept, to be compared with the dots by eye.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, FAINT, COLORS = "#222222", "#999999", ("#2166ac", "#b2182b")
PANELS = (
    ("rollouts", "rollouts", "rollouts of {tokens} tokens, prompt of {prompt_tokens}"),
    ("tokens", "tokens", "tokens of {rollouts} responses, prompt of {prompt_tokens}"),
    ("prompt", "prompt_tokens", "tokens of the prompt, responses of {tokens}"),
)


def main() -> None:
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    figure = Figure(figsize=(10.5, 3.4), dpi=120, layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, (over, key, label) in zip(panels, PANELS, strict=True):
        rows = [row for row in found["rows"] if row["over"] == over]
        axes.set_xlabel(label.format(**rows[0]), color=INK)
        sizes = sorted({row["rollouts"] for row in rows}) if over == "prompt" else [None]
        for color, size in zip(COLORS, sizes, strict=False):
            draw(axes, [row for row in rows if size in (None, row["rollouts"])], key, color, size)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("CPU seconds a step", color=INK)
    panels[2].legend(frameon=False)
    figure.savefig(sys.argv[2])


def draw(axes: Axes, rows: Sequence[dict[str, Any]], key: str, color: str, size: int | None) -> None:
    """The dots of one series, their ranges, and the line through them."""
    places, seconds = [row[key] for row in rows], [row["seconds"] for row in rows]
    axes.vlines(
        places, [min(row["all_seconds"]) for row in rows], [max(row["all_seconds"]) for row in rows], color=color
    )
    axes.plot(places, seconds, "o", color=color, ms=5, label=None if size is None else f"{size} rollouts")
    slope, intercept = np.polyfit(places, seconds, 1)
    ends = np.array([0, max(places)])
    axes.plot(ends, intercept + slope * ends, ls="--", lw=1, color=FAINT if size is None else color)


if __name__ == "__main__":
    main()
