"""GSM8K test: grade-school word problems, gold after #### (Cobbe et al., arXiv 2110.14168; MIT).

Read from gsm8k_test.jsonl or gsm8k_test.jsonl.gz in the data directory.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from polymath.errors import SampleError
from polymath.types import Sample

STEM = "gsm8k_test"


def load(data: Path | None) -> list[Sample]:
    """All problems in file order; raises SampleError where the file is absent or has holes."""
    if data is None:
        raise SampleError("gsm8k", "needs its file", f"set evaluate.data (or --data) to the folder of {STEM}.jsonl.gz")
    path = next((p for p in (data / f"{STEM}.jsonl", data / f"{STEM}.jsonl.gz") if p.exists()), None)
    if path is None:
        raise SampleError(data, f"has no {STEM}.jsonl or {STEM}.jsonl.gz", "put the published test file there")
    try:
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise SampleError(path, f"cannot be read ({error})", "fetch the file again") from error
    return [_sample(line, f"{path}:{number}") for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _sample(line: str, where: str) -> Sample:
    try:
        row = json.loads(line)
        solution, mark, gold = row["answer"].rpartition("####")
        question = row["question"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SampleError(where, "is not a row with question and answer", "fetch the file again") from error
    if not mark:
        raise SampleError(where, "the answer has no ####", "fetch the file again")
    return Sample(
        question=question,
        answer=gold.strip().replace(",", ""),
        answer_type="number",
        disciplines=("mathematics",),
        subject="prealgebra",
        solution=solution.strip(),
        source="gsm8k",
    )
