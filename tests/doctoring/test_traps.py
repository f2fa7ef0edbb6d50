"""What a recipe alone gives away."""

import pytest

from polymath.doctoring.probe import Probe
from polymath.doctoring.shape import shape_of
from polymath.doctoring.traps import can_differ, traps, will_update
from polymath.recipe import make_recipe
from polymath.testing import tiny_policy

SHAPE = shape_of(tiny_policy().model)
SOUND = {"optimizer": {"learning_rate": 2e-4}}


def names(table):
    return {finding.check for finding in traps(make_recipe(table), SHAPE)}


def test_a_sound_recipe_has_none():
    recipe = make_recipe(SOUND)
    assert not list(traps(recipe, SHAPE))
    assert will_update(recipe).answer == "yes"
    assert can_differ(recipe).answer == "yes"


@pytest.mark.parametrize(
    ("check", "table"),
    [
        ("learning_rate", {"optimizer": {"learning_rate": 1.0}}),
        ("learning_rate", {"optimizer": {"learning_rate": 1e-8}, "model": {"lora": {}}}),
        ("save_every", SOUND | {"train": {"num_steps": 10, "save_every": 20}}),
        ("top_p", SOUND | {"train": {"updates_per_step": 2}, "rollout": {"top_p": 0.9}}),
        ("micro_batch_tokens", SOUND | {"train": {"micro_batch_tokens": 32}}),
        ("kl.estimator", SOUND | {"kl": {"coefficient": 0.1, "estimator": "k1"}}),
        ("evaluate.every", SOUND | {"evaluate": {"every": 1000}}),
        ("stop.patience", SOUND | {"stop": {"solved": 1.0, "patience": 500}}),
    ],
)
def test_each_trap_is_found(check, table):
    assert names(table) == {check}


@pytest.mark.parametrize(
    "table",
    [
        {"optimizer": {"warmup_steps": 200}},
        {"optimizer": {"warmup_frac": 1.0}},
        {"advantage": {"name": "gae"}, "critic": {"warmup_steps": 140}},
        {"loss": {"coefficient": 0.0}},
    ],
)
def test_a_run_that_changes_nothing_is_told(table):
    assert will_update(make_recipe(table)).answer == "no"


@pytest.mark.parametrize(
    "table",
    [
        {"advantage": {"name": "pass_at_k", "k": 9}},
        {"rollout": {"top_k": 1}},
        {"reward": {"parts": {"exact": 0.0}}},
    ],
)
def test_groups_that_cannot_differ_are_told(table):
    assert can_differ(make_recipe(table)).answer == "no"


def shown(rate, low, high):
    return Probe(
        num_draws=32,
        group_size=8,
        pass_rate=rate,
        low=low,
        high=high,
        differing=0.5,
        num_values=2,
        truncated=0.0,
        mean_tokens=10.0,
        rollout_s=1.0,
        update_s=1.0,
    )


def test_the_learnable_fraction_is_that_of_groups_with_right_and_wrong_ones():
    # Of two draws at one half, half the pairs differ; of eight all but 2 of 256.
    assert shown(0.5, 0.4, 0.7).learnable() == pytest.approx((1 - 2 / 256, 1 - 0.7**8 - 0.3**8, 1 - 2 / 256))
    assert shown(0.0, 0.0, 0.1).learnable() == pytest.approx((0.0, 0.0, 1 - 0.9**8 - 0.1**8))
