"""A grid: keys with several values each in, one recipe with an arm for every combination of them out.

A grid is run as any recipe with arms is: a complete run folder for every arm, continued after a kill, several at once.
The combination that the recipe itself has is no arm; it is the run that the arms belong to. A value may be a table,
which sets several keys together: `rollout={num_groups=1,group_size=128},{num_groups=16,group_size=8}`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath.errors import RecipeError
from polymath.recipe import Recipe, arm_recipe, first_difference, lay_over, make_recipe, parse_override

# Last parts that say little without the section before them: kl.coefficient, reward.name.
_BARE = frozenset({"coefficient", "name", "use", "edit", "file", "path"})
_MOST_LETTERS = 80


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One key of the recipe and the values that it takes."""

    key: str
    values: tuple[Any, ...]


def parse_axis(text: str) -> Axis:
    """`key=v1,v2` as an axis; values are TOML where they parse, else strings. Raises RecipeError."""
    key, equals, values = text.partition("=")
    parts = _split(values)
    if not equals or not key.strip() or not all(parts):
        raise RecipeError(f"--grid {text}", "is not key=v1,v2", "write it as --grid optimizer.weight_decay=0,0.01")
    return Axis(key=key.strip(), values=tuple(_read_value(part) for part in parts))


def make_axes(grid: Mapping[str, Sequence[Any]] | Iterable[str]) -> tuple[Axis, ...]:
    """The axes of a grid, given as key=v1,v2 texts or as key to values. Raises RecipeError."""
    if isinstance(grid, Mapping):
        axes = tuple(Axis(key=key, values=tuple(values)) for key, values in grid.items())
    else:
        axes = tuple(map(parse_axis, grid))
    for number, axis in enumerate(axes):
        if not axis.values or any(value in axis.values[:place] for place, value in enumerate(axis.values)):
            raise RecipeError(f"--grid {axis.key}", "has no value, or one twice", "give every value once")
        if axis.key in {earlier.key for earlier in axes[:number]}:
            raise RecipeError(f"--grid {axis.key}", "is given twice", "give all its values at once: key=v1,v2")
        if axis.key.partition(".")[0] in ("seed", "replicate_seeds"):
            raise RecipeError(f"--grid {axis.key}", "belongs to the whole run", "give the seeds with --seeds 1,2,3")
    return axes


def make_grid(recipe: Recipe, axes: Sequence[Axis], *, where: str = "--grid") -> Recipe:
    """The recipe with one arm for every combination of the values that it does not have itself.

    Without axes it is the recipe as it is, whose arms are the grid. Raises RecipeError for a key or value that is
    wrong, for a recipe with arms of its own beside axes, and where nothing differs.
    """
    if not axes:
        if not recipe.arms:
            raise RecipeError(where, "is not given, and the recipe has no arms", "give --grid key=v1,v2")
        return recipe
    if recipe.arms:
        raise RecipeError(where, "is given for a recipe that has arms", "leave it out, or clear them: --set arms={}")
    points = [dict(zip((axis.key for axis in axes), point, strict=True)) for point in _product(axes)]
    table, arms = recipe.model_dump(exclude={"arms"}), {}
    for name, point in zip(_names(points), points, strict=True):
        overrides = _overrides(recipe, point)
        alone = make_recipe({**table, "arms": {name: overrides}}, where=where)
        if first_difference(arm_recipe(alone, name), make_recipe({**table, "replicate_seeds": ()})) is not None:
            arms[name] = overrides
    if not arms:
        raise RecipeError(where, "has no value that the recipe does not have", "give a second value")
    return make_recipe({**table, "arms": arms}, where=where)


def settings_of(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Arm to recipe key to value, of the keys that an arm sets and that are not the same in all of them.

    The recipe itself is there as `trained`, as in reports.
    """
    wholes = {"trained": recipe, **{name: arm_recipe(recipe, name) for name in recipe.arms}}
    flat = {
        name: dict(_flatten(whole.model_dump(exclude={"arms", "replicate_seeds"}))) for name, whole in wholes.items()
    }
    keys = dict.fromkeys(key for name in recipe.arms for key, _ in _flatten(recipe.arms[name]))
    varied = [key for key in keys if any(table.get(key) != flat["trained"].get(key) for table in flat.values())]
    return {name: {key: table.get(key) for key in varied} for name, table in flat.items()}


def _product(axes: Sequence[Axis]) -> Iterable[tuple[Any, ...]]:
    return itertools.product(*(axis.values for axis in axes))


def _overrides(recipe: Recipe, point: Mapping[str, Any]) -> dict[str, Any]:
    """What an arm at this point of the grid sets."""
    overrides: dict[str, Any] = {}
    for key, value in point.items():
        table = value
        for part in reversed(key.split(".")):
            table = {part: table}
        lay_over(overrides, table)
    # An arm that touches [reward] or [sample] begins the section anew. What the grid leaves alone is given again.
    reward, sample = overrides.get("reward"), overrides.get("sample")
    if isinstance(reward, dict) and not {"name", "parts"} & reward.keys():
        overrides["reward"] = _laid_over(recipe.reward.model_dump(exclude_none=True), reward)
    if isinstance(sample, dict) and "use" not in sample:
        given = {key: value for key, value in recipe.sample.given().items() if key != "use" or "pool" not in sample}
        overrides["sample"] = _laid_over(given, sample)
    return overrides


def _laid_over(table: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    lay_over(table, overrides)
    return table


def _names(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """A folder's name for every point: its keys and values, and its number where that is too long or not enough."""
    keys = list(points[0])
    short = {key: _short(key) for key in keys}
    if len(set(short.values())) < len(keys):
        short = {key: key.replace(".", "_") for key in keys}
    names = ["-".join(f"{short[key]}-{_slug(value)}" for key, value in point.items()) for point in points]
    is_clear = len(set(names)) == len(names) and max(map(len, names)) <= _MOST_LETTERS
    return names if is_clear else [f"{number:03}-{name[:_MOST_LETTERS]}" for number, name in enumerate(names, 1)]


def _short(key: str) -> str:
    parts = key.split(".")
    return parts[-2] if parts[-1] in _BARE and len(parts) > 1 else parts[-1]


def _slug(value: Any) -> str:
    if isinstance(value, Mapping):
        return "-".join(f"{_short(str(key))}-{_slug(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:g}" if isinstance(value, int | float) else str(value)
    text = Path(text).stem if isinstance(value, str) and ("/" in text or text.endswith((".json", ".jsonl"))) else text
    return re.sub(r"[^A-Za-z0-9-]+", "_", text) or "none"


def _split(text: str) -> list[str]:
    """The parts between commas that stand in no bracket and in no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _read_value(text: str) -> Any:
    return parse_override(f"value={text}")["value"]


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
