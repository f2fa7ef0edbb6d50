"""What every candidate has to pass: a question, an answer and the rules in, a Check a filter out.

Before the solvers are paid the writer's own answer is checked, afterwards the gold. `near_checks` compares texts by
word shingles (polymath.samples.near), `probe_checks` reads what a model to be trained did with a sample.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from polymath.errors import SampleError
from polymath.judge.reference import check_reference
from polymath.samples.findings import MIN_RIGHT
from polymath.samples.near import find_near, find_near_within
from polymath.synthesis.agreement import whole_number
from polymath.synthesis.instructions import AnswerKind
from polymath.synthesis.plan import FilterSection, ProbeSection
from polymath.types import Sample


@dataclass(frozen=True, kw_only=True)
class Check:
    """One filter and what it said; `detail` says what was found."""

    name: str
    ok: bool
    detail: str = ""


class Seen(Protocol):
    """What a model did with one sample: the counts of polymath.selection.probe.Probed that are read here."""

    @property
    def num_draws(self) -> int:
        """Draws of this sample."""

    @property
    def pass_rate(self) -> float:
        """Share of draws that are right."""

    @property
    def right(self) -> int:
        """Draws that are right, strictly."""

    @property
    def shortcut(self) -> float | None:
        """Share of right draws that are not worked; None where none is right."""


Filter = Callable[[Sample, AnswerKind, FilterSection], str]


def check_length(sample: Sample, kind: AnswerKind, rules: FilterSection) -> str:
    """Empty where the question is neither too short nor too long."""
    count = len(sample.question)
    if rules.min_characters <= count <= rules.max_characters:
        return ""
    return f"{count} characters, wanted {rules.min_characters} to {rules.max_characters}"


def check_answer_type(sample: Sample, kind: AnswerKind, rules: FilterSection) -> str:
    """Empty where the answer can be a reference of its type, and is a whole number where one is wanted."""
    try:
        check_reference(sample)
    except SampleError as error:
        return error.what
    if kind.is_integer and whole_number(sample.answer) is None:
        return f"{sample.answer[:80]!r} is no whole number"
    return ""


def check_range(sample: Sample, kind: AnswerKind, rules: FilterSection) -> str:
    """Empty where a whole number lies in its range."""
    value = whole_number(sample.answer) if kind.is_integer else None
    if value is None or rules.low <= value <= rules.high:
        return ""
    return f"{value}, wanted {rules.low} to {rules.high}"


def check_leak(sample: Sample, kind: AnswerKind, rules: FilterSection) -> str:
    """Empty where the question does not say its answer.

    "stated" looks for the answer in a box, in the blank, or behind "the answer is", and for a solution that stands in
    the question; a given that happens to equal the answer is no leak (the paper's own best sample has one). "anywhere"
    takes every mention of the value for a leak (the check of SvS, arXiv 2508.14029).
    """
    if rules.leak == "off":
        return ""
    if rules.leak == "stated" and (label := _SOLUTION.search(sample.question)):
        return f"a solution stands in it: {label[0].strip()!r}"
    value = re.escape(sample.answer.strip()) + r"(?![^\W_]|[.,]\d)"
    if rules.leak == "anywhere":
        found = re.search(rf"(?<![\w.\-]){value}", sample.question)
    else:
        found = re.search(rf"(?:{_SAID})[\s*$({{]{{0,4}}{value}", sample.question, re.IGNORECASE)
    return f"it says {found[0].strip()!r}" if found else ""


_SOLUTION = re.compile(r"^[ \t#*>]*(?:worked )?(?:solution|answer)[ \t*]*[:：][ \t*]*\S[^\n]{0,40}", re.I | re.M)
_SAID = r"\banswer(?: \w+){0,4}?\s?(?:is|=|:)|\bresult\s?(?:is|=|:)|\bblank\s?(?:is|=|:)|\\boxed\s?\{|__+\s?(?:=|is)?"

FILTERS: dict[str, Filter] = {
    "length": check_length,
    "answer type": check_answer_type,
    "range": check_range,
    "leak": check_leak,
}
# What does not depend on the answer, where the writer gave none.
WITHOUT_ANSWER = ("length",)


def run_filters(sample: Sample, kind: AnswerKind, rules: FilterSection, *, has_answer: bool = True) -> list[Check]:
    """A Check for each filter that applies, in order, up to the first that fails."""
    checks: list[Check] = []
    for name, judge_it in FILTERS.items():
        if not has_answer and name not in WITHOUT_ANSWER:
            continue
        detail = judge_it(sample, kind, rules)
        checks.append(Check(name=name, ok=not detail, detail=detail))
        if detail:
            break
    return checks


def near_checks(samples: Sequence[Sample], rules: FilterSection, labels: Sequence[str]) -> list[Check]:
    """Whether each sample is near to an earlier one of the list; `labels` are their names.

    The earlier one of a pair stays. One that goes takes nobody with it: a later one is compared with those that stay.
    """
    near_to: dict[int, tuple[int, float]] = {}
    for pair in find_near_within([text_of(sample) for sample in samples], rules.near):
        if pair.row not in near_to and pair.other not in near_to:
            near_to[pair.row] = (pair.other, pair.jaccard)
    return [
        Check(name="duplicate", ok=True)
        if place not in near_to
        else Check(
            name="duplicate", ok=False, detail=f"near {labels[near_to[place][0]]} (Jaccard {near_to[place][1]:.2f})"
        )
        for place in range(len(samples))
    ]


def benchmark_checks(
    samples: Sequence[Sample], rules: FilterSection, benchmarks: Mapping[str, Sequence[Sample]]
) -> list[Check]:
    """Whether each sample is near to a problem of a benchmark."""
    named = [(name, place, problem) for name, problems in benchmarks.items() for place, problem in enumerate(problems)]
    found: dict[int, str] = {}
    pairs = find_near([text_of(one) for one in samples], [text_of(problem) for *_, problem in named], rules.near)
    for pair in pairs:
        name, place, _ = named[pair.other]
        found.setdefault(pair.row, f"near {name}[{place}] (Jaccard {pair.jaccard:.2f})")
    return [Check(name="benchmark", ok=row not in found, detail=found.get(row, "")) for row in range(len(samples))]


def probe_checks(seen: Seen, rules: ProbeSection) -> list[Check]:
    """Whether the model to be trained solves a sample often enough, not too often, and by working it out.

    Fewer than MIN_RIGHT right draws say nothing of the way: then the last of these passes.
    """
    rate = seen.pass_rate
    checks = [
        Check(
            name="band",
            ok=rules.min_pass_rate <= rate <= rules.max_pass_rate,
            detail=f"pass rate {rate:.3g}, wanted {rules.min_pass_rate:g} to {rules.max_pass_rate:g}",
        ),
        _check_shortcut(seen, rules.max_shortcut),
    ]
    failed = next((place for place, check in enumerate(checks) if not check.ok), len(checks))
    return checks[: failed + 1]


def _check_shortcut(seen: Seen, limit: float) -> Check:
    if seen.shortcut is None or seen.right < MIN_RIGHT:
        told = f"{seen.right} of {seen.num_draws} draws are right: too few to tell how they were reached"
        return Check(name="shortcut", ok=True, detail=told)
    told = f"{seen.shortcut:.3g} of {seen.right} right draws are not worked, wanted {limit:g} at most"
    return Check(name="shortcut", ok=seen.shortcut <= limit, detail=told)


def text_of(sample: Sample) -> str:
    """What is compared: the question and its options."""
    return "\n".join((sample.question, *(sample.choices or ())))
