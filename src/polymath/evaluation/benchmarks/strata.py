"""A fixed subset of a benchmark: so many problems of each stratum, the same ones from any copy of the data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from polymath.errors import SampleError
from polymath.types import Sample


def draw_strata(samples: Sequence[Sample], sizes: Mapping[str, int], *, seed: str, name: str) -> list[Sample]:
    """`sizes[subject]` problems of each subject, in the order of `sizes`.

    Problems are ranked by sha256(seed + their id), so neither the order of the file nor problems of other subjects
    matter; a problem that stands there twice counts once. Raises SampleError where a subject has too few.
    """
    drawn: list[Sample] = []
    for subject, size in sizes.items():
        group = {sample.id: sample for sample in samples if sample.subject == subject}
        if len(group) < size:
            raise SampleError(
                name,
                f"has {len(group)} problems of {subject} where {size} are drawn",
                "fetch the whole file: the draw is from all of it",
            )
        drawn += [group[key] for key in sorted(group, key=lambda key: _rank(seed, key))[:size]]
    return drawn


def _rank(seed: str, key: str) -> str:
    return hashlib.sha256(f"{seed}{key}".encode()).hexdigest()
