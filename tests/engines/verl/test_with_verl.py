"""The contract with the real package, on a machine without a GPU: verl itself composes, validates, loads and rewards.

Runs where an environment with verl is: POLYMATH_VERL_PYTHON names its Python, else build/verl or build/parity-verl
beside the repository is looked for. `make verl-contract` makes one.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from polymath.engines.verl.checkpoints import import_checkpoint, newest_of_verl
from polymath.engines.verl.dataset import chat_template_for, count_rows, write_dataset
from polymath.engines.verl.environment import find_environment, install
from polymath.engines.verl.metrics import NAMES
from polymath.engines.verl.overrides import Places, overrides_of
from polymath.engines.verl.source import INSIDE, lay_source
from polymath.engines.verl.validate import ask_verl, check_answer
from polymath.errors import RecipeError
from polymath.prompts import load_template, render_all
from polymath.recipe import make_recipe, read_recipe
from polymath.rollouts.local import LocalPolicy
from polymath.runs import RunFolder
from polymath.testing import save_tiny_model
from polymath.training.checkpoints import is_whole
from polymath.types import Sample
from tests.conftest import ENVIRONMENT, ROOT

HERE = Path(__file__).parent
PLACES = ["build/verl/bin/python", "build/parity-verl/bin/python", "../seven/build/parity-verl/bin/python"]
PYTHON = os.environ.get("POLYMATH_VERL_PYTHON") or next(
    (str(ROOT / place) for place in PLACES if (ROOT / place).exists()), None
)
WHY = "no environment with verl: make verl-contract, or set POLYMATH_VERL_PYTHON"
# verl and what it imports take ten seconds to start, and each test starts it anew.
pytestmark = [pytest.mark.slow, pytest.mark.skipif(PYTHON is None, reason=WHY)]
SAMPLES = [
    Sample(question="2+2?", answer="4"),
    Sample(question="How far?", answer="5", answer_type="quantity", unit="km"),
]
TEXTS = ["It is \\boxed{4}.", "It is \\boxed{5}.", "no box", "\\boxed{3}\\boxed{4}", "\\boxed{9^{9^{9^{9^{9}}}}}"]
GAE = {"advantage": {"name": "gae"}, "kl": {"coefficient": 0.01, "estimator": "k1"}}


@pytest.fixture(scope="module")
def environment():
    return find_environment(PYTHON)


@pytest.fixture(scope="module")
def policy(model_path):
    return LocalPolicy.load(str(model_path), device="cpu")


def prepare(folder, model_path, policy, sections=None, template="plain"):
    recipe = make_recipe(
        {
            "engine": {"name": "verl"},
            "model": {"path": str(model_path)},
            "rollout": {"num_groups": 4, "group_size": 8, "max_tokens": 64},
            **(sections or {}),
        }
    )
    prompts = render_all(SAMPLES, load_template(template))
    write_dataset(folder / "train.parquet", SAMPLES, prompts, num_rows=count_rows(2, 4, 10))
    places = Places(
        model=str(model_path),
        data=folder / "train.parquet",
        reward=lay_source(folder / "source"),
        checkpoints=folder / "checkpoints",
        rollouts=folder / "rollouts",
        metrics=folder / "metrics.jsonl",
        max_prompt_tokens=64,
        chat_template=chat_template_for(policy.tokenizer, prompts),
        resume_from=None,
    )
    return recipe, overrides_of(recipe, places), [policy.encode(prompt) for prompt in prompts]


def test_verl_takes_our_settings_reads_our_rows_and_rewards_as_we_do(tmp_path, model_path, policy, environment):
    """Two hundred texts at once through its reward manager's threads, by the file that we laid, with its keys."""
    _, overrides, tokens = prepare(tmp_path, model_path, policy)
    show = ["trainer.logger", "reward.custom_reward_function.reward_kwargs.parts.exact", "data.train_batch_size"]
    found = ask_verl(environment, tmp_path / "source" / INSIDE, overrides, texts=TEXTS * 40, show=show)
    assert found["compose"] == {show[0]: ["console", "file"], show[1]: 1.0, show[2]: 4}
    assert found["validate"] == {"reference": False, "critic": False}
    assert found["dataset"]["num_rows"] == found["dataset"]["num_indices"] == 4
    assert found["dataset"]["tokens"] == [tokens[0], tokens[1], tokens[0], tokens[1]]
    assert found["reward"]["keys"] == [["acc", "part/exact", "score", "undecided"]]
    assert found["reward"]["scores"] == [1.0, 0.0, 0.0, 0.0, 0.0] * 40 and found["reward"]["undecided"] == 0.0
    check_answer(found, tokens=tokens[0], scores=[1.0, 0.0, 0.0, 0.0, 0.0] * 40)
    with pytest.raises(RecipeError, match="other tokens"):
        check_answer(found, tokens=tokens[1], scores=None)


@pytest.mark.parametrize(
    ("sections", "roles"),
    [
        (GAE, {"reference": True, "critic": True}),
        ({"kl": {"coefficient": 0.1, "place": "reward", "clamp": 10.0}}, {"reference": True, "critic": False}),
        (
            {
                "reward": {"parts": {"exact": 2.0, "overlong": 1.0}},
                "loss": {"name": "cispo", "aggregation": "token_mean"},
            },
            {"reference": False, "critic": False},
        ),
        ({"sampler": {"name": "vllm", "correction": "sequence"}}, {"reference": False, "critic": False}),
    ],
    ids=["critic", "kl-in-reward", "overlong", "sampler"],
)
def test_verl_validates_the_other_roles_and_managers(tmp_path, model_path, policy, environment, sections, roles):
    _, overrides, _ = prepare(tmp_path, model_path, policy, sections)
    found = ask_verl(environment, tmp_path / "source" / INSIDE, overrides, texts=TEXTS[:3])
    assert found["validate"] == roles
    weight = sections.get("reward", {}).get("parts", {}).get("exact", 1.0)
    assert found["reward"]["scores"] == [weight, 0.0, 0.0]


def test_a_response_into_the_buffer_is_punished_by_verls_manager(tmp_path, model_path, policy, environment):
    sections = {"reward": {"parts": {"overlong": 1.0}, "options": {"overlong": {"buffer": 32}}}}
    _, overrides, _ = prepare(tmp_path, model_path, policy, sections)
    text = "w" * 48
    assert len(policy.tokenizer(text, add_special_tokens=False)["input_ids"]) == 48
    found = ask_verl(environment, tmp_path / "source" / INSIDE, overrides, texts=[text, "w"])
    # 48 of 64 tokens are 16 of 32 into the buffer.
    assert found["reward"]["scores"] == [-0.5, 0.0]


def test_verl_says_which_key_is_wrong(tmp_path, model_path, policy, environment):
    _, overrides, _ = prepare(tmp_path, model_path, policy)
    with pytest.raises(RecipeError, match=r"compose: .*no_such_key"):
        ask_verl(environment, tmp_path / "source" / INSIDE, [*overrides, "trainer.no_such_key=1"])


def test_the_published_recipe_passes_verls_validation(tmp_path, model_path, environment):
    recipe = read_recipe(ROOT / "recipes" / "polymath_2601.toml", ["engine.name=verl", "engine.gpus_per_node=8"])
    places = Places(
        model=str(model_path), data=tmp_path / "d", reward=tmp_path / "r", checkpoints=tmp_path / "c", resume_from=None
    )
    lay_source(tmp_path / "source")
    with pytest.raises(RecipeError, match="dataset:"):  # the checks before it pass; there are no data here
        ask_verl(environment, tmp_path / "source" / INSIDE, overrides_of(recipe, places))


@pytest.fixture(scope="module")
def captured(tmp_path_factory, model_path, environment):
    """What verl's logger, dump and checkpoint manager write, made anew."""
    folder = tmp_path_factory.mktemp("captured")
    call = [environment.python, HERE / "capture.py", folder, model_path]
    done = subprocess.run(call, env=ENVIRONMENT, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_what_the_stand_in_replays_is_what_verl_writes(captured):
    stored = json.loads((HERE / "captured.json").read_text())
    lines = [json.loads(line) for line in (captured / "metrics.jsonl").read_text().splitlines()]
    assert [set(line["data"]) for line in lines] == [set(line["data"]) for line in stored["metrics"]]
    assert all(line["data"] == pytest.approx(old["data"]) for line, old in zip(lines, stored["metrics"], strict=True))
    for step, rows in stored["rollouts"].items():
        dumped = (captured / "rollouts" / f"{step}.jsonl").read_text().splitlines()
        assert [json.loads(line) for line in dumped] == rows
    place = captured / "checkpoints" / "global_step_1"
    assert sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()) == stored["files"]


def test_the_names_that_we_translate_are_names_of_verls(captured):
    """Those of a critic, a reference and a save are not in a run without them."""
    line = json.loads((captured / "metrics.jsonl").read_text().splitlines()[0])
    absent = {"actor/kl_loss", "actor/reward_kl_penalty", "critic/vf_loss", "critic/vf_explained_var"}
    absent |= {"timing_s/ref", "timing_s/update_critic", "timing_s/save_checkpoint"}
    assert set(NAMES) - set(line["data"]) == absent
    source = find_environment(PYTHON).python.parent.parent
    verl = next(source.glob("lib/python3*/site-packages/verl"))
    texts = "".join(path.read_text(errors="replace") for path in verl.rglob("*.py"))
    assert all(f'"{name.rpartition("/")[2]}"' in texts or f'"{name}"' in texts for name in absent)


def test_shards_of_verls_checkpoint_manager_become_a_checkpoint_of_ours(
    tmp_path, captured, model_path, policy, environment
):
    step, folder = newest_of_verl(captured / "checkpoints")
    run = RunFolder(tmp_path)
    assert step == 2 and import_checkpoint(run, step, folder, environment, policy)
    place = run.checkpoints / "step-2"
    assert is_whole(place) and not (place / "merged").exists()
    truth = load_file(captured / "truth.safetensors")
    policy.load_weights(place)
    merged = policy.model.state_dict()
    assert set(truth) == set(merged)
    for name, tensor in truth.items():
        # verl's merger writes bfloat16: 8 bits of mantissa.
        torch.testing.assert_close(merged[name].float(), tensor.float(), rtol=2**-8, atol=1e-6)
    base = LocalPolicy.load(str(model_path), device="cpu").model.state_dict()
    assert any(not torch.allclose(base[name], merged[name], atol=1e-3) for name in base)
    assert (place / "tokenizer.json").exists()


def test_install_looks_at_a_finished_environment_and_refuses_a_folder_of_something_else(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(RecipeError, match="no virtual environment"):
        install(tmp_path / "mine")


@pytest.mark.gpu
def test_verl_takes_two_steps_on_a_gpu(tmp_path):
    """Unproven until run: an environment with GPU builds, a small model, two steps, a merged checkpoint."""
    from polymath.engines.verl.launch import train

    model = save_tiny_model(tmp_path / "tiny")
    recipe = make_recipe(
        {
            "engine": {"name": "verl", "python": PYTHON},
            "model": {"path": str(model), "dtype": "bfloat16"},
            "rollout": {"num_groups": 2, "group_size": 4, "max_tokens": 8},
            "reward": {"name": "random"},
            "train": {"num_steps": 2, "save_every": 1},
        }
    )
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    train(recipe, SAMPLES[:1], LocalPolicy.load(str(model)), run)
    assert [row["step"] for row in run.read_metrics()] == [1, 2] and is_whole(run.checkpoints / "step-2")
