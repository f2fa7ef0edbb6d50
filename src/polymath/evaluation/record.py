"""An evaluation onto disk: rows and summary, whole or not at all, and never paid twice."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from polymath.evaluation.evaluate import evaluate, summarize, to_row
from polymath.evaluation.protocol import Protocol
from polymath.evaluation.suites import Suite
from polymath.progress import ProgressLine
from polymath.prompts import Template
from polymath.rollouts.policy import Policy
from polymath.runs import evaluation_paths, write_lines, write_text


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

    The summary is written last, so that its presence says that the rows are whole.
    """
    rows_path, summary_path = evaluation_paths(folder, suite.name, protocol.name)
    if summary_path.exists():
        return dict(json.loads(summary_path.read_text(encoding="utf-8")))
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
        **(facts or {}),
        "prompt": template.text,
        "max_tokens": protocol.sampling.max_tokens,
        **summarize(rows),
        "seconds": seconds,
        "tokens_per_s": num_tokens / seconds,
    }
    write_lines(rows_path, rows)
    write_text(summary_path, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    return summary
