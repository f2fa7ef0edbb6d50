"""Sample in, prompt out: templates by name, or a user's own file.

A template is a text with `{question}` in it (and `{choices}`, when it wants to place the options
itself). A chat template of ours is the same text, sent as one user message through the model's own chat
template. Literal reproduction of a published prompt is a user's file: `prompt.file = "PATH"`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase

from polymath.errors import PromptError
from polymath.types import Sample


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A text for the model. A chat prompt is one user message; the model's own template wraps it."""

    text: str
    is_chat: bool = False


@dataclass(frozen=True, kw_only=True)
class Template:
    """A text with `{question}` and perhaps `{choices}` in it.

    `stop` are texts with which an answer goes on to a problem of its own; an evaluation ends it before them.
    """

    text: str
    is_chat: bool = False
    stop: tuple[str, ...] = ()


TEMPLATES: dict[str, Template] = {
    "plain": Template(text="Problem: {question}{choices}\nAnswer:"),
    "boxed": Template(
        text=(
            "{question}{choices}\n\nWork it out in a few short steps, then write the final answer, "
            "and nothing else, inside \\boxed{}.\n\n"
        )
    ),
    "boxed-chat": Template(
        text=(
            "{question}{choices}\n\nWork it out in a few short steps, then write the final answer, "
            "and nothing else, inside \\boxed{}."
        ),
        is_chat=True,
    ),
    # For suites with choices and quantities among them.
    "exam": Template(
        text=(
            "{question}{choices}\n\nThink it through step by step. Write the final answer, and nothing else, inside "
            "\\boxed{}: the letter alone where there are options, a number with its unit where it has one.\n\n"
        )
    ),
    "exam-chat": Template(
        text=(
            "{question}{choices}\n\nThink it through step by step. Write the final answer, and nothing else, inside "
            "\\boxed{}: the letter alone where there are options, a number with its unit where it has one."
        ),
        is_chat=True,
    ),
    # For base models: a conversation to be continued. In the manner of Open-Reasoner-Zero, in our words.
    "conversation": Template(
        text=(
            "A person asks a question and an assistant answers it. The assistant first works the question out step by "
            "step, then writes the final answer inside \\boxed{}; where there are options, that is one letter.\n"
            "Person: {question}{choices}\nAssistant:"
        ),
        stop=("\nPerson:",),
    ),
    # For base models and very small ones, which copy a form more readily than they follow a request.
    "worked-example": Template(
        text=(
            "Problem: A box holds 4 pens. How many pens are in 3 boxes?\n"
            "Solution: 4 * 3 = 12. The answer is \\boxed{12}.\n\n"
            "Problem: {question}{choices}\nSolution:"
        ),
        stop=("\n\nProblem:",),
    ),
}


def load_template(name: str, file: str | None = None, *, is_chat: bool = False) -> Template:
    """The template of this name, or the user's own file where one is given."""
    if file is None:
        if name not in TEMPLATES:
            raise PromptError("prompt.template", f"there is no {name!r}", f"use one of {sorted(TEMPLATES)}")
        return TEMPLATES[name]
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(file, f"cannot be read as UTF-8 text ({error})", "check prompt.file") from error
    if "{question}" not in text:
        raise PromptError(file, "has no {question} in it", "write {question} where the problem belongs")
    return Template(text=text, is_chat=is_chat)


def render(sample: Sample, template: Template) -> Prompt:
    """The prompt of one sample. Options follow the question where the template does not place them."""
    # Plain replacement, not str.format: templates hold \boxed{} literally.
    text = template.text if "{choices}" in template.text else template.text.replace("{question}", "{question}{choices}")
    choices = "".join(
        f"\n{letter}) {choice}" for letter, choice in zip(ascii_uppercase, sample.choices or (), strict=False)
    )
    # The parts around the question, so that nothing in the question itself is replaced.
    parts = [part.replace("{choices}", choices) for part in text.split("{question}")]
    return Prompt(text=sample.question.join(parts), is_chat=template.is_chat)


def demonstrate(samples: Sequence[Sample], template: Template) -> Template:
    """The template with these samples, worked and answered, before the problem: the in-context arm."""
    shown = "".join(f"{render(sample, template).text}{worked_answer(sample)}\n\n" for sample in samples)
    if "{question}" in shown or "{choices}" in shown:
        raise PromptError("the sample", "holds {question} or {choices} itself", "write it another way")
    return replace(template, text=shown + template.text)


def worked_answer(sample: Sample) -> str:
    """The sample's solution, where it has one, and its answer in a box."""
    work = f" {sample.solution}" if sample.solution else ""
    return f"{work} The answer is \\boxed{{{sample.answer}}}."


def render_all(samples: Sequence[Sample], template: Template) -> list[Prompt]:
    """The prompts of many samples, in order."""
    return [render(sample, template) for sample in samples]
