"""One sample in, another form of it out: with a map for the answer and an inverse that gives the sample back.

Operations by code (OPERATIONS) keep the problem and change its dress: names, units, order, numerals, options. Each one
is undone by its own inverse, not by a stored copy, and a form that its inverse does not bring back is refused; so a
model's answers to the forms can be mapped back and compared. Operations by a model (variant_requests.py) are checked,
since nothing proves them.

Forms of one prompt with inverses and answer maps: Akyuerek et al., arXiv 2411.07279, for other tasks. New problems for
a known answer: SvS, arXiv 2508.14029.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from polymath.errors import RecipeError, SampleError
from polymath.synthesis.filters import Check
from polymath.synthesis.variant_checks import check_form
from polymath.synthesis.variant_options import shuffle_options, unshuffle_options
from polymath.synthesis.variant_order import reorder, restore_order
from polymath.synthesis.variant_parts import AnswerMap, CannotVary, Change
from polymath.synthesis.variant_units import change_answer_unit, change_units, restore_answer_unit, restore_units
from polymath.synthesis.variant_words import rename, respell, unname, unspell
from polymath.types import Sample

# Name to the operation and its inverse.
Apply = Callable[[Sample, Random], Change]
Undo = Callable[[Sample, Mapping[str, Any]], Sample]
OPERATIONS: dict[str, tuple[Apply, Undo]] = {
    "rename": (rename, unname),
    "units": (change_units, restore_units),
    "answer-unit": (change_answer_unit, restore_answer_unit),
    "order": (reorder, restore_order),
    "numerals": (respell, unspell),
    "options": (shuffle_options, unshuffle_options),
}
# What a variant and its original have to agree in after the way back; meta tells the way.
_COMPARED = ("question", "answer", "answer_type", "choices", "unit", "aliases", "tolerance", "solution")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One form of a sample. `operations` led to it, in order; `answer_maps` are theirs; `checks` are what it passed.

    `sample.meta` holds `variant_of` (the id of the original) and `variant`, a list with what each operation's inverse
    needs. A variant by a model has no inverse.
    """

    operations: tuple[str, ...]
    sample: Sample
    answer_maps: tuple[AnswerMap, ...]
    checks: tuple[Check, ...] = ()

    @property
    def is_sound(self) -> bool:
        """It passed every check."""
        return all(check.ok for check in self.checks)

    def answer_back(self, answer: str) -> str:
        """An answer to the variant as an answer to the original; raises CannotVary where it has none."""
        for answer_map in reversed(self.answer_maps):
            answer = answer_map.back(answer)
        return answer


def vary(
    sample: Sample, operations: Sequence[str], *, seed: int = 0, names: Mapping[str, str] | None = None
) -> Variant:
    """The sample after these operations, checked; `names` is the map of `rename`, else one is drawn.

    The same seed gives the same variant. Raises CannotVary where an operation does not apply, and where the inverse
    does not bring the sample back.
    """
    changed, maps = sample, []
    for place, name in enumerate(operations):
        apply = partial(rename, given=names) if name == "rename" and names else OPERATIONS[name][0]
        change = apply(changed, Random(f"{seed}/{place}/{name}/{sample.id}"))
        changed = _note(change, name, sample.id)
        maps.append(change.answer_map)
    back = restore(changed)
    differing = [field for field in _COMPARED if getattr(back, field) != getattr(sample, field)]
    if differing:
        raise CannotVary(f"its inverse does not bring the {differing[0]} back")
    if changed.id == sample.id:
        raise CannotVary("nothing changed")
    variant = Variant(operations=tuple(operations), sample=changed, answer_maps=tuple(maps))
    checks = check_form(sample, variant.sample, operations)
    return Variant(**{**vars(variant), "checks": tuple(checks)})


def restore(variant: Sample) -> Sample:
    """The original of a variant made by code; raises SampleError for any other sample."""
    sample = variant
    steps = variant.meta.get("variant")
    if not isinstance(steps, list) or any(step.get("operation") not in OPERATIONS for step in steps):
        raise SampleError("the sample", "is no variant that has an inverse", "give one made by polymath variants --ops")
    for step in reversed(steps):
        sample = OPERATIONS[step["operation"]][1](sample, step["detail"])
    meta = {name: value for name, value in sample.meta.items() if name not in ("variant", "variant_of")}
    return sample.model_copy(update={"meta": meta})


def read_operations(texts: Sequence[str], known: Sequence[str]) -> list[tuple[str, ...]]:
    """Chains of operations: names joined by commas, and by + where they follow each other; raises RecipeError."""
    chains = [tuple(part.strip().split("+")) for text in texts for part in text.split(",") if part.strip()]
    for chain in chains:
        wrong = next((name for name in chain if name not in known), None)
        if wrong is not None:
            raise RecipeError("--ops", f"there is no {wrong!r}", f"use {', '.join(known)}; join by + to do several")
        if len(chain) > 1 and not set(chain) <= set(OPERATIONS):
            raise RecipeError("--ops", f"{'+'.join(chain)} joins an operation by a model", "give it by itself")
    return list(dict.fromkeys(chains))


def _note(change: Change, name: str, root: str) -> Sample:
    meta = dict(change.sample.meta)
    step = {"operation": name, "detail": dict(change.detail), "answer_map": change.answer_map.row}
    meta["variant"] = [*(meta.get("variant") or []), step]
    meta["variant_of"] = meta.get("variant_of", root)
    return change.sample.model_copy(update={"meta": meta})
