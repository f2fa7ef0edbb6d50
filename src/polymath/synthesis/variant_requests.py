"""Forms of a sample that a model writes: what it is asked, and the problem in its reply.

The gold stays: a retelling, a simpler wording, a version with mathematics alone, one with the science and its
intermediate results, and a new problem for a given solution (SvS, arXiv 2508.14029, which shows one right response and
keeps the answer). The paper's own variants of its best sample are math-only and science-only (arXiv 2601.03111,
appendix E). The instructions are in our own words.
"""

from __future__ import annotations

import re

from polymath.synthesis.skills import show
from polymath.synthesis.variant_parts import CannotVary
from polymath.types import Sample

_COMMON = """\
The answer to your problem has to be {answer}, exactly as it is for the original. The text must not say or hint what \
the answer is, and must be complete in itself: a reader does not see the original.

Write the problem alone, without a solution, between <problem> and </problem>.

"""
_ORIGINAL = "Original:\n{question}\n"

INSTRUCTIONS: dict[str, str] = {
    "paraphrase": "Tell the problem below anew: another story, other words, the same calculation. Keep every number "
    "with its unit, and add no other number.\n\n" + _COMMON + _ORIGINAL,
    "simplify": "Write the problem below as short and plain as it can be: leave out decoration and repeated wording, "
    "and keep every number that the solution needs, with its unit.\n\n" + _COMMON + _ORIGINAL,
    "math-only": "Write the problem below as one of mathematics alone: each quantity becomes a symbol with its number, "
    "each law that it needs becomes a stated equation or rule, and no word of science is left. Keep every number, and "
    "add none.\n\n" + _COMMON + _ORIGINAL,
    "science-only": "Write the problem below so that the science stays and the mathematics gets lighter: keep every "
    "given number, and state the intermediate results of the first steps as further givens. Do not state the last "
    "step.\n\n" + _COMMON + _ORIGINAL,
    "svs": "A problem got lost; one right solution to it is below. Write a problem that this solution solves, in a "
    "setting of your choice, with every number that the solution starts from.\n\n"
    + _COMMON + "Solution:\n{solution}\n",
}  # fmt: skip
_TAGGED = re.compile(r"<problem>(.*?)(?:</problem>|\Z)", re.DOTALL | re.IGNORECASE)
_LABELLED = re.compile(
    r"(?:^|\n)\s*(?:\*\*)?(?:new |rewritten )?problem(?:\*\*)?\s*:(?:\*\*)?\s*(.+)", re.I | re.DOTALL
)
_REST = re.compile(r"\n\s*(?:#+\s*)?(?:\*\*)?(?:solution|answer|explanation|original)\b", re.IGNORECASE)
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_SLOT = re.compile(r"\{(answer|question|solution)\}")
MIN_CHARACTERS = 20
# SvS, arXiv 2508.14029, and its code: problems with a pass rate in the first band are varied, variants in the second
# are rewarded; both ends belong to the band.
VARIED_BAND = (0.125, 0.5)
KEPT_BAND = (0.125, 0.625)


def request_text(sample: Sample, operation: str) -> str:
    """What a model is asked; raises CannotVary where the operation needs a solution and the sample has none."""
    if operation == "svs" and not sample.solution:
        raise CannotVary("it has no solution to show")
    texts = {"answer": sample.answer, "question": show(sample), "solution": sample.solution or ""}
    return _SLOT.sub(lambda slot: texts[slot[1]], INSTRUCTIONS[operation])


def read_problem(reply: str) -> str:
    """The problem of a reply: the last between tags, else what stands behind "Problem:"; raises CannotVary."""
    said = _THOUGHT.sub("", reply)
    tagged = [match[1].strip() for match in _TAGGED.finditer(said) if match[1].strip()]
    labelled = _LABELLED.search(said)
    text = tagged[-1] if tagged else labelled[1] if labelled else ""
    text = _REST.split(text)[0].strip()
    if len(text) < MIN_CHARACTERS:
        raise CannotVary("the reply holds no problem between tags")
    return text


def as_variant(sample: Sample, question: str, operation: str) -> Sample:
    """The sample with this question and the same gold. A solution belongs to the old text, but for `svs`."""
    meta = {**sample.meta, "variant_of": sample.id, "variant": [{"operation": operation}]}
    kept = sample.solution if operation == "svs" else None
    return sample.model_copy(update={"question": question, "solution": kept, "meta": meta})


def is_in_band(pass_rate: float, band: tuple[float, float] = KEPT_BAND) -> bool:
    """Whether a pass rate lies in the band, ends included: not too hard and not too easy to learn from."""
    return band[0] <= pass_rate <= band[1]
