"""A run on a published suite in; the run's own rows above the published ones out, with what is not comparable.

Domain cells of the polymath suite are unweighted means over the domain's subjects, as in the paper's Table 3 (our
finding: docs/published.md). A cell that the run cannot fill is a dash, and an average is shown only where it is whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from polymath.disciplines import PAPER_SUBJECTS
from polymath.evaluation.evaluate import headline
from polymath.evaluation.published import Grouping, PublishedRow, PublishedTable, rows_beside
from polymath.reporting.cells import Table
from polymath.reporting.compare import Row, problem_scores
from polymath.reporting.read import Evaluation, ReportData
from polymath.reporting.sections import Section
from polymath.reporting.wording import NOTHING

GROUPINGS: dict[str, tuple[Grouping, ...]] = {
    "polymath": ("domain", "benchmark"),
    "one-shot-math": ("benchmark",),
}
# Benchmarks of which the paper drew its own problems and does not say which.
DRAWN_ANEW = ("mmlu-pro-100", "supergpqa-1500")
DOMAINS = (
    "Domain cells are unweighted means over the domain’s subjects, not over its problems: so Table 3 is made, as we "
    "found by computing its cells again, and so this run’s cells are made here. They differ from the disciplines above."
)


def beside_section(data: ReportData) -> Section | None:
    """The published tables with this run's rows first; None for suites that no paper has a table of."""
    suite = data.recipe.evaluate.suite
    if data.before is None or data.after is None or suite not in GROUPINGS:
        return None
    model = data.recipe.model.path
    found = {}
    for by in GROUPINGS[suite]:
        # Without rows of this model: the paper's own main model, and the text says so.
        table = rows_beside(suite, model, by=by) or rows_beside(suite, by=by)
        if table is not None:
            found[by] = table
    if not found:
        return None
    told = [_tell_limits(data, list(found.values()))]
    told += [DOMAINS] if "domain" in found else []
    tables = tuple(_table(data, table, by) for by, table in found.items())
    return Section(name="beside", title="Beside the published figures", told=tuple(told), tables=tables)


def own_cells(evaluation: Evaluation, table: PublishedTable, by: Grouping) -> list[float | None]:
    """This evaluation's strict accuracies in the table's columns, fractions; None where it cannot say."""
    rows = headline(evaluation.rows)
    cells = _domain_cells(rows) if by == "domain" else _benchmark_cells(rows)
    return [_cell(column, cells, table.means, is_whole=not evaluation.missing) for column in table.columns]


def _domain_cells(rows: Sequence[Row]) -> dict[str, float]:
    """Domain to the unweighted mean over its subjects, of the domains of which no subject is lacking."""
    means = _means_by(rows, "subject")
    subjects: dict[str, list[str]] = defaultdict(list)
    for subject, domain in PAPER_SUBJECTS.items():
        subjects[domain].append(subject)
    return {
        domain: sum(means[name] for name in names) / len(names)
        for domain, names in subjects.items()
        if all(name in means for name in names)
    }


def _benchmark_cells(rows: Sequence[Row]) -> dict[str, float]:
    return _means_by(rows, "benchmark")


def _means_by(rows: Sequence[Row], label: str) -> dict[str, float]:
    """The mean over problems of every group; a problem's score is the mean over its draws."""
    scores = problem_scores(rows, "strict")
    group_of = {(row["benchmark"], row["id"]): str(row[label]) for row in rows}
    groups: dict[str, list[float]] = defaultdict(list)
    for problem, score in scores.items():
        groups[group_of[problem]].append(score)
    return {name: sum(values) / len(values) for name, values in groups.items()}


def _cell(
    column: str, cells: Mapping[str, float], means: Mapping[str, Sequence[str]], *, is_whole: bool
) -> float | None:
    if column not in means:
        return cells.get(column)
    parts = [cells.get(part) for part in means[column]]
    known = [part for part in parts if part is not None]
    # A domain can lose a benchmark and keep its subjects: its average is not whole all the same.
    is_complete = len(known) == len(parts) and (is_whole or set(means[column]).isdisjoint(PAPER_SUBJECTS.values()))
    return sum(known) / len(known) if is_complete else None


def _table(data: ReportData, table: PublishedTable, by: Grouping) -> Table:
    assert data.before is not None and data.after is not None
    names = ("this run, before", f"this run, after step {data.after.step}")
    own = [
        (name, *(NOTHING if cell is None else f"{100 * cell:.1f}" for cell in own_cells(one, table, by)))
        for name, one in zip(names, (data.before, data.after), strict=True)
    ]
    odd = f" Known to be odd: {'; '.join(table.odd)}." if table.odd else ""
    return Table(
        title=f"By {by}: {table.where} of {table.paper}",
        heads=("", *table.columns),
        rows=(*own, *(_published(row) for row in table.rows)),
        note=f"This run: {data.before.num_problems:,} problems, strict. Published: {table.metric}, in percent, "
        f"{', '.join(sorted({row.model for row in table.rows}))}. Decoding: {table.decoding}. "
        f"Checkpoint: {table.checkpoint}.{odd}",
        is_detail=True,
    )


def _published(row: PublishedRow) -> tuple[str, ...]:
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in row.settings.items())
    cells = [NOTHING if value is None else f"{value:.1f}" for value in row.values]
    if row.spread is not None:
        cells = [f"{cell} ± {spread:g}" for cell, spread in zip(cells, row.spread, strict=True)]
    return (f"{row.label} ({settings})" if settings else row.label, *cells)


def _tell_decoding(evaluation: Evaluation, protocol: str) -> str:
    """How this run's answers were drawn; the protocol's name where an old summary does not say."""
    ways: dict[str, list[str]] = defaultdict(list)
    for benchmark, decoding in evaluation.decoding.items():
        way = "greedy"
        if decoding["temperature"]:
            way = f"the mean of {decoding['num_draws']} responses at temperature {decoding['temperature']:g}"
            way += f", top-k {decoding['top_k']}" if decoding.get("top_k") else ""
            way += f", top-p {decoding['top_p']:g}" if decoding.get("top_p", 1.0) < 1 else ""
        ways[way].append(benchmark)
    # The entry without a name is that of all other benchmarks.
    told = (way if "" in names else f"{', '.join(names)}: {way}" for way, names in ways.items())
    return "; ".join(told) or protocol


def _tell_limits(data: ReportData, tables: Sequence[PublishedTable]) -> str:
    """In one sentence, what keeps the rows from being compared."""
    assert data.before is not None and data.after is not None
    own = data.recipe.model.path.rstrip("/").rpartition("/")[2]
    models = sorted({row.model for table in tables for row in table.rows})
    parts = []
    if any(model.rpartition("/")[2].lower() != own.lower() for model in models):
        parts.append(f"the model (here {own}, there {', '.join(models)})")
    decoding = _tell_decoding(data.before, data.recipe.evaluate.protocol)
    parts.append(f"prompt and decoding (here {decoding}; theirs stands under each table)")
    benchmarks = {str(row["benchmark"]) for row in data.before.rows}
    if anew := [name for name in DRAWN_ANEW if name in benchmarks]:
        parts.append(f"{' and '.join(anew)}, whose problems are a draw of our own")
    limit = data.recipe.evaluate.limit
    if limit is not None:
        parts.append(f"the problems (here at most {limit} a benchmark)")
    if missing := sorted({*data.before.missing, *data.after.missing}):
        parts.append(f"sets that are missing here ({', '.join(missing)})")
    return f"To be read beside, not against. Not comparable: {'; '.join(parts)}."
