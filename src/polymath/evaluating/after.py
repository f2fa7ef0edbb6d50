"""Without new answers, or with other questions: judge again, compare, plan, probe for leaks, export."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.errors import RunFolderError
from polymath.evaluating.policies import open_policy
from polymath.evaluating.settings import Asked, Settings, complete, evaluation_folder, prepare
from polymath.runs import evaluation_paths, read_lines, write_lines, write_text

if TYPE_CHECKING:
    from polymath.evaluation.power import Plan


def rejudge(file: Path, *, suite: str | None, data: str | None, out: Path | None) -> dict[str, Any]:
    """Judge the responses of a file anew, without a model; returns the summary.

    A row has a response, and either the id of a problem of the suite or question, answer and answer_type itself.
    Results lie in `out`, by default in FILE's own folder under the name of the file and `rejudged`.
    """
    from polymath.evaluation.rejudge import judge_again
    from polymath.evaluation.suites import load_suite

    samples = {}
    if suite is not None:
        loaded = load_suite(suite, data=data)
        samples = {(name, one.id): one for name, members in loaded.benchmarks.items() for one in members}
    return judge_again(file, samples, out or file.parent / f"{file.name.removesuffix('.jsonl')}-rejudged")


def read_finished(folder: Path, suite: str, protocol: str) -> tuple[Path, dict[str, Any]]:
    """Path of the rows and the summary of a finished evaluation; raises RunFolderError where there is none."""
    from polymath.evaluation.record import read_summary

    rows, summary = evaluation_paths(folder, suite, protocol)
    if not summary.exists():
        raise RunFolderError(
            folder, f"has no finished evaluation {summary.name}", "evaluate there with the same suite and protocol"
        )
    return rows, read_summary(summary)


def check_comparable(folder: Path, asked: Asked) -> None:
    """Raise RunFolderError where the evaluation in `folder` is not one that `asked` could be compared with."""
    from polymath.evaluation.record import describe

    settings = {**describe(asked.suite, asked.protocol, asked.template), "dtype": asked.settings.dtype}
    _check_alike(folder, read_finished(folder, asked.suite.name, asked.protocol.name)[1], settings)


def _check_alike(folder: Path, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    from polymath.evaluation.record import find_difference

    if (name := find_difference(before, after)) is not None:
        raise RunFolderError(folder, f"was evaluated with another {name}", "evaluate both models alike")


def compare_with(folder: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
    """An evaluation minus the one of the same suite and protocol in `folder`: overall and by subject.

    Raises RunFolderError where the two were not made alike.
    """
    from polymath.evaluation.draws import crossover, pair_problems
    from polymath.evaluation.evaluate import headline
    from polymath.evaluation.multiplicity import compare_subjects, gain_of, sign_flip_p
    from polymath.evaluation.summary import drawn_more_than_once
    from polymath.reporting.compare import compare
    from polymath.reporting.sections import with_subjects

    suite, protocol = str(summary["suite"]), str(summary["protocol"])
    rows_path, told = read_finished(folder, suite, protocol)
    _check_alike(folder, told, summary)
    before = read_lines(rows_path)
    after = read_lines(read_finished(Path(summary["folder"]), suite, protocol)[0])
    difference = compare(before, after)
    pairs = pair_problems(headline(before), headline(after))
    drawn = pair_problems(drawn_more_than_once(headline(before)), drawn_more_than_once(headline(after)))
    crossed = crossover([one for one, _ in drawn], [other for _, other in drawn]) if drawn else None
    if difference is None:
        raise RunFolderError(folder, "shares no problem with this evaluation", "evaluate both models alike")
    return {
        "before": {"mean": told["mean"], "lenient_mean": told["lenient_mean"]},
        "difference": vars(difference.strict),
        "lenient_difference": vars(difference.lenient),
        "format_part": vars(difference.format_part),
        # McNemar's exact test where each problem has one answer, its extension to means where it has several.
        "p_value": sign_flip_p([gain_of(first, second) for first, second in pairs]),
        "test": "McNemar" if all(pair[0].num_draws == pair[1].num_draws == 1 for pair in pairs) else "sign flips",
        "num_problems": difference.num_problems,
        # Over the problems that were drawn more than once; None where there are none.
        "crossover": asdict(crossed) if crossed else None,
        "subjects": [asdict(row) for row in compare_subjects(with_subjects(before), with_subjects(after))],
    }


def plan_suite(
    settings: Settings, rows: Path | None, *, difference: float, power: float
) -> tuple[Plan, dict[str, str]]:
    """How many problems, or draws of each, show a difference (a fraction) on this suite; and what is missing of it.

    `rows` is a file of an evaluation like the one planned: its accuracy, and where it has several draws a problem their
    correlation, stand in for the defaults.
    """
    from polymath.evaluation.benchmarks import APART
    from polymath.evaluation.components import estimate_components
    from polymath.evaluation.draws import problems_of
    from polymath.evaluation.evaluate import headline
    from polymath.evaluation.power import plan
    from polymath.evaluation.suites import load_suite

    suite = load_suite(settings.suite or "lab", data=settings.data, limit=settings.limit)
    kept = {name: members for name, members in suite.benchmarks.items() if name not in APART}
    problems = {(name, sample.id): sample for name, members in kept.items() for sample in members}
    sizes = Counter(sample.discipline for sample in problems.values())
    before, correlation = 0.3, 0.5
    if rows is not None:
        told = problems_of(headline(_read_rows(rows)))
        before = sum(problem.score for problem in told) / len(told)
        if len(told) > 1 and min(problem.num_draws for problem in told) > 1:
            parts = estimate_components([problem.right for problem in told])
            spread = max(0.0, parts.between) + parts.within
            correlation = max(0.0, parts.between) / spread if spread else 0.0
    found = plan(dict(sorted(sizes.items())), difference, power, before=before, correlation=correlation)
    return found, dict(suite.missing)


def _read_rows(path: Path) -> list[dict[str, Any]]:
    remedy = "name the rows of an evaluation, SUITE--PROTOCOL.jsonl"
    try:
        rows = read_lines(path)
    except (OSError, ValueError) as error:
        raise RunFolderError(path, f"cannot be read ({error})", remedy) from None
    if not rows or not all(isinstance(row, dict) and {"benchmark", "id", "strict"} <= row.keys() for row in rows):
        raise RunFolderError(path, "holds no rows of an evaluation", remedy)
    return rows


def probe_leaks(model: str, settings: Settings, *, out: Path | None) -> dict[str, Any]:
    """Shown the beginning of a question, does the model say the rest? Rates by benchmark; rows lie beside the results.

    Fresh arithmetic, which cannot have leaked, is probed too: what a model completes there is chance and form.
    """
    from polymath.evaluation import leak
    from polymath.evaluation.suites import load_suite

    chosen = complete(model, settings)
    suite = load_suite(str(chosen.suite), data=chosen.data, limit=chosen.limit)
    clean = load_suite("clean-arithmetic", limit=min(100, max(map(len, suite.benchmarks.values()))))
    policy, facts = open_policy(model, chosen)
    folder = out or evaluation_folder(model, chosen.served.model)
    rates, rows = {}, []
    for name, samples in {**suite.benchmarks, **clean.benchmarks}.items():
        print(f"leak probe of {name}, {len(samples)} problems", file=sys.stderr)
        found = leak.probe_leaks(policy, samples, batch_size=chosen.batch_size or 32)
        rates[name] = [asdict(rate) for rate in leak.summarize_leaks(found)]
        rows += [{"benchmark": name, **asdict(row)} for row in found]
    result = {**facts, "suite": suite.name, "folder": str(folder), "benchmarks": rates, "missing": dict(suite.missing)}
    rows_path, summary_path = evaluation_paths(folder, suite.name, "leak-probe")
    write_lines(rows_path, rows)
    write_text(summary_path, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return result


def export_suite(settings: Settings, *, to: str, out: Path) -> list[Path]:
    """Write the suite as task files of another harness; returns the files."""
    from polymath import exports

    asked = prepare("lab", settings)
    return exports.export_suite(asked.suite, asked.template, asked.protocol, to=to, out=out)
