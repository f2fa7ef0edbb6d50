"""All kinds of problems of the lab, by discipline."""

from __future__ import annotations

from polymath.lab.templates import algebra, sciences, shapes_and_counts, society_and_earth
from polymath.lab.templates.draft import Draft, Template

TEMPLATES: tuple[Template, ...] = (
    *algebra.TEMPLATES,
    *shapes_and_counts.TEMPLATES,
    *sciences.TEMPLATES,
    *society_and_earth.TEMPLATES,
)

__all__ = ["TEMPLATES", "Draft", "Template"]
