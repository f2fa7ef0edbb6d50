"""Overrides: `key=value` as a table, laid over another."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from polymath.errors import RecipeError


def parse_override(text: str) -> dict[str, Any]:
    """`a.b=1` as {"a": {"b": 1}}. The value is TOML where it parses, else a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {text}", "is not key=value", "write it as --set rollout.num_groups=16")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return dict(parsed)


def lay_over(table: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Lay nested overrides over `table`, in place. An empty table clears: `--set arms={}` runs without arms."""
    for key, value in overrides.items():
        if isinstance(value, Mapping) and value and isinstance(table.get(key), dict):
            lay_over(table[key], value)
        else:
            table[key] = dict(value) if isinstance(value, Mapping) else value
