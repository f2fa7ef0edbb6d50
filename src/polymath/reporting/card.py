"""A run folder in, the model card of a checkpoint out: what a hub shows, and no claim beyond the intervals.

The card says what was measured, on what, with which interval, and what the interval covers. A difference whose interval
holds zero is called one that cannot be told from none.
"""

from __future__ import annotations

import json
from typing import Any

from polymath.reporting import wording
from polymath.reporting.compare import compare
from polymath.runs import RunFolder, write_text

CARD = "README.md"


def write_card(run: RunFolder, step: int) -> None:
    """Write the card of checkpoints/step-N, where that checkpoint is there."""
    path = run.checkpoints / f"step-{step}"
    if path.is_dir():
        write_text(path / CARD, make_card(run, step))


def make_card(run: RunFolder, step: int) -> str:
    """The text of the card of step N: front matter as a hub reads it, and what was found in sentences."""
    info, recipe = run.read_info(), run.read_recipe()
    suite, protocol = recipe.evaluate.suite, recipe.evaluate.protocol
    steps = run.evaluated_steps(suite, protocol)
    found = run.read_evaluation(step, suite, protocol)[1] if step in steps else None
    samples = run.read_samples()
    named = "one sample" if len(samples) == 1 else f"{len(samples):,} samples"
    front = _front_matter(info, found, suite)
    lines = [
        "---",
        *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()),
        "---",
        "",
        f"# {info['name']}, step {step}",
        "",
        (
            f"`{info['model']['path']}`, trained on {named} by Polymath "
            f"({_how(recipe.engine.name, recipe.advantage.name, recipe.loss.name)}), seed {info['seed']}."
        ),
        "",
        *_claims(run, step, steps, suite, protocol),
        "",
        f"Code `{str(info.get('commit'))[:12]}`, {info['dtype']}; the whole recipe is in the run's run.json.",
        "",
    ]
    return "\n".join(lines)


def _front_matter(info: dict[str, Any], found: dict[str, Any] | None, suite: str) -> dict[str, Any]:
    path = str(info["model"]["path"])
    front: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["polymath", "one-shot-rlvr"],
    }
    if "/" in path and not path.startswith((".", "/", "~")):
        front["base_model"] = path
    if found is not None:
        results = [
            {
                "task": {"type": "text-generation"},
                "dataset": {"name": name, "type": name},
                "metrics": [{"type": "accuracy", "value": score["accuracy"], "name": f"accuracy, {found['protocol']}"}],
            }
            for name, score in found.get("benchmarks", {suite: {"accuracy": found["mean"]}}).items()
        ]
        front["model-index"] = [{"name": info["name"], "results": results}]
    return front


def _how(engine: str, advantage: str, loss: str) -> str:
    return "imitation of demonstrations" if engine == "sft" else f"advantage {advantage}, loss {loss}"


def _claims(run: RunFolder, step: int, steps: list[int], suite: str, protocol: str) -> list[str]:
    if step not in steps:
        return ["This checkpoint has not been evaluated: nothing is claimed of it."]
    rows, summary = run.read_evaluation(step, suite, protocol)
    told = [
        (
            f"Strict accuracy on {suite} ({protocol}): {wording.percent(summary['mean'])} "
            f"[{wording.percent(summary['low'])}, {wording.percent(summary['high'])}]; under lenient extraction "
            f"{wording.percent(summary['lenient_mean'])}."
        )
    ]
    difference = compare(run.read_evaluation(0, suite, protocol)[0], rows) if 0 in steps and step else None
    if difference is not None:
        gain = difference.strict
        is_told = gain.low > 0 or gain.high < 0
        told.append(
            f"Against the base: {wording.points(gain.mean)} points [{wording.points(gain.low)}, "
            f"{wording.points(gain.high)}]" + ("." if is_told else ", which cannot be told from none.")
        )
    told.append(
        "The brackets are 95% intervals over the choice of problems, of one run: another seed, another sample and "
        "another suite are not in them."
    )
    return told
