"""A sample in, the findings that need neither a model nor an endpoint out.

The single label carries everything in one-shot training, so it is audited before anything is paid. The checks of
`audit_text` read the sample alone; auditing/ adds those that ask a model, a solver, benchmarks and a pool.
`meta` is never read: an audit that knew what is wrong would prove nothing.
"""

from __future__ import annotations

from polymath.errors import SampleError
from polymath.judge import judge
from polymath.judge.chemistry import is_balanced, parse_reaction
from polymath.judge.normal import as_words
from polymath.judge.numbers import parse_number
from polymath.judge.reference import check_reference
from polymath.samples.exactness import check_label, check_solution
from polymath.samples.findings import DECIDES, Finding, is_sound
from polymath.samples.near_misses import near_misses
from polymath.samples.shortcuts import check_guessable, check_shortcut, check_text
from polymath.types import Sample

__all__ = ["DECIDES", "Finding", "audit_text", "is_sound"]


def audit_text(sample: Sample) -> list[Finding]:
    """What the sample's own text shows, in a fixed order. Checks that its answer type does not have are left out.

    Never raises for a bad sample: that it is bad is a finding. The judge's process for mathematics may be started.
    """
    reference = check_own_answer(sample)
    findings = [reference]
    if reference.ok:
        findings.append(check_near_misses(sample))
    if sample.answer_type == "choice":
        findings.append(check_choices(sample))
    if sample.answer_type == "reaction":
        findings.append(check_balance(sample))
    findings += [check_solution(sample), check_label(sample)]
    return [*findings, check_text(sample), check_guessable(sample), check_shortcut(sample)]


def check_own_answer(sample: Sample) -> Finding:
    """Its own answer and its aliases in a box are judged right, strictly and leniently."""
    try:
        check_reference(sample)
    except SampleError as error:
        return Finding(check="reference", ok=False, detail=f"{error.what}; {error.remedy}")
    for answer in (sample.answer, *sample.aliases):
        for mode in ("strict", "lenient"):
            verdict = judge(rf"So the answer is \boxed{{{answer}}}.", sample, mode=mode)
            if verdict.outcome != "right":
                detail = f"{answer!r} is judged {verdict.outcome} in {mode} mode ({verdict.compared_by})"
                return Finding(check="reference", ok=False, detail=detail)
    told = f"{sample.answer!r} in a box is judged right, strictly and leniently"
    others = f", and so are {len(sample.aliases)} aliases" if sample.aliases else ""
    return Finding(check="reference", ok=True, detail=told + others)


def check_near_misses(sample: Sample) -> Finding:
    """Answers that are nearly right are judged wrong, strictly and leniently."""
    misses = near_misses(sample)
    if not misses:
        return Finding(check="near misses", ok=None, detail="none can be made from this answer")
    accepted, undecided = [], []
    for miss in misses:
        outcomes = {judge(rf"\boxed{{{miss.answer}}}", sample, mode=mode).outcome for mode in ("strict", "lenient")}
        if "right" in outcomes:
            accepted.append(f"{miss.answer} ({miss.how})")
        elif "undecided" in outcomes:
            undecided.append(miss.answer)
    if accepted:
        remedy = "narrow its tolerance or its aliases, or take another answer_type"
        return Finding(check="near misses", ok=False, detail=f"judged right: {', '.join(accepted[:5])}; {remedy}")
    if undecided:
        return Finding(check="near misses", ok=None, detail=f"the judge cannot decide {', '.join(undecided[:3])}")
    shown = ", ".join(f"{miss.answer} ({miss.how})" for miss in misses[:4])
    return Finding(check="near misses", ok=True, detail=f"{len(misses)} judged wrong: {shown}")


def check_choices(sample: Sample) -> Finding:
    """The options differ, and no other one is worth the same."""
    options = list(sample.choices or ())
    if len(options) < 2:
        return Finding(check="choices", ok=False, detail=f"{len(options)} options: give two at least")
    words = [as_words(option) for option in options]
    numerals = [parse_number(option) for option in options]
    for place, (word, numeral) in enumerate(zip(words, numerals, strict=True)):
        for other in range(place):
            known = numerals[other]
            same_value = numeral is not None and known is not None and (numeral.value, numeral.unit) == (
                known.value, known.unit
            )  # fmt: skip
            if word == words[other] or same_value:
                letters = f"{chr(65 + other)} and {chr(65 + place)}"
                return Finding(check="choices", ok=False, detail=f"{letters} are the same: {options[place]!r}")
    return Finding(check="choices", ok=True, detail=f"{len(options)} different options, A to {chr(64 + len(options))}")


def check_balance(sample: Sample) -> Finding:
    """The reaction has as many atoms of each kind, and the same charge, on both sides."""
    reaction = parse_reaction(sample.answer)
    if reaction is None:
        return Finding(check="balance", ok=None, detail=f"{sample.answer!r} cannot be read as a reaction")
    is_nuclear = any(species.parts[0].mass for side in (reaction.reactants, reaction.products) for _, species in side)
    balanced = is_balanced(reaction)
    if is_nuclear and not balanced:
        return Finding(check="balance", ok=None, detail="a nuclear reaction, whose atoms change")
    told = "atoms and charge are the same on both sides" if balanced else "atoms or charge differ between the sides"
    return Finding(check="balance", ok=balanced, detail=f"{reaction}: {told}")
