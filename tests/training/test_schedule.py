"""The learning rate of a step, against transformers' own schedulers and by hand."""

import math

import pytest
import torch
from transformers import get_scheduler

from polymath.errors import RecipeError
from polymath.recipe import OptimizerSection, make_recipe
from polymath.training.schedule import SCHEDULES, count_warmup_steps, learning_rate_at

THEIRS = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


def rates_of_transformers(name, rate, num_warmup, num_steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = get_scheduler(name, optimizer, num_warmup_steps=num_warmup, num_training_steps=num_steps)
    found = []
    for _ in range(num_steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("schedule", list(SCHEDULES))
@pytest.mark.parametrize(("num_warmup", "num_steps"), [(0, 1), (0, 7), (3, 20), (1, 59), (5, 5), (9, 4)])
def test_the_rates_are_those_of_transformers(schedule, num_warmup, num_steps):
    settings = OptimizerSection(learning_rate=5e-6, schedule=schedule, warmup_steps=num_warmup)
    found = [learning_rate_at(settings, step, num_steps) for step in range(1, num_steps + 1)]
    assert found == pytest.approx(rates_of_transformers(THEIRS[schedule], 5e-6, num_warmup, num_steps), rel=1e-12)


def test_a_cosine_by_hand():
    """Two steps of warm-up, then a half wave over four: 0, 1/2, then (1 + cos(k pi / 4)) / 2."""
    settings = OptimizerSection(learning_rate=2.0, schedule="cosine", warmup_steps=2)
    half = math.sqrt(0.5)
    by_hand = [0.0, 1.0, 2.0, 1 + half, 1.0, 1 - half]
    assert [learning_rate_at(settings, step, 6) for step in range(1, 7)] == pytest.approx(by_hand)


def test_a_constant_rate_is_the_very_number_of_the_recipe():
    settings = OptimizerSection(learning_rate=1e-6 / 3)
    assert {learning_rate_at(settings, step, 140) for step in range(1, 141)} == {1e-6 / 3}


@pytest.mark.parametrize(("frac", "num_steps", "num"), [(0.05, 59, 3), (0.05, 100, 5), (0.07, 100, 7), (0, 9, 0)])
def test_a_share_of_the_steps_is_rounded_up(frac, num_steps, num):
    assert count_warmup_steps(OptimizerSection(warmup_frac=frac), num_steps) == num


def test_two_warmups_are_refused():
    with pytest.raises(RecipeError, match="give one of them"):
        make_recipe({"optimizer": {"warmup_steps": 3, "warmup_frac": 0.1}})


def test_a_schedule_is_read_back_as_it_was_written():
    changed = make_recipe({"optimizer": {"schedule": "cosine", "warmup_frac": 0.05}, "demonstrations": {"chat": True}})
    assert make_recipe(changed.model_dump(mode="json")) == changed
