r"""Skills without a model: words and signs in a problem and its solution in, skills by category out.

Each rule of skill_rules.toml is a skill and a pattern of our own; a skill is found where the pattern occurs. That is
coarse: a problem that needs a skill and does not say so is missed, and a word that only decorates is counted. How
coarse, against tags made by hand, is printed whenever samples carry such tags, and stands in docs/skills.md.

The text of the options is left out: distractors name what is not needed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from polymath.disciplines import discipline_of
from polymath.synthesis.skill_names import THRESHOLD, likeness
from polymath.synthesis.skills import MATHEMATICS
from polymath.types import Sample

_MONEY = re.compile(r"\\\$|\$(?=\s?\d[\d.,]*(?:\s+[a-z]{3,}|\s*[?;)]|\s*$))")


@lru_cache(maxsize=1)
def rules() -> dict[str, dict[str, re.Pattern[str]]]:
    """Category to skill to the pattern that shows it, from skill_rules.toml; every one of CATEGORIES is there."""
    table = tomllib.loads((files("polymath.synthesis") / "skill_rules.toml").read_text(encoding="utf-8"))
    return {
        category: {skill: re.compile(pattern, re.IGNORECASE | re.DOTALL) for skill, pattern in patterns.items()}
        for category, patterns in table.items()
    }


def tag_skills(sample: Sample, categories: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Category to the skills whose rule occurs in the question or the solution; the categories are of CATEGORIES."""
    text = f"{sample.question}\n{sample.solution or ''}"
    # A dollar sign is money before a number that a word or the end follows; elsewhere it opens mathematics.
    text = _MONEY.sub(" dollars ", text)
    text = text.replace("\\", " ")
    return {
        category: tuple(skill for skill, pattern in rules()[category].items() if pattern.search(text))
        for category in categories
    }


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How tags agree with tags made by hand: precision and recall over all pairs of sample and tag.

    None where nothing was found, or nothing is there to be found.
    """

    num_samples: int
    num_found: int
    num_tagged: int
    precision: float | None
    recall: float | None


def agree_on_disciplines(samples: Sequence[Sample], found: Mapping[str, Mapping[str, Sequence[str]]]) -> Agreement:
    """The categories with at least one skill against the sample's disciplines.

    The categories of mathematics count as one, because many samples say "mathematics" and no more. `found` is sample id
    to category to skills. Disciplines that are no category of `found` are left out.
    """
    known = {_field(category) for one in found.values() for category in one}
    pairs = []
    for sample in (one for one in samples if one.disciplines):
        tagged = {_field(discipline_of(name)) for name in sample.disciplines} & known
        pairs.append(({_field(name) for name, skills in found[sample.id].items() if skills}, tagged))
    return _agreement(
        pairs, [len(said & tagged) for said, tagged in pairs], [len(said & tagged) for said, tagged in pairs]
    )


def agree_on_skills(samples: Sequence[Sample], found: Mapping[str, Mapping[str, Sequence[str]]]) -> Agreement:
    """The skills against the sample's own, which are free text: two agree where their likeness reaches THRESHOLD."""
    pairs, right, reached = [], [], []
    for sample in (one for one in samples if one.skills):
        said = {skill for skills in found[sample.id].values() for skill in skills}
        tagged = set(sample.skills)
        near = {(one, other) for one in said for other in tagged if likeness(one, other) >= THRESHOLD}
        pairs.append((said, tagged))
        right.append(len({one for one, _ in near}))
        reached.append(len({other for _, other in near}))
    return _agreement(pairs, right, reached)


def _field(name: str) -> str:
    return "mathematics" if name in MATHEMATICS or name == "mathematics" else name


def _agreement(pairs: Sequence[tuple[set[str], set[str]]], right: list[int], reached: list[int]) -> Agreement:
    num_found = sum(len(said) for said, _ in pairs)
    num_tagged = sum(len(tagged) for _, tagged in pairs)
    return Agreement(
        num_samples=len(pairs),
        num_found=num_found,
        num_tagged=num_tagged,
        precision=sum(right) / num_found if num_found else None,
        recall=sum(reached) / num_tagged if num_tagged else None,
    )
