"""The lab's world: seed in, samples out. Problems of every discipline, with worked solutions.

A question belongs to one split for ever, by its own text (a bucket of its hash), so no stream of train problems
can hold the question of a dev or test problem, whatever the seed and the options. The base model reads train
problems only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from random import Random
from string import ascii_uppercase
from typing import Literal

from polymath.errors import SampleError
from polymath.lab.templates import HELD_OUT, TEMPLATES, Draft, Template
from polymath.lab.templates.draft import LARGEST
from polymath.types import Sample

Split = Literal["train", "dev", "test"]

DISCIPLINES: tuple[str, ...] = tuple(dict.fromkeys(template.discipline for template in TEMPLATES))

# Of ten buckets. Dev and test need only hundreds of problems a discipline, pre-training needs variety.
_SPLIT_OF_BUCKET: tuple[Split, ...] = ("train",) * 8 + ("dev", "test")
# So many repeats in a row mean that hardly one problem in twenty is still new.
_PATIENCE = 100


def split_of(sample: Sample) -> Split:
    """The split that a problem belongs to, decided by its question alone: other options make no other problem."""
    bucket = int(hashlib.sha256(sample.question.encode()).hexdigest()[:8], 16)
    return _SPLIT_OF_BUCKET[bucket % len(_SPLIT_OF_BUCKET)]


def draw(template: Template, rng: Random) -> Sample:
    """One problem of this kind, of whatever split."""
    draft = template.write(rng)
    choices = _options(draft, rng) if draft.num_choices else None
    answer = ascii_uppercase[choices.index(str(draft.value))] if choices else str(draft.value)
    steps = (*draft.steps, f"{draft.value} is {answer}.") if choices else draft.steps
    return Sample(
        question=draft.question,
        answer=answer,
        answer_type="choice" if choices else "number",
        choices=choices,
        disciplines=(template.discipline, *template.also),
        subject=template.discipline,
        skills=template.skills,
        level=str(len(draft.steps)),
        solution=" ".join(steps),
        source="lab",
        meta={"template": template.name},
    )


def stream(template: Template, rng: Random, split: Split) -> Iterator[Sample]:
    """Problems of this kind and split, without end, with repeats."""
    while True:
        sample = draw(template, rng)
        if split_of(sample) == split:
            yield sample


def generate(
    num_per_discipline: int, seed: int | str, split: Split, disciplines: Sequence[str] = DISCIPLINES
) -> list[Sample]:
    """Problems with distinct questions, the same number in every discipline, its templates in turn.

    Raises SampleError for an unknown discipline, and when one has no further problems to give.
    """
    for discipline in disciplines:
        if discipline not in DISCIPLINES:
            raise SampleError("lab", f"there is no discipline {discipline!r}", f"use {', '.join(DISCIPLINES)}")
    return [
        sample
        for discipline in disciplines
        for sample in _distinct(
            discipline,
            [template for template in TEMPLATES if template.discipline == discipline],
            num_per_discipline,
            Random(f"lab/{seed}/{split}/{discipline}"),
            split,
        )
    ]


def generate_held_out(num: int, seed: int | str, split: Split) -> list[Sample]:
    """Distinct problems of the kinds that the base model never read of, the kinds in turn."""
    return _distinct("held out", HELD_OUT, num, Random(f"lab/{seed}/{split}/held out"), split)


def _distinct(what: str, templates: Sequence[Template], num: int, rng: Random, split: Split) -> list[Sample]:
    streams = [stream(template, rng, split) for template in templates]
    seen: dict[str, Sample] = {}
    num_repeats = num_in_a_row = 0
    while len(seen) < num:
        sample = next(streams[(len(seen) + num_repeats) % len(streams)])
        is_repeat = sample.question in seen
        num_repeats, num_in_a_row = num_repeats + is_repeat, num_in_a_row + 1 if is_repeat else 0
        if num_in_a_row > _PATIENCE:
            raise SampleError("lab", f"{what} has only about {len(seen)} {split} problems", f"ask for fewer than {num}")
        seen.setdefault(sample.question, sample)
    return list(seen.values())


def _options(draft: Draft, rng: Random) -> tuple[str, ...]:
    """The right value among others near it, in random order. No two end in the same digit.

    How many of the others are smaller is drawn first, so that a value in the middle is no sign of being right.
    """
    num_below = rng.randint(0, draft.num_choices - 1)
    signs = [-1] * num_below + [1] * (draft.num_choices - 1 - num_below)
    reach = max(9, draft.value // 4)
    by_last_digit = {draft.value % 10: draft.value}
    for sign in signs:
        others = [draft.value + side * distance for side in (sign, -sign) for distance in _shuffled(reach, rng)]
        other = next(n for n in others if 0 < n <= LARGEST and n % 10 not in by_last_digit)
        by_last_digit[other % 10] = other
    options = list(by_last_digit.values())
    rng.shuffle(options)
    return tuple(map(str, options))


def _shuffled(reach: int, rng: Random) -> list[int]:
    return rng.sample(range(1, reach + 1), reach)
