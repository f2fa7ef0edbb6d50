"""Run folders in, the records of experiments that ship with the lab out: what `recorded.py` reads.

A record says how to make it again (commands, recipe, code and weights hashes), and is stale when one of the
hashes is not that of this code any more. Rows are read as the runs left them; only means, intervals and rank
correlations are computed here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from polymath.errors import RunFolderError
from polymath.evaluation.evaluate import aside, headline
from polymath.evaluation.statistics import (
    Interval,
    discipline_mean,
    pass_at_k,
    two_level_difference,
    wilson_interval,
)
from polymath.lab.draws import CHOICE_RULE, choose
from polymath.provenance import TABULATING, code_hash, recipe_hash, result_hash
from polymath.reporting.compare import SEED, ProblemKey, Reading, Row, problem_scores
from polymath.runs import RunFolder, read_lines
from polymath.types import Sample

Record = dict[str, Any]

# The mean over so many last steps is what training ended at.
LAST_STEPS = 5
# Training has saturated when this many steps in a row are at least so good.
SATURATED_REWARD, SATURATED_STEPS = 0.99, 3
NUM_RESAMPLES_K = 2_000
SHOWN_VERSIONS = ("python", "torch", "transformers")


def record_arms(run: RunFolder, *, commands: Sequence[str], title: str) -> Record:
    """A run with its arms and replicates: accuracies a seed, with two-level intervals."""
    return {**_head("arms", title, commands, run), **_compare_arms(run)}


def _compare_arms(run: RunFolder) -> Record:
    _check_complete(run)
    recipe = run.read_recipe()
    seeds = [run, *(run.replicate(seed) for seed in recipe.replicate_seeds)]
    keys, labels = _problems(_rows(run, 0))
    base = _scores([_rows(folder, 0) for folder in seeds], keys)
    own = ", ".join(_lines({"sample": recipe.sample.model_dump(exclude_none=True)}))
    folders = {"trained": (own, seeds)}
    for name in recipe.arms:
        folders[name] = (", ".join(_lines(recipe.arms[name])), [folder.arm(name) for folder in seeds])
    trained = _scores([_rows(folder, recipe.train.num_steps) for folder in seeds], keys)
    arms = [_record_arm(name, *told, base, trained, keys, labels) for name, told in folders.items()]
    held_out = _apart(_rows(run, 0))
    return {
        "seeds": [folder.read_recipe().seed for folder in seeds],
        "base": {
            **{reading: discipline_mean(base[reading][0], labels) for reading in base},
            "held_out": held_out,
            "worked": _share_worked(_rows(run, 0)),
        },
        "arms": arms,
    }


def across_seeds(run: RunFolder) -> Record | None:
    """`record_arms` of a run with replicates; None until all parts are complete, or where arms differ in problems."""
    recipe = run.read_recipe()
    if not recipe.replicate_seeds:
        return None
    try:
        compared = _compare_arms(run)
    except RunFolderError:
        return None
    # The samples that the recipe names may lie on another machine: this is no record, and has no recipe hash.
    origin = _origin("arms", f"{recipe.name} over seeds", [run.read_info().get("command", "")], run)
    return {**origin, **compared}


def record_draws(run: RunFolder, probe: Path, *, commands: Sequence[str], title: str) -> Record:
    """Random samples, each an arm of one run, beside what probe rollouts of the base said of them."""
    _check_complete(run)
    recipe = run.read_recipe()
    folders = [run, *(run.arm(name) for name in recipe.arms)]
    probed = _read_probe(probe, run)
    rows = [_record_draw(folder, probed) for folder in folders]
    good, poor = choose(rows)
    for row in rows:
        row["chosen"] = "good" if row["name"] == good else "poor" if row["name"] == poor else None
    first = _rows(run, 0)
    return {
        **_head("draws", title, commands, run),
        "rule": CHOICE_RULE,
        "draws": rows,
        "base": {
            "strict": _mean(first, "strict"),
            "lenient": _mean(first, "lenient"),
            "disciplines": _by_discipline(first),
        },
        "correlations": _correlations(rows),
    }


def record_curves(run: RunFolder, *, commands: Sequence[str], title: str) -> Record:
    """A run and its arms over training steps: accuracy, reward, ways of answering, saturation."""
    _check_complete(run)
    names = {run: "trained", **{run.arm(name): name for name in run.read_recipe().arms}}
    return {
        **_head("curves", title, commands, run),
        "rule": f"Saturated: {SATURATED_STEPS} steps in a row with a mean reward of at least {SATURATED_REWARD}.",
        "arms": [_record_curve(folder, name) for folder, name in names.items()],
    }


def record_rates(run: RunFolder, *, commands: Sequence[str], title: str) -> Record:
    """A run and its arms, which differ in the learning rate alone."""
    _check_complete(run)
    folders = [run, *(run.arm(name) for name in run.read_recipe().arms)]
    rows = [_record_rate(folder) for folder in folders]
    return {**_head("rates", title, commands, run), "arms": sorted(rows, key=lambda row: row["learning_rate"])}


def record_pass_at_k(evaluations: Mapping[str, Path], run: RunFolder, *, commands: Sequence[str], title: str) -> Record:
    """pass@k of models by their evaluation files (JSON lines of sample-N), the first of which is the base."""
    models, num_problems, num_draws = [], 0, 0
    counts: list[int] = []
    asked: list[ProblemKey] = []
    for name, path in evaluations.items():
        right, labels, keys = _right_of_draws(path)
        asked = asked or keys
        if keys != asked or (num_draws and right.shape[1] != num_draws):
            raise RunFolderError(path, "holds other problems or another number of draws", "evaluate all models alike")
        num_problems, num_draws = right.shape
        counts = [2**power for power in range(int(math.log2(num_draws)) + 1)]
        models.append({"name": name, **_pass_curve(right, labels, counts)})
    base = models[0]["pass_at_k"]
    crossovers = [
        {
            "model": model["name"],
            "k": next((k for k, b, t in zip(counts, base, model["pass_at_k"], strict=True) if b >= t), None),
        }
        for model in models[1:]
    ]
    record = _head("pass-at-k", title, commands, run)
    return {
        **record,
        "protocol": f"sample-{num_draws}",
        "num_problems": num_problems,
        "num_draws": num_draws,
        "k": counts,
        "models": models,
        "crossovers": crossovers,
    }


RECORDERS: dict[str, Callable[..., Record]] = {
    "arms": record_arms,
    "curves": record_curves,
    "rates": record_rates,
}


def _head(experiment: str, title: str, commands: Sequence[str], run: RunFolder) -> Record:
    """Where a record comes from, checkable to the bit."""
    recipe, origin = run.read_recipe(), _origin(experiment, title, commands, run)
    origin["hashes"]["recipe"] = recipe_hash(recipe)
    main = recipe.model_copy(update={"arms": {}, "replicate_seeds": ()})
    return {**origin, "main_recipe_sha256": recipe_hash(main), "result_sha256": result_hash(run)}


def _origin(experiment: str, title: str, commands: Sequence[str], run: RunFolder) -> Record:
    info, recipe = run.read_info(), run.read_recipe()
    machine, versions = info["machine"], info["versions"]
    parts = [part for part in _all_parts(run) if (part.path / "run.json").exists()]
    codes = {str(part.read_info().get("code_sha256", "unknown")) for part in parts}
    if len(codes) > 1:
        raise RunFolderError(run.path, "was made by more than one version of the code", "make it again with one")
    return {
        "experiment": experiment,
        "title": title,
        "commands": list(commands),
        "date": str(info.get("created", ""))[:10],
        "machine": f"{machine.get('cpus')} x {machine.get('processor')}, {info['threads']} thread(s) a run",
        "versions": ", ".join(f"{name} {versions[name]}" for name in SHOWN_VERSIONS if name in versions),
        "hashes": {
            "recipe": "",
            "code": codes.pop(),
            "tables": code_hash(TABULATING),
            "weights": info["model"]["sha256"] or "unknown",
        },
        "suite": recipe.evaluate.suite,
        "protocol": recipe.evaluate.protocol,
    }


def _all_parts(run: RunFolder) -> list[RunFolder]:
    """The run, its arms, and its replicates with theirs, in the order of the recipe."""
    recipe = run.read_recipe()
    wholes = [run, *(run.replicate(seed) for seed in recipe.replicate_seeds)]
    return [part for whole in wholes for part in (whole, *(whole.arm(name) for name in recipe.arms))]


def _check_complete(run: RunFolder) -> None:
    """Raises RunFolderError unless the run and every part of it is complete and evaluated after its last step."""
    for part in _all_parts(run):
        if not part.is_complete() or not part.is_evaluated():
            raise RunFolderError(part.path, "is not complete", f"continue with: polymath run --resume {run.path}")


def _record_arm(
    name: str,
    about: str,
    folders: Sequence[RunFolder],
    base: Mapping[Reading, np.ndarray],
    trained: Mapping[Reading, np.ndarray],
    keys: Sequence[ProblemKey],
    labels: Sequence[str],
) -> Record:
    rows = [_rows(folder, folder.read_recipe().train.num_steps) for folder in folders]
    after = _scores(rows, keys)
    zero = np.zeros_like(base["strict"])
    gains = [
        (after["strict"] - base["strict"])[:, [other == label for other in labels]].mean()
        for label in dict.fromkeys(labels)
    ]
    learned = [folder for folder in folders if folder.read_metrics()]
    apart_keys = _problems(aside(rows[0]))[0]
    held_out = _scores([aside(seed_rows) for seed_rows in rows], apart_keys)["strict"] if apart_keys else None
    return {
        "name": name,
        "about": about,
        "strict": [discipline_mean(scores, labels) for scores in after["strict"]],
        "lenient": [discipline_mean(scores, labels) for scores in after["lenient"]],
        "held_out": None if held_out is None else held_out.mean(axis=1).tolist(),
        "held_out_interval": None
        if held_out is None
        # So near to nothing a bootstrap has no width; Wilson has.
        else asdict(wilson_interval(float(held_out.mean()), len(apart_keys))),
        "worked": [_share_worked(seed_rows) for seed_rows in rows],
        "reward": [_last_reward(folder) for folder in learned] or None,
        "strict_interval": _interval(zero, after["strict"], labels),
        "lenient_interval": _interval(zero, after["lenient"], labels),
        "strict_gain": _interval(base["strict"], after["strict"], labels),
        "lenient_gain": _interval(base["lenient"], after["lenient"], labels),
        "margin": None if name == "trained" else _interval(after["strict"], trained["strict"], labels),
        "disciplines_up": sum(bool(gain > 0) for gain in gains),
        "num_disciplines": len(gains),
    }


def _record_draw(folder: RunFolder, probed: Mapping[str, Record]) -> Record:
    sample, recipe = folder.read_samples()[0], folder.read_recipe()
    rows = _rows(folder, recipe.train.num_steps)
    return {
        "name": Path(str(recipe.sample.use)).stem,
        "discipline": sample.discipline,
        "template": str(sample.meta.get("template", "")),
        "level": int(sample.level or 0),
        "answer_type": sample.answer_type,
        "strict": _mean(rows, "strict"),
        "lenient": _mean(rows, "lenient"),
        "reward": _last_reward(folder),
        "worked_after": _share_worked(rows),
        "probe": _probe_of(sample, probed),
        "disciplines": _by_discipline(rows),
    }


def _record_curve(folder: RunFolder, name: str) -> Record:
    recipe, metrics = folder.read_recipe(), folder.read_metrics()
    steps = folder.evaluated_steps(recipe.evaluate.suite, recipe.evaluate.protocol)
    rows = {step: _rows(folder, step) for step in steps}
    strict = [_mean(rows[step], "strict") for step in steps]
    rewards = [row["reward"] for row in metrics]
    saturation = next(
        (
            metrics[place]["step"]
            for place in range(len(rewards) - SATURATED_STEPS + 1)
            if min(rewards[place : place + SATURATED_STEPS]) >= SATURATED_REWARD
        ),
        None,
    )
    at_saturation = None if saturation is None else strict[next(i for i, s in enumerate(steps) if s >= saturation)]
    return {
        "name": name,
        "steps": steps,
        "strict": strict,
        "lenient": [_mean(rows[step], "lenient") for step in steps],
        "train_steps": [row["step"] for row in metrics],
        "reward": rewards,
        "ways": {way: [row[f"ways/{way}"] for row in metrics] for way in ("worked", "direct", "self_check", "boxed")},
        "entropy": [row["entropy"] for row in metrics],
        "saturation_step": saturation,
        "strict_at_saturation": at_saturation,
        "strict_last": strict[-1],
    }


def _record_rate(folder: RunFolder) -> Record:
    recipe = folder.read_recipe()
    rows = headline(_rows(folder, recipe.train.num_steps))
    worked = [row for row in rows if "worked" in row["ways"]]
    return {
        "learning_rate": recipe.optimizer.learning_rate,
        "strict": _mean(rows, "strict"),
        "lenient": _mean(rows, "lenient"),
        "reward": _last_reward(folder),
        "entropy": folder.read_metrics()[-1]["entropy"],
        "worked": len(worked) / len(rows),
        "boxed": _share(rows, lambda row: "boxed" in row["ways"]),
        "truncated": _share(rows, lambda row: row["finish"] == "length"),
        "worked_right": _share(worked, _is_right) if worked else None,
    }


def _read_probe(folder: Path, run: RunFolder) -> dict[str, Record]:
    """Sample id to what the draws of an evaluation of the run's base on the samples themselves say."""
    files = sorted(folder.glob("*.summary.json"))
    if len(files) != 1:
        raise RunFolderError(folder, f"holds {len(files)} evaluations", "name the folder of the one on the samples")
    weights = json.loads(files[0].read_text(encoding="utf-8")).get("weights_sha256")
    if weights != run.read_info()["model"]["sha256"]:
        raise RunFolderError(folder, "is an evaluation of other weights than the run's base", "probe that base")
    draws: dict[str, list[Row]] = {}
    for row in read_lines(Path(str(files[0]).replace(".summary.json", ".jsonl"))):
        draws.setdefault(row["id"], []).append(row)
    probed = {}
    for sample_id, rows in draws.items():
        worked = [row for row in rows if "worked" in row["ways"]]
        direct = [row for row in rows if "worked" not in row["ways"]]
        probed[sample_id] = {
            "num": len(rows),
            "right_frac": _share(rows, _is_right),
            "worked_frac": len(worked) / len(rows),
            "worked_right_frac": _share(worked, _is_right) if worked else None,
            "direct_right_frac": _share(direct, _is_right) if direct else None,
        }
    return probed


def _probe_of(sample: Sample, probed: Mapping[str, Record]) -> Record:
    if sample.id not in probed:
        raise RunFolderError("--probe", f"lacks the sample {sample.question[:40]!r}", "probe the pool of this draw")
    return probed[sample.id]


def _correlations(rows: Sequence[Record]) -> list[Record]:
    """Spearman's rank correlation of the outcome with each probe signal, with a permutation p-value."""
    signals: dict[str, Callable[[Record], float | None]] = {
        "direct answers right": lambda row: row["probe"]["direct_right_frac"],
        "all draws right": lambda row: row["probe"]["right_frac"],
        "p (1 - p)": lambda row: row["probe"]["right_frac"] * (1 - row["probe"]["right_frac"]),
        "worked share": lambda row: row["probe"]["worked_frac"],
        "worked answers right": lambda row: row["probe"]["worked_right_frac"],
        "lines of work": lambda row: float(row["level"]),
    }
    found = []
    for name, signal in signals.items():
        pairs = [(value, row["strict"]) for row in rows if (value := signal(row)) is not None]
        rho, p = _spearman(np.array(pairs).reshape(-1, 2))
        found.append({"signal": name, "rho": rho, "p": p, "n": len(pairs)})
    return found


def _spearman(pairs: np.ndarray, num_permutations: int = 20_000) -> tuple[float | None, float | None]:
    """Rank correlation with mean ranks for ties, and its two-sided permutation p-value (a fixed seed).

    None where it is not defined: fewer than three pairs, or a side that does not vary.
    """
    if len(pairs) < 3:
        return None, None
    ranks = np.stack([_ranks(column) for column in pairs.T])
    centered = ranks - ranks.mean(axis=1, keepdims=True)
    scale = float(np.sqrt((centered**2).sum(axis=1).prod()))
    if scale == 0:
        return None, None
    rho = float(centered[0] @ centered[1]) / scale
    rng = np.random.default_rng(SEED)
    shuffled = rng.permuted(np.tile(centered[1], (num_permutations, 1)), axis=1) @ centered[0] / scale
    extreme = int((np.abs(shuffled) >= abs(rho) - 1e-12).sum())
    return rho, (extreme + 1) / (num_permutations + 1)


def _ranks(values: np.ndarray) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    ranks = np.empty(len(values))
    ranks[order] = np.arange(len(values), dtype=float)
    return np.array([ranks[values == value].mean() for value in values])


def _pass_curve(right_PN: np.ndarray, labels: Sequence[str], counts: Sequence[int]) -> Record:
    """The discipline mean of pass@k with its stratified bootstrap over problems."""
    scores = {k: np.array([pass_at_k(len(row), int(row.sum()), k) for row in right_PN]) for k in counts}
    rng = np.random.default_rng(SEED)
    names = np.array(labels)
    places = [np.flatnonzero(names == name) for name in sorted(set(labels))]
    resampled = [[rng.choice(place, len(place)) for place in places] for _ in range(NUM_RESAMPLES_K)]
    means, lows, highs = [], [], []
    for k in counts:
        means.append(float(np.mean([scores[k][place].mean() for place in places])))
        spread = [np.mean([scores[k][drawn].mean() for drawn in draw]) for draw in resampled]
        low, high = np.quantile(spread, [0.025, 0.975])
        lows.append(float(low))
        highs.append(float(high))
    return {"pass_at_k": means, "low": lows, "high": highs}


def _right_of_draws(path: Path) -> tuple[np.ndarray, list[str], list[ProblemKey]]:
    """Problems x draws, strict; the discipline of each problem; and which problem it is."""
    try:
        rows = headline(read_lines(path))
    except OSError as error:
        raise RunFolderError(path, f"cannot be read ({error.strerror})", "name the .jsonl of an evaluation") from error
    right: dict[ProblemKey, list[bool]] = {}
    label: dict[ProblemKey, str] = {}
    for row in rows:
        key = (row["benchmark"], row["id"])
        right.setdefault(key, []).append(_is_right(row))
        label[key] = row["discipline"]
    if len({len(draws) for draws in right.values()}) != 1:
        raise RunFolderError(path, "has not the same number of draws for every problem", "evaluate with sample-N")
    return np.array(list(right.values())), list(label.values()), list(right)


def _rows(folder: RunFolder, step: int) -> list[Row]:
    recipe = folder.read_recipe()
    return folder.read_evaluation(step, recipe.evaluate.suite, recipe.evaluate.protocol)[0]


def _problems(rows: Sequence[Row]) -> tuple[list[ProblemKey], list[str]]:
    """Every problem of the headline once, and the discipline of each."""
    label = {(row["benchmark"], row["id"]): str(row["discipline"]) for row in headline(rows)}
    return list(label), list(label.values())


def _scores(rows_of_seeds: Sequence[Sequence[Row]], keys: Sequence[ProblemKey]) -> dict[Reading, np.ndarray]:
    """Seeds x problems, strict and lenient. Raises RunFolderError where a seed answered other problems."""
    scores: dict[Reading, np.ndarray] = {}
    readings: tuple[Reading, ...] = ("strict", "lenient")
    for reading in readings:
        tables = [problem_scores(headline(rows), reading) for rows in rows_of_seeds]
        if any(set(table) != set(keys) for table in tables):
            raise RunFolderError(
                "record", "arms were evaluated on other problems", "give all arms one evaluate section"
            )
        scores[reading] = np.array([[table[key] for key in keys] for table in tables])
    return scores


def _interval(before: np.ndarray, after: np.ndarray, labels: Sequence[str]) -> dict[str, float]:
    interval: Interval = two_level_difference(before, after, labels, seed=SEED)
    return asdict(interval)


def _mean(rows: Sequence[Row], reading: Reading) -> float:
    keys, labels = _problems(rows)
    scores = problem_scores(headline(rows), reading)
    return discipline_mean([scores[key] for key in keys], labels)


def _by_discipline(rows: Sequence[Row]) -> dict[str, float]:
    chosen = headline(rows)
    names = dict.fromkeys(row["discipline"] for row in chosen)
    return {name: _share([row for row in chosen if row["discipline"] == name], _is_right) for name in names}


def _apart(rows: Sequence[Row]) -> float | None:
    rest = aside(rows)
    return _share(rest, _is_right) if rest else None


def _share_worked(rows: Sequence[Row]) -> float:
    return _share(headline(rows), lambda row: "worked" in row["ways"])


def _last_reward(folder: RunFolder) -> float:
    last = folder.read_metrics()[-LAST_STEPS:]
    return float(np.mean([row["reward"] for row in last]))


def _is_right(row: Row) -> bool:
    return bool(row["strict"]["outcome"] == "right")


def _share(rows: Sequence[Row], claim: Callable[[Row], bool]) -> float:
    return sum(map(claim, rows)) / len(rows)


def _lines(table: Mapping[str, Any], prefix: str = "") -> list[str]:
    lines = []
    for key, value in table.items():
        lines += _lines(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [f"{prefix}{key} = {value}"]
    return lines
