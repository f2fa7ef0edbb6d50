"""polymath doctor as a user calls it."""

import json

from tests.conftest import polymath
from tests.doctoring.test_memory import SEVEN


def checks(found):
    return {one["check"]: one["answer"] for one in found["findings"]}


def test_a_run_that_fits_and_can_learn_is_healthy(workplace):
    found = polymath("doctor", workplace / "tiny.toml", "--groups", "2", "--json")
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert told["healthy"]
    assert checks(told)["groups differ"] == "yes"
    assert told["probe"]["num_draws"] == 8
    assert 0 < told["memory"]["peak_bytes"] < told["memory"]["available_bytes"]
    assert told["time"]["run_s"] > 0
    assert not list(workplace.glob("runs/*"))


def test_what_does_not_fit_is_no_and_says_what_would(workplace):
    more = ("--set", "train.micro_batch_tokens=100000", "--set", "rollout.num_groups=2000")
    found = polymath("doctor", workplace / "tiny.toml", "--no-probe", "--memory", "600MB", "--json", *more)
    told = json.loads(found.stdout)
    assert (found.returncode, told["healthy"], checks(told)["memory"]) == (1, False, "no")
    detail = next(one["detail"] for one in told["findings"] if one["check"] == "memory")
    assert "set " in detail


def test_a_model_of_which_there_is_a_config_alone(workplace, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(SEVEN))
    lora = ("--set", "model.dtype=bfloat16", "--set", "model.lora.rank=32", "--set", "optimizer.learning_rate=1e-5")
    found = polymath("doctor", workplace / "tiny.toml", "--config", tmp_path, "--memory", "80GB", *lora)
    assert found.returncode == 0, found.stderr
    assert "decoding copy 13.1 GB" in found.stdout and "by its config.json alone" in found.stdout
    whole = polymath("doctor", workplace / "tiny.toml", "--config", tmp_path, "--memory", "80GB")
    assert (
        whole.returncode == 1
        and "set train.micro_batch_tokens = 6, train.gradient_checkpointing = true" in whole.stdout
    )


def test_a_sample_that_is_never_solved_is_told(workplace):
    found = polymath("doctor", workplace / "tiny.toml", "--set", "reward.name=exact", "--groups", "1")
    assert found.returncode == 1
    assert "every draw has the same reward" in found.stdout


def test_a_user_error_is_one_line(workplace):
    found = polymath("doctor", workplace / "tiny.toml", "--memory", "much")
    assert found.returncode == 2
    assert found.stderr.strip().splitlines()[-1].startswith("polymath: --memory")
