"""What an evaluation is asked for, and everything it names loaded.

What is not asked for in another way is as in the run that a checkpoint belongs to: base and trained are comparable only
under the same prompt, decoding and dtype.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from polymath.errors import RecipeError
from polymath.prompts import Template, demonstrate, load_template
from polymath.runs import RunFolder

if TYPE_CHECKING:
    from polymath.evaluation.protocol import Protocol
    from polymath.evaluation.suites import Suite
    from polymath.rollouts.policy import Policy

URL = re.compile(r"https?://\S+", re.IGNORECASE)
DTYPES = ("float32", "bfloat16")
LAB_MAX_TOKENS, MAX_TOKENS = 96, 1024


@dataclass(frozen=True, kw_only=True)
class Served:
    """How to ask an endpoint. The key itself stays in the environment variable named here."""

    model: str | None = None
    key_env: str | None = None
    concurrency: int = 8
    price_in: float | None = None
    price_out: float | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What may be asked of an evaluation. None is the run's own, or the default."""

    suite: str | None = None
    protocol: str | None = None
    max_tokens: int | None = None
    template: str | None = None
    template_file: str | None = None
    chat: bool | None = None
    stop: tuple[str, ...] | None = None
    demonstrate: str | None = None
    limit: int | None = None
    data: str | None = None
    batch_size: int | None = None
    dtype: str | None = None
    device: str = "auto"
    threads: int | str = "auto"
    engine: str = "local"
    seed: int | None = None
    served: Served = Served()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Settings with everything they name loaded."""

    settings: Settings
    suite: Suite
    protocol: Protocol
    template: Template


def prepare(model: str, settings: Settings, suite: Suite | None = None) -> Asked:
    """Load suite (unless one is given), protocol and template; raises UserError for whatever does not exist."""
    from polymath.evaluation.suites import load_suite

    if settings.template is not None and settings.template_file is not None:
        raise RecipeError("--template", "and --template-file are both given", "give one of them")
    chosen = complete(model, settings)
    _check(chosen)
    if suite is None:
        suite = load_suite(str(chosen.suite), data=chosen.data, limit=chosen.limit)
    template = _load_template(chosen)
    is_lab = all(name.startswith("lab") for name in suite.benchmarks)
    max_tokens = chosen.max_tokens or (LAB_MAX_TOKENS if is_lab else MAX_TOKENS)
    # A limit that the user gives counts for every benchmark.
    lengths = {} if settings.max_tokens is not None else suite.max_tokens
    protocol = _read_protocol(chosen, suite, template, max_tokens, lengths)
    return Asked(settings=chosen, suite=suite, protocol=protocol, template=template)


def leave_room(asked: Asked, policy: Policy) -> Asked:
    """Where nobody gave a limit and the model's context is small: half of it for the answer."""
    room = getattr(policy, "context", 2 * MAX_TOKENS) // 2
    if asked.settings.max_tokens is not None or room >= asked.protocol.decoding.sampling.max_tokens:
        return asked
    protocol = _read_protocol(asked.settings, asked.suite, asked.template, room, asked.suite.max_tokens)
    return replace(asked, protocol=protocol)


def _read_protocol(
    settings: Settings, suite: Suite, template: Template, max_tokens: int, lengths: Mapping[str, int]
) -> Protocol:
    from polymath.evaluation.protocol import SUITE, read_protocol

    has_own = bool(suite.protocols or suite.max_tokens)
    return read_protocol(
        settings.protocol or (SUITE if has_own else "greedy"),
        max_tokens,
        stop=settings.stop or template.stop,
        of_suite=suite.protocols,
        lengths=lengths,
        benchmarks=[*suite.benchmarks, *suite.missing],
    )


def _check(settings: Settings) -> None:
    """Raise RecipeError for values that no evaluation can have."""
    if settings.dtype not in DTYPES:
        raise RecipeError("--dtype", f"there is no {settings.dtype!r}", f"use {' or '.join(DTYPES)}")
    if "" in (settings.stop or ()):
        raise RecipeError("--stop", "is empty: every response would be", "leave it out, or give a text")
    if settings.chat and settings.template_file is None:
        raise RecipeError(
            "--chat", "belongs to a template file of your own", "name a template that ends in -chat, or --template-file"
        )


def complete(model: str, settings: Settings) -> Settings:
    """The settings with what is left open taken from the run of a checkpoint, else from the defaults."""
    known: dict[str, Any] = {"suite": "lab", "template": _default_template(model)}
    known |= {"batch_size": 32, "dtype": "float32", "seed": 0}
    if (run := run_of(model)) is not None:
        recipe = run.read_recipe()
        section = recipe.evaluate
        known |= {name: getattr(section, name) for name in ("suite", "limit", "data", "batch_size")}
        known |= {"dtype": recipe.model.dtype, "seed": recipe.seed}
        known |= {"template": recipe.prompt.template, "template_file": recipe.prompt.file, "chat": recipe.prompt.chat}
        if settings.suite in (None, section.suite):
            known |= {"protocol": section.protocol, "max_tokens": section.max_tokens, "stop": section.stop}
        if section.demonstrate:
            known |= {"demonstrate": recipe.sample.use}
        if settings.template is not None:
            known |= {"template_file": None}
        if settings.suite not in (None, section.suite):
            known |= {"limit": None, "data": section.data}
    return replace(settings, **{name: value for name, value in known.items() if getattr(settings, name) is None})


def _default_template(model: str) -> str:
    """The lab reads `plain`; all others are asked for a box, in their chat's form where they have one."""
    if model == "lab":
        return "plain"
    directory = Path(model)
    config = directory / "tokenizer_config.json"
    is_chat = (directory / "chat_template.jinja").exists() or (
        config.is_file() and '"chat_template"' in config.read_text(encoding="utf-8")
    )
    return "boxed-chat" if URL.match(model) or is_chat else "boxed"


def _load_template(settings: Settings) -> Template:
    from polymath.samples.sources import find_sample

    template = load_template(str(settings.template), settings.template_file, is_chat=bool(settings.chat))
    return template if settings.demonstrate is None else demonstrate(find_sample(settings.demonstrate), template)


def run_of(model: str) -> RunFolder | None:
    """The run that a checkpoint belongs to."""
    path = Path(model)
    if path.parent.name == "checkpoints" and (path.parent.parent / "run.json").exists():
        return RunFolder(path.parent.parent)
    return None


def evaluation_folder(model: str, served_model: str | None = None) -> Path:
    """RUN/evaluations/step-N for RUN/checkpoints/step-N, else evaluations/MODEL, else evaluations/ADDRESS-MODEL."""
    if (run := run_of(model)) is not None:
        return run.path / "evaluations" / Path(model).name
    name = "-".join(Path(model).parts[-2:])
    if URL.match(model):  # user and password, and a query, may hold a key
        address = urlsplit(model)
        name = f"{address.hostname}-{address.port or address.scheme}-{served_model}"
    return Path("evaluations") / re.sub(r"[^\w.-]+", "-", name)
