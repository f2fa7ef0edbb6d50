"""What writers are asked for: a variant, disciplines or a category, and a kind of answer in; the text of a request out.

The demands are those of arXiv 2601.03111, Table 7 (disciplines fused into one problem, high school to university, a
blank to fill, a whole number from 1 to 1000, no estimation, no heavy calculation), in words of our own. The paper's
literal text is a user's file (`instruction.file`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polymath.types import AnswerType


@dataclass(frozen=True, kw_only=True)
class AnswerKind:
    """A kind of answer: the sample's answer type, how it is asked for, and its keys in the reply."""

    answer_type: AnswerType
    demand: str
    form: str
    is_integer: bool = False
    has_choices: bool = False


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """The opening of a request. `disciplines` are its own where the plan names none; () asks for a category."""

    opening: str
    demands: tuple[str, ...]
    disciplines: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Brief:
    """What one candidate is asked to be. `answer` is a key of ANSWERS, or "file" for a user's own instruction."""

    variant: str
    answer: str
    disciplines: tuple[str, ...]
    category: str | None = None


ANSWERS: dict[str, AnswerKind] = {
    "integer": AnswerKind(
        answer_type="number",
        demand="The blank is filled by exactly one whole number from 1 to 1000, and that number is exact, not rounded.",
        form='"answer" (the number alone, as digits)',
        is_integer=True,
    ),
    "quantity": AnswerKind(
        answer_type="quantity",
        demand="The blank is filled by exactly one quantity, an exact number with its unit; the question names the "
        "unit.",
        form='"answer" (the number and its unit)',
    ),
    "expression": AnswerKind(
        answer_type="expression",
        demand="The blank is filled by exactly one closed form in the symbols of the question, such as a fraction, a "
        "root or a formula; no decimal numbers.",
        form='"answer" (the expression in LaTeX)',
    ),
    "choice": AnswerKind(
        answer_type="choice",
        demand="The blank is filled by exactly one of four options; the three wrong ones are what typical mistakes "
        "lead to. The options stand apart from the question.",
        form='"choices" (a list of the four options), "answer" (the letter of the right one)',
        has_choices=True,
    ),
}

CATEGORIES: dict[str, str] = {
    "algebra": "algebra (equations, inequalities, functions, sequences, exponents and logarithms)",
    "precalculus": "precalculus (trigonometry, vectors, matrices, complex numbers, exponential growth and decay)",
    "geometry": "geometry (lengths, angles, areas, volumes, similarity, coordinates)",
    "probability": "counting and probability (combinations, conditional probability, expected values)",
    "number_theory": "number theory (divisibility, remainders, primes, bases, whole-number constraints)",
}

INSTRUCTIONS: dict[str, Instruction] = {
    "fused": Instruction(
        opening="You teach {disciplines}, and you like problems that none of these subjects can solve on its own. "
        "Write one new problem for your students.",
        demands=(
            (
                "It needs knowledge of every one of {disciplines}: each supplies a step whose result the next step "
                "uses, so that a person who lacks one of them cannot finish."
            ),
        ),
        disciplines=("physics", "chemistry", "biology"),
    ),
    "society": Instruction(
        opening="You advise courts and companies, and you teach {disciplines}. Write one new problem about a case in "
        "which a measured fact of nature decides what is allowed, owed or fair.",
        demands=(
            (
                "It needs knowledge of every one of {disciplines}: a rule, a price or a duty that the question states "
                "in full turns a computed quantity into the number that is asked for."
            ),
            "The rule is applied, not discussed: no opinion is asked for.",
        ),
        disciplines=("chemistry", "economics", "law"),
    ),
    "specialist": Instruction(
        opening="You set problems for {category}. Write one new problem in which a situation from {disciplines} has "
        "to be put into mathematics first.",
        demands=(
            (
                "Its core is {category}: it uses as many different skills of that field as fit naturally into one "
                "solution."
            ),
            "The situation from {disciplines} is no decoration: one of its laws is needed to set the mathematics up.",
        ),
        disciplines=("physics", "chemistry", "biology"),
    ),
}

_LEVEL = "Its level lies between the last years of high school and the first years of university."
_BLANK = "It ends in a sentence with one blank, written ____, and has no further parts."
_EXACT = (
    "Every number and every constant that is needed stands in the question and counts as exact; nothing has to be "
    "estimated, looked up or read off a figure."
)
_LIGHT = "Choose the given values so that the calculation is short and can be done by hand."
_SILENT = "The question does not say or hint at what fills the blank."
# Keys in words, not an object to be filled in: small models give such an object back as it is.
_FORM = 'Reply with one JSON object and nothing else. Its keys are "question", FORM and "solution" (the worked steps).'


def render_instruction(brief: Brief, file_text: str | None = None) -> str:
    """The text that a writer is sent. `file_text` is a user's own instruction, sent as it stands.

    In it only {disciplines} and {category} are replaced, wherever they occur.
    """
    if file_text is not None:
        return _fill(file_text, brief)
    instruction, answer = INSTRUCTIONS[brief.variant], ANSWERS[brief.answer]
    demands = (*instruction.demands, _LEVEL, _BLANK, answer.demand, _EXACT, _LIGHT, _SILENT)
    listed = "\n".join(f"- {demand}" for demand in demands)
    return f"{_fill(instruction.opening, brief)}\n\n{_fill(listed, brief)}\n\n{_FORM.replace('FORM', answer.form)}"


def list_briefs(
    variants: Sequence[str],
    answers: Sequence[str],
    disciplines: Sequence[tuple[str, ...]],
    categories: Sequence[str] | None = None,
    *,
    is_file: bool = False,
) -> list[Brief]:
    """Every combination that is asked for in turn: variants by answers by disciplines, the specialist by category.

    With a user's own file: its disciplines by its categories, where they are named at all.
    """
    if is_file:
        return [
            Brief(variant="file", answer="file", disciplines=fused, category=category)
            for fused in disciplines or ((),)
            for category in categories or (None,)
        ]
    return [
        Brief(variant=variant, answer=answer, disciplines=fused, category=category)
        for variant in variants
        for answer in answers
        for fused in disciplines or (INSTRUCTIONS[variant].disciplines,)
        for category in (categories or tuple(CATEGORIES) if variant == "specialist" else (None,))
    ]


def _fill(text: str, brief: Brief) -> str:
    """Plain replacement, not str.format: an instruction may hold braces."""
    category = CATEGORIES.get(brief.category or "", brief.category or "")
    return text.replace("{disciplines}", _listed(brief.disciplines)).replace("{category}", category)


def _listed(names: Sequence[str]) -> str:
    if len(names) < 3:
        return " and ".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
