"""A sample in, answers that are nearly its own and must be judged wrong out.

A reward that takes them for right teaches the wrong thing, and no curve shows it. Each answer type has its own: the
last digit, the sign, the power of ten, the next whole number, the next letter, another unit, a swapped list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from string import ascii_uppercase

from polymath.judge.chemistry import Formula, Reaction, parse_formula, parse_reaction
from polymath.judge.normal import split_top
from polymath.judge.numbers import Numeral, are_equal, parse_number
from polymath.judge.verifiers.choice import read_choice
from polymath.types import Sample

# Units of other things, one of which is surely not the answer's.
_OTHER_UNITS = ("kg", "m", "s", "J")
_OPPOSITE = {"true": "false", "false": "true", "yes": "no", "no": "yes"}


@dataclass(frozen=True, kw_only=True)
class NearMiss:
    """An answer, and in what it misses."""

    answer: str
    how: str


def near_misses(sample: Sample) -> list[NearMiss]:
    """The near misses of a sample, each once; empty where its type has none that can be told from its answer."""
    kinds = {
        "number": _of_number,
        "quantity": _of_number,
        "choice": _of_choice,
        "boolean": _of_boolean,
        "list": _of_list,
        "formula": _of_formula,
        "reaction": _of_reaction,
        "text": _of_text,
        "expression": _of_expression,
    }
    found = {miss.answer: miss for miss in kinds[sample.answer_type](sample)}
    return list(found.values())


def _of_number(sample: Sample) -> Iterator[NearMiss]:
    numeral = parse_number(sample.answer)
    if numeral is None:
        return
    tail = f" {numeral.unit}" if numeral.unit and sample.answer_type == "quantity" else ""
    tail = "%" if numeral.is_percent else tail
    for value, how in _values(numeral, sample):
        if value != numeral.value:
            yield NearMiss(answer=_write(value) + tail, how=how)
    unit = (sample.unit or numeral.unit).strip() if sample.answer_type == "quantity" else ""
    if unit:
        bare = _write(numeral.value)
        yield from (NearMiss(answer=f"{bare} {other}", how=f"in {other}") for other in _other_units(unit))
        if sample.missing_unit == "wrong":
            yield NearMiss(answer=bare, how="without its unit")


def _values(numeral: Numeral, sample: Sample) -> Iterator[tuple[Fraction, str]]:
    """Values near the label that its tolerance does not mean to accept."""
    value, place = numeral.value, Fraction(10) ** numeral.last_place
    near: list[tuple[Fraction, str]] = [(-value, "the other sign")] if value else []
    near += [(value * 10, "ten times as much"), (value / 10, "a tenth")]
    is_whole = value.denominator == 1
    if numeral.is_fraction:
        near += [(1 / value, "upside down")] if value else []
        near += [(value + 1, "one more")]
    else:
        near += [(value + place, "one more in the last digit"), (value - place, "one less in the last digit")]
        if not is_whole:
            near += [(Fraction(round(value)), "rounded to a whole number")]
            near += [(Fraction(round(value / (10 * place))) * 10 * place, "rounded to a digit less")]
    # A whole number is counted, and its neighbours are other answers whatever the tolerance; a measured value may miss
    # by what its tolerance says.
    for found, how in near:
        is_meant = not is_whole and are_equal(numeral, replace(numeral, value=found), sample.tolerance)
        if not is_meant:
            yield found, how


def _of_expression(sample: Sample) -> Iterator[NearMiss]:
    answer = sample.answer.strip()
    if parse_number(answer) is not None:
        yield from _of_number(sample)
        return
    if re.search(r"\\(?:text|begin)|,", answer) or "=" in answer or len(answer) > 120 or not re.search(r"\d", answer):
        yield from _of_list(sample) if "," in answer and len(split_top(answer)) > 1 else ()
        return
    yield NearMiss(answer=f"-({answer})", how="the other sign")
    yield NearMiss(answer=f"{answer} + 1", how="one more")
    digits = list(re.finditer(r"\d+", answer))[-1]
    other = f"{answer[: digits.start()]}{int(digits[0]) + 1}{answer[digits.end() :]}"
    yield NearMiss(answer=other, how="another last number")


def _of_choice(sample: Sample) -> Iterator[NearMiss]:
    right = read_choice(sample.answer)
    others = [letter for letter in ascii_uppercase[: len(sample.choices or ())] if letter != right]
    yield from (NearMiss(answer=letter, how="another letter") for letter in others)
    if others and right:
        yield NearMiss(answer=f"{right} or {others[0]}", how="two letters")


def _of_boolean(sample: Sample) -> Iterator[NearMiss]:
    opposite = _OPPOSITE.get(sample.answer.strip().lower())
    if opposite:
        yield NearMiss(answer=opposite, how="the opposite")


def _of_list(sample: Sample) -> Iterator[NearMiss]:
    bracketed = re.fullmatch(r"(?s)\s*([\[(]|\\\{|)(.*?)([\])]|\\\}|)\s*", sample.answer)
    opening, inside, closing = bracketed.groups() if bracketed else ("", sample.answer, "")
    parts = [part for part in split_top(inside) if part]
    if len(parts) < 2:
        return

    def write(elements: list[str]) -> str:
        return f"{opening}{', '.join(elements)}{closing}"

    is_ordered = sample.answer_type == "list" or opening in ("(", "[")
    if is_ordered and parts[0] != parts[1]:
        yield NearMiss(answer=write([parts[1], parts[0], *parts[2:]]), how="two elements swapped")
    yield NearMiss(answer=write(parts[:-1]), how="an element missing")
    yield NearMiss(answer=write([*parts, parts[-1] + "1"]), how="an element too many")
    last = parse_number(parts[-1])
    if last is not None and last.value + 1 not in [one.value for part in parts if (one := parse_number(part))]:
        yield NearMiss(answer=write([*parts[:-1], _write(last.value + 1)]), how="the last element one more")


def _of_formula(sample: Sample) -> Iterator[NearMiss]:
    formula = parse_formula(sample.answer)
    if formula is None:
        return
    yield NearMiss(answer=str(replace(formula, charge=formula.charge + 1)), how="another charge")
    first = formula.parts[0]
    more = replace(first, count=first.count + 1)
    yield NearMiss(answer=str(replace(formula, parts=(more, *formula.parts[1:]))), how="one atom more")


def _of_reaction(sample: Sample) -> Iterator[NearMiss]:
    reaction = parse_reaction(sample.answer)
    if reaction is None:
        return
    yield NearMiss(
        answer=str(Reaction(reactants=reaction.products, products=reaction.reactants)), how="the other direction"
    )
    (amount, species), *rest = reaction.reactants
    more: tuple[tuple[Fraction, Formula], ...] = ((amount + 1, species), *rest)
    if rest or len(reaction.products) > 0:
        yield NearMiss(answer=str(replace(reaction, reactants=more)), how="another coefficient")
    if rest:
        yield NearMiss(answer=str(replace(reaction, reactants=tuple(rest))), how="a species missing")


def _of_text(sample: Sample) -> Iterator[NearMiss]:
    yield NearMiss(answer=f"not {sample.answer}", how="negated")
    words = sample.answer.split()
    if len(words) > 1:
        yield NearMiss(answer=" ".join(words[:-1]), how="a word missing")


def _other_units(unit: str) -> list[str]:
    from polymath.judge.values import read_unit

    own = read_unit(unit)
    if own is None:
        return ["kg"] if unit != "kg" else ["m"]
    others = [other for other in _OTHER_UNITS if (read := read_unit(other)) and read.dimension != own.dimension]
    return others[:2]


def _write(value: Fraction) -> str:
    """The value as a numeral that reads back as it is."""
    if value.denominator == 1:
        return str(value.numerator)
    size = value.denominator
    twos = fives = 0
    while size % 2 == 0:
        size, twos = size // 2, twos + 1
    while size % 5 == 0:
        size, fives = size // 5, fives + 1
    places = max(twos, fives)
    if size != 1:
        return rf"{'-' if value < 0 else ''}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
    power = len(str(abs(value.numerator))) - len(str(value.denominator))
    if places > 12 and power:
        mantissa = value / Fraction(10) ** power
        return rf"{_write(mantissa)}\times 10^{{{power}}}"
    digits = str(abs(value.numerator) * 10**places // value.denominator).zfill(places + 1)
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"
