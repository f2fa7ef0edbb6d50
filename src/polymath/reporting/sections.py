"""Two evaluations of the same problems in; sections of the page on subjects, on format and on training subjects, out.

A section is sentences, figures and tables, and is None where it does not apply. Subjects are those of the rows; a row
without one counts under its discipline, as in the summaries. All intervals and p-values are of one run each: they
cover the choice of problems only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from polymath.evaluation.curves import GainMatrix, TrainedRun, gain_matrix
from polymath.evaluation.evaluate import headline
from polymath.evaluation.multiplicity import SubjectDifference, compare_subjects
from polymath.evaluation.statistics import Interval
from polymath.reporting.cells import Table
from polymath.reporting.compare import Row, compare
from polymath.reporting.read import Arm, ReportData
from polymath.reporting.study_figures import StudyFigure
from polymath.reporting.wording import NOTHING, p_value, percent, percent_or_nothing, points, span
from polymath.types import Sample

Grouping = Literal["subject", "discipline"]
# A claim on a subject is made at this level after Holm's correction.
LEVEL = 0.05
# A table of more rows is folded away.
MOST_ROWS = 8
# More names are counted only; all of a paper's subjects still fit.
MOST_NAMES = 25
RATES = {
    "boxed": "boxed_frac",
    "cut off": "truncated_frac",
    "too long for the context": "overlong_frac",
    "no letter": "no_letter_frac",
    "undecided": "undecided_frac",
}


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page: what it tells in sentences, then its figures, then its tables."""

    name: str
    title: str
    told: tuple[str, ...]
    figures: tuple[StudyFigure, ...] = ()
    tables: tuple[Table, ...] = ()


def subjects_section(data: ReportData) -> Section | None:
    """After minus before by subject, or by discipline where subjects say nothing else; None for a single group."""
    if data.before is None or data.after is None:
        return None
    before, after = with_subjects(data.before.rows), with_subjects(data.after.rows)
    label = grouping(before)
    found = compare_subjects(before, after, label=label) if label else []
    if label is None or not found:
        return None
    moved = f"Of {len(found)} {label}s {tell_moved({row.label: row for row in found})}"
    return Section(
        name="subjects",
        title=f"By {label}, corrected for looking at all of them",
        told=(moved, _tell_test(before, label)),
        tables=(_subjects_table(found, label),),
    )


def form_section(data: ReportData) -> Section | None:
    """Strict and lenient gain by benchmark or discipline, and what went wrong on the way to an answer."""
    if data.before is None or data.after is None:
        return None
    tables = [_form_table(headline(data.before.rows), headline(data.after.rows))]
    tables.append(_rates_table(data.before.benchmarks, data.after.benchmarks))
    shown = tuple(table for table in tables if table is not None)
    if not shown:
        return None
    told = (
        "Strict reads an answer only in the asked-for format, lenient forgives the format. What strict gained beyond "
        "lenient is format: the same answers, written so that they can be read."
    )
    return Section(name="form", title="Format against reasoning", told=(told,), tables=shown)


def matrix_section(data: ReportData) -> Section | None:
    """Train subject by test subject, over this run and the arms that trained on other samples of other subjects."""
    if data.before is None or data.after is None:
        return None
    before = with_subjects(data.before.rows)
    label = grouping(before)
    if label is None:
        return None
    own, after = train_subject(data.samples, label), with_subjects(data.after.rows)
    runs = [TrainedRun(name="this run", train_subject=own, before=before, after=after)]
    for arm in data.arms:
        if _trained_on_another(data, arm) and arm.after is not None:
            subject, rows = train_subject(arm.samples, label), with_subjects(arm.after.rows)
            runs.append(TrainedRun(name=f"arm {arm.name}", train_subject=subject, before=before, after=rows))
    if len({run.train_subject for run in runs}) < 2:
        return None
    found = gain_matrix(runs, label=label)
    named = {f"{subject} ({run})": cell for (run, subject), cell in found.cells.items()}
    moved = (
        f"{len(runs)} runs from the same base model, each trained on another sample, tested on the same problems. "
        f"Of {len(named)} cells {tell_moved(named)}"
    )
    limits = "Each is one training run with one seed; another sample of the same subject can do otherwise."
    title = f"Train {label} against test {label}"
    return Section(name="matrix", title=title, told=(moved, limits), tables=(_matrix_table(found),))


def with_subjects(rows: Iterable[Row]) -> list[Row]:
    """The headline rows; those without a subject get their discipline for one, as in the summaries."""
    return [{**row, "subject": row.get("subject") or row["discipline"]} for row in headline(list(rows))]


def grouping(rows: Sequence[Row]) -> Grouping | None:
    """Subjects where there are at least two and they divide the problems in another way than the disciplines do."""
    pairs = {(row["discipline"], row["subject"]) for row in rows}
    disciplines, subjects = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    if len(subjects) > 1 and not len(pairs) == len(disciplines) == len(subjects):
        return "subject"
    return "discipline" if len(disciplines) > 1 else None


def train_subject(samples: Sequence[Sample], label: Grouping) -> str:
    """The subject (discipline) of the training samples, each once."""
    named = (sample.discipline if label == "discipline" else sample.subject or sample.discipline for sample in samples)
    return " + ".join(dict.fromkeys(named)) or "unknown"


def tell_moved(rows: Mapping[str, SubjectDifference]) -> str:
    """How many rows moved after correction, with their names."""
    gains, losses = (
        [name for name, row in rows.items() if row.holm_p_value <= LEVEL and sign * row.difference.mean > 0]
        for sign in (1, -1)
    )
    if not gains and not losses:
        return f"none moved by more than chance can explain (Holm-corrected p ≤ {LEVEL})."
    told = [f"{kind} in {_listed(names)}" for kind, names in (("gains", gains), ("losses", losses)) if names]
    rest = len(rows) - len(gains) - len(losses)
    others = f" For the other {'one' if rest == 1 else rest} these problems cannot tell." if rest else ""
    moved = f"{len(rows) - rest} moved by more than chance can explain (Holm-corrected p ≤ {LEVEL})"
    return f"{moved}: {'; '.join(told)}.{others}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} of them, see the table"


def gain_cell(interval: Interval) -> str:
    """A difference in points with its interval."""
    return f"{points(interval.mean)} ({span(interval)})"


def _tell_test(rows: Sequence[Row], label: Grouping) -> str:
    """Which test stands behind the p-values: it depends on the draws a problem."""
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        counts[row["benchmark"], row["id"]] = counts.get((row["benchmark"], row["id"]), 0) + 1
    names = {str(row[label]) for row in rows}
    drawn = {str(row[label]) for row in rows if counts[row["benchmark"], row["id"]] > 1}
    if not drawn:
        test = "McNemar’s exact test on the strict verdicts"
    elif drawn == names:
        test = "a paired sign-flip test on the mean strict score of every problem, which is answered several times"
    else:
        test = (
            "McNemar’s exact test on the strict verdicts; a paired sign-flip test on mean scores in "
            f"{', '.join(sorted(drawn))}, answered several times"
        )
    return (
        f"The test is {test}. Holm’s correction keeps the chance of any false claim in the table at {LEVEL}. "
        f"Here every problem of a {label} counts alike."
    )


def _subjects_table(found: Sequence[SubjectDifference], label: Grouping) -> Table:
    rows = tuple(
        (
            row.label,
            f"{row.num_problems:,}",
            percent(row.before),
            percent(row.after),
            points(row.difference.mean),
            span(row.difference),
            _p(row.p_value),
            _p(row.holm_p_value),
        )
        for row in sorted(found, key=lambda row: (-row.difference.mean, row.label))
    )
    return Table(
        title=f"All {len(found)} {label}s, strict, by gain",
        heads=(label, "n", "before", "after", "points", "95% interval", "p alone", f"p, Holm over {len(found)}"),
        rows=rows,
        note="Intervals are of single rows, not of all at once, and cover the choice of problems only. "
        "Of a single problem an interval has no width and says nothing.",
        is_detail=len(rows) > MOST_ROWS,
    )


def _form_table(before: Sequence[Row], after: Sequence[Row]) -> Table | None:
    """The three differences a benchmark, or a discipline where there is one benchmark only; None for one of both."""
    label = next((name for name in ("benchmark", "discipline") if len({str(row[name]) for row in before}) > 1), None)
    if label is None:
        return None
    rows = []
    for name in dict.fromkeys(str(row[label]) for row in before):
        # One stratum, so that all problems of the row count alike as they do in the summaries.
        sides = ([{**row, "discipline": name} for row in side if str(row[label]) == name] for side in (before, after))
        if found := compare(*sides):
            gains = (found.strict, found.lenient, found.format_part)
            rows.append((name, f"{found.num_problems:,}", *map(gain_cell, gains)))
    return Table(
        title=f"Gain in points by {label}",
        heads=(label, "n", "strict gain", "lenient gain", "only format"),
        rows=tuple(rows),
        note="Only format is the strict gain minus the lenient gain. In brackets 95% intervals, over the choice of "
        "problems only and not corrected for their number.",
        is_detail=len(rows) > MOST_ROWS,
    )


def _rates_table(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """Rates a benchmark, before and after; None where the summaries hold none, as those of old runs."""
    names = [name for name in before if name in after]
    shown = {
        title: key
        for title, key in RATES.items()
        if any(side[name].get(key) is not None for name in names for side in (before, after))
    }
    if not shown:
        return None
    rows = tuple(
        (name, *(_change(before[name].get(key), after[name].get(key)) for key in shown.values())) for name in names
    )
    letter = " No letter: of the answers to choice questions, those without the letter of an option."
    return Table(
        title="What went wrong on the way to an answer, by benchmark",
        heads=("benchmark", *shown),
        rows=rows,
        note="Shares of all responses, before → after." + (letter if "no letter" in shown else ""),
        is_detail=True,
    )


def _matrix_table(found: GainMatrix) -> Table:
    """Test subjects down, runs across: there are many subjects and few runs."""
    rows = tuple(
        (subject, *(_matrix_cell(found.cells.get((name, subject))) for name, _ in found.runs))
        for subject in found.test_subjects
    )
    return Table(
        title="Points gained over the base model, strict",
        heads=("tested on", *(f"trained on {subject}: {name}" for name, subject in found.runs)),
        rows=rows,
        note=f"In brackets p after Holm’s correction over all {len(found.cells)} cells. Gains and p cover the choice "
        "of problems only, not the training seed.",
        is_detail=len(found.cells) > 3 * MOST_ROWS,
    )


def _trained_on_another(data: ReportData, arm: Arm) -> bool:
    """It trained, on other questions than the main run (an edited label is no other sample), and met the same test."""
    if arm.after is None or arm.after.step == 0 or data.after is None or not arm.samples:
        return False
    asked, own = ({(sample.question, sample.choices) for sample in side} for side in (arm.samples, data.samples))
    tested, own_test = ({(row["benchmark"], row["id"]) for row in side.rows} for side in (arm.after, data.after))
    return asked != own and tested == own_test


def _matrix_cell(cell: SubjectDifference | None) -> str:
    return NOTHING if cell is None else f"{points(cell.difference.mean)} ({p_value(cell.holm_p_value)})"


def _p(value: float) -> str:
    return p_value(value).removeprefix("p ").removeprefix("= ")


def _change(before: float | None, after: float | None) -> str:
    shown = [percent_or_nothing(rate) for rate in (before, after)]
    return NOTHING if shown == [NOTHING, NOTHING] else " → ".join(shown)
