"""A policy and samples in; many draws of each on disk, and the rows of each sample out.

The draws are an ordinary evaluation in rounds, so that they are streamed to disk, cached and never paid twice: a round
is a benchmark of its own with a few draws of every sample, and what was answered before Ctrl-C is found again by the
same command. Its name says the number of draws and ends in a hash of everything that makes it another one, so that a
mended label, another prompt or another number begins a new one beside it. Replies of an endpoint do not depend on the
label: they are kept by prompt and found again by the new one.

    FOLDER/NAME-NUMBER-HASH--PROTOCOL.jsonl    the rows and their summary
    FOLDER/answers/KEY.jsonl                   replies of an endpoint, by model, prompt, decoding and round
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.errors import EndpointError, Stopped
from polymath.evaluating.policies import open_cache
from polymath.evaluating.settings import Asked, Settings, leave_room, prepare
from polymath.evaluation.cache import AnswerCache
from polymath.evaluation.evaluate import Answers, Task
from polymath.machine import versions
from polymath.runs import evaluation_paths, read_lines
from polymath.types import Completion, Sample

if TYPE_CHECKING:
    from polymath.evaluation.suites import Suite
    from polymath.rollouts.policy import Policy

MAX_ROUND = 8
BLANK = "blank"


@dataclass(frozen=True, kw_only=True)
class Draws:
    """The rows of every sample, in the order of the samples; `blank` are those of the prompt without its question."""

    rows: list[list[dict[str, Any]]]
    blank: list[list[dict[str, Any]]]
    max_tokens: int
    usage: dict[str, Any]


def draw(
    policy: Policy,
    facts: dict[str, Any],
    samples: Sequence[Sample],
    settings: Settings,
    folder: Path,
    *,
    name: str,
    num_draws: int,
    temperature: float,
    is_slow: bool = False,
    with_blank: bool = False,
    use_cache: bool = True,
) -> Draws:
    """`num_draws` answers to every sample at this temperature, half as many to the blank prompt where asked for.

    `is_slow` keeps every single answer as it comes, as an endpoint's should be. Raises Stopped on Ctrl-C.
    """
    from polymath.evaluation.record import record_evaluation

    size = 1 if is_slow else max(size for size in range(1, MAX_ROUND + 1) if num_draws % size == 0)
    empty = (
        tuple(sample.model_copy(update={"question": "", "solution": None}) for sample in samples) if with_blank else ()
    )
    suite = _lay_out(name, samples, empty, num_draws // size)
    settings = replace(settings, suite=name, protocol=f"sample-{size}-t{temperature:.2f}")
    asked = leave_room(prepare(str(facts.get("model")), settings, suite), policy)
    facts = {**facts, "folder": str(folder), "seed": asked.settings.seed, "versions": versions()}
    suite = replace(suite, name=f"{name}-{num_draws}-{_hash_of(suite, asked, facts)}")
    cache = None
    if use_cache:
        cache = Replies(folder, _identify(facts)) if is_slow else open_cache(facts, asked.settings)
    with _told_how_to_go_on(folder):
        summary = record_evaluation(
            policy,
            suite,
            asked.protocol,
            asked.template,
            folder,
            title=f"audit {name}",
            seed=asked.settings.seed or 0,
            batch_size=asked.settings.batch_size or MAX_ROUND,
            facts=facts,
            resume=True,
            cache=cache,
            tell=getattr(policy, "tell_usage", dict),
        )
    rows = read_lines(evaluation_paths(folder, suite.name, asked.protocol.name)[0])
    return Draws(
        rows=_by_sample(rows, samples, is_blank=False),
        blank=_by_sample(rows, empty, is_blank=True),
        max_tokens=asked.protocol.decoding.sampling.max_tokens,
        usage=dict(summary.get("usage", {})),
    )


def _lay_out(name: str, samples: Sequence[Sample], empty: Sequence[Sample], num_rounds: int) -> Suite:
    """A benchmark a round, with half as many rounds of blank prompts where there are any."""
    from polymath.evaluation.suites import Suite

    rounds = {f"draws-{number + 1}": tuple(samples) for number in range(num_rounds)}
    if empty:
        rounds |= {f"{BLANK}-{number + 1}": tuple(empty) for number in range(max(1, num_rounds // 2))}
    return Suite(name=name, benchmarks=rounds)


def _hash_of(suite: Suite, asked: Asked, facts: Mapping[str, Any]) -> str:
    """Of everything that makes it another evaluation."""
    from polymath.evaluation.record import COMPARED, describe

    told = {**facts, **describe(suite, asked.protocol, asked.template)}
    return _short_hash([str(told.get(key)) for key in COMPARED])


@contextmanager
def _told_how_to_go_on(folder: Path) -> Iterator[None]:
    """Whatever stops it says that nothing is lost."""
    try:
        yield
    except EndpointError as error:
        remedy = f"{error.remedy}; what was answered is kept, and the same command goes on"
        raise EndpointError(error.where, error.what, remedy) from error
    except KeyboardInterrupt:
        raise Stopped(f"stopped; what was answered is in {folder}; the same command goes on") from None


class Replies(AnswerCache):
    """Replies of an endpoint by what it was sent: the label and how it is compared are no part of it."""

    def find(self, tasks: Sequence[Task]) -> dict[int, list[Completion]]:
        """Place to replies, of the tasks that were sent before."""
        return super().find([_unlabelled(task) for task in tasks])

    def add(self, tasks: Mapping[int, Task], answers: Answers) -> None:
        """Keep the replies of one batch."""
        super().add({place: _unlabelled(task) for place, task in tasks.items()}, answers)


def _unlabelled(task: Task) -> Task:
    return replace(task, sample=Sample(question=task.prompt.text, answer="?", answer_type="text"))


def _identify(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: facts.get(key) for key in ("model", "asked_of", "engine", "seed")}


def _short_hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()[:8]


def _by_sample(rows: Sequence[dict[str, Any]], samples: Sequence[Sample], *, is_blank: bool) -> list[list[Any]]:
    """What is asked twice, as blank prompts with one label are, has one set of rows."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["benchmark"].startswith(f"{BLANK}-") == is_blank:
            found.setdefault(row["id"], []).append(row)
    return [found[sample.id] for sample in samples]
