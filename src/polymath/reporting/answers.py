"""Two evaluations in; sections of the page on how the answers behave, and on answering more than once, out.

What a behaviour is and how a marker word is matched stands in polymath.evaluation.behaviours. Intervals cover the
choice of problems only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polymath.evaluation.behaviours import (
    ECHO_WORDS,
    ONE_SHOT_WORDS,
    POLYMATH_WORDS,
    WORDS,
    BehaviourDifference,
    compare_behaviours,
)
from polymath.evaluation.draws import Crossover, crossover, pair_problems
from polymath.evaluation.evaluate import headline
from polymath.evaluation.summary import drawn_more_than_once
from polymath.reporting import recorded
from polymath.reporting.cells import Table
from polymath.reporting.compare import Row
from polymath.reporting.read import ReportData
from polymath.reporting.recorded import Hashes, PassAtKRecord, PassModel
from polymath.reporting.sections import Section
from polymath.reporting.study_figures import StudyFigure
from polymath.reporting.study_figures.pass_at_k import draw_pass_at_k
from polymath.reporting.wording import NOTHING, direction, percent, points

# What compare_behaviours measures besides single words, in words.
TRAITS = {
    "one_shot_words": f"any of {', '.join(ONE_SHOT_WORDS)}",
    "python": "a Python block",
    "code": "a code block in any language",
    "mixed": "two scripts mixed",
    "looped": "an end that loops",
    "repeated": "repeated 20-grams, thousandths",
    "mean_tokens": "tokens a response",
}
MATCHING = (
    "A marker word counts where it stands as a word of its own in exactly the listed spelling, in any case of letters, "
    f"outside passages of {ECHO_WORDS} words that repeat the question; neither paper says how it matched."
)
NO_PROOF = "A count of words is no proof of checking: a model can say “wait” and check nothing."


def behaviours_section(data: ReportData) -> Section | None:
    """Marker words, code, mixed scripts, loops, repetition and length, before and after."""
    if data.before is None or data.after is None:
        return None
    before, after = headline(data.before.rows), headline(data.after.rows)
    found = compare_behaviours(before, after)
    if not found:
        return None
    return Section(
        name="behaviours",
        title="Behaviours, counted",
        told=(_tell_behaviours(found), f"{MATCHING} {NO_PROOF}"),
        tables=(_behaviours_table(found), _lengths_table(before, after)),
    )


def draws_section(data: ReportData) -> Section | None:
    """pass@k and maj@k of base and trained; None where every problem was answered once, or an old run has no curves."""
    if data.before is None or data.after is None or not (data.before.curves and data.after.curves):
        return None
    before, after = (drawn_more_than_once(headline(one.rows)) for one in (data.before, data.after))
    pairs = pair_problems(before, after)
    if not pairs:
        return None
    found = crossover([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    curves = {
        name: _by_k(data.before.curves[key], data.after.curves[key])
        for name, key in (("pass@k", "pass_at_k"), ("maj@k", "maj_at_k"))
    }
    benchmarks = ", ".join(dict.fromkeys(pair[0].benchmark for pair in pairs))
    told = (
        f"{len(pairs):,} problems of {benchmarks} were answered {found.max_k} times or more by each model.",
        _tell_crossover(found),
    )
    figures = tuple(_curve_figure(name, points, found, len(pairs)) for name, points in curves.items())
    return Section(
        name="draws", title="Answering more than once", told=told, figures=figures, tables=(_curves_table(curves),)
    )


def _name_of(trait: str) -> str:
    return TRAITS.get(trait, f"“{trait}”")


def _tell_behaviours(found: Sequence[BehaviourDifference]) -> str:
    changed = {
        kind: [_name_of(row.name) for row in found if direction(row.difference) == kind] for kind in ("gain", "loss")
    }
    words = {"gain": "more", "loss": "less"}
    told = [f"{words[kind]}: {', '.join(names)}" for kind, names in changed.items() if names]
    counted = f"Over {found[0].num_problems:,} problems, after training against before"
    if not told:
        return f"{counted}: no interval excludes zero."
    return f"{counted}, where the interval excludes zero (not corrected for {len(found)} rows): {'; '.join(told)}."


def _behaviours_table(found: Sequence[BehaviourDifference]) -> Table:
    seen = [row for row in found if row.before or row.after]
    unseen = [_name_of(row.name) for row in found if not (row.before or row.after)]
    note = (
        "Responses in 1,000 that show it, where the row names no other unit. 95% intervals, over the choice of "
        "problems only."
    )
    return Table(
        title="Behaviours before and after",
        heads=("behaviour", "listed by", "before", "after", "difference", "95% interval"),
        rows=tuple(
            (
                _name_of(row.name),
                _listed_by(row.name),
                f"{row.before:.1f}",
                f"{row.after:.1f}",
                _signed(row.difference.mean),
                f"{_signed(row.difference.low)} to {_signed(row.difference.high)}",
            )
            for row in seen
        ),
        num_words=2,
        note=note + (f" Never seen: {', '.join(unseen)}." if unseen else ""),
        is_detail=True,
    )


def _listed_by(name: str) -> str:
    if name not in WORDS and name not in ("one_shot_words", "python"):
        return ""
    papers = {
        "arXiv 2601.03111": name in POLYMATH_WORDS or name == "python",
        "arXiv 2504.20571": name in ONE_SHOT_WORDS or name == "one_shot_words",
    }
    return ", ".join(paper for paper, is_listed in papers.items() if is_listed)


def _lengths_table(before: Sequence[Row], after: Sequence[Row]) -> Table:
    rows = [
        (outcome, *(_length([row for row in side if row["strict"]["outcome"] == outcome]) for side in (before, after)))
        for outcome in ("right", "wrong", "undecided")
    ]
    return Table(
        title="Length by verdict",
        heads=("strict verdict", "before", "after"),
        rows=tuple(row for row in rows if set(row[1:]) != {NOTHING}),
        note="Mean tokens a response, with the number of responses. Other responses are right before than after, so "
        "that a change here need not be one of the same problem.",
        is_detail=True,
    )


def _length(rows: Sequence[Row]) -> str:
    return f"{sum(row['num_tokens'] for row in rows) / len(rows):.1f} (n = {len(rows):,})" if rows else NOTHING


def _signed(value: float) -> str:
    return points(value / 100)


def _tell_crossover(found: Crossover) -> str:
    if found.base == found.trained:
        return "pass@k of base and trained model is the same at every k: nothing can be told from it."
    chance = percent(found.certainty[(found.k or found.max_k) - 1])
    sampled = f"in {chance} of resamples of the problems it lies at or below {found.k or found.max_k}"
    match found.k:
        case None:
            return (
                f"Up to k = {found.max_k} the trained model’s pass@k stays above the base model’s: asking the base "
                f"more often does not reach it. How sure: a crossover is met in {chance} of resamples of the problems."
            )
        case 1:
            return f"The base model is at least as good from the first answer on (k = 1); {sampled}."
        case k:
            return (
                f"The base model’s pass@k reaches the trained model’s at k = {k}: with {k} answers a problem the base "
                f"finds a right one as often; {sampled}."
            )


def _by_k(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> dict[int, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """k to the points of both curves, at every k that both have."""
    second = {int(point["k"]): point for point in after}
    return {int(point["k"]): (point, second[int(point["k"])]) for point in before if int(point["k"]) in second}


Curves = Mapping[int, tuple[Mapping[str, Any], Mapping[str, Any]]]


def _curve_figure(name: str, curve: Curves, found: Crossover, num_problems: int) -> StudyFigure:
    """Drawn as a recorded experiment's pass@k is, so that both look alike; where it comes from stands on the page."""
    is_pass = name == "pass@k"
    ks = tuple(curve)
    models = [
        PassModel(
            name=model,
            pass_at_k=tuple(curve[k][side]["mean"] for k in ks),
            low=tuple(curve[k][side]["low"] for k in ks),
            high=tuple(curve[k][side]["high"] for k in ks),
        )
        for side, model in enumerate(("base", "trained"))
    ]
    record = PassAtKRecord(
        experiment="pass-at-k", title=name, commands=(), date="", machine="", versions="", suite="", protocol="",
        hashes=Hashes(recipe="", code="", weights=""), num_problems=num_problems, num_draws=found.max_k, k=ks,
        models=tuple(models), crossovers=(recorded.Crossover(model="trained", k=found.k),) if is_pass else (),
    )  # fmt: skip
    ends = "; ".join(
        f"{model.name}: {percent(model.pass_at_k[0])} at k = {ks[0]}, {percent(model.pass_at_k[-1])} at k = {ks[-1]}"
        for model in models
    )
    meaning = "at least one of k answers is right" if is_pass else "a plurality vote of k answers is right"
    return StudyFigure(
        name=name.replace("@", "-at-"),
        draw=lambda width: draw_pass_at_k(record, width),
        alt=f"{name}, the chance that {meaning}, against k. {ends}.",
        caption=f"{name}: the chance that {meaning}; mean over disciplines.",
    )


def _curves_table(curves: Mapping[str, Curves]) -> Table:
    rows = []
    for k in next(iter(curves.values())):
        cells = [_point(point) for curve in curves.values() for point in curve[k]]
        rows.append((str(k), *cells))
    return Table(
        title="The curves as a table",
        heads=("k", *(f"{name}, {model}" for name in curves for model in ("base", "trained"))),
        rows=tuple(rows),
        note="In brackets 95% intervals, over the choice of problems only. The mean over n answers, avg@n, is pass@1.",
        is_detail=True,
    )


def _point(point: Mapping[str, Any]) -> str:
    return f"{percent(point['mean'])} ({percent(point['low'])} to {percent(point['high'])})"
