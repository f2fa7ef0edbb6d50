"""A stand-in for the Python of verl's environment: it says what verl said when capture.py was run.

    stand_in -c CODE                                what versions it has
    stand_in INSIDE REQUEST ANSWER                  what verl makes of a request; the reward file is called for real
    stand_in -m verl.trainer.main_ppo OVERRIDES     replays the captured steps: checkpoint, dump, line of the log
    stand_in -m verl.model_merger merge ...         weights that tell the step, in the layout that the merger writes

`make_stand_in` writes an executable that does so, and its settings beside it: `waits_before` a step until it is told
otherwise, `dies_after` one, `fails` with a traceback, `tokens` of the first prompt.
"""

import importlib.util
import json
import os
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def make_stand_in(folder, **settings):
    """An executable in `folder` that behaves like the Python of an environment with verl."""
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "stand_in.py"}" "{folder}" "$@"\n')
    python.chmod(0o755)
    change(folder, **{"versions": {"verl": "0.9.1"}, **settings})
    return python


def change(folder, **settings):
    """Other settings from now on; the others stay."""
    path = folder / "settings.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **settings}))


def tell_versions(settings):
    have = dict.fromkeys(("ray", "torch", "math-verify", "TransferQueue"), "1")
    print(json.dumps({"python": "3.11", **have, "vllm": None, **settings["versions"]}))


def answer(settings, request_path, answer_path):
    request = json.loads(Path(request_path).read_text())
    given = values_of(request["overrides"])
    spec = importlib.util.spec_from_file_location("hook", given["reward.custom_reward_function.path"])
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    scored = [hook.compute_score("polymath", text, "4") for text in request["texts"]]
    steps = int(given["data.train_batch_size"])
    found = {
        "dataset": {"num_rows": steps, "steps_per_epoch": 1, "tokens": [settings["tokens"]]},
        "reward": {"scores": [one["score"] for one in scored], "undecided": 0.0},
    }
    if settings.get("refuses"):
        found = {"failed": {"check": "validate", "reason": settings["refuses"]}}
    Path(answer_path).write_text(json.dumps(found))


def values_of(overrides):
    return {key.lstrip("+"): value.strip('"') for key, _, value in (row.partition("=") for row in overrides)}


def train(settings, overrides):
    given, captured = values_of(overrides), json.loads((HERE / "captured.json").read_text())
    checkpoints, dumps = Path(given["trainer.default_local_dir"]), Path(given["trainer.rollout_data_dir"])
    begun = 0
    if given["trainer.resume_mode"] == "resume_path":
        begun = int(given["trainer.resume_from_path"].rpartition("global_step_")[2])
    if settings.get("fails"):
        raise RuntimeError(settings["fails"])
    dumps.mkdir(parents=True, exist_ok=True)
    last = int(given["trainer.total_training_steps"])
    # As verl's FileLogger opens it: a second start would wipe the first one's lines out.
    with Path(os.environ["VERL_FILE_LOGGER_PATH"]).open("wb", buffering=0) as log:
        for line in captured["metrics"][begun:last]:
            step = line["step"]
            while settings.get("waits_before") == step:
                time.sleep(0.1)
            if step % int(given["trainer.save_freq"]) == 0 or step == last:
                save(checkpoints, captured["files"], step)
            rows = captured["rollouts"][str(step)]
            (dumps / f"{step}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            log.write(json.dumps(line).encode() + b"\n")
            if settings.get("dies_after") == step:
                os.kill(os.getpid(), 9)


def save(checkpoints, files, step):
    for file in files:
        path = checkpoints / f"global_step_{step}" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(step))
    (checkpoints / "latest_checkpointed_iteration.txt").write_text(str(step))


def merge(settings, words):
    import numpy as np  # quicker to import than torch
    from safetensors.numpy import load_file, save_file

    given = dict(zip(words[::2], words[1::2], strict=True))
    step, target = int((Path(given["--local_dir"]) / "fsdp_config.json").read_text()), Path(given["--target_dir"])
    model = Path(settings["model"])
    shutil.copytree(model, target)
    weights = {name: np.full_like(tensor, step) for name, tensor in load_file(model / "model.safetensors").items()}
    save_file(weights, target / "model.safetensors")


if __name__ == "__main__":
    folder, *words = sys.argv[1:]
    settings = json.loads((Path(folder) / "settings.json").read_text())
    if words[0] == "-c":
        tell_versions(settings)
    elif words[:2] == ["-m", "verl.trainer.main_ppo"]:
        train(settings, words[2:])
    elif words[:3] == ["-m", "verl.model_merger", "merge"]:
        merge(settings, words[3:])
    else:
        answer(settings, *words[1:])
