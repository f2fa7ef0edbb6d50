"""A writer's reply in, a draft of a sample out, or the reason why there is none.

Replies of real models are JSON in fences, JSON between prose, headings with paragraphs under them, or none of it. Read
are, in this order: a JSON object with a question; its fields one by one where the object is broken; labelled
paragraphs (`**Question:** ...`). What a model says in <think> tags before that is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from polymath.judge.extract import after_thinking, extract
from polymath.llm import Reply
from polymath.synthesis.objects import find_objects, read_object
from polymath.types import AnswerType

Field = Literal["question", "answer", "solution"]
FIELDS: tuple[Field, ...] = ("question", "answer", "solution")
# What models call the three, in the order of preference; compared without case, spaces and underscores.
SPELLINGS: dict[Field, tuple[str, ...]] = {
    "question": ("question", "problem", "problemstatement", "questiontext", "problemtext", "task", "prompt"),
    "answer": ("answer", "finalanswer", "correctanswer", "goldanswer", "result", "blank", "key"),
    "solution": ("solution", "workedsolution", "workedsteps", "steps", "explanation", "reasoning", "rationale"),
}
_CHOICES = ("choices", "options")
_LABEL = re.compile(
    r"^[ \t>]*(?P<marks>(?:#{1,6}[ \t]*|\*\*|__|[-*][ \t]+|\d+[.)][ \t]*){0,3})"
    r"(?P<word>(?:the[ \t]+)?(?:worked[ \t]+|final[ \t]+|correct[ \t]+)?"
    r"(?:question|problem(?:[ \t]+statement)?|task|answer|solution|explanation|reasoning|steps))"
    r"(?:[ \t]+\d{1,3})?[ \t]*(?:\*\*|__)?[ \t]*(?P<colon>[:：])?[ \t]*(?:\*\*|__)?(?P<end>[ \t]*$)?",
    re.IGNORECASE | re.MULTILINE,
)
_FIELD = re.compile(
    r"[\"'](?P<name>[A-Za-z_ ]{3,20})[\"']\s{0,3}:\s{0,3}(?P<value>\"(?:[^\"\\]|\\.)*\"|[-+]?\d[\d.,]*)", re.DOTALL
)
_LEAD = re.compile(r"\A[^\n]{0,160}\b(?:here|sure|certainly|below)\b[^\n]{0,160}:\s*\n", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\A[\s.…_<>\[\]*-]*\Z|\A<[^<>]{1,80}>\Z|\A(?:the )?(?:number|letter|string)\b.{0,40}\Z")

_ANSWER_MARKS = re.compile(r"\A(?:\*\*|__(?=[^_])|`|\$\$?|\\\(|\\\[)|(?:\*\*|(?<=[^_])__|`|\$\$?|\\\)|\\\]|\.)\Z")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a reply holds of a sample, before anything is checked. `read_as` is "json", "fields" or "labels"."""

    question: str
    answer: str | None
    solution: str | None
    choices: tuple[str, ...]
    read_as: str


class UnreadableReply(Exception):
    """A reply that holds no draft. `reason` is a short name to be counted, `detail` says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


def read_draft(reply: Reply, *, requires: Collection[Field], answer_type: AnswerType, instruction: str = "") -> Draft:
    """The draft that a reply holds, with every required field in it. Raises UnreadableReply.

    `instruction` is what was asked: a reply that says it back is no question.
    """
    if reply.finish in ("blocked", "overlong"):
        raise UnreadableReply(reply.finish)
    text = after_thinking(reply.text)
    if text is None or not text.strip():
        is_cut = reply.finish == "length"
        raise UnreadableReply("cut off" if is_cut else "empty", "nothing but thinking" if reply.text else "")
    found, choices, read_as = _find(text, answer_type)
    missing = [name for name in FIELDS if name in requires and not found.get(name)]
    if missing:
        reason = "cut off" if reply.finish == "length" else f"no {missing[0]}"
        raise UnreadableReply(reason, f"{', '.join(missing)} not found" + (f", read as {read_as}" if read_as else ""))
    question = found["question"]
    if _PLACEHOLDER.match(question) or (len(question) > 20 and _plain(question) in _plain(instruction)):
        raise UnreadableReply("echo", "says the instruction back")
    return Draft(
        question=question,
        answer=clean_answer(found["answer"], answer_type) if found.get("answer") else None,
        solution=found.get("solution") or None,
        choices=choices,
        read_as=read_as,
    )


def clean_answer(text: str, answer_type: AnswerType) -> str:
    """An answer without what stands around it: a box, dollar signs, bold marks, a full stop, "The answer is"."""
    stated = extract(text, answer_type, mode="strict", is_truncated=False)
    if not stated.texts:
        stated = extract(text, answer_type, mode="lenient", is_truncated=False)
    is_stated = bool(stated.texts) and not stated.rule.startswith("last")
    cleaned = (stated.texts[-1] if is_stated else text).strip()
    while cleaned != (shorter := _ANSWER_MARKS.sub("", cleaned).strip()):
        cleaned = shorter
    return cleaned


def _find(text: str, answer_type: AnswerType) -> tuple[dict[Field, str], tuple[str, ...], str]:
    for found in find_objects(text):
        named = _names(found)
        inner = named.get("question")
        if isinstance(inner, dict):  # {"problem": {"question": ..., "answer": ...}}
            named = {**named, **_names(inner)}
        if isinstance(named.get("question"), str):
            choices = next((found[key] for key in found if key.lower() in _CHOICES), None)
            return {name: as_text(named[name]) for name in FIELDS if name in named}, _as_choices(choices), "json"
    if fields := _find_fields(text):
        return fields, (), "fields"
    labelled = _find_labels(text, answer_type)
    return labelled, (), "labels" if labelled else ""


def _names(found: Mapping[str, Any]) -> dict[Field, Any]:
    """The values under our names; where several spellings are there, the first of our list."""
    plain = {re.sub(r"[\s_-]", "", key).lower(): value for key, value in found.items() if isinstance(key, str)}
    named: dict[Field, Any] = {}
    for field, spellings in SPELLINGS.items():
        spelling = next((one for one in spellings if plain.get(one) not in (None, "", [], {})), None)
        if spelling is not None:
            named[field] = plain[spelling]
    return named


def as_text(value: Any) -> str:
    """A JSON value as a text: whole floats without a point, lists a line each."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return "\n".join(as_text(part) for part in value)
    if isinstance(value, dict):
        return "\n".join(f"{key}: {as_text(part)}" for key, part in value.items())
    return str(value).strip()


def _as_choices(value: Any) -> tuple[str, ...]:
    parts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return tuple(re.sub(r"\A\(?[A-H][).:]\s+", "", as_text(part)) for part in parts)


def _find_fields(text: str) -> dict[Field, str]:
    """The fields of an object that is broken somewhere else: a comma forgotten, a value without quotes."""
    read: dict[str, Any] = {}
    for found in _FIELD.finditer(text):
        one = read_object(f'{{"value": {found["value"].rstrip(".,")}}}')
        if one is not None:
            read.setdefault(found["name"], one["value"])
    named = _names(read)
    return {name: as_text(value) for name, value in named.items()} if "question" in named else {}


def _find_labels(text: str, answer_type: AnswerType) -> dict[Field, str]:
    """Labelled paragraphs. Without a label for the question it is what stands before the first other label."""
    labels = [
        found for found in _LABEL.finditer(text) if found["colon"] or (found["marks"] and found["end"] is not None)
    ]
    if not labels:
        return {}
    sections: dict[Field, list[str]] = {name: [] for name in FIELDS}
    ends = [*(found.start() for found in labels[1:]), len(text)]
    for found, end in zip(labels, ends, strict=True):
        body = _tidy(text[found.end() : end])
        word = re.sub(r"\s|^the|\d", "", found["word"].lower())
        field = next(name for name, spellings in SPELLINGS.items() if word in (*spellings, f"the{name}"))
        if body:
            sections[field].append(body)
    if not sections["question"] and (before := _tidy(_LEAD.sub("", text[: labels[0].start()]))):
        sections["question"].append(before)
    # The first problem; its first solution; and of several answers the last, which is the final one.
    labelled: dict[Field, str] = {name: bodies[0] for name, bodies in sections.items() if bodies}
    if sections["answer"]:
        labelled["answer"] = sections["answer"][-1].partition("\n\n")[0]
    elif "solution" in labelled:
        stated = extract(labelled["solution"], answer_type, mode="lenient", is_truncated=False)
        if stated.texts and not stated.rule.startswith("last"):
            labelled["answer"] = stated.texts[-1]
    return labelled


def _tidy(text: str) -> str:
    return re.sub(r"\A(?:\s|\*\*|-{3,}|```\w*)+|(?:\s|\*\*|-{3,}|#{2,}|```)+\Z", "", text)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
