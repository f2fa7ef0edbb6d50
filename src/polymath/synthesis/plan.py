"""What a synthesis is to do, as a TOML file: writers, solvers, instructions, thresholds, filters, budgets.

In: the file and `key=value` overrides. Out: a frozen Plan. Writers and solvers are tables by name, so that
`--set writers.NAME.model=...` reaches each of them. A key is never in a plan: `key_env` names the environment variable
that holds it, and what is stored of a plan leaves even that name out.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from polymath.errors import PromptError, RecipeError
from polymath.llm import Endpoint
from polymath.prompts import Template, load_template
from polymath.recipe import Section, read_table
from polymath.samples.findings import MAX_SHORTCUT, MIN_RIGHT
from polymath.synthesis.instructions import ANSWERS, CATEGORIES, INSTRUCTIONS
from polymath.types import AnswerType

NAME = r"^[A-Za-z0-9._-]+$"
# What a plan says of an endpoint's door, which is nobody's business afterwards and may hold a secret.
UNSTORED = frozenset({"url", "key_env"})


class PlanError(RecipeError):
    """A key, a value or a combination of a plan that cannot be used."""


class EndpointSection(Section):
    url: str = Field(description="address of an OpenAI-compatible server; mostly ends in /v1")
    model: str = Field(min_length=1, description="name that the model is served under")
    key_env: str | None = Field(None, description="environment variable that holds the key, never the key itself")
    temperature: float = Field(1.0, ge=0, description="0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, description="0 keeps every token")
    max_tokens: int = Field(4096, ge=1, description="tokens a reply, reasoning included; the budget reckons with them")
    concurrency: int = Field(8, ge=1, description="requests at once")
    timeout_s: float = Field(600.0, gt=0, description="seconds for one try of a request as a whole")
    max_retries: int = Field(6, ge=0, description="tries after the first one")
    price_in: float | None = Field(None, ge=0, description="price of a million prompt tokens")
    price_out: float | None = Field(None, ge=0, description="price of a million reply tokens")

    def endpoint(self) -> Endpoint:
        """The endpoint; raises EndpointError for an address that is none."""
        return Endpoint(
            url=self.url,
            model=self.model,
            key_env=self.key_env,
            max_concurrency=self.concurrency,
            timeout_s=self.timeout_s,
            max_retries=self.max_retries,
            price_in=self.price_in,
            price_out=self.price_out,
        )


class WriterSection(EndpointSection):
    weight: float = Field(1.0, gt=0, description="share of the candidates, relative to the other writers")
    system: str = Field("", description="system message, where the model wants one")
    chat: bool = Field(True, description="false sends the instruction as a text to continue, for base models")


class SolverSection(EndpointSection):
    attempts: int = Field(2, ge=1, description="times that it attempts every candidate")
    template: str = Field("boxed-chat", description="prompt template; see polymath.prompts.TEMPLATES")
    template_file: str | None = Field(None, description="your own template, with {question} in it")
    chat: bool = Field(True, description="send the text of template_file as a chat message")

    def load_template(self) -> Template:
        """The prompt template; raises PromptError."""
        return load_template(self.template, self.template_file, is_chat=self.chat)


class InstructionSection(Section):
    variants: tuple[str, ...] = Field(("fused",), min_length=1, description="see synthesis.instructions.INSTRUCTIONS")
    answers: tuple[str, ...] = Field(("integer",), min_length=1, description="see synthesis.instructions.ANSWERS")
    disciplines: tuple[tuple[str, ...], ...] = Field(
        (), description="lists of disciplines to be fused, taken in turn; default: the variant's own"
    )
    categories: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="categories taken in turn: of mathematics by the specialist, who has all five by default; any of "
        "your own with a file that holds {category}",
    )
    file: str | None = Field(
        None, description="your own instruction instead, sent as it stands; {disciplines}, {category} are filled in"
    )
    answer_type: AnswerType = Field("number", description="type of the answers that `file` asks for")
    integer: bool = Field(True, description="with `file` and numbers: they are whole, from filters.low to filters.high")
    requires: tuple[Literal["question", "answer", "solution"], ...] | None = Field(
        None, description="what a reply must hold; default: all three, and question alone with `file`"
    )

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for key, names, known in (
            ("variants", self.variants, INSTRUCTIONS),
            ("answers", self.answers, ANSWERS),
            ("categories", self.categories or (), CATEGORIES),
        ):
            unknown = [name for name in names if name not in known]
            if unknown and not (key == "categories" and self.file):
                raise ValueError(f"{key}: there is no {unknown[0]!r}; use some of {', '.join(known)}")
        if not all(self.disciplines):
            raise ValueError("disciplines: an empty list fuses nothing")
        return self


class AcceptSection(Section):
    agreement: float = Field(
        0.75, gt=0, le=1, description="share of all attempts that must give the agreed answer, unanswered ones counted"
    )
    every_solver: bool = Field(True, description="each solver must reach the agreed answer at least once")
    writer_agrees: bool = Field(False, description="reject where the writer's own answer is another one")


class FilterSection(Section):
    low: int = Field(1, description="least whole-number answer")
    high: int = Field(1000, description="greatest whole-number answer")
    min_characters: int = Field(80, ge=0, description="shortest question")
    max_characters: int = Field(4000, ge=1, description="longest question")
    leak: Literal["stated", "anywhere", "off"] = Field(
        "stated", description="stated: the question says what its answer is; anywhere: it holds that value at all"
    )
    near: float = Field(0.7, gt=0, le=1, description="Jaccard index of word shingles from which two texts are near")
    benchmarks: str | None = Field(None, description="suite whose problems no candidate may be near to")
    data: str | None = Field(None, description="directory with the benchmark files; default: the hub")

    @model_validator(mode="after")
    def _ranges_hold_something(self) -> Self:
        if self.low > self.high or self.min_characters > self.max_characters:
            raise ValueError("low is above high, or min_characters above max_characters: nothing would pass")
        return self


class ProbeSection(Section):
    model: str | None = Field(None, description="the model to be trained: directory, hub id or lab; none: no probe")
    n: int = Field(16, ge=1, description="draws a candidate, at temperature 1")
    max_tokens: int = Field(1024, ge=1, description="tokens a draw")
    template: str = Field("boxed", description="prompt template of the training to come")
    min_pass_rate: float = Field(0.0, ge=0, le=1, description="share of draws that must be right at least")
    max_pass_rate: float = Field(1.0, ge=0, le=1, description="share of draws that may be right at most")
    max_shortcut: float = Field(
        MAX_SHORTCUT,
        ge=0,
        le=1,
        description=f"share of right draws that may be not worked, from {MIN_RIGHT} on; 1: all",
    )
    device: str = Field("auto", description="auto, cpu, cuda or mps")
    batch_size: int = Field(64, ge=1, description="draws decoded together")

    @model_validator(mode="after")
    def _band_holds_something(self) -> Self:
        if self.min_pass_rate > self.max_pass_rate:
            raise ValueError("min_pass_rate is above max_pass_rate: nothing would pass")
        return self


class BudgetSection(Section):
    tokens: int | None = Field(None, ge=1, description="prompt and reply tokens in all")
    money: float | None = Field(None, gt=0, description="cost in all, in the currency of the prices")


class Plan(Section):
    """Everything that decides a synthesis."""

    name: str = Field("synthesis", pattern=NAME, description="first part of the folder's name")
    seed: int = Field(0, ge=0)
    candidates: int = Field(ge=1, description="candidates to be written")
    writers: dict[str, WriterSection] = Field(min_length=1, description="name to endpoint")
    solvers: dict[str, SolverSection] = Field(min_length=1, description="name to endpoint")
    instruction: InstructionSection = InstructionSection()
    accept: AcceptSection = AcceptSection()
    filters: FilterSection = FilterSection()
    probe: ProbeSection = ProbeSection()
    budget: BudgetSection = BudgetSection()

    @field_validator("writers", "solvers")
    @classmethod
    def _names_can_be_parts_of_ids(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
                raise ValueError(f"the name {name!r} is part of file rows; use letters, digits, -, _ and .")
        return value

    @model_validator(mode="after")
    def _attempts_can_differ(self) -> Self:
        for name, solver in self.solvers.items():
            if solver.temperature == 0 and solver.attempts > 1:
                raise ValueError(
                    f"solvers.{name}: {solver.attempts} attempts at temperature 0 are paid for and say the same"
                )
        return self

    @model_validator(mode="after")
    def _money_needs_prices(self) -> Self:
        asked = {**self.writers, **self.solvers}
        unpriced = [name for name, one in asked.items() if one.price_in is None or one.price_out is None]
        if self.budget.money is not None and unpriced:
            raise ValueError(f"budget.money needs price_in and price_out of every endpoint, and {unpriced[0]} has none")
        return self

    def stored(self) -> dict[str, Any]:
        """The plan as it may be written down: without addresses and the names of keys."""
        table = self.model_dump(mode="json", exclude_none=True)
        for kind in ("writers", "solvers"):
            for section in table[kind].values():
                for key in UNSTORED:
                    section.pop(key, None)
        return table


def read_plan(path: str | Path, overrides: Sequence[str] = ()) -> Plan:
    """The plan in this TOML file, with `key=value` overrides laid over it.

    Raises UserError naming file, key and remedy; no message holds the value of `key_env` or `url`.
    """
    missing = PlanError(path, "no such plan", "name a TOML file; docs/synthesis.md shows one")
    return make_plan(read_table(path, overrides, missing), where=str(path))


def make_plan(table: Mapping[str, Any], *, where: str = "plan") -> Plan:
    """Validate a table and everything it names; raises UserError with the first thing that is wrong."""
    try:
        plan = Plan.model_validate(dict(table))
    except ValidationError as error:
        raise _explain(error, where) from None
    for section in (*plan.writers.values(), *plan.solvers.values()):
        section.endpoint()
    for solver in plan.solvers.values():
        solver.load_template()
    if plan.probe.model is not None:
        load_template(plan.probe.template)
    if plan.instruction.file is not None:
        read_instruction_file(plan.instruction.file)
    return plan


def read_instruction_file(file: str) -> str:
    """The user's own instruction, as it stands. Raises PromptError where it is empty or cannot be read."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(file, f"cannot be read as UTF-8 text ({error})", "check instruction.file") from error
    if not text.strip():
        raise PromptError(file, "is empty", "write the instruction for the writers into it")
    return text


def _explain(error: ValidationError, where: str) -> PlanError:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path) or "plan"
    if first["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        near = difflib.get_close_matches(path[-1], known, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return PlanError(f"{where}: {key}", "is not a key of a plan", remedy)
    message = first["msg"].removeprefix("Value error, ")
    is_shown = isinstance(first["input"], str | int | float) and not UNSTORED.intersection(path)
    found = f" (found {str(first['input'])[:80]!r})" if is_shown else ""
    return PlanError(f"{where}: {key}", f"{message}{found}", "docs/synthesis.md lists the keys of a plan")


def _known_keys(path: Sequence[str]) -> list[str]:
    tables: dict[str, type[BaseModel]] = {"writers": WriterSection, "solvers": SolverSection}
    if len(path) == 2 and path[0] in tables:
        return list(tables[path[0]].model_fields)
    model: type[BaseModel] = Plan
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
