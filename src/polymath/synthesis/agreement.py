"""Gold by joint success: what several solvers said to one question in; the answer they agree on, or why not, out.

The paper takes as gold the answer on which the models jointly succeed (arXiv 2601.03111, 4.1) and tells neither the
number of attempts nor the threshold. The rule here: an answer is gold where its share of all attempts, unanswered ones
counted, reaches a threshold, where it is alone in front, and (unless switched off) where every solver gives it at least
once. Two answers are the same where the judge takes each of them for right with the other as the reference. The
writer's own answer has no vote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from polymath.errors import SampleError
from polymath.judge import judge
from polymath.judge.extract import extract
from polymath.judge.reference import check_reference
from polymath.llm import Reply
from polymath.types import Sample


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One answer of one solver. `answer` is None where none was stated, and `detail` says why."""

    solver: str
    draw: int
    reply: str
    answer: str | None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """What the attempts came to. `answer` is the one given most often, None where nobody gave any.

    `reason` is empty where it is gold. `counts` are the different answers with how often each was given, `by_solver`
    is how often each solver gave `answer`. `writer_agrees` is None where the writer or everybody else gave none.
    """

    answer: str | None
    reason: str
    detail: str
    num_attempts: int
    num_agreeing: int
    counts: tuple[tuple[str, int], ...]
    by_solver: dict[str, int]
    writer_agrees: bool | None = None


def read_attempt(reply: Reply, question: Sample, *, solver: str, draw: int, id: str) -> Attempt:
    """The answer that a solver states: in a box, a tag, or after "the answer is"; the last number it mentions is none.

    `question` lends its answer type and choices. An answer that could be no reference counts as none.
    """
    is_cut = reply.finish == "length"
    found = extract(reply.text, question.answer_type, mode="strict", is_truncated=is_cut)
    if not found.texts:
        found = extract(reply.text, question.answer_type, mode="lenient", is_truncated=is_cut)
    answer, detail = None, ""
    if not found.texts or found.rule.startswith("last"):
        detail = "cut off" if is_cut else reply.finish if reply.finish in ("blocked", "overlong") else "no answer"
    elif any(not is_same(text, found.texts[-1], question) for text in found.texts[:-1]):
        detail = "several answers"
    elif not _can_be_reference(found.texts[-1], question):
        detail = f"{found.texts[-1][:80]!r} is no {question.answer_type}"
    else:
        answer = found.texts[-1].strip()
    return Attempt(solver=solver, draw=draw, reply=id, answer=answer, detail=detail)


def agree(
    attempts: Sequence[Attempt],
    question: Sample,
    *,
    threshold: float,
    every_solver: bool = True,
    writer_answer: str | None = None,
) -> Agreement:
    """What these attempts agree on, by the rule at the top of this file."""
    clusters: list[list[Attempt]] = []
    for attempt in attempts:
        if attempt.answer is None:
            continue
        home = next((one for one in clusters if is_same(attempt.answer, str(one[0].answer), question)), None)
        if home is None:
            clusters.append([attempt])
        else:
            home.append(attempt)
    clusters.sort(key=len, reverse=True)
    solvers = dict.fromkeys(attempt.solver for attempt in attempts)
    front = clusters[0] if clusters else []
    answer = _spell(front)
    by_solver = {name: sum(attempt.solver == name for attempt in front) for name in solvers}
    reason, detail = _weigh(clusters, by_solver, len(attempts), threshold, every_solver)
    known = answer is not None and writer_answer is not None
    return Agreement(
        answer=answer,
        reason=reason,
        detail=detail,
        num_attempts=len(attempts),
        num_agreeing=len(front),
        counts=tuple((str(_spell(cluster)), len(cluster)) for cluster in clusters),
        by_solver=by_solver,
        writer_agrees=is_same(str(writer_answer), str(answer), question) if known else None,
    )


def is_same(first: str, second: str, question: Sample) -> bool:
    """The judge takes each of the two for right where the other is the reference."""
    return first.strip() == second.strip() or (
        _is_right(first, second, question) and _is_right(second, first, question)
    )


def whole_number(text: str) -> int | None:
    """The whole number that a text writes with digits: 20, 1,000, 20.0, 2e1; None for anything else."""
    plain = text.strip().strip("$").replace("{,}", "").replace("\\,", "").replace(",", "").replace("\\!", "")
    if len(plain) > 30:
        return None
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return None
    if not value.is_finite() or abs(value.adjusted()) > 30 or value != value.to_integral_value():
        return None
    return int(value)


def _weigh(
    clusters: Sequence[Sequence[Attempt]],
    by_solver: dict[str, int],
    num_attempts: int,
    threshold: float,
    every_solver: bool,
) -> tuple[str, str]:
    if not clusters:
        return "no attempt answers", f"{num_attempts} attempts"
    share = len(clusters[0]) / num_attempts
    told = f"{len(clusters[0])} of {num_attempts} attempts agree"
    if len(clusters) > 1 and len(clusters[1]) == len(clusters[0]):
        return "no single answer in front", told
    if share < threshold:
        return "below the threshold", told
    absent = [name for name, count in by_solver.items() if count == 0]
    if every_solver and absent:
        return "a solver never succeeds", f"{told}, none of {absent[0]}"
    return "", told


def _spell(cluster: Sequence[Attempt]) -> str | None:
    """The way a cluster's answer is written most often; among equals, the first."""
    spellings = Counter(str(attempt.answer).strip() for attempt in cluster)
    return spellings.most_common(1)[0][0] if spellings else None


def _is_right(answer: str, reference: str, question: Sample) -> bool:
    sample = question.model_copy(update={"answer": reference, "aliases": ()})
    return judge(rf"\boxed{{{answer}}}", sample).outcome == "right"


def _can_be_reference(answer: str, question: Sample) -> bool:
    try:
        check_reference(question.model_copy(update={"answer": answer, "aliases": ()}))
    except SampleError:
        return False
    return True
