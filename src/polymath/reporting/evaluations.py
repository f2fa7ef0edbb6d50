"""Single evaluations as tables for people: one, one against another, a run's checkpoints, a plan, a leak probe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polymath.evaluation.statistics import Interval
from polymath.reporting.wording import NOTHING, p_value, percent, percent_or_nothing, points

RATES = {
    "boxed": "boxed_frac",
    "cut off": "truncated_frac",
    "too long": "overlong_frac",
    "no letter": "no_letter_frac",
    "undecided": "undecided_frac",
}


def evaluation_table(summary: Mapping[str, Any]) -> RenderableType:
    """Benchmarks with what went wrong in each, disciplines, the headline, and what is missing."""
    benchmarks = summary["benchmarks"]
    scores = [
        [name, str(score["n"]), str(score.get("num_draws", 1)), *_accuracies(score)]
        for name, score in benchmarks.items()
    ]
    rates = [
        [name, *(percent_or_nothing(score.get(key)) for key in RATES.values())] for name, score in benchmarks.items()
    ]
    title = f"{summary['suite']}, {summary['protocol']}"
    parts: list[RenderableType] = [
        _table(title, ("benchmark", "n", "draws", "strict", "± se", "lenient"), scores),
        _table("", ("of the answers", *RATES), rates),
    ]
    groups = [("discipline", summary["disciplines"]), ("stands apart", summary.get("apart", {}))]
    if set(summary.get("subjects", {})) != set(summary["disciplines"]):
        groups.insert(1, ("subject", summary.get("subjects", {})))
    for title, scores in groups:
        if scores:
            lines = [[name, str(score["n"]), *_accuracies(score)] for name, score in scores.items()]
            parts.append(_table("", (title, "n", "strict", "± se", "lenient"), lines))
    parts.append(
        Text(
            f"{_name_mean(summary)}: strict {percent(summary['mean'])} [{percent(summary['low'])}, "
            f"{percent(summary['high'])}], lenient {percent(summary['lenient_mean'])} "
            f"[{percent(summary['lenient_low'])}, {percent(summary['lenient_high'])}] "
            "(95%, over the choice of problems only)"
        )
    )
    if len(benchmarks) > 1 and "benchmark_mean" in summary:
        means = [percent(summary[key]) for key in ("benchmark_mean", "lenient_benchmark_mean")]
        parts.append(Text(f"mean over benchmarks: strict {means[0]}, lenient {means[1]}"))
    if summary["boxed_frac"] == 0 and summary["mean"] < summary["lenient_mean"]:
        parts.append(Text("no answer has a box, which is all that strict reads: the template may not ask for one"))
    if "template" in summary:
        parts.append(Text(f"asked with the template {summary['template']}"))
    if summary["undecided_frac"]:
        parts.append(Text(f"strict if every undecided answer were right: {percent(summary['mean_upper'])}"))
    parts += _curves(summary)
    return Group(*parts, *_gaps(summary))


def _name_mean(summary: Mapping[str, Any]) -> str:
    return "mean over disciplines" if len(summary["disciplines"]) > 1 else "mean over problems"


def _curves(summary: Mapping[str, Any]) -> list[RenderableType]:
    curves = summary.get("curves")
    if not curves:
        return []
    rows = [
        [f"k = {point['k']}", _interval(point), _interval(vote)]
        for point, vote in zip(curves["pass_at_k"], curves["maj_at_k"], strict=True)
    ]
    return [_table("over all problems drawn more than once", ("", "pass@k", "maj@k"), rows)]


def _gaps(summary: Mapping[str, Any]) -> list[RenderableType]:
    gaps = [f"missing, and in no mean: {name} ({reason})" for name, reason in summary.get("missing", {}).items()]
    for name, reasons in summary.get("set_aside", {}).items():
        gaps.append(f"{name}: {len(reasons)} rows set aside, the first: {reasons[0]}")
    gaps += [f"{name}: {note}" for name, note in summary.get("notes", {}).items()]
    return [Text(gap, style="yellow") for gap in gaps]


def comparison_table(comparison: Mapping[str, Any]) -> RenderableType:
    """This evaluation minus another: overall under both readings, then by subject with Holm's correction."""
    rows = [
        [name, _gain(Interval(**comparison[key]))]
        for name, key in (
            ("strict", "difference"),
            ("lenient", "lenient_difference"),
            ("strict minus lenient: only the form", "format_part"),
        )
    ]
    title = f"difference over {comparison['num_problems']:,} problems, points with 95% intervals over problems"
    parts: list[RenderableType] = [_table(title, ("reading", "after − before"), rows)]
    test = {"McNemar": "McNemar, exact", "sign flips": "paired test of the problems' means by sign flips"}
    parts.append(Text(f"{test[comparison['test']]}: {p_value(comparison['p_value'])}"))
    if (crossed := comparison["crossover"]) is not None:
        where = f"at k = {crossed['k']}" if crossed["k"] else f"nowhere up to k = {crossed['max_k']}"
        told = f"the first model's pass@k reaches this one's {where}"
        is_same = crossed["base"] == crossed["trained"]
        parts.append(Text("pass@k of both is the same at every k" if is_same else told))
    subjects = [
        [
            row["label"],
            str(row["num_problems"]),
            percent(row["before"]),
            percent(row["after"]),
            _gain(Interval(**row["difference"])),
            p_value(row["p_value"]),
            p_value(row["holm_p_value"]),
        ]
        for row in comparison["subjects"]
    ]
    head = ("subject", "n", "before", "after", "points", "alone", f"Holm over {len(subjects)}")
    return Group(*parts, _table("", head, subjects))


def curve_table(curve: Mapping[str, Any]) -> RenderableType:
    """The base and every checkpoint of a run; when the reward saturated, and what came after."""
    rows = [
        [
            str(one["step"]),
            percent(one["mean"]),
            f"[{percent(one['low'])}, {percent(one['high'])}]",
            percent(one["lenient_mean"]),
            percent(one["boxed_frac"]),
            percent(one["truncated_frac"]),
            f"{one['mean_tokens']:.0f}",
        ]
        for one in curve["checkpoints"]
    ]
    head = ("step", "strict", "95% interval", "lenient", "boxed", "cut off", "tokens")
    parts: list[RenderableType] = [_table(str(curve["run"]), head, rows)]
    step, gain = curve["saturation_step"], curve["gain_after_saturation"]
    if not curve["saturation_can_be_said"]:
        parts.append(Text("Whether the training reward saturated cannot be said: it needs ten steps of exact reward."))
    elif step is None:
        parts.append(Text("The training reward did not saturate and stay saturated."))
    else:
        told = f"The training reward saturated at step {step}."
        parts.append(Text(told + (f" Test accuracy after that: {_gain(Interval(**gain))} points." if gain else "")))
    return Group(*parts)


def figures_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> RenderableType:
    """Any small table: the first column is text, the others are figures."""
    return _table(title, head, rows)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, title=Text(title) if title else None, padding=(0, 1), title_justify="left")
    table.add_column(head[0])
    for heading in head[1:]:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _accuracies(score: Mapping[str, Any]) -> list[str]:
    se = score.get("se")
    return [
        percent(score["accuracy"]),
        NOTHING if se is None else f"{100 * se:.1f}",
        percent(score["lenient_accuracy"]),
    ]


def _interval(point: Mapping[str, float]) -> str:
    return f"{percent(point['mean'])} [{percent(point['low'])}, {percent(point['high'])}]"


def _gain(interval: Interval) -> str:
    return f"{points(interval.mean)} [{points(interval.low)}, {points(interval.high)}]"
