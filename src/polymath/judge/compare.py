"""An extracted answer and its sample in, a decision out: one rule for each declared type.

number      a numeral of the same value; exact, or within the sample's relative tolerance
quantity    the same, and the unit is the sample's, in one spelling, or missing; units are never converted
choice      the letter, as A, (A), A., \\text{A} or "A) text"; lenient also takes the option's text
boolean     true or yes, false or no
text        the same words: case, white space and outer punctuation do not count
expression  any equal form (expressions.py)
list        the same elements in the same order, each as an expression
formula, reaction   the same string without LaTeX dressing: no other normal form, so 2 H2 + O2 must be
                    written in the order of the reference

An alias of the sample counts as its answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from string import ascii_uppercase

from polymath.judge.expressions import Decision, compare_expressions, compare_numerals, decide
from polymath.judge.extract import Mode
from polymath.judge.limits import MAX_LENGTH
from polymath.judge.normal import as_words, split_top, tidy, unwrap
from polymath.judge.numbers import normal_unit, parse_number
from polymath.types import AnswerType, Sample

_CHOICE = re.compile(r"(?:(?:option|choice|answer)\s+)?\(?([A-Za-z])(?:\)|$|[.:](?:\s|$))", re.IGNORECASE)
_SEVERAL = re.compile(r"\s*(?:[,;/&]|and\b|or\b)\s*\(?[A-Z]\)?(?:[.,;)]|$|\s)|\s*\([A-Z]\)|[A-Z]$")
_TRUE, _FALSE = frozenset({"true", "yes"}), frozenset({"false", "no"})


def compare(answer: str, sample: Sample, *, mode: Mode) -> Decision:
    """Whether the extracted answer is the sample's answer or one of its aliases."""
    decisions = []
    for reference in (sample.answer, *sample.aliases):
        decision = COMPARISONS[sample.answer_type](reference, answer, sample, mode)
        if decision.outcome == "right":
            return decision
        decisions.append(decision)
    return next((decision for decision in decisions if decision.outcome == "undecided"), decisions[0])


def read_choice(text: str) -> str | None:
    """The one letter that this text chooses, or None."""
    text = unwrap(tidy(text)).strip("$* ")
    match = _CHOICE.match(text)
    if match is None or _SEVERAL.match(text, match.end()):
        return None
    return match[1].upper()


def _compare_number(reference: str, answer: str, sample: Sample, mode: Mode) -> Decision:
    gold, said = parse_number(reference), parse_number(answer)
    if gold is None:
        return _compare_expression(reference, answer, sample, mode)
    if said is None:
        return decide(False, "number", "not a numeral")
    return compare_numerals(gold, said, sample.tolerance)


def _compare_quantity(reference: str, answer: str, sample: Sample, mode: Mode) -> Decision:
    gold, said = parse_number(reference), parse_number(answer)
    if gold is None:
        return _compare_expression(reference, answer, sample, mode)
    if said is None:
        return decide(False, "number", "not a numeral with a unit")
    expected = normal_unit(sample.unit) if sample.unit else gold.unit
    found = "%" if said.is_percent else said.unit
    if expected and found and expected != found:
        return decide(False, "unit", f"{found} is not {expected}")
    bare = said if not expected else type(said)(**{**vars(said), "unit": ""})
    return compare_numerals(gold, bare, sample.tolerance)


def _compare_choice(reference: str, answer: str, sample: Sample, mode: Mode) -> Decision:
    gold, said = read_choice(reference), read_choice(answer)
    if said is not None and sample.choices and ascii_uppercase.index(said) >= len(sample.choices):
        said = None
    if said is None and mode == "lenient":
        options = [as_words(choice) for choice in sample.choices or ()]
        if options.count(as_words(answer)) == 1:
            said = ascii_uppercase[options.index(as_words(answer))]
            return decide(said == gold, "option-text")
    if said is None:
        return decide(False, "choice", "not one letter of the choices")
    return decide(said == gold, "choice")


def _compare_boolean(reference: str, answer: str, sample: Sample, mode: Mode) -> Decision:
    truths = [
        True if word in _TRUE else False if word in _FALSE else None for word in map(as_words, (reference, answer))
    ]
    return decide(truths[1] is not None and truths[0] is truths[1], "boolean")


def _compare_text(reference: str, answer: str, sample: Sample, mode: Mode) -> Decision:
    return decide(as_words(reference) == as_words(answer), "text")


def _compare_expression(reference: str, answer: str, sample: Sample, mode: Mode) -> Decision:
    return compare_expressions(reference, answer, sample.tolerance)


def _compare_list(reference: str, answer: str, sample: Sample, mode: Mode) -> Decision:
    expected, found = _elements(reference), _elements(answer)
    if len(expected) != len(found):
        return decide(False, "list", f"{len(found)} elements, not {len(expected)}")
    for gold, said in zip(expected, found, strict=True):
        decision = compare_expressions(gold, said, sample.tolerance)
        if decision.outcome != "right":
            return decision
    return decide(True, "list")


def _elements(text: str) -> list[str]:
    text = tidy(text)
    if re.fullmatch(r"(?s)(?:\\\{.*\\\}|\[.*\]|\(.*\)|\{.*\})", text):
        text = re.sub(r"^(?:\\\{|[\[({])|(?:\\\}|[\])}])$", "", text)
    return split_top(re.sub(r",?\s*(?:\\text\{\s*and\s*\}|\band\b)\s*", ",", text), ",;")


def _compare_formula(reference: str, answer: str, sample: Sample, mode: Mode) -> Decision:
    return decide(_plain_formula(reference) == _plain_formula(answer), "formula")


def _plain_formula(text: str) -> str:
    text = re.sub(r"\\(?:long)?rightarrow|\\to(?![a-z])|→|=+>|⟶", "->", tidy(text)).translate(
        str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
    )
    return re.sub(r"[\s{}_$]", "", unwrap(text))


COMPARISONS: dict[AnswerType, Callable[[str, str, Sample, Mode], Decision]] = {
    "expression": _compare_expression,
    "number": _compare_number,
    "quantity": _compare_quantity,
    "choice": _compare_choice,
    "boolean": _compare_boolean,
    "text": _compare_text,
    "list": _compare_list,
    "formula": _compare_formula,
    "reaction": _compare_formula,
}


def exceeds_length(answer: str, sample: Sample) -> bool:
    """Longer than any answer needs to be, given its references."""
    return len(answer) > max(MAX_LENGTH, *(2 * len(reference) for reference in (sample.answer, *sample.aliases)))
