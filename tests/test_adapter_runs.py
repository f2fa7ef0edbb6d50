"""Runs with adapters, moments in 8 bits and layers computed anew: killed, resumed, evaluated, refused."""

import json
import time
from random import Random

import pytest

from tests.conftest import polymath
from tests.test_kills import kill, outcome, start, wait_for_a_step

pytest.importorskip("peft")
pytest.importorskip("bitsandbytes")


@pytest.fixture
def adapting(workplace, tmp_path):
    """The tiny recipe with all of it, and a KL to the base."""
    text = (workplace / "tiny.toml").read_text()
    text = text.replace("[sample]", "lora = { rank = 4, alpha = 8 }\n[sample]", 1)
    text = text.replace("[optimizer]", "[kl]\ncoefficient = 0.01\n[optimizer]\nname = 'adamw_8bit'", 1)
    text = text.replace("num_steps = 4", "num_steps = 8\nupdates_per_step = 2\ngradient_checkpointing = true\nkeep = 2")
    path = tmp_path / "adapting.toml"
    path.write_text(text.replace("every = 2\n[engine]", "every = 0\n[engine]"))
    return path


def adapters_of(path):
    return {file.parent.parent.name: file.read_bytes() for file in path.glob("checkpoints/*/adapter/*.safetensors")}


def test_a_killed_run_ends_with_the_same_adapters_and_its_checkpoint_opens_like_any_model(adapting, tmp_path):
    whole, killed, rng = tmp_path / "whole", tmp_path / "killed", Random(0)
    assert start("train", adapting, "--out", whole).wait() == 0
    process, num_kills = start("train", adapting, "--out", killed), 0
    while num_kills < 2:
        wait_for_a_step(process, killed)
        time.sleep(rng.uniform(0, 0.1))
        if process.poll() is not None:
            break
        kill(process)
        num_kills += 1
        process = start("train", "--resume", killed)
    assert process.wait() == 0
    assert num_kills
    assert outcome(killed) == outcome(whole)
    assert adapters_of(killed) == adapters_of(whole)
    assert set(adapters_of(whole)) == {"step-6", "step-8"}

    found = polymath("evaluate", whole / "checkpoints" / "step-8", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["mean"] is not None


def test_an_averaged_reference_is_refused_with_adapters(adapting):
    found = polymath("train", adapting, "--set", "kl.reference=ema")
    assert found.returncode == 2
    assert "kl.reference" in found.stderr and "base" in found.stderr


def test_a_misspelt_key_of_the_adapters_is_named(adapting):
    found = polymath("train", adapting, "--set", "model.lora.rnak=3")
    assert found.returncode == 2
    assert "model.lora.rnak" in found.stderr and "did you mean rank?" in found.stderr
