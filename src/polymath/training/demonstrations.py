"""Responses to imitate: a file of rows in, prompts with the tokens that follow them out.

Rows are one of

    {"prompt", "response"}              the prompt is sent as it is
    {"question" or "problem", "response"}   the question goes through the recipe's template
    a sample with a solution            the same, answered by its solution and its answer in a box
    {"question" or "problem", "solution", "critique"}   kind = critique: the model learns to judge an attempt

Sources: critique fine-tuning on one problem (arXiv 2506.03295), whose critiques end in "Conclusion: right [END]" or
"Conclusion: wrong [END]"; demonstrations as a rescue (ReLIFT, 2506.07527).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, Literal, Protocol

from polymath.errors import PromptError, RecipeError, SampleError
from polymath.prompts import Prompt, Template, render, worked_answer
from polymath.recipe import DemonstrationsSection, Recipe
from polymath.runs import RunFolder, read_lines, write_lines
from polymath.samples.rows import Row, read_file_rows
from polymath.samples.sources import validate
from polymath.seeds import child_seed
from polymath.training.credit import Weighed
from polymath.types import Sample

FILE = "demonstrations.jsonl"

CRITIQUE_TEMPLATE = (
    "Problem: {question}\n\nAttempt: {solution}\n\n"
    "Is the attempt right? Check it step by step. Where it is wrong, say why, work it out anew and write the final "
    'answer inside \\boxed{}. End with "Conclusion: right [END]" or "Conclusion: wrong [END]".\n\nCheck:\n'
)
_VERDICT = re.compile(r"conclusion\W*\b(right|wrong)\b\W*\[end\]\W*\Z", re.IGNORECASE)
_PLACES = re.compile(r"(\{question\}|\{solution\})")
_QUESTION = ("question", "problem")


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """A prompt and the response to it that is imitated; `where` is its place in the user's file."""

    prompt: Prompt
    response: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A row that is not imitated: where it is and why."""

    where: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Demonstrations:
    """What a run imitates, and the rows that were passed over.

    `num_foreign` counts the rows of the file whose question is none of the run's samples.
    """

    kept: tuple[Demonstration, ...]
    passed: tuple[Passed, ...] = ()
    num_foreign: int = 0

    def summary(self) -> dict[str, Any]:
        """What run.json says of them."""
        return {
            "num": len(self.kept),
            "num_prompts": len({one.prompt for one in self.kept}),
            "num_passed_over": len(self.passed),
            "reasons": dict(Counter(one.reason for one in self.passed)),
            "num_of_other_questions": self.num_foreign,
        }

    def tell(self) -> str:
        """The same in one line, for a person."""
        summary = self.summary()
        line = f"demonstrations {summary['num']}, of {summary['num_prompts']} prompts"
        if self.passed:
            reasons = "; ".join(f"{count} {reason}" for reason, count in summary["reasons"].items())
            line += f"; {len(self.passed)} passed over ({reasons}), the first at {self.passed[0].where}"
        if self.num_foreign:
            line += f"; {self.num_foreign} rows are of other questions than [sample] names"
        return line


class Reader(Protocol):
    """What is needed of a policy to turn text into its tokens."""

    @property
    def tokenizer(self) -> Any: ...

    @property
    def context(self) -> int: ...

    @property
    def eos_ids(self) -> Sequence[int]: ...

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt."""
        ...


def are_wanted(recipe: Recipe) -> bool:
    """Whether a run of this recipe imitates anything."""
    return recipe.engine.name == "sft" or recipe.rescue.after > 0


def load_demonstrations(
    settings: DemonstrationsSection, samples: Sequence[Sample], template: Template
) -> Demonstrations:
    """The demonstrations that a recipe names; by default `samples`, each with its solution.

    Raises SampleError with file and line for a row that cannot be read. Critiques without a verdict at their end are
    passed over and counted.
    """
    if settings.file is None:
        if settings.kind == "critique":
            raise RecipeError("demonstrations.file", "is not given, and samples hold no critiques", "name a file")
        return Demonstrations(
            kept=tuple(_of_sample(sample, template, f"sample {sample.question[:40]!r}") for sample in samples)
        )
    rows = read_file_rows(_find_file(settings.file))
    if settings.kind == "critique":
        found = _read_critiques(rows, settings)
    else:
        found = Demonstrations(kept=tuple(_read_response(row, settings, template) for row in rows))
    known = {sample.question.strip() for sample in samples}
    questions = [question.strip() for row in rows if (question := _text(row, *_QUESTION)) is not None]
    return replace(found, num_foreign=sum(question not in known for question in questions))


def shipped_names() -> list[str]:
    """Names of the example files that ship with the package."""
    folder = files("polymath.training") / "examples"
    return sorted(entry.name.removesuffix(".jsonl") for entry in folder.iterdir() if entry.name.endswith(".jsonl"))


def find_verdict(critique: str) -> Literal["right", "wrong"] | None:
    """What a critique concludes; None where it does not end in `Conclusion: right [END]` or `... wrong [END]`."""
    found = _VERDICT.search(critique)
    if found is None:
        return None
    return "right" if found[1].lower() == "right" else "wrong"


def keep_fitting(found: Demonstrations, policy: Reader) -> Demonstrations:
    """Pass over those that are longer than the model's context; raises SampleError where none is left."""
    kept, passed = [], list(found.passed)
    for one in found.kept:
        if len(policy.encode(one.prompt)) + len(encode_response(one.response, policy)) <= policy.context:
            kept.append(one)
        else:
            passed.append(Passed(where=one.where, reason=f"longer than the model's context of {policy.context} tokens"))
    if not kept:
        first = passed[0]
        raise SampleError(
            first.where,
            f"none of {len(passed)} demonstrations can be used; the first is {first.reason}",
            "correct the file, or take a model with a longer context",
        )
    return replace(found, kept=tuple(kept), passed=tuple(passed))


def weigh_demonstrations(demonstrations: Iterable[Demonstration], policy: Reader) -> list[Weighed]:
    """Each as a response that is pushed up by an advantage of 1. Tokens of the prompt carry no loss."""
    return [
        Weighed(prompt=one.prompt, token_ids=encode_response(one.response, policy), advantage=1.0, group=place)
        for place, one in enumerate(demonstrations)
    ]


def encode_response(text: str, policy: Reader) -> tuple[int, ...]:
    """The tokens of a response, by themselves as a policy says them, and the end of the sequence."""
    end = policy.tokenizer.eos_token_id
    ids = policy.tokenizer(text, add_special_tokens=False)["input_ids"]
    return (*ids, policy.eos_ids[0] if end is None else end)


def places_at(step: int, num_demonstrations: int, batch_size: int, seed: int) -> list[int]:
    """Places of the demonstrations of a step, counted from 1.

    All of them in a random order, then all again in another; a step takes the next `batch_size`, also across the end of
    an epoch. It depends on its arguments alone, so a resumed run goes on as it would have.
    """
    begin = (step - 1) * batch_size
    orders: dict[int, list[int]] = {}
    places = []
    for number in range(begin, begin + batch_size):
        epoch, place = divmod(number, num_demonstrations)
        if epoch not in orders:
            orders[epoch] = list(range(num_demonstrations))
            Random(child_seed(seed, "demonstrations", epoch)).shuffle(orders[epoch])
        places.append(orders[epoch][place])
    return places


def write_demonstrations(run: RunFolder, found: Demonstrations) -> None:
    """Store in the run folder what the run imitates, prompts as they are sent."""
    rows = (
        {"prompt": one.prompt.text, "is_chat": one.prompt.is_chat, "response": one.response, "where": one.where}
        for one in found.kept
    )
    write_lines(run.path / FILE, rows)


def read_demonstrations(run: RunFolder) -> Demonstrations:
    """What a run that has begun imitates."""
    return Demonstrations(
        kept=tuple(
            Demonstration(
                prompt=Prompt(text=row["prompt"], is_chat=row["is_chat"]), response=row["response"], where=row["where"]
            )
            for row in read_lines(run.path / FILE)
        )
    )


def _find_file(name: str) -> Path:
    path = Path(name)
    if path.exists() or path.suffix:
        return path
    if name in shipped_names():
        return Path(str(files("polymath.training") / "examples" / f"{name}.jsonl"))
    raise SampleError(
        f"demonstrations {name!r}", "are neither a file nor shipped", f"shipped: {', '.join(shipped_names())}"
    )


def _read_response(row: Row, settings: DemonstrationsSection, template: Template) -> Demonstration:
    if "critique" in row.values:
        raise SampleError(row.where, "has a critique", 'set demonstrations.kind = "critique"')
    response = _text(row, "response")
    if response is None:
        if _text(row, "solution") is None:
            raise SampleError(row.where, "has no response and no solution", "give it what is to be imitated")
        return _of_sample(validate(row.where, row.values), template, row.where)
    prompt = _text(row, "prompt")
    if prompt is not None:
        return Demonstration(prompt=Prompt(text=prompt, is_chat=settings.chat), response=response, where=row.where)
    question = _text(row, *_QUESTION)
    if question is None:
        raise SampleError(row.where, "has neither prompt nor question", "say what the response answers")
    known = {"question": question, "answer": "", "choices": row.values.get("choices")}
    asked = render(validate(row.where, known), template)
    return Demonstration(prompt=asked, response=response, where=row.where)


def _of_sample(sample: Sample, template: Template, where: str) -> Demonstration:
    """A sample answered by its solution; its answer is added in a box where the solution has none."""
    if not (sample.solution or "").strip():
        raise SampleError(where, "has no solution to imitate", "add one, or name a file in demonstrations.file")
    assert sample.solution is not None
    prompt = render(sample, template)
    text = sample.solution.strip() if "\\boxed" in sample.solution else worked_answer(sample).strip()
    # Behind "Answer:" a response begins with a space.
    joint = "" if prompt.is_chat or prompt.text[-1:].isspace() else " "
    return Demonstration(prompt=prompt, response=joint + text, where=where)


def _read_critiques(rows: Iterable[Row], settings: DemonstrationsSection) -> Demonstrations:
    template = _read_template(settings.template)
    kept: list[Demonstration] = []
    passed: list[Passed] = []
    for row in rows:
        critique = _need(row, "critique")
        prompt = _text(row, "prompt")
        if prompt is None:
            prompt = _fill(template, {"question": _need(row, *_QUESTION), "solution": _need(row, "solution")})
        if find_verdict(critique) is None:
            passed.append(Passed(where=row.where, reason="without a verdict at its end"))
        elif not _VERDICT.sub("", critique).strip():
            passed.append(Passed(where=row.where, reason="with nothing but a verdict"))
        else:
            sent = Prompt(text=prompt, is_chat=settings.chat)
            kept.append(Demonstration(prompt=sent, response=critique.strip(), where=row.where))
    if not kept:
        raise SampleError(
            passed[0].where,
            f"no critique of {len(passed)} can be used; this one is {passed[0].reason}",
            'critiques end in "Conclusion: right [END]" or "Conclusion: wrong [END]"',
        )
    return Demonstrations(kept=tuple(kept), passed=tuple(passed))


def _read_template(file: str | None) -> str:
    if file is None:
        return CRITIQUE_TEMPLATE
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(file, f"cannot be read as UTF-8 text ({error})", "check demonstrations.template") from error
    for place in ("{question}", "{solution}"):
        if place not in text:
            raise PromptError(file, f"has no {place} in it", f"write {place} where it belongs")
    return text


def _fill(template: str, values: Mapping[str, str]) -> str:
    # Piece by piece, so that nothing inside a question or a solution is replaced.
    return "".join(values[part[1:-1]] if _PLACES.fullmatch(part) else part for part in _PLACES.split(template))


def _need(row: Row, *names: str) -> str:
    found = _text(row, *names)
    if found is None:
        known = ", ".join(map(str, row.values))
        raise SampleError(row.where, f"has no {' or '.join(names)}", f"its fields are {known}")
    return found


def _text(row: Row, *names: str) -> str | None:
    """The first of these fields that the row has; raises SampleError where it is empty or no text."""
    name = next((one for one in names if row.values.get(one) is not None), None)
    if name is None:
        return None
    value = row.values[name]
    if not isinstance(value, str) or not value.strip():
        raise SampleError(row.where, f"{name} is {'empty' if value == '' else 'no text'}", "write text there")
    return value
