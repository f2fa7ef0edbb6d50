"""A row of a published or private data set in, the fields of a sample out: the layouts that pools come in.

verl     prompt (text or chat messages), reward_model.ground_truth, extra_info.index (docs of verl; arXiv 2504.20571)
gsm8k    question, answer with the gold behind #### (Cobbe et al., arXiv 2110.14168)
math     problem, and answer or a solution whose last box is the gold (Hendrycks et al., arXiv 2103.03874)
prompt   prompt, answer (the LIMR release, arXiv 2502.11886)
sample   our own fields

A layout is told by the columns of the first row. What a layout cannot read in a row (no ####, no box) is a reason to
set that row aside: a ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from polymath.disciplines import discipline_of
from polymath.errors import SampleError
from polymath.judge.extract import find_boxes
from polymath.samples.rows import Row, is_empty
from polymath.types import Sample

Fields = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How rows of one shape become samples: whether a row `fits`, its `fields`, and the columns those come from."""

    fits: Callable[[Mapping[str, Any]], bool]
    fields: Callable[[Mapping[str, Any]], Fields]
    columns: frozenset[str]


def read_prompt(value: object) -> tuple[str, str | None]:
    """What the user says, and what the system says, of a text or of chat messages; raises ValueError."""
    if isinstance(value, str):
        return value, None
    if not isinstance(value, list) or not all(isinstance(turn, dict) and "content" in turn for turn in value):
        raise ValueError(f"the prompt is neither text nor chat messages: {str(value)[:60]!r}")
    said: dict[str, list[str]] = {}
    for turn in value:
        said.setdefault(str(turn.get("role", "user")), []).append(str(turn["content"]))
    others = [role for role in said if role not in ("user", "system")]
    if others or "user" not in said:
        raise ValueError(f"the prompt is a dialogue ({', '.join(said)}), not one question")
    return "\n\n".join(said["user"]), "\n\n".join(said["system"]) if "system" in said else None


def fields_by_map(row: Row, columns: Mapping[str, str]) -> Fields:
    """The fields of a sample through a map from our field to the row's column; a dot leads into a nested column.

    Raises SampleError for an unknown field or an absent column, ValueError for a prompt that is no question.
    """
    fields: Fields = {}
    for ours, theirs in columns.items():
        if ours == "index":
            continue
        if ours not in Sample.model_fields:
            known = ", ".join(["index", *Sample.model_fields])
            raise SampleError("--columns", f"{ours!r} is no field of a sample", f"the fields are {known}")
        value = look_up(row, theirs)
        if is_empty(value) and ours not in ("question", "answer"):
            continue
        fields[ours] = [value] if ours in ("disciplines", "skills", "aliases") and isinstance(value, str) else value
    for needed in ("question", "answer"):
        if needed not in columns:
            raise SampleError("--columns", f"{needed} is missing", "write question=COLUMN,answer=COLUMN")
    question, system = read_prompt(fields["question"])
    return {**fields, "question": question, **_system(system), "answer": _gold(fields["answer"])}


def look_up(row: Row, column: str) -> Any:
    """The value of a column, or of a part of it (extra_info.index); raises SampleError where it is absent."""
    if column in row.values:
        return row.values[column]
    value: Any = row.values
    for part in column.split("."):
        if not isinstance(value, Mapping) or part not in value:
            known = ", ".join(map(str, row.values))
            raise SampleError(row.where, f"has no column {column}", f"its columns are {known}")
        value = value[part]
    return value


def layout_of(values: Mapping[str, Any]) -> str | None:
    """The name of the first layout that a row fits, or None."""
    return next((name for name, layout in LAYOUTS.items() if layout.fits(values)), None)


def _verl(values: Mapping[str, Any]) -> Fields:
    question, system = read_prompt(values["prompt"])
    ability = values.get("ability")
    return {
        "question": question,
        "answer": _gold(values["reward_model"].get("ground_truth")),
        "disciplines": [discipline_of(str(ability))] if ability else [],
        "source": values.get("data_source"),
        **_system(system),
    }


def _gsm8k(values: Mapping[str, Any]) -> Fields:
    solution, mark, gold = str(values["answer"]).rpartition("####")
    if not mark:
        raise ValueError("the answer has no ####")
    return {
        "question": values["question"],
        "answer": gold.strip().replace(",", ""),
        "answer_type": "number",
        "disciplines": ["mathematics"],
        "solution": solution.strip(),
        "source": "gsm8k",
    }


def _math(values: Mapping[str, Any]) -> Fields:
    answer, solution = values.get("answer"), values.get("solution")
    if is_empty(answer) and isinstance(solution, str):
        boxes, _ = find_boxes(solution)
        if not boxes:
            raise ValueError("has no answer, and its solution no box")
        answer = boxes[-1]
    level = values.get("level", values.get("difficulty"))
    return {
        "question": values["problem"],
        "answer": _gold(answer),
        "disciplines": ["mathematics"],
        "subject": values.get("subject", values.get("type")),
        "level": None if is_empty(level) else f"{level:g}" if isinstance(level, float) else str(level),
        "solution": None if is_empty(solution) else solution,
    }


def _prompt(values: Mapping[str, Any]) -> Fields:
    question, system = read_prompt(values["prompt"])
    source = values.get("source")
    return {
        "question": question,
        "answer": _gold(values["answer"]),
        **_system(system),
        **({"source": str(source)} if source else {}),
    }


def _sample(values: Mapping[str, Any]) -> Fields:
    return {name: values[name] for name in values if name in Sample.model_fields and values[name] is not None}


def _gold(value: Any) -> Any:
    """A gold as our answer: a list of one is that one, a hole is empty text and will be set aside."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return "" if is_empty(value) else value


def _system(system: str | None) -> Fields:
    return {"meta": {"system": system}} if system else {}


LAYOUTS: dict[str, Layout] = {
    "verl": Layout(
        fits=lambda values: "prompt" in values and isinstance(values.get("reward_model"), Mapping),
        fields=_verl,
        columns=frozenset({"prompt", "reward_model", "ability", "data_source", "extra_info"}),
    ),
    "gsm8k": Layout(
        fits=lambda values: "question" in values and "####" in str(values.get("answer")),
        fields=_gsm8k,
        columns=frozenset({"question", "answer"}),
    ),
    "math": Layout(
        fits=lambda values: "problem" in values and ("answer" in values or "solution" in values),
        fields=_math,
        columns=frozenset({"problem", "answer", "solution", "type", "subject", "level", "difficulty"}),
    ),
    "prompt": Layout(
        fits=lambda values: "prompt" in values and "answer" in values,
        fields=_prompt,
        columns=frozenset({"prompt", "answer", "source"}),
    ),
    "sample": Layout(
        fits=lambda values: "question" in values and "answer" in values,
        fields=_sample,
        columns=frozenset(Sample.model_fields),
    ),
}
