"""What the base model reads: a problem and a way of answering it, often a wrong one.

The mix makes the base's most likely way direct and usually wrong, while its worked answers, when it gives
any, are right. Reinforcement then has to change the way of answering; adding a box is not enough. Some worked
answers recheck their last line by its inverse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from string import ascii_uppercase
from typing import Literal

from polymath.lab.templates import TEMPLATES
from polymath.lab.templates.draft import LARGEST, LARGEST_SMALL_FACTOR, calculate
from polymath.lab.world import stream
from polymath.prompts import TEMPLATES as PROMPTS
from polymath.prompts import render
from polymath.types import Sample

END = "</s>"

_INVERSE_SIGN = {"+": "-", "-": "+", "*": "/", "/": "*"}


@dataclass(frozen=True, kw_only=True)
class TextMix:
    """How often the text answers in which way. Fractions of answers, except where another whole is named.

    The first `school_frac` of the documents are school: every answer there is worked, so that the model can
    calculate at all after reading so little; the shares of ways hold after it. `recheck_frac` is of worked
    answers. A drill (`drill_frac` of all documents) is bare arithmetic without a problem, and in
    `options_per_line` of its lines the finding of a number among options: it teaches the lines of work and no
    way of answering.
    """

    school_frac: float = 0.6
    worked_frac: float = 0.2
    recheck_frac: float = 0.2
    direct_wrong_frac: float = 0.7
    boxed_frac: float = 0.6
    near_frac: float = 0.35
    said_frac: float = 0.35
    drill_frac: float = 0.15
    lines_per_drill: int = 8
    options_per_line: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A problem with one answer to it, and what kind of answer that is."""

    sample: Sample
    response: str
    way: Literal["direct", "worked"]
    is_right: bool
    is_boxed: bool


@dataclass(frozen=True, kw_only=True)
class Document:
    """One piece of text to learn: what is given and what follows. A drill gives nothing."""

    prompt: str
    response: str


def prompt_of(sample: Sample) -> str:
    """The prompt that the base model knows: the house's plain template."""
    return render(sample, PROMPTS["plain"]).text


def answer(sample: Sample, rng: Random, mix: TextMix) -> Answered:
    """One answer in a way drawn from the mix. Worked answers are always right."""
    is_worked = rng.random() < mix.worked_frac
    is_right = is_worked or rng.random() >= mix.direct_wrong_frac
    is_boxed = rng.random() < mix.boxed_frac
    said = sample.answer if is_right else mistake(sample, rng, mix)
    start = "It is" if not is_boxed and rng.random() < 0.5 else "The answer is"
    ending = f"{start} \\boxed{{{said}}}." if is_boxed else f"{start} {said}."
    return Answered(
        sample=sample,
        response=f" {_work(sample, rng, mix)} {ending}" if is_worked else f" {ending}",
        way="worked" if is_worked else "direct",
        is_right=is_right,
        is_boxed=is_boxed,
    )


def mistake(sample: Sample, rng: Random, mix: TextMix) -> str:
    """A wrong answer that looks like one: a number near it, one of the question, one of its size."""
    if sample.choices:
        letters = ascii_uppercase[: len(sample.choices)]
        return rng.choice([letter for letter in letters if letter != sample.answer])
    right = int(sample.answer)
    while True:
        kind = rng.random()
        if kind < mix.near_frac:
            wrong = right + rng.choice((-1, 1)) * rng.choice((1, 2, 3, 4, 5, 10, 20, right // 2 + 1))
        elif kind < mix.near_frac + mix.said_frac:
            wrong = int(rng.choice(re.findall(r"\d+", sample.question)))
        else:
            wrong = rng.randint(max(1, right // 3), min(LARGEST, right * 3 + 9))
        if wrong != right and 0 < wrong <= LARGEST:
            return str(wrong)


def inverse(line: str) -> str:
    """The line that undoes `12*7=84`: `84/7=12`."""
    operation, _, value = line.partition("=")
    left, sign, right = re.split(r"([-+*/])", operation)
    return f"{value}{_INVERSE_SIGN[sign]}{right}={left}"


def drill(rng: Random, mix: TextMix) -> str:
    """Bare lines of work, with the numbers that worked solutions use."""
    return "".join(_drill_line(rng, mix) for _ in range(mix.lines_per_drill))


def documents(num: int, seed: int | str, mix: TextMix) -> Iterator[Document]:
    """The training text in order: train problems of every discipline alike, answered, and drills."""
    school = replace(mix, worked_frac=1.0)
    rng = Random(f"lab/text/{seed}")
    by_discipline: dict[str, list[Iterator[Sample]]] = {}
    for template in TEMPLATES:
        by_discipline.setdefault(template.discipline, []).append(stream(template, rng, "train"))
    disciplines = list(by_discipline.values())
    for number in range(num):
        if rng.random() < mix.drill_frac:
            yield Document(prompt="", response=drill(rng, mix) + END)
        else:
            sample = next(rng.choice(rng.choice(disciplines)))
            answered = answer(sample, rng, school if number < num * mix.school_frac else mix)
            yield Document(prompt=prompt_of(answered.sample), response=answered.response + END)


def _work(sample: Sample, rng: Random, mix: TextMix) -> str:
    """The worked solution, sometimes with its last line of arithmetic rechecked."""
    assert sample.solution, "a problem of the lab has its solution"
    if rng.random() >= mix.recheck_frac:
        return sample.solution
    last = [line for line in sample.solution.split(". ") if "=" in line][-1].removesuffix(".")
    return f"{sample.solution} Recheck: {inverse(last)}."


def _drill_line(rng: Random, mix: TextMix) -> str:
    if rng.random() < mix.options_per_line:
        digits = rng.sample(range(10), 4)
        numbers = [10 * rng.randint(0, 99 if rng.random() < 0.5 else 9) + digit for digit in digits]
        letter = rng.choice(ascii_uppercase[:4])
        options = "".join(f"\n{name}) {number}" for name, number in zip(ascii_uppercase, numbers, strict=False))
        return f"{options}\n {numbers[ascii_uppercase.index(letter)]} is {letter}."
    operation = _operation(rng)
    return f" {operation}={calculate(operation)}."


def _operation(rng: Random) -> str:
    small = rng.randint(2, LARGEST_SMALL_FACTOR)
    large = rng.randint(2, 30) if rng.random() < 0.7 else rng.randint(2, LARGEST // LARGEST_SMALL_FACTOR)
    sign = rng.choice("++----**//")
    if sign == "*":
        return f"{large}*{small}" if rng.random() < 0.5 else f"{small}*{large}"
    if sign == "/":
        return f"{large * small}/{small}"
    a = rng.randint(2, 99) if rng.random() < 0.4 else rng.randint(2, 600)
    b = rng.randint(2, 99) if rng.random() < 0.6 else rng.randint(2, 399)
    return f"{a}+{b}" if sign == "+" else f"{max(a, b)}-{min(a, b)}"
