"""Samples from files and from the library, and how a bad one is refused."""

import json

import pytest

from polymath.errors import RecipeError, SampleError
from polymath.recipe import SampleSection
from polymath.samples.sources import find_sample, library_names, load_samples, read_samples

GOOD = {"question": "What is 2+2?", "answer": "4", "answer_type": "number"}


@pytest.mark.parametrize("name", library_names())
def test_every_library_sample_loads_and_its_reference_is_judged_right(name):
    samples = load_samples(SampleSection(use=name))
    assert samples and all(sample.solution and sample.disciplines and sample.skills for sample in samples)


@pytest.mark.parametrize(
    "text", [json.dumps(GOOD), json.dumps(GOOD, indent=1), json.dumps([GOOD]), json.dumps(GOOD) + "\n\n"]
)
def test_one_object_a_list_and_lines_are_all_read(tmp_path, text):
    path = tmp_path / "s.json"
    path.write_text(text)
    assert [sample.answer for sample in find_sample(str(path))] == ["4"]


# content -> words of the one line
BAD = [
    ("", ["holds no sample"]),
    ("[]", ["holds no sample"]),
    ("{", ["s.jsonl:1", "not JSON"]),
    (json.dumps(GOOD) + "\n{oops}\n", ["s.jsonl:2", "not JSON"]),
    ('{"question": "q"}', ["answer", "required"]),
    ('{"question": "q", "answer": "1", "anwser_type": "number"}', ["anwser_type"]),
    ('{"question": "q", "answer": "1", "answer_type": "poem"}', ["answer_type"]),
    ('["text"]', ["s.jsonl"]),
]


@pytest.mark.parametrize(("content", "words"), BAD)
def test_a_bad_file_is_told_with_its_line(tmp_path, content, words):
    path = tmp_path / "s.jsonl"
    path.write_text(content)
    with pytest.raises(SampleError) as caught:
        read_samples(path)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "row",
    [
        {**GOOD, "answer": ""},
        {**GOOD, "answer": "no number at all"},
        {"question": "q", "answer": "D", "answer_type": "choice", "choices": ["a", "b"]},
        {"question": "q", "answer": "A", "answer_type": "choice"},
    ],
)
def test_a_sample_without_a_checkable_answer_is_refused(tmp_path, row):
    path = tmp_path / "s.json"
    path.write_text(json.dumps(row))
    with pytest.raises(SampleError):
        load_samples(SampleSection(use=str(path)))


def test_an_empty_pool_is_refused(tmp_path):
    path = tmp_path / "pool.jsonl"
    path.write_text("\n")
    with pytest.raises(SampleError, match="holds no sample"):
        load_samples(SampleSection(pool=str(path)))


def test_an_unknown_name_lists_the_library():
    with pytest.raises(SampleError, match="library: "):
        find_sample("nope")


def test_nothing_or_both_is_a_mistake_of_the_recipe():
    with pytest.raises(RecipeError, match="neither"):
        load_samples(SampleSection())
    with pytest.raises(RecipeError, match="both"):
        load_samples(SampleSection(use="a", pool="b"))


def test_a_pool_of_the_lab_is_always_the_same_and_unread_by_the_base():
    from polymath.lab import split_of

    pool = load_samples(SampleSection(pool="lab:1400"))
    assert len({sample.question for sample in pool}) == 1400
    assert {split_of(sample) for sample in pool} == {"dev"}
    assert pool[:50] == load_samples(SampleSection(pool="lab:50"))
