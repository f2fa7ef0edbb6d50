"""Samples, benchmarks and a pool in; where a sample stands in them, or nearly, out.

Few samples meet many problems here, so every pair is compared exactly (samples/near.py without its index). A problem
with the same words and other numbers is named; it shares the form, which is no leak by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polymath.samples.findings import Finding
from polymath.samples.near import THRESHOLD, jaccard, normal_words, shingles
from polymath.samples.rows import MissingData
from polymath.types import Sample

# These need no files.
ALWAYS = ("lab", "lab-held-out")


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """A problem that says nearly the same as a sample; `has_same_numbers` says that not only the words do."""

    where: str
    jaccard: float
    is_exact: bool
    has_same_numbers: bool


def load_benchmarks(names: Sequence[str], data: str | None) -> dict[str, list[str]]:
    """Benchmark to its questions: those named, or all whose files lie in `data`, and the lab's, which needs none.

    Files are read without judging their golds. Raises SampleError for an unknown name or a torn file.
    """
    from polymath.evaluation.benchmarks import BENCHMARKS
    from polymath.evaluation.suites import SUITES, load_suite

    if names:
        found: dict[str, list[str]] = {}
        parts = [part for name in names for part in ([name] if Path(name).is_file() else name.split("+"))]
        for name in parts:
            known = SUITES[name].benchmarks if name in SUITES else (name,)
            for one in known:
                if data is not None and one in BENCHMARKS and BENCHMARKS[one].file:
                    found[one] = _read_questions(one, Path(data))
                else:
                    members = load_suite(one, data=data).benchmarks
                    found |= {label: [sample.question for sample in samples] for label, samples in members.items()}
        return found
    found = {name: [sample.question for sample in load_suite(name).benchmarks[name]] for name in ALWAYS}
    for name, benchmark in BENCHMARKS.items() if data is not None else ():
        # A draw of a file is part of the file.
        if benchmark.file and benchmark.draw is None:
            try:
                found[name] = _read_questions(name, Path(str(data)))
            except MissingData:
                continue
    return found


def find_likenesses(samples: Sequence[Sample], questions: Mapping[str, Sequence[str]]) -> list[list[Likeness]]:
    """For every sample what says nearly the same in these benchmarks, the nearest first."""
    own = [(shingles(sample.question), normal_words(sample.question)) for sample in samples]
    found: list[list[Likeness]] = [[] for _ in samples]
    for name, texts in questions.items():
        for number, text in enumerate(texts):
            other = shingles(text)
            for place, (grams, words) in enumerate(own):
                # The index can reach no more than the ratio of the sizes.
                smaller, larger = sorted((len(grams), len(other)))
                if smaller < THRESHOLD * larger:
                    continue
                near = jaccard(grams, other)
                if near >= THRESHOLD:
                    said = normal_words(text)
                    found[place].append(
                        Likeness(
                            where=f"{name}[{number}]",
                            jaccard=near,
                            is_exact=said == words,
                            has_same_numbers=_numbers(said) == _numbers(words),
                        )
                    )
    return [sorted(likenesses, key=lambda one: -one.jaccard) for likenesses in found]


def find_in_benchmarks(likenesses: Sequence[Likeness], questions: Mapping[str, Sequence[str]]) -> Finding:
    """Is the sample, or nearly the same text with the same numbers, in a benchmark that it may be measured on?"""
    num_problems = sum(map(len, questions.values()))
    searched = f"{num_problems:,} problems of {', '.join(questions)}"
    same = [one for one in likenesses if one.is_exact or one.has_same_numbers]
    if same:
        how = "stands word for word" if same[0].is_exact else f"nearly stands (Jaccard index {same[0].jaccard:.2f})"
        return Finding(check="benchmarks", ok=False, detail=f"it {how} in {same[0].where}; searched {searched}")
    if likenesses:
        told = f"{len(likenesses)} problems have its words with other numbers, the nearest {likenesses[0].where}"
        return Finding(check="benchmarks", ok=True, detail=f"{told} ({likenesses[0].jaccard:.2f}); searched {searched}")
    return Finding(check="benchmarks", ok=True, detail=f"nothing near it in {searched}")


def find_in_pool(likenesses: Sequence[Likeness], name: str) -> Finding:
    """Where the sample stands in a pool. That is no flaw: a natural sample comes from one."""
    exact = [one for one in likenesses if one.is_exact]
    if exact:
        copies = f" and {len(exact) - 1} more times" if len(exact) > 1 else ""
        return Finding(check="pool", ok=True, detail=f"it is row {exact[0].where}{copies}")
    near = f"{len(likenesses)} rows are near it, {likenesses[0].where} most" if likenesses else "no row is near it"
    return Finding(check="pool", ok=True, detail=f"it is not in {name}; {near}")


def _read_questions(name: str, data: Path) -> list[str]:
    from polymath.evaluation.benchmarks import BENCHMARKS
    from polymath.samples.rows import find_file, read_file_rows

    benchmark = BENCHMARKS[name]
    rows = read_file_rows(find_file(data, benchmark.file), config=benchmark.config, split=benchmark.split)
    spellings = (*benchmark.columns.get("question", ()), *benchmark.optional.get("question", ()))
    return [text for row in rows for text in _texts(row.values, spellings)]


def _texts(values: Mapping[str, object], spellings: Sequence[str]) -> Iterator[str]:
    found = next((values[name] for name in spellings if values.get(name)), None)
    if isinstance(found, str):
        yield found


def _numbers(words: Sequence[str]) -> list[str]:
    return [word for word in words if word[0].isdigit()]
