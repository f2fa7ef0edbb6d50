"""A recorded experiment in, its tables out: cells for a page, Markdown for documents."""

from __future__ import annotations

from polymath.evaluation.statistics import Interval
from polymath.reporting.cells import Table, escape, to_markdown
from polymath.reporting.recorded import (
    ArmsRecord,
    CurvesRecord,
    DrawsRecord,
    PassAtKRecord,
    RatesRecord,
    Record,
    gain_matrix,
    mean,
)
from polymath.reporting.wording import NOTHING, number, p_value, percent, percent_or_nothing, points, span, tell_rate


def tables(record: Record) -> str:
    """A record as GitHub markdown: heading, where it comes from, all tables; no newline at the end."""
    hashes = ", ".join(f"{name} `{value[:12]}`" for name, value in record.hashes)
    origin = (
        f"Recorded {escape(record.date)}, tested on {escape(record.suite)}, {escape(record.protocol)}. "
        f"Machine: {escape(record.machine)}. Versions: {escape(record.versions)}. sha256: {hashes}. Made with:"
    )
    # Indented lines are code, whatever stands in them.
    commands = "\n".join(f"    {' '.join(command.split())}" for command in record.commands)
    parts = [f"## {escape(record.title)}", origin, commands, *map(to_markdown, list_tables(record))]
    return "\n\n".join(parts)


def list_tables(record: Record) -> list[Table]:
    """The tables of a record, ready to be written anywhere."""
    match record:
        case ArmsRecord():
            return _arms_tables(record)
        case DrawsRecord():
            return _draws_tables(record)
        case CurvesRecord():
            return [_curves_table(record)]
        case RatesRecord():
            return [_rates_table(record)]
        case PassAtKRecord():
            return _pass_tables(record)


def _arms_tables(record: ArmsRecord) -> list[Table]:
    base = record.base
    scores = [("base", percent(base.strict), "", percent(base.lenient), "", "", "")]
    details = [
        (
            "base",
            "no training",
            f"{100 * base.strict:.1f}",
            percent_or_nothing(base.held_out),
            percent_or_nothing(base.worked),
            "",
        )
    ]
    for arm in record.arms:
        strict, lenient = percent(arm.strict_interval.mean), percent(arm.lenient_interval.mean)
        up = f"{arm.disciplines_up} of {arm.num_disciplines}"
        margin = _gain(arm.margin) if arm.margin else ""
        scores.append((arm.name, strict, _gain(arm.strict_gain), lenient, _gain(arm.lenient_gain), up, margin))
        seeds = " · ".join(f"{100 * value:.1f}" for value in arm.strict)
        held_out = percent_or_nothing(None if arm.held_out is None else mean(arm.held_out))
        if arm.held_out_interval:
            ends = arm.held_out_interval
            held_out += f" [{percent(max(0.0, ends.low))}, {percent(min(1.0, ends.high))}]"
        reward = number(mean(arm.reward)) if arm.reward else NOTHING
        details.append((arm.name, arm.about, seeds, held_out, percent(mean(arm.worked)), reward))
    many = (
        f"Means of {len(record.seeds)} training seeds ({', '.join(map(str, record.seeds))}). In brackets 95% intervals "
        "of a two-level bootstrap over seeds and problems, the spread of so few seeds stretched as Student's t demands."
    )
    one = "One training seed. In brackets 95% intervals over problems: another seed can land elsewhere."
    intervals = many if len(record.seeds) > 1 else one
    words = (
        "Held out: strict accuracy on kinds of problems that the base model never read, with Wilson intervals over "
        "problems. Worked: share of the test "
        "answers that show their steps. Reward: training reward, mean of the last 5 steps. Means of the seeds."
    )
    score_heads = (
        "arm",
        "strict",
        "points over base",
        "lenient",
        "points over base",
        "disciplines up",
        "trained minus arm",
    )
    detail_heads = ("arm", "what is different", "strict by seed, %", "held out", "worked", "reward")
    return [
        Table(title="Arms against the base model", heads=score_heads, rows=tuple(scores), note=intervals),
        Table(title="What the arms are", heads=detail_heads, rows=tuple(details), num_words=2, note=words),
    ]


def _draws_tables(record: DrawsRecord) -> list[Table]:
    heads = ("signal before training", "rank correlation ρ with strict accuracy", "p", "samples")
    rows = tuple(
        (
            one.signal,
            NOTHING if one.rho is None else f"{one.rho:+.2f}".replace("-", "−"),
            NOTHING if one.p is None else p_value(one.p).removeprefix("p ").removeprefix("= "),
            str(one.n),
        )
        for one in record.correlations
    )
    note = "p: two-sided permutation test of one signal; no correction for the number of signals."
    correlations = Table(title="What could be known before training", heads=heads, rows=rows, note=note)
    return [*([correlations] if rows else []), _samples_table(record), _matrix_table(record)]


def _samples_table(record: DrawsRecord) -> Table:
    heads = (
        "sample", "discipline", "kind", "named", "level", "answer", "strict", "lenient", "reward", "worked after",
        "probe: draws", "worked share", "worked answers right", "direct answers right", "all draws right",
    )  # fmt: skip
    base = ("base", "", "", "", "", "", percent(record.base.strict), percent(record.base.lenient), *[""] * 7)
    rows = [
        (
            draw.name,
            draw.discipline,
            draw.template,
            draw.chosen or "",
            str(draw.level),
            draw.answer_type,
            percent(draw.strict),
            percent(draw.lenient),
            number(draw.reward),
            percent(draw.worked_after),
            str(draw.probe.num),
            percent(draw.probe.worked_frac),
            percent_or_nothing(draw.probe.worked_right_frac),
            percent_or_nothing(draw.probe.direct_right_frac),
            percent(draw.probe.right_frac),
        )
        for draw in sorted(record.draws, key=lambda draw: (-draw.strict, draw.name))
    ]
    note = (
        "Strict and lenient: dev accuracy after training on this one sample. Reward: mean of the last 5 steps. "
        "Probe: what the base model did with the sample before training."
    )
    return Table(
        title=f"All {len(record.draws)} samples, best first", heads=heads, rows=(base, *rows), num_words=4, note=note,
        is_detail=True,
    )  # fmt: skip


def _matrix_table(record: DrawsRecord) -> Table:
    tests = tuple(record.base.disciplines)
    rows = tuple(
        (name, str(count), *(points(gains[test]) for test in tests))
        for name, (count, gains) in gain_matrix(record).items()
    )
    note = "Rows: discipline of the training sample. Columns: discipline of the test. Mean over the samples of a row."
    return Table(
        title="Gain over base in points, strict", heads=("sample from", "samples", *tests), rows=rows, note=note,
        is_detail=True,
    )  # fmt: skip


def _curves_table(record: CurvesRecord) -> Table:
    rows = []
    for arm in record.arms:
        at = arm.strict_at_saturation
        step = NOTHING if arm.saturation_step is None else str(arm.saturation_step)
        after = NOTHING if at is None else points(arm.strict_last - at)
        rows.append((arm.name, step, percent_or_nothing(at), percent(arm.strict_last), after))
    heads = ("arm", "saturation step", "strict there", "strict at the last step", "points after saturation")
    return Table(title="Before and after saturation", heads=heads, rows=tuple(rows), note=record.rule)


def _rates_table(record: RatesRecord) -> Table:
    rows = tuple(
        (
            tell_rate(arm.learning_rate),
            percent(arm.strict),
            percent(arm.lenient),
            number(arm.reward),
            number(arm.entropy),
            percent(arm.worked),
            percent_or_nothing(arm.worked_right),
            percent(arm.boxed),
            percent(arm.truncated),
        )
        for arm in sorted(record.arms, key=lambda arm: arm.learning_rate)
    )
    heads = (
        "learning rate", "strict", "lenient", "reward", "entropy", "worked", "right if worked", "boxed", "truncated",
    )  # fmt: skip
    return Table(title="By learning rate", heads=heads, rows=rows, note="Entropy: training, last step.")


def _pass_tables(record: PassAtKRecord) -> list[Table]:
    rows = tuple(
        (
            str(k),
            *(f"{percent(m.pass_at_k[i])} ({percent(m.low[i])} to {percent(m.high[i])})" for m in record.models),
        )
        for i, k in enumerate(record.k)
    )
    note = (
        f"{record.num_problems:,} problems, {record.num_draws} draws each; mean over disciplines. In brackets 95% "
        "intervals, which cover the choice of problems."
    )
    scores = Table(title="pass@k", heads=("k", *(model.name for model in record.models)), rows=rows, note=note)
    largest = f"not up to {max(record.k)}"
    crossed = tuple((one.model, largest if one.k is None else str(one.k)) for one in record.crossovers)
    heads = ("model", "first k at which the base is at least as good")
    return [scores, *([Table(title="Where the base catches up", heads=heads, rows=crossed)] if crossed else [])]


def _gain(interval: Interval) -> str:
    return f"{points(interval.mean)} ({span(interval)})"
