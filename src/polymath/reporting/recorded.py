"""Recorded experiments in, typed records out.

The lab's big experiments (arms over seeds, random samples, curves ...) run once; their results ship with the
package and lie in the `recorded` folder of every run that starts from the very same base weights. Fractions
throughout. A record is read from outside, so it is checked here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from polymath.errors import RunFolderError
from polymath.evaluation.statistics import Interval

EXPERIMENTS = ("arms", "draws", "curves", "rates", "pass-at-k", "ablation")
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
        name: (len(draws), {test: mean(draw.disciplines[test] for draw in draws) - base[test] for test in base})
        for name, draws in groups.items()
    }


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


def mean(values: Iterable[float]) -> float:
    """The sum from left to right over the number of values."""
    listed = list(values)
    return sum(listed) / len(listed)
