"""The lab's world: seed in, samples out. Problems of every discipline, with worked solutions.

A problem belongs to one split for ever, by its own content (a bucket of its id), so no stream of train
problems can hold a dev or test problem, whatever its seed. The base model reads train problems only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from string import ascii_uppercase
from typing import Literal

from polymath.errors import SampleError
from polymath.lab.templates import TEMPLATES, Draft, Template
from polymath.types import Sample

Split = Literal["train", "dev", "test"]

DISCIPLINES: tuple[str, ...] = tuple(dict.fromkeys(template.discipline for template in TEMPLATES))

# Of ten buckets. Dev and test need only hundreds of problems a discipline, pre-training needs variety.
_SPLIT_OF_BUCKET: tuple[Split, ...] = ("train",) * 8 + ("dev", "test")
# So many repeats in a row mean that hardly one problem in twenty is still new.
_PATIENCE = 100


def split_of(sample: Sample) -> Split:
    """The split that a problem belongs to, decided by its content alone."""
    return _SPLIT_OF_BUCKET[int(sample.id[:8], 16) % len(_SPLIT_OF_BUCKET)]


def draw(template: Template, rng: Random) -> Sample:
    """One problem of this kind, of whatever split."""
    draft = template.write(rng)
    choices = _options(draft, rng) if draft.num_choices else None
    answer = ascii_uppercase[choices.index(str(draft.value))] if choices else str(draft.value)
    return Sample(
        question=draft.question,
        answer=answer,
        answer_type="choice" if choices else "number",
        choices=choices,
        disciplines=(template.discipline,),
        subject=template.discipline,
        skills=template.skills,
        level=str(len(draft.steps)),
        solution=" ".join(draft.steps),
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
    """Distinct problems, the same number in every discipline, its templates in turn.

    Raises SampleError when a discipline has no further problems to give.
    """
    return [
        sample
        for discipline in disciplines
        for sample in _distinct(discipline, num_per_discipline, Random(f"lab/{seed}/{split}/{discipline}"), split)
    ]


def _distinct(discipline: str, num: int, rng: Random, split: Split) -> list[Sample]:
    streams = [stream(template, rng, split) for template in TEMPLATES if template.discipline == discipline]
    seen: dict[str, Sample] = {}
    num_repeats = num_in_a_row = 0
    while len(seen) < num:
        sample = next(streams[(len(seen) + num_repeats) % len(streams)])
        is_repeat = sample.id in seen
        num_repeats, num_in_a_row = num_repeats + is_repeat, num_in_a_row + 1 if is_repeat else 0
        if num_in_a_row > _PATIENCE:
            raise SampleError(
                "lab", f"{discipline} has only about {len(seen)} {split} problems", f"ask for fewer than {num}"
            )
        seen.setdefault(sample.id, sample)
    return list(seen.values())


def _options(draft: Draft, rng: Random) -> tuple[str, ...]:
    """The right value among others near it, in random order."""
    values = {draft.value}
    while len(values) < draft.num_choices:
        values.add(max(1, draft.value + rng.choice((-1, 1)) * rng.randint(1, max(9, draft.value // 4))))
    options = sorted(values)
    rng.shuffle(options)
    return tuple(map(str, options))
