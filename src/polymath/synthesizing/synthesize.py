"""A plan in, a folder out: candidates written, read, filtered, solved, agreed on, filtered again, probed.

    plan.json           the plan, without addresses and keys
    replies.jsonl       every request and its reply, as they come (polymath.synthesis.replies)
    candidates.jsonl    every candidate, accepted or not, with its whole provenance
    accepted.jsonl      the samples
    funnel.json         how many came how far, why the others did not, what it cost
    probe/, probe.jsonl what the model to be trained did with the samples, where it was asked
    synthesis.html      the same for people

Everything but the replies and the probe is computed from them anew, so a killed synthesis goes on by running again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polymath.errors import EndpointError, RunFolderError, Stopped
from polymath.llm import Reply
from polymath.llm.key import read_key
from polymath.progress import ProgressLine
from polymath.runs import RunFolder, telling_disk_errors, write_lines, write_text
from polymath.selection.probe import Probed, read_probe, write_probe
from polymath.synthesis.asking import Asker, Budget, Replayer
from polymath.synthesis.candidates import Candidate, assign
from polymath.synthesis.filters import Check, benchmark_checks, near_checks, probe_checks
from polymath.synthesis.funnel import count_funnel
from polymath.synthesis.plan import Plan, read_instruction_file
from polymath.synthesis.replies import Ask, Replies
from polymath.synthesis.steps import filter_alone, question_of, read_reply, settle, solve_requests, write_request
from polymath.types import Sample

Probe = Callable[[Sequence[Sample]], Sequence[Probed]]
REPLIES, FUNNEL, PROBE = "replies.jsonl", "funnel.json", "probe.jsonl"
CANDIDATES, ACCEPTED = "candidates.jsonl", "accepted.jsonl"


@dataclass(frozen=True, kw_only=True)
class Benchmarks:
    """Problems that no candidate may be near to, by benchmark; `missing` is benchmark to reason."""

    problems: dict[str, tuple[Sample, ...]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def synthesize(
    plan: Plan, out: Path, *, resume: bool = False, replay: Path | None = None, probe: Probe | None = None
) -> dict[str, Any]:
    """Carry out a plan in the folder `out` and return its funnel.

    `resume` goes on with the replies that are there. `replay` is the folder of a recorded synthesis: nobody is asked,
    and the same plan comes to the same funnel. `probe` looks at the samples that are left in place of the plan's own
    model. Raises UserError for what cannot be used or asked, Stopped at Ctrl-C; replies so far are kept in both.
    """
    _check_start(plan, out, resume=resume, replay=replay)
    benchmarks = _load_benchmarks(plan)
    with telling_disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        with RunFolder(out).locked(), Replies(out / REPLIES) as replies:
            write_text(out / "plan.json", json.dumps(plan.stored(), indent=2, ensure_ascii=False) + "\n")
            work = _Work(plan, out, _open_asker(plan, replies, replay), replay, probe)
            return work.carry_out(benchmarks)
    except EndpointError as error:
        remedy = f"{error.remedy}; replies so far are in {out}: continue with the same command and --resume"
        raise EndpointError(error.where, error.what, remedy) from error
    except KeyboardInterrupt:
        raise Stopped(f"stopped; replies so far are in {out}; continue with the same command and --resume") from None


def _check_start(plan: Plan, out: Path, *, resume: bool, replay: Path | None) -> None:
    if resume and replay is not None:
        raise RunFolderError("--replay", "asks nobody, so there is nothing to resume", "leave --resume out")
    if (out / REPLIES).exists() and (out / REPLIES).stat().st_size and not resume:
        raise RunFolderError(out, "holds a synthesis", "continue it with --resume, or choose another --out")
    if replay is not None and not (replay / REPLIES).exists():
        raise RunFolderError(replay, f"has no {REPLIES}", "name the folder of a recorded synthesis")
    if replay is None:
        # Before the writers are paid: a solver without a key is found out now.
        for section in (*plan.writers.values(), *plan.solvers.values()):
            read_key(section.endpoint())


def _open_asker(plan: Plan, replies: Replies, replay: Path | None) -> Asker | Replayer:
    if replay is None:
        budget = Budget(tokens=plan.budget.tokens, money=plan.budget.money)
        return Asker(replies, budget, on_trouble=lambda line: print(line, file=sys.stderr))
    try:
        status = json.loads((replay / FUNNEL).read_text(encoding="utf-8"))["status"]
    except (OSError, ValueError, KeyError, TypeError):
        status = "unfinished"  # a run that was killed has no funnel
    return Replayer(Replies.read(replay / REPLIES), replies, is_complete=status == "complete")


def _load_benchmarks(plan: Plan) -> Benchmarks:
    if plan.filters.benchmarks is None:
        return Benchmarks()
    from polymath.evaluation.suites import load_suite

    suite = load_suite(plan.filters.benchmarks, data=plan.filters.data)
    return Benchmarks(problems=dict(suite.benchmarks), missing=dict(suite.missing))


class _Work:
    """One synthesis under way: what all its stages share."""

    def __init__(
        self, plan: Plan, out: Path, asker: Asker | Replayer, replay: Path | None, probe: Probe | None
    ) -> None:
        self.plan, self.out, self.asker = plan, out, asker
        self.replay, self.probe = replay, probe
        self.asked: list[Ask] = []

    def carry_out(self, benchmarks: Benchmarks) -> dict[str, Any]:
        """Stage after stage; a candidate that is rejected is passed on as it is."""
        candidates = self.write_and_read(assign(self.plan))
        candidates = self.filter(candidates, benchmarks)
        candidates = self.solve(candidates)
        candidates = self.look(candidates)
        candidates = [replace(one, is_accepted=True) if one.is_open else one for one in candidates]
        return self.store(candidates, benchmarks)

    def write_and_read(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Ask the writers, and read what they say."""
        file = self.plan.instruction.file
        file_text = None if file is None else read_instruction_file(file)
        asks = [write_request(self.plan, one, file_text) for one in candidates]
        replies = self._ask(asks, "write")
        return [
            read_reply(self.plan, one, replies[ask.id], ask.request.text)
            if ask.id in replies
            else replace(one, stopped_at="write")
            for one, ask in zip(candidates, asks, strict=True)
        ]

    def filter(self, candidates: Sequence[Candidate], benchmarks: Benchmarks) -> list[Candidate]:
        """Each by itself, then against each other, then against the benchmarks."""
        rules = self.plan.filters
        checked = [filter_alone(self.plan, one) if one.is_open else one for one in candidates]
        left = [one for one in checked if one.is_open]
        questions = [question_of(self.plan, one) for one in left]
        checked = _check_all(checked, left, near_checks(questions, rules, [one.name for one in left]))
        if not benchmarks.problems:
            return checked
        left = [one for one in checked if one.is_open]
        questions = [question_of(self.plan, one) for one in left]
        return _check_all(checked, left, benchmark_checks(questions, rules, benchmarks.problems))

    def solve(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Every solver attempts every candidate; what they agree on is the gold, if it passes the filters itself."""
        left = [one for one in candidates if one.is_open]
        # Candidate by candidate: where the budget ends, the first ones are whole.
        asks = [ask for one in left for ask in solve_requests(self.plan, one)]
        replies = self._ask(asks, "solve")
        return _lay_over(candidates, [settle(self.plan, one, replies) for one in left])

    def look(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """What the model to be trained does with the samples that are left."""
        left = [one for one in candidates if one.is_open]
        samples = [one.gold for one in left if one.gold]
        is_recorded = self.replay is not None and (self.replay / PROBE).exists()
        if not samples or (self.probe is None and self.plan.probe.model is None and not is_recorded):
            return list(candidates)
        probed = self._probe(samples)
        write_probe(self.out / PROBE, probed)
        looked = [
            replace(one, seen=_figures(seen)).add_checks("probe", probe_checks(seen, self.plan.probe))
            for one, seen in zip(left, probed, strict=True)
        ]
        return _lay_over(candidates, looked)

    def store(self, candidates: Sequence[Candidate], benchmarks: Benchmarks) -> dict[str, Any]:
        """Write the results; the funnel last, because its presence says that the others are whole."""
        from polymath.reporting.synthesis import write_synthesis_page

        replies = [row for ask in self.asked if (row := self.asker.replies.row(ask)) is not None]
        funnel = count_funnel(
            self.plan,
            candidates,
            replies,
            status="budget" if self.asker.is_spent else "complete",
            benchmarks={name: len(problems) for name, problems in benchmarks.problems.items()},
            missing=benchmarks.missing,
        )
        accepted = [one.gold for one in candidates if one.is_accepted and one.gold]
        write_lines(self.out / CANDIDATES, [one.as_row() for one in candidates])
        write_lines(self.out / ACCEPTED, [one.model_dump(mode="json", exclude_defaults=True) for one in accepted])
        write_text(self.out / FUNNEL, json.dumps(funnel, indent=2, ensure_ascii=False) + "\n")
        write_synthesis_page(self.out)
        return funnel

    def _ask(self, asks: Sequence[Ask], title: str) -> dict[str, Reply]:
        self.asked += asks
        num_known = sum(self.asker.replies.find(ask) is not None for ask in asks)
        if not asks:
            return {}
        with ProgressLine(title, len(asks), start=num_known) as line:

            def show(ask: Ask, reply: Reply) -> None:
                usage = self.asker.replies.usage
                cost = {} if not usage.cost else {"cost": usage.cost}
                line.advance(1, tokens=usage.prompt_tokens + usage.completion_tokens, **cost)

            return self.asker.ask(asks, show)

    def _probe(self, samples: Sequence[Sample]) -> list[Probed]:
        if self.replay is not None and (self.replay / PROBE).exists():
            recorded = {one.id: one for one in read_probe(self.replay / PROBE).values()}
            if all(sample.id in recorded for sample in samples):
                return [replace(recorded[sample.id], index=place) for place, sample in enumerate(samples)]
        if self.probe is not None:
            return list(self.probe(samples))
        if self.replay is not None:
            raise RunFolderError(
                self.replay, "has no probe of all these samples", "replay with the recorded plan, or leave --replay out"
            )
        from polymath.synthesizing.probing import probe_samples

        return probe_samples(self.plan.probe, samples, self.out / "probe", seed=self.plan.seed)


def _lay_over(candidates: Sequence[Candidate], changed: Sequence[Candidate]) -> list[Candidate]:
    new = {one.place: one for one in changed}
    return [new.get(one.place, one) for one in candidates]


def _check_all(
    candidates: Sequence[Candidate], checked: Sequence[Candidate], checks: Sequence[Check]
) -> list[Candidate]:
    return _lay_over(
        candidates, [one.add_checks("filter", [check]) for one, check in zip(checked, checks, strict=True)]
    )


def _figures(seen: Probed) -> dict[str, Any]:
    return {
        "num_draws": seen.num_draws,
        "pass_rate": seen.pass_rate,
        "right": seen.right,
        "shortcut": seen.shortcut,
        "right_ways": dict(seen.right_ways),
        "truncated_frac": seen.truncated_frac,
        "answer_entropy": seen.answer_entropy,
    }
