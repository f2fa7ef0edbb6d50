"""A worked solution in, its steps recomputed out: which hold exactly, which only after rounding, which not at all.

A step is "expression = value" (or ≈) anywhere in the text, with an operation on one side at least. A side is the
longest piece of text beside the sign that is an expression; what cannot be read is passed over, and a step that fails
where a letter may be a variable or the piece may have been cut wrongly is unclear, not wrong. A number that was
rounded in one step counts with its exact value in later steps, so the end of the chain is what an exact solver gets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from polymath.judge.values import read_unit
from polymath.samples.arithmetic import STOPS, Value, are_equal, evaluate, inexact, is_rounded
from polymath.samples.tokens import WHICH_IS, Token, Unreadable, numbers_in, read_number, tokenize

Kind = Literal["exact", "rounded", "off", "unclear"]
MAX_TOKENS = 80
# A number that stands behind these is an operand of words: "the sum of 3 and 4 + 2 = 9".
_OPERAND_WORDS = frozenset(
    {"and", "of", "by", "times", "plus", "minus", "over", "between", "from", "to", "with", "log", "arcsin", "arccos",
     "arctan", "mod"}
)  # fmt: skip
# Words before a number that is a result told in prose, and how many digits it needs to be no coincidence.
_SAYS = frozenset({"is", "are", "about", "approximately", "roughly", "makes", "gives"})
MIN_SAID_DIGITS = 3
_WEAK_BEFORE = frozenset(("number", "operator"))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One equation of a solution. `exact` is the left side's value, roundings of earlier steps undone.

    `written` is the right side's value as it stands; `is_number` says that it is one bare number. `operands` are the
    numbers of both sides that something is computed with.
    """

    text: str
    kind: Kind
    exact: Any
    written: Any
    is_number: bool
    num_operations: int
    operands: tuple[Fraction, ...]


def read_steps(solution: str, question: str = "") -> list[Step]:
    """The steps of a solution, in order. The question's numbers are given, and never taken for rounded results."""
    tokens = tokenize(solution)
    given = frozenset(numbers_in(question))
    known: dict[Fraction, Any] = {}
    steps: list[Step] = []
    for place, token in enumerate(tokens):
        if token.kind == "number" and place and tokens[place - 1].text.lower() in _SAYS:
            step = _read_said(token, steps, given, known)
        else:
            step = _read_step(tokens, place, known) if token.kind == "relation" else None
        if step is None:
            continue
        steps.append(step)
        if step.kind == "rounded" and step.is_number and step.written not in given:
            known[step.written] = step.exact
    return steps


def _read_said(
    token: Token, steps: Sequence[Step], given: frozenset[Fraction], known: Mapping[Fraction, Any]
) -> Step | None:
    """A result that is told in words, "the quotient is 2.0049": one operation on two numbers that came before.

    One of them must be a rounded result, or any number could be explained; the other one may be given too.
    """
    written, last_place = read_number(token.text)
    if written in known or written in given or len(re.sub(r"\D", "", token.text)) < MIN_SAID_DIGITS:
        return None
    results = {step.written: step.exact for step in steps if isinstance(step.written, Fraction)}
    others = {**{number: number for number in given}, **results}
    for first, one in known.items():
        for second, other in others.items():
            for sign, value in _combine(one, other):
                if is_rounded(value, written, last_place):
                    return Step(
                        text=f"{float(first):g} {sign} {float(second):g} is {token.text}",
                        kind="exact" if are_equal(value, written) else "rounded",
                        exact=value,
                        written=written,
                        is_number=True,
                        num_operations=1,
                        operands=(first, second),
                    )
    return None


def _combine(one: Any, other: Any) -> Iterator[tuple[str, Any]]:
    """The product and both quotients of two numbers, one of which may be irrational."""
    if not one or not other:
        return
    if isinstance(one, Fraction) != isinstance(other, Fraction):
        one, other = inexact(one), inexact(other)
    yield "*", one * other
    yield "/", one / other
    yield "\\", other / one


def _read_step(tokens: Sequence[Token], place: int, known: dict[Fraction, Any]) -> Step | None:
    left, is_clean = _left_of(tokens, place)
    right, is_whole = _right_of(tokens, place)
    if not left or not right:
        return None
    as_written, stated = evaluate(left), evaluate(right)
    if as_written.num_operations == 0 and stated.num_operations == 0 and not _is_chained(tokens, place - len(left)):
        return None
    exact = evaluate(left, known)
    text = " ".join(token.text for token in (*left, tokens[place], *right))
    follows = [token.text.lower() for token in tokens[place + 1 + len(right) : place + 3 + len(right)]]
    kind = _judge_step(as_written, exact, stated, evaluate(right, known), right[-1].text == "%")
    worth = exact.value
    if follows[:1] and follows[0] in ("remainder", "rest", "r") and _is_quotient(as_written, stated):
        kind = "exact"
    converted = _converts(as_written, stated) if kind == "off" else False
    if converted:
        kind, worth = "exact", exact.value * stated.value / as_written.value
    elif kind == "off":
        # A bare number on the left may be the index or the end of something that cannot be read.
        is_bare = not as_written.num_operations and not _is_chained(tokens, place - len(left))
        is_weak = is_bare or tokens[place].text == WHICH_IS
        may_be_cut = not is_clean or not is_whole or is_weak or as_written.may_hold_names or stated.may_hold_names
        kind = "unclear" if may_be_cut or converted is None else "off"
    operands = as_written.numbers if as_written.num_operations else ()
    operands += stated.numbers if stated.num_operations else ()
    return Step(
        text=text,
        kind=kind,
        exact=worth,
        written=stated.value,
        is_number=stated.last_place is not None,
        num_operations=as_written.num_operations + stated.num_operations,
        operands=operands,
    )


def _judge_step(as_written: Value, exact: Value, stated: Value, stated_exact: Value, is_percent: bool) -> Kind:
    """Equal as it stands, or equal once roundings are undone, is exact; a rounding to the last digit is rounded."""
    readings = [exact.value, exact.value / 100] if is_percent else [exact.value]
    if any(are_equal(value, other) for value in readings for other in (stated.value, stated_exact.value)):
        return "exact"
    if are_equal(as_written.value, stated.value):
        return "exact"
    if stated.last_place is not None:
        values, written, place = [*readings, as_written.value], stated.value, stated.last_place
    elif exact.last_place is not None:
        values, written, place = [stated_exact.value], as_written.value, exact.last_place
    else:
        return "off"
    is_near = isinstance(written, Fraction) and any(is_rounded(value, written, place) for value in values)
    return "rounded" if is_near else "off"


def _left_of(tokens: Sequence[Token], place: int) -> tuple[Sequence[Token], bool]:
    """The longest expression that ends at the sign, and whether a clause begins there."""
    start = _start_of_clause(tokens, place)
    for first in range(start, place):
        piece = tokens[first:place]
        if _can_begin(piece[0]) and _reads(piece):
            return piece, _begins_clause(tokens, first, start, place)
    return (), False


def _begins_clause(tokens: Sequence[Token], first: int, start: int, place: int) -> bool:
    """Nothing stands before the piece that could be a part of it."""
    if tokens[first].text == "+" or [token.text for token in tokens[max(0, first - 2) : first]] == [".", "."]:
        return False
    before = tokens[first - 1] if first > start else None
    if before is None:
        return True
    if before.kind == "word":
        return before.text.lower() not in _OPERAND_WORDS and len(before.text) > 1 and not tokens[first].is_glued
    holds_all = before.text == "(" and _is_open(tokens[first:place], tokens, place)
    return before.kind not in _WEAK_BEFORE or holds_all


def _right_of(tokens: Sequence[Token], place: int) -> tuple[Sequence[Token], bool]:
    """The longest expression that begins behind the sign, and whether it ends where a clause may end."""
    end = place + 1
    depth = 0
    while end < len(tokens) and end - place < MAX_TOKENS:
        token = tokens[end]
        depth += (token.text == "(") - (token.text == ")")
        if token.kind in ("relation", "bar") or (token.kind == "comma" and depth <= 0) or depth < 0:
            break
        end += 1
    for last in range(end, place + 1, -1):
        piece = tokens[place + 1 : last]
        if _reads(piece):
            after = tokens[last] if last < len(tokens) else None
            is_joined = after is not None and (
                after.kind == "number"
                or (after.kind == "operator" and after.text != ")")
                or (after.kind == "word" and after.text.lower() in ("to", "or", "mod", "times", "plus", "minus"))
            )
            return piece, not is_joined
    return (), False


def _start_of_clause(tokens: Sequence[Token], place: int) -> int:
    depth, first = 0, place
    while first > 0 and place - first < MAX_TOKENS:
        token = tokens[first - 1]
        depth += (token.text == ")") - (token.text == "(")
        if token.kind in ("relation", "bar") or (token.kind == "comma" and depth <= 0):
            break
        first -= 1
    return first


def _can_begin(token: Token) -> bool:
    return token.kind in ("number", "operator") or (token.kind == "word" and token.text.lower() not in STOPS)


def _reads(piece: Sequence[Token]) -> bool:
    try:
        evaluate(piece)
    except Unreadable:
        return False
    return True


def _is_open(piece: Sequence[Token], tokens: Sequence[Token], place: int) -> bool:
    """The bracket before the piece is closed behind the sign: it holds the whole equation."""
    balance = sum((token.text == "(") - (token.text == ")") for token in piece)
    depth = 0
    for token in tokens[place : place + MAX_TOKENS]:
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0:
            return balance == 0
    return False


def _is_chained(tokens: Sequence[Token], first: int) -> bool:
    """The left side is the right side of a sign before it: 38/3 = 12.67 ≈ 13."""
    return first > 0 and tokens[first - 1].kind == "relation"


def _is_quotient(left: Value, right: Value) -> bool:
    both = isinstance(left.value, Fraction) and isinstance(right.value, Fraction)
    return both and left.value // 1 == right.value


def _converts(left: Value, right: Value) -> bool | None:
    """The same in another unit, 5 km = 5000 m: yes where a power of ten lies between; None where it may be."""
    if not (left.units or right.units) or not all(isinstance(one.value, Fraction) for one in (left, right)):
        return False
    if not left.value or not right.value:
        return False
    if is_power_of_ten(left.value / right.value):
        return bool(left.units and right.units) or None
    known = {str(unit) for one in (*left.units, *right.units) if (unit := read_unit(one)) is not None}
    return None if len(known) > 1 else False


def is_power_of_ten(ratio: Fraction) -> bool:
    """1000, 1/10 and the like; 1 is one too."""
    digits = f"{ratio.numerator}{ratio.denominator}"
    return re.fullmatch("10*10*", digits) is not None and 1 in (ratio.numerator, ratio.denominator)
