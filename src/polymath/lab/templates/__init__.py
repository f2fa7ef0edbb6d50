"""All kinds of problems of the lab: those that the base model reads of, and those held out."""

from __future__ import annotations

from polymath.lab.templates import algebra, chains, sciences, shapes_and_counts, society_and_earth
from polymath.lab.templates.draft import Draft, Template
from polymath.lab.templates.held_out import HELD_OUT

TEMPLATES: tuple[Template, ...] = (
    *algebra.TEMPLATES,
    *shapes_and_counts.TEMPLATES,
    *sciences.TEMPLATES,
    *society_and_earth.TEMPLATES,
    *chains.TEMPLATES,
)

__all__ = ["HELD_OUT", "TEMPLATES", "Draft", "Template"]
