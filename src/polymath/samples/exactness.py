"""A sample with a worked solution in, two findings out: does its arithmetic hold, and is the label its exact end?

The paper's best sample is labelled 2 where the exact quotient is 2.0049 and the text asks for a minimum number; pi_1 is
labelled 12.8 for 12.699 (arXiv 2601.03111, Table 2; arXiv 2504.20571, section 2). Both had gone unseen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from string import ascii_uppercase
from typing import Any

from polymath.judge import judge
from polymath.judge.extract import find_boxes
from polymath.judge.numbers import Numeral, parse_number
from polymath.judge.verifiers.choice import read_choice
from polymath.samples.arithmetic import are_equal, evaluate, is_rounded
from polymath.samples.findings import Finding
from polymath.samples.solution import Step, is_power_of_ten, read_steps
from polymath.samples.tokens import Unreadable, numbers_in, tokenize
from polymath.types import Sample

# Words that decide how a value becomes whole, where they stand in a sentence that asks.
_MINIMUM = re.compile(
    r"\b(?:minimum|minimal|smallest|least|fewest|lowest)\b[^?!]{0,60}?\b(?:number|many|integer|count|whole)\b"
    r"|\b(?:how many|number)\b[^?!]{0,80}\b(?:at least|at minimum|fewest|needed|required|necessary|must|need)\b"
    r"|\b(?:at least|fewest)\b[^?!]{0,80}\bhow many\b|\bround(?:ed|ing)? up\b",
    re.IGNORECASE,
)
_MAXIMUM = re.compile(
    r"\b(?:maximum|largest|greatest|most)\b[^?!]{0,60}?\b(?:number|many|integer|whole)\b"
    r"|\bhow many\b[^?!]{0,40}\b(?:full|complete|whole|entire|at most)\b|\bround(?:ed|ing)? down\b",
    re.IGNORECASE,
)
_ENDS = re.compile(r"(?<=[.?!;])\s+(?=[^\Wa-z_\d])|\n+")
_ASKS = re.compile(
    r"\?|_{2,}|\b(?:what|which|how (?:many|much|long|far|old|fast|large))\b"
    r"|^\W*(?:find|compute|calculate|determine|evaluate|give|express|round|answer|write|state|estimate|approximate)\b",
    re.IGNORECASE,
)
# A value that the label may be a rounding of stands among the last steps.
MAX_BACK = 2
_APPROXIMATE = r"(?:about|approximately|roughly|around|nearly|rounded|rounds)"
_TO_NEAREST = (
    r"\bround(?:ed|ing)?\b(?! (?:up|down))|\bto the nearest\b|\bnearest (?:whole|integer|ten|hundred|tenth|hundredth)"
    r"|\bdecimal places?\b|\bone decimal\b|\bsignificant (?:figures|digits)\b"
)
_NEAREST = re.compile(_TO_NEAREST, re.IGNORECASE)
_ROUNDING = re.compile(rf"{_TO_NEAREST}|\bnearest\b|\bapproximate(?:ly)?\b|\bestimate\b", re.IGNORECASE)


def check_solution(sample: Sample) -> Finding:
    """Every equation of the worked solution recomputed exactly, and its end compared with the label."""
    if not sample.solution:
        return Finding(check="solution", ok=None, detail="there is no worked solution to recompute")
    steps = read_steps(sample.solution, sample.question)
    boxes = find_boxes(sample.solution)[0]
    if boxes and judge(rf"\boxed{{{boxes[-1]}}}", sample).outcome == "wrong":
        return Finding(check="solution", ok=False, detail=f"it ends at {boxes[-1]} and the label is {sample.answer}")
    off = [step for step in steps if step.kind == "off"]
    if off:
        told = "; ".join(f"{_short(step.text)}, which is {tell(step.exact)}" for step in off[:3])
        return Finding(check="solution", ok=False, detail=f"{len(off)} of {len(steps)} steps do not hold: {told}")
    if not steps:
        return Finding(check="solution", ok=None, detail="no equation with numbers could be read in the solution")
    label = label_value(sample)
    if label is not None and not boxes and not _reaches(sample, steps, label):
        told = f"it ends at {tell(steps[-1].written)}, and never reaches the label {sample.answer}"
        return Finding(check="solution", ok=False, detail=told)
    rounded = [step for step in steps if step.kind == "rounded"]
    unread = sum(step.kind == "unclear" for step in steps)
    detail = f"{len(steps) - unread} steps recomputed exactly"
    if rounded:
        detail += f", {len(rounded)} of them rounded: " + "; ".join(_short(step.text) for step in rounded[:3])
    return Finding(check="solution", ok=True, detail=detail + (f"; {unread} could not be read" if unread else ""))


def check_label(sample: Sample) -> Finding:
    """Is the label the exact end of the solution, or only what is left of it after rounding?"""
    value = label_value(sample)
    if not sample.solution:
        return Finding(
            check="label", ok=None, detail="cannot be recomputed without a worked solution: a solver can tell"
        )
    steps = [step for step in read_steps(sample.solution, sample.question) if step.kind != "unclear"]
    if value is None:
        return _compare_irrational(sample, steps)
    exact = _end_of(steps, value)
    if exact is None:
        return _read_wording(sample, value)
    if are_equal(exact, value.value):
        return Finding(check="label", ok=True, detail=f"{sample.answer} is exact")
    return _weigh_rounding(sample, value, exact)


def label_value(sample: Sample) -> Numeral | None:
    """The label, or the option that it names, as a number; None where it is something else."""
    if sample.answer_type != "choice":
        return parse_number(sample.answer)
    letter = read_choice(sample.answer)
    place = ascii_uppercase.index(letter) if letter else -1
    return parse_number(sample.choices[place]) if sample.choices and 0 <= place < len(sample.choices) else None


def tell(value: Any) -> str:
    """A number as a person reads it: whole, or with six digits."""
    if isinstance(value, Fraction) and value.denominator == 1 and abs(value) < 10**12:
        return str(value.numerator)
    return f"{float(value):.6g}"


def _compare_irrational(sample: Sample, steps: Sequence[Step]) -> Finding:
    """A label like 14\\sqrt{3} is exact where a step has that very value."""
    try:
        worth = evaluate(tokenize(sample.answer)).value if sample.answer_type == "expression" else None
    except Unreadable:
        worth = None
    if worth is not None and any(are_equal(step.exact, worth) for step in steps):
        return Finding(check="label", ok=True, detail=f"{sample.answer} is exact")
    return Finding(check="label", ok=None, detail="the label is no number that a step computes")


def _weigh_rounding(sample: Sample, label: Numeral, exact: Any) -> Finding:
    """The label differs from the exact end: does the question ask for a number like that?

    Words that round to the nearest are read before "minimum" and "maximum", which often speak of something given.
    """
    text = f"the exact value is {tell(exact)} and the label is {sample.answer}"
    asking = " ".join(sentences_that_ask(sample.question))
    is_rounding = is_rounded(exact, label.value, label.last_place)
    if is_rounding and (asked := _NEAREST.search(asking)):
        return Finding(check="label", ok=True, detail=f"{text}, rounded as the question asks ({asked[0]!r})")
    for wording, rule, name in ((_MINIMUM, math.ceil, "minimum"), (_MAXIMUM, math.floor, "maximum")):
        asked = wording.search(asking)
        if asked and label.value.denominator == 1 and not _NEAREST.search(asking):
            expected = int(rule(exact))
            told = f"{text}; the question asks for a {name} ({asked[0]!r}), so "
            if label.value == expected:
                return Finding(check="label", ok=True, detail=told + f"{expected} is right")
            return Finding(check="label", ok=False, detail=told + f"it is {expected}: the label is only a rounding")
    if sample.tolerance is not None and _is_within(sample, label, exact):
        return Finding(check="label", ok=True, detail=f"{text}, within the tolerance {sample.tolerance}")
    asked = _ROUNDING.search(sample.question)
    if asked and is_rounding:
        return Finding(check="label", ok=True, detail=f"{text}, rounded as the question asks ({asked[0]!r})")
    how = "it is right only after rounding" if is_rounding else "it is not even that value rounded"
    remedy = "let the question ask for the rounding, or change its numbers so that the answer is exact"
    return Finding(check="label", ok=False, detail=f"{text}: {how}; {remedy}")


def sentences_that_ask(question: str) -> list[str]:
    """Those that ask or leave a blank, the last one where none does; the others give."""
    sentences = [part for part in _ENDS.split(question) if part.strip()]
    return [one for one in sentences if _ASKS.search(one)] or sentences[-1:]


def _read_wording(sample: Sample, label: Numeral) -> Finding:
    """No step computes the label; the solution may still say that it is no exact value."""
    written = re.escape(sample.answer.strip())
    says = re.search(rf"\b{_APPROXIMATE}\b[^.?!\d]{{0,30}}{written}(?![\d.]*\d)", sample.solution or "", re.IGNORECASE)
    asked = _ROUNDING.search(sample.question)
    if says and not asked and sample.tolerance is None and label.value is not None:
        told = f"the solution itself calls it a rounding ({' '.join(says[0].split())!r}) and the question asks for none"
        return Finding(check="label", ok=False, detail=told)
    return Finding(check="label", ok=None, detail="no equation of the solution computes it: a solver can tell")


def _is_within(sample: Sample, label: Numeral, exact: Any) -> bool:
    if sample.tolerance == "figures":
        return is_rounded(exact, label.value, label.last_place)
    return abs(float(exact) - float(label.value)) <= float(sample.tolerance or 0) * abs(float(label.value))


def _end_of(steps: Sequence[Step], label: Numeral) -> Any | None:
    """The exact value behind the label: of the last step that states it, else of the last one that rounds to it."""
    stated = [step.exact for step in steps if _is_same(step.written, label)]
    if stated:
        return stated[-1]
    near = [step.exact for step in steps[-MAX_BACK:] if _rounds_to(step.exact, label)]
    if near:
        return near[-1]
    # The last step in another unit: 384000 J for a label in kJ.
    last = steps[-1].exact if steps else None
    is_scaled = isinstance(last, Fraction) and last and label.value and is_power_of_ten(last / label.value)
    return label.value if is_scaled else None


def _reaches(sample: Sample, steps: Sequence[Step], label: Numeral) -> bool:
    """Some step ends at the label, or the last number of the solution is it."""
    return _end_of(steps, label) is not None or numbers_in(sample.solution or "")[-1:] == [label.value]


def _is_same(written: Any, label: Numeral) -> bool:
    readings = [label.value, label.value / 100] if label.is_percent else [label.value]
    return any(are_equal(written, reading) for reading in readings)


def _rounds_to(exact: Any, label: Numeral) -> bool:
    if label.is_fraction:
        return are_equal(exact, label.value)
    is_next = label.value.denominator == 1 and label.value in (math.floor(exact), math.ceil(exact))
    return is_next or is_rounded(exact, label.value, label.last_place)


def _short(text: str) -> str:
    return text if len(text) <= 90 else text[:87] + "..."
