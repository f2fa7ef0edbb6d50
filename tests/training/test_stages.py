"""Stages: which one a step is in, what it changes, and what is refused."""

import pytest

from polymath.errors import RecipeError
from polymath.recipe import make_recipe
from polymath.training.stages import begins_anew, recipes_of, stage_at


def staged(*stages, **table):
    return make_recipe({"train": {"num_steps": 10}, "stages": list(stages), **table})


TWO = ({"steps": 4}, {"steps": 6, "reset_optimizer": True, "overrides": {"rollout": {"max_tokens": 9}}})


def test_the_switch_is_at_the_exact_step():
    recipe = staged(*TWO)
    assert [stage_at(recipe, step) for step in (1, 4, 5, 10)] == [0, 0, 1, 1]
    assert [step for step in range(1, 11) if begins_anew(recipe, step)] == [5]
    assert [one.rollout.max_tokens for one in recipes_of(recipe)] == [64, 9]


def test_a_recipe_without_stages_is_its_own_only_stage():
    recipe = make_recipe({})
    assert recipes_of(recipe) == [recipe] and stage_at(recipe, 7) == 0 and not begins_anew(recipe, 7)


BAD = [
    ([{"steps": 4}], "the stages have 4 steps"),
    ([{"steps": 10, "overrides": {"model": {"path": "x"}}}], "belongs to the whole run"),
    ([{"steps": 10, "overrides": {"rollout": {"max_token": 3}}}], "max_token"),
]


@pytest.mark.parametrize(("stages", "said"), BAD)
def test_what_cannot_be_staged_is_refused(stages, said):
    with pytest.raises(RecipeError, match=said):
        staged(*stages)
