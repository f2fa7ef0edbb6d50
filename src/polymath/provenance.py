"""What a result came from, as hashes: the code that decides it, the code that tabulates it, the recipe, the result.

The hash of code covers its text without comments, docstrings and blank lines, and is the same under every Python.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import tokenize
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polymath.recipe import Recipe, arm_recipe
from polymath.runs import RunFolder
from polymath.samples.sources import load_samples

# From the world to the verdict: what a model is asked, does, learns, and how that is judged. What carries these
# from one to the other (jobs, api, runs.py) is not in it.
DECIDING = (
    "types.py",
    "seeds.py",
    "prompts.py",
    "ways.py",
    "judge",
    "rewards",
    "samples/sources.py",
    "samples/labels.py",
    "samples/pools.py",
    "samples/layouts.py",
    "samples/rows.py",
    "lab/world.py",
    "lab/text.py",
    "lab/tokenizer.py",
    "lab/draws.py",
    "lab/templates",
    "rollouts",
    "evaluation/evaluate.py",
    "evaluation/protocol.py",
    "evaluation/suites.py",
    "evaluation/benchmarks/__init__.py",
    "evaluation/benchmarks/benchmark.py",
    "evaluation/benchmarks/lab.py",
    "training",
    "engines/local.py",
)
# From the rows of an evaluation to the numbers of a table.
TABULATING = ("evaluation/statistics.py", "reporting/compare.py", "reporting/recording.py")
# What a step's metrics must agree in. The log may gain others without a result being another.
_TELLING = ("step", "reward", "accuracy", "loss", "grad_norm", "entropy", "kl", "num_tokens")


def code_hash(names: Sequence[str] = DECIDING) -> str:
    """sha256 of these files and folders of the package."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for name in names:
        path = root / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(f"{file.relative_to(root).as_posix()}\n{bare_code(file.read_text('utf-8'))}\n".encode())
    return digest.hexdigest()


def recipe_hash(recipe: Recipe) -> str:
    """sha256 of the resolved recipe, without what a machine decides, and of the samples that its names stand for.

    Keys at their default are not in it, so that a recipe stays the same when recipes gain keys.
    """
    decided: Any = {"name": True, "engine": True, "model": {"device"}}
    table = recipe.model_dump(mode="json", exclude=decided, exclude_defaults=True)
    sections = [recipe.sample, *(arm_recipe(recipe, name).sample for name in recipe.arms)]
    named = [sample.id for section in sections for sample in load_samples(section)]
    return hashlib.sha256(json.dumps([table, named], sort_keys=True).encode()).hexdigest()


def result_hash(run: RunFolder) -> str:
    """sha256 of what a run's metrics say of every step, and of every answer and verdict of its evaluations.

    Arms and replicates are not in it. Equal where training and evaluation were the same bit for bit.
    """
    digest = hashlib.sha256()
    for row in run.read_metrics():
        stable = {key: row[key] for key in _TELLING if key in row}
        digest.update(json.dumps(stable).encode())
    for path in sorted((run.path / "evaluations").glob("*/*.jsonl")):
        digest.update(f"{path.parent.name}/{path.name}".encode() + path.read_bytes())
    return digest.hexdigest()


def bare_code(source: str) -> str:
    """Python text without comments, docstrings, blank lines and trailing space."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if ast.get_docstring(node, clean=False) is not None and isinstance(first, ast.Expr):
                for row in range(first.lineno, (first.end_lineno or first.lineno) + 1):
                    lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
