"""SIGKILL at random moments, again and again: what is resumed ends with the bits of what was never touched.

Five kills by the clock here; a hundred in the slow tier, where a profiler in the process ends it somewhere inside a
phase of a step, so that none is left out, and which prints how often each was hit:

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
# A function -> the phase of a step that it is.
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


def start(*arguments, **variables):
    """The command in a process group of its own, so that whatever it has started goes with it."""
    return subprocess.Popen(
        [POLYMATH, *map(str, arguments)],
        env={**ENVIRONMENT, **variables},
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


# Put into the killed process: counts what Python calls, and ends it by SIGKILL somewhere inside a call of one function.
WATCHER = """
import os, signal, sys
from random import Random

name, file, rng = os.environ["KILL_IN"], os.environ["KILL_FILE"], Random(int(os.environ["KILL_SEED"]))
calls, events, inside = rng.randint(1, 3), rng.choice((0, 3, 30, 300, 3000)), None

def end():
    with open(file, "a") as hits:
        hits.write(name + "\\n")
    os.kill(os.getpid(), signal.SIGKILL)

def watch(frame, event, argument):
    global calls, events, inside
    if inside is None:
        if event == "call" and frame.f_code.co_name == name and "polymath" in frame.f_code.co_filename:
            calls -= 1
            inside = frame if calls == 0 else None
        return
    events -= 1
    if events < 0 or (event == "return" and frame is inside):
        end()

sys.setprofile(watch)
"""


@pytest.mark.slow
def test_a_run_killed_a_hundred_times_in_every_phase_ends_with_the_same_bits(workplace, tmp_path):
    """Each phase in turn, at its first to third call from the start of the process, after up to 3,000 calls inside."""
    num_steps, num_kills = 320, 100
    whole_run(workplace, tmp_path / "whole", num_steps)
    (tmp_path / "watcher").mkdir()
    (tmp_path / "watcher" / "sitecustomize.py").write_text(WATCHER)
    hits, killed = tmp_path / "hits", tmp_path / "killed"
    command = ("run", recipe(workplace, num_steps), "--out", killed)
    for seed in range(num_kills):
        process = start(*command, **watched(list(PHASES)[seed % len(PHASES)], hits, seed, tmp_path / "watcher"))
        assert process.wait() == -signal.SIGKILL
        command = ("run", "--resume", killed) if (killed / "run.json").exists() else command
    hit = Counter(PHASES[name] for name in hits.read_text().split())
    print("\n" + "\n".join(f"{phase:24} {hit[phase]:4} {'#' * hit[phase]}" for phase in PHASES.values()))
    assert all(hit[phase] for phase in PHASES.values()) and sum(hit.values()) == num_kills
    assert len(RunFolder(killed).read_metrics()) < num_steps
    assert start("run", "--resume", killed).wait() == 0
    assert outcome(killed) == outcome(tmp_path / "whole")


def watched(name, hits, seed, watcher):
    """Settings of a process that is to end in this function."""
    path = f"{watcher}:{ENVIRONMENT.get('PYTHONPATH', '')}".rstrip(":")
    return {"KILL_IN": name, "KILL_FILE": str(hits), "KILL_SEED": str(seed), "PYTHONPATH": path}
