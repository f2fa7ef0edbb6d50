"""Responses that are written down are judged again, without a model."""

from __future__ import annotations

import json

import pytest

from polymath.errors import SampleError
from polymath.evaluation.protocol import read_protocol
from polymath.evaluation.record import record_evaluation
from polymath.evaluation.rejudge import judge_again
from polymath.evaluation.suites import Suite
from polymath.prompts import TEMPLATES
from polymath.runs import read_lines
from polymath.testing import ScriptedPolicy
from polymath.types import Sample

MASS = Sample(question="Mass?", answer="5", answer_type="quantity", unit="kg", tolerance=0.01, disciplines=("physics",))
NUMBER = Sample(question="1+1?", answer="2", answer_type="number", disciplines=("arithmetic",))


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_an_evaluation_file_judges_as_it_was_judged(tmp_path):
    suite = Suite(name="mine", benchmarks={"mine": (MASS, NUMBER)})
    said = {"Mass?": [r"\boxed{5020 g}", r"\boxed{5}", "5 kg"], "1+1?": [r"\boxed{3}"]}
    script = {f"Problem: {question}\nAnswer:": texts for question, texts in said.items()}
    protocol = read_protocol("sample-3", 8)
    first = record_evaluation(ScriptedPolicy(script), suite, protocol, TEMPLATES["plain"], tmp_path, title="t")
    # Without the suite: unit and tolerance come from the row itself.
    again = judge_again(tmp_path / "mine--sample-3.jsonl", {}, tmp_path / "again")
    for key in ("mean", "lenient_mean", "disciplines", "benchmarks", "curves"):
        assert again[key] == first[key]
    assert again["disciplines"]["physics"]["accuracy"] == pytest.approx(2 / 3)
    (rows,) = (tmp_path / "again").glob("*.jsonl")
    assert read_lines(rows) == read_lines(tmp_path / "mine--sample-3.jsonl")


def test_the_suite_decides_where_the_row_names_its_problem(tmp_path):
    file = lines(tmp_path / "r.jsonl", {"id": MASS.id, "benchmark": "mine", "response": r"\boxed{5000 g}"})
    assert judge_again(file, {("mine", MASS.id): MASS}, tmp_path / "out")["mean"] == 1.0


def test_rows_without_a_question_are_problems_of_their_own(tmp_path):
    row = {"response": r"\boxed{7}", "reference": "7", "answer_type": "number"}
    found = judge_again(lines(tmp_path / "r.jsonl", row, row, {**row, "response": "8"}), {}, tmp_path / "out")
    assert (found["num_problems"], found["mean"]) == (3, pytest.approx(2 / 3))


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ("{", "r.jsonl:2: is not JSON"),
        ({"answer": "1"}, "r.jsonl:2: has no response"),
        ({"response": 4, "answer": "1"}, "r.jsonl:2: has no response"),
        ({"response": "x"}, "--suite"),
        ({"response": "x", "answer": "1", "answer_type": "numbr"}, "answer_type"),
        ({"response": "x", "answer": "twelve", "answer_type": "number"}, "is no number"),
        ({"response": "x", "answer": "1", "finish": "stop"}, "eos, length or overlong"),
    ],
)
def test_a_row_that_cannot_be_judged_names_its_line(tmp_path, row, word):
    good = {"response": r"\boxed{7}", "answer": "7", "answer_type": "number"}
    file = lines(tmp_path / "r.jsonl", good)
    file.write_text(file.read_text() + (row if isinstance(row, str) else json.dumps(row)) + "\n")
    with pytest.raises(SampleError, match=word):
        judge_again(file, {}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_or_absent_file_is_told(tmp_path):
    with pytest.raises(SampleError, match="no such file"):
        judge_again(tmp_path / "no.jsonl", {}, tmp_path / "out")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(SampleError, match="holds no response"):
        judge_again(tmp_path / "empty.jsonl", {}, tmp_path / "out")
