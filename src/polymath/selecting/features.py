"""A pool and a local model in; features of every row and the scores of the selectors that rest on them, on disk out.

What lies in OUT is described in polymath.selection.features_file. A killed run goes on with `resume` and computes no
sample twice; a sample that stands in several rows of the pool is computed once.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polymath.errors import ModelError, RecipeError, SampleError, Stopped
from polymath.evaluating import Settings
from polymath.evaluating.settings import URL, Asked, leave_room, prepare
from polymath.machine import choose_threads, versions
from polymath.progress import ProgressLine
from polymath.prompts import Prompt, render
from polymath.runs import write_lines, write_text
from polymath.selecting.growing import Growing, begun_threads, check_same, pack, unpack
from polymath.selection.features_file import SELECTORS, write_array, write_scores
from polymath.selection.gradients import grad_align, grad_align_learnable, learn_align
from polymath.selection.hidden import shift_scores
from polymath.types import Sample

if TYPE_CHECKING:
    from polymath.rollouts.local import LocalPolicy
    from polymath.selecting.extraction import Extracted

Array = NDArray[np.floating]
Samples = Mapping[int, Sample]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be computed. All but `what` is for gradients only; proj_dim 0 keeps the whole gradient.

    `validation` is a suite or a file of samples, read from the directory `data` (the hub where it is None),
    `validation_limit` problems of each of its benchmarks.
    """

    what: str
    num_draws: int = 8
    params: str = "last_layer"
    proj_dim: int = 512
    validation: str | None = None
    data: str | None = None
    validation_limit: int | None = None

    def __post_init__(self) -> None:
        if self.what not in SELECTORS:
            raise RecipeError("--what", f"there is no {self.what!r}", f"use one of {', '.join(SELECTORS)}")
        if self.validation is not None and self.what != "gradients":
            raise RecipeError("--validation", f"says nothing to {self.what} states", "use it with --what gradients")

    def describe(self) -> dict[str, Any]:
        """The settings that decide a sample's features."""
        if self.what == "hidden":
            return {"what": self.what}
        return {
            "what": self.what,
            "num_draws": self.num_draws,
            "params": self.params,
            "proj_dim": self.proj_dim,
            "validation": self.validation,
        }


def compute_features(
    samples: Samples, model: str, settings: Settings, wanted: Wanted, out: Path, *, resume: bool = False
) -> dict[str, Any]:
    """The summary of features and scores, which lie in `out` then; finished ones there are returned as they are.

    `samples` is pool row to sample. Answers are drawn as the trainer draws them: without stop strings. Raises
    RunFolderError where there are others, or unfinished ones without `resume`.
    """
    _check_params(wanted)
    validation = _load_validation(wanted, samples)
    partial = out / f"{wanted.what}.partial.jsonl"
    threads = begun_threads(partial) or choose_threads(settings.threads)
    asked, policy, facts = _open(model, replace(settings, threads=threads), samples)
    max_tokens = asked.protocol.decoding.sampling.max_tokens
    described = {
        **facts,
        **wanted.describe(),
        "prompt": asked.template.text,
        "is_chat": asked.template.is_chat,
        "max_tokens": max_tokens,
        "seed": asked.settings.seed or 0,
        "threads": threads,
        "samples_sha256": _hash(samples, validation),
    }
    summary_path = out / f"{wanted.what}.summary.json"
    if summary_path.exists():
        return _read_summary(summary_path, described)
    growing = Growing(partial, described)
    every = {sample.id: sample for sample in [*samples.values(), *validation]}
    prompts = {key: render(sample, asked.template) for key, sample in every.items()}
    fitting = {key for key, prompt in prompts.items() if policy.fits(prompt, max_tokens)}
    if not any(sample.id in fitting for sample in samples.values()):
        policy.check_fit(prompts.values(), max_tokens)
    with growing.open(resume=resume) as done:
        if summary_path.exists():  # another process finished while the model was read
            return _read_summary(summary_path, described)
        num_before = len(done)
        try:
            _compute({key: every[key] for key in every if key in fitting}, prompts, policy, described, growing, done)
        except KeyboardInterrupt:
            raise Stopped(
                f"stopped; what was computed is in {out}; continue with the same command and --resume"
            ) from None
        summary = {
            **described,
            **_write(out, samples, validation, done, wanted),
            "num_rows": len(samples),
            "overlong": sorted(index for index, sample in samples.items() if sample.id not in fitting),
            "num_from_before": num_before,
            "num_tokens": sum(row["num_tokens"] for row in done.values()),
            "seconds": sum(row["seconds"] for row in done.values()),
            "seconds_a_sample": sum(row["seconds"] for row in done.values()) / len(done),
            "versions": versions(),
            "folder": str(out),
        }
        write_text(summary_path, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    return summary


def _read_summary(path: Path, described: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    check_same(path, found, described)
    return found


def _open(model: str, settings: Settings, samples: Samples) -> tuple[Asked, LocalPolicy, dict[str, Any]]:
    from polymath.evaluating.policies import open_policy
    from polymath.evaluation.suites import Suite

    if URL.match(model) or settings.engine != "local":
        raise ModelError(model.partition("?")[0], "shows only its answers", "name a local model: features need weights")
    if not samples:
        raise SampleError("the pool", "has no rows", "name a pool with at least one sound row")
    suite = Suite(name="pool", benchmarks={"pool": tuple(samples.values())})
    asked = prepare(model, replace(settings, suite="pool", protocol="greedy"), suite)
    policy, facts = open_policy(model, asked.settings)
    local: LocalPolicy = policy  # type: ignore[assignment]  # what open_policy opens under engine local
    return leave_room(asked, local), local, facts


def _check_params(wanted: Wanted) -> None:
    from polymath.selecting.parameters import PARAMS

    if wanted.params not in PARAMS:
        raise RecipeError("--params", f"there is no {wanted.params!r}", f"use one of {', '.join(PARAMS)}")


def _load_validation(wanted: Wanted, samples: Samples) -> list[Sample]:
    """The problems of the validation suite that are not in the pool: with itself every sample is aligned."""
    from polymath.evaluation.suites import load_suite

    if wanted.validation is None:
        return []
    suite = load_suite(wanted.validation, data=wanted.data, limit=wanted.validation_limit)
    pool = {sample.id for sample in samples.values()}
    found = {sample.id: sample for problems in suite.benchmarks.values() for sample in problems}
    kept = [sample for key, sample in found.items() if key not in pool]
    if not kept:
        raise SampleError(wanted.validation, "has no problem that is not in the pool", "validate on other problems")
    return kept


def _compute(
    samples: Mapping[str, Sample],
    prompts: Mapping[str, Prompt],
    policy: LocalPolicy,
    described: Mapping[str, Any],
    growing: Growing,
    done: dict[str, dict[str, Any]],
) -> None:
    """Add to `done`, and to the disk, what it lacks."""
    todo = [key for key in samples if key not in done]
    total = len(samples)
    with ProgressLine(f"features {described['what']}", total, start=total - len(todo)) as line:
        for key in todo:
            began = time.perf_counter()
            extracted = _extract(policy, samples[key], prompts[key], described)
            seconds = time.perf_counter() - began
            row = {"id": key, **extracted.facts, "seconds": seconds, "array": pack(extracted.array)}
            growing.add(row)
            done[key] = row
            line.advance(1, seconds_a_sample=seconds)


def _extract(policy: LocalPolicy, sample: Sample, prompt: Prompt, described: Mapping[str, Any]) -> Extracted:
    from polymath.selecting.extraction import gradient_features, hidden_features

    max_tokens, seed = described["max_tokens"], described["seed"]
    if described["what"] == "hidden":
        return hidden_features(policy, prompt, max_tokens=max_tokens, seed=seed)
    return gradient_features(
        policy,
        sample,
        prompt,
        num_draws=described["num_draws"],
        max_tokens=max_tokens,
        params=described["params"],
        proj_dim=described["proj_dim"],
        seed=seed,
    )


def _write(
    out: Path, samples: Samples, validation: Sequence[Sample], done: Mapping[str, Mapping[str, Any]], wanted: Wanted
) -> dict[str, Any]:
    """Arrays, facts and scores in the order of the pool; what the summary says of them."""
    hidden = {"seconds", "array", "num_tokens"} if wanted.what == "gradients" else {"seconds", "array"}
    rows = [
        {"index": index, **{name: value for name, value in done[sample.id].items() if name not in hidden}}
        for index, sample in samples.items()
        if sample.id in done
    ]
    array_N = np.stack([unpack(done[row["id"]]["array"]) for row in rows])
    if wanted.what == "hidden":
        states_N2D = array_N.reshape(len(rows), 2, -1)
        write_array(out / "hidden.npy", states_N2D)
        write_lines(out / "hidden.jsonl", rows)
        write_scores(out, "shift", rows, list(shift_scores(states_N2D[:, 0], states_N2D[:, 1])))
        write_scores(out, "hes", rows, [row["hes"] for row in rows])
        return {"selectors": list(SELECTORS["hidden"]), "truncated": sum(row["is_truncated"] for row in rows)}
    write_array(out / "gradients.npy", array_N)
    write_lines(out / "gradients.jsonl", rows)
    pass_rate_N = np.array([row["right"] / max(1, row["num_draws"] - row["undecided"]) for row in rows])
    scores = {"learn_align": learn_align(array_N, pass_rate_N)}
    sums, told = _sum_validation(validation, done)
    if sums:
        validation_MK = np.stack(list(sums.values()))
        write_array(out / "validation.npy", validation_MK)
        write_lines(out / "validation.jsonl", [{"discipline": discipline} for discipline in sums])
        scores |= {
            "grad_align": grad_align(array_N, validation_MK),
            "grad_align_min": grad_align(array_N, validation_MK, reduce="min"),
            "grad_align_dot": grad_align(array_N, validation_MK, is_dot=True),
            "grad_align_learnable": grad_align_learnable(array_N, validation_MK, pass_rate_N),
        }
    for selector, score_N in scores.items():
        write_scores(out, selector, rows, list(score_N))
    return {"selectors": sorted(scores), "without_gradient": sum(not row["gradient_norm"] for row in rows), **told}


def _sum_validation(
    validation: Sequence[Sample], done: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Discipline to the sum of its problems' gradients, and how many problems had one.

    A discipline whose problems are all solved or never solved has none: nothing can be aligned with it.
    """
    counts: dict[str, dict[str, int]] = {}
    sums: dict[str, Array] = {}
    for sample in validation:
        if sample.id not in done:
            continue
        row, discipline = done[sample.id], sample.discipline
        count = counts.setdefault(discipline, {"problems": 0, "with_gradient": 0})
        count["problems"] += 1
        if row["gradient_norm"]:
            count["with_gradient"] += 1
            sums[discipline] = sums.get(discipline, 0) + unpack(row["array"]).astype(np.float64)
    return dict(sorted(sums.items())), {"disciplines": dict(sorted(counts.items()))} if counts else {}


def _hash(samples: Samples, validation: Sequence[Sample]) -> str:
    keys = [f"{index} {sample.id}" for index, sample in samples.items()]
    keys += [f"{sample.discipline} {sample.id}" for sample in validation]
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()
