"""Run folders in, the records of experiments that ship with the lab out: what `recorded.py` reads.

A record says how to make it again (commands, recipe, code and weights hashes), and is stale when one of the
hashes is not that of this code any more. Rows are read as the runs left them; only means, intervals and rank
correlations are computed here.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import polymath
from polymath.evaluation.evaluate import aside, headline
from polymath.evaluation.statistics import Interval, discipline_mean, pass_at_k, two_level_difference
from polymath.lab.draws import CHOICE_RULE, choose
from polymath.recipe import Recipe
from polymath.reporting.compare import SEED, Reading, Row, problem_scores
from polymath.runs import RunFolder, read_lines

Record = dict[str, Any]

# What decides a result of the lab, from the world to the judge. Words in comments and docstrings do not.
DECIDING = (
    "lab/world.py",
    "lab/text.py",
    "lab/tokenizer.py",
    "lab/draws.py",
    "lab/templates",
    "judge",
    "ways.py",
    "rewards",
    "samples/labels.py",
    "prompts.py",
    "seeds.py",
    "rollouts",
    "evaluation/evaluate.py",
    "evaluation/protocol.py",
    "evaluation/benchmarks/lab.py",
    "training",
    "engines/local.py",
)
# The mean over so many last steps is what training ended at.
LAST_STEPS = 5
# Training has saturated when this many steps in a row are at least so good.
SATURATED_REWARD, SATURATED_STEPS = 0.99, 3
NUM_RESAMPLES_K = 2_000
SHOWN_VERSIONS = ("python", "torch", "transformers")
# Not decided by the recipe: when, how fast and how large.
_PASSING = ("time/", "memory/", "step_time", "tokens_per_s")


def code_hash() -> str:
    """sha256 of the code that decides a result, without its comments and docstrings."""
    root = Path(polymath.__file__).parent
    digest = hashlib.sha256()
    for name in DECIDING:
        path = root / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            tree = ast.parse(file.read_text(encoding="utf-8"))
            digest.update(f"{file.relative_to(root)}\n{ast.unparse(_without_docstrings(tree))}\n".encode())
    return digest.hexdigest()


def recipe_hash(recipe: Recipe) -> str:
    """sha256 of the resolved recipe, without what a machine decides."""
    table = recipe.model_dump(mode="json", exclude={"name": True, "engine": True, "model": {"device"}})
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def metrics_hash(run: RunFolder) -> str:
    """sha256 of a run's metrics without times and memory: equal where training was bit for bit the same."""
    rows = [{key: row[key] for key in sorted(row) if not key.startswith(_PASSING)} for row in run.read_metrics()]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def record_arms(run: RunFolder, *, commands: Sequence[str], title: str) -> Record:
    """A run with its arms and replicates: accuracies a seed, with two-level intervals."""
    recipe = run.read_recipe()
    seeds = [run, *(run.replicate(seed) for seed in run.replicate_seeds())]
    labels, base = _aligned([_rows(folder, 0) for folder in seeds])
    own = ", ".join(_lines({"sample": recipe.sample.model_dump(exclude_none=True)}))
    arms = [_record_arm("trained", own, seeds, base, labels)]
    for name in recipe.arms:
        about = ", ".join(_lines(recipe.arms[name]))
        arms.append(_record_arm(name, about, [folder.arm(name) for folder in seeds], base, labels))
    held_out = _apart(_rows(run, 0))
    return {
        **_head("arms", title, commands, run),
        "seeds": [folder.read_recipe().seed for folder in seeds],
        "base": {
            **{reading: discipline_mean(base[reading][0], labels) for reading in base},
            "held_out": held_out,
            "worked": _share_worked(_rows(run, 0)),
        },
        "arms": arms,
    }


def across_seeds(run: RunFolder) -> Record | None:
    """`record_arms` of a run that has replicates, once all of its parts are complete."""
    seeds = run.replicate_seeds()
    recipe = run.read_recipe()
    parts = [run, *(run.replicate(seed) for seed in recipe.replicate_seeds)]
    if not seeds or not all(part.arm(name).is_complete() for part in parts for name in recipe.arms):
        return None
    last = recipe.train.num_steps
    evaluated = (part.evaluated_steps(recipe.evaluate.suite, recipe.evaluate.protocol) for part in parts)
    if not all({0, last} <= set(steps) for steps in evaluated):
        return None
    return record_arms(run, commands=[run.read_info().get("command", "")], title=f"{recipe.name} over seeds")


def record_draws(run: RunFolder, probe: Path, *, commands: Sequence[str], title: str) -> Record:
    """Random samples, each an arm of one run, beside what probe rollouts of the base said of them."""
    recipe = run.read_recipe()
    folders = [run, *(run.arm(name) for name in recipe.arms)]
    probed = _read_probe(probe)
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
    names = {run: "trained", **{run.arm(name): name for name in run.read_recipe().arms}}
    return {
        **_head("curves", title, commands, run),
        "rule": f"Saturated: {SATURATED_STEPS} steps in a row with a mean reward of at least {SATURATED_REWARD}.",
        "arms": [_record_curve(folder, name) for folder, name in names.items()],
    }


def record_rates(run: RunFolder, *, commands: Sequence[str], title: str) -> Record:
    """A run and its arms, which differ in the learning rate alone."""
    folders = [run, *(run.arm(name) for name in run.read_recipe().arms)]
    rows = [_record_rate(folder) for folder in folders]
    return {**_head("rates", title, commands, run), "arms": sorted(rows, key=lambda row: row["learning_rate"])}


def record_pass_at_k(evaluations: Mapping[str, Path], run: RunFolder, *, commands: Sequence[str], title: str) -> Record:
    """pass@k of models by their evaluation files (JSON lines of sample-N), the first of which is the base."""
    models, num_problems, num_draws = [], 0, 0
    counts: list[int] = []
    for name, path in evaluations.items():
        right, labels = _right_of_draws(headline(read_lines(path)))
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
    info, recipe = run.read_info(), run.read_recipe()
    machine, versions = info["machine"], info["versions"]
    return {
        "experiment": experiment,
        "title": title,
        "commands": list(commands),
        "date": date.today().isoformat(),
        "machine": f"{machine.get('cpus')} x {machine.get('processor')}, {info['threads']} thread(s) a run",
        "versions": ", ".join(f"{name} {versions[name]}" for name in SHOWN_VERSIONS if name in versions),
        "hashes": {"recipe": recipe_hash(recipe), "code": code_hash(), "weights": info["model"]["sha256"] or "unknown"},
        "metrics_sha256": metrics_hash(run),
        "suite": recipe.evaluate.suite,
        "protocol": recipe.evaluate.protocol,
    }


def _record_arm(
    name: str,
    about: str,
    folders: Sequence[RunFolder],
    base: Mapping[Reading, np.ndarray],
    labels: Sequence[str],
) -> Record:
    rows = [_rows(folder, folder.read_recipe().train.num_steps) for folder in folders]
    after_labels, after = _aligned(rows)
    assert after_labels == labels, f"arm {name} was evaluated on other problems"
    zero = np.zeros_like(base["strict"])
    disciplines = {label: np.array([other == label for other in labels]) for label in labels}
    gains = {
        label: (after["strict"][:, place] - base["strict"][:, place]).mean() for label, place in disciplines.items()
    }
    held_out = [_apart(seed_rows) for seed_rows in rows]
    trained = [folder for folder in folders if folder.read_metrics()]
    return {
        "name": name,
        "about": about,
        "strict": [discipline_mean(scores, labels) for scores in after["strict"]],
        "lenient": [discipline_mean(scores, labels) for scores in after["lenient"]],
        "held_out": held_out if None not in held_out else None,
        "worked": [_share_worked(seed_rows) for seed_rows in rows],
        "reward": [_last_reward(folder) for folder in trained] or None,
        "strict_interval": _interval(zero, after["strict"], labels),
        "lenient_interval": _interval(zero, after["lenient"], labels),
        "strict_gain": _interval(base["strict"], after["strict"], labels),
        "lenient_gain": _interval(base["lenient"], after["lenient"], labels),
        "disciplines_up": sum(bool(gain > 0) for gain in gains.values()),
        "num_disciplines": len(gains),
    }


def _record_draw(folder: RunFolder, probed: Mapping[str, Record]) -> Record:
    sample, recipe = folder.read_samples()[0], folder.read_recipe()
    rows = _rows(folder, recipe.train.num_steps)
    return {
        "name": Path(str(recipe.sample.use)).stem,
        "discipline": sample.discipline,
        "template": sample.meta["template"],
        "level": int(sample.level or 0),
        "answer_type": sample.answer_type,
        "strict": _mean(rows, "strict"),
        "lenient": _mean(rows, "lenient"),
        "reward": _last_reward(folder),
        "worked_after": _share_worked(rows),
        "probe": probed[sample.id],
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


def _read_probe(folder: Path) -> dict[str, Record]:
    """Sample id to what the draws of an evaluation on the samples themselves say."""
    files = sorted(folder.glob("*.jsonl"))
    draws: dict[str, list[Row]] = {}
    for row in (row for file in files for row in read_lines(file)):
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
        rho, p = _spearman(np.array(pairs))
        found.append({"signal": name, "rho": rho, "p": p, "n": len(pairs)})
    return found


def _spearman(pairs: np.ndarray, num_permutations: int = 20_000) -> tuple[float, float]:
    """Rank correlation with mean ranks for ties, and its two-sided permutation p-value (a fixed seed)."""
    ranks = np.stack([_ranks(column) for column in pairs.T])
    centered = ranks - ranks.mean(axis=1, keepdims=True)
    scale = float(np.sqrt((centered**2).sum(axis=1).prod()))
    if scale == 0:
        return 0.0, 1.0
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


def _right_of_draws(rows: Sequence[Row]) -> tuple[np.ndarray, list[str]]:
    """Problems x draws, strict, and the discipline of each problem."""
    right: dict[tuple[str, str], list[bool]] = {}
    label: dict[tuple[str, str], str] = {}
    for row in rows:
        key = (row["benchmark"], row["id"])
        right.setdefault(key, []).append(_is_right(row))
        label[key] = row["discipline"]
    return np.array(list(right.values())), list(label.values())


def _rows(folder: RunFolder, step: int) -> list[Row]:
    recipe = folder.read_recipe()
    return folder.read_evaluation(step, recipe.evaluate.suite, recipe.evaluate.protocol)[0]


def _aligned(rows_of_seeds: Sequence[Sequence[Row]]) -> tuple[list[str], dict[Reading, np.ndarray]]:
    """Disciplines of the problems, and scores as seeds x problems, strict and lenient."""
    first = headline(rows_of_seeds[0])
    label = {(row["benchmark"], row["id"]): str(row["discipline"]) for row in first}
    scores: dict[Reading, np.ndarray] = {}
    readings: tuple[Reading, ...] = ("strict", "lenient")
    for reading in readings:
        tables = [problem_scores(headline(rows), reading) for rows in rows_of_seeds]
        scores[reading] = np.array([[table[key] for key in label] for table in tables])
    return list(label.values()), scores


def _interval(before: np.ndarray, after: np.ndarray, labels: Sequence[str]) -> dict[str, float]:
    interval: Interval = two_level_difference(before, after, labels, seed=SEED)
    return asdict(interval)


def _mean(rows: Sequence[Row], reading: Reading) -> float:
    chosen = headline(rows)
    label = {(row["benchmark"], row["id"]): str(row["discipline"]) for row in chosen}
    scores = problem_scores(chosen, reading)
    return discipline_mean([scores[key] for key in label], list(label.values()))


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


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree
