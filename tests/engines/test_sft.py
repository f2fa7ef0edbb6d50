"""Imitation on a tiny real model: what a plain loop does, resumed bit for bit, and the command as a user calls it."""

import json
import math
import os
import signal
import subprocess
import sys

import pytest
import torch

from polymath.engines.sft import train
from polymath.errors import RecipeError, SampleError, Stopped
from polymath.prompts import Prompt
from polymath.recipe import make_recipe
from polymath.rollouts.policy import Sampling
from polymath.runs import RunFolder, read_lines
from polymath.testing import tiny_policy
from polymath.training.checkpoints import checkpoint_steps, newest_checkpoint
from polymath.training.credit import Weighed
from polymath.training.demonstrations import places_at
from polymath.training.update import update_once
from tests.conftest import ENVIRONMENT, ROOT, polymath

SHOWN = [
    Weighed(prompt=Prompt(text=prompt), token_ids=(*response.encode(), 1), advantage=1.0)
    for prompt, response in (("7*8=", "56"), ("7*8=", "54, no: 56"), ("3*3=", "9"), ("Which one?", "A"), ("So?", "B"))
]
LOGGED = ["step", "loss", "grad_norm", "entropy", "epoch", "learning_rate", "num_tokens", "tokens_per_s", "step_time"]
LOGGED += ["demonstrations/mean_length", "time/update_s", "memory/peak_bytes", "kl"]
VOLATILE = ("time/", "memory/", "step_time", "tokens_per_s")
TABLE = {
    "engine": {"name": "sft"},
    "loss": {"name": "log_likelihood", "aggregation": "token_mean"},
    "demonstrations": {"batch_size": 2},
    "optimizer": {"learning_rate": 3e-3, "schedule": "cosine", "warmup_steps": 2, "weight_decay": 0.05},
    "train": {"num_steps": 6, "save_every": 2, "keep": 3},
}


def recipe(**sections):
    table = {name: dict(values) for name, values in TABLE.items()}
    for name, values in sections.items():
        table[name] = {**table.get(name, {}), **values}
    return make_recipe(table)


def run_training(path, settings, **options):
    policy, folder = tiny_policy(), RunFolder(path)
    path.mkdir(exist_ok=True)
    train(settings, [], policy, folder, demonstrations=options.pop("demonstrations", SHOWN), **options)
    return policy, folder


def stable(folder):
    return [{key: row[key] for key in row if not key.startswith(VOLATILE)} for row in folder.read_metrics()]


def same_weights(one, other):
    return all(torch.equal(*pair) for pair in zip(one.parameters(), other.parameters(), strict=True))


def test_it_says_what_it_was_shown(tmp_path):
    settings = recipe(
        train={"num_steps": 80, "save_every": 80},
        optimizer={"learning_rate": 1e-2, "schedule": "constant"},
        demonstrations={"batch_size": 4},
    )
    policy, folder = run_training(tmp_path / "run", settings, demonstrations=SHOWN[1:])
    rows = folder.read_metrics()
    assert rows[0]["loss"] == pytest.approx(math.log(258), rel=0.05)  # random weights know nothing of 258 tokens
    assert rows[-1]["loss"] < 0.1
    prompts = [item.prompt for item in SHOWN[1:]]
    said = policy.sample(prompts, 1, Sampling(temperature=0.0, max_tokens=16), seed=0)
    assert [one.token_ids for (one,) in said] == [item.token_ids for item in SHOWN[1:]]


def test_the_weights_are_those_of_a_plain_loop(tmp_path):
    """transformers' own loss and cosine schedule, torch's AdamW and clipping, one padded row a demonstration."""
    from transformers import get_cosine_schedule_with_warmup

    settings = recipe()
    policy, folder = run_training(tmp_path / "run", settings)
    plain = tiny_policy()
    optimizer = torch.optim.AdamW(plain.model.parameters(), lr=3e-3, weight_decay=0.05)
    scheduler = get_cosine_schedule_with_warmup(optimizer, 2, 6)
    for step, row in enumerate(folder.read_metrics(), 1):
        rows = [(plain.encode(SHOWN[place].prompt), SHOWN[place].token_ids) for place in places_at(step, 5, 2, seed=0)]
        width = max(len(prompt) + len(response) for prompt, response in rows)
        ids = torch.tensor([[*p, *r, *[0] * (width - len(p) - len(r))] for p, r in rows])
        labels = torch.tensor([[*[-100] * len(p), *r, *[-100] * (width - len(p) - len(r))] for p, r in rows])
        loss = plain.model(input_ids=ids, labels=labels).loss
        assert row["loss"] == pytest.approx(float(loss.detach()), rel=1e-4)
        assert row["learning_rate"] == pytest.approx(scheduler.get_last_lr()[0])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(plain.model.parameters(), 1.0)
        assert row["grad_norm"] == pytest.approx(float(norm), rel=1e-4)
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
    for one, other in zip(policy.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)  # the weights have moved by up to 9e-3


def test_the_log_holds_the_published_names_and_nothing_of_rollouts(tmp_path):
    _, folder = run_training(tmp_path / "run", recipe(kl={"coefficient": 0.1}), reference=tiny_policy(seed=9))
    row = folder.read_metrics()[-1]
    assert set(LOGGED) <= set(row)
    assert not any(name.startswith(("reward", "clip_ratio", "completions", "learnable")) for name in row)
    assert row["epoch"] == pytest.approx(6 * 2 / 5)
    assert row["kl"] > 0
    assert not (tmp_path / "run" / "rollouts").exists()


def test_a_run_killed_after_any_step_ends_with_the_same_bits(tmp_path):
    whole, whole_folder = run_training(tmp_path / "whole", recipe())

    class Killed(Exception):
        pass

    for kill_after in range(1, 7):
        path = tmp_path / f"killed-{kill_after}"

        def kill(step, kill_after=kill_after):
            if step == kill_after:
                raise Killed

        with pytest.raises(Killed):
            run_training(path, recipe(), after_step=kill)
        resumed, folder = run_training(path, recipe())
        assert same_weights(whole, resumed)
        assert stable(folder) == stable(whole_folder)
        assert checkpoint_steps(folder) == [2, 4, 6]


SIGKILLED = """
import os, signal, sys
from pathlib import Path
import torch
from polymath.rollouts.local import LocalPolicy
from polymath.testing import tiny_policy
from tests.engines.test_sft import SHOWN, recipe
from polymath.engines.sft import train
from polymath.runs import RunFolder

class Doomed(LocalPolicy):
    saves = 0
    def save(self, path):
        super().save(path)
        Doomed.saves += 1
        if Doomed.saves == 2 and sys.argv[2] == "saving":
            os.kill(os.getpid(), signal.SIGKILL)

def after_step(step):
    if step == 5 and sys.argv[2] == "between":
        os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
policy = tiny_policy()
doomed = Doomed(policy.model, policy.tokenizer)
train(recipe(), [], doomed, RunFolder(Path(sys.argv[1])), demonstrations=SHOWN, after_step=after_step)
"""


@pytest.mark.parametrize("moment", ["between", "saving"])
def test_a_process_killed_by_the_system_loses_nothing_that_counts(tmp_path, moment):
    """SIGKILL after a step that has no checkpoint, and in the middle of writing one."""
    (tmp_path / "killed").mkdir()
    call = [sys.executable, "-c", SIGKILLED, str(tmp_path / "killed"), moment]
    assert subprocess.run(call, cwd=ROOT, env=ENVIRONMENT, check=False).returncode == -signal.SIGKILL
    assert newest_checkpoint(RunFolder(tmp_path / "killed"))[0] == (4 if moment == "between" else 2)
    whole, whole_folder = run_training(tmp_path / "whole", recipe())
    resumed, folder = run_training(tmp_path / "killed", recipe())
    assert same_weights(whole, resumed)
    assert stable(folder) == stable(whole_folder)


def test_ctrl_c_finishes_the_step_saves_and_says_so(tmp_path):
    def interrupt(step):
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Stopped, match="after step 3 of 6"):
        run_training(tmp_path / "run", recipe(train={"save_every": 100}), after_step=interrupt)
    assert newest_checkpoint(RunFolder(tmp_path / "run"))[0] == 3


def test_the_first_steps_of_a_long_run_are_a_short_run(tmp_path):
    """Halted at step 3 and continued: the learning rate falls as in the run that was never halted."""
    whole, whole_folder = run_training(tmp_path / "whole", recipe())
    _, folder = run_training(tmp_path / "run", recipe(), until=3)
    assert stable(folder) == stable(whole_folder)[:3]
    continued, folder = run_training(tmp_path / "run", recipe())
    assert same_weights(whole, continued) and stable(folder) == stable(whole_folder)


def test_the_seed_decides_the_order_and_nothing_else(tmp_path):
    settings = recipe(demonstrations={"batch_size": 5})
    one, _ = run_training(tmp_path / "one", settings)
    other, _ = run_training(tmp_path / "other", settings.model_copy(update={"seed": 1}))
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)
    small, _ = run_training(tmp_path / "small", recipe())
    again, _ = run_training(tmp_path / "again", recipe().model_copy(update={"seed": 1}))
    assert not all(
        torch.allclose(*pair, atol=1e-5) for pair in zip(small.parameters(), again.parameters(), strict=True)
    )


def test_reinforce_is_the_same_loss_with_advantages():
    """On-policy, -A log p has the gradient of the clipped ratio."""
    batch = [
        Weighed(prompt=item.prompt, token_ids=item.token_ids, advantage=a)
        for item, a in zip(SHOWN, (2, -1, 1, -2, 0.5), strict=True)
    ]
    found = {}
    for name in ("clip", "log_likelihood"):
        policy = tiny_policy()
        caught = found[name] = []

        class Catch(torch.optim.SGD):
            def step(self, closure=None, policy=policy, caught=caught):
                caught.extend(parameter.grad.clone() for parameter in policy.parameters())

        settings = make_recipe({"loss": {"name": name}, "optimizer": {"max_grad_norm": 1e9}})
        update_once(policy, Catch(policy.parameters(), lr=1.0), batch, settings, None)
    for one, other in zip(*found.values(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert any(gradient.abs().max() > 1e-3 for gradient in found["clip"])


# overrides -> what the line must say
REFUSED = [
    ({"loss": {"name": "clip"}}, "needs loss.name = log_likelihood"),
    ({"rollout": {"temperature": 0.6}}, "needs rollout.temperature = 1.0"),
    ({"train": {"updates_per_step": 2}}, "needs train.updates_per_step = 1"),
    ({"label": {"edit": "incorrect"}}, "needs label.edit = true"),
    ({"kl": {"coefficient": 0.1, "place": "reward"}}, "knows the KL in the loss"),
    ({"demonstrations": {"fil": "x"}}, "did you mean file"),
]


@pytest.mark.parametrize(("overrides", "words"), REFUSED)
def test_what_has_no_meaning_in_imitation_is_refused(overrides, words):
    with pytest.raises(RecipeError, match=words):
        recipe(**overrides)


def test_nothing_to_imitate_is_told(tmp_path):
    with pytest.raises(SampleError, match="there are none"):
        run_training(tmp_path / "run", recipe(), demonstrations=[])


LAB = ["prompt.template=plain", "demonstrations.chat=false", "demonstrations.batch_size=4", "train.num_steps=3"]
LAB += ["evaluate.suite=lab", "evaluate.protocol=greedy", "evaluate.max_tokens=16", "evaluate.limit=2"]
LAB += ["engine.threads=1", "evaluate.every=0"]


def test_the_papers_recipe_runs_on_the_lab(tmp_path):
    """Before and after, a report, and resumed with the demonstrations as they were, whatever became of the file."""
    overrides = [part for override in LAB for part in ("--set", override)]
    call = ("run", ROOT / "recipes" / "cft_2506.toml", "--model", "lab", *overrides)
    done = polymath(*call, "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    assert "demonstrations 12, of 10 prompts" in done.stderr
    told, folder = json.loads(done.stdout), RunFolder(tmp_path / "run")
    assert told["after"]["mean"] is not None and folder.report_path.exists()
    info = folder.read_info()
    assert info["status"] == "complete" and info["demonstrations"]["num"] == 12
    assert [row["step"] for row in folder.read_metrics()] == [1, 2, 3]
    assert len(read_lines(tmp_path / "run" / "demonstrations.jsonl")) == 12
    weights = (tmp_path / "run" / "checkpoints" / "step-3" / "model.safetensors").read_bytes()
    (tmp_path / "run" / "checkpoints" / "step-3" / "checkpoint.json").unlink()
    again = polymath("run", "--resume", tmp_path / "run")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "run" / "checkpoints" / "step-3" / "model.safetensors").read_bytes() == weights


def test_wrong_demonstrations_are_told_before_anything_is_written(tmp_path, workplace):
    (tmp_path / "mine.jsonl").write_text('{"question": "2+2?", "solution": "5", "critique": "No."}\n')
    overrides = ["engine.name=sft", "loss.name=log_likelihood", "demonstrations.kind=critique"]
    overrides.append(f"demonstrations.file={json.dumps(str(tmp_path / 'mine.jsonl'))}")
    call = ["run", workplace / "tiny.toml", *(part for override in overrides for part in ("--set", override))]
    done = polymath(*call, "--out", tmp_path / "run")
    assert done.returncode == 2 and "mine.jsonl:1: no critique of 1 can be used" in done.stderr
    assert not (tmp_path / "run").exists()
