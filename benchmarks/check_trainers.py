"""Do TRL and verifiers take what `polymath export SAMPLE` writes? check_exports.py makes the environment and calls.

TRL trains three optimizer steps of the lab's model from the folder, and its weights are compared with the lab's; from a
folder with one row, where TRL takes no step at all and returns, train.py must end with an error. verifiers installs the
package, validates it, scores answers with its own Task.score, and finds a wrong gold answer wrong.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

# Enough that some group of four disagrees in three steps; small enough for minutes on two cores.
SIZES = {"num_groups": 4, "group_size": 4, "max_tokens": 48}


def export(to: str, sample: str, out: Path) -> None:
    """The folder, moved from where it was written."""
    from polymath.exporting import export_order, make_order

    order = make_order(sample, overrides=["optimizer.learning_rate=1e-3", "seed=1"], **SIZES)
    made = out.parent / "made"
    export_order(order, to=to, out=made)
    out.parent.mkdir(exist_ok=True, parents=True)
    shutil.move(made, out)


def check_trl(python: Path, place: Path, environment: dict[str, str]) -> None:
    """Three steps are taken and move every weight; one row alone is an error, not a success."""
    import torch
    from safetensors.torch import load_file

    from polymath.lab import model_dir

    folder = place / "moved" / "trl"
    export("trl", "lab-coins", folder)
    ended = _run([python, "train.py", "--max-steps", "3"], folder, environment)
    assert ended.returncode == 0, ended.stderr[-4000:]
    said = json.loads(ended.stdout.strip().splitlines()[-1])
    assert said["global_step"] == 3 and said["parameters_moved"] == said["parameters"] > 0, said
    assert sum(said["outcomes"].values()) == 3 * SIZES["num_groups"] * SIZES["group_size"], said
    before, after = load_file(model_dir() / "model.safetensors"), load_file(Path(said["model"]) / "model.safetensors")
    moved = [name for name, weights in before.items() if not torch.equal(weights, after[name])]
    assert len(moved) == len(before), set(before) - set(moved)
    print(f"TRL takes 3 optimizer steps, {len(moved)} of {len(before)} tensors move: {json.dumps(said['outcomes'])}")

    (folder / "rows.jsonl").write_text((folder / "rows.jsonl").read_text().split("\n")[0] + "\n")
    ended = _run([python, "train.py", "--max-steps", "3", "--out", "one-row"], folder, environment)
    last = ended.stderr.strip().splitlines()[-1]
    assert ended.returncode == 1 and last == "only 0 of 3 optimizer steps were taken", ended.stderr[-4000:]
    print(f"one row for {SIZES['num_groups']} groups: TRL ends well, train.py with 1: {last}")


SCORE = r"""
import asyncio, json, sys
import verifiers.v1 as vf
from polymath_lab_coins import SampleTaskset
from verifiers.v1.configs.taskset import TasksetConfig
from verifiers.v1.trace import Trace, TraceTask

(task,) = SampleTaskset(TasksetConfig(id="polymath-lab-coins"))
found = []
for said in (rf"So \boxed{{{task.data.answer}}}.", r"\boxed{-1}", "nothing"):
    agent = vf.AgentInfo(config=vf.AgentConfig(), name="check", trainable=False)
    data = TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash)
    trace = Trace(task=data, agent=agent, root_reply=said)
    asyncio.run(task.score(trace))
    found.append(trace.reward)
if "--broken" not in sys.argv:
    print(json.dumps(found))
"""


def check_verifiers(python: Path, place: Path, environment: dict[str, str]) -> None:
    """Installed, validated and scored by the real package; a wrong label does not validate."""
    folder = place / "moved" / "verifiers"
    export("verifiers", "lab-coins", folder)
    ended = _run([python, "-m", "pip", "install", "--quiet", "--no-deps", "-e", folder], place, environment)
    assert ended.returncode == 0, ended.stderr[-4000:]
    ended = _run([python, "-c", SCORE], place, environment)
    assert ended.returncode == 0, ended.stderr[-4000:]
    scores = json.loads(ended.stdout.strip().splitlines()[-1])
    assert scores == [1.0, 0.0, 0.0], scores
    print(f"verifiers scores the gold answer, another and none: {scores}")

    assert _validate(python, place, environment, "first") == ("valid", "valid")
    rows = folder / "polymath_lab_coins" / "rows.jsonl"
    row = json.loads(rows.read_text())
    rows.write_text(json.dumps({**row, "answer": row["answer"] + "1"}) + "\n")
    assert _validate(python, place, environment, "second") == ("invalid", "valid")
    print("vf-validate: gold valid, no answer scores less; with another gold answer: invalid")


def _validate(python: Path, place: Path, environment: dict[str, str], name: str) -> tuple[str, str]:
    command = [python.with_name("vf-validate"), "polymath-lab-coins", "--runtime.type", "subprocess", "--rich", "false"]
    ended = _run([*command, "--output-dir", place / name], place, environment)
    (results,) = (place / name).rglob("results.jsonl")
    (row,) = [json.loads(line) for line in results.read_text().splitlines()]
    assert row["gold"]["error"] is None and row["noop"]["error"] is None, (row, ended.stderr[-2000:])
    return row["gold"]["reason"], row["noop"]["reason"]


def _run(command: list[object], cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


CHECKS: dict[str, Callable[[Path, Path, dict[str, str]], None]] = {"trl": check_trl, "verifiers": check_verifiers}
