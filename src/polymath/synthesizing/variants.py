"""`polymath variants`: a sample in; other forms of it out, each checked, with the way back where it has one.

FILE                    the sound variants, one sample a line; meta says of which sample, by which operation
FILE.rejected.jsonl     the others, with the checks that they failed
FILE.replies.jsonl      what models said; the same command again pays for nothing twice
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from polymath.errors import EndpointError, RecipeError, RunFolderError, SampleError, Stopped
from polymath.judge import judge
from polymath.judge.reference import check_reference
from polymath.llm import Endpoint, Reply, Request
from polymath.prompts import TEMPLATES, render
from polymath.runs import write_lines
from polymath.seeds import child_seed
from polymath.synthesis.asking import Asker, Budget
from polymath.synthesis.filters import Check
from polymath.synthesis.replies import Ask, Replies
from polymath.synthesis.variant_checks import check_form
from polymath.synthesis.variant_parts import AnswerMap, CannotVary
from polymath.synthesis.variant_requests import (
    INSTRUCTIONS,
    KEPT_BAND,
    as_variant,
    is_in_band,
    read_problem,
    request_text,
)
from polymath.synthesis.variants import OPERATIONS, Variant, read_operations, vary
from polymath.types import Sample

# By code and by a model, in the order in which --help names them.
KNOWN = (*OPERATIONS, *INSTRUCTIONS)


@dataclass(frozen=True, kw_only=True)
class VariantSettings:
    """What is made. `count` variants of each operation, with a seed each; `attempts` tries of the solver a variant.

    A variant is rejected where the solver is right in less than `min_right` of its tries.
    """

    operations: tuple[str, ...] = tuple(OPERATIONS)
    count: int = 1
    seed: int = 0
    names: Mapping[str, str] | None = None
    endpoint: Endpoint | None = None
    temperature: float = 0.7
    max_tokens: int = 1024
    attempts: int = 0
    min_right: float = 0.5
    budget: Budget | None = None


def make_variants(name: str, out: Path, settings: VariantSettings) -> dict[str, Any]:
    """Write the variants of the one sample of this name or file; a summary comes back.

    Raises SampleError where no operation applies, Stopped at Ctrl-C with the replies kept.
    """
    sample = find_one(name)
    chains = read_operations(settings.operations, KNOWN)
    by_model = [chain for chain in chains if chain[0] in INSTRUCTIONS]
    if by_model and settings.endpoint is None:
        raise RecipeError("--ops", f"{by_model[0][0]} is written by a model", "name an endpoint with --url")
    if settings.attempts and settings.endpoint is None:
        raise RecipeError("--attempts", "nobody solves", "name an endpoint with --url")
    made, skipped = _by_code(sample, [chain for chain in chains if chain not in by_model], settings)
    usage = None
    if settings.endpoint is not None:
        with Replies(out.with_name(f"{out.name}.replies.jsonl")) as replies:
            try:
                written, unwritten = _by_model(sample, [chain[0] for chain in by_model], replies, settings)
                made = _distinct([*made, *written])
                skipped |= unwritten
                made = _solve(made, replies, settings) if settings.attempts else made
            except EndpointError as error:
                remedy = f"{error.remedy}; replies are kept: give the same command again"
                raise EndpointError(error.where, error.what, remedy) from error
            except KeyboardInterrupt:
                raise Stopped(f"stopped; {len(replies)} replies are kept: give the same command again") from None
            usage = asdict(replies.usage)
    return _write(out, sample, made, skipped, usage)


def find_one(name: str) -> Sample:
    """The one sample of this name or file, whose own answer is judged right; raises SampleError."""
    from polymath.samples.sources import find_sample

    samples = find_sample(name)
    if len(samples) != 1:
        raise SampleError(name, f"holds {len(samples)} samples", "give a file with the one sample to vary")
    check_reference(samples[0], where=name)
    return samples[0]


def _by_code(
    sample: Sample, chains: Sequence[tuple[str, ...]], settings: VariantSettings
) -> tuple[list[Variant], dict[str, str]]:
    made: list[Variant] = []
    skipped: dict[str, str] = {}
    for chain in chains:
        for number in range(settings.count):
            try:
                made.append(vary(sample, chain, seed=settings.seed + number, names=settings.names))
            except CannotVary as reason:
                skipped["+".join(chain)] = str(reason)
    distinct = _distinct(made)
    return distinct, {name: why for name, why in skipped.items() if name not in map(_name, distinct)}


def _distinct(made: Sequence[Variant]) -> list[Variant]:
    """Without variants that say the same as an earlier one; different seeds may do the same."""
    return list({variant.sample.id: variant for variant in reversed(made)}.values())[::-1]


def _by_model(
    sample: Sample, operations: Sequence[str], replies: Replies, settings: VariantSettings
) -> tuple[list[Variant], dict[str, str]]:
    asks: dict[str, tuple[str, Ask]] = {}
    skipped: dict[str, str] = {}
    for operation in operations:
        try:
            text = request_text(sample, operation)
        except CannotVary as reason:
            skipped[operation] = str(reason)
            continue
        for number in range(settings.count):
            ask = _ask(f"variant/{sample.id[:24]}/{operation}/{number}", text, settings, number)
            asks[ask.id] = (operation, ask)
    answers = _asker(replies, settings).ask([ask for _, ask in asks.values()])
    made = []
    for id, (operation, _) in asks.items():
        try:
            made.append(_read(sample, operation, answers.get(id)))
        except CannotVary as reason:
            skipped[operation] = str(reason)
    return made, {name: why for name, why in skipped.items() if name not in map(_name, made)}


def _read(sample: Sample, operation: str, reply: Reply | None) -> Variant:
    if reply is None:
        raise CannotVary("the budget did not allow it")
    if reply.finish == "length":
        raise CannotVary("the reply ran out of tokens")
    variant = as_variant(sample, read_problem(reply.text), operation)
    checks = tuple(check_form(sample, variant, [operation]))
    return Variant(operations=(operation,), sample=variant, answer_maps=(AnswerMap(),), checks=checks)


def _solve(made: Sequence[Variant], replies: Replies, settings: VariantSettings) -> list[Variant]:
    """Each variant with one check more: how often the solver is right."""
    asks = {
        (place, attempt): _ask(
            f"solve/{variant.sample.id[:24]}/{attempt}",
            render(variant.sample, TEMPLATES["exam-chat"]).text,
            settings,
            attempt,
        )
        for place, variant in enumerate(made)
        for attempt in range(settings.attempts)
        if variant.is_sound
    }
    answers = _asker(replies, settings).ask(list(asks.values()))
    solved = []
    for place, variant in enumerate(made):
        said = [answers[ask.id] for (of, _), ask in asks.items() if of == place and ask.id in answers]
        verdicts = [
            judge(one.text, variant.sample, mode="lenient", is_truncated=one.finish == "length") for one in said
        ]
        check = _check_solved(variant, [verdict.outcome for verdict in verdicts], settings)
        solved.append(Variant(**{**vars(variant), "checks": (*variant.checks, check)}) if check else variant)
    return solved


def _check_solved(variant: Variant, outcomes: Sequence[str], settings: VariantSettings) -> Check | None:
    if not variant.is_sound:
        return None
    if not outcomes:
        return Check(name="solved", ok=False, detail="the budget did not allow a try")
    rate = outcomes.count("right") / len(outcomes)
    told = f"right in {outcomes.count('right')} of {len(outcomes)} tries"
    if variant.operations == ("svs",):
        return Check(name="solved", ok=is_in_band(rate), detail=f"{told}, wanted {KEPT_BAND[0]} to {KEPT_BAND[1]}")
    return Check(name="solved", ok=rate >= settings.min_right, detail=f"{told}, wanted {settings.min_right:g}")


def _ask(id: str, text: str, settings: VariantSettings, number: int) -> Ask:
    assert settings.endpoint is not None
    request = Request(
        text=text,
        temperature=settings.temperature,
        max_tokens=settings.max_tokens,
        seed=child_seed(settings.seed, id, number) >> 32 if settings.temperature else None,
    )
    return Ask(id=id, name="variants", endpoint=settings.endpoint, request=request)


def _asker(replies: Replies, settings: VariantSettings) -> Asker:
    return Asker(replies, settings.budget or Budget(), on_trouble=lambda text: print(text, file=sys.stderr))


def _write(
    out: Path,
    sample: Sample,
    made: Sequence[Variant],
    skipped: Mapping[str, str],
    usage: Mapping[str, Any] | None,
) -> dict[str, Any]:
    sound = [variant for variant in made if variant.is_sound]
    rejected = [variant for variant in made if not variant.is_sound]
    if not made:
        reasons = "; ".join(f"{name}: {why}" for name, why in skipped.items()) or "no operation was given"
        raise SampleError(f"sample {sample.question[:40]!r}", f"has no variant ({reasons})", "give other --ops")
    if out.is_dir():
        raise RunFolderError(out, "is a folder", "name a file with --out")
    write_lines(out, [_row(variant) for variant in sound])
    if rejected:
        write_lines(
            out.with_name(f"{out.name}.rejected.jsonl"),
            [{"sample": _row(variant), "checks": [asdict(check) for check in variant.checks]} for variant in rejected],
        )
    return {
        "variant_of": sample.id,
        "file": str(out),
        "variants": [_tell(variant) for variant in sound],
        "rejected": [_tell(variant) for variant in rejected],
        "skipped": dict(skipped),
        **({"usage": dict(usage)} if usage is not None else {}),
    }


def _row(variant: Variant) -> dict[str, Any]:
    return variant.sample.model_dump(mode="json", exclude_defaults=True)


def _tell(variant: Variant) -> dict[str, Any]:
    return {
        "operation": _name(variant),
        "id": variant.sample.id,
        "answer": variant.sample.answer,
        "answer_map": [answer_map.row for answer_map in variant.answer_maps],
        "checks": [asdict(check) for check in variant.checks],
    }


def _name(variant: Variant) -> str:
    return "+".join(variant.operations)
