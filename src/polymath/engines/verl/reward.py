"""The file that verl loads by its path: one response in, its score and constant keys out, by our judge.

verl calls `compute_score` for one response at a time, in a pool of threads of many processes. Nothing here uses a
signal; what could take long is compared in a process of its own (polymath/judge/mathematics.py).

    score       the weighted sum of the reward's parts
    acc         1.0 where the judge says right
    undecided   1.0 where the judge failed, or anything here raised: the score is 0.0 then, and not in silence, for this
                key counts it, the log says why, and `undecided_frac` of metrics.jsonl counts again what verl wrote down
    part/NAME   each part of the reward

verl has no way to leave a response out of its group, as our own trainer does with an undecided one.
"""

from __future__ import annotations

import importlib
import math
import secrets
import sys
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

DEFAULT_PARTS = {"exact": 1.0}
# The judge's own failures are of the moment (a worker that was killed, a full machine), so they are tried again.
TRIES = 2

_finding = threading.Lock()


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    *,
    parts: Mapping[str, float] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    **_: Any,
) -> dict[str, float]:
    """The score of one response, and what is counted of it.

    `extra_info["sample"]` is our sample as JSON; without it `ground_truth` is taken for an expression. `parts` and
    `options` are those of the recipe's [reward], by `reward.custom_reward_function.reward_kwargs`. Raises ImportError
    where there is no polymath to judge with: then no run may go on.
    """
    _find_polymath()
    weights = {str(name): float(weight) for name, weight in (DEFAULT_PARTS if parts is None else parts).items()}
    try:
        outcome, total, by_part = _judge(solution_str, ground_truth, extra_info or {}, weights, options or {})
    except Exception as error:
        _tell(f"{type(error).__name__}: {error}", extra_info)
        outcome, total, by_part = "undecided", 0.0, dict.fromkeys(weights, 0.0)
    return {
        "score": total,
        "acc": float(outcome == "right"),
        "undecided": float(outcome == "undecided"),
        **{f"part/{name}": value for name, value in by_part.items()},
    }


def _judge(
    text: str,
    ground_truth: str,
    extra_info: Mapping[str, Any],
    weights: Mapping[str, float],
    options: Mapping[str, Mapping[str, Any]],
) -> tuple[str, float, dict[str, float]]:
    """Outcome, weighted sum and parts of one response: a group of its own, whose verdict is asked again if need be."""
    from polymath.judge import judge
    from polymath.rewards import reward_group
    from polymath.types import Completion, JudgedGroup

    sample = _sample(extra_info.get("sample"), ground_truth)
    for _ in range(TRIES):
        verdict = judge(text, sample)
        if verdict.outcome != "undecided":
            break
    else:
        _tell(f"undecided: {verdict.detail}", extra_info)
    if not weights:
        return verdict.outcome, 0.0, {}
    group = JudgedGroup(
        sample=sample,
        completions=(Completion(text=text, finish="eos"),),
        verdicts=(verdict,),
        # verl tells neither step nor group, so a random reward cannot be drawn again.
        seed=secrets.randbits(63),
    )
    plain = {str(name): dict(given) for name, given in options.items()}
    totals, by_part = reward_group(group, weights, options=plain)
    if not math.isfinite(totals[0]):
        raise ValueError(f"the reward is {totals[0]}")
    return verdict.outcome, totals[0], by_part[0]


@lru_cache(maxsize=4096)
def _sample(row: str | None, ground_truth: str) -> Any:
    from polymath.types import Sample

    return Sample(question="", answer=ground_truth) if row is None else Sample.model_validate_json(row)


def _find_polymath() -> None:
    """Our source lies beside this file where the engine laid it; the last place to look, so that it hides nothing."""
    with _finding:
        if "polymath.rewards" in sys.modules:
            return
        try:
            importlib.import_module("polymath.rewards")
        except ImportError:
            for name in [name for name in sys.modules if name.partition(".")[0] == "polymath"]:
                del sys.modules[name]
            sys.path.append(str(Path(__file__).resolve().parents[3]))
            importlib.import_module("polymath.rewards")


def _tell(what: str, extra_info: Mapping[str, Any] | None) -> None:
    sample = str((extra_info or {}).get("sample_id"))[:12]
    print(f"polymath reward: sample {sample}: {' '.join(what.split())[:300]}", file=sys.stderr, flush=True)
