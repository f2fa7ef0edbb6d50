"""Counted draws of the model to be trained in, findings in plain words out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polymath.auditing.learnable import learnable_interval
from polymath.evaluation.statistics import wilson_interval
from polymath.prompts import Template, render
from polymath.reporting.wording import percent
from polymath.samples.findings import MAX_SHORTCUT, MIN_RIGHT, Finding
from polymath.samples.shortcuts import MAX_CHANCE
from polymath.selection.probe import Probed
from polymath.types import Sample

# Fewer boxes than this, and strict extraction misses most answers.
MIN_BOXED = 0.5
# A step without one group that teaches has no gradient.
MIN_LEARNABLE_GROUPS = 1
# The blank prompt hits an open label so often by itself.
MAX_BLANK = 0.1
MIN_BLANK = 8

Rows = Sequence[Mapping[str, Any]]


def find_pass_rate(probed: Probed, group_size: int, num_groups: int) -> Finding:
    """Can the model ever solve it, can it fail, and how many groups of a step will teach?

    The bar is one group a step. It is refused where even the most favourable pass rate of the interval stays below it,
    and passed where the measured one reaches it; between them only more draws can tell. Undecided draws do not count.
    """
    decided = probed.num_draws - probed.undecided
    aside = f" ({probed.undecided} undecided are left out: the judge failed)" if probed.undecided else ""
    if not decided:
        told = f"none of {probed.num_draws} draws could be decided: the judge failed, so nothing is known"
        return Finding(check="pass rate", ok=None, detail=told)
    rate = wilson_interval(probed.right / decided, decided)
    learnable = learnable_interval(rate, group_size)
    mean, low, high = (num_groups * share for share in (learnable.mean, learnable.low, learnable.high))
    told = (
        f"{probed.right} of {decided} draws are right{aside}, {_span(rate)}; in a step of {num_groups} groups of "
        f"{group_size}, {mean:.1f} can be expected to teach ({low:.1f} to {high:.1f})"
    )
    if mean >= MIN_LEARNABLE_GROUPS:
        return Finding(check="pass rate", ok=True, detail=told)
    why = _why_never(probed) if rate.mean < 0.5 else "it is solved nearly always; make it harder, or a smaller model"
    if high < MIN_LEARNABLE_GROUPS:
        return Finding(check="pass rate", ok=False, detail=f"{told}, less than one even at best: {why}")
    return Finding(check="pass rate", ok=None, detail=f"{told}, so {decided} draws are too few to tell: {why}")


def find_ways(probed: Probed) -> Finding:
    """How are right answers reached? Those that are not worked took a shortcut that a reward cannot see."""
    if probed.shortcut is None:
        return Finding(check="ways", ok=None, detail="no draw is right, so no way leads there")
    rates = [f"{way}: {told}" for way in ("worked", "direct", "code") if (told := _rate(probed, way))]
    counted = f"{percent(probed.shortcut)} of {probed.right} right answers are not worked ({'; '.join(rates)})"
    if probed.right < MIN_RIGHT:
        return Finding(check="ways", ok=None, detail=f"{counted}: too few to tell")
    is_shortcut = probed.shortcut > MAX_SHORTCUT
    remedy = ": the reward would teach to answer without working; choose a sample that must be worked out"
    return Finding(check="ways", ok=not is_shortcut, detail=counted + (remedy if is_shortcut else ""))


def find_majority(probed: Probed) -> Finding:
    """Does the model say another answer more often than the label? It may be wrong, or the label may."""
    said = {answer: count for answer, count in probed.wrong.items() if answer}
    if not said:
        return Finding(check="majority", ok=None if not probed.right else True, detail="no draw gives a wrong answer")
    answer, count = max(said.items(), key=lambda item: item[1])
    told = (
        f"the commonest wrong answer is {answer[:60]!r}, {percent(count / probed.num_draws)} of the draws; "
        f"the label {percent(probed.pass_rate)}; {len(said)} different wrong answers"
    )
    is_suspect = count > probed.right and count >= probed.num_draws / 2
    return Finding(check="majority", ok=not is_suspect, detail=told + (": check the label" if is_suspect else ""))


def find_blank(rows: Rows, probed: Probed, num_options: int = 0) -> Finding:
    """How often does the prompt without its question give the label? Options may be guessed as often as chance has it.

    Where the question adds nothing, its right answers are guesses, however rare they are.
    """
    outcomes = [row["lenient"]["outcome"] for row in rows]
    right, decided = outcomes.count("right"), len(outcomes) - outcomes.count("undecided")
    if decided < MIN_BLANK:
        told = f"without the question, {right} of {decided} decided draws say the label: too few to tell"
        return Finding(check="blank prompt", ok=None, detail=told)
    rate = wilson_interval(right / decided, decided)
    told = f"without the question, {right} of {decided} draws say the label, {_span(rate)}"
    if rate.mean > max(MAX_BLANK, MAX_CHANCE if num_options else 0):
        return Finding(check="blank prompt", ok=False, detail=f"{told}: it can be guessed")
    if rate.mean >= MAX_BLANK and probed.pass_rate <= rate.mean:
        told += f", as often as with it ({percent(probed.pass_rate)}): right answers are guesses"
        return Finding(check="blank prompt", ok=False, detail=told)
    return Finding(check="blank prompt", ok=True, detail=told)


def find_fit(num_prompt_tokens: int, max_tokens: int, context: int) -> Finding:
    """Do prompt and answer fit the model's context?"""
    total = num_prompt_tokens + max_tokens
    told = f"{num_prompt_tokens} tokens of prompt and {max_tokens} for the answer, in a context of {context:,}"
    remedy = "" if total <= context else ": lower --max-tokens, shorten the question, or take a longer context"
    return Finding(check="fits", ok=total <= context, detail=told + remedy)


def find_box(sample: Sample, template: Template, probed: Probed | None) -> Finding:
    """Is the model told to box its answer, or does it do so by itself? Strict extraction reads boxes only."""
    asks = "\\boxed" in render(sample, template).text
    boxed = probed.ways.get("boxed", 0) / probed.num_draws if probed else None
    told = "the prompt asks for a box" if asks else "the prompt does not ask for a box"
    if boxed is None:
        return Finding(check="box", ok=True if asks else None, detail=told)
    return Finding(check="box", ok=boxed >= MIN_BOXED, detail=f"{told}; {percent(boxed)} of the draws have one")


def _why_never(probed: Probed) -> str:
    if probed.lenient_right:
        return f"{probed.lenient_right} are right but not boxed; choose a --template that this model follows"
    if probed.truncated_frac >= 0.5:
        return f"{percent(probed.truncated_frac)} were cut off; give more --max-tokens"
    return "the reward hardly ever comes; make it easier, or draw more to find out how rare it is"


def _rate(probed: Probed, way: str) -> str:
    shown = probed.ways.get(way, 0)
    return f"{probed.right_ways.get(way, 0)} of {shown} are right" if shown else ""


def _span(interval: Any) -> str:
    return f"{percent(interval.mean)} [{percent(interval.low)}, {percent(interval.high)}]"
