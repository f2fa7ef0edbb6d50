"""The nouns: a recipe with everything it names loaded, and samples chosen for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polymath.prompts import Template
from polymath.recipe import Recipe
from polymath.types import Sample

if TYPE_CHECKING:
    from polymath.evaluation.protocol import Protocol
    from polymath.evaluation.suites import Suite
    from polymath.rewards import RewardFunction
    from polymath.rollouts.local import LocalPolicy
    from polymath.training.demonstrations import Demonstrations


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Samples that were chosen from a pool for a recipe, and how: what run.json says under `selection`."""

    samples: list[Sample]
    selection: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A recipe with everything it names loaded and found to fit together.

    The samples carry the label that they are trained on; `stage_places` are those of each stage. Problems are asked in
    `asked_with`: the training template, behind worked demonstrations where the recipe wants them.
    """

    recipe: Recipe
    samples: list[Sample]
    template: Template
    asked_with: Template
    policy: LocalPolicy
    suite: Suite
    protocol: Protocol
    rewards: Mapping[str, RewardFunction]
    selection: Mapping[str, Any] | None = None
    stage_places: list[list[int]] | None = None
    dev: tuple[Suite, Protocol] | None = None
    demonstrations: Demonstrations | None = None
