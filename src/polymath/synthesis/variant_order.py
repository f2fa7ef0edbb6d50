"""Re-ordered givens: list items and independent sentences in another order, with the inverse.

A sentence moves only where nothing ties it to its place: it states a number, asks nothing, holds no word that points
back or tells an order (it, then, each of them ...), speaks of no "the X" that another one introduces, and the sentence
behind the moved ones does not point back either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any

from polymath.synthesis.variant_parts import CannotVary, Change
from polymath.types import Sample

_BULLET = re.compile(r"^[ \t]*[-*•][ \t]+\S")
_SENTENCE_END = re.compile(r"(?<=[a-z0-9)%])\.(?=\s+[A-Z])(?<!\betc\.)(?<!\bDr\.)(?<!\bMr\.)(?<!\bvs\.)(?<!\bNo\.)")
_POINTS_BACK = re.compile(
    r"\b(?:it|its|itself|they|them|their|this|that|these|those|he|she|him|his|her|hers|then|also|after|afterwards|before"
    r"|next|finally|first|second|third|last|another|both|each|other|others|remaining|rest|further|again|now|such|same"
    r"|former|latter|however|thus|so|hence|therefore|meanwhile|instead|more|fewer|less|later|there|here|one|when|once"
    r"|until|former|above|below|following|respectively)\b",
    re.IGNORECASE,
)
_INTRODUCED = re.compile(r"\b(?:a|an|\d[\d.,]*|two|three|four|five|six|seven|eight|nine|ten)\s+(\w+)(?:\s+(\w+))?")
_REFERRED = re.compile(r"\bthe\s+(\w+)(?:\s+(\w+))?")


def reorder(sample: Sample, rng: Random) -> Change:
    """The question with its givens in another order; raises CannotVary where fewer than two may move."""
    pieces = _pieces(sample.question)
    places = _movable(pieces)
    if len(places) < 2:
        raise CannotVary("fewer than two givens stand by themselves")
    order = list(range(len(places)))
    while order == sorted(order):
        rng.shuffle(order)
    question = "".join(_move(pieces, places, order))
    return Change(sample=sample.model_copy(update={"question": question}), detail={"places": places, "order": order})


def restore_order(sample: Sample, detail: Mapping[str, Any]) -> Sample:
    """The inverse of `reorder`: the question is taken apart anew and the pieces go back."""
    order = [detail["order"].index(place) for place in range(len(detail["order"]))]
    question = "".join(_move(_pieces(sample.question), detail["places"], order))
    return sample.model_copy(update={"question": question})


def _move(pieces: list[str], places: list[int], order: list[int]) -> list[str]:
    if max(places) >= len(pieces):
        raise CannotVary("its pieces are not found again")
    moved = list(pieces)
    for place, origin in zip(places, order, strict=True):
        moved[place] = pieces[places[origin]]
    return moved


def _pieces(text: str) -> list[str]:
    """Lines and sentences with what separates them as pieces of their own; joined they are the text."""
    pieces = []
    for line in re.split(r"(\n+)", text):
        if not line or line.startswith("\n") or _BULLET.match(line):
            pieces.append(line)
            continue
        start = 0
        for end in _SENTENCE_END.finditer(line):
            gap = re.match(r"\s+", line[end.end() :])
            width = gap.end() if gap else 0
            pieces += [line[start : end.end()], line[end.end() : end.end() + width]]
            start = end.end() + width
        pieces.append(line[start:])
    return pieces


def _movable(pieces: list[str]) -> list[int]:
    """Places of the longest run of pieces that may trade places."""
    runs: list[list[int]] = [[]]
    for place in range(0, len(pieces), 1):
        piece = pieces[place]
        if not piece.strip():
            continue
        if _may_move(piece) and (not runs[-1] or _is_bullet(piece) == _is_bullet(pieces[runs[-1][-1]])):
            runs[-1].append(place)
        else:
            runs.append([place] if _may_move(piece) else [])
    free = [_untied(run, pieces) for run in runs]
    return max(free, key=len, default=[])


def _untied(run: list[int], pieces: list[str]) -> list[int]:
    """The run without the sentences that lean on another one of it, or that the next sentence leans on."""
    if not run:
        return []
    behind = next((piece for piece in pieces[run[-1] + 1 :] if piece.strip()), "")
    if not _is_bullet(pieces[run[0]]) and _POINTS_BACK.match(behind.lstrip()):
        run = run[:-1]
    tied = set()
    for place in run:
        for other in run:
            if place != other and _words(_INTRODUCED, pieces[place]) & _words(_REFERRED, pieces[other]):
                tied |= {place, other}
    kept = [place for place in run if place not in tied]
    # Those left might move past the tied ones, which is no longer a question of two sentences alone.
    return [] if tied else kept


def _words(pattern: re.Pattern[str], text: str) -> set[str]:
    return {word for words in pattern.findall(text.lower()) for word in words if word}


def _may_move(piece: str) -> bool:
    text = piece.strip()
    if _is_bullet(piece):
        return not _POINTS_BACK.search(text)
    return bool(
        re.search(r"\d", text) and text.endswith(".") and "?" not in text and "_" not in text
        and text[:1].isupper() and not _POINTS_BACK.search(text)
    )  # fmt: skip


def _is_bullet(piece: str) -> bool:
    return _BULLET.match(piece) is not None
