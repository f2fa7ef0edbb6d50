"""The published samples are found in the real files by fingerprint, and nothing else is taken for them."""

import re
import tomllib

import pytest

from polymath.errors import SampleError
from polymath.samples.pools import PoolRow, read_pool
from polymath.samples.published import find_published, published_samples, question_hash
from polymath.samples.rows import read_file_rows
from polymath.samples.sources import find_sample
from polymath.types import Sample
from tests.conftest import ROOT

DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
# arXiv 2504.20571v3, by our notes: rank by historical variance, row of the pool, label.
ONE_SHOT = [
    ("pi-1", 124, "12.8"), ("pi-2", 267, "24"), ("pi-4", 931, "25"), ("pi-7", 568, "10"), ("pi-11", 875, "42"),
    ("pi-13", 682, r"\frac{4}{3}"), ("pi-16", 50, "576"), ("pi-17", 870, "22"), ("pi-606", 906, "19"),
    ("pi-605", 60, r"\frac { \sqrt {3}-1}{4}"), ("pi-1201", 847, "206"), ("pi-1207", 174, r"\frac{4}{5}"),
    ("pi-1208", 770, r"\dfrac{961}{1280}"), ("pi-1209", 789, r"-\frac{2023}{2024}"),
]  # fmt: skip
# arXiv 2601.03111v2, section 3, by our notes: words of the question, label, subject of MATH.
NATURAL = {
    "natural-prealgebra": (("semicircular", "perimeter", r"2/\pi"), "4", "Prealgebra"),
    "natural-algebra": (("100", "gon", "2009"), "2009", "Algebra"),
    "natural-precalculus": (("x + ky + 3z", r"\frac{xz}{y^2}"), "10", "Precalculus"),
    "natural-geometry": (("silo", "two complete revolutions"), "240", "Geometry"),
    "natural-number-theory": (("columns of $23$", "columns of $21$", "fewer than $500$"), "413", "Number Theory"),
    "natural-probability": (("Flatville", "license plates"), "40", "Counting & Probability"),
}


def real_file(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"needs {path}")
    return path


@pytest.fixture(scope="module")
def one_shot_pool():
    return read_pool(real_file("dsr_sub.parquet"))


@pytest.fixture(scope="module")
def math_rows():
    """Not by read_pool, which judges all 7,474 references."""
    rows = [row.values for row in read_file_rows(real_file("math_train.jsonl.gz"))]
    return [
        PoolRow(index=index, sample=Sample(question=row["problem"], answer=row["answer"], subject=row["type"]))
        for index, row in enumerate(rows)
        if row["answer"]
    ]


@pytest.mark.parametrize(("name", "index", "gold"), ONE_SHOT)
def test_a_sample_of_the_one_shot_paper_is_its_row_of_the_pool(one_shot_pool, name, index, gold):
    found = find_published(name, one_shot_pool.rows)
    assert found.id == one_shot_pool.by_index[index].id
    assert found.answer == gold == published_samples()[name].gold
    assert found.meta["published"] == {"name": name, "paper": "arXiv 2504.20571v3", "index": index}
    assert published_samples()[name].rank == int(name.removeprefix("pi-"))


def test_it_is_the_same_sample_without_the_instruction_of_the_pool(one_shot_pool):
    bare = read_pool(real_file("dsr_sub.parquet"), strip_instruction=True)
    for name, index, _ in ONE_SHOT:
        found = find_published(name, bare.rows)
        assert found.meta["published"]["index"] == index
        assert find_published(name, one_shot_pool.rows).question.startswith(found.question)


@pytest.mark.parametrize("name", NATURAL)
def test_a_natural_sample_of_the_polymath_paper_is_found_in_math(math_rows, name):
    words, gold, subject = NATURAL[name]
    found = find_published(name, math_rows)
    assert all(word in found.question for word in words)
    assert found.answer == gold == published_samples()[name].gold
    assert found.meta["published"]["index"] == published_samples()[name].index
    assert found.subject == subject


def test_the_one_that_is_not_in_our_copy_is_told(math_rows):
    with pytest.raises(SampleError, match="no fingerprint"):
        find_published("natural-intermediate-algebra", math_rows)


def test_the_seven_subjects_and_fourteen_ranks_are_all_there():
    known = published_samples()
    assert {name for name in known if name.startswith("pi-")} == {name for name, *_ in ONE_SHOT}
    assert {name for name in known if name.startswith("natural-")} == {*NATURAL, "natural-intermediate-algebra"}
    hashes = [one for entry in known.values() for one in entry.sha256]
    assert len(hashes) == len(set(hashes)) == 2 * 14 + 6


def row(question, answer="4", index=7):
    return PoolRow(index=index, sample=Sample(question=question, answer=answer))


def test_the_hash_forgets_white_space_at_the_ends_and_nothing_else():
    # echo -n 'What is 2+2?' | sha256sum
    expected = "52cb6b5e4a038af1756708f98afb718a08c75b87b2f03dbee4dd9c8139c15c5e"
    assert question_hash("\n What is 2+2?\t") == expected
    assert question_hash("What is  2+2?") != expected


def test_a_pool_without_it_an_unknown_name_and_another_label_are_refused(one_shot_pool):
    with pytest.raises(SampleError, match="row 124 of dsr_sub"):
        find_published("pi-1", [row("What is 2+2?")])
    with pytest.raises(SampleError, match="known are pi-1"):
        find_published("pi-3", [row("What is 2+2?")])
    question = one_shot_pool.by_index[124].question
    with pytest.raises(SampleError, match=r"published label is '12\.8'"):
        find_published("pi-1", [row(question, "12.7")])
    assert find_published("pi-1", [row(question, "12.80")]).meta["published"]["index"] == 7


def test_the_file_holds_no_text_of_a_question(one_shot_pool, math_rows):
    """Nothing in it is longer than a label, a hash or a remark of ours, and no three words of it are of a question."""
    entries = tomllib.loads((ROOT / "src/polymath/samples/published.toml").read_text())
    for name, entry in entries.items():
        if not entry["sha256"]:
            continue
        found = find_published(name, one_shot_pool.rows if name.startswith("pi-") else math_rows)
        words = re.findall(r"[a-z]{2,}", found.question.lower())
        runs = {" ".join(words[place : place + 3]) for place in range(len(words) - 2)}
        ours = re.findall(r"[a-z]{2,}", entry.get("remark", "").lower())
        assert not runs & {" ".join(ours[place : place + 3]) for place in range(len(ours) - 2)}
        assert set(entry) <= {"paper", "rank", "gold", "file", "index", "sha256", "remark"}


@needs_data
def test_a_recipe_names_a_published_sample_and_the_pool_that_holds_it():
    (sample,) = find_sample(f"pi-13@{DATA / 'dsr_sub.parquet'}")
    assert (sample.answer, sample.meta["published"]["index"]) == (r"\frac{4}{3}", 682)
    with pytest.raises(SampleError, match="is in no row of this pool"):
        find_sample(f"pi-13@{DATA / 'math_train.jsonl.gz'}")
    with pytest.raises(SampleError, match="is not known; known are pi-1"):
        find_sample(f"pi-5@{DATA / 'dsr_sub.parquet'}")


def test_a_file_whose_name_has_the_sign_is_still_a_file(tmp_path):
    path = tmp_path / "a@b.json"
    path.write_text('{"question": "1+1?", "answer": "2"}')
    assert find_sample(str(path))[0].answer == "2"
