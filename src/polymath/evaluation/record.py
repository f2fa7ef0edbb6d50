"""An evaluation onto disk: rows and summary, whole or not at all, and never paid twice."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from polymath.errors import RunFolderError
from polymath.evaluation.evaluate import evaluate, summarize, to_row
from polymath.evaluation.protocol import Protocol
from polymath.evaluation.suites import Suite
from polymath.progress import ProgressLine
from polymath.prompts import Template
from polymath.rollouts.policy import Policy
from polymath.runs import evaluation_paths, write_lines, write_text

# What makes two evaluations of one suite and protocol different ones, and how to say it.
COMPARED = {
    "prompt": "with another prompt",
    "max_tokens": "with another max_tokens",
    "dtype": "with another dtype",
    "problems_sha256": "of other problems (limit or data)",
    "weights_sha256": "of other weights",
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
) -> dict[str, Any]:
    """Evaluate into `folder` and return the summary; a finished evaluation there is returned as it is.

    The summary is written last, so that its presence says that the rows are whole. Raises RunFolderError
    where the finished one was made with other settings.
    """
    rows_path, summary_path = evaluation_paths(folder, suite.name, protocol.name)
    settings = {
        **(facts or {}),
        "prompt": template.text,
        "max_tokens": protocol.sampling.max_tokens,
        "problems_sha256": _hash_problems(suite),
    }
    if summary_path.exists():
        found = dict(json.loads(summary_path.read_text(encoding="utf-8")))
        for key, difference in COMPARED.items():
            if key in found and key in settings and found[key] != settings[key]:
                raise RunFolderError(
                    summary_path, f"is an evaluation {difference}", "choose another --out, or remove it"
                )
        return found
    total = sum(len(samples) for samples in suite.benchmarks.values()) * protocol.num_draws
    began, num_tokens = time.perf_counter(), 0
    with ProgressLine(title, total) as line:

        def show(responses: int, tokens: int) -> None:
            nonlocal num_tokens
            num_tokens += tokens
            line.advance(responses, tokens_per_s=num_tokens / (time.perf_counter() - began))

        responses = evaluate(policy, suite, protocol, template, seed=seed, batch_size=batch_size, on_batch=show)
    rows = [to_row(response) for response in responses]
    seconds = time.perf_counter() - began
    summary = {
        "suite": suite.name,
        "protocol": protocol.name,
        **settings,
        **summarize(rows),
        "seconds": seconds,
        "tokens_per_s": num_tokens / seconds,
    }
    write_lines(rows_path, rows)
    write_text(summary_path, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    return summary


def _hash_problems(suite: Suite) -> str:
    ids = [sample.id for samples in suite.benchmarks.values() for sample in samples]
    return hashlib.sha256("".join(ids).encode()).hexdigest()
