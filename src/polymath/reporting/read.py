"""A run folder in, everything that a report shows out, as one frozen noun.

Nothing here needs torch, and nothing is judged or computed anew except paired differences. What a run has
not reached yet is None, and `ReportData.gaps` says so in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from polymath.evaluation.record import find_difference
from polymath.evaluation.statistics import Interval
from polymath.recipe import Recipe
from polymath.reporting.compare import Difference, Row, compare
from polymath.runs import RunFolder
from polymath.types import Sample


@dataclass(frozen=True, kw_only=True)
class DisciplineScore:
    """Accuracies of one discipline over its problems."""

    accuracy: float
    lenient_accuracy: float
    num_problems: int


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What one model, the policy after `step` steps, scored on the suite. `rows` are its responses.

    `strict_upper` and `lenient_upper` are the means if every undecided answer were right. `apart` are benchmarks
    that are a row of their own and in no mean. `benchmarks` are the summary's scores and rates, `curves` its pass@k and
    maj@k where problems were answered more than once, `decoding` how answers were drawn, with "" for benchmarks that
    it does not name. `missing` is benchmark to reason, `set_aside` benchmark to the rows that could not be asked,
    `notes` benchmark to what else differs from its published form.
    What an old run does not have is empty.
    """

    step: int
    strict: Interval
    lenient: Interval
    num_problems: int
    num_draws: int
    boxed_frac: float
    truncated_frac: float
    undecided_frac: float
    strict_upper: float
    lenient_upper: float
    mean_tokens: float
    ways: dict[str, float]
    disciplines: dict[str, DisciplineScore]
    apart: dict[str, DisciplineScore]
    rows: tuple[Row, ...]
    benchmarks: dict[str, dict[str, Any]]
    curves: dict[str, Any]
    decoding: dict[str, dict[str, Any]]
    missing: dict[str, str]
    set_aside: dict[str, list[str]]
    notes: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """The same run with something changed. `margin` is the trained model minus this arm, `samples` what it has."""

    name: str
    samples: tuple[Sample, ...]
    changes: dict[str, Any]
    status: str
    after: Evaluation | None
    difference: Difference | None
    margin: Difference | None


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that a report shows."""

    run: RunFolder
    info: dict[str, Any]
    recipe: Recipe
    samples: tuple[Sample, ...]
    before: Evaluation | None
    after: Evaluation | None
    difference: Difference | None
    evaluations: tuple[Evaluation, ...]
    metrics: tuple[Row, ...]
    early: tuple[int, tuple[Row, ...]] | None
    late: tuple[int, tuple[Row, ...]] | None
    arms: tuple[Arm, ...]
    unlike: dict[int, str]

    @property
    def sample_name(self) -> str:
        """What the sample is called: its library name, or the stem of its file."""
        section = self.recipe.sample
        name = section.use or section.pool or self.recipe.name
        return name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].removesuffix(".jsonl").removesuffix(".json")

    @property
    def is_complete(self) -> bool:
        """Training ended and the last step was evaluated."""
        has_last = self.after is not None and self.after.step == self.run.last_step()
        return bool(self.info.get("status") == "complete" and has_last)

    @property
    def gaps(self) -> list[str]:
        """What this run has not reached and what its test lacks, in sentences."""
        return self._unreached() + self._untested()

    def _unreached(self) -> list[str]:
        if self.recipe.train.num_steps == 0:
            return ["Nothing is trained here: the base model answers behind worked demonstrations of the sample."]
        if self.is_complete and "ended_at" in self.info:
            return [f"Training ended after step {self.info['ended_at']}, as the recipe's [stop] says."]
        if self.is_complete:
            return []
        last, total = (self.metrics[-1]["step"] if self.metrics else 0), self.recipe.train.num_steps
        gaps = [f"This run is {self.info.get('status', 'unfinished')}, not complete: {last} of {total} steps are done."]
        if self.before is None:
            gaps.append("The model has not been evaluated before training, so nothing can be compared.")
        if self.after is None:
            gaps.append("There is no evaluation after training: this page cannot say what training did.")
        elif self.after.step != total:
            gaps.append(f"Wherever this page says after, it means the model after step {self.after.step} of {total}.")
        if not self.metrics:
            gaps.append("No training step has been recorded.")
        return gaps

    def _untested(self) -> list[str]:
        missing: dict[str, str] = {}
        set_aside: dict[str, list[str]] = {}
        notes: dict[str, str] = {}
        gaps: list[str] = []
        for one in filter(None, (self.before, self.after)):
            missing |= one.missing
            set_aside |= {name: reasons for name, reasons in one.set_aside.items() if reasons}
            notes |= one.notes
        for step, name in self.unlike.items():
            gaps.append(f"The evaluation of step {step} has another {name} than the others, and is left out.")
        gaps += [
            f"Missing from the test, and in no mean: {name} ({reason.rstrip('.')})." for name, reason in missing.items()
        ]
        for name, reasons in set_aside.items():
            count = f"{len(reasons):,} problems were" if len(reasons) > 1 else "one problem was"
            first = "the first" if len(reasons) > 1 else "the reason"
            gaps.append(f"Of {name} {count} set aside and not asked; {first}: {reasons[0].rstrip('.')}.")
        return gaps + [f"Of {name}: {note.rstrip('.')}." for name, note in notes.items()]


def read_report(run: RunFolder) -> ReportData:
    """Read one run and its arms. Raises RunFolderError where there is no run."""
    recipe = run.read_recipe()
    evaluations, unlike = read_evaluations(run, recipe)
    before = next((evaluation for evaluation in evaluations if evaluation.step == 0), None)
    after = read_after(evaluations, recipe)
    if recipe.train.num_steps == 0:
        before = None  # what was asked without demonstrations is the parent run's
    metrics = run.read_metrics()
    spoken = [row["step"] for row in metrics if run.rollouts_path(row["step"]).exists()]
    return ReportData(
        run=run,
        info=run.read_info(),
        recipe=recipe,
        samples=read_samples(run),
        before=before,
        after=after,
        difference=compare(before.rows, after.rows) if before and after else None,
        evaluations=tuple(evaluations),
        metrics=tuple(metrics),
        early=(spoken[0], tuple(run.read_rollouts(spoken[0]))) if spoken else None,
        late=(spoken[-1], tuple(run.read_rollouts(spoken[-1]))) if len(spoken) > 1 else None,
        arms=tuple(read_arm(run.arm(name), name, recipe.arms[name], before, after) for name in run.arm_names()),
        unlike=unlike,
    )


def read_samples(run: RunFolder) -> tuple[Sample, ...]:
    """What the run trains on, as far as it has begun."""
    return tuple(run.read_samples()) if (run.path / "samples.jsonl").exists() else ()


def read_evaluations(run: RunFolder, recipe: Recipe) -> tuple[list[Evaluation], dict[int, str]]:
    """Finished evaluations of the recipe's suite and protocol, in the order of steps, that can be compared.

    One that was made with another prompt, limit or dtype than the first can lie among them: those are left out, and the
    second part is step to what differs.
    """
    suite, protocol = recipe.evaluate.suite, recipe.evaluate.protocol
    found = {step: run.read_evaluation(step, suite, protocol) for step in run.evaluated_steps(suite, protocol)}
    first = next(iter(found.values()), ([], {}))[1]
    unlike = {step: name for step, (_, told) in found.items() if (name := find_difference(first, told)) is not None}
    return [read_evaluation(step, *found[step]) for step in found if step not in unlike], unlike


def read_evaluation(step: int, rows: list[Row], summary: dict[str, Any]) -> Evaluation:
    """One finished evaluation."""
    return Evaluation(
        step=step,
        strict=Interval(mean=summary["mean"], low=summary["low"], high=summary["high"]),
        lenient=Interval(mean=summary["lenient_mean"], low=summary["lenient_low"], high=summary["lenient_high"]),
        num_problems=summary["num_problems"],
        num_draws=summary["num_draws"],
        boxed_frac=summary["boxed_frac"],
        truncated_frac=summary["truncated_frac"],
        undecided_frac=summary["undecided_frac"],
        strict_upper=summary.get("mean_upper", summary["mean"]),
        lenient_upper=summary.get("lenient_mean_upper", summary["lenient_mean"]),
        mean_tokens=summary["mean_tokens"],
        ways=dict(summary["ways"]),
        disciplines=_read_scores(summary["disciplines"]),
        apart=_read_scores(summary.get("apart", {})),
        rows=tuple(rows),
        benchmarks=dict(summary.get("benchmarks") or {}),
        curves=dict(summary.get("curves") or {}),
        decoding=dict(summary.get("decoding") or {}),
        missing=dict(summary.get("missing") or {}),
        set_aside=dict(summary.get("set_aside") or {}),
        notes=dict(summary.get("notes") or {}),
    )


def _read_scores(table: dict[str, Any]) -> dict[str, DisciplineScore]:
    return {
        name: DisciplineScore(
            accuracy=score["accuracy"], lenient_accuracy=score["lenient_accuracy"], num_problems=score["n"]
        )
        for name, score in table.items()
    }


def read_after(evaluations: list[Evaluation], recipe: Recipe) -> Evaluation | None:
    """The evaluation of the last step; of an unfinished run, the latest one after training began.

    A recipe that trains nothing asks the base in another way, and that is its evaluation of step 0.
    """
    if recipe.train.num_steps == 0:
        return next((evaluation for evaluation in evaluations if evaluation.step == 0), None)
    trained = [evaluation for evaluation in evaluations if 0 < evaluation.step <= recipe.train.num_steps]
    return trained[-1] if trained else None


def read_arm(
    run: RunFolder, name: str, changes: dict[str, Any], before: Evaluation | None, trained: Evaluation | None
) -> Arm:
    """One arm against the base model, which it shares with the main run, and against the trained model."""
    recipe = run.read_recipe()
    after = read_after(read_evaluations(run, recipe)[0], recipe)
    return Arm(
        name=name,
        samples=read_samples(run),
        changes=changes,
        status=str(run.read_info().get("status", "unknown")),
        after=after,
        difference=compare(before.rows, after.rows) if before and after else None,
        margin=compare(after.rows, trained.rows) if after and trained else None,
    )
