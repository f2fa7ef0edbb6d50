"""What `polymath bench selectors --json` printed, as the Markdown table of docs/selection.md.

    polymath bench selectors --lab RUN --scores FILE.scores.json --json > benchmarks/selectors/NAME.bench.json
    python benchmarks/selector_table.py benchmarks/selectors/NAME.bench.json
    python benchmarks/selector_table.py benchmarks/selectors/world-1-draw-1.bench.json world-2-....bench.json   # README

The tables in README and docs are what this prints; a test holds them to the files.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

LEVEL = 0.05
MIN_CANDIDATES = 8
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


def side_by_side(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """The lines of a table of two worlds, without intervals; bold where Holm's p is below .05."""
    titles = ("Spearman", "AUC, top quarter", "AUC, poor kept out", "top quarter among first 5")
    head = ["selector", *(f"{title}, world {world}" for title in titles for world in (1, 2))]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    others = {worth["selector"]: worth for worth in second["rows"]}
    for worth in first["rows"]:
        both = (worth, others.get(worth["selector"]))
        cells = [worth["selector"] if worth["selector"] != "shortcut" else "shortcut (ours)"]
        cells += [bold(signed(one["rho"]["value"]), one["holm_p_value"]) if one else "–" for one in both]
        cells += [plain(one["auc"]["value"]) if one else "–" for one in both]
        cells += [
            bold(plain(one["poor_auc"]["value"]), one["poor_holm_p_value"]) if one and one["poor_auc"] else "–"
            for one in both
        ]
        cells += [f"{one['precision']:.0%}" if one else "–" for one in both]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def among_the_rest(scores: dict[str, dict[str, float]], outcomes: dict[str, list[float]]) -> dict[str, Any]:
    """Spearman and its p, uncorrected, by selector, over the candidates that are not poor: looked at afterwards."""
    from scipy.stats import spearmanr

    gain = {name: round(sum(gains) / len(gains), 9) for name, gains in outcomes.items()}
    half = statistics.median(gain.values()) / 2
    rest = [name for name in gain if gain[name] >= half]
    found = {}
    for selector, own in scores.items():
        known = [name for name in rest if name in own]
        if len(known) >= MIN_CANDIDATES:
            found[selector] = spearmanr([own[name] for name in known], [gain[name] for name in known])
    return {"num": len(rest), "rho": found}


def tell_rest(path: Path) -> str:
    """The line of a world whose scores and outcomes lie beside its bench."""
    scores, outcomes = (
        json.loads(path.with_name(path.name.replace(".bench.", f".{kind}.")).read_text(encoding="utf-8"))
        for kind in ("scores", "outcomes")
    )
    rest = among_the_rest(scores["scores"], outcomes)
    told = sorted(rest["rho"].items(), key=lambda item: -item[1].statistic)
    words = [f"{name} {signed(one.statistic)} (p {chance(one.pvalue)})" for name, one in told]
    return f"among the {rest['num']} that are not poor, uncorrected: {', '.join(words)}"


def bold(figure: str, p_value: float) -> str:
    """The figure, marked where it is significant."""
    return f"**{figure}**" if p_value < LEVEL else figure


def main() -> None:
    found = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    print("\n".join(table(found[0]) if len(found) == 1 else side_by_side(*found)))
    for name in sys.argv[1:]:
        if Path(name.replace(".bench.", ".outcomes.")).exists():
            print(f"\n{name}: {tell_rest(Path(name))}")


if __name__ == "__main__":
    main()
