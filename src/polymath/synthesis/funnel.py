"""What became of the candidates: candidates and their replies in, counts by stage and reason out.

Nothing in it depends on when or how fast it was computed, so a replay comes to the same funnel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from polymath.synthesis.candidates import STAGES, Candidate
from polymath.synthesis.plan import Plan
from polymath.synthesis.replies import total_usage

WRITE, SOLVE = "write", "solve"


def count_funnel(
    plan: Plan,
    candidates: Sequence[Candidate],
    replies: Sequence[Mapping[str, Any]],
    *,
    status: str,
    benchmarks: Mapping[str, int],
    missing: Mapping[str, str],
) -> dict[str, Any]:
    """The funnel as funnel.json holds it. `replies` are the stored rows of all replies that were used."""
    dates = sorted(str(row["date"]) for row in replies)
    return {
        "name": plan.name,
        "status": status,
        "stages": [{"stage": stage, "num": num} for stage, num in _stages(plan, candidates)],
        "rejected": _rejections(candidates),
        "unfinished": sum(one.outcome == "unfinished" for one in candidates),
        "writer_agrees": _opinions(candidates),
        "writers": {name: _writer(name, plan, candidates, replies) for name in plan.writers},
        "solvers": {name: _solver(name, plan, candidates, replies) for name in plan.solvers},
        "accept": plan.accept.model_dump(mode="json"),
        "benchmarks": dict(benchmarks),
        "missing_benchmarks": dict(missing),
        "usage": asdict(total_usage(replies)),
        "dates": [dates[0], dates[-1]] if dates else [],
    }


def _stages(plan: Plan, candidates: Sequence[Candidate]) -> list[tuple[str, int]]:
    """How many came through each stage, in order."""
    listed = [("asked for", len(candidates))]
    words = {
        "write": "answered by a writer",
        "read": "read as a sample",
        "filter": "passed the filters",
        "solve": "attempted by all solvers",
        "agree": "agreed on",
        "gold": "gold passed the filters",
        "probe": "passed the probe",
    }
    for place, stage in enumerate(STAGES):
        ended = {*STAGES[: place + 1]}
        through = sum(
            not (one.rejected and one.rejected.stage in ended) and one.stopped_at not in ended for one in candidates
        )
        if stage != "probe" or plan.probe.model is not None or any(one.seen for one in candidates):
            listed.append((words[stage], through))
    return [*listed, ("accepted", sum(one.is_accepted for one in candidates))]


def _rejections(candidates: Iterable[Candidate]) -> list[dict[str, Any]]:
    counts = Counter((one.rejected.stage, one.rejected.reason) for one in candidates if one.rejected)
    ordered = sorted(counts.items(), key=lambda item: (STAGES.index(item[0][0]), -item[1], item[0][1]))
    return [{"stage": stage, "reason": reason, "num": num} for (stage, reason), num in ordered]


def _opinions(candidates: Iterable[Candidate]) -> dict[str, int]:
    """Whether the writer's own answer is the one that the solvers agree on, of all that they agree on."""
    names = {True: "yes", False: "no", None: "unknown"}
    agreed = [one.agreement for one in candidates if one.agreement and not one.agreement.reason]
    counts = Counter(names[agreement.writer_agrees] for agreement in agreed)
    return {name: counts[name] for name in names.values()}


def _writer(
    name: str, plan: Plan, candidates: Iterable[Candidate], replies: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    own = [one for one in candidates if one.writer == name]
    return {
        "model": plan.writers[name].model,
        "asked": len(own),
        "read": sum(one.draft is not None for one in own),
        "agreed": sum(one.agreement is not None and not one.agreement.reason for one in own),
        "accepted": sum(one.is_accepted for one in own),
        "num_repeated": _count_repeated((row["prompt"], row["reply"]) for row in replies if _is_of(row, name, WRITE)),
        "usage": _usage(name, WRITE, replies),
    }


def _solver(
    name: str, plan: Plan, candidates: Iterable[Candidate], replies: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    attempts = [(one, attempt) for one in candidates for attempt in one.attempts if attempt.solver == name]
    unanswered = Counter(_why(attempt.detail) for _, attempt in attempts if attempt.answer is None)
    return {
        "model": plan.solvers[name].model,
        "attempts": len(attempts),
        "answered": sum(attempt.answer is not None for _, attempt in attempts),
        "unanswered": dict(sorted(unanswered.items())),
        "agreeing": sum(one.agreement.by_solver[name] for one in candidates if one.agreement),
        "num_repeated": _count_repeated((row["prompt"], row["reply"]) for row in replies if _is_of(row, name, SOLVE)),
        "usage": _usage(name, SOLVE, replies),
    }


def _why(detail: str) -> str:
    """Why an attempt counts as none, without the text that it held."""
    return "no possible answer" if " is no " in detail else detail


def _count_repeated(said: Iterable[tuple[str, str]]) -> int:
    """Replies that say word for word what an earlier reply to the same prompt said.

    Some servers take a temperature and decode greedily all the same; all attempts are one attempt then.
    """
    return sum(count - 1 for count in Counter(said).values())


def _is_of(row: Mapping[str, Any], name: str, role: str) -> bool:
    return bool(row["name"] == name and str(row["id"]).split("/")[1] == role)


def _usage(name: str, role: str, replies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return asdict(total_usage(row for row in replies if _is_of(row, name, role)))
