"""A suite is benchmarks side by side: `polymath`, `gsm8k+clean-arithmetic`, a file of samples, or one's own TOML file.

In: names joined by +. Out: problems by benchmark in a fixed order, what the suite says of their decoding, which of them
are missing and why, and what was set aside. A suite of several goes on without a benchmark that cannot be had; the
missing one is named and is part of no mean.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from polymath.disciplines import PAPER_SUBJECTS, paper_disciplines
from polymath.errors import SampleError
from polymath.evaluation.benchmarks import BENCHMARKS, Loaded, load_benchmark
from polymath.evaluation.own_suite import OwnBenchmark, load_own_benchmark, read_own_suite
from polymath.judge.reference import check_reference
from polymath.samples.rows import MissingData, UnreachableHub
from polymath.samples.sources import read_samples
from polymath.types import Sample

LIMIT_SEED = "limit-1"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Benchmark name to its problems, in a fixed order.

    `missing` is benchmark to reason. `protocols` and `max_tokens` are what the suite says of single benchmarks.
    `set_aside` lists, by benchmark, the rows that could not be asked or judged, as "WHERE: reason"; `notes` says by
    benchmark what else differs from the published form.
    """

    name: str
    benchmarks: dict[str, tuple[Sample, ...]]
    missing: Mapping[str, str] = field(default_factory=dict)
    protocols: Mapping[str, str] = field(default_factory=dict)
    max_tokens: Mapping[str, int] = field(default_factory=dict)
    set_aside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A published suite: benchmarks, their decoding where it is not greedy, and the terms of its tables."""

    benchmarks: tuple[str, ...]
    protocols: Mapping[str, str] = field(default_factory=dict)
    max_tokens: Mapping[str, int] = field(default_factory=dict)
    in_terms: Callable[[str, Sample], Sample] | None = None


def in_paper_terms(benchmark: str, sample: Sample) -> Sample:
    """The sample under its subject and domain of arXiv 2601.03111, Table 13; its own subject in meta["category"]."""
    subject = {
        "math500": "MATH500",
        "aime24": "AIME",
        "aime25": "AIME",
        "minerva": "Minerva",
        "scibench": "math" if sample.discipline == "mathematics" else sample.discipline,
        "gpqa-diamond": sample.discipline,
    }.get(benchmark, sample.subject)
    if subject not in PAPER_SUBJECTS:
        raise SampleError(benchmark, f"{subject!r} is no subject of the paper's table", "check the file's subjects")
    tags = {"disciplines": paper_disciplines(subject), "subject": subject}
    return sample.model_copy(update={**tags, "meta": {**sample.meta, "category": sample.subject}})


_ONE_SHOT = ("math500", "aime24", "aime25", "amc23", "minerva", "olympiadbench")

SUITES: dict[str, Selection] = {
    # arXiv 2601.03111: eight benchmarks in eight domains and 25 subjects; AIME as the mean of 32 answers at T 0.4.
    "polymath": Selection(
        benchmarks=(
            "math500",
            "aime24",
            "aime25",
            "minerva",
            "scibench",
            "gpqa-diamond",
            "mmlu-pro-100",
            "supergpqa-1500",
        ),
        protocols={"aime24": "sample-32-t0.4", "aime25": "sample-32-t0.4"},
        in_terms=in_paper_terms,
    ),
    # arXiv 2504.20571, B.3: greedy; the three small ones as the mean of 8 answers at T 0.6; 3,072 new tokens.
    "one-shot-math": Selection(
        benchmarks=_ONE_SHOT,
        protocols=dict.fromkeys(("aime24", "aime25", "amc23"), "sample-8-t0.6"),
        max_tokens=dict.fromkeys(_ONE_SHOT, 3072),
    ),
}


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One benchmark on its way into a suite."""

    label: str
    load: Callable[[], Loaded]
    protocol: str | None = None
    max_tokens: int | None = None
    is_on_hub: bool = False


def load_suite(name: str, *, data: str | None = None, limit: int | None = None) -> Suite:
    """The suite of this name: names of suites and benchmarks, sample files and TOML files, joined by +.

    Benchmarks are read from the directory `data`, or from the hub where it is None. `limit` draws that many problems
    of each benchmark with a fixed seed, so that base and trained model always see the same ones. Raises SampleError
    for unknown names, files with holes, and where no benchmark at all can be had.
    """
    folder = Path(data) if data else None
    names = [name] if _is_file(name) else [part.strip() for part in name.split("+")]
    parts = [part for one in names for part in _parts(one, folder)]
    labels = [part.label for part in parts]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise SampleError(f"suite {name!r}", f"names {twice} twice", "name every benchmark once")
    loaded, missing = _load_parts(name, parts)
    kept = [part for part in parts if part.label in loaded]
    return Suite(
        name=name,
        benchmarks={label: _limit(found.samples, limit) for label, found in loaded.items()},
        missing=missing,
        protocols={part.label: part.protocol for part in kept if part.protocol},
        max_tokens={part.label: part.max_tokens for part in kept if part.max_tokens},
        set_aside={label: found.set_aside for label, found in loaded.items() if found.set_aside},
        notes={label: note for label, found in loaded.items() if (note := _note(found))},
    )


def _load_parts(name: str, parts: list[_Part]) -> tuple[dict[str, Loaded], dict[str, str]]:
    loaded: dict[str, Loaded] = {}
    missing: dict[str, str] = {}
    unreachable = ""
    for part in parts:
        if unreachable and part.is_on_hub:  # every further try would take as long to fail
            missing[part.label] = unreachable
            continue
        try:
            loaded[part.label] = part.load()
        except MissingData as error:
            if len(parts) == 1:
                raise
            missing[part.label] = str(error)
            if isinstance(error.__cause__ or error, UnreachableHub):
                unreachable = "the hub cannot be reached"
    if not loaded:
        first = next(iter(missing.values()))
        raise MissingData(
            f"suite {name!r}",
            f"none of {', '.join(missing)} can be had ({first})",
            "put their files into one directory and name it with --data DIR",
        )
    return loaded, missing


def _parts(name: str, folder: Path | None) -> list[_Part]:
    if name in SUITES:
        chosen = SUITES[name]
        return [
            _Part(
                label=label,
                load=partial(_load_known, label, folder, chosen.in_terms),
                protocol=chosen.protocols.get(label),
                max_tokens=chosen.max_tokens.get(label),
                is_on_hub=_is_on_hub(label, folder),
            )
            for label in chosen.benchmarks
        ]
    if name in BENCHMARKS:
        return [_Part(label=name, load=partial(_load_known, name, folder, None), is_on_hub=_is_on_hub(name, folder))]
    if name.endswith((".json", ".jsonl")):
        return [_Part(label=Path(name).stem, load=partial(_load_samples, Path(name)))]
    if name.endswith(".toml"):
        own = read_own_suite(Path(name))
        return [_own_part(label, benchmark, Path(name), own.disciplines) for label, benchmark in own.benchmarks.items()]
    known = [*SUITES, *BENCHMARKS]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    remedy = f"use {', '.join(known)}, a .jsonl file of samples or a .toml file"
    raise SampleError(f"suite {name!r}", "is not known", f"did you mean {near[0]}? {remedy}" if near else remedy)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # too long a name for a path
        return False


def _is_on_hub(benchmark: str, folder: Path | None) -> bool:
    return folder is None and bool(BENCHMARKS[benchmark].hub)


def _own_part(label: str, benchmark: OwnBenchmark, path: Path, disciplines: Mapping[str, str]) -> _Part:
    return _Part(
        label=label,
        load=partial(load_own_benchmark, label, benchmark, path, disciplines),
        protocol=benchmark.protocol,
        max_tokens=benchmark.max_tokens,
    )


def _load_known(label: str, folder: Path | None, in_terms: Callable[[str, Sample], Sample] | None) -> Loaded:
    found = load_benchmark(BENCHMARKS[label], folder)
    if in_terms is None:
        return found
    samples = tuple(in_terms(label, sample) for sample in found.samples)
    return Loaded(samples=samples, set_aside=found.set_aside, note=found.note)


def _load_samples(path: Path) -> Loaded:
    samples = tuple(read_samples(path))
    for number, sample in enumerate(samples, 1):
        check_reference(sample, where=f"{path}, problem {number}")
    return Loaded(samples=samples)


def _note(found: Loaded) -> str:
    repeats = len(found.samples) - len({sample.id for sample in found.samples})
    told = [found.note, f"{repeats} of its rows repeat another and are asked once" if repeats else ""]
    return "; ".join(filter(None, told))


def _limit(samples: tuple[Sample, ...], limit: int | None) -> tuple[Sample, ...]:
    if limit is None or limit >= len(samples):
        return samples
    kept = sorted(random.Random(LIMIT_SEED).sample(range(len(samples)), limit))
    return tuple(samples[place] for place in kept)
