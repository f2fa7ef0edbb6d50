"""Options in another order: the letter of the answer goes with its option; with the inverse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from string import ascii_uppercase
from typing import Any

from polymath.judge.verifiers.choice import read_choice
from polymath.synthesis.variant_parts import AnswerMap, CannotVary, Change
from polymath.types import Sample

# Options that speak of others, and questions that name letters, do not survive another order.
_SPEAKS = re.compile(
    r"\b(?:all|none|neither|both|any|either) of (?:the|these|those)\b|\b(?:above|below)\b|\boptions? \(?[A-J]\b"
    r"|\b[A-J] (?:and|or|nor) [A-J]\b|^\(?[A-J]\)?$|\b[ivx]+ (?:and|only)\b",
    re.IGNORECASE,
)


def shuffle_options(sample: Sample, rng: Random) -> Change:
    """The sample with its options in another order; raises CannotVary. A solution may name letters, so it is left."""
    options = sample.choices or ()
    letters = ascii_uppercase[: len(options)]
    if sample.answer_type != "choice" or len(options) < 2 or len(set(options)) < len(options):
        raise CannotVary("it has no options that differ")
    if any(_SPEAKS.search(text) for text in (*options, sample.question)):
        raise CannotVary("an option or the question speaks of other options")
    letter = read_choice(sample.answer)
    if letter is None or letter not in letters or sample.answer != letter or sample.aliases:
        raise CannotVary(f"its answer {sample.answer[:20]!r} is not one plain letter")
    order = list(range(len(options)))
    while order == sorted(order):
        rng.shuffle(order)
    table = {letters[origin]: letters[place] for place, origin in enumerate(order)}
    changed = sample.model_copy(
        update={
            "choices": tuple(options[origin] for origin in order),
            "answer": table[letter],
            "solution": None,
        }
    )
    detail = {"order": order, "solution": sample.solution}
    return Change(sample=changed, detail=detail, answer_map=AnswerMap(kind="letters", table=table))


def unshuffle_options(sample: Sample, detail: Mapping[str, Any]) -> Sample:
    """The inverse of `shuffle_options`."""
    order = detail["order"]
    places = [order.index(place) for place in range(len(order))]
    options = sample.choices or ()
    return sample.model_copy(
        update={
            "choices": tuple(options[place] for place in places),
            "answer": ascii_uppercase[order[ascii_uppercase.index(sample.answer)]],
            "solution": detail["solution"],
        }
    )
