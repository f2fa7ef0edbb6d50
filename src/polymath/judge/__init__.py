"""One judge for training and evaluation: a response and its sample in, a Verdict out.

Strict (rewards) wants one box; lenient (evaluation beside it) finds an answer in prose too. The rules:
extract.py finds the answer, compare.py compares it by the sample's declared type. Nothing is executed, no
signal and no clock is used, no text makes it raise: it works in any thread, and a verdict depends on its
arguments alone.
"""

from __future__ import annotations

import re
from string import ascii_uppercase
from typing import get_args

from polymath.errors import SampleError
from polymath.judge.compare import compare, exceeds_length, read_choice
from polymath.judge.expressions import Decision
from polymath.judge.extract import Mode, extract
from polymath.types import Sample, Verdict

__all__ = ["Mode", "check_reference", "judge"]


def judge(response: str, sample: Sample, *, mode: Mode = "strict", is_truncated: bool = False) -> Verdict:
    """Right, wrong or undecided, with the answer that was found and the rules that found and compared it.

    Several different boxes are several answers, so wrong in strict mode unless each of them is right. A
    truncated response with a complete box is judged by that box.
    """
    if mode not in get_args(Mode):
        raise ValueError(f"judge: there is no mode {mode!r}; use one of {list(get_args(Mode))}")
    found = extract(response, sample.answer_type, mode=mode, is_truncated=is_truncated)
    if not found.texts:
        return Verdict(outcome="wrong", extracted=None, found_by=found.rule, compared_by="none", detail=found.detail)
    decision = _decide(found.texts, sample, mode)
    return Verdict(
        outcome=decision.outcome,
        extracted=found.texts[-1],
        found_by=found.rule,
        compared_by=decision.rule,
        detail=decision.detail,
    )


def check_reference(sample: Sample, where: object = "sample") -> None:
    """Refuse a sample that could not be trained on: its own answer, put in a box, must be judged right.

    Raises SampleError.
    """
    if not sample.answer.strip():
        raise SampleError(where, "the answer is empty", "give the reference answer that a response must reach")
    if sample.answer_type == "choice":
        _check_choice(sample, where)
    if sample.answer_type in ("number", "quantity") and not re.search(r"\d|\\pi", sample.answer):
        raise SampleError(
            where, f"the answer {sample.answer[:80]!r} is no number", "correct the answer or its answer_type"
        )
    verdict = judge(rf"\boxed{{{sample.answer}}}", sample)
    if verdict.outcome != "right":
        raise SampleError(
            where,
            f"its own answer {sample.answer[:80]!r} is judged {verdict.outcome} as {sample.answer_type} "
            f"({verdict.detail or verdict.compared_by})",
            "correct the answer or its answer_type",
        )


def _decide(texts: tuple[str, ...], sample: Sample, mode: Mode) -> Decision:
    """The last answer decides; the others must be right too, or it was a guess."""
    if len(texts) > 8:
        return Decision(outcome="wrong", rule="several-answers", detail=f"{len(texts)} different boxes")
    decisions = []
    for text in texts:
        if not text.strip():
            decisions.append(Decision(outcome="wrong", rule="empty"))
        elif exceeds_length(text, sample):
            decisions.append(Decision(outcome="wrong", rule="limit:length"))
        else:
            decisions.append(compare(text, sample, mode=mode))
    if decisions[-1].outcome == "right" and any(decision.outcome == "wrong" for decision in decisions):
        return Decision(outcome="wrong", rule="several-answers", detail=f"{len(texts)} different boxes")
    undecided = next((decision for decision in decisions if decision.outcome == "undecided"), None)
    return undecided if undecided and decisions[-1].outcome == "right" else decisions[-1]


def _check_choice(sample: Sample, where: object) -> None:
    num_choices = len(sample.choices or ())
    if num_choices < 2:
        raise SampleError(where, f"a choice sample with {num_choices} choices", "give at least two choices")
    letter = read_choice(sample.answer)
    letters = ascii_uppercase[:num_choices]
    if letter is None or letter not in letters:
        raise SampleError(
            where, f"the answer {sample.answer[:80]!r} is no choice", f"answer with one of {', '.join(letters)}"
        )
