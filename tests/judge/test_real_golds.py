"""The gold answers of real benchmarks, each judged against itself and against its neighbour."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path

import pytest

from polymath.judge import judge
from polymath.types import AnswerType, Sample

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs the research data in ../shared/data")


def golds(name: str, key: str) -> list[str]:
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [str(json.loads(line)[key]).split("####")[-1].strip() for line in lines]


@pytest.mark.parametrize(
    ("name", "key", "answer_type"),
    [("gsm8k_test", "answer", "number"), ("math500", "answer", "expression"), ("scibench", "answer_number", "number")],
)
def test_every_gold_is_right_against_itself(name: str, key: str, answer_type: AnswerType) -> None:
    answers = golds(name, key)
    samples = [Sample(question="?", answer=answer, answer_type=answer_type) for answer in answers]
    failed = [one.answer for one in samples if judge(rf"\boxed{{{one.answer}}}", one).outcome != "right"]
    assert len(failed) <= len(answers) // 100, failed


def test_a_gold_is_wrong_for_the_next_problem_unless_it_is_equal() -> None:
    right, undecided = [], []
    for gold, other in pairwise(golds("math500", "answer")):
        verdict = judge(rf"\boxed{{{other}}}", Sample(question="?", answer=gold))
        if gold != other and verdict.outcome == "right":
            right.append((gold, other))
        if verdict.outcome == "undecided":
            undecided.append((gold, other, verdict.detail))
    assert not undecided
    assert right == [("5", "x=5")]
