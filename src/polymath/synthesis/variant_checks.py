"""A sample and a form of it in, checks out: is the gold still reachable, unspoilt, and are the quantities still there.

What each check wants depends on the operation: a retelling keeps every number, a rewrite for one science may add some,
another unit keeps values and not numbers. `near` tells how near two texts are (Jaccard index of word shingles) and
fails only where a rewrite by a model changed next to nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from polymath.errors import SampleError
from polymath.judge.reference import check_reference
from polymath.judge.units import parse_unit
from polymath.samples.near import jaccard, shingles
from polymath.synthesis.filters import Check
from polymath.types import Sample

# A rewrite that is nearer than this is no other text.
SAME_TEXT = 0.95
_SMALL = dict(
    zip(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
        range(2, 13),
        strict=True,
    )
)
_DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_WORDS = "|".join(_SMALL)
_NUMBER = re.compile(rf"(?<![A-Za-z_\d.])(?:{_DIGITS})|\b(?:{_WORDS})\b")
_QUANTITY = re.compile(rf"(?<![\w.,])({_DIGITS}|{_WORDS})[ -]([A-Za-zµ]+)")
# How the numbers of the variant have to stand to those of the original, by the operation.
NUMBERS_WANTED = {
    "units": "values", "simplify": "fewer", "science-only": "more", "svs": "any",
}  # fmt: skip


def check_form(original: Sample, variant: Sample, operations: Sequence[str]) -> list[Check]:
    """Reference judged right, quantities kept, answer not said, and how near the two texts are."""
    wanted = next((NUMBERS_WANTED[name] for name in operations if name in NUMBERS_WANTED), "same")
    is_by_model = not {"detail"} & {key for step in variant.meta.get("variant", []) for key in step}
    return [
        check_gold(variant),
        check_numbers(original, variant, wanted),
        check_leak(original, variant),
        check_near(original, variant, is_rewrite=is_by_model),
    ]


def check_gold(variant: Sample) -> Check:
    """Its own answer is judged right."""
    try:
        check_reference(variant)
    except SampleError as error:
        return Check(name="reference", ok=False, detail=error.what)
    return Check(name="reference", ok=True)


def check_numbers(original: Sample, variant: Sample, wanted: str) -> Check:
    """The numbers of the question, as often as there: the same, fewer, more, or the same values in other units."""
    if wanted == "any":
        return Check(name="quantities", ok=True, detail="not compared")
    count = _values if wanted == "values" else numbers_of
    before, after = count(original.question), count(variant.question)
    lost, new = before - after, after - before
    problems = [f"lost {_tell(lost)}"] if lost and wanted != "fewer" else []
    problems += [f"new {_tell(new)}"] if new and wanted != "more" else []
    return Check(name="quantities", ok=not problems, detail="; ".join(problems))


def check_leak(original: Sample, variant: Sample) -> Check:
    """The answer stands in the new question and did not stand in the old one. One digit alone is no evidence."""
    answer = variant.answer.strip()
    if variant.answer_type == "choice" or len(answer) < 2 or _says(original.question, original.answer):
        return Check(name="leak", ok=True, detail="")
    said = _says(variant.question, answer)
    return Check(name="leak", ok=not said, detail=f"it says {answer[:40]}" if said else "")


def check_near(original: Sample, variant: Sample, *, is_rewrite: bool) -> Check:
    """How near the texts are; a rewrite has to be another text."""
    degree = jaccard(shingles(_text(original)), shingles(_text(variant)))
    is_same = is_rewrite and degree >= SAME_TEXT
    return Check(name="near", ok=not is_same, detail=f"Jaccard index {degree:.2f} with its original")


def numbers_of(text: str) -> Counter[Fraction]:
    """Every number of a text by its value: digits with or without commas, and words from two to twelve."""
    return Counter(_number(match[0]) for match in _NUMBER.finditer(text))


def _number(text: str) -> Fraction:
    return Fraction(_SMALL.get(text, 0) or text.replace(",", ""))


def _values(text: str) -> Counter[Fraction]:
    """Numbers in SI units where a unit that the judge reads follows, and as they stand elsewhere."""
    rest, found = text, Counter[Fraction]()
    for match in _QUANTITY.finditer(text):
        unit = parse_unit(match[2])
        if unit is not None and not unit.offset and all(len(name) < 4 for name, _ in unit.dimension):
            found[_number(match[1]) * unit.factor] += 1
            rest = rest.replace(match[0], " ", 1)
    return found + numbers_of(rest)


def _says(text: str, answer: str) -> bool:
    return re.search(rf"(?<![\w.,]){re.escape(answer.strip())}(?![\w]|[.,]\d)", text) is not None


def _tell(numbers: Counter[Fraction]) -> str:
    shown = [str(float(value) if value.denominator > 1 else value.numerator) for value in sorted(numbers)]
    return ", ".join(shown[:5]) + (" ..." if len(shown) > 5 else "")


def _text(sample: Sample) -> str:
    return "\n".join((sample.question, *(sample.choices or ())))
