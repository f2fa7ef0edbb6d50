"""A run folder in, the result for people (a rich renderable) and for programs (one dict) out."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polymath.evaluation.statistics import Interval
from polymath.reporting.compare import Difference
from polymath.reporting.read import Evaluation, ReportData, read_report
from polymath.reporting.recording import Record, across_seeds
from polymath.reporting.wording import NOTHING, direction, percent, points, tell_caveat, tell_result
from polymath.runs import RunFolder

STYLE_OF_DIRECTION = {"gain": "green", "loss": "red", "null": ""}


def summarize_run(run: RunFolder) -> dict[str, Any]:
    """What `polymath run --json` prints. An evaluation that the run has not reached is None."""
    data = read_report(run)
    difference = data.difference.strict if data.difference else None
    return {
        "run": str(run.path),
        "report": str(run.report_path),
        "before": _summarize(data.before),
        "after": _summarize(data.after),
        "difference": difference and {"mean": difference.mean, "low": difference.low, "high": difference.high},
        "arms": {arm.name: _summarize(arm.after) for arm in data.arms},
    }


def result_table(run: RunFolder) -> RenderableType:
    """Base, trained model and arms, strict and lenient; then each discipline; then what it means in words."""
    data = read_report(run)
    parts: list[RenderableType] = [_models_table(data)]
    if data.before and data.after:
        parts.append(_disciplines_table(data.before, data.after))
    parts += [Text(gap, style="yellow") for gap in data.gaps]
    parts += [Text(sentence) for sentence in tell_result(data)]
    if data.difference:
        parts.append(Text(tell_caveat(data), style="dim"))
    if record := across_seeds(run):
        parts.append(_seeds_table(record))
    return Group(*parts)


def _summarize(evaluation: Evaluation | None) -> dict[str, Any] | None:
    if evaluation is None:
        return None
    return {
        "mean": evaluation.strict.mean,
        "lenient_mean": evaluation.lenient.mean,
        "disciplines": {name: score.accuracy for name, score in evaluation.disciplines.items()},
        **({"apart": {name: score.accuracy for name, score in evaluation.apart.items()}} if evaluation.apart else {}),
    }


def _models_table(data: ReportData) -> Table:
    table = Table(box=SIMPLE_HEAD, title=Text(f"{data.sample_name} on {data.recipe.evaluate.suite}"), padding=(0, 1))
    table.add_column("model")
    for heading in ("strict", "difference", "lenient", "difference"):
        table.add_column(heading, justify="right")
    trained = "trained" if data.after is None or data.is_complete else f"trained, step {data.after.step}"
    rows = [("base", data.before, None), (trained, data.after, data.difference)]
    rows += [(f"arm {arm.name}", arm.after, arm.difference) for arm in data.arms]
    for name, evaluation, difference in rows:
        table.add_row(Text(name), *_model_cells(evaluation, difference))
    return table


def _model_cells(evaluation: Evaluation | None, difference: Difference | None) -> list[Text]:
    if evaluation is None:
        return [Text(NOTHING)] * 4
    return [
        Text(percent(evaluation.strict.mean)),
        _difference_cell(difference.strict if difference else None),
        Text(percent(evaluation.lenient.mean)),
        _difference_cell(difference.lenient if difference else None),
    ]


def _seeds_table(record: Record) -> Table:
    """The run and its arms over all seeds, with two-level intervals."""
    seeds = ", ".join(map(str, record["seeds"]))
    table = Table(box=SIMPLE_HEAD, title=Text(f"over seeds {seeds}: intervals over seeds and problems"), padding=(0, 1))
    table.add_column("model")
    for heading in ("strict, a seed each", "mean", "gain", "lenient gain"):
        table.add_column(heading, justify="right")
    for arm in record["arms"]:
        gains = [Interval(**arm[name]) for name in ("strict_gain", "lenient_gain")]
        each = " ".join(percent(value) for value in arm["strict"])
        table.add_row(
            Text(arm["name"]), each, percent(arm["strict_interval"]["mean"]), *(_difference_cell(one) for one in gains)
        )
    return table


def _difference_cell(interval: Interval | None) -> Text:
    if interval is None:
        return Text("")
    text = f"{points(interval.mean)} [{points(interval.low)}, {points(interval.high)}]"
    return Text(text, style=STYLE_OF_DIRECTION[direction(interval)])


def _disciplines_table(before: Evaluation, after: Evaluation) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("discipline")
    for heading in ("n", "strict", "trained", "points", "lenient", "trained", "points"):
        table.add_column(heading, justify="right")
    rows = [(name, first, after.disciplines.get(name)) for name, first in before.disciplines.items()]
    rows += [(f"{name} (apart)", first, after.apart.get(name)) for name, first in before.apart.items()]
    for name, first, second in rows:
        if second is None:
            continue
        table.add_row(
            Text(name),
            str(first.num_problems),
            percent(first.accuracy),
            percent(second.accuracy),
            points(second.accuracy - first.accuracy),
            percent(first.lenient_accuracy),
            percent(second.lenient_accuracy),
            points(second.lenient_accuracy - first.lenient_accuracy),
        )
    return table
