"""Responses that somebody wrote down in, their verdicts and summary out: no model is asked.

A row is a line of an evaluation file of ours, or {"response", "answer", "answer_type", ...} of anybody's. Where it has
the id of a problem of the suite, that problem decides; else what the row says of itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from polymath.errors import SampleError
from polymath.evaluation.evaluate import judge_response, to_row
from polymath.evaluation.record import write_evaluation
from polymath.evaluation.summary import summarize
from polymath.judge.reference import check_reference
from polymath.runs import evaluation_paths
from polymath.types import Completion, Finish, Response, Sample

_SAID = (
    *("question", "answer", "answer_type", "choices", "unit", "missing_unit", "aliases", "tolerance"),
    *("subject", "level", "disciplines"),
)
FINISHES: dict[str, Finish] = {"eos": "eos", "length": "length", "overlong": "overlong"}


def judge_again(file: Path, samples: Mapping[tuple[str, str], Sample], out: Path) -> dict[str, Any]:
    """The summary over all rows of a JSON lines file; rows and summary lie in `out`.

    `samples` are known problems by (benchmark, id). Raises SampleError naming the line of a row that cannot be judged.
    """
    by_id = {sample.id: sample for sample in samples.values()}
    responses: list[Response] = []
    draws: dict[tuple[str, str], int] = {}
    for number, line in enumerate(_read(file).split("\n"), 1):
        if line.strip():
            where = f"{file}:{number}"
            row = _parse(where, line)
            benchmark = str(row.get("benchmark") or file.name.removesuffix(".jsonl"))
            known = samples.get((benchmark, str(row.get("id")))) or by_id.get(str(row.get("id")))
            if known is None and samples and "answer" not in row and "reference" not in row:
                raise SampleError(where, f"{row.get('id')!r} is not the id of a problem of the suite", "name its suite")
            sample = known or _sample(where, row)
            draw = draws[benchmark, sample.id] = draws.get((benchmark, sample.id), -1) + 1
            responses.append(judge_response(benchmark, sample, draw, _completion(where, row)))
    if not responses:
        raise SampleError(file, "holds no response", "put one JSON object with a response on each line")
    rows = [to_row(response) for response in responses]
    suite = "+".join(dict.fromkeys(row["benchmark"] for row in rows))
    summary = {"suite": suite, "protocol": "rejudged", "from": str(file), "folder": str(out), **summarize(rows)}
    write_evaluation(*evaluation_paths(out, suite, "rejudged"), rows, summary)
    return summary


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SampleError(file, "no such file", "name a JSON lines file of responses") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SampleError(file, f"cannot be read ({error})", "name a readable UTF-8 file") from error


def _parse(where: str, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise SampleError(where, f"is not JSON ({error})", "write one JSON object a line") from error
    if not isinstance(row, dict) or not isinstance(row.get("response"), str):
        raise SampleError(where, "has no response that is a text", "give every row a response")
    return row


def _sample(where: str, row: Mapping[str, Any]) -> Sample:
    said = {name: row[name] for name in _SAID if row.get(name) is not None}
    said.setdefault("question", where)  # rows without one are problems of their own
    said.setdefault("answer", row.get("reference"))
    if "disciplines" not in said and row.get("discipline"):
        said["disciplines"] = [row["discipline"]]
    try:
        sample = Sample.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SampleError(
            where, f"{key}: {first['msg']}", "name the suite with --suite, or give answer and answer_type in the row"
        ) from None
    check_reference(sample, where)
    return sample


def _completion(where: str, row: Mapping[str, Any]) -> Completion:
    finish = row.get("finish") or "eos"
    if finish not in FINISHES:
        raise SampleError(where, f"finish is {finish!r}", "write eos, length or overlong, or leave it out")
    count = row.get("num_tokens")
    return Completion(
        text=row["response"], finish=FINISHES[finish], num_tokens=count if isinstance(count, int) else None
    )
