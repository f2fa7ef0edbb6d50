"""The nouns that flow through the house. Frozen; no field ever changes its meaning.

Sample      one problem with one reference answer (read from outside, so validated by pydantic)
Completion  what a policy said to one prompt, before anybody judged it
Verdict     right, wrong or undecided, with the extracted answer and the rules that decided
JudgedGroup one group of completions with their verdicts: what a reward function sees
Rollout     a completion inside its group, judged and rewarded: what training learns from
Response    a completion to a benchmark problem, judged strictly and leniently: what evaluation stores
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

AnswerType = Literal["expression", "number", "quantity", "choice", "boolean", "list", "formula", "reaction", "text"]
Outcome = Literal["right", "wrong", "undecided"]
Tolerance = Annotated[float, Field(ge=0, lt=1)] | Literal["figures"] | None
MissingUnit = Literal["accept", "wrong"]
Finish = Literal["eos", "length", "overlong"]


def _as_text(value: object) -> object:
    """Data sets store answers as 12, 12.0, "12", true or [1, 2]; an answer is text here."""
    if isinstance(value, list) and all(isinstance(part, int | float | str) for part in value):
        return f"[{', '.join(str(_as_text(part)) for part in value)}]"
    if isinstance(value, bool):
        return str(value)
    if not isinstance(value, int | float):
        return value
    return str(int(value)) if float(value).is_integer() else repr(value)


Text = Annotated[str, BeforeValidator(_as_text)]


class Sample(BaseModel):
    """One problem with the one reference answer that decides its reward.

    `choices` are option texts in order; the answer of a choice sample is its letter.
    `tolerance` is relative, or "figures": equal when rounded to the digits that the answer is written with.
    `missing_unit` says what a number without a unit means where the reference has one. `disciplines` may name
    several; the first is the one it counts under.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    answer: Text
    answer_type: AnswerType = "expression"
    choices: tuple[str, ...] | None = None
    unit: str | None = None
    missing_unit: MissingUnit = "accept"
    aliases: tuple[str, ...] = ()
    tolerance: Tolerance = None
    disciplines: tuple[str, ...] = ()
    subject: str | None = None
    skills: tuple[str, ...] = ()
    level: str | None = None
    solution: str | None = None
    source: str | None = None
    meta: dict[str, Any] = {}

    @field_validator("answer_type", mode="before")
    @classmethod
    def _math_is_expression(cls, value: object) -> object:
        return "expression" if value == "math" else value

    @property
    def id(self) -> str:
        """sha256 over what makes it this problem; tags and provenance never change it."""
        identity = [self.question, self.answer, self.answer_type, self.choices, self.unit]
        return hashlib.sha256(json.dumps(identity, ensure_ascii=False).encode()).hexdigest()

    @property
    def discipline(self) -> str:
        """The discipline that its result is counted under."""
        return self.disciplines[0] if self.disciplines else "unknown"


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What a policy said to one prompt.

    `finish` is "eos" where it ended by itself or at a stop string, "length" where it ran out of tokens, "overlong"
    where the prompt left no room for an answer and none was asked for.
    `token_ids` excludes the prompt and includes the end-of-sequence token when there is one;
    `logprobs` (same length) are those of the distribution it was sampled from, temperature included.
    Both are None where a policy does not have them (an endpoint); `num_tokens` is then what it counted itself.
    """

    text: str
    finish: Finish
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    num_tokens: int | None = None

    @property
    def length(self) -> int:
        """Tokens of the response; 0 where nobody counted them."""
        return len(self.token_ids) if self.token_ids is not None else self.num_tokens or 0

    @property
    def is_truncated(self) -> bool:
        """It ran out of tokens before it ended by itself."""
        return self.finish == "length"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the judge decided about one response, and how.

    `undecided` means that the judge failed: it is counted and shown, never silently wrong.
    """

    outcome: Outcome
    extracted: str | None
    found_by: str
    compared_by: str
    detail: str = ""

    @property
    def correct(self) -> bool | None:
        """True, False, or None when undecided."""
        return None if self.outcome == "undecided" else self.outcome == "right"


@dataclass(frozen=True, kw_only=True)
class JudgedGroup:
    """The completions of one group with their verdicts, in the same order.

    `seed` names this group of this step, so that a random control reward is reproducible. `step` counts from 1;
    0 is outside training. `max_tokens` is the limit of a response in tokens, None where it is unknown. `votes` are
    the extracted answers (None where there is none) of every rollout of this step for this sample, of this group
    and of its siblings; None where nobody gathered them.
    """

    sample: Sample
    completions: tuple[Completion, ...]
    verdicts: tuple[Verdict, ...]
    seed: int
    step: int = 0
    max_tokens: int | None = None
    votes: tuple[str | None, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One judged and rewarded completion of a training group.

    `reward_parts` are the named parts; `reward` is their weighted sum.
    """

    group: int
    completion: Completion
    verdict: Verdict
    ways: frozenset[str]
    reward: float
    reward_parts: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Response:
    """One answer to one benchmark problem, with its strict and its lenient verdict."""

    benchmark: str
    sample: Sample
    draw: int
    completion: Completion
    strict: Verdict
    lenient: Verdict
    ways: frozenset[str]
