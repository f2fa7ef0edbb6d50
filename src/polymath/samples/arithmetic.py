"""Tokens of an arithmetic expression in, its exact value out; nothing is executed.

Read are + - * / ^ ! % mod, brackets, roots, pi, the elementary functions, floor, ceil, gcd, lcm and binom. Up to four
words behind a number are its unit and are read over (30 bonds, 20 kJ/mol); a single letter there may be a variable, and
the value says so. Values are exact fractions where everything is rational and have fifty digits where not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from polymath.judge.values import read_unit
from polymath.samples.tokens import Token, Unreadable, read_number

DIGITS = 50
MAX_BITS = 20_000
MAX_FACTORIAL = 300
MAX_UNIT_WORDS = 4
MAX_DEPTH = 20

_FUNCTIONS = ("sqrt", "cbrt", "ln", "exp", "sin", "cos", "tan", "floor", "ceil", "gcd", "lcm", "binom")
# Words that end an expression: behind them stands another clause, or another operand.
STOPS = frozenset(
    {
        "and", "or", "so", "then", "thus", "to", "from", "of", "by", "with", "into", "than", "between", "is", "are",
        "was", "were", "be", "gives", "give", "has", "have", "leaves", "leave", "makes", "make", "plus", "minus",
        "times", "over", "divided", "multiplied", "remainder", "rest", "which", "that", "while", "where", "if", "as",
        "for", "in", "on", "at", "because", "since", "hence", "therefore", "but", "needs", "need",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Value:
    """What an expression is worth: a Fraction, or a number of fifty digits where it is irrational.

    `num_operations` counts + - * / ^ and functions; `numbers` are the values as written; `last_place` is the power of
    ten of the last digit where it is one bare number, else None; `may_hold_names` says that a letter was read over.
    """

    value: Any
    num_operations: int
    numbers: tuple[Fraction, ...]
    last_place: int | None
    may_hold_names: bool
    units: tuple[str, ...]


def evaluate(tokens: Sequence[Token], known: Mapping[Fraction, Any] | None = None) -> Value:
    """The value of the expression that all these tokens are; raises Unreadable.

    `known` gives written numbers their values before they were rounded.
    """
    parser = _Parser(tokens, known or {})
    try:
        value = parser.sum()
        if parser.place != len(tokens):
            raise Unreadable
    except (ArithmeticError, ValueError, RecursionError) as error:
        raise Unreadable from error
    bare = [token for token in tokens if token.kind != "word"]
    is_bare = [token.kind for token in bare] == ["number"]
    return Value(
        value=value,
        num_operations=parser.num_operations,
        numbers=tuple(parser.numbers),
        last_place=read_number(bare[0].text)[1] if is_bare else None,
        may_hold_names=parser.may_hold_names,
        units=tuple(parser.units),
    )


def are_equal(one: Any, other: Any) -> bool:
    """Exactly equal fractions, or numbers that agree to forty digits."""
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    one, other = inexact(one), inexact(other)
    return bool(abs(one - other) <= abs(one) * 1e-40)


def is_rounded(exact: Any, written: Fraction, last_place: int) -> bool:
    """The written number is the exact one to its last digit."""
    return bool(abs(inexact(exact) - inexact(written)) <= inexact(Fraction(10) ** last_place) / 2 * (1 + 1e-12))


@lru_cache(maxsize=1)
def _context() -> Any:
    from mpmath.ctx_mp import MPContext  # type: ignore[import-untyped]

    context = MPContext()
    context.dps = DIGITS
    return context


def inexact(value: Any) -> Any:
    """The value with fifty digits."""
    context = _context()
    return context.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else context.mpf(value)


class _Parser:
    """Recursive descent; raises Unreadable."""

    def __init__(self, tokens: Sequence[Token], known: Mapping[Fraction, Any]) -> None:
        self.tokens, self.known = tokens, known
        self.place = self.num_operations = self.depth = 0
        self.numbers: list[Fraction] = []
        self.units: list[str] = []
        self.may_hold_names = False

    def sum(self) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable
        value = self.product()
        while self.text in ("+", "-"):
            sign, other = self.take(), self.product()
            value = self.apply(sign, value, other)
        self.depth -= 1
        return value

    def product(self) -> Any:
        value = self.signed()
        while True:
            if self.text in ("*", "/", "mod"):
                sign, other = self.take(), self.signed()
                value = self.apply(sign, value, other)
            elif self.text == "(" or self.text.lower() in (*_FUNCTIONS, "pi"):
                value = self.apply("*", value, self.signed())
            elif self.text == "of" and self.place and self.tokens[self.place - 1].text == "%":
                self.take()
                value = self.apply("*", value, self.signed())
            else:
                return value

    def signed(self) -> Any:
        if self.text in ("-", "+"):
            return -self.signed() if self.take() == "-" else self.signed()
        value = self.atom()
        if self.text == "^":
            self.take()
            value = self.apply("^", value, self.signed())
        while self.text in ("!", "%"):
            value = self.factorial(value) if self.take() == "!" else value / 100
        self.unit()
        return value

    def atom(self) -> Any:
        kind, text = self.kind, self.text.lower()
        if kind == "number":
            written, _ = read_number(self.take())
            self.numbers.append(written)
            return self.known.get(written, written)
        if text == "(":
            self.take()
            value = self.sum()
            self.expect(")")
            return value
        if text == "pi":
            self.take()
            return _context().pi * 1
        if text in _FUNCTIONS:
            self.take()
            return self.call(text)
        raise Unreadable

    def call(self, name: str) -> Any:
        if self.text == "(":
            self.take()
            arguments = [self.sum()]
            while self.kind == "comma":
                self.take()
                arguments.append(self.sum())
            self.expect(")")
        else:
            arguments = [self.atom()]
        self.num_operations += 1
        return _call(name, arguments)

    def unit(self) -> None:
        """Words behind a value, and powers and slashes that belong to them."""
        num_words = 0
        while num_words < MAX_UNIT_WORDS and self.kind == "word":
            if self.text.lower() in (*STOPS, *_FUNCTIONS, "pi", "mod"):
                return
            # 2pq is a product of names, 20kJ a value with its unit.
            is_product = self._is_glued() and not num_words and read_unit(self.text) is None
            self.may_hold_names = self.may_hold_names or len(self.text) == 1 or is_product
            self.units.append(self.take())
            num_words += 1
            if self.text == "^" and self._is_glued() and self._kind_after(1) == "number":
                self.place += 2
            elif self.text == "^" and self._texts(1, 4)[:2] == ["(", "-"]:
                self.place += 5
            if self.text in ("/", "*", "-") and self._is_glued() and self._kind_after(1) == "word":
                self.place += 1

    def apply(self, sign: str, one: Any, other: Any) -> Any:
        self.num_operations += 1
        if sign == "^":
            return _power(one, other)
        if sign == "mod":
            if not (isinstance(one, Fraction) and isinstance(other, Fraction)) or other == 0:
                raise Unreadable
            return one % other
        if not (isinstance(one, Fraction) and isinstance(other, Fraction)):
            one, other = inexact(one), inexact(other)
        elif max(one.numerator.bit_length(), other.numerator.bit_length(), other.denominator.bit_length()) > MAX_BITS:
            raise Unreadable
        if sign == "+":
            return one + other
        if sign == "-":
            return one - other
        return one * other if sign == "*" else one / other

    def factorial(self, value: Any) -> Fraction:
        if not isinstance(value, Fraction) or value.denominator != 1 or not 0 <= value <= MAX_FACTORIAL:
            raise Unreadable
        self.num_operations += 1
        return Fraction(math.factorial(int(value)))

    @property
    def kind(self) -> str:
        return self.tokens[self.place].kind if self.place < len(self.tokens) else "end"

    @property
    def text(self) -> str:
        return self.tokens[self.place].text if self.place < len(self.tokens) else ""

    def take(self) -> str:
        text = self.text
        self.place += 1
        return text

    def expect(self, text: str) -> None:
        if self.take() != text:
            raise Unreadable

    def _is_glued(self) -> bool:
        return self.tokens[self.place].is_glued

    def _kind_after(self, count: int) -> str:
        place = self.place + count
        return self.tokens[place].kind if place < len(self.tokens) else "end"

    def _texts(self, first: int, last: int) -> list[str]:
        return [token.text for token in self.tokens[self.place + first : self.place + last]]


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits * abs(exponent.numerator) > MAX_BITS:
            raise Unreadable
        root = _exact_root(base, exponent.denominator)
        if root is not None:
            return root**exponent.numerator
    if base < 0:
        raise Unreadable
    return _context().power(inexact(base), inexact(exponent))


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    """The rational root of this degree, or None."""
    if degree == 1:
        return value
    if value < 0 or degree > 64:
        return None
    parts = [round(part ** (1 / degree)) if part < 1 << 900 else 0 for part in (value.numerator, value.denominator)]
    root = Fraction(parts[0], parts[1] or 1)
    return root if root**degree == value else None


def _call(name: str, arguments: list[Any]) -> Any:
    context = _context()
    if name in ("gcd", "lcm", "binom"):
        whole = [int(one) for one in arguments if isinstance(one, Fraction) and one.denominator == 1 and one >= 0]
        if (
            len(whole) != len(arguments)
            or len(whole) < 2
            or max(whole) > 10**12
            or (name == "binom" and whole[0] > 500)
        ):
            raise Unreadable
        rule: Callable[..., int] = {"gcd": math.gcd, "lcm": math.lcm, "binom": math.comb}[name]
        return Fraction(rule(*whole))
    if len(arguments) != 1:
        raise Unreadable
    value = arguments[0]
    if name in ("floor", "ceil"):
        return Fraction(int(math.floor(value) if name == "floor" else math.ceil(value)))
    if name in ("sqrt", "cbrt"):
        return _power(value, Fraction(1, 2 if name == "sqrt" else 3))
    return getattr(context, name)(inexact(value))
