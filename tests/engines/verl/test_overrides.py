"""A recipe to verl's settings: every recipe that we ship maps or is refused by the key that verl has nothing for."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from polymath.engines.verl.overrides import Places, check_version, hydra, overrides_of, script_of
from polymath.engines.verl.refusals import check_recipe
from polymath.errors import RecipeError
from polymath.recipe import arm_recipe, make_recipe, read_recipe
from tests.conftest import ROOT

PLACES = Places(model="m", data=Path("/d.parquet"), reward=Path("/reward.py"), checkpoints=Path("/checkpoints"))
VERL = {"engine": {"name": "verl"}}
# Recipe and arm ("" is the recipe itself) to the key that is refused; those that are not here map.
REFUSED = {
    ("ablations/labels", ""): "kl.clamp",
    ("ablations/labels", "off-by-one"): "kl.clamp",
    ("ablations/labels", "near"): "kl.clamp",
    ("ablations/labels", "guessable"): "kl.clamp",
    ("ablations/labels", "unguessable"): "kl.clamp",
    ("ablations/terms", ""): "kl.clamp",
    ("ablations/terms", "none"): "loss.coefficient",
    ("ablations/terms", "policy-decay-kl"): "kl.clamp",
    ("ablations/terms", "entropy-threefold"): "kl.clamp",
    ("ablations/terms", "decay-kl"): "loss.coefficient",
    ("ablations/terms", "decay-kl-entropy"): "loss.coefficient",
    ("ablations/terms", "entropy"): "loss.coefficient",
    ("ablations/terms", "entropy-early"): "loss.coefficient",
    ("ablations/terms", "decay-felt"): "kl.clamp",
    ("cft_2506", ""): "demonstrations.file",
    ("dapo", ""): "filter.name",
    ("em_2505", ""): "loss.name",
    ("lab-curves", ""): "evaluate.every",
    ("lab-curves", "poor"): "evaluate.every",
    ("lab-curves", "comprehensive"): "evaluate.every",
    ("limr_2502", ""): "reward.name",
    ("one_gpu", ""): "stop.entropy_below",
    ("one_gpu", "format"): "stop.entropy_below",
    ("one_shot_2504", ""): "loss.aggregation",
    ("post_saturation", ""): "entropy.target",
    ("post_saturation", "groups-of-8"): "entropy.target",
    ("post_saturation", "rl-zvp"): "advantage.name",
    ("post_saturation", "no-entropy"): "entropy.target",
    ("small-model", ""): "kl.clamp",
}
FILES = sorted((ROOT / "recipes").glob("*.toml")) + sorted((ROOT / "recipes" / "ablations").glob("*.toml"))
CASES = [
    (path, arm)
    for path in FILES
    for arm in ("", *tomllib.loads(path.read_text()).get("arms", {}))
    if (path.stem, arm) not in {("lab", "in-context"), ("lab-arms", "in-context")}
]


def name_of(path):
    return path.relative_to(ROOT / "recipes").with_suffix("").as_posix()


def table(recipe):
    """The overrides by key, as text."""
    return dict(row.lstrip("+").split("=", 1) for row in overrides_of(recipe, PLACES))


@pytest.mark.parametrize(("path", "arm"), CASES, ids=lambda case: name_of(case) if isinstance(case, Path) else case)
def test_every_shipped_recipe_maps_or_is_refused_by_its_key(path, arm):
    recipe = read_recipe(path, ["engine.name=verl"])
    recipe = arm_recipe(recipe, arm) if arm else recipe
    key = REFUSED.get((name_of(path), arm))
    if key is None:
        assert len(overrides_of(recipe, PLACES)) > 50
        return
    with pytest.raises(RecipeError) as refused:
        overrides_of(recipe, PLACES)
    assert refused.value.where == key


@pytest.mark.parametrize(("name", "arm"), [("lab", "in-context"), ("lab-arms", "in-context")])
def test_an_arm_that_trains_nothing_asks_nothing_of_verl(name, arm):
    recipe = arm_recipe(read_recipe(ROOT / "recipes" / f"{name}.toml", ["engine.name=verl"]), arm)
    check_recipe(recipe)
    with pytest.raises(RecipeError, match=r"train\.num_steps"):
        overrides_of(recipe, PLACES)


def test_the_settings_of_the_polymath_paper_are_these():
    found = table(read_recipe(ROOT / "recipes" / "polymath_2601.toml", ["engine.name=verl"]))
    wanted = {
        "data.train_batch_size": "128",
        "actor_rollout_ref.rollout.n": "16",
        "data.max_response_length": "2048",
        "actor_rollout_ref.actor.ppo_mini_batch_size": "128",
        "algorithm.adv_estimator": '"grpo"',
        "algorithm.norm_adv_by_std_in_grpo": "true",
        "actor_rollout_ref.actor.loss_agg_mode": '"seq-mean-token-mean"',
        "actor_rollout_ref.actor.use_kl_loss": "false",
        "actor_rollout_ref.actor.entropy_coeff": "0.0",
        "actor_rollout_ref.actor.optim.lr": "1e-06",
        "actor_rollout_ref.actor.optim.weight_decay": "0.01",
        "trainer.total_training_steps": "140",
        "trainer.save_freq": "20",
        "trainer.logger": '["console","file"]',
        "trainer.val_before_train": "false",
        # 16384 tokens a forward have room for 5 rows of 1024 + 2048.
        "actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu": "5",
        "actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu": "5",
        "actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu": "5",
    }
    assert {key: found[key] for key in wanted} == wanted


def test_a_critic_gets_its_own_settings_and_a_kl_in_the_loss_its_kind():
    recipe = make_recipe(
        {
            **VERL,
            "advantage": {"name": "gae"},
            "critic": {"learning_rate": 9e-6, "lam": 0.95, "value_clip": 0.2, "warmup_steps": 3},
            "kl": {"coefficient": 0.01, "estimator": "k1"},
            "loss": {"aggregation": "constant_length", "dual_clip": 3.0},
            "rollout": {"max_tokens": 100},
            "train": {"updates_per_step": 4},
            "optimizer": {"warmup_frac": 0.05, "schedule": "cosine"},
        }
    )
    found = table(recipe)
    assert found["algorithm.adv_estimator"] == '"gae"' and found["algorithm.lam"] == "0.95"
    assert found["critic.optim.lr"] == "9e-06" and found["critic.cliprange_value"] == "0.2"
    # Ours learns from step 4 on; verl's actor learns where critic_warmup <= step.
    assert found["trainer.critic_warmup"] == "4"
    assert found["actor_rollout_ref.actor.kl_loss_type"] == '"kl"'
    assert found["actor_rollout_ref.actor.kl_loss_coef"] == "0.01"
    assert found["actor_rollout_ref.actor.loss_scale_factor"] == "100"
    assert found["actor_rollout_ref.actor.clip_ratio_c"] == "3.0"
    assert found["actor_rollout_ref.actor.ppo_mini_batch_size"] == "4"
    assert found["actor_rollout_ref.actor.optim.lr_warmup_steps"] == "7"


def test_the_overlong_part_is_punished_by_the_manager_that_counts_tokens():
    recipe = make_recipe({**VERL, "rollout": {"max_tokens": 100}, "reward": {"parts": {"exact": 2.0, "overlong": 0.5}}})
    rows = overrides_of(recipe, PLACES)
    assert "+reward.reward_kwargs.overlong_buffer_cfg={enable:true,len:20,penalty_factor:0.5,log:false}" in rows
    assert "+reward.custom_reward_function.reward_kwargs={parts:{exact:2.0},options:{}}" in rows


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"reward": {"name": "majority"}}, "reward.name"),
        ({"reward": {"parts": {"exact": 1.0, "length_kimi": 0.1}}}, "reward.parts.length_kimi"),
        ({"reward": {"name": "limr3"}}, "reward.name"),
        ({"advantage": {"ddof": 0}}, "advantage.ddof"),
        ({"advantage": {"epsilon": 1e-4}}, "advantage.epsilon"),
        ({"advantage": {"name": "gae"}, "critic": {"whiten": False}}, "critic.whiten"),
        ({"advantage": {"name": "gae"}, "critic": {"value_clip": 0.0}}, "critic.value_clip"),
        ({"model": {"lora": {}}}, "model.lora"),
        ({"model": {"device": "cpu"}}, "model.device"),
        ({"optimizer": {"schedule": "linear"}}, "optimizer.schedule"),
        ({"kl": {"coefficient": 0.1, "clamp": 10.0, "reference": "ema"}}, "kl.reference"),
        ({"kl": {"coefficient": 0.1, "estimator": "k1", "clamp": 1.0}}, "kl.clamp"),
        ({"stages": [{"steps": 140}]}, "stages"),
        ({"evaluate": {"every": 30}}, "evaluate.every"),
        ({"rescue": {"after": 3}}, "rescue.after"),
        ({"rollout": {"order": "prioritised"}}, "rollout.order"),
    ],
)
def test_what_verl_would_do_otherwise_is_refused_by_name(sections, key):
    with pytest.raises(RecipeError) as refused:
        check_recipe(make_recipe({**VERL, **sections}))
    assert refused.value.where == key and "\n" not in str(refused.value)


def test_a_reward_of_ones_own_is_refused():
    recipe = make_recipe({**VERL, "reward": {"name": "mine"}})
    with pytest.raises(RecipeError, match="does not reach verl's workers"):
        check_recipe(recipe, {"mine": lambda group: [0.0] * len(group.completions)})


def test_ones_own_overrides_come_last():
    recipe = make_recipe({"engine": {"name": "verl", "overrides": ["data.seed=7", "trainer.nnodes=2"]}})
    assert overrides_of(recipe, PLACES)[-2:] == ["data.seed=7", "trainer.nnodes=2"]


def test_a_cluster_of_several_nodes_needs_an_address():
    with pytest.raises(RecipeError, match="ray_address"):
        make_recipe({"engine": {"name": "verl", "nodes": 2}})
    recipe = make_recipe({"engine": {"name": "verl", "nodes": 2, "ray_address": "10.0.0.1:6379"}})
    assert '+ray_kwargs.ray_init.address="10.0.0.1:6379"' in overrides_of(recipe, PLACES)
    with pytest.raises(RecipeError, match="no meaning with name = local"):
        make_recipe({"engine": {"name": "local", "python": "x"}})


def test_the_script_gives_verl_what_the_list_says(tmp_path):
    python = tmp_path / "a python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    overrides = overrides_of(make_recipe({**VERL, "engine": {"name": "verl", "overrides": ["a='b c'"]}}), PLACES)
    script = tmp_path / "train.sh"
    script.write_text(script_of(overrides, str(python)))
    said = subprocess.run(["sh", script, "data.seed=5"], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["-m", "verl.trainer.main_ppo", "data.seed=5", *overrides]


@pytest.mark.parametrize(
    ("value", "written"),
    [(None, "null"), (True, "true"), (3, "3"), ('a "b" \\c', '"a \\"b\\" \\\\c"'), ({"a": [1, None]}, "{a:[1,null]}")],
)
def test_values_are_written_in_the_grammar_of_hydra(value, written):
    assert hydra(value) == written


@pytest.mark.parametrize("version", ["0.8.2", "0.10.0", "1.0", "0.10.0.dev0"])
def test_another_verl_is_refused_in_one_line(version):
    with pytest.raises(RecipeError, match=r"we write for >=0\.9,<0\.10"):
        check_version(version, "engine.python")


@pytest.mark.parametrize("version", ["0.9.0", "0.9.1", "0.9.7.post1"])
def test_a_verl_that_we_write_for_passes(version):
    check_version(version, "engine.python")


def test_the_correction_of_the_sampler_is_verls():
    """Weights and losses are compared by benchmarks/parity."""
    section = {"name": "vllm", "correction": "sequence", "correction_cap": 3.0, "memory_share": 0.3, "sleeps": False}
    found = overrides_of(make_recipe({**VERL, "sampler": section}), PLACES)
    for row in (
        'algorithm.rollout_correction.rollout_is="sequence"',
        "algorithm.rollout_correction.rollout_is_threshold=3.0",
        "actor_rollout_ref.rollout.calculate_log_probs=true",
        "actor_rollout_ref.rollout.gpu_memory_utilization=0.3",
        "actor_rollout_ref.rollout.free_cache_engine=false",
    ):
        assert row in found, row
    plain = overrides_of(make_recipe({**VERL, "sampler": {"name": "vllm", "correction": "none"}}), PLACES)
    assert not any("rollout_correction" in row for row in plain)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"speculation": {"method": "ngram"}}, "sampler.speculation"),
        ({"options": {"max_model_len": 9}}, "sampler.options"),
    ],
)
def test_what_the_sampler_is_handed_on_is_refused(section, key):
    with pytest.raises(RecipeError, match=key):
        check_recipe(make_recipe({**VERL, "sampler": {"name": "vllm", **section}}))
