"""A run's metrics and evaluations in; when it saturated, what it gained after that, which step is best, out.

Everything is on plain rows: metrics are the objects of metrics.jsonl, an evaluation the rows of its file, headline
rows only where the mean must agree with the summaries'. Intervals are of one run each and cover the choice of
problems only, not the training seed.

What is measured and why: arXiv 2504.20571 (generalisation after saturation; it names no threshold, and takes the best
later checkpoint, chosen on the test) and arXiv 2601.03111, figures 1 and 9 (subjects, training dynamics).
P: problems. S: steps that were evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polymath.evaluation.draws import Floats, Problem, Reading, Row, problems_of
from polymath.evaluation.multiplicity import Label, SubjectDifference, compare_subjects, with_holm
from polymath.evaluation.statistics import Interval, bootstrap_discipline_mean, paired_difference

# The bootstrap is seeded by a constant: the same run gives the same page.
SEED = 0
# Steps whose mean says that the training reward is saturated.
SATURATION_WINDOW = 10


@dataclass(frozen=True, kw_only=True)
class Saturation:
    """When the training reward had nothing left to gain.

    `reached` is the first step at which the moving mean is at or above the bar, `held` the first from which it stays
    there to the end of the records; None where there is none. A run that falls apart later has the first only.
    """

    reached: int | None
    held: int | None


@dataclass(frozen=True, kw_only=True)
class LateGain:
    """The test score of `to_step` minus that of `from_step`, over the problems that both hold."""

    from_step: int
    to_step: int
    difference: Interval
    num_problems: int


@dataclass(frozen=True, kw_only=True)
class BestStep:
    """The evaluated step with the highest mean, and what that mean is worth.

    `score` is taken on the problems that chose the step, so it flatters. `honest_mean` is what a step chosen on one
    half of the problems scores on the other half, mean over random halves; `flattery` is the difference. `last` is
    the last evaluated step, which nobody chose. Test problems that choose a checkpoint are no test any more: report
    `honest_mean`, or `last`.
    """

    step: int
    score: Interval
    honest_mean: float
    flattery: float
    last_step: int
    last: Interval


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """One run: its name, the subject of its sample, and its rows before and after."""

    name: str
    train_subject: str
    before: Sequence[Row]
    after: Sequence[Row]


@dataclass(frozen=True, kw_only=True)
class GainMatrix:
    """Train subject by test subject. `cells[run name, test subject]` is the gain there.

    Holm's correction is over all cells. Two runs on one subject are two rows; a subject that a run was not tested on
    has no cell.
    """

    runs: tuple[tuple[str, str], ...]
    test_subjects: tuple[str, ...]
    cells: dict[tuple[str, str], SubjectDifference]


def saturation(
    metrics: Sequence[Mapping[str, Any]],
    *,
    key: str = "reward",
    threshold: float = 0.99,
    window: int = SATURATION_WINDOW,
    reward_range: tuple[float, float] = (0.0, 1.0),
) -> Saturation:
    """When the moving mean of a metric reached, and held, its bar.

    The moving mean at a step is that of the `window` rows that end there; before so many there is none. The bar is
    low + threshold * (high - low) of the range that the reward can have, .99 for a reward of 0 or 1. Both are our
    reading: the paper names neither. Rows without the metric are passed over.
    """
    if window < 1:
        raise ValueError(f"a moving mean is over at least one step, found {window}")
    rows = sorted((row for row in metrics if row.get(key) is not None), key=lambda row: int(row["step"]))
    if len(rows) < window:
        return Saturation(reached=None, held=None)
    values = np.array([float(row[key]) for row in rows])
    means = np.convolve(values, np.full(window, 1 / window), mode="valid")
    low, high = reward_range
    # Ten rewards of 1 must not miss a bar of 1 by rounding.
    is_above = means >= low + threshold * (high - low) - 1e-9 * (high - low)
    steps = [int(row["step"]) for row in rows[window - 1 :]]
    above, below = np.flatnonzero(is_above), np.flatnonzero(~is_above)
    first_held = int(below[-1]) + 1 if below.size else 0
    return Saturation(
        reached=steps[int(above[0])] if above.size else None,
        held=steps[first_held] if first_held < len(steps) else None,
    )


def late_gain(
    evaluations: Mapping[int, Sequence[Row]], saturation_step: int, *, reading: Reading = "strict"
) -> LateGain | None:
    """What the run gained on the test after its training reward had saturated; None where that cannot be said.

    It is the last evaluation minus the first one at or after the saturation step: the last and not the best, which
    would be chosen on the test. Mean over disciplines with a paired bootstrap: it covers the choice of problems only.
    """
    later = sorted(step for step in evaluations if step >= saturation_step)
    if len(later) < 2:
        return None
    first, last = (_by_key(evaluations[step], reading) for step in (later[0], later[-1]))
    keys = [key for key in first if key in last]
    if not keys:
        return None
    difference = paired_difference(
        [first[key].score for key in keys],
        [last[key].score for key in keys],
        [first[key].discipline for key in keys],
        seed=SEED,
    )
    return LateGain(from_step=later[0], to_step=later[-1], difference=difference, num_problems=len(keys))


def best_step(
    evaluations: Mapping[int, Sequence[Row]], *, reading: Reading = "strict", num_splits: int = 1_000
) -> BestStep | None:
    """The best evaluated step by its mean over disciplines, the earlier of equals, and its honest mean.

    Over the problems that all evaluations hold; None where there are none. Halves are random over all problems, and
    a problem weighs in its half as it does in the mean over disciplines. Intervals are bootstraps over problems:
    they cover the choice of problems only, and that of the best step not even the choosing.
    """
    steps = sorted(evaluations)
    scores = [_by_key(evaluations[step], reading) for step in steps]
    keys = [key for key in scores[0] if all(key in other for other in scores)] if scores else []
    if not keys:
        return None
    score_SP = np.array([[found[key].score for key in keys] for found in scores])
    disciplines = [scores[0][key].discipline for key in keys]
    intervals = [bootstrap_discipline_mean(score_P, disciplines, seed=SEED) for score_P in score_SP]
    means = np.array([interval.mean for interval in intervals])
    best = int(np.flatnonzero(means >= means.max() - 1e-12)[0])
    honest = _chosen_on_other_half(score_SP, _weights(disciplines), num_splits) if len(keys) > 1 else float("nan")
    return BestStep(
        step=steps[best],
        score=intervals[best],
        honest_mean=honest,
        flattery=intervals[best].mean - honest,
        last_step=steps[-1],
        last=intervals[-1],
    )


def gain_matrix(runs: Sequence[TrainedRun], *, label: Label = "subject", reading: Reading = "strict") -> GainMatrix:
    """What training on each subject gained on each: differences with intervals, and p-values Holm-corrected over all.

    Intervals are paired bootstraps of one run each: they cover the choice of problems only, not the training seed.
    """
    if len({run.name for run in runs}) < len(runs):
        raise ValueError("two runs have one name")
    found = {
        (run.name, row.label): row
        for run in runs
        for row in compare_subjects(run.before, run.after, label=label, reading=reading)
    }
    corrected = with_holm(list(found.values()))
    return GainMatrix(
        runs=tuple((run.name, run.train_subject) for run in runs),
        test_subjects=tuple(sorted({subject for _, subject in found})),
        cells=dict(zip(found, corrected, strict=True)),
    )


def _by_key(rows: Sequence[Row], reading: Reading) -> dict[tuple[str, str], Problem]:
    return {(problem.benchmark, problem.id): problem for problem in problems_of(rows, reading)}


def _weights(disciplines: Sequence[str]) -> Floats:
    """What every problem weighs in the mean over disciplines; 1 in all."""
    names, places, counts = np.unique(np.array(disciplines), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (len(names) * counts[places]))


def _chosen_on_other_half(score_SP: Floats, weight_P: Floats, num_splits: int) -> float:
    generator, num_problems = np.random.default_rng(SEED), score_SP.shape[1]
    found = []
    for _ in range(num_splits):
        order = generator.permutation(num_problems)
        halves = order[: num_problems // 2], order[num_problems // 2 :]
        first_S, second_S = (score_SP[:, half] @ weight_P[half] / weight_P[half].sum() for half in halves)
        found += [second_S[int(first_S.argmax())], first_S[int(second_S.argmax())]]
    return float(np.mean(found))
