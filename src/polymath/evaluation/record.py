"""An evaluation onto disk: answers as they come, rows and summary whole or not at all, and never paid twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from polymath.errors import RunFolderError
from polymath.evaluation.cache import AnswerCache
from polymath.evaluation.evaluate import Answers, evaluate, list_tasks, to_row
from polymath.evaluation.protocol import Protocol
from polymath.evaluation.suites import Suite
from polymath.evaluation.summary import summarize
from polymath.evaluation.unfinished import Unfinished
from polymath.judge import VERSION
from polymath.progress import ProgressLine
from polymath.prompts import Template
from polymath.rollouts.policy import Policy
from polymath.runs import evaluation_paths, write_lines, write_text

# What makes two evaluations of one suite and protocol different ones, and how to say it.
COMPARED = {
    "asked_of": "of another model",
    "prompt": "with another prompt",
    "is_chat": "with another prompt (chat)",
    "max_tokens": "with another max_tokens",
    "decoding": "with another decoding",
    "engine": "with another engine",
    "dtype": "with another dtype",
    "seed": "with another seed",
    "problems_sha256": "of other problems (limit or data)",
    "terms_sha256": "with other tolerances, units or disciplines",
    "weights_sha256": "of other weights",
}

# What two evaluations must share to be compared; `record_evaluation` stores it.
ALIKE = {
    "prompt": "prompt",
    "is_chat": "prompt",
    "decoding": "decoding",
    "dtype": "dtype",
    "engine": "engine",
    "problems_sha256": "choice of problems",
    "terms_sha256": "tolerance, unit or discipline",
    "judge_version": "version of the judge (judge both again with --from)",
}


def record_evaluation(
    policy: Policy,
    suite: Suite,
    protocol: Protocol,
    template: Template,
    folder: Path,
    *,
    title: str,
    seed: int = 0,
    batch_size: int = 128,
    facts: dict[str, Any] | None = None,
    resume: bool = False,
    cache: AnswerCache | None = None,
    tell: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> dict[str, Any]:
    """Evaluate into `folder` and return the summary; a finished evaluation there is returned as it is.

    Answers are on disk batch by batch; `resume` goes on with those that an attempt before has left. The summary is
    written last, so that its presence says that the rows are whole. `tell` says what it has cost, given what it said
    with the last answers of the attempt before. Raises RunFolderError where the finished or the unfinished one was
    made with other settings.
    """
    rows_path, summary_path = evaluation_paths(folder, suite.name, protocol.name)
    settings = {**(facts or {}), **describe(suite, protocol, template)}
    # No greedy answer depends on a seed.
    compared = {key: told for key, told in COMPARED.items() if key != "seed" or not protocol.is_greedy}
    if summary_path.exists():
        return _read_finished(summary_path, settings, compared)
    unfinished = Unfinished(rows_path.with_suffix(".partial.jsonl"), settings, compared)
    tasks = {task.place: task for task in list_tasks(suite, protocol, template)}
    with unfinished.growing(resume=resume):
        if summary_path.exists():  # another process ended it while this one waited
            return _read_finished(summary_path, settings, compared)
        waiting = [task for place, task in tasks.items() if place not in unfinished.answered]
        cached = cache.find(waiting) if cache is not None else {}
        unfinished.add(cached, unfinished.told)
        answered = {**unfinished.answered, **cached}
        total = sum(task.decoding.num_draws for task in tasks.values())
        num_known = sum(len(draws) for draws in answered.values())
        began, num_tokens = time.perf_counter(), 0
        with ProgressLine(title, total, start=num_known) as line:

            def show(responses: int, tokens: int) -> None:
                nonlocal num_tokens
                num_tokens += tokens
                line.advance(responses, tokens_per_s=num_tokens / (time.perf_counter() - began))

            def keep(answers: Answers) -> None:
                unfinished.add(answers, tell(unfinished.told))
                if cache is not None:
                    cache.add(tasks, answers)

            responses = evaluate(
                policy,
                suite,
                protocol,
                template,
                seed=seed,
                batch_size=batch_size,
                answered=answered,
                on_answered=keep,
                on_tokens=show,
            )
        rows = [to_row(response) for response in responses]
        seconds = time.perf_counter() - began
        summary = {
            "suite": suite.name,
            "protocol": protocol.name,
            **settings,
            **summarize(rows),
            "seconds": seconds,
            "tokens_per_s": num_tokens / seconds,
            "num_from_before": num_known,
            **tell(unfinished.told),
        }
        write_evaluation(rows_path, summary_path, rows, summary)
    return summary


def find_difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """What keeps two evaluations, by their summaries, from being compared, in words.

    What an older one does not say is not held against it, nor the dtype that an endpoint does not tell.
    """
    for key, name in ALIKE.items():
        pair = (before.get(key), after.get(key))
        if pair[0] != pair[1] and None not in pair and "unknown" not in pair:
            return name
    return None


def read_summary(path: Path) -> dict[str, Any]:
    """The summary of a finished evaluation; raises RunFolderError where it cannot be read."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunFolderError(path, f"cannot be read ({error})", "remove it and evaluate again") from None


def write_evaluation(
    rows_path: Path, summary_path: Path, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]
) -> None:
    """Rows first, so that a summary says that they are whole."""
    write_lines(rows_path, rows)
    write_text(summary_path, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")


def describe(suite: Suite, protocol: Protocol, template: Template) -> dict[str, Any]:
    """The settings that every result is stored with."""
    return {
        "prompt": template.text,
        "is_chat": template.is_chat,
        "max_tokens": protocol.decoding.sampling.max_tokens,
        "decoding": protocol.describe(),
        "problems_sha256": _hash_problems(suite),
        "terms_sha256": _hash_terms(suite),
        "judge_version": VERSION,
        "missing": dict(suite.missing),
        "set_aside": {name: list(reasons) for name, reasons in suite.set_aside.items()},
        "notes": dict(suite.notes),
    }


def _read_finished(summary_path: Path, settings: Mapping[str, Any], compared: Mapping[str, str]) -> dict[str, Any]:
    found = read_summary(summary_path)
    for key, difference in compared.items():
        if key in found and key in settings and found[key] != settings[key]:
            raise RunFolderError(summary_path, f"is an evaluation {difference}", "choose another --out, or remove it")
    return found


def _hash_problems(suite: Suite) -> str:
    ids = [sample.id for samples in suite.benchmarks.values() for sample in samples]
    return hashlib.sha256("".join(ids).encode()).hexdigest()


def _hash_terms(suite: Suite) -> str:
    """What decides a verdict, and where it counts, beside the problem itself."""
    names = {"aliases", "tolerance", "missing_unit", "disciplines", "subject"}
    terms = {
        name: [sample.model_dump(mode="json", include=names) for sample in samples]
        for name, samples in suite.benchmarks.items()
    }
    return hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()
