"""Subject to discipline: which table row a problem's result is counted under.

The lab's and our own samples name their disciplines themselves; these tables serve data that only names a subject.
PAPER_SUBJECTS are the 25 subjects and 8 domains of the polymath paper (arXiv 2601.03111, Table 13 and Figure 1);
what it has no row for stands under the plain name of its field.
"""

from __future__ import annotations

# In the paper's order: by the distance of a subject's problems to MATH500.
PAPER_SUBJECTS: dict[str, str] = {
    "MATH500": "mathematics",
    "AIME": "mathematics",
    "math": "mathematics",
    "Minerva": "mathematics",
    "science": "science",
    "physics": "physics",
    "chemistry": "chemistry",
    "engineering": "engineering",
    "computer science": "computer science",
    "business": "others",
    "literature & arts": "others",
    "other": "others",
    "economics": "others",
    "history": "others",
    "biology": "biology",
    "health": "others",
    "philosophy": "others",
    "medicine": "others",
    "agronomy": "others",
    "psychology": "others",
    "management": "others",
    "law": "others",
    "education": "others",
    "military science": "others",
    "sociology": "others",
}

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
    "math": "mathematics",
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


def paper_disciplines(subject: str) -> tuple[str, ...]:
    """The paper's domain of one of its subjects; the subject behind it where the domain is only "others"."""
    domain = PAPER_SUBJECTS[subject]
    return (domain, subject) if domain == "others" else (domain,)
