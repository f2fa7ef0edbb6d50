"""Several answers a problem in; mean@n, pass@k, maj@k and the k at which two models cross, out.

mean@n (the literature's avg@n) is the mean over all draws; pass@k the chance that one of k draws is right; maj@k
the chance that a plurality vote of k draws is right. All three are of single problems, and problems are what is
sampled: standard errors are clustered by problem, and all intervals of this module cover the choice of problems
only, not the draws made anew nor the training seed.

Sources: Chen et al., arXiv 2107.03374 (pass@k); Wang et al., arXiv 2203.11171 (the vote); Cochran, Sampling
Techniques (1977), chapter 6 (variance of a ratio, problems as clusters).
P: problems. K: values of k. R: resamples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from polymath.evaluation.statistics import Interval, bootstrap_discipline_mean, pass_at_k

Row = Mapping[str, Any]
Reading = Literal["strict", "lenient"]
Floats = NDArray[np.float64]
# Larger binomials leave the range of a double; nobody draws that often.
MAX_DRAWS = 1000
_CHUNK = 250
# pass@k of two models is a product of other numbers each: equal ones differ by rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Problem:
    """All draws of one problem: whether each is right, and the answer that was found in it (None: no answer)."""

    benchmark: str
    id: str
    discipline: str
    subject: str
    right: tuple[bool, ...]
    answers: tuple[str | None, ...]

    @property
    def num_draws(self) -> int:
        """Answers to this problem."""
        return len(self.right)

    @property
    def num_right(self) -> int:
        """Right ones among them."""
        return sum(self.right)

    @property
    def score(self) -> float:
        """The mean over the draws."""
        return self.num_right / self.num_draws


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """pass@k or maj@k at one k: the unweighted mean over disciplines with its interval."""

    k: int
    score: Interval


@dataclass(frozen=True, kw_only=True)
class Crossover:
    """Where sampling the base more often reaches the trained model.

    `k` is the smallest at which the base's pass@k is at least the trained one's, None where it never is up to
    `max_k`. `base` and `trained` are the two curves at 1 ... max_k. `certainty[k - 1]` is the share of resamples
    of the problems in which the crossover lies at or below that k.
    """

    k: int | None
    max_k: int
    base: tuple[float, ...]
    trained: tuple[float, ...]
    certainty: tuple[float, ...]


def problems_of(rows: Iterable[Row], reading: Reading = "strict") -> list[Problem]:
    """The problems of an evaluation file's rows, in the order of their first row.

    Undecided counts as not right, as in the summaries; what a file holds twice is one problem.
    """
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["benchmark"], row["id"]), []).append(row)
    return [
        Problem(
            benchmark=benchmark,
            id=name,
            discipline=str(draws[0].get("discipline") or "unknown"),
            subject=str(draws[0].get("subject") or "unknown"),
            right=tuple(row[reading]["outcome"] == "right" for row in draws),
            answers=tuple(row[reading].get("extracted") for row in draws),
        )
        for (benchmark, name), draws in found.items()
    ]


def pair_problems(
    before: Iterable[Row], after: Iterable[Row], reading: Reading = "strict"
) -> list[tuple[Problem, Problem]]:
    """The problems that both files hold, by benchmark and id, in the order of the first file."""
    second = {(problem.benchmark, problem.id): problem for problem in problems_of(after, reading)}
    return [
        (problem, second[problem.benchmark, problem.id])
        for problem in problems_of(before, reading)
        if (problem.benchmark, problem.id) in second
    ]


def pass_at_k_curve(
    problems: Sequence[Problem],
    ks: Sequence[int] | None = None,
    *,
    seed: int = 0,
    num_resamples: int = 10_000,
    level: float = 0.95,
) -> list[CurvePoint]:
    """The unbiased pass@k at every k (1, 2, 4, ... and n where none are named), mean over disciplines.

    n is the smallest number of draws of any problem; a larger k raises ValueError. The interval is a bootstrap of
    problems with all their draws, stratified by discipline: it covers the choice of problems only.
    """
    return [
        _point(
            k, [pass_at_k(one.num_draws, one.num_right, k) for one in problems], problems, seed, num_resamples, level
        )
        for k in _checked(ks, problems)
    ]


def majority_curve(
    problems: Sequence[Problem],
    ks: Sequence[int] | None = None,
    *,
    seed: int = 0,
    num_resamples: int = 10_000,
    level: float = 0.95,
) -> list[CurvePoint]:
    """maj@k (see `majority_at_k`) at every k, mean over disciplines; k and interval as for pass@k.

    The interval covers the choice of problems only.
    """
    return [
        _point(k, [majority_at_k(one.right, one.answers, k) for one in problems], problems, seed, num_resamples, level)
        for k in _checked(ks, problems)
    ]


def majority_at_k(right: Sequence[bool], answers: Sequence[str | None], k: int) -> float:
    """The chance that a plurality vote over k of these draws is right, over all subsets of k draws exactly.

    All right draws are one candidate, however they are spelled. A wrong draw votes for its extracted text, up to
    white space, and not at all where there is none. Ties are broken evenly at random; where nobody votes it is
    wrong. An undecided draw counts with the wrong ones, like everywhere here.
    """
    if len(right) != len(answers) or not 1 <= k <= len(right):
        raise ValueError(f"maj@{k} of {len(right)} verdicts and {len(answers)} answers is not defined")
    if len(right) > MAX_DRAWS:
        raise ValueError(f"maj@k is exact for up to {MAX_DRAWS} draws, found {len(right)}")
    spellings = [" ".join((answer or "").split()) for answer in answers]
    wrong = Counter(text for text, is_right in zip(spellings, right, strict=True) if text and not is_right)
    num_right, num_wrong = sum(right), sum(wrong.values())
    return _vote_curve(num_right, tuple(sorted(wrong.values())), len(right) - num_right - num_wrong)[k - 1]


def crossover(
    base: Sequence[Problem], trained: Sequence[Problem], *, seed: int = 0, num_resamples: int = 2_000
) -> Crossover:
    """The smallest k at which the base's pass@k reaches or passes the trained one's, and how certain that is.

    Position i of both is the same problem (`pair_problems`). Curves are means over disciplines, for k from 1 to the
    smallest number of draws of any problem. Two curves that both end at 1 have met. The certainty comes from
    resamples of paired problems, stratified by discipline: it covers the choice of problems only.
    """
    names = [[(problem.benchmark, problem.id) for problem in side] for side in (base, trained)]
    if not base or names[0] != names[1]:
        raise ValueError("a crossover needs the same problems of both models, in the same order")
    max_k = min(problem.num_draws for problem in (*base, *trained))
    base_PK, trained_PK = (
        np.array([_pass_curve(one.num_draws, one.num_right, max_k) for one in side]) for side in (base, trained)
    )
    lead_PK = base_PK - trained_PK
    disciplines = np.array([problem.discipline for problem in base], dtype=object)
    strata = [np.flatnonzero(disciplines == name) for name in sorted(set(disciplines))]
    curve_K = np.mean([lead_PK[places].mean(axis=0) for places in strata], axis=0)
    crossed = np.flatnonzero(curve_K >= -_ROUNDING)
    certain_K = _crossed_share(lead_PK, strata, np.random.default_rng(seed), num_resamples)
    return Crossover(
        k=int(crossed[0]) + 1 if crossed.size else None,
        max_k=max_k,
        base=tuple(float(x) for x in np.mean([base_PK[places].mean(axis=0) for places in strata], axis=0)),
        trained=tuple(float(x) for x in np.mean([trained_PK[places].mean(axis=0) for places in strata], axis=0)),
        certainty=tuple(float(share) for share in certain_K),
    )


def _crossed_share(
    lead_PK: Floats, strata: Sequence[NDArray[np.intp]], generator: np.random.Generator, num_resamples: int
) -> Floats:
    """The share of resamples that have crossed at or before every k."""
    crossed_K = np.zeros(lead_PK.shape[1])
    for start in range(0, num_resamples, _CHUNK):  # resamples x problems would fill the memory at once
        size = min(_CHUNK, num_resamples - start)
        curve_RK = np.zeros((size, lead_PK.shape[1]))
        for places in strata:
            weight_RP = generator.multinomial(len(places), np.full(len(places), 1 / len(places)), size=size)
            curve_RK += weight_RP @ lead_PK[places] / (len(places) * len(strata))
        crossed_K += np.logical_or.accumulate(curve_RK >= -_ROUNDING, axis=1).sum(axis=0)
    return crossed_K / num_resamples


@lru_cache(maxsize=4096)
def _pass_curve(num_draws: int, num_right: int, max_k: int) -> tuple[float, ...]:
    return tuple(pass_at_k(num_draws, num_right, k) for k in range(1, max_k + 1))


@lru_cache(maxsize=4096)
def _vote_curve(num_right: int, wrong: tuple[int, ...], num_silent: int) -> tuple[float, ...]:
    """maj@1 ... maj@n of num_right right draws, wrong candidates of these sizes, and draws that do not vote.

    Summed over the votes v that the right answer gets: C(num_right, v), times the ways in which no wrong candidate
    gets more and t get as many (then it wins with chance 1 / (1 + t)), times the ways to fill up with silent draws.
    """
    num_draws = num_right + sum(wrong) + num_silent
    total = np.zeros(num_draws + 1)
    silent = np.array([math.comb(num_silent, size) for size in range(num_silent + 1)], dtype=np.float64)
    for votes in range(1, num_right + 1):
        ways = _ways_not_above(wrong, votes)
        won = (ways / (1 + np.arange(ways.shape[1]))).sum(axis=1)  # by how many wrong votes are in the subset
        filled = np.convolve(won, silent) * math.comb(num_right, votes)
        total[votes : votes + len(filled)] += filled
    return tuple(min(1.0, float(total[k]) / math.comb(num_draws, k)) for k in range(1, num_draws + 1))


def _ways_not_above(wrong: Sequence[int], votes: int) -> Floats:
    """[s, t]: ways to draw s wrong votes such that no candidate gets more than `votes` and t get as many."""
    num_tying = sum(size >= votes for size in wrong)
    ways = np.zeros((sum(min(size, votes) for size in wrong) + 1, num_tying + 1))
    ways[0, 0] = 1.0
    filled = 0
    for size in wrong:
        longer = np.zeros_like(ways)
        for drawn in range(min(size, votes) + 1):
            part = ways[: filled + 1] * math.comb(size, drawn)
            if drawn == votes:
                longer[drawn : drawn + filled + 1, 1:] += part[:, :-1]
            else:
                longer[drawn : drawn + filled + 1] += part
        ways, filled = longer, filled + min(size, votes)
    return ways


def _checked(ks: Sequence[int] | None, problems: Sequence[Problem]) -> list[int]:
    if not problems:
        raise ValueError("a curve needs at least one problem")
    most = min(problem.num_draws for problem in problems)
    if ks is None:
        return sorted({2**power for power in range(most.bit_length())} | {most})
    if any(not 1 <= k <= most for k in ks):
        raise ValueError(f"k lies between 1 and {most}, the smallest number of draws of any problem; found {list(ks)}")
    return list(ks)


def _point(
    k: int, scores: Sequence[float], problems: Sequence[Problem], seed: int, num_resamples: int, level: float
) -> CurvePoint:
    disciplines = [problem.discipline for problem in problems]
    score = bootstrap_discipline_mean(scores, disciplines, seed=seed, num_resamples=num_resamples, level=level)
    return CurvePoint(k=k, score=score)
