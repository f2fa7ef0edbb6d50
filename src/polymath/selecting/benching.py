"""Selectors on trial in the lab: scores frozen first, candidates trained next, then one against the other.

    polymath lab draw recipes/lab-draws.toml --num 60 --seed 1 --out build/bench
    polymath probe build/bench/pool.jsonl --model lab --n 256 --max-tokens 96 --out build/bench/probe
    polymath bench freeze build/bench/pool.jsonl --probe build/bench/probe --out scores.json     # commit this file
    polymath run build/bench/recipe.toml --set "replicate_seeds=[1]" --out build/bench/run
    polymath bench selectors --lab build/bench/run --scores scores.json

The file of scores says by which code they were made, and when. An outcome that is older than the scores is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from polymath.errors import RunFolderError, SampleError
from polymath.provenance import code_hash
from polymath.runs import RunFolder, write_text
from polymath.samples.pools import Pool
from polymath.selecting.choosing import Wanted, gather
from polymath.selection.bench import LabBench, bench
from polymath.selection.ranking import eligible_goodness
from polymath.selection.selectors import Evidence, computable

DECIDING = ("selection",)


def freeze_scores(evidence: Evidence, out: Path) -> dict[str, Any]:
    """The scores of every selector that the evidence suffices for, more is better, by sample id; written to `out`."""
    if out.exists():
        raise SampleError(out, "is there already", "scores are frozen once: name another file")
    ids = {row.index: row.sample.id for row in evidence.pool.rows}
    scores = {
        name: {ids[index]: score for index, score in eligible_goodness(name, evidence).items() if index in ids}
        for name in computable(evidence)
    }
    found = {
        "pool": evidence.pool.source,
        "made": datetime.now(UTC).isoformat(),
        "code_sha256": code_hash(DECIDING),
        "num_candidates": len(ids),
        "scores": scores,
    }
    write_text(out, json.dumps(found, indent=1) + "\n")
    return found


def bench_lab(run: RunFolder, scores: Path) -> tuple[LabBench, int]:
    """The bench of a run with an arm a candidate, and how many candidates have no outcome yet."""
    frozen = _read_scores(scores)
    outcomes, num_waiting = read_outcomes(run, not_before=str(frozen["made"]))
    return bench(frozen["scores"], outcomes), num_waiting


def read_outcomes(run: RunFolder, *, not_before: str) -> tuple[dict[str, list[float]], int]:
    """Sample id to its gain (accuracy after training minus the base's) by RL seed; and how many are not finished.

    Raises RunFolderError where training began before `not_before`.
    """
    recipe = run.read_recipe()
    seeds = [run, *(run.replicate(seed) for seed in recipe.replicate_seeds)]
    found: dict[str, list[float]] = {}
    num_waiting = 0
    # The run itself is the first candidate, its arms are the others.
    for name in (None, *recipe.arms):
        folders = [one if name is None else one.arm(name) for one in seeds]
        if not all((one.path / "run.json").exists() and one.is_evaluated() for one in folders):
            num_waiting += 1
            continue
        early = next((one for one in folders if str(one.read_info()["created"]) < not_before), None)
        if early is not None:
            raise RunFolderError(early.path, "was trained before the scores were frozen", "freeze, then train")
        found[folders[0].read_samples()[0].id] = [_gain(one) for one in folders]
    return found, num_waiting


def _gain(arm: RunFolder) -> float:
    recipe = arm.read_recipe()
    suite, protocol = recipe.evaluate.suite, recipe.evaluate.protocol
    before, after = (arm.read_evaluation(step, suite, protocol)[1] for step in (0, arm.last_step()))
    return float(after["mean"] - before["mean"])


def _read_scores(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"made": found["made"], "scores": dict(found["scores"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "make it with polymath bench freeze"
        raise SampleError(path, f"is no file of frozen scores ({error})", remedy) from None


def evidence_of(pool: Pool, probe: Path, features: Path | None) -> Evidence:
    """What a freeze looks at."""
    return gather(Wanted(pool=pool.source, by="random", probe=probe, features=features), pool)
