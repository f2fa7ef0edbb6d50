"""A numeral in, its exact value out, with the unit written after it.

Numerals are what a person would write as a finished number: 12, -0.5, .50, 1,234, 1{,}234, 1/2, \\frac{1}{2},
1 1/2, 1\\frac12, 1e3, 1.2\\times10^{3}, 10^{-4}, 50\\%, \\$36, 90^\\circ, 5\\text{ kg}, x = 5. Sums and products are
not numerals: they are tasks.

Percent: the sign is read as a hundredth or as a unit that the question already named. So 50\\% equals 1/2, and
it equals 50; two numerals that both carry the sign are compared as they stand. (This one rule is not
transitive: 50 does not equal 1/2.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from polymath.judge.normal import as_mathematics, tidy, unwrap

MAX_DIGITS = 60
MAX_TEN_POWER = 400

_PLAIN = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.?\d*|\.\d+)"
_NUMERAL = re.compile(
    rf"""(?P<sign>[-+]?)\s*
    (?:
      (?:(?P<whole>\d+)\s*)?\\frac\{{(?P<minus>-?)(?P<above>{_PLAIN})\}}\{{(?P<below>{_PLAIN})\}}
    | (?:(?P<whole2>\d+)\s+)?(?P<above2>{_PLAIN})\s*/\s*(?P<below2>{_PLAIN})
    | (?P<mantissa>{_PLAIN})?(?P<times>\s*(?:\\times|\\cdot|\*|x)\s*)?
      (?P<ten>10\s*(?:\^|\*\*)\s*(?:\{{\s*(?P<power>[-+]?\d{{1,6}})\s*\}}|\(?(?P<power2>[-+]?\d{{1,6}})\)?))
    | (?P<plain>{_PLAIN})(?:[eE](?P<power3>[-+]?\d{{1,6}}))?
    )""",
    re.VERBOSE,
)
_NAME = re.compile(r"^[a-zA-Z](?:_\{?\w\}?)?(?:\(\w\))?\s*(?:=|\\approx|≈)\s*")
_UNIT = re.compile(r"^[\s*]*[a-zA-Zµμ°Ω\\^/%$][a-zA-Zµμ°Ω0-9\s^{}/*.()\\%$+-]*$")
# "3 or 4" and "3 \text{ and } 4" are guesses, not a number with a unit.
_NO_UNIT = re.compile(r"(?<![\w^{.+-])[-+]?\d|\b(?:or|and|to|through|not)\b")
_SAME_UNIT = {
    "inches": "in", "inch": "in", "feet": "ft", "foot": "ft", "meters": "m", "meter": "m", "metres": "m",
    "metre": "m", "centimeters": "cm", "centimetres": "cm", "kilometers": "km", "kilometres": "km", "seconds": "s",
    "second": "s", "sec": "s", "minutes": "min", "minute": "min", "hours": "h", "hour": "h", "hr": "h", "grams": "g",
    "gram": "g", "kilograms": "kg", "kilogram": "kg", "kilometer": "km", "centimeter": "cm", "mph": "mi/h",
    "miles": "mi", "mile": "mi", "degrees": "deg", "degree": "deg", "circ": "deg", "dollars": "$", "dollar": "$",
    "joules": "J", "joule": "J", "newtons": "N", "newton": "N", "watts": "W", "watt": "W", "volts": "V", "volt": "V",
    "percent": "%", "per": "/", "joule's": "J",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Numeral:
    """An exact value, the unit in one spelling ("" when none), and how it was written."""

    value: Fraction
    unit: str
    is_percent: bool
    is_fraction: bool


def parse_number(text: str) -> Numeral | None:
    """The numeral that the whole text is, or None where it is something else or too large to hold."""
    if len(text) > 300:
        return None
    text = _NAME.sub("", as_mathematics(text.replace("{,}", ",")))
    text = re.sub(r"(?<=\d),\s(?=\d{3}(?!\d))", ",", text) if r"," in text else text
    sign, is_money = "", False
    money = re.match(r"^(-?)\s*\\?[$€£]\s*(?=[-\d.])", text)
    if money:
        sign, is_money, text = money[1], True, text[money.end() :]
    match = _NUMERAL.match(text)
    if match is None or (match["times"] is not None) != (match["mantissa"] is not None and match["ten"] is not None):
        return None
    rest = text[match.end() :].strip()
    if rest and (not _UNIT.match(rest) or _NO_UNIT.search(rest)):
        return None
    # Digits glued to a letter are algebra (2x, 3k) unless the letter is inside \text or after a space.
    if re.match(r"[a-zA-Z^*/(]", text[match.end() :]) and not re.match(r"\^\s*\{?\s*\\circ", rest):
        return None
    if re.match(r"[\\](?!text|mbox|mathrm|%|circ|degree|textrm)", rest) or re.search(r"\\(?:frac|sqrt|pi)", rest):
        return None
    value = _value(match)
    if value is None:
        return None
    unit = normal_unit(rest)
    is_percent = unit.startswith("%")
    return Numeral(
        value=-value if (match["sign"] == "-") != (sign == "-") else value,
        unit="" if is_percent else unit or ("$" if is_money else ""),
        is_percent=is_percent,
        is_fraction=match["above"] is not None or match["above2"] is not None,
    )


def normal_unit(text: str) -> str:
    """A unit in one spelling: no LaTeX, no spaces, a few full names shortened; "" where there is none."""
    text = unwrap(tidy(text)).replace("\\", " ").replace("{", "").replace("}", "").replace("μ", "µ")
    text = re.sub(r"\b(square|cubic)\s+([a-zA-Z]+)", lambda m: m[2] + ("^2" if m[1] == "square" else "^3"), text)
    text = re.sub(r"^\s*\^\s*(?=circ\b)|(?<=[a-zA-Z])\s+(?=\^)", "", text)
    words = re.sub(r"[a-zA-Z$%']+", lambda match: _SAME_UNIT.get(match[0].lower(), match[0]), text)
    return re.sub(r"\s*([/^])\s*", r"\1", words.replace("*", " ")).strip(" .").replace(" ", ".")


def are_equal(reference: Numeral, answer: Numeral, tolerance: float | None) -> bool:
    """The same value: exactly, or within the relative tolerance; a percent sign on one side reads both ways."""
    readings = [answer.value]
    if answer.is_percent != reference.is_percent:
        readings.append(answer.value / 100 if answer.is_percent else answer.value * 100)
    allowed = abs(reference.value) * Fraction(tolerance) if tolerance else Fraction(0)
    return any(abs(value - reference.value) <= allowed for value in readings)


def _value(match: re.Match[str]) -> Fraction | None:
    if sum(character.isdigit() for character in match[0]) > MAX_DIGITS:
        return None
    above, below = match["above"] or match["above2"], match["below"] or match["below2"]
    if above is not None:
        bottom = _plain(below)
        whole = match["whole"] or match["whole2"]
        if bottom == 0 or (whole and match["minus"]):
            return None
        fraction = _plain(above) / bottom * (-1 if match["minus"] else 1)
        return fraction + int(whole) if whole else fraction
    power = int(match["power"] or match["power2"] or match["power3"] or 0)
    if abs(power) > MAX_TEN_POWER:
        return None
    return _plain(match["plain"] or match["mantissa"] or "1") * Fraction(10) ** power


def _plain(text: str) -> Fraction:
    return Fraction(text.replace(",", "").removesuffix(".") or "0")
