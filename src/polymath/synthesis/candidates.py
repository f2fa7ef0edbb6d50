"""A candidate on its way from a request to a sample, with everything that happened to it.

In: a plan. Out: who is asked for what (`assign`), and a Candidate that each stage hands on changed (`replace`). It is
rejected once, at one stage, for one reason; what it went through before stays with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from polymath.seeds import child_seed
from polymath.synthesis.agreement import Agreement, Attempt, whole_number
from polymath.synthesis.filters import Check
from polymath.synthesis.instructions import ANSWERS, AnswerKind, Brief, list_briefs
from polymath.synthesis.plan import Plan
from polymath.synthesis.reading import FIELDS, Draft, Field
from polymath.types import Sample

# In the order in which a candidate passes them.
STAGES = ("write", "read", "filter", "solve", "agree", "gold", "probe")


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """Where and why a candidate ended."""

    stage: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One candidate. `reply` is the id of the writer's reply in replies.jsonl.

    `rejected` is None while it is in the running; `stopped_at` names the stage that the budget did not pay for.
    """

    place: int
    writer: str
    model: str
    brief: Brief
    reply: str
    draft: Draft | None = None
    checks: tuple[Check, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    agreement: Agreement | None = None
    seen: Mapping[str, Any] | None = None
    gold: Sample | None = None
    rejected: Rejection | None = None
    stopped_at: str | None = None
    is_accepted: bool = False

    @property
    def name(self) -> str:
        """Its name in files and messages."""
        return name_of(self.place)

    @property
    def is_open(self) -> bool:
        """Neither rejected nor left lying."""
        return self.rejected is None and self.stopped_at is None

    @property
    def outcome(self) -> str:
        """accepted, rejected, or unfinished where the budget ended before its fate was known."""
        return "accepted" if self.is_accepted else "rejected" if self.rejected else "unfinished"

    def reject(self, stage: str, reason: str, detail: str = "") -> Candidate:
        """The candidate at its end."""
        return replace(self, rejected=Rejection(stage=stage, reason=reason, detail=detail))

    def add_checks(self, stage: str, checks: list[Check]) -> Candidate:
        """The candidate with these checks, rejected by the first that failed."""
        checked = replace(self, checks=(*self.checks, *checks))
        failed = next((check for check in checks if not check.ok), None)
        return checked if failed is None else checked.reject(stage, failed.name, failed.detail)

    def as_row(self) -> dict[str, Any]:
        """What candidates.jsonl holds of it."""
        return {
            "candidate": self.name,
            "outcome": self.outcome,
            "rejected": asdict(self.rejected) if self.rejected else None,
            "stopped_at": self.stopped_at,
            "writer": {"name": self.writer, "model": self.model, "reply": self.reply},
            "instruction": asdict(self.brief),
            "draft": asdict(self.draft) if self.draft else None,
            "checks": [asdict(check) for check in self.checks],
            "attempts": [asdict(attempt) for attempt in self.attempts],
            "agreement": asdict(self.agreement) if self.agreement else None,
            "probe": dict(self.seen) if self.seen else None,
            "sample_id": self.gold.id if self.gold else None,
            "sample": self.gold.model_dump(mode="json", exclude_defaults=True) if self.gold else None,
        }


def name_of(place: int) -> str:
    """The name of the candidate at this place, from 0."""
    return f"candidate-{place:04d}"


def assign(plan: Plan) -> list[Candidate]:
    """Who is to write which candidate: writers by weight, each going through all briefs in an order of its own.

    More candidates leave the earlier ones as they were.
    """
    asked = plan.instruction
    briefs = list_briefs(
        asked.variants, asked.answers, asked.disciplines, asked.categories, is_file=asked.file is not None
    )
    orders = {name: _shuffled(len(briefs), plan.seed, name) for name in plan.writers}
    total = sum(section.weight for section in plan.writers.values())
    given: Counter[str] = Counter()
    candidates = []
    for place in range(plan.candidates):
        # The writer who is furthest behind its share.
        writer = max(plan.writers, key=lambda name: plan.writers[name].weight / total * (place + 1) - given[name])
        brief = briefs[orders[writer][given[writer] % len(briefs)]]
        given[writer] += 1
        candidates.append(
            Candidate(
                place=place,
                writer=writer,
                model=plan.writers[writer].model,
                brief=brief,
                reply=f"{name_of(place)}/write",
            )
        )
    return candidates


def _shuffled(num: int, seed: int, name: str) -> list[int]:
    return sorted(range(num), key=lambda place: child_seed(seed, "brief", name, place))


def answer_kind(plan: Plan, brief: Brief) -> AnswerKind:
    """The kind of answer that a candidate was asked for."""
    if brief.answer != "file":
        return ANSWERS[brief.answer]
    asked = plan.instruction
    is_integer = asked.integer and asked.answer_type == "number"
    return AnswerKind(answer_type=asked.answer_type, demand="", form="", is_integer=is_integer)


def required_fields(plan: Plan) -> tuple[Field, ...]:
    """What a reply must hold: what our own instructions ask for; of a user's own, nobody knows more than a question."""
    if plan.instruction.requires is not None:
        return tuple(name for name in FIELDS if name in plan.instruction.requires)
    return ("question",) if plan.instruction.file is not None else FIELDS


def make_sample(candidate: Candidate, plan: Plan, answer: str) -> Sample:
    """The candidate as a sample with this answer; a whole number is written with digits alone.

    The writer's solution goes with it only where it leads to this answer.
    """
    assert candidate.draft is not None
    draft, kind, agreement = candidate.draft, answer_kind(plan, candidate.brief), candidate.agreement
    value = whole_number(answer) if kind.is_integer else None
    meta: dict[str, Any] = {"candidate": candidate.name, "synthesis": plan.name, "writer": candidate.writer}
    if agreement is not None:
        meta["agreement"] = f"{agreement.num_agreeing} of {agreement.num_attempts}"
        meta["writer_agrees"] = agreement.writer_agrees
    return Sample(
        question=draft.question,
        answer=answer if value is None else str(value),
        answer_type=kind.answer_type,
        choices=draft.choices if kind.has_choices else None,
        disciplines=candidate.brief.disciplines,
        subject=candidate.brief.category,
        solution=draft.solution if agreement is None or agreement.writer_agrees else None,
        source=f"written by {candidate.model}",
        meta=meta,
    )
