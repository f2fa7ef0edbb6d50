"""The name of a skill in, the stems that carry it out: what skill_names.py compares.

Dropped are case, punctuation, word order, endings, and words that do not say which skill it is ("using", "computing").
The tables are small, English and our own: words and phrases that mean the same, and words that keep names apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Words that say that something is done, or nothing: not which skill it is.
_EMPTY = frozenset((
    "a", "an", "the", "of", "in", "on", "at", "to", "for", "from", "by", "with", "and", "or", "into", "onto",
    "between", "within", "as", "its", "their", "is", "are", "be", "that", "this", "which", "it", "using", "use",
    "uses", "used", "usage", "via", "through", "apply", "applies", "applying", "applied", "application",
    "applications", "solve", "solves", "solving", "solved", "compute", "computes", "computing", "computed",
    "computation", "computations", "calculate", "calculates", "calculating", "calculated", "calculation",
    "calculations", "find", "finds", "finding", "determine", "determines", "determining", "determination", "perform",
    "performing", "identify", "identifying", "understand", "understanding", "knowledge", "know", "knowing", "knows",
    "concept", "concepts", "concerning", "skill", "skills", "basic", "basics", "fundamental", "simple", "elementary",
    "technique", "techniques", "method", "methods", "procedure", "working", "evaluate", "evaluating", "about",
    "given", "two", "some", "one", "any", "when", "how", "what", "recognize", "recognizing", "interpret",
    "interpreting", "handling", "make", "making", "do", "doing", "involving", "relation", "relations",
))  # fmt: skip
# Different words for what is the same here. Both sides are taken without their endings.
_SYNONYMS = {
    "rule": "law", "theorem": "law", "principle": "law", "identity": "law", "property": "law", "formula": "law",
    "conversion": "convert", "percent": "percentage", "expectation": "expected value", "gcd": "great common divisor",
    "hcf": "great common divisor", "gcf": "great common divisor", "lcm": "least common multiple",
    "progression": "series", "sequence": "series", "scalar": "dot", "momenta": "momentum", "reactant": "reagent",
    "derivative": "differentiation", "simultaneous": "system", "decomposing": "factoring", "pythagoras": "pythagorean",
    "bayesian": "bayes", "trig": "trigonometry", "litre": "liter", "metre": "meter", "log": "logarithm",
    "lowest": "least", "smallest": "least", "greatest": "great", "biggest": "great", "largest": "great",
    "highest": "great", "modulo": "modular", "congruence": "modular", "euclidean": "euclid", "plugging": "substituting",
    "proportionality": "proportion", "speed": "velocity", "perimeter": "circumference", "mean": "average",
    "quotient": "division", "combinatorial": "counting", "chance": "probability", "gene": "genetic",
    "inheritance": "genetic", "rectangular": "rectangle", "circular": "circle", "triangular": "triangle",
    "spherical": "sphere", "cylindrical": "cylinder", "cubic": "cube", "resistance": "resistor",
}  # fmt: skip
# Different phrases for the same; the words on the left may stand in any order.
_PHRASES = {
    "great common factor": "great common divisor",
    "scalar product vectors": "dot product",
    "vector product": "cross product",
    "binomial coefficient": "combinations",
    "operator precedence": "order operations",
    "lorentz force": "force charge magnetic field",
    "standard form notation": "scientific notation",
    "simultaneous equation": "system linear equation",
    "conservation of mass": "mass balance",
}
# Names that differ by one of these are different skills, however alike they look.
_CONTRASTS = (
    "dot/cross", "sine/cosine/tangent", "linear/quadratic/cubic", "kinetic/potential", "growth/decay",
    "arithmetic/geometric", "permutations/combinations", "conditional/total", "current/voltage/power",
    "first/second/third/zeroth", "area/volume/circumference", "addition/subtraction/multiplication/division",
    "mitosis/meiosis", "maximum/minimum", "increasing/decreasing", "series/parallel", "energy/momentum/mass",
    "exponential/logarithm", "differentiation/integration", "oxidation/reduction", "acid/base", "elastic/inelastic",
    "absorption/emission", "binomial/poisson/normal", "similarity/congruence", "great/least", "allele/genotype",
    "surface/volume", "mean/median/mode", "supply/demand", "precision/recall", "distance/midpoint",
)  # fmt: skip
_ENDINGS = (
    ("ators", ""), ("ator", ""), ("isation", ""), ("ization", ""), ("ication", "y"), ("ations", ""), ("ation", ""),
    ("ising", ""), ("izing", ""), ("ities", "ity"), ("ically", ""), ("ional", ""), ("tions", "t"), ("tion", "t"),
    ("sions", "s"), ("sion", "s"), ("ments", ""), ("ment", ""), ("ives", ""), ("ies", "y"), ("sses", "ss"),
    ("xes", "x"), ("ches", "ch"), ("ings", ""), ("ing", ""), ("ical", ""), ("ised", ""), ("ized", ""), ("ic", ""),
    ("ial", ""), ("ed", ""), ("ly", ""), ("es", "e"), ("s", ""),
)  # fmt: skip
_KEPT = frozenset(("series", "stress", "gas", "mass", "basis", "bias", "physics", "loss", "class", "axis", "analysis"))
_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['’]s?\b")


def normal_name(name: str) -> tuple[str, ...]:
    """The stems that carry the name, sorted and each once; all of its words where every one is empty."""
    text = unicodedata.normalize("NFKC", re.sub(r"\\[a-zA-Z]+|\$", " ", name)).casefold()
    words = _WORD.findall(_POSSESSIVE.sub(" ", text))
    telling = [word for word in words if word not in _EMPTY] or words
    stems = frozenset(part for word in telling for part in _meant(word))
    for phrase, same in _stemmed_phrases():
        stems = (stems - phrase) | same if phrase <= stems else stems
    return tuple(sorted(stems))


def sides_of(stems: Sequence[tuple[str, ...]]) -> NDArray[np.int8]:
    """For each name and contrast, the side it takes, from 1; 0 where it takes none or several."""
    sides = np.zeros((len(stems), len(_CONTRASTS)), dtype=np.int8)
    for row, one in enumerate(stems):
        for column, words in enumerate(_stemmed_contrasts()):
            taken = [side for side, word in enumerate(words, 1) if word <= frozenset(one)]
            sides[row, column] = taken[0] if len(taken) == 1 else 0
    return sides


def _stem(word: str) -> str:
    """The word without its ending; deliberately light, and English."""
    stem = word.removesuffix("ly") if len(word) > 6 else word
    if stem not in _KEPT and not stem.endswith(("ss", "us", "is")):
        for ending, instead in _ENDINGS:
            if stem.endswith(ending) and len(stem) - len(ending) >= 3:
                stem = stem[: len(stem) - len(ending)] + instead
                break
    stem = stem.rstrip("e") if len(stem) > 4 else stem
    is_doubled = len(stem) > 4 and stem[-1] == stem[-2] and stem[-1] not in "sl"
    return stem[:-1] if is_doubled else stem  # planning, plan


@lru_cache(maxsize=65_536)
def _meant(word: str) -> tuple[str, ...]:
    """The stems that the word stands for: its own, or those of its synonym."""
    return _stemmed_synonyms().get(_stem(word), (_stem(word),))


@lru_cache(maxsize=1)
def _stemmed_synonyms() -> dict[str, tuple[str, ...]]:
    return {_stem(word): tuple(map(_stem, same.split())) for word, same in _SYNONYMS.items()}


@lru_cache(maxsize=1)
def _stemmed_phrases() -> tuple[tuple[frozenset[str], frozenset[str]], ...]:
    def stems(phrase: str) -> frozenset[str]:
        return frozenset(part for word in phrase.split() if word not in _EMPTY for part in _meant(word))

    return tuple((stems(phrase), stems(same)) for phrase, same in _PHRASES.items())


@lru_cache(maxsize=1)
def _stemmed_contrasts() -> tuple[tuple[frozenset[str], ...], ...]:
    return tuple(tuple(frozenset(_meant(word)) for word in one.split("/")) for one in _CONTRASTS)
