"""Renamed entities and respelt numerals: the question in other names, with the same numbers; each with its inverse.

Names come from small tables of our own: given names by pronoun, everyday things that a problem may count in any of a
group. They are regular in the plural and agree in "a" and "an", so that grammar stands. A given map is taken as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from polymath.errors import RecipeError
from polymath.judge.units import parse_unit
from polymath.synthesis.variant_parts import AnswerMap, CannotVary, Change, in_all_texts
from polymath.types import Sample

# Words of one row may stand for each other.
_GIVEN_NAMES = (
    ("Ada", "Anna", "Ava", "Elena", "Emma", "Irene", "Ivy", "Olga"),
    ("Clara", "Grace", "Greta", "Judith", "Kira", "Laura", "Maria", "Mia", "Nora", "Paula", "Sarah", "Sofia"),
    ("Adam", "Alan", "Erik", "Oscar", "Otto", "Ulrich"),
    (
        "Ben",
        "Carl",
        "Dan",
        "David",
        "Felix",
        "Finn",
        "Henry",
        "Hugo",
        "Jonas",
        "Leo",
        "Martin",
        "Peter",
        "Simon",
        "Tom",
    ),
)
_THINGS = (
    ("melon", "pumpkin", "turnip", "lemon"), ("apple", "orange", "apricot", "onion"),
    ("pen", "ruler", "crayon", "pencil"), ("crate", "barrel", "basket", "carton"),
    ("farmer", "gardener", "baker", "grocer"), ("book", "magazine", "notebook", "postcard"),
    ("rabbit", "goat", "hamster", "duck"), ("stamp", "sticker", "badge", "button"), ("car", "truck", "tram", "lorry"),
)  # fmt: skip
_SMALL = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NO_COUNT = frozenset(
    ("halves", "third", "thirds", "quarters", "fifths", "sixths", "sevenths", "eighths", "ninths", "tenths",
     "hundredths", "thousandths", "hundred", "thousand", "million", "billion", "dozen", "percent", "and", "or", "to",
     "by", "in", "is")
)  # fmt: skip
_DIGITS = {str(value): word for value, word in enumerate(_SMALL, 2)}
_WORDS = {word: digits for digits, word in _DIGITS.items()}
# A count before a plain word: no sign, unit, power, list or formula around it.
_COUNT = re.compile(r"(?<![\w.,/$^*+=<>×·\\-])(?:{})(?=\s+([a-z]+)\b)(?!\s+\w+\s*[\^/])")
_PLAIN_THOUSANDS = re.compile(r"(?<![\w.,/$^\\-])[1-9]\d{3,}(?![\w,/^]|\.\d)")
_COMMA_THOUSANDS = re.compile(r"(?<![\w.,/$^\\-])[1-9]\d{0,2}(?:,\d{3})+(?![\w,/^]|\.\d)")
_YEAR = re.compile(r"\b(?:in|since|until|year|from|by) $", re.IGNORECASE)


def read_pairs(text: str) -> dict[str, str]:
    """OLD=NEW,OLD=NEW as a map of whole words; raises RecipeError."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    table = {old.strip(): new.strip() for old, _, new in pairs}
    if not table or any(not re.fullmatch(r"\w[\w-]*", word) for pair in table.items() for word in pair):
        raise RecipeError(
            "--rename", f"{text!r} is no list of OLD=NEW", "write single words: --rename Ben=Mara,pen=cup"
        )
    if len(set(table.values())) < len(table) or len(pairs) != len(table):
        raise RecipeError("--rename", "two words would become one, or one two", "give each word one new one of its own")
    return table


def rename(sample: Sample, rng: Random, given: Mapping[str, str] | None = None) -> Change:
    """The sample with other names; the answer follows where it is a text. Raises CannotVary where nobody has one."""
    words = set(re.findall(r"\w+", _all_texts(sample)))
    table = _forms(given, words) if given else _automatic(sample, words, rng)
    if not table:
        raise CannotVary("it names nobody and nothing that the tables know")
    taken = sorted((set(table.values()) - set(table)) & words)
    if taken:
        raise CannotVary(f"{taken[0]!r} stands in it already")
    is_text = sample.answer_type == "text"
    changed = in_all_texts(sample, table, with_answer=is_text)
    answer_map = AnswerMap(kind="words", table=table) if is_text else AnswerMap()
    return Change(sample=changed, detail={"table": table}, answer_map=answer_map)


def unname(sample: Sample, detail: Mapping[str, Any]) -> Sample:
    """The inverse of `rename`."""
    table = {new: old for old, new in detail["table"].items()}
    return in_all_texts(sample, table, with_answer=sample.answer_type == "text")


def respell(sample: Sample, rng: Random) -> Change:
    """The question with its numerals in another form: 3 and three, 1200 and 1,200. Raises CannotVary."""
    ways = [way for way in _SPELLINGS if _spell(sample.question, way) != sample.question]
    if not ways:
        raise CannotVary("it has no numeral that is written in two ways")
    way = rng.choice(ways)
    changed = sample.model_copy(update={"question": _spell(sample.question, way)})
    return Change(sample=changed, detail={"way": way})


def unspell(sample: Sample, detail: Mapping[str, Any]) -> Sample:
    """The inverse of `respell`."""
    return sample.model_copy(update={"question": _spell(sample.question, _SPELLINGS[detail["way"]])})


# A way to spell numerals and the way back.
_SPELLINGS = {"words": "digits", "digits": "words", "commas": "plain", "plain": "commas"}


def _spell(text: str, way: str) -> str:
    if way in ("words", "digits"):
        table = _DIGITS if way == "words" else _WORDS
        pattern = _COUNT.pattern.format("|".join(table))
        return re.sub(pattern, lambda match: match[0] if _is_symbol(match[1]) else table[match[0]], text)
    if way == "commas":
        return _PLAIN_THOUSANDS.sub(
            lambda match: (
                match[0] if len(match[0]) == 4 and _YEAR.search(text[: match.start()]) else f"{int(match[0]):,}"
            ),
            text,
        )
    return _COMMA_THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)


def _is_symbol(word: str) -> bool:
    """No count goes before it: a unit's symbol (nobody writes "three kg"), or the name of a fraction or a power."""
    if word in _NO_COUNT:
        return True
    unit = parse_unit(word) if len(word) <= 3 else None
    return len(word) == 1 or (unit is not None and all(len(name) < 4 for name, _ in unit.dimension))


def _all_texts(sample: Sample) -> str:
    answer = sample.answer if sample.answer_type == "text" else ""
    return "\n".join((sample.question, *(sample.choices or ()), sample.solution or "", answer, *sample.aliases))


def _automatic(sample: Sample, words: set[str], rng: Random) -> dict[str, str]:
    table: dict[str, str] = {}
    lower = {word.lower() for word in words}
    for row in (*_GIVEN_NAMES, *_THINGS):
        forms = {word: _spellings(word) for word in row}
        there = [word for word in row if any(form in words for form in forms[word])]
        free = [word for word in row if not any(form.lower() in lower for form in forms[word])]
        if row in _GIVEN_NAMES:
            # A capital behind it makes it another person's name: Grace Hopper.
            there = [word for word in there if not re.search(rf"\b{word}\s+[A-Z]", _all_texts(sample))]
        rng.shuffle(free)
        for old, new in zip(there, free, strict=False):
            table |= {one: other for one, other in zip(forms[old], forms[new], strict=True) if one in words}
    return table


def _forms(given: Mapping[str, str], words: set[str]) -> dict[str, str]:
    """The given words in the forms that occur: plural in s, capital at the start of a sentence."""
    pairs = [pair for old, new in given.items() for pair in zip(_spellings(old), _spellings(new), strict=True)]
    return {old: new for old, new in pairs if old in words}


def _spellings(word: str) -> tuple[str, ...]:
    if word[:1].isupper():
        return (word,)
    plural = f"{word}s"
    if re.search(r"[^aeiou]y$", word):
        plural = f"{word[:-1]}ies"
    elif word.endswith(("s", "x", "ch", "sh")):
        plural = f"{word}es"
    return (word, plural, word.capitalize(), plural.capitalize())


def known_names() -> Iterable[tuple[str, ...]]:
    """The rows of the tables."""
    return (*_GIVEN_NAMES, *_THINGS)
