"""The samples that the papers trained on, found in the user's copy of the public files: fingerprints in, samples out.

In: the name of a published sample and the rows of a pool. Out: the row that it is. We ship no text of a data set:
published.toml holds the sha256 of each question, its label, and where it stood in the file that we read.
Sources: one-shot RLVR, arXiv 2504.20571v3, Table 3 and Appendix E; polymath learning, arXiv 2601.03111v2, section 3.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from polymath.errors import SampleError
from polymath.judge import judge
from polymath.samples.pools import PoolRow
from polymath.types import Sample


class Published(BaseModel):
    """One published sample: its label, and the hashes of its question as it may stand in a pool.

    `rank` is its place by historical variance, where its paper names one; `sha256` is empty where the sample is in
    none of the files that we know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    paper: str
    gold: str
    sha256: tuple[str, ...]
    rank: int | None = None
    file: str | None = None
    index: int | None = None
    remark: str = ""


@lru_cache(maxsize=1)
def published_samples() -> dict[str, Published]:
    """Every published sample that we know, by name: pi-1 ... of the one-shot paper, natural-SUBJECT of the other."""
    text = Path(__file__).with_name("published.toml").read_text(encoding="utf-8")
    return {name: Published.model_validate(entry) for name, entry in tomllib.loads(text).items()}


def question_hash(question: str) -> str:
    """sha256 in hexadecimal over the question as UTF-8, stripped of white space at both ends and otherwise as it is."""
    return hashlib.sha256(question.strip().encode()).hexdigest()


def find_published(name: str, rows: Iterable[PoolRow]) -> Sample:
    """The published sample of this name among the rows of a pool, with its paper in `meta`.

    The row is told by its question, wherever it stands; its answer must be the published label. Raises SampleError
    for an unknown name, for a sample that no row holds, and for another label.
    """
    known = published_samples()
    if name not in known:
        raise SampleError(f"published sample {name!r}", "is not known", f"known are {', '.join(known)}")
    published = known[name]
    if not published.sha256:
        raise SampleError(f"published sample {name!r}", f"has no fingerprint ({published.remark})", "write it yourself")
    row = next((row for row in rows if question_hash(row.sample.question) in published.sha256), None)
    if row is None:
        place = f"it is row {published.index} of {published.file}"
        raise SampleError(f"published sample {name!r}", "is in no row of this pool", f"{place}; read that file")
    labelled = row.sample.model_copy(update={"answer": published.gold})
    if judge(rf"\boxed{{{row.sample.answer}}}", labelled).correct is False:
        raise SampleError(
            f"row {row.index}",
            f"is {name} with the answer {row.sample.answer!r}",
            f"the published label is {published.gold!r}: correct it, or use the row under its own name",
        )
    about = {"name": name, "paper": published.paper, "index": row.index}
    return row.sample.model_copy(update={"meta": {**row.sample.meta, "published": about}})
