"""Re-united givens and answers: 7 metres as 700 centimetres, a result asked for in millijoules; with the inverses.

Givens change together with their numbers, so what they say stays, and the answer with it; another unit of the answer
multiplies it. Factors are those of the judge (polymath.judge.units). Quantities that another unit follows, powers and
compounds are left alone, and so is a text with a formula, whose letters may be in the old unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

from polymath.judge.units import parse_unit
from polymath.synthesis.variant_parts import AnswerMap, CannotVary, Change, as_decimal, scale
from polymath.types import Sample

# Pairs of larger and smaller unit: singular and plural name in both spellings, or a symbol.
_PAIRS = (
    (("kilometre", "kilometres"), ("metre", "metres")), (("kilometer", "kilometers"), ("meter", "meters")),
    (("metre", "metres"), ("centimetre", "centimetres")), (("meter", "meters"), ("centimeter", "centimeters")),
    (("centimetre", "centimetres"), ("millimetre", "millimetres")),
    (("centimeter", "centimeters"), ("millimeter", "millimeters")),
    (("kilogram", "kilograms"), ("gram", "grams")), (("gram", "grams"), ("milligram", "milligrams")),
    (("litre", "litres"), ("millilitre", "millilitres")), (("liter", "liters"), ("milliliter", "milliliters")),
    (("hour", "hours"), ("minute", "minutes")), (("minute", "minutes"), ("second", "seconds")),
    (("day", "days"), ("hour", "hours")), (("week", "weeks"), ("day", "days")),
    (("kilojoule", "kilojoules"), ("joule", "joules")), (("joule", "joules"), ("millijoule", "millijoules")),
    (("kilowatt", "kilowatts"), ("watt", "watts")), (("newton", "newtons"), ("millinewton", "millinewtons")),
    (("volt", "volts"), ("millivolt", "millivolts")), (("ampere", "amperes"), ("milliampere", "milliamperes")),
    (("mole", "moles"), ("millimole", "millimoles")), (("kilopascal", "kilopascals"), ("pascal", "pascals")),
    (("km",), ("m",)), (("m",), ("cm",)), (("cm",), ("mm",)), (("kg",), ("g",)), (("g",), ("mg",)),
    (("mol",), ("mmol",)), (("kJ",), ("J",)), (("kPa",), ("Pa",)), (("kW",), ("W",)), (("kHz",), ("Hz",)),
    (("L",), ("mL",)), (("mA",), ("µA",)),
)  # fmt: skip
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
# What may not follow: a power, a slash, "per", or another unit, which makes a product (J s).
_END = (
    r"(?![\w/^·*²³⁻-])(?!\s*[/^·×])(?!\s+(?:per|squared|cubed|of (?:mass|force))\b)"
    r"(?!\s+(?:[fpnµmckMG]?(?:m|s|g|A|K|N|J|W|V|C|T|L|Pa|Hz|mol)|h|min|kg)\b)"
)
_UNREADABLE = re.compile(r"\b0\.0|\d{7}")
_FORMULA = re.compile(r"[\\=]|\bis measured in\b|\bare measured in\b|\bmeasured in\b")


@dataclass(frozen=True, kw_only=True)
class Step:
    """From one unit to another: their names, and by what a number is multiplied."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    factor: Fraction


def steps() -> Iterator[Step]:
    """Every pair of the table in both directions, with the judge's factor."""
    for large, small in _PAIRS:
        first, second = parse_unit(large[-1]), parse_unit(small[-1])
        assert first is not None and second is not None and first.dimension == second.dimension
        factor = first.factor / second.factor
        yield Step(old=large, new=small, factor=factor)
        yield Step(old=small, new=large, factor=1 / factor)


def change_units(sample: Sample, rng: Random) -> Change:
    """The question with the givens of one unit in another one; raises CannotVary where none can change exactly."""
    if _FORMULA.search(sample.question):
        raise CannotVary("it holds a formula, whose letters may be in its units")
    fitting = []
    for step in steps():
        try:
            question = _convert(sample.question, step)
        except CannotVary:
            continue
        if question != sample.question and not _quantity(step.new).search(sample.question):
            fitting.append((step, question))
    if not fitting:
        raise CannotVary("no given has a unit of the table that changes exactly")
    # Among equals those that people would write: 7 metres as 700 centimetres, not as 0.007 kilometres.
    readable = [pair for pair in fitting if not _UNREADABLE.search(pair[1]) or _UNREADABLE.search(sample.question)]
    step, question = rng.choice(readable or fitting)
    detail = {"old": list(step.old), "new": list(step.new), "factor": str(step.factor), "solution": sample.solution}
    # The solution computes with the old numbers.
    return Change(sample=sample.model_copy(update={"question": question, "solution": None}), detail=detail)


def restore_units(sample: Sample, detail: Mapping[str, Any]) -> Sample:
    """The inverse of `change_units`: a conversion too."""
    step = Step(old=tuple(detail["new"]), new=tuple(detail["old"]), factor=1 / Fraction(detail["factor"]))
    return sample.model_copy(update={"question": _convert(sample.question, step), "solution": detail["solution"]})


def change_answer_unit(sample: Sample, rng: Random) -> Change:
    """The question asks for another unit, and the answer is multiplied; raises CannotVary."""
    if sample.answer_type not in ("number", "quantity") or sample.tolerance == "figures":
        raise CannotVary("its answer is no number that may be multiplied exactly")
    fitting = []
    for step in steps():
        try:
            fitting.append((step, _ask_in(sample, step)))
        except CannotVary:
            continue
    if not fitting:
        raise CannotVary("it does not ask for its answer in a unit of the table")
    # A whole number stays one where it can: judges and readers trip over decimals.
    whole = [pair for pair in fitting if "." in sample.answer or "." not in pair[1].answer]
    step, changed = rng.choice(whole or fitting)
    detail = {"old": list(step.old), "new": list(step.new), "factor": str(step.factor), "solution": sample.solution}
    answer_map = AnswerMap(kind="scale", factor=str(step.factor))
    return Change(sample=changed.model_copy(update={"solution": None}), detail=detail, answer_map=answer_map)


def restore_answer_unit(sample: Sample, detail: Mapping[str, Any]) -> Sample:
    """The inverse of `change_answer_unit`."""
    step = Step(old=tuple(detail["new"]), new=tuple(detail["old"]), factor=1 / Fraction(detail["factor"]))
    return _ask_in(sample, step).model_copy(update={"solution": detail["solution"]})


def _ask_in(sample: Sample, step: Step) -> Sample:
    found = list(_asked(step.old).finditer(sample.question))
    if len(found) != 1 or _asked(step.new).search(sample.question):
        raise CannotVary("the unit is not asked for, or more than once")
    if not _is_asking(sample.question, found[0].start()):
        raise CannotVary("the unit is named where nothing is asked")
    if sample.unit not in (None, *step.old):
        raise CannotVary("its unit is another one")
    start, end = found[0].span(2)
    changes: dict[str, Any] = {
        "question": f"{sample.question[:start]}{step.new[-1]}{sample.question[end:]}",
        "answer": scale(sample.answer, step.factor),
        "aliases": tuple(scale(one, step.factor) for one in sample.aliases),
    }
    if sample.unit is not None:
        changes["unit"] = step.new[step.old.index(sample.unit)]
    return sample.model_copy(update=changes)


def _asked(names: tuple[str, ...]) -> re.Pattern[str]:
    """In joules, how many joules, ____ joules: the unit of the answer, without a number before it."""
    return re.compile(rf"(\b[Ii]n |\b[Hh]ow many |_{{2,}} )({re.escape(names[-1])}){_END}")


def _is_asking(text: str, place: int) -> bool:
    """The sentence at this place has a question mark or a blank: elsewhere "in hours" is the unit of a letter."""
    start = max((end.end() for end in re.finditer(r"[.!?]\s+(?=[A-Z])", text[:place])), default=0)
    end = re.search(r"[.!?](?:\s|$)", text[place:])
    sentence = text[start : place + end.end() if end else len(text)]
    return ("?" in sentence or "__" in sentence) and not _FORMULA.search(sentence)


def _quantity(names: tuple[str, ...]) -> re.Pattern[str]:
    options = "|".join(map(re.escape, names))
    return re.compile(rf"(?<![\w.,/^$-])({_NUMBER})([ -])({options}){_END}")


def _convert(text: str, step: Step) -> str:
    """Every quantity of the old unit in the new one; raises CannotVary where a number has no short decimal."""

    def change(match: re.Match[str]) -> str:
        value = Fraction(match[1].replace(",", "")) * step.factor
        number = as_decimal(value)
        if "," in match[1] and value >= 1000 and value.denominator == 1:
            number = f"{int(value):,}"
        is_singular = match[2] == "-" or value == 1
        return f"{number}{match[2]}{step.new[0] if is_singular else step.new[-1]}"

    return _quantity(step.old).sub(change, text)
