"""What is asked for in: a sample, a recipe, a few options. What an exporter needs out: samples, prompts, settings.

The rows repeat the samples in turn until they fill every group of a step, because a neighbour that finds fewer rows
than groups trains zero steps and ends well (TRL 1.16: `RepeatSampler` drops a chunk that is not full), or stops.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath.errors import RecipeError
from polymath.exporting.grading import check_per_response
from polymath.prompts import Template, load_template, render
from polymath.recipe import Recipe, lay_over, make_recipe, parse_override, read_table
from polymath.samples.sources import load_samples
from polymath.types import Sample


@dataclass(frozen=True, kw_only=True)
class Order:
    """One export: what is trained on, how it is asked, and the recipe that says the rest."""

    name: str
    recipe: Recipe
    samples: tuple[Sample, ...]
    template: Template

    @property
    def num_rows(self) -> int:
        """The least multiple of the groups of a step that holds every sample."""
        num_groups = self.recipe.rollout.num_groups
        return num_groups * -(-len(self.samples) // num_groups)

    def rows(self) -> list[dict[str, Any]]:
        """Rows in order: `prompt` (a text, or the messages of a chat), `answer`, `sample` (all of it, as JSON).

        Row i holds sample i modulo their number, so equal rows stand apart by their `index` alone.
        """
        asked = [_row(sample, self.template) for sample in self.samples]
        return [{**asked[index % len(asked)], "index": index} for index in range(self.num_rows)]


def _row(sample: Sample, template: Template) -> dict[str, Any]:
    prompt = render(sample, template)
    return {
        "prompt": [{"role": "user", "content": prompt.text}] if prompt.is_chat else prompt.text,
        "answer": sample.answer,
        "sample": sample.model_dump_json(exclude_defaults=True),
    }


def make_order(
    sample: str | None = None,
    *,
    recipe: str | Path | None = None,
    overrides: Sequence[str] = (),
    model: str | None = None,
    template: str | None = None,
    template_file: str | None = None,
    num_groups: int | None = None,
    group_size: int | None = None,
    max_tokens: int | None = None,
) -> Order:
    """The order for `sample` (a file or a library name) or, where none is named, for the recipe's own.

    What is given by name goes before the recipe. Raises UserError for what cannot be exported at all.
    """
    table = _table(recipe, overrides)
    if sample is not None:
        table["sample"] = {"use": sample}
    given = {
        ("model", "path"): model,
        ("rollout", "num_groups"): num_groups,
        ("rollout", "group_size"): group_size,
        ("rollout", "max_tokens"): max_tokens,
    }
    for (section, key), value in given.items():
        if value is not None:
            table[section] = {**table.get(section, {}), key: value}
    if template is not None and template_file is not None:
        raise RecipeError("--template-file", "is given with --template", "give one of them")
    if template is not None:
        table["prompt"] = {"template": template}
    elif template_file is not None:
        table["prompt"] = {"file": template_file}
    elif "prompt" not in table and model not in (None, "lab"):
        table["prompt"] = {"template": "boxed"}  # the lab alone reads `plain`
    found = make_recipe(table, where=str(recipe) if recipe else "export")
    if found.sample.selector is not None:
        raise RecipeError("sample.selector", "chooses when a run begins", "choose first, with polymath select")
    if found.label.edit != "true":
        raise RecipeError("label.edit", f"= {found.label.edit} is made when a run begins", "export the true label")
    check_per_response(found.reward.weights(), found.reward.options)
    return Order(
        name=_slug(Path(found.sample.use or found.sample.pool or "sample").stem),
        recipe=found,
        samples=tuple(load_samples(found.sample)),
        template=load_template(found.prompt.template, found.prompt.file, is_chat=found.prompt.chat),
    )


def _table(recipe: str | Path | None, overrides: Sequence[str]) -> dict[str, Any]:
    if recipe is not None:
        missing = RecipeError(recipe, "no such recipe", "name a TOML file; the shipped ones are in recipes/")
        return read_table(recipe, overrides, missing)
    table: dict[str, Any] = {}
    for override in overrides:
        lay_over(table, parse_override(override))
    return table


def _slug(name: str) -> str:
    """Lower letters, digits and underscores, so that it can name a Python package."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "sample"


ANY = None  # every value of this key is carried over


def check_carried(recipe: Recipe, carried: Mapping[str, frozenset[Any] | None], *, to: str) -> None:
    """Refuse a recipe that says what the other trainer cannot do, or what the export does not tell it.

    `carried` is key to the values that are carried over (None: any); "section." stands for a whole section. A key that
    is not in it must have its default value. Raises RecipeError with the first key that has no counterpart.
    """
    usual = _flatten(Recipe().model_dump())
    for key, value in _flatten(recipe.model_dump(exclude={"arms", "replicate_seeds"})).items():
        section = f"{key.partition('.')[0]}."
        if section in carried or (key in carried and carried[key] is ANY):
            continue
        if key in carried:
            allowed = carried[key] or frozenset()
            if value not in allowed:
                raise RecipeError(key, f"= {value!r} has no counterpart in {to}", f"use {_listed(allowed)}")
        elif value != usual.get(key):
            raise RecipeError(
                key, f"= {value!r} has no counterpart in this export to {to}", f"leave it at {usual.get(key)!r}"
            )


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _listed(values: frozenset[Any]) -> str:
    return " or ".join(sorted(repr(value) for value in values))
