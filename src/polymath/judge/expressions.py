"""Two answers of mathematics in, one decision out: cheap exact rules first, Math-Verify last.

Order: the same string; two words; two numerals (exact, or within the sample's tolerance); a numeral against an
unfinished calculation; brackets, element by element; number bases; equations; then Math-Verify within limits.

- A reference numeral is not matched by a task such as `12*7`, or by `12/4` for 3: the question can be copied.
- A unit counts when both carry one; a missing or an added unit does not.
- (1,2) is not [1,2], not {1,2} and not (2,1). Elements without brackets, and inside \\{ \\}, have no order.
- 52_8 is 52 where only one of them names its base.
- `x = 5` is 5. Every other side of an equation must be right too, so `x^2 = 2` is not 2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from polymath.judge import mathematics
from polymath.judge.limits import exceeded_limit
from polymath.judge.normal import as_mathematics, as_words, split_top, unwrap, without_spaces
from polymath.judge.numbers import Numeral, are_equal, normal_unit, parse_number
from polymath.types import Outcome

_BRACKETS = {("(", ")"), ("[", "]"), ("(", "]"), ("[", ")"), (r"\{", r"\}")}
_WORD = re.compile(r"\(?[^\W\d_]+\)?(?: [^\W\d_]+)*")
_NAME_BEFORE_EQUALS = re.compile(r"[a-zA-Z](?:_\{?\w+\}?)?(?:\([a-zA-Z]\))?|\\[a-zA-Z]+")
_BASE = re.compile(r"([0-9A-Fa-f]+)_\{?(\d+)\}?")
_UNIT_TAIL = re.compile(
    r"(?P<value>.*?)\s*\\(?:text|mbox|mathrm)\{\s*(?P<unit>[^{}]*)\}(?P<power>\s*\^\s*\{?-?\d\}?)?$"
)
_CALCULATION = re.compile(r"[\d)}\]]\s*(?:[-+*/]|\\times|\\cdot|\\div)\s*\\?[\d({a-z\\]|\\frac\{[^{}]*\}\{[^{}]*\}")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a comparison decided, and the rule that decided."""

    outcome: Outcome
    rule: str
    detail: str = ""


def decide(is_right: bool, rule: str, detail: str = "") -> Decision:
    """Right or wrong by this rule."""
    return Decision(outcome="right" if is_right else "wrong", rule=rule, detail=detail)


def compare_expressions(reference: str, answer: str, tolerance: float | None = None, depth: int = 0) -> Decision:
    """Whether the answer is the reference, in any equal form. A limit exceeded by the answer makes it wrong."""
    reference, answer = as_mathematics(reference), as_mathematics(answer)
    if not answer:
        return decide(False, "empty")
    if without_spaces(unwrap(reference)) == without_spaces(unwrap(answer)):
        return decide(True, "string")
    limit = exceeded_limit(answer)
    if limit:
        return decide(False, f"limit:{limit}")
    if _is_word(reference):
        return decide(as_words(reference).strip("()") == as_words(answer).strip("()"), "words")
    cheap = _compare_numerals(reference, answer, tolerance) or _compare_structure(reference, answer, tolerance, depth)
    return cheap or _compare_mathematics(reference, answer)


def compare_numerals(reference: Numeral, answer: Numeral, tolerance: float | None) -> Decision:
    """Two numerals: the same value, and the same unit where both carry one."""
    if reference.unit and answer.unit and reference.unit != answer.unit:
        return decide(False, "unit", f"{answer.unit} is not {reference.unit}")
    is_whole = reference.value.denominator == 1 and not (reference.is_fraction or reference.is_percent)
    if answer.is_fraction and is_whole:
        return decide(False, "calculation", "a quotient where the answer is a whole number")
    return decide(are_equal(reference, answer, tolerance), "number")


def _is_word(reference: str) -> bool:
    words = unwrap(reference)
    is_wrapped = re.fullmatch(r"\\(?:text|mbox|mathrm|textbf)\{[^{}]*\}", reference) is not None
    return _WORD.fullmatch(words) is not None and (is_wrapped or len(words) >= 4)


def _compare_numerals(reference: str, answer: str, tolerance: float | None) -> Decision | None:
    gold = parse_number(reference)
    if gold is None:
        return None
    said = parse_number(answer)
    if said is not None:
        return compare_numerals(gold, said, tolerance)
    if _CALCULATION.search(answer) and not re.search(
        r"[a-zA-Z]", re.sub(r"\\(?:frac|times|cdot|div|text\{.*)", "", answer)
    ):
        is_equation = "=" in answer
        return None if is_equation else decide(False, "calculation", "a calculation where the answer is a numeral")
    return None


def _compare_structure(reference: str, answer: str, tolerance: float | None, depth: int) -> Decision | None:
    if depth > 4:
        return None
    equation = _compare_equation(reference, answer, tolerance, depth)
    if equation:
        return equation
    gold_base, said_base = _BASE.fullmatch(reference), _BASE.fullmatch(unwrap(answer))
    if gold_base:
        said = said_base.groups() if said_base else (unwrap(answer), gold_base[2])
        return decide(said == gold_base.groups(), "base")
    if said_base and parse_number(reference):
        return decide(said_base[1] == without_spaces(reference), "base")
    gold_unit, said_unit = _UNIT_TAIL.fullmatch(reference), _UNIT_TAIL.fullmatch(answer)
    if gold_unit and said_unit and gold_unit["value"] and said_unit["value"]:
        units = [normal_unit(tail["unit"] + (tail["power"] or "")) for tail in (gold_unit, said_unit)]
        if units[0] != units[1]:
            return decide(False, "unit", f"{units[1]} is not {units[0]}")
    return _compare_brackets(reference, answer, tolerance, depth)


def _compare_equation(reference: str, answer: str, tolerance: float | None, depth: int) -> Decision | None:
    gold_sides = [side.strip() for side in re.split(r"(?<![<>!\\])=", reference)]
    said_sides = [side.strip() for side in re.split(r"(?<![<>!\\])=", answer)]
    gold_is_named = len(gold_sides) == 2 and _NAME_BEFORE_EQUALS.fullmatch(gold_sides[0]) is not None
    if len(gold_sides) == 1 and len(said_sides) > 1:
        if _NAME_BEFORE_EQUALS.fullmatch(said_sides[0]):
            said_sides = said_sides[1:]
        decisions = [compare_expressions(reference, side, tolerance, depth + 1) for side in said_sides[-1:]]
        # A task on the left, `12*7 = 84`, is fine when it is worked out and true.
        decisions += [_compare_mathematics(reference, side) for side in said_sides[:-1]]
        return next((decision for decision in decisions if decision.outcome != "right"), decisions[0])
    if gold_is_named and len(said_sides) == 1:
        return compare_expressions(gold_sides[1], answer, tolerance, depth + 1)
    if gold_is_named and len(said_sides) == 2 and said_sides[0] == gold_sides[0]:
        return compare_expressions(gold_sides[1], said_sides[1], tolerance, depth + 1)
    return None


def _compare_brackets(reference: str, answer: str, tolerance: float | None, depth: int) -> Decision | None:
    gold, said = _bracketed(reference), _bracketed(answer)
    if gold is None or said is None:
        return None
    if gold[0] != said[0]:
        return decide(False, "brackets", f"{''.join(said[0])} is not {''.join(gold[0])}")
    if gold[0][0] == r"\{":
        return None
    if len(gold[1]) != len(said[1]):
        return decide(False, "brackets", f"{len(said[1])} elements, not {len(gold[1])}")
    for expected, found in zip(gold[1], said[1], strict=True):
        decision = compare_expressions(expected, found, tolerance, depth + 1)
        if decision.outcome != "right":
            return decision
    return decide(True, "elements")


def _bracketed(text: str) -> tuple[tuple[str, str], list[str]] | None:
    """The outer brackets and the elements, where brackets hold the whole text and at least two elements."""
    for opening, closing in _BRACKETS:
        if text.startswith(opening) and text.endswith(closing):
            parts = split_top(text[len(opening) : -len(closing)])
            # "(1,2) \cup (3,4)" begins and ends with brackets that are not a pair.
            if len(parts) > 1 and all(_is_balanced(part) for part in parts):
                return (opening, closing), parts
    return None


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            return False
    return depth == 0


def _compare_mathematics(reference: str, answer: str) -> Decision:
    limit = exceeded_limit(answer) or exceeded_limit(reference)
    if limit:
        return decide(False, f"limit:{limit}")
    try:
        gold = mathematics.parse(reference)
        said = mathematics.parse(answer)
        if not gold or not said:
            unread = "the reference" if not gold else "the answer"
            return decide(False, "string", f"{unread} is not mathematics that can be read")
        return decide(mathematics.are_same(gold, said), "math-verify")
    except Exception as error:
        # Whatever breaks in there is our failure, not the model's.
        return Decision(outcome="undecided", rule="math-verify", detail=f"{type(error).__name__}: {error}"[:200])
