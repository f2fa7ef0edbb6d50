"""One run in stages: other data, lengths, rewards or losses after so many steps (AceReason, arXiv 2505.16400)."""

from __future__ import annotations

from polymath.recipe import Recipe, stage_recipe


def stage_at(recipe: Recipe, step: int) -> int:
    """The number of the stage that a step (from 1) belongs to, from 0; 0 in a recipe without stages."""
    end = 0
    for number, stage in enumerate(recipe.stages):
        end += stage.steps
        if step <= end:
            return number
    return max(0, len(recipe.stages) - 1)


def recipes_of(recipe: Recipe) -> list[Recipe]:
    """The recipe of every stage, in order; one without stages is its own only stage."""
    return [stage_recipe(recipe, number) for number in range(len(recipe.stages))] or [recipe]


def begins_anew(recipe: Recipe, step: int) -> bool:
    """Whether the optimizer forgets its moments before this step: the first of a stage that says so."""
    number = stage_at(recipe, step)
    return number > 0 and number != stage_at(recipe, step - 1) and recipe.stages[number].reset_optimizer
