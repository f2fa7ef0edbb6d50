"""SIGKILL at random moments, again and again: what is resumed ends with the bits of what was never touched.

Five kills by the clock here; a hundred in the slow tier, which looks at where the process stands before it kills it
(py-spy, from outside), so that no phase of a step is left out, and prints how often each was hit:

    python -m pytest -m slow -s tests/test_kills.py
"""

import json
import signal
import subprocess
import time
from collections import Counter
from random import Random

import pytest

from polymath.runs import RunFolder
from tests.conftest import ENVIRONMENT, POLYMATH

VOLATILE = ("time/", "memory/", "step_time", "tokens_per_s")
# A function on the stack -> the phase that it belongs to; the first of this list that is there.
PHASES = {
    "save_checkpoint": "checkpoint",
    "prune_checkpoints": "prune",
    "append_metrics": "log",
    "survey": "old log-probabilities",
    "update_once": "update",
    "judge_and_reward": "judge",
    "write_lines": "store rollouts",
    "roll_out": "rollout",
    "record_evaluation": "evaluate",
}


def recipe(workplace, num_steps):
    """Two updates a step by old log-probabilities that must be taken, a checkpoint every other step."""
    text = (workplace / "tiny.toml").read_text()
    text = text.replace("num_steps = 4", f"num_steps = {num_steps}\nupdates_per_step = 2\nkeep = 2")
    path = workplace / f"killed-{num_steps}.toml"
    path.write_text(text.replace("max_tokens = 6\n[reward]", "max_tokens = 6\ntop_p = 0.95\n[reward]"))
    return path


def start(*arguments):
    """The command in a process group of its own, so that whatever it has started goes with it."""
    return subprocess.Popen(
        [POLYMATH, *map(str, arguments)],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def outcome(path):
    """Everything that must be the same: weights, optimizer, rollouts, answers, and metrics but for time and memory."""
    folder = RunFolder(path)
    rows = [{key: value for key, value in row.items() if not key.startswith(VOLATILE)} for row in folder.read_metrics()]
    files = [
        *path.glob("checkpoints/step-*/*.safetensors"),
        *path.glob("rollouts/*"),
        *path.glob("evaluations/*/*.jsonl"),
    ]
    return json.dumps(rows), {str(file.relative_to(path)): file.read_bytes() for file in files}


def whole_run(workplace, path, num_steps):
    """The seconds from its first step on that an untouched run takes."""
    process = start("run", recipe(workplace, num_steps), "--out", path)
    while not (path / "metrics.jsonl").exists():
        time.sleep(0.01)
    began = time.perf_counter()
    assert process.wait() == 0
    return time.perf_counter() - began


def wait_for_a_step(process, path):
    """Until the resumed run has logged, or has ended."""
    metrics = path / "metrics.jsonl"
    begun = metrics.stat().st_mtime_ns if metrics.exists() else 0
    while process.poll() is None and (not metrics.exists() or metrics.stat().st_mtime_ns == begun):
        time.sleep(0.005)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_run_killed_five_times_ends_with_the_same_bits(workplace, tmp_path):
    seconds = whole_run(workplace, tmp_path / "whole", 12)
    killed, rng, num_kills = tmp_path / "killed", Random(0), 0
    process = start("run", recipe(workplace, 12), "--out", killed)
    while num_kills < 5:
        wait_for_a_step(process, killed)
        time.sleep(rng.uniform(0, seconds / 6))
        if process.poll() is not None:
            break
        kill(process)
        num_kills += 1
        process = start("run", "--resume", killed)
    assert process.wait() == 0
    assert num_kills >= 3
    assert outcome(killed) == outcome(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_killed_a_hundred_times_in_every_phase_ends_with_the_same_bits(workplace, tmp_path):
    num_steps, num_kills = 120, 100
    whole_run(workplace, tmp_path / "whole", num_steps)
    killed, rng, hit = tmp_path / "killed", Random(0), Counter()
    wanted = [phase for phase in PHASES.values() for _ in range(num_kills // len(PHASES) + 1)]
    rng.shuffle(wanted)
    process = start("run", recipe(workplace, num_steps), "--out", killed)
    for phase in wanted[:num_kills]:
        found = kill_in(process, phase, rng)
        if found is None:
            break
        hit[found] += 1
        process = start("run", "--resume", killed)
    assert process.wait() == 0
    print("\n" + "\n".join(f"{phase:24} {hit[phase]:4} {'#' * hit[phase]}" for phase in [*PHASES.values(), "between"]))
    assert all(hit[phase] for phase in PHASES.values()) and sum(hit.values()) == num_kills
    assert outcome(killed) == outcome(tmp_path / "whole")


def kill_in(process, phase, rng, patience_s=6.0):
    """Kill in this phase, or after a while wherever it is; returns where, None for a process that had ended."""
    until = None
    while process.poll() is None:
        time.sleep(rng.uniform(0, 0.02))
        process.send_signal(signal.SIGSTOP)
        here = phase_of(process.pid)
        if here is not None and until is None:
            until = time.perf_counter() + patience_s
        if here == phase or (until is not None and time.perf_counter() > until):
            kill(process)
            return here or "between"
        process.send_signal(signal.SIGCONT)
    return None


def phase_of(pid):
    """Where the process stands; None while it starts."""
    said = subprocess.run(
        [POLYMATH.with_name("py-spy"), "dump", "--nonblocking", "--pid", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    if " train_job" not in said and " before_and_after" not in said:
        return None
    return next((phase for name, phase in PHASES.items() if f" {name} (" in said), "between")
