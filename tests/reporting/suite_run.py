"""Run folders whose every verdict a test chooses, and one that looks like a run on the suite of the polymath paper."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polymath.disciplines import PAPER_SUBJECTS
from polymath.evaluation.summary import summarize
from polymath.recipe import make_recipe
from polymath.runs import RunFolder, write_lines, write_text
from polymath.types import Sample

Row = dict[str, Any]
# Benchmark to its subjects and the number of problems of each; AIME is answered more than once.
BENCHMARKS: dict[str, dict[str, int]] = {
    "math500": {"MATH500": 40},
    "aime24": {"AIME": 10},
    "aime25": {"AIME": 10},
    "minerva": {"Minerva": 30},
    "scibench": {"math": 12, "physics": 20, "chemistry": 20},
    "mmlu-pro-100": {name: 12 for name in list(PAPER_SUBJECTS)[5:] if name not in ("science", "other")},
    "supergpqa-1500": dict.fromkeys(list(PAPER_SUBJECTS)[4:], 10),
}
DRAWS = {"aime24": 8, "aime25": 8}


def sample(question: str, subject: str = "mechanics", discipline: str = "physics", answer: str = "1") -> Sample:
    """A training sample."""
    return Sample(question=question, answer=answer, answer_type="number", disciplines=(discipline,), subject=subject)


def row(name: str, outcome: str, **wishes: Any) -> Row:
    """One response; `lenient` is as strict unless told."""
    lenient = wishes.pop("lenient", outcome)
    verdicts = {
        reading: {"outcome": found, "extracted": "1", "found_by": "box", "compared_by": "text", "detail": ""}
        for reading, found in (("strict", outcome), ("lenient", lenient))
    }
    return {
        "benchmark": "own", "id": name, "draw": 0, "discipline": "algebra", "subject": None, "level": "1",
        "question": f"What is problem {name}?", "choices": None, "answer": "1", "answer_type": "number",
        "response": "It is 1.", "finish": "eos", "num_tokens": 4, "ways": ["boxed"], **verdicts, **wishes,
    }  # fmt: skip


def write_run(
    path: Path,
    evaluations: Mapping[int, Sequence[Row]],
    *,
    suite: str = "own",
    samples: Sequence[Sample] = (sample("How far does the stone fall?"),),
    arms: Mapping[str, tuple[Sequence[Sample], Mapping[int, Sequence[Row]]]] | None = None,
    rewards: Sequence[float] = (),
    recipe: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    is_arm: bool = False,
) -> RunFolder:
    """A complete run of these evaluations by step; `facts` go into every summary."""
    run = RunFolder(path)
    path.mkdir(parents=True)
    table: dict[str, Any] = {
        "name": "own",
        "sample": {"use": "own.json"},
        "train": {"num_steps": max(evaluations)},
        # An arm that is only evaluated at step 0 is shown the sample instead of trained on it.
        "evaluate": {"suite": suite, **({"demonstrate": True} if is_arm and not max(evaluations) else {})},
        "arms": {name: {"sample": {"use": f"{name}.json"}} for name in arms or {}},
        **(recipe or {}),
    }
    run.write_info(
        name="own",
        status="complete",
        seed=0,
        recipe=make_recipe(table).model_dump(mode="json"),
        command="",
        seconds=1.0,
    )
    run.write_samples(samples)
    for step, reward in enumerate(rewards, 1):
        run.append_metrics({"step": step, "reward": reward})
    for step, rows in evaluations.items():
        rows_path, summary_path = run.evaluation_paths(step, suite, "greedy")
        write_lines(rows_path, rows)
        summary = {"suite": suite, "protocol": "greedy", **summarize(list(rows)), **(facts or {})}
        write_text(summary_path, json.dumps(summary))
    for name, (arm_samples, arm_evaluations) in (arms or {}).items():
        write_run(run.arm(name).path, arm_evaluations, suite=suite, samples=arm_samples, recipe=recipe, is_arm=True)
    return run


def write_paper_like_run(path: Path) -> RunFolder:
    """A run on the polymath suite without GPQA, with checkpoints and two arms that train on other subjects."""
    steps = (0, 20, 40, 60)
    arms = {
        name: ([sample(f"{name}?", subject, discipline)], {60: paper_like_rows(60, gain, seed=place)})
        for place, (name, subject, discipline, gain) in enumerate(
            [("cells", "biology", "biology", 0.2), ("sets", "math", "mathematics", 0.1)], start=1
        )
    }
    generator = np.random.default_rng(3)
    rewards = [float(min(1.0, 0.2 + step / 30 + generator.normal(0, 0.004))) for step in range(1, 61)]
    greedy, sampled = {"num_draws": 1, "temperature": 0.0}, {"num_draws": 8, "temperature": 0.6, "top_p": 0.95}
    decoding = {"": greedy, "aime24": sampled, "aime25": sampled}
    missing = {"gpqa-diamond": "needs an account of the hub that has accepted its terms"}
    set_aside = {"scibench": ["thermo.json, row 12: <b>no</b> answer", "thermo.json, row 17: no answer"]}
    return write_run(
        path,
        {step: paper_like_rows(step, 0.25, seed=0) for step in steps},
        suite="polymath",
        samples=[sample("How far does the stone fall in 3 s?", "physics", "physics")],
        arms=arms,
        rewards=rewards,
        recipe={"model": {"path": "Qwen/Qwen2.5-7B"}},
        facts={"missing": missing, "set_aside": set_aside, "decoding": decoding},
    )


def paper_like_rows(step: int, gain: float, *, seed: int) -> list[Row]:
    """Seeded rows of every subject: some gain much, some nothing, one loses."""
    rows = []
    for benchmark, subjects in BENCHMARKS.items():
        for place, (subject, count) in enumerate(subjects.items()):
            for number in range(count):
                rows += _draws(benchmark, place, subject, number, step, gain, seed)
    return rows


def _draws(benchmark: str, place: int, subject: str, number: int, step: int, gain: float, seed: int) -> list[Row]:
    names = list(PAPER_SUBJECTS)
    ability, box, slip = np.random.default_rng(
        [names.index(subject), number, list(BENCHMARKS).index(benchmark)]
    ).random(3)
    lift = {"MATH500": -0.9, "physics": 2.6, "biology": 2.2}.get(subject, 0.4) * gain * step / 60
    rows = []
    for draw in range(DRAWS.get(benchmark, 1)):
        luck = np.random.default_rng([seed, step, names.index(subject), number, draw, place]).normal(0, 0.08)
        is_right = ability + (luck if draw or step else 0) < 0.35 + lift
        is_boxed = box < 0.7 + 0.25 * step / 60
        is_choice = benchmark in ("mmlu-pro-100", "supergpqa-1500")
        said = ("C" if is_right else "D") if is_choice else "45" if is_right else "46"
        check = "Wait, let me verify that. " if slip < 0.1 + 0.4 * step / 60 else ""
        code = "```python\nprint(9 * 5)\n```\n" if slip > 0.9 else ""
        rows.append(row(
            f"{subject} {number}", "right" if is_right and is_boxed else "wrong",
            lenient="right" if is_right else "wrong", benchmark=benchmark, draw=draw, subject=subject,
            discipline=PAPER_SUBJECTS[subject], answer_type="choice" if is_choice else "number",
            choices=["41", "43", "45", "47"] if is_choice else None, answer="C" if is_choice else "45",
            question=f"In {subject}, nine shelves hold five books each. How many books are there? ({number})",
            response=f"{code}{check}9 times 5 is {said}. The answer is {said}.",
            num_tokens=20 + int(40 * slip) + step // 2, ways=["boxed"] if is_boxed else ["direct"],
            finish="length" if slip > 0.95 else "eos",
        ))  # fmt: skip
    return rows
