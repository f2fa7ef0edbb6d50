"""Texts in, pairs that say nearly the same out: near-duplicates inside a pool, and of a benchmark.

A text is the set of its word shingles (runs of SHINGLE_WORDS words) after normalisation; two texts are near when the
Jaccard index of their sets, |A and B| / |A or B|, reaches a threshold. MinHash with locality-sensitive hashing
(Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3; here through datasketch) names
candidates without comparing all pairs; each candidate is then compared exactly, so that no false pair is reported. A
true pair at the threshold is missed with a chance below MAX_MISS; the hashes are fixed, so the same texts give the
same pairs. A translation or a free paraphrase is not near in this sense.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Three words: one changed number in a problem of thirty words leaves a Jaccard index of about .8.
SHINGLE_WORDS = 3
THRESHOLD = 0.7
NUM_PERMUTATIONS = 128
MAX_MISS = 1e-3

# Marks that typeset a text and do not change what it says.
_TYPESETTING = re.compile(r"\\(?:left|right|text|mathrm|mathbf|displaystyle|quad|qquad|[,;:! ()\[\]])(?![A-Za-z])")
_WORD = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|[-+*/=<>^%]")


@dataclass(frozen=True, kw_only=True)
class Near:
    """Text `row` says nearly the same as text `other` of the list it was compared with (perhaps its own)."""

    row: int
    other: int
    jaccard: float


def find_near(texts: Sequence[str], against: Sequence[str], threshold: float = THRESHOLD) -> list[Near]:
    """The pairs of a text and one of `against` whose Jaccard index reaches the threshold, by row, then by other.

    A text without words is near to nothing. Raises ValueError for a threshold outside (0, 1].
    """
    index = _Index([shingles(text) for text in against], threshold)
    rows = [shingles(text) for text in texts]
    return [near for row, found in enumerate(rows) for near in index.near(row, found)]


def find_near_within(texts: Sequence[str], threshold: float = THRESHOLD) -> list[Near]:
    """The pairs inside one list, each once, with row > other, by row; equal texts have index 1."""
    rows = [shingles(text) for text in texts]
    index = _Index(rows, threshold)
    return [near for row, found in enumerate(rows) for near in index.near(row, found) if near.other < row]


def shingles(text: str) -> frozenset[str]:
    """Every run of SHINGLE_WORDS words of the normalised text; a shorter text is one shingle, an empty one none."""
    words = normal_words(text)
    last = max(len(words) - SHINGLE_WORDS, 0)
    return frozenset(" ".join(words[start : start + SHINGLE_WORDS]) for start in range(last + 1)) - {""}


def normal_words(text: str) -> list[str]:
    """Words, numbers and operators in compatibility form without case; typesetting and other marks are left out."""
    return _WORD.findall(_TYPESETTING.sub(" ", unicodedata.normalize("NFKC", text).casefold()))


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """|A and B| / |A or B|; 0 for two empty sets, which say nothing."""
    together = len(first | second)
    return len(first & second) / together if together else 0.0


def band_rows(threshold: float) -> int:
    """Most rows a band may have so that a pair at the threshold is missed with a chance below MAX_MISS.

    b bands of r rows find a pair of Jaccard index j with chance 1 - (1 - j^r)^b; more rows mean fewer candidates.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"a threshold lies in (0, 1], found {threshold}")
    fitting = [r for r in range(1, 33) if (1 - threshold**r) ** (NUM_PERMUTATIONS // r) < MAX_MISS]
    return max(fitting, default=1)


class _Index:
    """Shingle sets that can be asked for what is near."""

    def __init__(self, sets: Sequence[frozenset[str]], threshold: float) -> None:
        from datasketch import MinHashLSH

        rows = band_rows(threshold)
        self._sets, self._threshold = sets, threshold
        self._lsh = MinHashLSH(num_perm=NUM_PERMUTATIONS, params=(NUM_PERMUTATIONS // rows, rows))
        for place, found in enumerate(sets):
            if found:
                self._lsh.insert(place, _signature(found))

    def near(self, row: int, found: frozenset[str]) -> list[Near]:
        """The texts near to this one, in their order."""
        if not found:
            return []
        candidates = sorted(self._lsh.query(_signature(found)))
        pairs = [Near(row=row, other=place, jaccard=jaccard(found, self._sets[place])) for place in candidates]
        return [pair for pair in pairs if pair.jaccard >= self._threshold]


def _signature(found: frozenset[str]) -> Any:
    from datasketch import MinHash

    signature = MinHash(num_perm=NUM_PERMUTATIONS, seed=1)
    signature.update_batch([shingle.encode() for shingle in sorted(found)])
    return signature
