"""Accuracy histories of a pool: what a whole training run said of every row, visit by visit.

    acc_step_N.json            {index: [accuracy, ...]}, ragged (released code of arXiv 2504.20571)
    acc_step_with_step_N.json  {index: {step: accuracy}}
    DIR/step_N.json            rows with prompt and reward a step (released code of arXiv 2502.11886), joined by text
    RUN                        rollouts/ of a run of ours that trained on the pool
    scores                     [{prompt, score}], no history but what somebody computed from one, joined by text

A history is the hidden cost of HVS and LIM: a training run on the whole pool. `num_rollouts` counts it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath.errors import SampleError
from polymath.runs import RunFolder
from polymath.samples.pools import Pool
from polymath.samples.rows import read_file_rows

# arXiv 2502.11886's script: an epoch is eight steps of 1,024 prompts, and the first 21 epochs count.
STEPS_PER_EPOCH, MAX_EPOCHS = 8, 21
MAX_GROUP_SIZE = 4096
_STEP_FILE = re.compile(r"step[_-](\d+)\.jsonl?")


@dataclass(frozen=True, kw_only=True)
class Histories:
    """Pool row to its accuracies, first visit first; rows in the order of the file, which decides ties.

    Curves may differ in length. `group_size` is the rollouts a visit; None where a visit has no fixed number.
    """

    source: str
    curves: Mapping[int, tuple[float, ...]]
    num_rollouts: int
    group_size: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def num_visits(self) -> int:
        """Entries of all curves."""
        return sum(map(len, self.curves.values()))


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Pool row to a score that somebody else computed; rows in the order of the file."""

    source: str
    by_index: Mapping[int, float]
    notes: tuple[str, ...] = ()


def read_histories(
    path: str | Path, pool: Pool | None = None, *, steps_per_epoch: int = STEPS_PER_EPOCH, max_epochs: int = MAX_EPOCHS
) -> Histories:
    """The histories of a file or folder of any known kind; step dumps and runs need the pool they are of.

    Raises SampleError where it is of no known kind, or holds no accuracies.
    """
    path = Path(path)
    if (path / "run.json").is_file():
        return _of_run(path, pool)
    if path.is_dir():
        return _of_dumps(path, pool, steps_per_epoch, max_epochs)
    found = _read_json(path)
    if isinstance(found, list):
        raise SampleError(path, "is a list, and a history file is {index: [accuracy, ...]}", "give it with --scores")
    if not isinstance(found, dict) or not found:
        raise SampleError(path, "holds no histories", "a history file is {index: [accuracy, ...]}")
    curves = {_index(path, key): _curve(path, key, value) for key, value in found.items()}
    size = shared_denominator(value for curve in curves.values() for value in curve)
    visits = sum(map(len, curves.values()))
    lengths = sorted({len(curve) for curve in curves.values()})
    notes = () if len(lengths) == 1 else (f"{lengths[0]} to {lengths[-1]} visits a row",)
    return Histories(source=str(path), curves=curves, num_rollouts=visits * size, group_size=size, notes=notes)


def read_scores(path: str | Path, pool: Pool) -> Scores:
    """The scores of [{prompt, score}] or [{index, score}] for the rows of the pool; texts are joined without spaces.

    Raises SampleError where nothing fits, and where one text has two scores.
    """
    rows = read_file_rows(Path(path))
    by_index: dict[int, float] = {}
    if "index" in rows[0].values:
        by_index = {int(row.values["index"]): _score(row.where, row.values) for row in rows}
        return Scores(source=str(path), by_index=by_index)
    places = _places_of_text(pool)
    of_text: dict[str, float] = {}
    for row in rows:
        if not isinstance(row.values.get("prompt"), str):
            raise SampleError(row.where, "has no prompt", "a row of scores is {prompt, score} or {index, score}")
        text, score = _squeeze(row.values["prompt"]), _score(row.where, row.values)
        if of_text.setdefault(text, score) != score:
            raise SampleError(row.where, "gives a second score to one prompt", "keep one of them")
    by_index = {index: score for text, score in of_text.items() for index in places.get(text, ())}
    if not by_index:
        raise SampleError(path, f"no prompt of it is a question of {pool.source}", "name the pool it was made for")
    lost = sum(text not in places for text in of_text)
    bare = len(pool.rows) - sum(row.index in by_index for row in pool.rows)
    notes = [f"{lost:,} scored prompts are not in the pool"] if lost else []
    notes += [f"{bare:,} pool rows have no score"] if bare else []
    return Scores(source=str(path), by_index=by_index, notes=tuple(notes))


def back_fill(curve: Sequence[float]) -> list[float]:
    """One pass from left to right: a miss (-1) takes the value of the next epoch, where that is none.

    Released code of arXiv 2502.11886, whose comment calls it a forward fill. Two misses in a row leave the first one,
    and a miss in the last epoch stays.
    """
    filled = list(curve)
    for epoch in range(len(filled) - 1):
        if filled[epoch] == -1 and filled[epoch + 1] != -1:
            filled[epoch] = filled[epoch + 1]
    return filled


def shared_denominator(values: Iterable[float]) -> int:
    """The least whole number that makes all these accuracies whole: the group size behind them; 1 where none does."""
    size = 1
    for value in {round(value, 9) for value in values}:
        if abs(value * size - round(value * size)) < 1e-6:
            continue
        more = next((k for k in range(2, MAX_GROUP_SIZE // size + 1) if _is_whole(value * size * k)), None)
        if more is None:
            return 1
        size *= more
    return size


def _is_whole(value: float) -> bool:
    return abs(value - round(value)) < 1e-6


def _of_dumps(path: Path, pool: Pool | None, steps_per_epoch: int, max_epochs: int) -> Histories:
    """LIMR step dumps: accuracy (reward 1) a prompt and epoch, back-filled; rows with a miss left are dropped."""
    if pool is None:
        raise SampleError(path, "holds prompts, not rows", "name the pool that they are of")
    steps = {int(found[1]): file for file in path.iterdir() if (found := _STEP_FILE.fullmatch(file.name))}
    whole = next((step for step in range(1, len(steps) + 2) if step not in steps), 1) - 1
    num_epochs = min(max_epochs, whole // steps_per_epoch)
    if num_epochs < 1:
        raise SampleError(
            path, f"has no whole epoch of {steps_per_epoch} dumps from step_1.json on", "set --steps-per-epoch"
        )
    right: list[dict[str, list[int]]] = []
    num_rollouts = 0
    for epoch in range(num_epochs):
        counts: dict[str, list[int]] = {}
        for step in range(epoch * steps_per_epoch + 1, (epoch + 1) * steps_per_epoch + 1):
            for prompt, is_right in _dumped(steps[step]):
                count = counts.setdefault(prompt, [0, 0])
                count[0] += is_right
                count[1] += 1
                num_rollouts += 1
        right.append(counts)
    prompts = dict.fromkeys(prompt for counts in right for prompt in counts)
    places = _places_of_text(pool)
    curves: dict[int, tuple[float, ...]] = {}
    dropped = lost = 0
    for prompt in prompts:
        curve = back_fill([counts[prompt][0] / counts[prompt][1] if prompt in counts else -1 for counts in right])
        if -1 in curve:
            dropped += 1
        elif prompt in places:
            curves.update({index: tuple(curve) for index in places[prompt]})
        else:
            lost += 1
    if not curves:
        raise SampleError(path, f"no whole curve is of a question of {pool.source}", "name the pool it was made for")
    notes = [f"{num_epochs} epochs of {steps_per_epoch} steps", f"{dropped:,} prompts missed too many epochs"]
    notes += [f"{lost:,} prompts are not in the pool"] if lost else []
    return Histories(source=str(path), curves=curves, num_rollouts=num_rollouts, notes=tuple(notes))


def _dumped(file: Path) -> Iterator[tuple[str, bool]]:
    for row in read_file_rows(file):
        try:
            yield _squeeze(row.values["prompt"]), float(row.values["reward"]) == 1.0
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SampleError(row.where, "has no prompt and reward", "a step dump is rows of prompt, reward") from error


def _of_run(path: Path, pool: Pool | None) -> Histories:
    """The rollouts of a run of ours: one entry a sample and step, the share of decided verdicts that are right.

    Groups take the samples in turn (rollouts/groups.py), so step and group say which row of samples.jsonl it was, also
    where two rows hold the same sample.
    """
    run = RunFolder(path)
    samples, num_groups = run.read_samples(), run.read_recipe().rollout.num_groups
    indices = _pool_rows(path, [sample.id for sample in samples], pool)
    steps = sorted(int(file.stem.removeprefix("step-")) for file in (path / "rollouts").glob("step-*.jsonl"))
    curves: dict[int, list[float]] = {}
    num_rollouts, undecided = 0, 0
    for step in steps:
        counts: dict[int, list[int]] = {}
        for row in run.read_rollouts(step):
            num_rollouts += 1
            outcome = row["verdict"]["outcome"]
            undecided += outcome == "undecided"
            place = ((step - 1) * num_groups + row["group"]) % len(samples)
            count = counts.setdefault(indices[place], [0, 0])
            count[0] += outcome == "right"
            count[1] += outcome != "undecided"
        for index, (right, decided) in counts.items():
            if decided:
                curves.setdefault(index, []).append(right / decided)
    if not curves:
        raise SampleError(path, "has no judged rollouts", "train it first, or name another run")
    notes = [f"{len(steps)} steps"] + ([f"{undecided:,} undecided verdicts left out"] if undecided else [])
    found = {index: tuple(curves[index]) for index in indices if index in curves}
    return Histories(source=str(path), curves=found, num_rollouts=num_rollouts, notes=tuple(notes))


def _pool_rows(path: Path, ids: Sequence[str], pool: Pool | None) -> list[int]:
    """The pool row of each sample of a run; without a pool the place in samples.jsonl."""
    if pool is None:
        return list(range(len(ids)))
    if ids == [row.sample.id for row in pool.rows]:
        return [row.index for row in pool.rows]
    first: dict[str, int] = {}
    for row in pool.rows:
        first.setdefault(row.sample.id, row.index)
    lost = next((place for place, one in enumerate(ids) if one not in first), None)
    if lost is not None:
        raise SampleError(path, f"trained on a sample (row {lost}) that {pool.source} lacks", "name the run's own pool")
    return [first[one] for one in ids]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SampleError(path, "no such file", "name a history file, a folder of step dumps, or a run") from error
    except (OSError, ValueError) as error:
        raise SampleError(path, f"is not JSON ({error})", "fetch the file again") from error


def _index(path: Path, key: str) -> int:
    if not key.isdecimal():
        raise SampleError(path, f"key {key[:40]!r} is no row of a pool", "a history file is {index: [accuracy, ...]}")
    return int(key)


def _curve(path: Path, key: str, value: Any) -> tuple[float, ...]:
    if isinstance(value, Mapping):
        value = [value[step] for step in sorted(value, key=float)]
    is_curve = isinstance(value, list) and all(isinstance(one, int | float) and 0 <= one <= 1 for one in value)
    if not is_curve or not value:
        raise SampleError(path, f"row {key} is no list of accuracies between 0 and 1", "fetch the file again")
    return tuple(map(float, value))


def _score(where: str, values: Mapping[str, Any]) -> float:
    try:
        score = float(values["score"])
    except (KeyError, TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise SampleError(where, "has no score", "a row of scores is {prompt, score} or {index, score}")
    return score


def _places_of_text(pool: Pool) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for row in pool.rows:
        places.setdefault(_squeeze(row.sample.question), []).append(row.index)
    return places


def _squeeze(text: str) -> str:
    return "".join(text.split())
