"""Scores from skill counts: category to number of skills of one sample in, a number out."""

from __future__ import annotations

from collections.abc import Mapping


def count_skills(skills: Mapping[str, int], category: str | None = None) -> float:
    """The skills in one category, which chooses a specialist; of all categories, which chooses a Prime.

    arXiv 2601.03111, section 4: a specialist has the most skills of its category, Prime the widest spectrum. Among
    equal totals the sample with skills in more categories is ahead, by less than one skill.
    """
    if category is not None:
        return float(skills.get(category, 0))
    num_categories = sum(count > 0 for count in skills.values())
    return sum(skills.values()) + num_categories / (len(skills) + 1)
