"""From TOML and overrides to a recipe; errors name file, key and remedy."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from polymath.errors import RecipeError, UserError
from polymath.recipe.overrides import lay_over, parse_override
from polymath.recipe.whole import Recipe


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in this TOML file, with `key=value` overrides laid over it.

    Raises RecipeError naming file, key and remedy.
    """
    missing = RecipeError(path, "no such recipe", "name a TOML file; the shipped ones are in recipes/")
    return make_recipe(read_table(path, overrides, missing), where=str(path))


def read_table(path: str | Path, overrides: Sequence[str], missing: UserError) -> dict[str, Any]:
    """The table of a TOML file with `key=value` overrides laid over it; raises `missing` where there is no file.

    Other errors are of the same kind as `missing`.
    """
    kind = type(missing)
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise missing from error
    except (OSError, UnicodeDecodeError) as error:
        raise kind(path, f"cannot be read ({error})", "name a readable TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise kind(path, f"is not TOML ({error})", "mend the line it names") from error
    for override in overrides:
        lay_over(table, parse_override(override))
    return table


def make_recipe(table: Mapping[str, Any], *, where: str = "recipe") -> Recipe:
    """Validate a table; raises RecipeError with the first wrong key. Arms are validated too."""
    try:
        recipe = Recipe.model_validate(dict(table))
    except ValidationError as error:
        raise _explain(error, where) from None
    for name in recipe.arms:
        arm_recipe(recipe, name, where=where)
    return recipe


def arm_recipe(recipe: Recipe, name: str, *, where: str = "recipe") -> Recipe:
    """The recipe of one arm: this recipe with the arm's overrides, and no arms of its own."""
    if not name.replace("-", "").replace("_", "").isalnum():
        raise RecipeError(f"{where}: arms.{name}", "the name is used for a folder", "use letters, digits, - and _")
    table = recipe.model_dump(exclude={"arms", "replicate_seeds"})
    overrides = recipe.arms[name]
    for key in ("seed", "replicate_seeds", "arms"):
        if key in overrides:
            raise RecipeError(f"{where}: arms.{name}.{key}", "belongs to the whole run", "set it outside the arm")
    if "reward" in overrides:  # name and parts exclude each other: an arm replaces the section
        table["reward"] = {}
    if "sample" in overrides:
        table["sample"] = {}
    lay_over(table, overrides)
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise _explain(error, f"{where}: arms.{name}") from None


def first_difference(left: Recipe, right: Recipe) -> str | None:
    """The first key in which two recipes differ, as text, or None."""
    flat_left, flat_right = _flatten(left.model_dump()), _flatten(right.model_dump())
    for key in {**flat_left, **flat_right}:
        if flat_left.get(key) != flat_right.get(key):
            return f"{key} = {flat_left.get(key)!r} against {flat_right.get(key)!r}"
    return None


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat.update(_flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return flat


def _explain(error: ValidationError, where: str) -> RecipeError:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path) or "recipe"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _known_keys(path[:-1]), n=1)
        remedy = f"did you mean {near[0]}?" if near else f"known here: {', '.join(_known_keys(path[:-1]))}"
        return RecipeError(f"{where}: {key}", "is not a recipe key", remedy)
    message = first["msg"].removeprefix("Value error, ")
    # What concerns several keys at once has the whole recipe as its input.
    found = f" (found {str(first['input'])[:80]!r})" if path else ""
    return RecipeError(f"{where}: {key}", message + found, "see polymath schema")


def _known_keys(path: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        annotation = next((kind for kind in get_args(annotation) if isinstance(kind, type)), annotation)
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
