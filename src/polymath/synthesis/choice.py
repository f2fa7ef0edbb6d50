"""Counts of skills in, the chosen samples out, each with the reason it was chosen and who came next.

A specialist of a category is the candidate with the most skills in it; the Prime is the one with the broadest spectrum
(arXiv 2601.03111, section 4.2, which gives no formula for breadth and no rule for ties). BREADTHS offers two readings:
`sum`, all skills together, which fits the paper's published counts, and `coverage`, the categories that are touched,
then the sum. Ties are broken by all skills together, then by the order of the candidates, and are always told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from polymath.errors import SampleError

PRIME = "prime"
SHOWN_TIED = 3


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """One candidate: its id, a name for people, and category to number of skills."""

    id: str
    name: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All skills together."""
        return sum(self.counts.values())

    @property
    def coverage(self) -> int:
        """Categories with at least one skill."""
        return sum(count > 0 for count in self.counts.values())


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Who was chosen as what, by how much, and who came next.

    `role` is "prime" or a category; `score` is what the rule compares, largest first. `tied` are the others whose
    score is equal in its first part, so that only the tie rule decided. `runner_up` is None for a single candidate.
    """

    role: str
    id: str
    name: str
    rule: str
    score: tuple[int, ...]
    runner_up: str | None
    runner_up_score: tuple[int, ...] | None
    num_candidates: int
    tied: tuple[str, ...] = field(default=())

    @property
    def why(self) -> str:
        """The reason in one sentence."""
        role = "the Prime" if self.role == PRIME else f"the specialist of {self.role}"
        told = f"{self.name} is {role} among {self.num_candidates}: {self.rule} {self.score[0]}"
        if self.runner_up is not None and self.runner_up_score is not None:
            told += f", next {self.runner_up} with {self.runner_up_score[0]}"
        if self.tied:
            shown = ", ".join(self.tied[:SHOWN_TIED])
            more = f" and {len(self.tied) - SHOWN_TIED} more" if len(self.tied) > SHOWN_TIED else ""
            told += f"; tied with {shown}{more}, and before them by all skills together, then by order"
        return told + "."


def by_sum(spectrum: Spectrum) -> tuple[int, ...]:
    """All skills together, then the categories that are touched."""
    return (spectrum.total, spectrum.coverage)


def by_coverage(spectrum: Spectrum) -> tuple[int, ...]:
    """Categories that are touched, then all skills together."""
    return (spectrum.coverage, spectrum.total)


BREADTHS: dict[str, Callable[[Spectrum], tuple[int, ...]]] = {"sum": by_sum, "coverage": by_coverage}


def choose_prime(spectra: Sequence[Spectrum], *, breadth: str = "sum") -> Chosen:
    """The candidate with the broadest spectrum; raises SampleError where no candidate has any skill."""
    chosen = _choose(PRIME, spectra, BREADTHS[breadth], rule=f"breadth by {breadth}")
    if chosen is None:
        raise SampleError("the candidates", "show no skill at all", "extract with other categories, or by a model")
    return chosen


def choose_specialists(
    spectra: Sequence[Spectrum], categories: Iterable[str], *, apart: Iterable[str] = ()
) -> dict[str, Chosen]:
    """Category to the candidate with the most skills in it; a category that nobody touches is left out.

    `apart` are ids that do not stand for election. In the paper's counts the Prime has the most skills of four of the
    five categories, so it has to be set apart for its specialists to come out.
    """
    out = set(apart)
    standing = [spectrum for spectrum in spectra if spectrum.id not in out]
    found = {category: _choose_specialist(category, standing) for category in categories}
    return {category: chosen for category, chosen in found.items() if chosen is not None}


def _choose_specialist(category: str, standing: Sequence[Spectrum]) -> Chosen | None:
    def score(spectrum: Spectrum) -> tuple[int, ...]:
        return (spectrum.counts.get(category, 0), spectrum.total)

    return _choose(category, standing, score, rule=f"skills in {category}")


def _choose(
    role: str, spectra: Sequence[Spectrum], score: Callable[[Spectrum], tuple[int, ...]], *, rule: str
) -> Chosen | None:
    ranked = sorted(spectra, key=score, reverse=True)  # stable: the order of the candidates decides at last
    if not ranked or score(ranked[0])[0] == 0:
        return None
    first, rest = ranked[0], ranked[1:]
    return Chosen(
        role=role,
        id=first.id,
        name=first.name,
        rule=rule,
        score=score(first),
        runner_up=rest[0].name if rest else None,
        runner_up_score=score(rest[0]) if rest else None,
        num_candidates=len(spectra),
        tied=tuple(other.name for other in rest if score(other)[0] == score(first)[0]),
    )
