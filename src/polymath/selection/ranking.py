"""Scores of a pool's rows in, the rows in order out; and how far two selectors agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polymath.errors import SampleError
from polymath.samples.pools import Pool
from polymath.selection.correlation import spearman
from polymath.selection.features_file import SELECTORS as FEATURES
from polymath.selection.selectors import SELECTORS, Evidence


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """One row in its place, the best first. `id` is None for a row that was set aside or is not in the pool."""

    rank: int
    index: int
    id: str | None
    score: float


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The eligible rows of one selector, the best first. `num_unranked` rows of the pool have no place in it."""

    selector: str
    rows: tuple[Ranked, ...]
    num_unranked: int

    @property
    def rank_of(self) -> dict[int, int]:
        """Row to rank."""
        return {row.index: row.rank for row in self.rows}


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Two selectors over the rows that both score: Spearman's rho, and the rows that both have among their first k."""

    first: str
    second: str
    num_rows: int
    spearman: float | None
    overlap: int
    k: int


def rank(name: str, evidence: Evidence) -> Ranking:
    """The ranking of a selector, numbered as papers number it: rows whose gold is set aside keep their place.

    Equal scores keep the order of the evidence. Raises SampleError for an unknown selector, missing evidence, or
    where nothing is eligible.
    """
    selector = SELECTORS.get(name)
    if selector is None:
        raise SampleError(f"selector {name!r}", "is not known", f"use one of {', '.join(SELECTORS)}")
    if not selector.can_score(evidence):
        raise SampleError(f"selector {name}", f"needs {' or '.join(selector.needs)}", REMEDIES[selector.needs[0]])
    scores = selector.scores(evidence)
    is_eligible = selector.is_eligible
    kept = {index: score for index, score in scores.items() if is_eligible is None or is_eligible(evidence, score)}
    if not scores:
        raise SampleError(f"selector {name}", "no row has a score", _tell_missing(name))
    if not kept:
        why = f"none of {len(scores)} scores is eligible"
        raise SampleError(f"selector {name}", why, "loosen --threshold or --band, or give other evidence")
    return rank_scores(name, kept, evidence.pool, is_low_good=selector.is_low_good)


def _tell_missing(name: str) -> str:
    """What makes the scores that the evidence lacks."""
    what = SELECTORS[name].needs[0]
    if what not in FEATURES:
        return "give evidence of rows of this pool"
    validated = " --validation SUITE" if name.startswith("grad_align") else ""
    return f"add them to the features with polymath features --what {what}{validated}"


def rank_scores(selector: str, scores: Mapping[int, float], pool: Pool, *, is_low_good: bool = False) -> Ranking:
    """Rows by score, the best first; equal scores keep their order."""
    samples = pool.by_index
    order = sorted(scores, key=lambda index: scores[index] if is_low_good else -scores[index])
    rows = tuple(
        Ranked(rank=place, index=index, id=samples[index].id if index in samples else None, score=scores[index])
        for place, index in enumerate(order, 1)
    )
    return Ranking(selector=selector, rows=rows, num_unranked=sum(index not in scores for index in samples))


def goodness(name: str, evidence: Evidence) -> dict[int, float]:
    """Row to score with the sign turned where low is good, so that more is better."""
    sign = -1.0 if SELECTORS[name].is_low_good else 1.0
    return {index: sign * score for index, score in SELECTORS[name].scores(evidence).items()}


def eligible_goodness(name: str, evidence: Evidence) -> dict[int, float]:
    """The same of the rows that the selector would choose from."""
    selector = SELECTORS[name]
    scores = selector.scores(evidence)
    return {
        index: value
        for index, value in goodness(name, evidence).items()
        if selector.is_eligible is None or selector.is_eligible(evidence, scores[index])
    }


def agree(first: str, second: str, evidence: Evidence, k: int = 20) -> Agreement:
    """How far two selectors agree over the rows that both can score, eligible or not."""
    one, two = goodness(first, evidence), goodness(second, evidence)
    shared = [index for index in one if index in two]
    tops = [set(sorted(shared, key=lambda index: -scores[index])[:k]) for scores in (one, two)]
    return Agreement(
        first=first,
        second=second,
        num_rows=len(shared),
        spearman=spearman([one[index] for index in shared], [two[index] for index in shared]),
        overlap=len(tops[0] & tops[1]),
        k=min(k, len(shared)),
    )


REMEDIES = {
    "pool": "name a pool",
    "history": "give a training history of the pool with --history FILE",
    "scores": "give --scores FILE, or --history FILE",
    "probe": "give --probe FILE, made by polymath probe",
    "skills": "give --skills FILE, made by polymath skills",
    "hidden": "give --features DIR, made by polymath features",
    "gradients": "give --features DIR, made by polymath features",
}
