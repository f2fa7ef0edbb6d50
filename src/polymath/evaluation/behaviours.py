"""Rows of an evaluation in, how the answers behave out: marker words, code, mixed scripts, repetition, length.

Marker words. arXiv 2601.03111 (figures 4, 6, 7) counts wait, verify, yet, re-evaluate, recheck, and Python blocks as
"code"; arXiv 2504.20571 counts responses with rethink, recheck or recalculate. Neither says how a word is matched.
Here, in any case: a word is letters, digits and underscores, joined by single hyphens or apostrophes, so that
"re-evaluate" is one word, and "wait-list" and "verify_sum" are not "wait" and "verify". `num_exact` counts the listed
spelling alone, `num_forms` its inflections too (FORMS), `num_responses` responses with the listed spelling. A word
inside a passage of five words that the question or its options also have (all of a shorter question) is an echo and
not counted.
Code. Any fence (```) that opens; "python" where its language is python, py or python3. One that never closes counts.
Mixed scripts. A response that holds at least 1% and two of its counted letters in each of two scripts. Counted are
letters of every script but Greek and mathematical ones; Latin ones in words of three and more that are no \\command,
since formulas and units are written so in all languages. Kanji and kana are one script here.
Repetition. `repeated_share` of 20-grams of characters as in the reward of that name (arXiv 2501.11651), and loops: the
response ends in some unit said at least three times over at least 60 characters, the last one perhaps cut short.
Length. Mean tokens of right, wrong and undecided responses, each with its n.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from polymath.evaluation.draws import Reading, Row
from polymath.evaluation.statistics import Interval, paired_difference
from polymath.rewards.repetition import repeated_share

POLYMATH_WORDS = ("wait", "verify", "yet", "re-evaluate", "recheck")
ONE_SHOT_WORDS = ("rethink", "recheck", "recalculate")
WORDS = tuple(dict.fromkeys(POLYMATH_WORDS + ONE_SHOT_WORDS))
FORMS: dict[str, frozenset[str]] = {
    "wait": frozenset({"wait", "waits", "waited", "waiting"}),
    "verify": frozenset({"verify", "verifies", "verified", "verifying", "verification"}),
    "yet": frozenset({"yet"}),
    "re-evaluate": frozenset({"re-evaluate", "re-evaluates", "re-evaluated", "re-evaluating", "re-evaluation"})
    | frozenset({"reevaluate", "reevaluates", "reevaluated", "reevaluating", "reevaluation"}),
    "recheck": frozenset({"recheck", "rechecks", "rechecked", "rechecking"})
    | frozenset({"re-check", "re-checks", "re-checked", "re-checking"}),
    "rethink": frozenset({"rethink", "rethinks", "rethought", "rethinking", "re-think", "re-thinking"}),
    "recalculate": frozenset({"recalculate", "recalculates", "recalculated", "recalculating", "recalculation"})
    | frozenset({"re-calculate", "re-calculated", "re-calculating", "re-calculation"}),
}
ECHO_WORDS = 5
NGRAM = 20
MIN_LOOP_UNITS, MIN_LOOP_CHARACTERS = 3, 60
MIN_SCRIPT_SHARE, MIN_SCRIPT_LETTERS = 0.01, 2
# The bootstrap is seeded by a constant: the same files give the same table.
SEED = 0

_WORD = re.compile(r"\w+(?:[-']\w+)*")
_TYPOGRAPHY = str.maketrans({"‐": "-", "‑": "-", "’": "'"})  # hyphens and apostrophe of printers
_FENCE = re.compile(r"```[ \t]*([A-Za-z0-9+#_.]*)")
_PYTHON = frozenset({"python", "py", "python3"})
_LATIN_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_SCRIPTS = {
    "HIRAGANA": "cjk",
    "KATAKANA": "cjk",
    "CJK": "cjk",
    "IDEOGRAPHIC": "cjk",
    "HALFWIDTH": "cjk",
    "FULLWIDTH": "latin",
}
_NO_SCRIPTS = {"GREEK", "MATHEMATICAL", "MODIFIER", "MICRO", "OHM", "KELVIN", "ANGSTROM", "SCRIPT", "BLACK-LETTER"}
_NO_SCRIPTS |= {"DOUBLE-STRUCK", "PLANCK", "SUPERSCRIPT", "FEMININE", "MASCULINE", ""}


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What one response shows."""

    exact: Mapping[str, int]
    forms: Mapping[str, int]
    num_code_blocks: int
    num_python_blocks: int
    letters: Mapping[str, int]
    is_mixed: bool
    repeated_frac: float
    is_looped: bool


@dataclass(frozen=True, kw_only=True)
class BehaviourDifference:
    """How much more often a behaviour is seen after than before.

    In responses of a thousand; tokens for `mean_tokens`, thousandths of the n-grams for `repeated`. Means over
    problems that both evaluations hold; the interval covers the choice of problems only.
    """

    name: str
    before: float
    after: float
    difference: Interval
    num_problems: int


def traits_of(response: str, question: str = "") -> Traits:
    """The traits of one response; `question` is its own text and options, whose echoes are no marker words."""
    words = [word for word, is_echo in zip(*_words_and_echoes(response, question), strict=True) if not is_echo]
    counts = Counter(words)
    num_blocks, num_python = _code_blocks(response)
    letters = script_letters(response)
    return Traits(
        exact={word: counts[word] for word in WORDS},
        forms={word: sum(counts[form] for form in FORMS[word]) for word in WORDS},
        num_code_blocks=num_blocks,
        num_python_blocks=num_python,
        letters=letters,
        is_mixed=_is_mixed(letters),
        repeated_frac=repeated_share(response, NGRAM),
        is_looped=loop_length(response) > 0,
    )


def behaviours(rows: Iterable[Row], *, reading: Reading = "strict") -> dict[str, Any]:
    """Counts and shares over all responses, and the same by discipline under `disciplines`.

    Every response counts once, however many a problem has: this is how the papers count.
    """
    seen = [(row, traits_of(row["response"], _question_of(row))) for row in rows]
    names = sorted({str(row.get("discipline") or "unknown") for row, _ in seen})
    by_discipline = {
        name: _summarize([pair for pair in seen if str(pair[0].get("discipline") or "unknown") == name], reading)
        for name in names
    }
    return {**_summarize(seen, reading), "disciplines": by_discipline}


def compare_behaviours(before: Iterable[Row], after: Iterable[Row]) -> list[BehaviourDifference]:
    """Each behaviour's difference over the problems that both hold, with its paired bootstrap interval.

    One row for every marker word (responses with it), `one_shot_words` (any of the three), `python`, `mixed`,
    `looped`, `repeated` and `mean_tokens`; empty where no problem is shared. All problems weigh alike, whatever their
    discipline. The interval covers the choice of problems only; rows are not corrected for their number.
    """
    first, second = _measures_by_problem(before), _measures_by_problem(after)
    keys = [key for key in first if key in second]
    if not keys:
        return []
    found = []
    for name in first[keys[0]]:
        old, new = (np.array([side[key][name] for key in keys]) for side in (first, second))
        difference = paired_difference(old, new, ["all"] * len(keys), seed=SEED)
        found.append(
            BehaviourDifference(
                name=name,
                before=float(old.mean()),
                after=float(new.mean()),
                difference=difference,
                num_problems=len(keys),
            )
        )
    return found


def script_letters(text: str) -> dict[str, int]:
    """Counted letters by script, most first (see the module's rule)."""
    counts: Counter[str] = Counter({"latin": sum(len(word) for word in _LATIN_WORD.findall(text))})
    counts.update(script for letter in _NOT_ASCII.findall(text) if (script := _script_of(letter)))
    return {script: count for script, count in counts.most_common() if count}


def loop_length(text: str) -> int:
    """Characters of the looped end of a text, 0 where it has none; white space at the very end is passed over.

    With z[p] the length to which the reversed text agrees with itself moved by p, the end of period p has z[p] + p
    characters (Gusfield, Algorithms on Strings, Trees and Sequences (1997), chapter 1); linear in the text.
    """
    backwards = text.rstrip()[::-1]
    length, longest = len(backwards), 0
    z, left, right = [0] * length, 0, 0
    for period in range(1, length):
        if period < right:
            z[period] = min(right - period, z[period - left])
        while period + z[period] < length and backwards[z[period]] == backwards[period + z[period]]:
            z[period] += 1
        if period + z[period] > right:
            left, right = period, period + z[period]
        reach = z[period] + period
        if z[period] and reach >= max(MIN_LOOP_UNITS * period, MIN_LOOP_CHARACTERS):
            longest = max(longest, reach)
    return longest


def _words_and_echoes(response: str, question: str) -> tuple[list[str], list[bool]]:
    words, asked = _words(response), _words(question)
    size = min(ECHO_WORDS, len(asked))
    is_echo = [False] * len(words)
    if size:
        passages = {tuple(asked[start : start + size]) for start in range(len(asked) - size + 1)}
        for start in range(len(words) - size + 1):
            if tuple(words[start : start + size]) in passages:
                is_echo[start : start + size] = [True] * size
    return words, is_echo


def _words(text: str) -> list[str]:
    # Underscores around a word are emphasis in Markdown.
    return [word.strip("_") for word in _WORD.findall(text.translate(_TYPOGRAPHY).lower())]


def _code_blocks(text: str) -> tuple[int, int]:
    """Fences that open, and Python ones among them. A fence that names a language opens even inside a block."""
    num_blocks = num_python = 0
    is_open = False
    for language in _FENCE.findall(text):
        if is_open and not language:
            is_open = False
            continue
        is_open = True
        num_blocks += 1
        num_python += language.lower() in _PYTHON
    return num_blocks, num_python


def _is_mixed(letters: Mapping[str, int]) -> bool:
    enough = max(MIN_SCRIPT_LETTERS, MIN_SCRIPT_SHARE * sum(letters.values()))
    return sum(count >= enough for count in letters.values()) >= 2


@lru_cache(maxsize=65536)
def _script_of(letter: str) -> str:
    """The script in the letter's Unicode name, in small letters; empty for what is no letter of a language."""
    name = unicodedata.name(letter, "").split(" ")[0] if letter.isalpha() else ""
    return "" if name in _NO_SCRIPTS else _SCRIPTS.get(name, name.lower())


def _question_of(row: Row) -> str:
    return "\n".join([row.get("question") or "", *(row.get("choices") or ())])


def _summarize(seen: Sequence[tuple[Row, Traits]], reading: Reading) -> dict[str, Any]:
    traits = [trait for _, trait in seen]
    letters: Counter[str] = Counter()
    for trait in traits:
        letters.update(trait.letters)
    total = sum(letters.values())
    return {
        "num_responses": len(traits),
        "words": {
            word: {
                "num_exact": sum(trait.exact[word] for trait in traits),
                "num_forms": sum(trait.forms[word] for trait in traits),
                "num_responses": sum(trait.exact[word] > 0 for trait in traits),
            }
            for word in WORDS
        },
        "num_responses_one_shot_words": sum(any(trait.exact[word] for word in ONE_SHOT_WORDS) for trait in traits),
        "num_python_blocks": sum(trait.num_python_blocks for trait in traits),
        "num_responses_python": sum(trait.num_python_blocks > 0 for trait in traits),
        "num_responses_code": sum(trait.num_code_blocks > 0 for trait in traits),
        "script_frac": {script: count / total for script, count in letters.most_common()},
        "num_responses_mixed": sum(trait.is_mixed for trait in traits),
        "num_responses_looped": sum(trait.is_looped for trait in traits),
        "repeated_frac": float(np.mean([trait.repeated_frac for trait in traits])) if traits else None,
        "length": {
            outcome: _length([row for row, _ in seen if row[reading]["outcome"] == outcome])
            for outcome in ("right", "wrong", "undecided")
        },
    }


def _length(rows: Sequence[Row]) -> dict[str, float | int | None]:
    return {"mean_tokens": float(np.mean([row["num_tokens"] for row in rows])) if rows else None, "n": len(rows)}


def _measures_by_problem(rows: Iterable[Row]) -> dict[tuple[str, str], dict[str, float]]:
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for row in rows:
        trait = traits_of(row["response"], _question_of(row))
        measures = {
            **{word: 1000.0 * (trait.exact[word] > 0) for word in WORDS},
            "one_shot_words": 1000.0 * any(trait.exact[word] for word in ONE_SHOT_WORDS),
            "python": 1000.0 * (trait.num_python_blocks > 0),
            "code": 1000.0 * (trait.num_code_blocks > 0),
            "mixed": 1000.0 * trait.is_mixed,
            "looped": 1000.0 * trait.is_looped,
            "repeated": 1000.0 * trait.repeated_frac,
            "mean_tokens": float(row["num_tokens"]),
        }
        found.setdefault((row["benchmark"], row["id"]), []).append(measures)
    return {
        key: {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]} for key, draws in found.items()
    }
