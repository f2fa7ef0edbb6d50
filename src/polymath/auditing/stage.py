"""Samples and what to ask of whom in; an Audit of each out, with the draws and replies behind it on disk.

OUT/audit.json     every sample with its findings and the figures behind them
OUT/audit.html     the same for people, one self-contained page
OUT/draws/         the model's draws, an ordinary evaluation
OUT/solver/        the solver's replies, likewise
OUT is audits/NAME-HASH where nobody names it, with a hash of the questions: a mended label finds what was paid for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.auditing import asked, overlap
from polymath.auditing.draws import Draws, draw
from polymath.auditing.solver import find_solver
from polymath.errors import RecipeError
from polymath.evaluating.policies import open_policy
from polymath.evaluating.settings import LAB_MAX_TOKENS, MAX_TOKENS, URL, Settings, prepare, run_of
from polymath.prompts import Template, render
from polymath.samples.audit import audit_text
from polymath.samples.findings import Finding, is_sound
from polymath.selection.probe import Probed, count_draws
from polymath.types import Sample

if TYPE_CHECKING:
    from polymath.rollouts.policy import Policy

SOLVER_MAX_TOKENS = 4096
SOLVER_TEMPERATURE = 0.7


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """What an audit asks beyond the sample's own text. `model_settings` say how the model is asked.

    `group_size` and `num_groups` are those of the training to come; `temperature` is the trainer's.
    """

    model: str | None = None
    model_settings: Settings = field(default_factory=Settings)
    num_draws: int = 64
    temperature: float = 1.0
    group_size: int = 8
    num_groups: int = 16
    solver: str | None = None
    solver_settings: Settings = field(default_factory=Settings)
    num_attempts: int = 8
    against: tuple[str, ...] = ()
    data: str | None = None
    pool: str | None = None
    use_cache: bool = True


@dataclass(frozen=True, kw_only=True)
class Audit:
    """One sample and everything that was found. `figures` are the counts behind the findings."""

    sample: Sample
    findings: tuple[Finding, ...]
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """No check that decides has failed."""
        return is_sound(self.findings)

    @property
    def reasons(self) -> list[str]:
        """The checks that make it unsound."""
        return [one.check for one in self.findings if one.ok is False and one.decides]


def default_folder(name: str, samples: Sequence[Sample]) -> Path:
    """Where an audit lies that nobody gives a folder: another file of the same name lies elsewhere."""
    questions = hashlib.sha256("\n".join(sample.question for sample in samples).encode()).hexdigest()
    return Path("audits") / f"{Path(name).stem}-{questions[:8]}"


def audit_samples(samples: Sequence[Sample], settings: AuditSettings, folder: Path) -> list[Audit]:
    """The audits, in order. Draws and replies lie in `folder`; without model and solver nothing is written.

    Samples whose own answer is not judged right are not asked. Raises UserError for whatever cannot be opened.
    """
    found = [audit_text(sample) for sample in samples]
    figures: list[dict[str, Any]] = [{} for _ in samples]
    can_be_asked = [place for place, findings in enumerate(found) if findings[0].ok]
    if settings.model is not None:
        _ask_model(samples, can_be_asked, settings, folder, found, figures)
    elif settings.model_settings.template or settings.model_settings.template_file:
        template = prepare("lab", replace(settings.model_settings, suite="lab", protocol="greedy")).template
        for place in can_be_asked:
            found[place].append(asked.find_box(samples[place], template, None))
    if settings.solver is not None and can_be_asked:
        _ask_solver(samples, can_be_asked, settings, folder, found, figures)
    _search(samples, settings, found)
    return [
        Audit(sample=sample, findings=tuple(findings), figures=counts)
        for sample, findings, counts in zip(samples, found, figures, strict=True)
    ]


def _ask_model(
    samples: Sequence[Sample],
    places: Sequence[int],
    settings: AuditSettings,
    folder: Path,
    found: list[list[Finding]],
    figures: list[dict[str, Any]],
) -> None:
    model = str(settings.model)
    if URL.match(model):
        raise RecipeError("--model", "is an address", "name the local model to train; an endpoint is a --solver")
    asking = _for_model(model, settings.model_settings)
    policy, facts = open_policy(model, prepare(model, replace(asking, suite="lab", protocol="greedy")).settings)
    template = prepare(model, replace(asking, suite="lab", protocol="greedy")).template
    fitting = []
    for place in places:
        fit = _measure_fit(policy, samples[place], template, asking)
        if fit is not None:
            found[place].append(fit)
        if fit is None or fit.ok:
            fitting.append(place)
    if not fitting:
        return
    draws = draw(
        policy,
        facts,
        [samples[place] for place in fitting],
        asking,
        folder / "draws",
        name="model",
        num_draws=settings.num_draws,
        temperature=settings.temperature,
        with_blank=True,
        use_cache=settings.use_cache,
    )
    for place, rows, blank in zip(fitting, draws.rows, draws.blank, strict=True):
        probed = count_draws(place, rows)
        found[place] += _read_draws(samples[place], probed, blank, template, settings)
        figures[place]["draws"] = {**_describe(probed), "model": facts["model"], "max_tokens": draws.max_tokens}


def _read_draws(
    sample: Sample, probed: Probed, blank: Sequence[dict[str, Any]], template: Template, settings: AuditSettings
) -> list[Finding]:
    return [
        asked.find_box(sample, template, probed),
        asked.find_pass_rate(probed, settings.group_size, settings.num_groups),
        asked.find_ways(probed),
        asked.find_majority(probed),
        asked.find_blank(blank, probed, len(sample.choices or ())),
    ]


def _for_model(model: str, given: Settings) -> Settings:
    """Prompt and limit of the training to come, as far as nobody gave them: the lab's own, a run's, or boxed."""
    template, max_tokens = given.template, given.max_tokens
    if template is None and given.template_file is None and model != "lab" and run_of(model) is None:
        template = "boxed"
    if max_tokens is None and model == "lab":
        max_tokens = LAB_MAX_TOKENS
    return replace(given, template=template, max_tokens=max_tokens)


def _measure_fit(policy: Policy, sample: Sample, template: Template, asking: Settings) -> Finding | None:
    """None where the policy does not count tokens itself."""
    encode, context = getattr(policy, "encode", None), getattr(policy, "context", None)
    if encode is None or context is None:
        return None
    length = len(encode(render(sample, template)))
    return asked.find_fit(length, asking.max_tokens or min(MAX_TOKENS, context // 2), context)


def _ask_solver(
    samples: Sequence[Sample],
    places: Sequence[int],
    settings: AuditSettings,
    folder: Path,
    found: list[list[Finding]],
    figures: list[dict[str, Any]],
) -> None:
    url = str(settings.solver)
    if not URL.match(url):
        raise RecipeError("--solver", f"{url!r} is no address", "write it as http://localhost:8000/v1")
    asking = replace(settings.solver_settings, max_tokens=settings.solver_settings.max_tokens or SOLVER_MAX_TOKENS)
    policy, facts = open_policy(url, asking)
    draws: Draws = draw(
        policy,
        {**facts, "model": facts["model"]},
        [samples[place] for place in places],
        replace(asking, template=asking.template or "boxed-chat"),
        folder / "solver",
        name="solver",
        num_draws=settings.num_attempts,
        temperature=SOLVER_TEMPERATURE,
        is_slow=True,
        use_cache=settings.use_cache,
    )
    for place, rows in zip(places, draws.rows, strict=True):
        found[place].append(find_solver(rows, samples[place]))
        probed = count_draws(place, rows)
        figures[place]["solver"] = {**_describe(probed), "model": facts["model"], "usage": draws.usage}


def _search(samples: Sequence[Sample], settings: AuditSettings, found: list[list[Finding]]) -> None:
    questions = overlap.load_benchmarks(settings.against, settings.data)
    for findings, likenesses in zip(found, overlap.find_likenesses(samples, questions), strict=True):
        findings.append(overlap.find_in_benchmarks(likenesses, questions))
    if settings.pool is None:
        return
    from polymath.samples.pools import read_pool

    pool = read_pool(settings.pool, strip_instruction=True)
    rows = {settings.pool: [row.sample.question for row in pool.rows]}
    for findings, likenesses in zip(found, overlap.find_likenesses(samples, rows), strict=True):
        findings.append(overlap.find_in_pool(likenesses, settings.pool))


def _describe(probed: Probed) -> dict[str, Any]:
    return {**asdict(probed), "pass_rate": probed.pass_rate, "answer_entropy": probed.answer_entropy}
