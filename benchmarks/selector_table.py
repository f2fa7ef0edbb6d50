"""What `polymath bench selectors --json` printed, as the Markdown table of docs/selection.md.

    polymath bench selectors --lab RUN --scores FILE.scores.json --json > benchmarks/selectors/NAME.bench.json
    python benchmarks/selector_table.py benchmarks/selectors/NAME.bench.json

The tables in README and docs are what this prints; a test holds them to the files.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HEAD = (
    "| selector | Spearman [95%] | Holm p | AUC, top quarter | AUC, poor kept out [95%] | Holm p | good of first 5 |",
    "|---|---|---|---|---|---|---|",
)


def signed(value: float) -> str:
    """+.62, -.04"""
    return f"{value:+.2f}".replace("0.", ".").replace("-", "−")


def plain(value: float) -> str:
    """.67, 1.00"""
    return f"{value:.2f}".removeprefix("0")


def chance(p_value: float | None) -> str:
    """A p-value, and < .001 where it is less."""
    if p_value is None:
        return "–"
    return "< .001" if p_value < 0.001 else plain(p_value) if p_value >= 0.01 else f"{p_value:.3f}".removeprefix("0")


def row(worth: dict[str, Any]) -> str:
    """The line of one selector."""
    rho, good, poor = worth["rho"], worth["auc"], worth["poor_auc"]
    name = worth["selector"] + ("" if worth["num"] == 60 else f" (n {worth['num']})")
    kept_out = f"{plain(poor['value'])} [{plain(poor['low'])}, {plain(poor['high'])}]" if poor else "–"
    cells = (
        name,
        f"{signed(rho['value'])} [{signed(rho['low'])}, {signed(rho['high'])}]",
        chance(worth["holm_p_value"]),
        plain(good["value"]),
        kept_out,
        chance(worth["poor_holm_p_value"]),
        f"{worth['precision']:.0%}",
    )
    return f"| {' | '.join(cells)} |"


def table(found: dict[str, Any]) -> list[str]:
    """The lines of the table."""
    return [*HEAD, *(row(worth) for worth in found["rows"])]


def main() -> None:
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
