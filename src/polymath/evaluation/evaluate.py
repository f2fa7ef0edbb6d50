"""The one evaluate function: training's curve, `polymath evaluate` and before/after all call it.

Policy, suite and protocol in; one Response per draw out, judged strictly and leniently. Problems are asked in
batches whose members depend on the suite and the batch size only, so that an evaluation that was killed and
resumed at a batch ends with the same greedy answers as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polymath.evaluation.benchmarks import APART
from polymath.evaluation.protocol import Decoding, Protocol
from polymath.evaluation.suites import Suite
from polymath.judge import judge
from polymath.prompts import Prompt, Template, render
from polymath.rollouts.policy import Policy, StreamingPolicy
from polymath.seeds import child_seed
from polymath.types import Completion, Response, Sample
from polymath.ways import ways_of

# A streaming policy gives a finished row's place to the next problem. It gets this many batches at once: more keep
# the rows full for longer, and a kill loses more.
STREAMED_BATCHES = 4

Answers = Mapping[int, Sequence[Completion]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One problem as it is asked: its place in the suite, its prompt, its decoding."""

    place: int
    benchmark: str
    sample: Sample
    prompt: Prompt
    decoding: Decoding


def evaluate(
    policy: Policy,
    suite: Suite,
    protocol: Protocol,
    template: Template,
    *,
    seed: int = 0,
    batch_size: int = 128,
    answered: Answers | None = None,
    on_answered: Callable[[Answers], None] = lambda answers: None,
    on_tokens: Callable[[int, int], None] = lambda responses, tokens: None,
) -> list[Response]:
    """Every problem of the suite answered as often as the protocol says, in suite order.

    `batch_size` counts responses decoded together. `answered` are problems, by their place in the suite, that need
    not be asked again. `on_answered` gets answers that may be kept, by place, `on_tokens` the number of responses and
    tokens that are new. A prompt that leaves no room for its answer is not asked: its completion is "overlong".
    """
    tasks = list_tasks(suite, protocol, template)
    found = {**(answered or {}), **_overlong(policy, tasks)}

    def keep(answers: Answers) -> None:
        found.update(answers)
        on_answered(answers)

    rows_a_batch = batch_size * (STREAMED_BATCHES if isinstance(policy, StreamingPolicy) else 1)
    for batch in _batches(tasks, rows_a_batch):
        waiting = [task for task in batch if task.place not in found]
        if waiting:
            _ask(policy, waiting, seed=seed, batch_size=batch_size, on_tokens=on_tokens, on_answered=keep)
    return [
        judge_response(task.benchmark, task.sample, draw, completion)
        for task in tasks
        for draw, completion in enumerate(found[task.place])
    ]


def list_tasks(suite: Suite, protocol: Protocol, template: Template) -> list[Task]:
    """All problems of the suite as they are asked, in suite order.

    What a benchmark holds twice is asked once: with the seed of the problem its draws would be the same.
    """
    named = {(name, sample.id): sample for name, samples in suite.benchmarks.items() for sample in samples}
    return [
        Task(place=place, benchmark=name, sample=sample, prompt=render(sample, template), decoding=protocol.of(name))
        for place, ((name, _), sample) in enumerate(named.items())
    ]


def check_room(policy: Policy, suite: Suite, protocol: Protocol, template: Template) -> None:
    """Raise PromptError where no problem of the suite leaves room for an answer. Single ones are counted instead."""
    _overlong(policy, list_tasks(suite, protocol, template))


def _overlong(policy: Policy, tasks: Sequence[Task]) -> dict[int, list[Completion]]:
    """Problems that the policy cannot be asked; raises PromptError where these are all."""
    if not isinstance(policy, StreamingPolicy):
        return {}
    never = Completion(text="", finish="overlong", token_ids=())
    found = {
        task.place: [never] * task.decoding.num_draws
        for task in tasks
        if not policy.fits(task.prompt, task.decoding.sampling.max_tokens)
    }
    if len(found) == len(tasks):
        for task in tasks:
            policy.check_fit([task.prompt], task.decoding.sampling.max_tokens)
    return found


def _batches(tasks: Sequence[Task], num_rows: int) -> Iterator[list[Task]]:
    """Tasks of one decoding and of similar lengths, about `num_rows` responses at once."""
    for decoding in dict.fromkeys(task.decoding for task in tasks):
        # Similar lengths together: a batch is padded to its longest prompt.
        alike = sorted(
            (task for task in tasks if task.decoding == decoding), key=lambda task: (len(task.prompt.text), task.place)
        )
        per_batch = max(1, num_rows // decoding.num_draws)
        for start in range(0, len(alike), per_batch):
            yield alike[start : start + per_batch]


def _ask(
    policy: Policy,
    tasks: Sequence[Task],
    *,
    seed: int,
    batch_size: int,
    on_tokens: Callable[[int, int], None],
    on_answered: Callable[[Answers], None],
) -> None:
    decoding, prompts = tasks[0].decoding, [task.prompt for task in tasks]
    if isinstance(policy, StreamingPolicy):
        policy.answer(
            prompts,
            decoding.num_draws,
            decoding.sampling,
            # A seed for every problem: its draws are the same whatever else is in the batch.
            [child_seed(seed, "evaluate", task.benchmark, task.sample.id) for task in tasks],
            batch_size=batch_size,
            on_tokens=on_tokens,
            on_answered=lambda answers: on_answered({tasks[row].place: draws for row, draws in answers.items()}),
        )
        return
    named = child_seed(seed, "evaluate", tasks[0].benchmark, tasks[0].place)
    found = policy.sample(prompts, decoding.num_draws, decoding.sampling, named)
    said = [completion for draws in found for completion in draws]
    on_tokens(len(said), sum(completion.length for completion in said))
    on_answered({task.place: draws for task, draws in zip(tasks, found, strict=True)})


def judge_response(benchmark: str, sample: Sample, draw: int, completion: Completion) -> Response:
    """One answer with its strict and its lenient verdict."""
    return Response(
        benchmark=benchmark,
        sample=sample,
        draw=draw,
        completion=completion,
        strict=judge(completion.text, sample, mode="strict", is_truncated=completion.is_truncated),
        lenient=judge(completion.text, sample, mode="lenient", is_truncated=completion.is_truncated),
        ways=ways_of(completion.text),
    )


def to_row(response: Response) -> dict[str, Any]:
    """The row of an evaluation file."""
    sample, completion = response.sample, response.completion
    return {
        "benchmark": response.benchmark,
        "id": sample.id,
        "discipline": sample.discipline,
        "subject": sample.subject,
        "level": sample.level,
        "template": sample.meta.get("template"),
        "question": sample.question,
        "choices": list(sample.choices) if sample.choices else None,
        "answer": sample.answer,
        "answer_type": sample.answer_type,
        **_judged_by(sample),
        "draw": response.draw,
        "response": completion.text,
        "finish": completion.finish,
        "num_tokens": completion.length,
        "strict": vars(response.strict),
        "lenient": vars(response.lenient),
        "ways": sorted(response.ways),
    }


def _judged_by(sample: Sample) -> dict[str, Any]:
    """What else decides a verdict, where the sample says something of it: a row can be judged again."""
    names = {"unit", "missing_unit", "aliases", "tolerance"}
    return sample.model_dump(mode="json", include=names, exclude_defaults=True)


def headline(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that make the mean: all but benchmarks that stand apart, unless there are no others."""
    return [row for row in rows if row["benchmark"] not in APART] or list(rows)


def aside(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The other rows."""
    rest = [row for row in rows if row["benchmark"] in APART]
    return rest if len(rest) < len(rows) else []
