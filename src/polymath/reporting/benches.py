"""Benches of selectors in, tables and verdicts for people out."""

from __future__ import annotations

from rich.console import RenderableType

from polymath.reporting.evaluations import figures_table
from polymath.reporting.wording import NOTHING, percent
from polymath.selection.bench import FIRST, LabBench, Span
from polymath.selection.published_bench import Bench


def lab_bench_table(bench: LabBench) -> RenderableType:
    """A row a selector: how it ranks the outcomes in the lab."""
    rows = [
        [
            row.selector,
            str(row.num),
            _tell(row.rho),
            f"{row.p_value:.3f}",
            f"{row.holm_p_value:.2f}",
            _tell(row.auc).replace("+", ""),
            _tell(row.poor_auc).replace("+", "") if row.poor_auc else NOTHING,
            NOTHING if row.poor_holm_p_value is None else f"{row.poor_holm_p_value:.2f}",
            percent(row.precision),
        ]
        for row in bench.rows
    ]
    head = ("selector", "n", "Spearman, 95%", "p", "Holm p", "AUC good", "AUC poor", "Holm p", f"good of first {FIRST}")
    title = f"gain after one-shot training of {bench.num_candidates} random candidates, {bench.num_seeds} RL seeds"
    return figures_table(title, head, rows)


def tell_lab_bench(bench: LabBench, num_waiting: int) -> list[str]:
    """What stands below the table: twins, reliability, ceiling, chance, the verdict, what is missing."""
    lines = []
    if bench.constant:
        lines.append(f"do not vary here, or cannot be told: {', '.join(bench.constant)}")
    lines += [f"orders all candidates as {twin} does: {name}" for name, twin in bench.same.items()]
    if bench.reliability is not None:
        lines.append(f"two seeds of the same candidates agree with rho {bench.reliability:+.2f}")
    if bench.ceiling is not None:
        lines.append(f"a selector that knew the true worth could be expected to reach about rho {bench.ceiling:+.2f}")
    few = f"{bench.num_poor} gain less than half of the median"
    lines += [f"a random choice has {percent(bench.chance)} good ones; {few}", bench.verdict()]
    if num_waiting:
        lines.append(f"{num_waiting} candidates have no outcome of every seed yet")
    return lines


def published_bench_table(bench: Bench) -> RenderableType:
    """A row a selector: how it ranks the outcomes that the paper published."""
    left_out = f" without {' and '.join(bench.without)}" if bench.without else ""
    title = f"MATH500 after one-shot training, arXiv 2504.20571 Table 3, {len(bench.outcomes)} samples{left_out}"
    rows = [
        [row.selector, f"{row.rho:+.2f}", f"{row.p_value:.2f}", f"{row.holm_p_value:.2f}", str(row.n)]
        for row in bench.rows
    ]
    return figures_table(title, ("selector", "Spearman", "p", "Holm p", "n"), rows)


def _tell(span: Span) -> str:
    return f"{span.value:+.2f} [{span.low:+.2f}, {span.high:+.2f}]"
