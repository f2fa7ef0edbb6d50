"""ablate: a recipe and a grid of its keys in, one run folder with an arm for every combination out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.api.runs import RecipeLike, read_any, run
from polymath.errors import RecipeError, Stopped
from polymath.grids import make_axes, make_grid
from polymath.recipe import Recipe, make_recipe
from polymath.runs import RunFolder

if TYPE_CHECKING:
    from polymath.rewards import RewardFunction

Grid = Mapping[str, Sequence[Any]] | Iterable[str]


def ablate(
    recipe: RecipeLike | None = None,
    *,
    grid: Grid = (),
    seeds: Sequence[int] = (),
    out: str | Path | None = None,
    resume: str | Path | None = None,
    rewards: Mapping[str, RewardFunction] | None = None,
    jobs: int = 1,
) -> RunFolder:
    """Run a recipe once for every combination of the grid's values, each a complete run folder under one root.

    `grid` is recipe key to values, {"kl.coefficient": [0, 0.001]}, or texts as `--grid` takes them; without it the
    recipe's own arms are the grid. `seeds` repeat everything, each once. `resume` continues a root folder, which has
    its recipe and grid already. The table is `polymath.reporting.ablation.summarize_ablation`. Raises UserError before
    anything is written when the input is wrong, Stopped when asked to stop.
    """
    chosen = None if recipe is None else _make_recipe(read_any(recipe), grid, seeds)
    if chosen is None and (make_axes(grid) or seeds):
        raise RecipeError("--resume", "a run keeps its recipe", "leave --grid and --seeds out")
    if chosen is not None:
        print(tell_size(chosen), file=sys.stderr)
    try:
        return run(chosen, out=out, resume=resume, rewards=rewards, jobs=jobs)
    except Stopped as stop:
        raise Stopped(str(stop).replace("polymath run --resume", "polymath ablate --resume")) from None


def tell_size(recipe: Recipe) -> str:
    """How many runs a grid is, in words."""
    num_seeds = 1 + len(recipe.replicate_seeds)
    total = num_seeds * (1 + len(recipe.arms))
    steps = f"{recipe.train.num_steps} steps" if not any("train" in arm for arm in recipe.arms.values()) else "training"
    return f"{total} runs of {steps}: the recipe and {len(recipe.arms)} arms, {num_seeds} seed(s)"


def _make_recipe(recipe: Recipe, grid: Grid, seeds: Sequence[int]) -> Recipe:
    if seeds:
        table = recipe.model_dump()
        recipe = make_recipe({**table, "seed": seeds[0], "replicate_seeds": tuple(seeds[1:])}, where="--seeds")
    return make_grid(recipe, make_axes(grid))
