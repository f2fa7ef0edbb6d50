"""A pool and a model in; what the model does with each row, before any training, on disk out.

    OUT/probe.jsonl           a `Probed` a pool row: what selectors read
    OUT/probe.summary.json    model, prompt, decoding, cost, and what the history of a whole run would have cost
    OUT/pool--PROTOCOL.jsonl  the draws themselves, an ordinary evaluation of the pool

A killed probe goes on with --resume and asks nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.errors import SampleError
from polymath.evaluating import Settings
from polymath.evaluating.record import record
from polymath.evaluating.settings import prepare
from polymath.runs import evaluation_paths, read_lines, write_text
from polymath.selection.probe import Probed, count_draws, write_probe
from polymath.types import Sample

if TYPE_CHECKING:
    from polymath.samples.pools import Pool

BENCHMARK = "pool"
# arXiv 2504.20571, section 2: the history that ranks DSR-sub is of 500 steps of 128 prompts, 8 rollouts each.
HISTORY_ROLLOUTS, HISTORY_ROWS = 500 * 128 * 8, 1209
FACTS = ("model", "weights_sha256", "dtype", "prompt", "decoding")


def probe_pool(
    pool: Pool, model: str, settings: Settings, out: Path, *, num_draws: int, resume: bool, use_cache: bool = True
) -> dict[str, Any]:
    """The summary of a probe: `num_draws` responses to every row of the pool, counted into OUT/probe.jsonl."""
    probed, evaluated = probe_samples(
        pool.by_index, model, settings, out, num_draws=num_draws, resume=resume, use_cache=use_cache
    )
    write_probe(out / "probe.jsonl", probed)
    summary = {
        "pool": pool.source,
        "num_rows": len(probed),
        "num_set_aside": len(pool.set_aside),
        "num_draws": num_draws,
        **_describe(probed),
        **{key: evaluated[key] for key in FACTS if key in evaluated},
        "seconds": evaluated["seconds"],
        "history_rollouts": round(HISTORY_ROLLOUTS / HISTORY_ROWS * len(probed)),
        "folder": str(out),
    }
    write_text(out / "probe.summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    return summary


def open_pool(name: str, columns: str | Mapping[str, str] | None, limit: int | None) -> Pool:
    """The pool of this name, its first `limit` rows where that is given.

    `columns` is our field to the pool's column, or the same as text: question=text,answer=gold.
    """
    from polymath.samples.pools import read_pool

    pool = read_pool(name, columns=read_columns(columns) if isinstance(columns, str) else columns)
    return replace(pool, rows=pool.rows[:limit])


def read_columns(text: str | None) -> dict[str, str] | None:
    """Our field to the pool's column, of question=text,answer=gold; raises SampleError for anything else."""
    if text is None:
        return None
    parts = [part.partition("=") for part in text.split(",")]
    if not all(ours and theirs for ours, _, theirs in parts):
        raise SampleError("--columns", f"{text!r} is no list of FIELD=COLUMN", "write question=text,answer=gold")
    return {ours.strip(): theirs.strip() for ours, _, theirs in parts}


def probe_samples(
    samples: Mapping[int, Sample],
    model: str,
    settings: Settings,
    out: Path,
    *,
    num_draws: int,
    resume: bool = False,
    use_cache: bool = True,
) -> tuple[list[Probed], dict[str, Any]]:
    """What the model does with each sample, and the summary of the evaluation behind it, which lies in `out`.

    `samples` is pool row to sample; rows that hold the same sample share its draws. The draws are at temperature 1
    unless the protocol of the settings says otherwise.
    """
    from polymath.evaluation.suites import Suite

    distinct = {sample.id: sample for sample in samples.values()}
    suite = Suite(name="pool", benchmarks={BENCHMARK: tuple(distinct.values())})
    protocol = settings.protocol or f"sample-{num_draws}"
    asked = prepare(model, replace(settings, suite="pool", protocol=protocol), suite)
    summary = record(model, asked, out, {}, resume=resume, use_cache=use_cache)
    rows_path, _ = evaluation_paths(out, "pool", protocol)
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in read_lines(rows_path):
        rows.setdefault(row["id"], []).append(row)
    return [count_draws(index, rows[sample.id]) for index, sample in samples.items()], summary


def _describe(probed: Sequence[Probed]) -> dict[str, Any]:
    """The pool at a glance; shares of rows, means over rows."""
    num = len(probed)
    return {
        "mean_pass_rate": sum(one.pass_rate for one in probed) / num,
        "never_right": sum(one.right == 0 for one in probed),
        "always_right": sum(one.right == one.num_draws for one in probed),
        "num_responses": sum(one.num_draws for one in probed),
        "num_tokens": round(sum(one.mean_tokens * one.num_draws for one in probed)),
        "truncated_frac": sum(one.truncated_frac for one in probed) / num,
        "undecided": sum(one.undecided for one in probed),
        "mean_answer_entropy": sum(one.answer_entropy for one in probed) / num,
    }
