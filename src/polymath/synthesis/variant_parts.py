"""What the operations on a sample share: the change they make, the map for its answer, exact decimals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from polymath.types import Sample

_DECIMAL = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")


class CannotVary(Exception):
    """The operation does not apply to this sample; the message says why."""


@dataclass(frozen=True, kw_only=True)
class AnswerMap:
    """How an answer to the original reads in the variant.

    `same` leaves it, `scale` multiplies its number by `factor` (a fraction as text), `words` replaces whole words by
    `table`, `letters` an option's letter by another.
    """

    kind: Literal["same", "scale", "words", "letters"] = "same"
    factor: str = "1"
    table: Mapping[str, str] = field(default_factory=dict)

    def forward(self, answer: str) -> str:
        """The variant's answer for this answer to the original; raises CannotVary where it has none."""
        return self._map(answer, Fraction(self.factor), self.table)

    def back(self, answer: str) -> str:
        """The original's answer for this answer to the variant; raises CannotVary where it has none."""
        return self._map(answer, 1 / Fraction(self.factor), {new: old for old, new in self.table.items()})

    def _map(self, answer: str, factor: Fraction, table: Mapping[str, str]) -> str:
        if self.kind == "scale":
            return scale(answer, factor)
        if self.kind == "letters":
            if answer.strip() not in table:
                raise CannotVary(f"{answer[:40]!r} is no letter of an option")
            return table[answer.strip()]
        return replace_words(answer, table) if self.kind == "words" else answer

    @property
    def row(self) -> dict[str, Any]:
        """The map as it is stored: only what it uses."""
        used = {"factor": self.factor} if self.kind == "scale" else {"table": dict(self.table)} if self.table else {}
        return {"kind": self.kind, **used}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an operation makes of a sample: the sample, the map, and what its inverse has to know."""

    sample: Sample
    detail: Mapping[str, Any]
    answer_map: AnswerMap = AnswerMap()


def scale(text: str, factor: Fraction) -> str:
    """The number that the text is, times the factor, as an exact decimal; raises CannotVary where there is none."""
    if not _DECIMAL.fullmatch(text.strip()):
        raise CannotVary(f"{text[:40]!r} is no plain number")
    return as_decimal(Fraction(text.strip().replace(",", "")) * factor)


def as_decimal(value: Fraction) -> str:
    """The shortest decimal that is the value exactly; raises CannotVary for a value that has none."""
    rest, places = value.denominator, 0
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest, power = rest // prime, power + 1
        places = max(places, power)
    if rest != 1 or places > 12:
        raise CannotVary(f"{value} is no short decimal")
    if places == 0:
        return str(value.numerator)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def replace_words(text: str, table: Mapping[str, str]) -> str:
    """Every word of the table replaced at once, so that two words can trade places."""
    if not table:
        return text
    words = "|".join(re.escape(word) for word in sorted(table, key=len, reverse=True))
    return re.sub(rf"(?<![\w\\])(?:{words})(?!\w)", lambda match: table[match[0]], text)


def in_all_texts(sample: Sample, table: Mapping[str, str], *, with_answer: bool) -> Sample:
    """The sample with words replaced in question, options and solution, and in the answer where it is made of words."""
    changes: dict[str, Any] = {"question": replace_words(sample.question, table)}
    if sample.choices is not None:
        changes["choices"] = tuple(replace_words(one, table) for one in sample.choices)
    if sample.solution is not None:
        changes["solution"] = replace_words(sample.solution, table)
    if with_answer:
        changes["answer"] = replace_words(sample.answer, table)
        changes["aliases"] = tuple(replace_words(one, table) for one in sample.aliases)
    return sample.model_copy(update=changes)
