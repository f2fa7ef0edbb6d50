"""Recorded experiments in, typed records and their tables out.

The lab's big experiments (arms over seeds, random samples, curves ...) run once; their results ship with the
package and lie in the `recorded` folder of every run that starts from the very same base weights. Fractions
throughout. A record is read from outside, so it is checked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from polymath.errors import RunFolderError
from polymath.evaluation.statistics import Interval
from polymath.reporting.wording import number, p_value, percent, points, span

EXPERIMENTS = ("arms", "draws", "curves", "rates", "pass-at-k", "ablation")
NOTHING = "–"
# What the base model did with a sample before training, in the words of `Correlation.signal`.
PROBE_SIGNALS = {
    "direct_right_frac": "direct answers right",
    "worked_frac": "worked share",
    "worked_right_frac": "worked answers right",
    "right_frac": "all draws right",
}

Floats = tuple[float, ...]
Steps = tuple[int, ...]


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Hashes(_Noun):
    """What went in, as hex digits."""

    recipe: str
    code: str
    weights: str


class _Recorded(_Noun):
    """What every record says about where it comes from."""

    title: str
    commands: tuple[str, ...]
    date: str
    machine: str
    versions: str
    hashes: Hashes
    suite: str
    protocol: str


class BaseScores(_Noun):
    """The base model's accuracies."""

    strict: float
    lenient: float
    held_out: float | None = None
    worked: float | None = None


class RecordedArm(_Noun):
    """One arm over the seeds: lists hold a value a seed; intervals cover seeds and problems.

    An arm that was not trained has no reward.
    """

    name: str
    about: str
    strict: Floats
    lenient: Floats
    held_out: Floats | None
    worked: Floats
    reward: Floats | None
    strict_interval: Interval
    lenient_interval: Interval
    strict_gain: Interval
    lenient_gain: Interval
    held_out_interval: Interval | None = None
    margin: Interval | None = None
    disciplines_up: int
    num_disciplines: int


class ArmsRecord(_Recorded):
    """Arms over training seeds."""

    experiment: Literal["arms"]
    seeds: tuple[int, ...]
    base: BaseScores
    arms: tuple[RecordedArm, ...]

    @model_validator(mode="after")
    def _has_a_value_a_seed(self) -> Self:
        for arm in self.arms:
            lists = (arm.strict, arm.lenient, arm.worked, *(() if arm.held_out is None else (arm.held_out,)))
            _check_lengths(arm.name, self.seeds, lists)
        return self


class AblationRecord(ArmsRecord):
    """The arms of a grid, and what each of them sets. There may be several, by the name of the grid."""

    experiment: Literal["ablation"]  # type: ignore[assignment]
    grid: str
    settings: dict[str, dict[str, str]]


class Probe(_Noun):
    """What the base model did with a sample before training; None where it never answered in that way."""

    num: int
    worked_frac: float
    worked_right_frac: float | None
    direct_right_frac: float | None
    right_frac: float


class Draw(_Noun):
    """One random sample and what training on it led to. `disciplines` are strict accuracies."""

    name: str
    discipline: str
    template: str
    level: int
    answer_type: str
    strict: float
    lenient: float
    reward: float
    worked_after: float
    probe: Probe
    chosen: Literal["good", "poor"] | None
    disciplines: dict[str, float]


class DrawsBase(_Noun):
    """The base model on the same problems."""

    strict: float
    lenient: float
    disciplines: dict[str, float]


class Correlation(_Noun):
    """How a signal known before training ranks the outcomes."""

    signal: str
    rho: float | None
    p: float | None
    n: int


class DrawsRecord(_Recorded):
    """Random samples, one run each."""

    experiment: Literal["draws"]
    rule: str
    draws: tuple[Draw, ...]
    base: DrawsBase
    correlations: tuple[Correlation, ...]

    @model_validator(mode="after")
    def _has_the_same_disciplines(self) -> Self:
        for draw in self.draws:
            if draw.disciplines.keys() != self.base.disciplines.keys():
                raise ValueError(f"{draw.name} was tested in other disciplines than the base")
        return self


class Curve(_Noun):
    """One arm over its steps: tests at `steps`, everything else at `train_steps`."""

    name: str
    steps: Steps
    strict: Floats
    lenient: Floats
    train_steps: Steps
    reward: Floats
    ways: dict[str, Floats]
    entropy: Floats
    saturation_step: int | None
    strict_at_saturation: float | None
    strict_last: float

    @model_validator(mode="after")
    def _has_a_value_a_step(self) -> Self:
        _check_lengths(self.name, self.steps, (self.strict, self.lenient))
        _check_lengths(self.name, self.train_steps, (self.reward, self.entropy, *self.ways.values()))
        return self


class CurvesRecord(_Recorded):
    """Training and test over steps. `rule` says what saturation is."""

    experiment: Literal["curves"]
    rule: str = ""
    arms: tuple[Curve, ...]


class Rate(_Noun):
    """One learning rate, measured at the last step."""

    learning_rate: float = Field(gt=0)
    strict: float
    lenient: float
    reward: float
    entropy: float
    worked: float
    boxed: float
    truncated: float
    worked_right: float | None


class RatesRecord(_Recorded):
    """The same run at several learning rates."""

    experiment: Literal["rates"]
    arms: tuple[Rate, ...]


class PassModel(_Noun):
    """One model's pass@k with the ends of its interval."""

    name: str
    pass_at_k: Floats
    low: Floats
    high: Floats


class Crossover(_Noun):
    """The first k at which the base is at least as good as this model; None: none up to the largest k."""

    model: str
    k: int | None


class PassAtKRecord(_Recorded):
    """Several draws a problem: how often at least one of k is right. The first model is the base."""

    experiment: Literal["pass-at-k"]
    num_problems: int
    num_draws: int
    k: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    models: tuple[PassModel, ...]
    crossovers: tuple[Crossover, ...]

    @model_validator(mode="after")
    def _has_a_value_a_k(self) -> Self:
        for model in self.models:
            _check_lengths(model.name, self.k, (model.pass_at_k, model.low, model.high))
        return self


Record = ArmsRecord | AblationRecord | DrawsRecord | CurvesRecord | RatesRecord | PassAtKRecord
_ADAPTER: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="experiment")])


@dataclass(frozen=True, kw_only=True)
class Table:
    """Text cells under their headings. The first `num_words` columns hold words, the others numbers.

    `is_detail` marks what a page may fold away.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_words: int = 1
    note: str = ""
    is_detail: bool = False


def read_records(folder: Path) -> list[Record]:
    """The records of a folder in the order of EXPERIMENTS; none where there is no folder.

    Raises RunFolderError for a file that is no record, or for two records of one experiment or grid.
    """
    records: dict[str, Record] = {}
    for path in sorted(folder.glob("*.json")):
        record = _read_record(path)
        if (name := name_of(record)) in records:
            raise RunFolderError(path, f"is a second record of {name}", "keep one of them")
        records[name] = record
    return sorted(records.values(), key=lambda record: EXPERIMENTS.index(record.experiment))


def name_of(record: Record) -> str:
    """The experiment, and of an ablation the grid: how its file and its figures are named."""
    return f"ablation-{record.grid}" if isinstance(record, AblationRecord) else record.experiment


def parse_record(table: Mapping[str, Any]) -> Record:
    """A record from its JSON object. Raises pydantic's ValidationError."""
    return _ADAPTER.validate_python(table)


def gain_matrix(record: DrawsRecord) -> dict[str, tuple[int, dict[str, float]]]:
    """Discipline of the sample to the number of its samples and their mean gain in every tested discipline."""
    base = record.base.disciplines
    order = [name for name in base if any(draw.discipline == name for draw in record.draws)]
    order += sorted({draw.discipline for draw in record.draws} - set(base))
    groups = {name: [draw for draw in record.draws if draw.discipline == name] for name in order}
    return {
        name: (len(draws), {test: _mean(draw.disciplines[test] for draw in draws) - base[test] for test in base})
        for name, draws in groups.items()
    }


def tables(record: Record) -> str:
    """A record as GitHub markdown: heading, where it comes from, all tables; no newline at the end."""
    hashes = ", ".join(f"{name} `{value[:12]}`" for name, value in record.hashes)
    origin = (
        f"Recorded {_escape(record.date)}, tested on {_escape(record.suite)}, {_escape(record.protocol)}. "
        f"Machine: {_escape(record.machine)}. Versions: {_escape(record.versions)}. sha256: {hashes}. Made with:"
    )
    # Indented lines are code, whatever stands in them.
    commands = "\n".join(f"    {' '.join(command.split())}" for command in record.commands)
    parts = [f"## {_escape(record.title)}", origin, commands, *map(to_markdown, list_tables(record))]
    return "\n\n".join(parts)


def to_markdown(table: Table) -> str:
    """One table as GitHub markdown under its title in bold."""
    marks = [":--" if place < table.num_words else "--:" for place in range(len(table.heads))]
    lines = [_line(table.heads), f"|{'|'.join(marks)}|", *map(_line, table.rows)]
    parts = [f"**{_escape(table.title)}**", "\n".join(lines), *([_escape(table.note)] if table.note else [])]
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


def tell_rate(rate: float) -> str:
    """A learning rate as it is written in recipes."""
    mantissa, exponent = f"{rate:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _arms_tables(record: ArmsRecord) -> list[Table]:
    base = record.base
    scores = [("base", percent(base.strict), "", percent(base.lenient), "", "", "")]
    details = [("base", "no training", f"{100 * base.strict:.1f}", _percent(base.held_out), _percent(base.worked), "")]
    for arm in record.arms:
        strict, lenient = percent(arm.strict_interval.mean), percent(arm.lenient_interval.mean)
        up = f"{arm.disciplines_up} of {arm.num_disciplines}"
        margin = _gain(arm.margin) if arm.margin else ""
        scores.append((arm.name, strict, _gain(arm.strict_gain), lenient, _gain(arm.lenient_gain), up, margin))
        seeds = " · ".join(f"{100 * value:.1f}" for value in arm.strict)
        held_out = _percent(None if arm.held_out is None else _mean(arm.held_out))
        if arm.held_out_interval:
            ends = arm.held_out_interval
            held_out += f" [{percent(max(0.0, ends.low))}, {percent(min(1.0, ends.high))}]"
        reward = number(_mean(arm.reward)) if arm.reward else NOTHING
        details.append((arm.name, arm.about, seeds, held_out, percent(_mean(arm.worked)), reward))
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
            _percent(draw.probe.worked_right_frac),
            _percent(draw.probe.direct_right_frac),
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
        rows.append((arm.name, step, _percent(at), percent(arm.strict_last), after))
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
            _percent(arm.worked_right),
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


def _read_record(path: Path) -> Record:
    remedy = "remove the file, or start a new run with this version"
    try:
        return parse_record(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RunFolderError(path, f"is no record that can be read ({place}: {first['msg']})", remedy) from error
    except (OSError, ValueError) as error:
        raise RunFolderError(path, f"is no record that can be read ({error})", remedy) from error


def _check_lengths(name: str, places: Sequence[int], lists: Iterable[Sequence[float]]) -> None:
    for values in lists:
        if len(values) != len(places):
            raise ValueError(f"{name} has a list of {len(values)} values where {len(places)} belong")


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _percent(fraction: float | None) -> str:
    return NOTHING if fraction is None else percent(fraction)


def _gain(interval: Interval) -> str:
    return f"{points(interval.mean)} ({span(interval)})"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_escape, cells))} |"


def _escape(text: str) -> str:
    return re.sub(r"&(?=#?\w+;)", "&amp;", " ".join(text.split())).replace("<", "&lt;").replace("|", "\\|")
