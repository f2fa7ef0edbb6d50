"""A sample in, the ways to its answer that need no understanding out: in the text, guessed, or by one operation.

A reward cannot tell them from reasoning, so a policy learns them first. An operation on the
numbers of the text is a shortcut unless it is the work itself: 8 crates of 9 melons are 72 by one product.

This is the shortcut that a text offers. The one that a model takes, right draws that are not worked, is
polymath.selection.probe.Probed.shortcut.

Small numbers meet by chance, so most of what is seen here is only told as possible (ok is None); whether a model takes
such a way, its draws show. What decides is what a policy tries without reading a word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from string import ascii_uppercase

from polymath.judge.normal import as_words
from polymath.judge.numbers import parse_number
from polymath.judge.verifiers.choice import read_choice
from polymath.samples.exactness import label_value, sentences_that_ask, tell
from polymath.samples.findings import Finding
from polymath.samples.solution import Step, read_steps
from polymath.samples.tokens import numbers_in
from polymath.types import Sample

# Chance to be right by guessing alone that makes a sample unsound: more than one of four options.
MAX_CHANCE = 0.25
# Two numbers of the text and one operation are a shortcut only where there are few such pairs to try.
MAX_PAIRS = 6
MAX_NUMBERS = 12
# The right option stands out where it is so much longer than any other.
LONGER = 1.5
_TELLS = re.compile(
    r"\b(?:answer|result|solution|key)\b[^.?!,;\d]{0,25}(?:\b(?:is|was|equals|reads|makes)\b|[:=])\s*(?:\S{0,2}\s?)$",
    re.IGNORECASE,
)
# A number that a statement ends in: "the meter shows 384 kJ", "24 in all"; not one that something is made of.
_STATES = re.compile(
    r"\b(?:is|are|was|were|equals?|shows?|reads?|displays?|indicates?|makes?|gives?|totals?|comes to|amounts to)"
    r"(?: (?:about|exactly|now|then|only))?\s*\$?$",
    re.IGNORECASE,
)
_IN_ALL = re.compile(
    r"^\s*(?:[^\W\d_]+ )?(?:in all|altogether|in total|all told)\b|^\s*is the (?:answer|result)\b", re.I
)
_FACTOR = re.compile(r"\s*(?:%|(?:times|percent|more|less|fewer|older|younger)\b)", re.IGNORECASE)
_OPTION = re.compile(r"\\?\(?\s*[A-J]\s*\)")
_MATHS = re.compile(
    r"\$\$.+?\$\$|\$[^$\d][^$]*\$|\$[^$]*[=\\^_<>][^$]*\$|\\\[.+?\\\]|\\\(.+?\\\)|\[asy\].+?\[/asy\]", re.DOTALL
)
_SIGN = re.compile(r"[-+*/^=<>≤≥×·]")
_RANGE = re.compile(
    r"(?:whole number|integer|number|digit|answer)[^.?!]{0,30}?\b(?:between|from)\s+(\d+)\s+(?:and|to)\s+(\d+)"
    r"|\b(?:between|from)\s+(\d+)\s+(?:and|to)\s+(\d+)[^.?!]{0,20}(?:whole number|integer|digit)",
    re.IGNORECASE,
)
OPEN = "the answers are open"
_TWO_WAYS = re.compile(r"\b(?:yes or no|true or false|heads or tails)\b", re.IGNORECASE)


def check_text(sample: Sample) -> Finding:
    """Does the answer stand in the question as a statement, other than as a number that the solution starts from?

    Inside an equation, in a list of options or as a number of something else it is only told.
    """
    if sample.answer_type in ("choice", "boolean"):
        return _check_option_in_text(sample)
    value = label_value(sample)
    if value is None:
        return _check_words_in_text(sample)
    if value.value not in numbers_in(sample.question):
        return Finding(check="in the text", ok=True, detail=f"{sample.answer} does not stand in the question")
    told = f"{sample.answer} stands in the question"
    how = _how_told(sample.question, value.value)
    if how == "answer":
        return Finding(check="in the text", ok=False, detail=f"{told}, as its answer")
    if not sample.solution:
        return Finding(check="in the text", ok=None, detail=f"{told}; without a solution nobody knows as what")
    steps = read_steps(sample.solution)
    if any(value.value in step.operands for step in _up_to(steps, value.value)):
        return Finding(check="in the text", ok=True, detail=f"{told} as a number that the solution computes with")
    if all(step.written != value.value for step in steps):
        return Finding(check="in the text", ok=None, detail=f"{told}; no equation of the solution says as what")
    if how != "statement":
        return Finding(check="in the text", ok=None, detail=f"{told}, a possible leak: it may be a number of its own")
    return Finding(check="in the text", ok=False, detail=f"{told}, and the solution does not start from it: a leak")


def check_guessable(sample: Sample) -> Finding:
    """How large is the chance to be right without reading the question?"""
    if _is_small(sample):
        return _weigh_small(sample)
    chance, why = _chance(sample)
    if chance is None:
        return Finding(check="guessable", ok=True, detail=why)
    return Finding(check="guessable", ok=chance <= MAX_CHANCE, detail=f"{why}: a guess is right {100 * chance:.0f}%")


def check_shortcut(sample: Sample) -> Finding:
    """Does one simple operation on the numbers of the text, or the look of the options, give the answer?

    Refused is only what needs no choice among the numbers: the sum or the product of all, or the only one there is.
    """
    if sample.answer_type == "choice" and (found := _longest(sample)) is not None:
        return Finding(check="shortcut", ok=False, detail=found)
    value = label_value(sample)
    numbers = numbers_in(sample.question)
    if value is None or not numbers or len(numbers) > MAX_NUMBERS:
        why = "the answer is no number" if value is None else f"{len(numbers)} numbers in the text"
        return Finding(check="shortcut", ok=True if value else None, detail=f"no simple operation to try: {why}")
    hits = [one for one in simple_results(numbers) if one.result == value.value]
    if not hits:
        return Finding(check="shortcut", ok=True, detail="no simple operation on the numbers of the text gives it")
    told = "; ".join(hit.how for hit in hits[:3])
    if not sample.solution:
        told = f"a possible shortcut: {told}; whether more is asked, only a solution can tell"
        return Finding(check="shortcut", ok=None, detail=told)
    steps = _up_to(read_steps(sample.solution), value.value)
    # An equation that is written twice is one piece of work.
    work = sum({(frozenset(step.operands), str(step.written)): step.num_operations for step in steps}.values())
    used = {number for step in steps for number in step.operands} & set(numbers)
    others = [hit for hit in hits if hit.operands != used or hit.num_operations < work]
    if not others:
        return Finding(check="shortcut", ok=True, detail=f"{told}, which is all the work that the solution does")
    told = (
        f"{'; '.join(hit.how for hit in others[:3])} gives {tell(value.value)}, and that is not what the solution does"
    )
    # Exponents and coefficients are no quantities that anyone adds up, and any text with a 0 has the product 0.
    if used and value.value and is_prose(sample.question) and any(hit.is_of_all for hit in others):
        return Finding(check="shortcut", ok=False, detail=f"{told}: change the numbers so that it does not")
    return Finding(
        check="shortcut", ok=None, detail=f"a possible shortcut: {told}; draws of a model show if it is taken"
    )


@dataclass(frozen=True, kw_only=True)
class Simple:
    """What a policy may try without reading: in words, of which numbers, with how many operations, and the result.

    `is_of_all` says that no number has to be chosen.
    """

    how: str
    operands: frozenset[Fraction]
    num_operations: int
    result: Fraction
    is_of_all: bool = False


def simple_results(numbers: Sequence[Fraction]) -> Iterator[Simple]:
    """The last and the largest number, the sum and the product of all, and all operations on two of them.

    Pairs are left out where there are more than MAX_PAIRS of them: one of so many hits any small number by chance.
    """
    everything, size = frozenset(numbers), len(numbers) - 1
    if size == 0:
        yield Simple(how="the only number", operands=everything, num_operations=0, result=numbers[0], is_of_all=True)
        return
    yield Simple(how="the last number", operands=frozenset(numbers[-1:]), num_operations=0, result=numbers[-1])
    yield Simple(how="the largest number", operands=frozenset([max(numbers)]), num_operations=0, result=max(numbers))
    total, product = sum(numbers, Fraction(0)), math.prod(numbers, start=Fraction(1))
    for name, result in (("sum", total), ("product", product)):
        how = f"the {name} of all numbers"
        yield Simple(how=how, operands=everything, num_operations=size, result=result, is_of_all=True)
    pairs = list(combinations(dict.fromkeys(numbers), 2))
    for one, other in pairs if len(pairs) <= MAX_PAIRS else ():
        low, high = sorted((one, other))
        results = {"sum": one + other, "difference": high - low, "product": one * other}
        results |= {"ratio": high / low} if low else {}
        results |= {"inverse ratio": low / high} if high else {}
        for name, result in results.items():
            how = f"the {name} of {tell(one)} and {tell(other)}"
            yield Simple(how=how, operands=frozenset((one, other)), num_operations=1, result=result)


def _chance(sample: Sample) -> tuple[float | None, str]:
    if sample.answer_type == "boolean" or _TWO_WAYS.search(sample.question):
        return 0.5, "there are two answers"
    if sample.choices:
        return 1 / len(sample.choices), f"there are {len(sample.choices)} options"
    value = label_value(sample)
    if value is None:
        listed = _listed(sample)
        return (1 / len(listed), f"the question names the answers ({', '.join(listed)})") if listed else (None, OPEN)
    named = _RANGE.search(sample.question)
    if named:
        low, high = (int(part) for part in named.groups() if part is not None)
        if low <= value.value <= high:
            return 1 / (high - low + 1), f"the question names the range {low} to {high}"
    return None, f"nothing narrows the answers down to {sample.answer}"


def _check_option_in_text(sample: Sample) -> Finding:
    letter = read_choice(sample.answer) if sample.answer_type == "choice" else None
    if not letter or not sample.choices:
        return Finding(check="in the text", ok=True, detail="the answer is a word that the question may hold")
    words = as_words(sample.question)
    named = [option for option in sample.choices if re.search(rf"(?<!\w){re.escape(as_words(option))}(?!\w)", words)]
    right = sample.choices[min(ascii_uppercase.index(letter), len(sample.choices) - 1)]
    alone = named == [right]
    told = "only the right option stands in the question" if alone else "no option stands out by the question's words"
    return Finding(check="in the text", ok=not alone, detail=told)


def _longest(sample: Sample) -> str | None:
    """The right option is the only long one; None where it is not."""
    letter = read_choice(sample.answer)
    options = list(sample.choices or ())
    if letter is None or ascii_uppercase.index(letter) >= len(options) or len(options) < 2:
        return None
    right = options.pop(ascii_uppercase.index(letter))
    is_long = len(right) > LONGER * max(map(len, options)) and len(right.split()) > 3
    return f"the right option is {LONGER:g} times as long as any other: make them alike" if is_long else None


def is_prose(question: str) -> bool:
    """All its numbers stand in sentences, none in formulas."""
    return numbers_in(_MATHS.sub(" ", question)) == numbers_in(question)


def _check_words_in_text(sample: Sample) -> Finding:
    """Words leak where the question tells them as its answer, or asks with them and names no other."""
    answer = as_words(_unwrapped(sample.answer))
    pattern = re.compile(rf"(?<!\w){re.escape(answer)}(?!\w)")
    if not answer or not pattern.search(as_words(sample.question)):
        return Finding(check="in the text", ok=True, detail=f"{sample.answer!r} does not stand in the question")
    told = f"{sample.answer!r} stands in the question"
    for sentence in sentences_that_ask(sample.question):
        is_plain = re.fullmatch(r"[^\W\d_]{2,}(?:[ -][^\W\d_]+)*", answer) is not None
        names_others = re.search(r"\bor\b", sentence) is not None or _OPTION.search(sentence) is not None
        if is_plain and not names_others and pattern.search(as_words(_MATHS.sub(" ", sentence))):
            return Finding(check="in the text", ok=False, detail=f"{told} word for word, where it asks")
    return Finding(check="in the text", ok=None, detail=f"{told}, a possible leak: it may be one of several there")


def _how_told(question: str, value: Fraction) -> str:
    """As the answer, in a statement of its own, or "given": as a part of something else."""
    hidden = _MATHS.sub(lambda match: " " * len(match[0]), question)
    how = "given"
    for match in re.finditer(r"\d[\d,]*(?:\.\d+)?", hidden):
        numeral = parse_number(match[0].rstrip(","))
        if not numeral or numeral.value != value:
            continue
        before, after = hidden[: match.start()], hidden[match.end() :]
        if _TELLS.search(before) or re.match(r"\s*is the (?:answer|result)\b", after, re.IGNORECASE):
            return "answer"
        is_in_equation = _SIGN.search(before[-2:].strip()) or _SIGN.search(after[:2].strip())
        if not is_in_equation and not _FACTOR.match(after) and (_STATES.search(before) or _IN_ALL.search(after)):
            how = "statement"
    return how


def _is_small(sample: Sample) -> bool:
    value = label_value(sample)
    if sample.choices or sample.answer_type == "boolean" or value is None:
        return False
    return value.value in (0, 1, 2) and not value.unit


def _weigh_small(sample: Sample) -> Finding:
    """0, 1 or 2 is refused where there is nothing to compute: one number in the text, no equation that ends there."""
    value = label_value(sample)
    told = f"{sample.answer} is a small label, among the first that a model says that does not know"
    steps = read_steps(sample.solution or "")
    is_computed = value is not None and any(step.num_operations and step.written == value.value for step in steps)
    if sample.solution and not is_computed and len(numbers_in(sample.question)) == 1 and is_prose(sample.question):
        remedy = "nothing has to be computed for it; change the numbers so that the answer is a larger one"
        return Finding(check="guessable", ok=False, detail=f"{told}, and {remedy}")
    return Finding(check="guessable", ok=None, detail=f"{told}: draws without the question show how often")


def _listed(sample: Sample) -> list[str]:
    """The answers that a question names, "north, south, east or west", where the label is one of them."""
    for match in re.finditer(r"((?:[\w\"'“”]+, ?)*[\w\"'“”]+),?\"? or (\"?\w+)", sample.question):
        named = [word.strip(" \"'“”") for word in (*match[1].split(","), match[2])]
        if as_words(_unwrapped(sample.answer)) in [as_words(word) for word in named]:
            return named
    return []


def _unwrapped(answer: str) -> str:
    r"""\text{east} is east."""
    return re.sub(r"^\\text\{(.*)\}$", r"\1", answer.strip())


def _up_to(steps: list[Step], value: Fraction) -> list[Step]:
    """The steps up to the first one that states this value: what follows may be a check."""
    for place, step in enumerate(steps):
        if step.written == value:
            return steps[: place + 1]
    return steps
