"""Templates to texts, and what every exported folder has in common: rows.jsonl and the head of its README."""

from __future__ import annotations

import json
import shlex
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

import polymath
from polymath.exporting.order import Order
from polymath.judge import VERSION

ROWS = "rows.jsonl"


def fill(template: str, **values: Any) -> str:
    """The text of templates/TEMPLATE with these values in it; `literal` writes one as Python, `quote` for a shell."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    environment.filters["literal"] = literal
    environment.filters["quote"] = shlex.quote
    source = (files("polymath.exporting") / "templates" / template).read_text(encoding="utf-8")
    return environment.from_string(source).render(version=polymath.__version__, judge=VERSION, **values)


def literal(value: Any) -> str:
    """A value of JSON's kinds as Python source; a table of more than three keys has one a line."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        items = [f"{literal(key)}: {literal(one)}" for key, one in value.items()]
        return (
            "{\n" + "".join(f"    {item},\n" for item in items) + "}" if len(items) > 3 else f"{{{', '.join(items)}}}"
        )
    return repr(value)


def to_lines(rows: list[dict[str, Any]]) -> str:
    """The text of a JSON lines file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def facts(order: Order) -> dict[str, Any]:
    """What every template may say of an export."""
    recipe = order.recipe
    return {
        "name": order.name,
        "recipe": recipe,
        "model": recipe.model.path,
        "num_samples": len(order.samples),
        "num_rows": order.num_rows,
        "num_rollouts": recipe.rollout.num_groups * recipe.rollout.group_size,
        "parts": recipe.reward.weights(),
        "options": recipe.reward.options,
        "is_chat": order.template.is_chat,
        "has_arms": bool(recipe.arms or recipe.replicate_seeds),
    }
