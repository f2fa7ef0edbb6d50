"""Several processes by torchrun: the gradients of one process, one run folder, the same bits after a kill."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from polymath.prompts import Prompt
from polymath.recipe import make_recipe
from polymath.rollouts.ranks import Ranks
from polymath.runs import RunFolder
from polymath.testing import tiny_policy
from polymath.training.credit import Weighed
from polymath.training.update import differentiate, survey
from tests.conftest import ROOT

PROMPTS = (Prompt(text="one prompt"), Prompt(text="and another"))
# Equal and unequal responses, of two prompts, an odd number of them, with old log-probabilities.
RESPONSES = [(5, 6, 7), (5, 6, 7), (5, 9), (5, 6, 8, 9), (11,), (5, 9, 12), (7, 7, 7)]
BATCH = [
    Weighed(
        prompt=PROMPTS[place % 3 == 2],
        token_ids=token_ids,
        advantage=(-1.0) ** place * (place + 1) / 4,
        group=place // 2,
        # Those of one policy: equal beginnings have equal ones.
        old_logprobs=torch.tensor([-5.0 - sum(token_ids[: end + 1]) % 7 / 10 for end in range(len(token_ids))]),
    )
    for place, token_ids in enumerate(RESPONSES)
]
TABLES = {
    "sequence mean": {"kl": {"coefficient": 0.1}, "entropy": {"coefficient": 0.01}},
    "token mean": {"loss": {"aggregation": "token_mean", "name": "cispo"}},
    "whole responses": {"loss": {"name": "gspo"}, "train": {"micro_batch_tokens": 4}},
}


def in_float64(found):
    """transformers' norms compute in float32 whatever they are given; torch's own do not."""
    for module in found.model.modules():
        for name, child in list(module.named_children()):
            if type(child).__name__ == "LlamaRMSNorm":
                norm = torch.nn.RMSNorm(child.weight.shape, eps=child.variance_epsilon)
                norm.weight = child.weight
                setattr(module, name, norm)
    found.model.double()
    return found


def policy():
    return in_float64(tiny_policy(3))


def reference_of():
    return in_float64(tiny_policy(4).frozen_copy())


def torchrun(*arguments, **options):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    return subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)


@pytest.fixture(scope="module")
def of_two_ranks(tmp_path_factory):
    path = tmp_path_factory.mktemp("ranks") / "found.pt"
    process = torchrun(str(ROOT / "tests" / "engines" / "two_ranks.py"), str(path))
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said[-2000:]
    return torch.load(path)


@pytest.mark.parametrize("name", TABLES)
def test_the_gradients_of_two_ranks_are_those_of_one_process(of_two_ranks, name):
    """In float64 to 1e-10 of the largest; the sums over tokens that the log is made of, too."""
    gradients, sums, logprobs = of_two_ranks[name]
    recipe, alone = make_recipe(TABLES[name]), policy()
    expected = differentiate(alone, BATCH, recipe, reference_of(), recipe.entropy.coefficient)
    scale = max(float(parameter.grad.abs().max()) for parameter in alone.parameters())
    assert scale > 1e-4
    for gradient, parameter in zip(gradients, alone.parameters(), strict=True):
        assert float((gradient - parameter.grad).abs().max()) <= 1e-10 * scale
    assert sums.pop("num_nodes") >= expected.pop("num_nodes")  # a beginning that both ranks have is computed by both
    assert sums == pytest.approx(expected, rel=1e-10)
    for found, one in zip(logprobs, survey(alone, BATCH, recipe), strict=True):
        assert torch.allclose(found, one.logprob_T, rtol=0, atol=1e-12)


def test_shares_are_neighbours_and_leave_nothing_out():
    for size in (1, 2, 3, 7):
        shares = [Ranks(rank=rank, size=size).share(11) for rank in range(size)]
        assert [place for share in shares for place in share] == list(range(11))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


RECIPE = ["recipes/lab.toml", "--set", "arms={}", "--set", "train.num_steps=4", "--set", "train.save_every=1"]
SETTINGS = [
    "rollout.num_groups=3",
    "rollout.max_tokens=24",
    "evaluate.max_tokens=8",
    "kl.coefficient=0.01",
    "evaluate.limit=1",
    "engine.threads=1",
]
WHAT = [*RECIPE, *(word for setting in SETTINGS for word in ("--set", setting))]


def finish(process):
    _, said = process.communicate(timeout=240)
    return process.returncode, said


def stable(rows):
    return [
        {
            name: value
            for name, value in row.items()
            if not name.startswith(("time/", "memory/", "step_time", "tokens_per"))
        }
        for row in rows
    ]


def test_a_run_of_two_ranks_is_one_run_and_survives_a_kill(tmp_path):
    code, said = finish(torchrun("-m", "polymath", "train", *WHAT, "--out", str(tmp_path / "whole")))
    assert code == 0, said[-2000:]
    whole, killed = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "killed")
    process = torchrun("-m", "polymath", "train", *WHAT, "--out", str(killed.path), start_new_session=True)
    deadline = time.monotonic() + 200
    while not (killed.path / "checkpoints" / "step-1").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    # torchrun starts its ranks in sessions of their own: without it they end by themselves or are swept away here.
    subprocess.run(["pkill", "-KILL", "-f", str(killed.path)], check=False)
    command = [sys.executable, "-m", "polymath", "run", "--resume", str(killed.path)]
    alone = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert alone.returncode == 2 and "was trained by 2 ranks, not 1" in alone.stderr
    code, said = finish(torchrun("-m", "polymath", "run", "--resume", str(killed.path)))
    assert code == 0, said[-2000:]
    assert stable(killed.read_metrics()) == stable(whole.read_metrics())
    assert len(whole.read_metrics()) == 4 and whole.read_info()["ranks"] == 2
    for step in range(1, 5):
        rows = whole.read_rollouts(step)
        assert len(rows) == 3 * 8 and rows == killed.read_rollouts(step)
    one, other = (folder.path / "checkpoints" / "step-4" / "model.safetensors" for folder in (whole, killed))
    assert one.read_bytes() == other.read_bytes()
