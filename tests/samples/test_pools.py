"""Pools: every source is read, the index is the source's own, nothing is dropped silently."""

import csv
import gzip
import json

import pytest

from polymath.errors import SampleError
from polymath.recipe import SampleSection
from polymath.runs import RunFolder
from polymath.samples.pool_report import report_pool
from polymath.samples.pools import read_pool, shared_instruction
from polymath.samples.sources import load_samples
from polymath.types import Sample
from tests.conftest import ROOT

DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "dsr_sub.parquet").exists(), reason=f"no public data in {DATA}")

ENDING = " Reason first, and write the answer at the very end."


def write_lines(path, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def verl_row(index, question, gold, **more):
    return {
        "prompt": [{"role": "user", "content": question}],
        "reward_model": {"ground_truth": gold, "style": "rule"},
        "extra_info": {"index": index},
        "data_source": "made",
        "ability": "math",
        **more,
    }


def write_parquet(path, rows):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def facts(pool):
    return [(row.index, row.sample.question, row.sample.answer) for row in pool.rows]


# --- sources


def test_a_verl_file_is_numbered_by_its_own_index(tmp_path):
    rows = [verl_row(7, "How much is 2+3?", "5"), verl_row(4, "How much is 2+4?", "6")]
    pool = read_pool(write_parquet(tmp_path / "pool.parquet", rows))
    assert facts(pool) == [(7, "How much is 2+3?", "5"), (4, "How much is 2+4?", "6")]
    assert pool.rows[0].sample.source == "made" and pool.rows[0].sample.disciplines == ("mathematics",)


def test_a_verl_index_that_names_two_samples_is_not_used_and_a_note_says_so(tmp_path):
    rows = [verl_row(0, "How much is 2+3?", "5"), verl_row(0, "How much is 2+4?", "6")]
    pool = read_pool(write_lines(tmp_path / "pool.jsonl", rows))
    assert [row.index for row in pool.rows] == [0, 1]
    assert "different samples" in pool.notes[-1]


def test_copies_under_one_index_keep_it(tmp_path):
    pool = read_pool(write_lines(tmp_path / "pool.jsonl", [verl_row(9, "How much is 2+3?", "5")] * 3))
    assert [row.index for row in pool.rows] == [9, 9, 9]
    assert report_pool(pool).duplicates == ((9, 9, 9),)


def test_what_the_system_says_is_kept_apart_and_a_dialogue_is_set_aside(tmp_path):
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How much is 2+3?"}]
    dialogue = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    rows = [verl_row(0, "x", "5", prompt=chat), verl_row(1, "x", "5", prompt=dialogue)]
    pool = read_pool(write_lines(tmp_path / "pool.jsonl", rows))
    assert facts(pool) == [(0, "How much is 2+3?", "5")]
    assert pool.rows[0].sample.meta == {"system": "Be brief."}
    assert pool.set_aside[0].index == 1 and "dialogue" in pool.set_aside[0].reason


@pytest.mark.parametrize("name", ["pool.jsonl", "pool.jsonl.gz"])
def test_gsm8k_rows_have_their_gold_behind_the_mark(tmp_path, name):
    rows = [{"question": "How many?", "answer": "First 2, then 3.\n#### 1,250"}]
    (row,) = read_pool(write_lines(tmp_path / name, rows)).rows
    assert (row.sample.answer, row.sample.answer_type, row.sample.solution) == ("1250", "number", "First 2, then 3.")


def test_math_rows_may_have_their_gold_in_the_last_box_of_the_solution(tmp_path):
    rows = [
        {"problem": "One?", "solution": r"\boxed{3} no, \boxed{\frac{1}{2}}.", "level": "Level 5", "type": "Algebra"},
        {"problem": "Two?", "answer": "7", "difficulty": 4.0, "type": "Geometry"},
        {"problem": "Three?", "solution": "no box"},
        {"problem": "Four?", "answer": None},
    ]
    pool = read_pool(write_lines(tmp_path / "pool.jsonl", rows))
    assert facts(pool) == [(0, "One?", r"\frac{1}{2}"), (1, "Two?", "7")]
    assert [row.sample.level for row in pool.rows] == ["Level 5", "4"]
    assert [(one.index, one.reason) for one in pool.set_aside] == [
        (2, "has no answer, and its solution no box"),
        (3, "the answer is empty"),
    ]


def test_a_csv_is_read_through_a_map_of_columns(tmp_path):
    path = tmp_path / "pool.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["nr", "ask", "gold", "field"], [12, "2+2, how much?", 4, "sums"]])
    columns = {"question": "ask", "answer": "gold", "subject": "field", "index": "nr"}
    pool = read_pool(path, columns=columns)
    assert facts(pool) == [(12, "2+2, how much?", "4")]
    assert pool.rows[0].sample.subject == "sums"


def test_a_map_leads_into_nested_columns(tmp_path):
    path = write_lines(tmp_path / "pool.jsonl", [{"a": {"b": "2+2?"}, "c": {"gold": ["4"]}}])
    assert facts(read_pool(path, columns={"question": "a.b", "answer": "c.gold"})) == [(0, "2+2?", "4")]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"question": "q", "answer": "gone"}, "no column gone"),
        ({"question": "q"}, "answer is missing"),
        ({"question": "q", "answer": "a", "poem": "q"}, "no field of a sample"),
    ],
)
def test_a_map_that_does_not_fit_is_told(tmp_path, columns, words):
    path = write_lines(tmp_path / "pool.jsonl", [{"q": "2+2?", "a": "4"}])
    with pytest.raises(SampleError, match=words):
        read_pool(path, columns=columns)


def test_a_file_of_ours_refuses_an_unknown_field_and_a_table_of_others_notes_it(tmp_path):
    row = {"question": "2+2?", "answer": "4", "anwser_type": "number"}
    with pytest.raises(SampleError, match="anwser_type"):
        read_pool(write_lines(tmp_path / "pool.jsonl", [row]))
    pool = read_pool(write_parquet(tmp_path / "pool.parquet", [row]))
    assert pool.notes == ("columns not read: anwser_type",)


def test_a_run_folder_is_the_pool_it_trained_on(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.write_info(status="complete")
    run.write_samples([Sample(question="2+2?", answer="4"), Sample(question="2+3?", answer="5")])
    assert facts(read_pool(run.path)) == [(0, "2+2?", "4"), (1, "2+3?", "5")]


def test_the_lab_is_a_pool_and_a_name_that_is_nothing_is_told():
    assert [row.index for row in read_pool("lab:5").rows] == [0, 1, 2, 3, 4]
    with pytest.raises(SampleError, match="no file, run folder"):
        read_pool("no such pool")


# --- golds, duplicates, instruction


def test_golds_that_are_not_right_against_themselves_are_set_aside_and_the_others_keep_their_row(tmp_path):
    rows = [
        {"question": "One?", "answer": ""},
        {"question": "Two?", "answer": "2"},
        {"question": "Three?", "answer": r"\frac{1}{2"},
        {"question": " ", "answer": "4"},
    ]
    pool = read_pool(write_lines(tmp_path / "pool.jsonl", rows))
    assert facts(pool) == [(1, "Two?", "2")]
    assert [one.index for one in pool.set_aside] == [0, 2, 3]
    report = report_pool(pool)
    assert report.num_rows == 4 and len(report.set_aside) == 3
    assert any("3 set aside" in line for line in report.lines())


def test_a_recipe_trains_on_any_pool_and_says_what_it_leaves_out(tmp_path, capsys):
    rows = [verl_row(0, "How much is 2+3?", "5"), verl_row(1, "How much is 2+4?", "")]
    path = write_parquet(tmp_path / "pool.parquet", rows)
    assert [sample.answer for sample in load_samples(SampleSection(pool=str(path)))] == ["5"]
    assert "1 of 2 rows set aside" in capsys.readouterr().err


def test_a_pool_without_any_reachable_gold_is_refused(tmp_path):
    path = write_lines(tmp_path / "pool.jsonl", [{"question": "One?", "answer": ""}])
    with pytest.raises(SampleError, match="no row can be trained on"):
        read_pool(path)


def test_one_question_with_two_answers_is_told_apart_from_copies(tmp_path):
    rows = [{"question": "One?", "answer": answer} for answer in ("1", "2", "1")]
    report = report_pool(read_pool(write_lines(tmp_path / "pool.jsonl", rows)))
    assert report.duplicates == ((0, 2),)
    assert report.same_question == ((0, 1),)


def test_near_duplicates_are_found_behind_a_shared_instruction(tmp_path):
    """The instruction is longer than the questions: with it all of them would look alike."""
    questions = [
        f"Anna has {n} apples and {word} more." for n, word in enumerate(["one", "two", "three", "four", "five", "six"])
    ]
    ending = " " + " ".join(f"word{number}" for number in range(60)) + "."
    twin = "Anna has 7 red apples in a wide basket and gives nine of them to her old friend Bert on a sunny Monday"
    asked = [*questions, twin, twin.replace("sunny", "rainy")]
    pool = read_pool(write_lines(tmp_path / "p.jsonl", [{"question": q + "." + ending, "answer": "1"} for q in asked]))
    unlike = Sample(question="Unlike.", answer="1")
    report = report_pool(pool, {"bench": [unlike, Sample(question=twin + ".", answer="2")]})
    # 23 words, 21 shingles each, 2 of them with the word that differs: 19 shared of 23.
    assert [(near.index, near.other) for near in report.near_within] == [(7, 6)]
    assert report.near_within[0].jaccard == pytest.approx(19 / 23)
    assert [(near.index, near.other, near.jaccard) for near in report.near_benchmarks["bench"]] == [
        (6, 1, 1.0),
        (7, 1, pytest.approx(19 / 23)),
    ]


def test_a_shared_instruction_is_taken_away_only_when_asked(tmp_path):
    questions = [f"How much is {n} plus {n + 1}?" for n in range(6)]
    path = write_lines(tmp_path / "p.jsonl", [{"question": q + ENDING, "answer": "1"} for q in questions])
    assert read_pool(path).rows[0].sample.question == questions[0] + ENDING
    stripped = read_pool(path, strip_instruction=True)
    assert [row.sample.question for row in stripped.rows] == questions
    assert ENDING.strip() in stripped.notes[-1]


@pytest.mark.parametrize(
    ("endings", "expected"),
    [
        ([ENDING] * 6, ENDING),
        ([ENDING] * 5 + [ENDING + "!"], ""),
        ([" Good luck."] * 6, ""),
        (["? Answer with one whole number please."] * 6, " Answer with one whole number please."),
    ],
)
def test_an_instruction_is_a_sentence_that_every_question_ends_with(endings, expected):
    assert shared_instruction([f"Question {chr(97 + n)}{ending}" for n, ending in enumerate(endings)]) == expected


# --- the published files


@needs_data
def test_the_pool_of_the_one_shot_paper_has_two_unreachable_golds_and_one_prompt_three_times():
    """An empty label at 265 and an unclosed brace at 1187: our notes on the paper, section 3.1."""
    pool = read_pool(DATA / "dsr_sub.parquet")
    assert [one.index for one in pool.set_aside] == [265, 1187]
    assert len(pool.rows) == 1207
    assert report_pool(pool).duplicates == ((136, 780, 899),)
    golds = {row.index: row.sample.answer for row in pool.rows}
    assert [golds[index] for index in (124, 267, 682, 789)] == ["12.8", "24", r"\frac{4}{3}", r"-\frac{2023}{2024}"]


@needs_data
@pytest.mark.parametrize(("name", "index"), [("pi1_r128", 124), ("pi13_r128", 682)])
def test_the_repeated_files_are_rows_of_that_pool(name, index):
    pool = read_pool(DATA / f"{name}.parquet")
    of_all = read_pool(DATA / "dsr_sub.parquet").by_index
    assert len(pool.rows) == 128
    assert pool.by_index == {index: of_all[index]}


@needs_data
@pytest.mark.parametrize(("name", "rows", "aside"), [("gsm8k_train", 7473, 0), ("math_train", 7474, 4)])
def test_the_training_sets_are_read_whole(name, rows, aside):
    pool = read_pool(DATA / f"{name}.jsonl.gz")
    assert (len(pool.rows) + len(pool.set_aside), len(pool.set_aside)) == (rows, aside)
