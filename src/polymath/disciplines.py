"""Subject to discipline: which table row a problem's result is counted under.

The lab's and our own samples name their disciplines themselves; this table serves data that only names
a subject. Groupings follow the polymath paper's eight domains where it has one (arXiv 2601.03111,
section 6), else the plain name of the field.
"""

from __future__ import annotations

DISCIPLINE_OF_SUBJECT: dict[str, str] = {
    "prealgebra": "mathematics",
    "algebra": "mathematics",
    "intermediate algebra": "mathematics",
    "precalculus": "mathematics",
    "geometry": "mathematics",
    "number theory": "mathematics",
    "counting & probability": "mathematics",
    "arithmetic": "mathematics",
    "calculus": "mathematics",
    "statistics": "mathematics",
    "mechanics": "physics",
    "electricity": "physics",
    "thermodynamics": "physics",
    "stoichiometry": "chemistry",
    "genetics": "biology",
    "ecology": "biology",
}


def discipline_of(subject: str) -> str:
    """The discipline of a subject, or the subject itself where the table does not know it."""
    return DISCIPLINE_OF_SUBJECT.get(subject.strip().lower(), subject.strip().lower())
