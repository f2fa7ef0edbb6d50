"""Two evaluations of the same problems in, their difference with intervals out.

Problems are paired by benchmark and id; what a benchmark holds twice is one problem.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from polymath.evaluation.evaluate import headline
from polymath.evaluation.statistics import Interval, mcnemar_exact, paired_difference

Row = dict[str, Any]
Reading = Literal["strict", "lenient"]
ProblemKey = tuple[str, str]

# The bootstrap of the report is seeded by a constant: the same folder gives the same page.
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Difference:
    """After minus before over the same problems.

    `format_part` is the strict difference minus the lenient one: what changed only in how answers are
    written. `p_value` is McNemar's on the strict verdicts, where there is one draw a problem. `matrix`
    counts the same pairs as (before, after) -> problems.
    """

    strict: Interval
    lenient: Interval
    format_part: Interval
    num_problems: int
    num_unpaired: int
    p_value: float | None
    matrix: dict[tuple[bool, bool], int] | None


def problem_scores(rows: Sequence[Row], reading: Reading) -> dict[ProblemKey, float]:
    """The mean over all responses to every problem, as the summaries have it.

    Undecided counts as not right; the report shows how many there are.
    """
    draws: dict[ProblemKey, list[bool]] = defaultdict(list)
    for row in rows:
        draws[row["benchmark"], row["id"]].append(row[reading]["outcome"] == "right")
    return {problem: sum(right) / len(right) for problem, right in draws.items()}


def compare(before: Sequence[Row], after: Sequence[Row]) -> Difference | None:
    """The paired difference over the problems that both hold, or None when they share none.

    Benchmarks that stand apart are not in it.
    """
    before, after = headline(before), headline(after)
    strict = problem_scores(before, "strict"), problem_scores(after, "strict")
    lenient = problem_scores(before, "lenient"), problem_scores(after, "lenient")
    problems = [problem for problem in strict[0] if problem in strict[1]]
    if not problems:
        return None
    label_of = {(row["benchmark"], row["id"]): str(row["discipline"]) for row in before}
    disciplines = [label_of[problem] for problem in problems]
    first, second = (np.array([scores[problem] for problem in problems]) for scores in strict)
    first_lenient, second_lenient = (np.array([scores[problem] for problem in problems]) for scores in lenient)
    is_single = bool(np.isin(np.concatenate([first, second]), (0.0, 1.0)).all())
    return Difference(
        strict=paired_difference(first, second, disciplines, seed=SEED),
        lenient=paired_difference(first_lenient, second_lenient, disciplines, seed=SEED),
        format_part=paired_difference(second_lenient - first_lenient, second - first, disciplines, seed=SEED),
        num_problems=len(problems),
        num_unpaired=len(strict[0].keys() ^ strict[1].keys()),
        p_value=mcnemar_exact(first, second) if is_single else None,
        matrix=_transitions(first > 0.5, second > 0.5) if is_single else None,
    )


def _transitions(
    first: np.typing.NDArray[np.bool_], second: np.typing.NDArray[np.bool_]
) -> dict[tuple[bool, bool], int]:
    return {(a, b): int(((first == a) & (second == b)).sum()) for a in (False, True) for b in (False, True)}
