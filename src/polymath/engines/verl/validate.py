"""Our files in, verl's own opinion of them out, before anything is trained.

verl's Hydra composes the overrides, its validation passes them, its dataset reads the parquet and makes the tokens that
we would, and its reward manager calls our file in threads and gets what our judge says here.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polymath.engines.verl.environment import Environment
from polymath.errors import RecipeError

TIMEOUT_S = 900


def ask_verl(
    environment: Environment,
    inside: Path,
    overrides: Sequence[str],
    *,
    texts: Sequence[str] = (),
    show: Sequence[str] = (),
) -> dict[str, Any]:
    """What inside.py answers in verl's environment: an entry for each check. Raises RecipeError where one fails."""
    with tempfile.TemporaryDirectory(prefix="polymath-verl-") as name:
        folder = Path(name)
        request, answer = folder / "request.json", folder / "answer.json"
        asked = {"overrides": list(overrides), "texts": list(texts), "show": list(show), "cache": str(folder / "cache")}
        request.write_text(json.dumps(asked), encoding="utf-8")
        try:
            done = subprocess.run(
                [environment.python, inside, request, answer],
                cwd=folder,
                env={**os.environ, "HF_DATASETS_CACHE": str(folder / "cache")},
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RecipeError("engine verl", f"did not answer in {TIMEOUT_S} s", "see that its Python works") from None
        if not answer.exists():
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise RecipeError("engine verl", f"its environment broke ({said})", "polymath engine install verl DIR")
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if "failed" in found:
        failed = found["failed"]
        raise RecipeError("engine verl", f"{failed['check']}: {failed['reason']}", "mend the key that it names")
    return found


def check_answer(found: dict[str, Any], *, tokens: Sequence[int], scores: Sequence[float] | None) -> None:
    """Raise RecipeError where verl would ask or reward otherwise than we do, or take no step.

    `tokens` are those of the first prompt as our policy makes them, `scores` what the texts earn here,
    None where that cannot be known.
    """
    if found["dataset"]["steps_per_epoch"] < 1:
        raise RecipeError("rollout.num_groups", "verl would take no step", "write at least as many rows as its batch")
    if list(found["dataset"]["tokens"][0]) != list(tokens):
        raise RecipeError("prompt", "verl makes other tokens of it than we do", "use another template, or engine local")
    if scores is not None and [round(score, 4) for score in found["reward"]["scores"]] != [
        round(score, 4) for score in scores
    ]:
        raise RecipeError(
            "reward", f"earns {found['reward']['scores']} in verl and {list(scores)} here", "see that one judge is used"
        )
