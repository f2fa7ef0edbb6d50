"""A finished choice in, one self-contained page out: what was chosen, by what score, and who would choose otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from polymath.reporting import selection_figures as figures
from polymath.reporting.cells import Table
from polymath.reporting.figures import inline
from polymath.reporting.page import HALF_PX, Drawing
from polymath.reporting.templates import page_environment
from polymath.reporting.wording import NOTHING, number
from polymath.selection.choice import Selected, subject_of
from polymath.selection.ranking import Agreement, rank_scores
from polymath.selection.selectors import SELECTORS, computable, pass_rates

SHOWN_ROWS, TOP_ROWS, SHOWN_CHARACTERS = 30, 15, 160
# Cuts of another score: their order over all rows is that score's, the other way round.
CUTS = ("polymath", "band")


def render_selection(selected: Selected) -> str:
    """The page as text; the same choice gives the same bytes."""
    environment = page_environment()
    selector = SELECTORS[selected.by]
    direction = "low is good" if selector.is_low_good else "high is good"
    facts = [
        f"Pool {Path(selected.pool.source).name}",
        f"{len(selected.pool.rows):,} rows",
        f"{len(selected.ranking.rows):,} ranked",
        direction,
        selector.paper,
    ]
    return (
        environment.get_template("selection.html.j2").render(
            by=selected.by,
            num_chosen=len(selected.chosen),
            facts=" · ".join(facts),
            cost=selected.cost,
            caveat=selector.caveat,
            notes=selected.notes,
            chosen=chosen_table(selected),
            pictures=list_pictures(selected),
            disagreement=disagreement_table(selected),
            agreement=agreement_table(selected),
            pool_lines=selected.report.lines(),
        )
        + "\n"
    )


def chosen_table(selected: Selected) -> Table:
    """The chosen samples, best first."""
    samples, rates = selected.pool.by_index, _rates(selected)
    rows = []
    for row in selected.chosen[:SHOWN_ROWS]:
        sample = samples[row.index]
        question = " ".join(sample.question.split())
        cut = question if len(question) <= SHOWN_CHARACTERS else question[:SHOWN_CHARACTERS] + " …"
        rate = f"{rates[row.index]:.2f}" if row.index in rates else NOTHING
        rows.append(
            (cut, sample.answer[:40], subject_of(sample), str(row.rank), str(row.index), number(row.score), rate)
        )
    left = len(selected.chosen) - len(rows)
    return Table(
        title="Chosen",
        heads=("question", "answer", "subject", "rank", "row", "score", "pass rate"),
        rows=tuple(rows),
        num_words=3,
        note=f"and {left:,} more: see chosen/" if left else "",
    )


def list_pictures(selected: Selected) -> list[tuple[str, list[Drawing]]]:
    """Captions and figures: score against rank, subject and pass rate; other selectors."""
    scores = {row.index: row.score for row in selected.ranking.rows}
    chosen = [row.index for row in selected.chosen]
    ranks = [row.rank for row in selected.chosen]
    drawn = [
        (
            "Score against rank; the chosen ones stand out.",
            [_draw(figures.draw_ranks(list(scores.values()), ranks, width=HALF_PX), "ranks", "Score against rank.")],
        )
    ]
    rates = _rates(selected)
    if rates and selected.by not in ("pass_rate", "band"):
        figure = figures.draw_points(
            rates, scores, chosen, names=("pass rate", f"score of {selected.by}"), width=HALF_PX
        )
        drawn.append(("Score against pass rate, a dot a row.", [_draw(figure, "rates", "Score against pass rate.")]))
    if other := _least_alike(selected.agreements):
        theirs = SELECTORS[other].scores(selected.evidence)
        figure = figures.draw_points(theirs, scores, chosen, names=(f"score of {other}", selected.by), width=HALF_PX)
        drawn.append(
            (f"Where {other} orders most otherwise.", [_draw(figure, "least", f"{selected.by} against {other}.")])
        )
    by_subject, picked = _by_subject(selected, scores, set(chosen))
    if len(by_subject) > 1:
        figure = figures.draw_subjects(by_subject, picked, width=HALF_PX)
        drawn.append(("Score by subject, a mark a row.", [_draw(figure, "subjects", "Score by subject.")]))
    rhos = {
        one.second: one.spearman for one in selected.agreements if one.spearman is not None and one.second not in CUTS
    }
    if rhos:
        figure = figures.draw_agreement(rhos, width=HALF_PX)
        told = "; ".join(f"{name}: {rho:.2f}" for name, rho in rhos.items())
        drawn.append((f"Spearman's rho of other selectors with {selected.by}.", [_draw(figure, "agreement", told)]))
    return drawn


def disagreement_table(selected: Selected) -> Table | None:
    """The first rows and the ranks that other selectors give them; None where there is no other."""
    others = [name for name in computable(selected.evidence) if name != selected.by and name not in CUTS]
    if not others:
        return None
    ranks: dict[str, Mapping[int, int]] = {}
    for name in others:
        selector = SELECTORS[name]
        scores = selector.scores(selected.evidence)
        ranks[name] = rank_scores(name, scores, selected.pool, is_low_good=selector.is_low_good).rank_of
    rows = tuple(
        (f"row {row.index}", number(row.score), *(str(ranks[name].get(row.index, NOTHING)) for name in others))
        for row in selected.ranking.rows[:TOP_ROWS]
    )
    return Table(
        title=f"The first {len(rows)} of {selected.by}, and their ranks elsewhere",
        heads=("", "score", *(name.replace("_", " ") for name in others)),
        rows=rows,
        note="Ranks are over all rows that a selector scores, whether or not it would choose them.",
    )


def agreement_table(selected: Selected) -> Table | None:
    """How far each other selector agrees with the one that chose; None where there is no other."""
    rows = tuple(
        (
            one.second.replace("_", " "),
            NOTHING if one.spearman is None else f"{one.spearman:+.2f}".replace("-", "−"),
            f"{one.overlap} of {one.k}",
            f"{one.num_rows:,}",
        )
        for one in selected.agreements
        if one.second not in CUTS
    )
    if not rows:
        return None
    return Table(
        title=f"Agreement with {selected.by}",
        heads=("selector", "Spearman's rho", "shared among the first", "rows"),
        rows=rows,
        note="Agreement says nothing about who is right: see polymath bench selectors.",
    )


def _rates(selected: Selected) -> Mapping[int, float]:
    has_rates = selected.evidence.probed is not None or selected.evidence.histories is not None
    return pass_rates(selected.evidence) if has_rates else {}


def _least_alike(agreements: tuple[Agreement, ...]) -> str | None:
    known = [(one.spearman, one.second) for one in agreements if one.spearman is not None]
    # azr is the pass rate the other way round, and that picture is there.
    known = [pair for pair in known if pair[1] not in (*CUTS, "random", "azr")]
    return min(known)[1] if known else None


def _by_subject(
    selected: Selected, scores: Mapping[int, float], chosen: set[int]
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    found: dict[str, list[float]] = {}
    picked: dict[str, list[float]] = {}
    for index, sample in selected.pool.by_index.items():
        if index in scores:
            found.setdefault(subject_of(sample), []).append(scores[index])
            if index in chosen:
                picked.setdefault(subject_of(sample), []).append(scores[index])
    return found, picked


def _draw(figure: Figure, name: str, alt: str) -> Drawing:
    return Drawing(svg=Markup(inline(figure, f"selection-{name}")), alt=alt)
