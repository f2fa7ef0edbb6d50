"""Rows of an evaluation in, its numbers out: means with intervals, and what went wrong on the way to them.

Accuracies are fractions. Undecided counts as wrong and is shown as a rate; the upper means say what it could change.
Intervals are 95% stratified bootstraps over problems: they cover the choice of problems only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase
from typing import Any

import numpy as np

from polymath.evaluation.draws import CurvePoint, majority_curve, pass_at_k_curve, problems_of
from polymath.evaluation.evaluate import aside, headline
from polymath.evaluation.statistics import Interval, bootstrap_discipline_mean, standard_error, wilson_interval
from polymath.judge.verifiers.choice import read_choice
from polymath.ways import WAYS

BOOTSTRAP_SEED = 0

Row = dict[str, Any]
MODES = ("strict", "lenient")


def summarize(rows: Sequence[Row]) -> dict[str, Any]:
    """Accuracies, rates and intervals of one evaluation's rows.

    `mean` is the unweighted mean over disciplines, `mean_upper` the mean if every undecided answer were right: the
    truth lies between them. A standard error is that of the means of problems, so clustered by problem where one
    is answered several times. Benchmarks that stand apart are under `apart` and in nothing else.
    """
    apart = {name: _scores_by([name] * len(draws), draws)[name] for name, draws in _by_benchmark(aside(rows)).items()}
    found = {**_summarize_headline(headline(rows)), "apart": apart}
    curves = _curves(headline(rows))
    return {**found, "curves": curves} if curves else found


def _curves(rows: Sequence[Row]) -> dict[str, Any] | None:
    """pass@k and maj@k over the problems that were drawn more than once, up to the draws that all of these have."""
    problems = problems_of(drawn_more_than_once(rows))
    if not problems:
        return None
    return {
        "num_problems": len(problems),
        "pass_at_k": [_point(point) for point in pass_at_k_curve(problems)],
        "maj_at_k": [_point(point) for point in majority_curve(problems)],
    }


def drawn_more_than_once(rows: Sequence[Row]) -> list[Row]:
    """The rows of benchmarks whose protocol has several draws; a problem that a file holds twice is no draw."""
    names = {name for name, draws in _by_benchmark(rows).items() if min(map(len, draws)) > 1}
    return [row for row in rows if row["benchmark"] in names]


def _point(point: CurvePoint) -> dict[str, Any]:
    return {"k": point.k, **vars(point.score)}


def _summarize_headline(rows: Sequence[Row]) -> dict[str, Any]:
    problems = group_problems(rows)
    draws = list(problems.values())
    disciplines = [group[0]["discipline"] for group in draws]
    strict, lenient = (interval_of_mean(_means(draws, mode), disciplines) for mode in MODES)
    upper, lenient_upper = (
        bootstrap_discipline_mean(_possible(draws, mode), disciplines, seed=BOOTSTRAP_SEED).mean for mode in MODES
    )
    benchmarks = _scores_by([group[0]["benchmark"] for group in draws], draws)
    for name, group in _by_benchmark(rows).items():
        benchmarks[name] |= {"num_draws": min(map(len, group)), **_rates([row for draws in group for row in draws])}
    return {
        "num_problems": len(draws),
        "benchmark_mean": _mean_over(benchmarks, "accuracy"),
        "lenient_benchmark_mean": _mean_over(benchmarks, "lenient_accuracy"),
        "num_draws": max(map(len, draws)),
        "mean": strict.mean,
        "low": strict.low,
        "high": strict.high,
        "lenient_mean": lenient.mean,
        "lenient_low": lenient.low,
        "lenient_high": lenient.high,
        "mean_upper": upper,
        "lenient_mean_upper": lenient_upper,
        **_rates(rows),
        "mean_tokens": sum(row["num_tokens"] for row in rows) / len(rows),
        "ways": {way: share(rows, lambda row, way=way: way in row["ways"]) for way in WAYS},  # type: ignore[misc]
        "disciplines": _scores_by(disciplines, draws),
        "benchmarks": benchmarks,
        "subjects": _scores_by([group[0].get("subject") or group[0]["discipline"] for group in draws], draws),
    }


def interval_of_mean(scores: np.ndarray, disciplines: Sequence[str]) -> Interval:
    """The unweighted mean over disciplines with its 95% interval, by stratified bootstrap over problems.

    Where all problems of each discipline agree, as with 0 of 4, resampling cannot vary and the bootstrap's interval is
    a point. There it is the square-and-add interval of the disciplines' Wilson intervals: with weights w and limits
    l_j, u_j, mean - sqrt(sum w^2 (p_j - l_j)^2) to mean + sqrt(sum w^2 (u_j - p_j)^2) (Zou and Donner, Statistics in
    Medicine 27 (2008) 1693-1702).
    """
    found = bootstrap_discipline_mean(scores, disciplines, seed=BOOTSTRAP_SEED)
    if found.low < found.high:
        return found
    named = np.array(disciplines)
    groups = [scores[named == name] for name in dict.fromkeys(disciplines)]
    wilson = [wilson_interval(float(group.mean()), len(group)) for group in groups]
    below = math.sqrt(sum((one.mean - one.low) ** 2 for one in wilson)) / len(wilson)
    above = math.sqrt(sum((one.high - one.mean) ** 2 for one in wilson)) / len(wilson)
    return Interval(mean=found.mean, low=max(0.0, found.mean - below), high=min(1.0, found.mean + above))


def _mean_over(benchmarks: Mapping[str, Mapping[str, Any]], name: str) -> float:
    """Unweighted over benchmarks, as papers that test one discipline give it."""
    return float(sum(score[name] for score in benchmarks.values()) / len(benchmarks))


def _rates(rows: Sequence[Row]) -> dict[str, Any]:
    """Shares of responses; `no_letter_frac`, without the letter of an option, is of those to choice problems."""
    choices = [row for row in rows if row.get("answer_type") == "choice"]
    return {
        "boxed_frac": share(rows, lambda row: "boxed" in row["ways"]),
        "truncated_frac": share(rows, lambda row: row["finish"] == "length"),
        "overlong_frac": share(rows, lambda row: row["finish"] == "overlong"),
        "undecided_frac": share(rows, lambda row: row["strict"]["outcome"] == "undecided"),
        "no_letter_frac": share(choices, _has_no_letter) if choices else None,
    }


def _has_no_letter(row: Row) -> bool:
    letter = read_choice(row["strict"]["extracted"] or "")
    return letter is None or ascii_uppercase.index(letter) >= len(row["choices"] or ascii_uppercase)


def group_problems(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """(benchmark, id) to the rows of that problem, in file order."""
    problems: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        problems.setdefault((row["benchmark"], row["id"]), []).append(row)
    return problems


def _by_benchmark(rows: Sequence[Row]) -> dict[str, list[list[Row]]]:
    """Benchmark to the draws of each of its problems."""
    found: dict[str, list[list[Row]]] = {}
    for (benchmark, _), group in group_problems(rows).items():
        found.setdefault(benchmark, []).append(group)
    return found


def _means(draws: Sequence[Sequence[Row]], mode: str) -> np.ndarray:
    """The share of right draws of every problem."""
    return np.array([share(group, lambda row: row[mode]["outcome"] == "right") for group in draws])


def _possible(draws: Sequence[Sequence[Row]], mode: str) -> np.ndarray:
    """The same if every undecided answer were right."""
    return np.array([share(group, lambda row: row[mode]["outcome"] != "wrong") for group in draws])


def share(rows: Sequence[Row], claim: Callable[[Row], bool]) -> float:
    """The fraction of rows of which a claim is true."""
    return sum(claim(row) for row in rows) / len(rows)


def _scores_by(labels: Sequence[str], draws: Sequence[Sequence[Row]]) -> dict[str, dict[str, Any]]:
    strict, lenient = (_means(draws, mode) for mode in MODES)
    found: dict[str, dict[str, Any]] = {}
    for label in dict.fromkeys(labels):
        chosen = np.array([other == label for other in labels])
        found[label] = {
            "accuracy": float(strict[chosen].mean()),
            "lenient_accuracy": float(lenient[chosen].mean()),
            "se": standard_error(strict[chosen]),
            "n": int(chosen.sum()),
        }
    return found
