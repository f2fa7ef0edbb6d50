"""Free-text names of skills in, one name for each skill out, so that counts compare.

"Solving linear equations", "linear equation" and "linear equations" are one skill. A name is first made plain: case,
punctuation, words that carry nothing here (using, computing, the), endings, word order, and a small table of synonyms.
What is equal then is one skill. What is nearly equal is brought together by average-linkage clustering: the likeness
of two names is the mean of two cosines of TF-IDF vectors, one over word stems and one over runs of letters inside
them, and a cluster holds together while the mean likeness between its parts is at least THRESHOLD.

The result depends on the set of names alone, neither on their order nor on how often they occur (frequency only
chooses which spelling stands for the skill). That skill labels need clustering before they count: Didolkar et al.,
arXiv 2405.12205. Average linkage by nearest-neighbour chains: Murtagh, The Computer Journal 26 (1983).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from polymath.synthesis.skill_words import normal_name, sides_of

# The best F1 over pairs on the "dev" part of tests/synthesis/skill_paraphrases.json; "test" is in docs/skills.md.
THRESHOLD = 0.45
WORD_SHARE = 0.5
LETTER_RUNS = (3, 4)

Matrix = NDArray[np.float64]


def likeness(first: str, second: str) -> float:
    """How alike two names are, from 0 to 1, by themselves; 1 where their plain forms are equal."""
    stems = [normal_name(first), normal_name(second)]
    return 1.0 if stems[0] == stems[1] else float(_Likeness(stems).block([0, 1])[0, 1])


def canonical_names(
    names: Iterable[str], *, threshold: float = THRESHOLD, vectors: Mapping[str, Sequence[float]] | None = None
) -> dict[str, str]:
    """Every name to the one that stands for its skill: the most frequent spelling, then the shortest, then the first.

    `vectors` are embeddings of the names, which then decide instead of stems and letters (cosine; the threshold is
    theirs). Raises ValueError for a threshold outside (0, 1] and KeyError for a name without a vector.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"a threshold lies in (0, 1], found {threshold}")
    counts = Counter(iter(names))  # of a mapping, its keys
    plain: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(counts):
        plain.setdefault(normal_name(name), []).append(name)
    stems = sorted(plain)
    alike = _Likeness(stems) if vectors is None else _Embedded([vectors[plain[one][0]] for one in stems])
    chosen: dict[str, str] = {}
    for cluster in _cluster(alike, threshold):
        members = [name for place in cluster for name in plain[stems[place]]]
        stands = min(members, key=lambda name: (-counts[name], len(name), name))
        chosen |= dict.fromkeys(members, stands)
    return chosen


class _Likeness:
    """Likeness of plain names: the mean of the cosines over stems and over runs of letters, weighted by rarity."""

    def __init__(self, stems: Sequence[tuple[str, ...]]) -> None:
        self.size = len(stems)
        words = [Counter(("w", stem) for stem in one) for one in stems]
        runs = [Counter(("r", run) for stem in one for run in _runs(stem)) for one in stems]
        self._rows: list[dict[tuple[str, str], float]] = [{} for _ in stems]
        for bags, share in ((words, WORD_SHARE), (runs, 1 - WORD_SHARE)):
            seen = Counter(feature for bag in bags for feature in bag)
            for row, bag in zip(self._rows, bags, strict=True):
                # Smoothed, so that what stands in every name still counts a little.
                weights = {one: n * (1 + math.log((1 + self.size) / (1 + seen[one]))) for one, n in bag.items()}
                length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
                row.update({one: math.sqrt(share) * weight / length for one, weight in weights.items()})
        postings: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
        for place, row in enumerate(self._rows):
            for feature, weight in row.items():
                places, weights_there = postings.setdefault(feature, ([], []))
                places.append(place)
                weights_there.append(weight)
        self._sides = sides_of(stems)
        self._postings = {one: (np.array(places), np.array(there)) for one, (places, there) in postings.items()}

    def row(self, place: int) -> Matrix:
        """Likeness of one name with all."""
        alike = np.zeros(self.size)
        for feature, weight in sorted(self._rows[place].items()):
            places, there = self._postings[feature]
            alike[places] += weight * there
        own = self._sides[place]
        alike[((own > 0) & (self._sides > 0) & (own != self._sides)).any(axis=1)] = 0.0
        return alike

    def block(self, places: Sequence[int]) -> Matrix:
        """Likeness of these names with each other."""
        return np.array([self.row(place)[list(places)] for place in places])


class _Embedded:
    """Likeness of vectors: their cosine."""

    def __init__(self, vectors: Sequence[Sequence[float]]) -> None:
        self.size = len(vectors)
        found = np.array(vectors, dtype=np.float64).reshape(self.size, -1)
        self._unit = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)

    def row(self, place: int) -> Matrix:
        """Likeness of one name with all."""
        return np.asarray(self._unit @ self._unit[place])

    def block(self, places: Sequence[int]) -> Matrix:
        """Likeness of these names with each other."""
        return np.asarray(self._unit[list(places)] @ self._unit[list(places)].T)


def _runs(stem: str) -> list[str]:
    marked = f"^{stem}$"
    return [marked[start : start + size] for size in LETTER_RUNS for start in range(len(marked) - size + 1)]


def _cluster(alike: _Likeness | _Embedded, threshold: float) -> list[list[int]]:
    """Clusters of places. Parts join only where some pair reaches the threshold, so each component stands alone."""
    parent = list(range(alike.size))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for place in range(alike.size):
        for other in np.flatnonzero(alike.row(place) >= threshold):
            parent[max(root(place), root(int(other)))] = min(root(place), root(int(other)))
    components: dict[int, list[int]] = {}
    for place in range(alike.size):
        components.setdefault(root(place), []).append(place)
    return [
        [component[place] for place in part]
        for component in components.values()
        for part in _average_linkage(alike.block(component), threshold)
    ]


def _average_linkage(alike: Matrix, threshold: float) -> list[list[int]]:
    """Join the two likest clusters, by the mean over all pairs, while that mean reaches the threshold.

    Nearest-neighbour chains find the same joins in any order of work; among equals the first place is taken.
    """
    members = {place: [place] for place in range(len(alike))}
    waiting = set(members)
    alike = alike.copy()
    np.fill_diagonal(alike, -np.inf)
    chain: list[int] = []
    while waiting:
        chain = chain or [min(waiting)]
        top, before = chain[-1], chain[-2] if len(chain) > 1 else None
        near = int(np.argmax(alike[top]))
        if before is not None and alike[top, before] >= alike[top, near]:
            near = before
        if alike[top, near] < threshold:
            # A mean over pairs never exceeds the likest pair, so nothing that is joined later comes nearer.
            waiting.remove(top)
            chain.pop()
        elif near == before:
            first, second = min(top, near), max(top, near)
            n, m = len(members[first]), len(members[second])
            alike[first] = alike[:, first] = (n * alike[first] + m * alike[second]) / (n + m)
            alike[second] = alike[:, second] = alike[first, first] = -np.inf
            members[first] += members.pop(second)
            waiting.remove(second)
            chain = chain[:-2]
        else:
            chain.append(near)
    return [sorted(part) for _, part in sorted(members.items())]
