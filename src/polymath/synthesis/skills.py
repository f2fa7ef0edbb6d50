"""Salient skills: one question to a model for each problem and category, and the rows that come of it.

In: samples, categories, an instruction. Out: prompts for a model, and `Extracted` rows with the skills of every sample
by category, before and after their names were brought together (skill_names.py).

The categories of mathematics and the one call for each problem and category, with the problem's text alone, are of
arXiv 2601.03111, section 5; the sciences are ours, because samples of many disciplines need more than mathematics. The
instruction is in our own words; a published one is reproduced with a file of the user's.

skill_replies.py  what a model says -> skills        skill_names.py   free text -> one name for each skill
skill_rules.py    skills without a model             skill_record.py  replies on disk, paid for once
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from polymath.errors import PromptError, RecipeError
from polymath.types import Sample

# Category to what it covers: this text stands in the instruction.
MATHEMATICS: dict[str, str] = {
    "algebra": "prealgebra and arithmetic, equations and inequalities, polynomials, ratios, unit conversion, functions",
    "number theory": "integers, divisibility, primes, remainders, digits, bases, Diophantine equations",
    "geometry": "lengths, angles, areas and volumes of figures and solids, coordinates, similarity, triangles",
    "probability": "counting, combinatorics, chance, expected values, distributions, statistics",
    "precalculus": "exponentials and logarithms, trigonometry, vectors, matrices, complex numbers, series, limits",
}
SCIENCES: dict[str, str] = {
    "physics": "mechanics, heat, electricity and magnetism, waves and optics, quantum and nuclear physics",
    "chemistry": "stoichiometry, solutions and acids, thermochemistry, kinetics, equilibrium, bonding",
    "biology": "genetics, molecular biology, cells, physiology, ecology, evolution",
    "earth and space": "geology, climate and weather, oceans, astronomy",
    "computer science": "algorithms, data structures, number representations, networks, complexity, logic of programs",
    "engineering": "circuits, structures, fluids, machines, control, signals, materials",
    "economics": "prices and costs, interest, markets, optimal choice, accounting, finance",
    "medicine": "doses, drug levels, clinical tests, epidemiology",
    "law and ethics": "rules, liability, penalties, rights, fair division of duties",
}
CATEGORIES: dict[str, str] = {**MATHEMATICS, **SCIENCES}
SETS: dict[str, tuple[str, ...]] = {
    "all": tuple(CATEGORIES),
    "mathematics": tuple(MATHEMATICS),
    "sciences": tuple(SCIENCES),
}

INSTRUCTION = """\
Here is a problem. Which skills and concepts of {category} ({scope}) must somebody command to solve it?

Name each of them once, in two to six words, as the index of a textbook would name it. Leave out what the problem only \
mentions, and whatever belongs to another field. Do not solve the problem.

Reply with the names alone, one a line, between <skills> and </skills>. If the problem needs nothing of {category}, \
reply <skills></skills>.

Problem:
{question}"""
_SLOT = re.compile(r"\{(category|scope|question)\}")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One call: the skills of one category that one problem takes."""

    problem: str
    category: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """The skills of one sample.

    `skills` are as they were said, without repetitions; `canonical` are names that compare across samples, in the same
    categories. `outcomes` says for each category how it went: listed, none, refused, unreadable, empty, blocked or
    rules; `num_cut` counts replies that ran out of tokens and may lack skills.
    """

    id: str
    group: str
    label: str
    disciplines: tuple[str, ...]
    skills: Mapping[str, tuple[str, ...]]
    canonical: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outcomes: Mapping[str, str] = field(default_factory=dict)
    num_cut: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Category to how many different skills: the spectrum."""
        return {category: len(names) for category, names in self.canonical.items()}


def read_categories(names: Sequence[str]) -> dict[str, str]:
    """Category to scope, from names of CATEGORIES, of SETS, and NAME=SCOPE for one's own; raises RecipeError."""
    chosen: dict[str, str] = {}
    for name in (part.strip() for one in names for part in ([one] if "=" in one else one.split(","))):
        own, is_own, scope = name.partition("=")
        if is_own and own.strip() and scope.strip():
            chosen[own.strip()] = scope.strip()
        elif name in SETS:
            chosen |= {category: CATEGORIES[category] for category in SETS[name]}
        elif name in CATEGORIES:
            chosen[name] = CATEGORIES[name]
        else:
            known = ", ".join((*SETS, *CATEGORIES))
            raise RecipeError("--categories", f"there is no {name!r}", f"use {known}, or NAME=WHAT IT COVERS")
    return chosen


def read_instruction(file: str | None) -> str:
    """The instruction, or the user's own file with {question} and {category} in it; raises PromptError."""
    if file is None:
        return INSTRUCTION
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(file, f"cannot be read as UTF-8 text ({error})", "check --template-file") from error
    for slot in ("{question}", "{category}"):
        if slot not in text:
            raise PromptError(file, f"has no {slot} in it", f"write {slot} where it belongs")
    return text


def fill(template: str, **texts: str) -> str:
    """The template with its slots filled, each once: a text that holds {category} itself stays as it is."""
    return _SLOT.sub(lambda slot: texts.get(slot[1], slot[0]), template)


def ask_for_skills(samples: Iterable[Sample], categories: Mapping[str, str], template: str) -> list[Asked]:
    """A call for every problem and category, each problem once. The solution and the answer are not shown."""
    asked: dict[tuple[str, str], Asked] = {}
    for sample in samples:
        for category, scope in categories.items():
            text = fill(template, category=category, scope=scope, question=show(sample))
            asked.setdefault((sample.id, category), Asked(problem=sample.id, category=category, text=text))
    return list(asked.values())


def show(sample: Sample) -> str:
    """The problem with its options, as it is put to a model."""
    options = (f"\n{letter}) {text}" for letter, text in zip("ABCDEFGHIJ", sample.choices or (), strict=False))
    return sample.question + "".join(options)


def mean_spectrum(rows: Sequence[Extracted], categories: Iterable[str]) -> dict[str, float]:
    """Category to the mean number of skills a sample; the quantity of arXiv 2601.03111, Figure 3."""
    return {name: sum(row.counts.get(name, 0) for row in rows) / len(rows) for name in categories}
