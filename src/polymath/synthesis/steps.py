"""What happens to one candidate: a plan, a candidate and perhaps replies in; requests, or the candidate changed, out.

Nothing here asks anybody or writes anything; polymath.synthesizing carries these steps out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from polymath.llm import Reply, Request
from polymath.prompts import render
from polymath.seeds import child_seed
from polymath.synthesis.agreement import agree, read_attempt
from polymath.synthesis.candidates import Candidate, answer_kind, make_sample, required_fields
from polymath.synthesis.filters import run_filters
from polymath.synthesis.instructions import render_instruction
from polymath.synthesis.plan import Plan
from polymath.synthesis.reading import UnreadableReply, read_draft
from polymath.synthesis.replies import Ask
from polymath.types import Sample


def question_of(plan: Plan, one: Candidate) -> Sample:
    """The candidate with the writer's own answer; a question mark where it gave none."""
    assert one.draft is not None
    return make_sample(replace(one, agreement=None), plan, one.draft.answer or "?")


def write_request(plan: Plan, one: Candidate, file_text: str | None) -> Ask:
    """What its writer is asked. `file_text` is the user's own instruction."""
    section = plan.writers[one.writer]
    request = Request(
        text=render_instruction(one.brief, file_text),
        is_chat=section.chat,
        system=section.system,
        temperature=section.temperature,
        top_p=section.top_p,
        top_k=section.top_k,
        max_tokens=section.max_tokens,
        seed=_seed(plan, one.reply) if section.temperature else None,
    )
    return Ask(id=one.reply, name=one.writer, endpoint=section.endpoint(), request=request)


def read_reply(plan: Plan, one: Candidate, reply: Reply, instruction: str) -> Candidate:
    """The candidate with what its writer said, rejected where that is no sample."""
    kind = answer_kind(plan, one.brief)
    try:
        draft = read_draft(reply, requires=required_fields(plan), answer_type=kind.answer_type, instruction=instruction)
    except UnreadableReply as problem:
        return one.reject("read", problem.reason, problem.detail)
    if kind.has_choices and not draft.choices:
        return replace(one, draft=draft).reject("read", "no choices")
    return replace(one, draft=draft)


def filter_alone(plan: Plan, one: Candidate) -> Candidate:
    """The candidate after the filters that look at nothing but itself."""
    assert one.draft is not None
    kind = answer_kind(plan, one.brief)
    checks = run_filters(question_of(plan, one), kind, plan.filters, has_answer=bool(one.draft.answer))
    return one.add_checks("filter", checks)


def solve_requests(plan: Plan, one: Candidate) -> list[Ask]:
    """What all solvers are asked about a candidate, solver by solver, attempt by attempt."""
    question, asks = question_of(plan, one), []
    for name, _, id in _attempts(plan, one):
        section = plan.solvers[name]
        template = section.load_template()
        prompt = render(question, template)
        request = Request(
            text=prompt.text,
            is_chat=prompt.is_chat,
            temperature=section.temperature,
            top_p=section.top_p,
            top_k=section.top_k,
            max_tokens=section.max_tokens,
            stop=template.stop,
            seed=_seed(plan, id) if section.temperature else None,
        )
        asks.append(Ask(id=id, name=name, endpoint=section.endpoint(), request=request))
    return asks


def settle(plan: Plan, one: Candidate, replies: Mapping[str, Reply]) -> Candidate:
    """The candidate with its attempts and what they agree on, and with its gold where that passes the filters.

    Where an attempt is lacking it is left as unfinished.
    """
    assert one.draft is not None
    question, rules, writer_answer = question_of(plan, one), plan.accept, one.draft.answer
    asked = list(_attempts(plan, one))
    attempts = [
        read_attempt(replies[id], question, solver=name, draw=draw, id=id) for name, draw, id in asked if id in replies
    ]
    one = replace(one, attempts=tuple(attempts))
    if len(attempts) < len(asked):
        return replace(one, stopped_at="solve")
    agreement = agree(
        attempts,
        question,
        threshold=rules.agreement,
        every_solver=rules.every_solver,
        writer_answer=writer_answer,
    )
    one = replace(one, agreement=agreement)
    if agreement.reason:
        return one.reject("agree", agreement.reason, agreement.detail)
    if rules.writer_agrees and not agreement.writer_agrees:
        return one.reject("agree", "the writer disagrees", f"writer {writer_answer}, solvers {agreement.answer}")
    gold = make_sample(one, plan, str(agreement.answer))
    checks = run_filters(gold, answer_kind(plan, one.brief), plan.filters)
    return replace(one, gold=gold).add_checks("gold", checks)


def _attempts(plan: Plan, one: Candidate) -> Iterator[tuple[str, int, str]]:
    """Solver, draw and the id of its reply."""
    for name, section in plan.solvers.items():
        for draw in range(section.attempts):
            yield name, draw, f"{one.name}/solve/{name}/{draw}"


def _seed(plan: Plan, id: str) -> int:
    return child_seed(plan.seed, id) >> 32  # 31 bits, which every server takes
