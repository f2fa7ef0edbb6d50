"""Who takes part in a tournament: a pool or sample files in, named candidates out; and who may not."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from polymath.errors import SampleError
from polymath.recipe import Recipe
from polymath.samples.pools import read_pool
from polymath.samples.sources import find_sample
from polymath.types import Sample

FEWEST = 2


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A sample that takes part. `name` names its folder; `index` is its row in the pool, None for a sample file."""

    name: str
    sample: Sample
    index: int | None = None


def from_pool(pool: str, num: int | None, seed: int) -> list[Candidate]:
    """The rows of a pool, or `num` of them drawn at random, in the order of the pool; each is named after its row.

    A sample that the pool holds twice takes part once. Rows that the pool sets aside do not take part; stderr says so.
    """
    read = read_pool(pool)
    for row in read.set_aside:
        print(f"{row.where}: {row.reason}; it does not take part", file=sys.stderr)
    found = _once(Candidate(name=f"row-{row.index:04}", sample=row.sample, index=row.index) for row in read.rows)
    if num is None or num == len(found):
        return found
    if num > len(found):
        raise SampleError(pool, f"has {len(found)} different samples", f"ask for at most so many, not {num}")
    chosen = Random(f"tournament/candidates/{seed}").sample(range(len(found)), num)
    return [found[place] for place in sorted(chosen)]


def from_files(names: Sequence[str]) -> list[Candidate]:
    """The samples of these files or of the library, named after their files, with a number where one holds several."""
    found: list[tuple[str, Sample]] = []
    for name in names:
        samples = find_sample(name)
        stem = re.sub(r"[^\w-]+", "-", Path(name).stem) or "sample"
        found += [(stem if len(samples) == 1 else f"{stem}-{place}", one) for place, one in enumerate(samples, 1)]
    listed = [name for name, _ in found]
    twice = next((name for name in listed if listed.count(name) > 1), None)
    if twice is not None:
        raise SampleError("--samples", f"two of them are named {twice!r}", "give the files different names")
    return _once(Candidate(name=name, sample=sample) for name, sample in found)


def check_number(candidates: Sequence[Candidate]) -> None:
    """Raises SampleError where there is nothing to choose from."""
    if len(candidates) < FEWEST:
        raise SampleError(
            "tournament", f"has {len(candidates)} candidates", f"give at least {FEWEST} different samples"
        )


def seen_in_dev(candidates: Iterable[Candidate], recipe: Recipe) -> dict[str, str]:
    """Name to reason of the candidates that are problems of the recipe's suite, by id or by question.

    Who trains on a problem that its score is taken from is not measured by it. Raises SampleError where the suite
    cannot be had.
    """
    from polymath.evaluation.suites import load_suite

    section = recipe.evaluate
    suite = load_suite(section.suite, data=section.data, limit=section.limit)
    benchmark_of = {key: name for name, members in suite.benchmarks.items() for one in members for key in _keys(one)}
    found = {}
    for candidate in candidates:
        hit = next((benchmark_of[key] for key in _keys(candidate.sample) if key in benchmark_of), None)
        if hit is not None:
            found[candidate.name] = f"is one of the dev problems ({hit})"
    return found


def _keys(sample: Sample) -> tuple[str, str]:
    # The same question with another label is another id, and gives the problem away all the same.
    return sample.id, " ".join(sample.question.split()).casefold()


def _once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Each sample under the first of its names."""
    first: dict[str, Candidate] = {}
    for one in candidates:
        first.setdefault(one.sample.id, one)
    return list(first.values())
