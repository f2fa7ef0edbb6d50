"""What a benchmark holds, and what it must not: on the published files where they are here, on rows of our own else."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from string import ascii_uppercase

import pytest

from polymath.errors import SampleError
from polymath.evaluation.benchmarks import APART, BENCHMARKS, lab, load_benchmark, mmlu_pro, supergpqa
from polymath.judge import judge
from polymath.lab.card import read_card
from polymath.lab.world import HELD_OUT, generate_held_out
from polymath.samples.rows import MissingData
from tests.conftest import ENVIRONMENT, ROOT

DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the research data in ../shared/data")

# Rows, rows that are asked, disciplines: as the sets' papers count them, and sums of the raw rows' subjects else.
PUBLISHED = {
    "gsm8k": (1319, 1319, {"mathematics": 1319}),
    "math500": (500, 500, {"mathematics": 500}),
    "aime24": (30, 30, {"mathematics": 30}),
    "aime25": (30, 30, {"mathematics": 30}),
    "amc23": (40, 40, {"mathematics": 40}),
    "minerva": (272, 272, {"mathematics": 272}),
    "olympiadbench": (675, 675, {"mathematics": 675}),
    "scibench": (692, 692, {"physics": 227, "chemistry": 266, "mathematics": 199}),
    "theoremqa": (
        800,
        747,
        {"mathematics": 424, "physics": 114, "others": 81, "engineering": 68, "computer science": 60},
    ),
    "mmlu-stem": (
        3018,
        3018,
        {
            "mathematics": 1064,
            "physics": 640,
            "chemistry": 303,
            "biology": 454,
            "computer science": 412,
            "engineering": 145,
        },
    ),
    "mmlu-pro": (
        12032,
        12032,
        {
            "mathematics": 1351,
            "physics": 1299,
            "chemistry": 1132,
            "biology": 717,
            "computer science": 410,
            "engineering": 969,
            "others": 6154,
        },
    ),
}


@pytest.fixture(scope="module")
def loaded():
    return {name: load_benchmark(BENCHMARKS[name], DATA) for name in PUBLISHED}


@needs_data
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_file_gives_its_counts_and_disciplines(loaded, name):
    found, (num_rows, num_problems, disciplines) = loaded[name], PUBLISHED[name]
    assert len(found.samples) == num_problems == BENCHMARKS[name].num_problems
    assert len(found.samples) + len(found.set_aside) == num_rows
    assert Counter(sample.discipline for sample in found.samples) == disciplines
    assert found.note == ""
    assert all(sample.question.strip() and sample.source == name for sample in found.samples)


@needs_data
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_gold_in_a_box_is_right_and_the_next_letter_is_wrong(loaded, name):
    for sample in loaded[name].samples:
        assert judge(rf"\boxed{{{sample.answer}}}", sample).correct, sample.answer
        if sample.answer_type == "choice" and len(sample.choices) > 1:
            place = ascii_uppercase.index(sample.answer.strip("() ").upper())
            other = ascii_uppercase[(place + 1) % len(sample.choices)]
            assert judge(rf"\boxed{{{other}}}", sample).correct is False


@needs_data
@pytest.mark.parametrize("name", [name for name in PUBLISHED if name not in ("mmlu-pro", "mmlu-stem", "scibench")])
def test_no_problem_stands_twice(loaded, name):
    ids = [sample.id for sample in loaded[name].samples]
    assert len(set(ids)) == len(ids)


@needs_data
def test_math500_has_the_subjects_and_levels_that_the_one_shot_paper_counts(loaded):
    """arXiv 2504.20571, as read in the reference's section 4.1."""
    samples = loaded["math500"].samples
    assert Counter(sample.subject for sample in samples) == {
        "Algebra": 124,
        "Intermediate Algebra": 97,
        "Prealgebra": 82,
        "Number Theory": 62,
        "Precalculus": 56,
        "Geometry": 41,
        "Counting & Probability": 38,
    }
    assert Counter(sample.level for sample in samples) == {"1": 43, "2": 90, "3": 105, "4": 128, "5": 134}


@needs_data
def test_scibench_keeps_units_with_their_powers_and_takes_five_percent(loaded):
    samples = loaded["scibench"].samples
    assert {sample.tolerance for sample in samples} == {0.05}
    power = next(sample for sample in samples if sample.unit == r"$10^{-10} \mathrm{~m}$")
    value = float(power.answer)
    for answer, correct in [
        (f"{value}e-10 m", True),
        (f"{value * 1.04:.6f}", True),
        (f"{value * 1.06:.6f}", False),
        (f"{value / 10:.6f} nm", True),
    ]:
        assert judge(rf"\boxed{{{answer}}}", power).correct is correct, answer


@needs_data
def test_theoremqa_sets_the_problems_with_pictures_aside_and_says_so(loaded):
    found = loaded["theoremqa"]
    assert len(found.set_aside) == 53
    assert all(line.endswith("the problem has a picture") for line in found.set_aside)
    assert found.set_aside[0].startswith(f"{DATA}/theoremqa.jsonl.gz:")
    assert {s.tolerance for s in found.samples if s.answer_type == "boolean"} == {None}
    assert 0.04 in {s.tolerance for s in found.samples if s.answer_type == "number"}
    choices = [sample for sample in found.samples if sample.answer_type == "choice"]
    assert all(sample.choices[0] == "(a)" and 2 <= len(sample.choices) <= 5 for sample in choices)


@needs_data
def test_olympiadbench_keeps_units_and_makes_its_one_tolerance_relative(loaded):
    samples = loaded["olympiadbench"].samples
    assert [sample.tolerance for sample in samples if sample.tolerance] == [pytest.approx(0.1 / 4.2)]
    assert sum(sample.unit is not None for sample in samples) == 8


@needs_data
def test_the_drawn_problems_of_mmlu_pro_are_those_written_down(loaded):
    written = json.loads((Path(mmlu_pro.__file__).parent / "mmlu_pro_100.json").read_text())
    drawn = load_benchmark(BENCHMARKS["mmlu-pro-100"], DATA)
    assert len(drawn.samples) == 1300 and drawn.note == ""
    found: dict[str, list[str]] = {}
    for sample in drawn.samples:
        found.setdefault(sample.subject, []).append(sample.id[:16])
    assert found == written
    law = {sample.id for sample in loaded["mmlu-pro"].samples if sample.subject == "law"}
    by_hash = sorted(law, key=lambda key: hashlib.sha256(f"mmlu-pro-100-1{key}".encode()).digest())
    assert written["law"] == [key[:16] for key in by_hash[:100]]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def supergpqa_rows(extra=3):
    """Rows with the published columns and texts of our own, enough for the draw."""
    rows = []
    for subject, size in supergpqa.SIZES.items():
        for number in range(size + extra):
            options = [f"{subject} {number} {letter}" for letter in "pqrs"]
            rows.append(
                {
                    "uuid": f"{subject}-{number}",
                    "question": f"Which is number {number} of {subject}?",
                    "options": options,
                    "answer": options[number % 4],
                    "answer_letter": "ABCD"[number % 4],
                    "discipline": subject.title().replace("&", "and").replace("And", "and"),
                    "field": "A field",
                    "subfield": "A part",
                    "difficulty": ("easy", "middle", "hard")[number % 3],
                    "is_calculation": number % 2 == 0,
                }
            )
    return rows


def gpqa_rows(counts=(("Physics", 86), ("Chemistry", 93), ("Biology", 19))):
    """As supergpqa_rows; the counts are those of the published Diamond set."""
    return [
        {
            "Question": f"Which holds in case {number} of {domain}?\n",
            "Correct Answer": f"right {number}\n",
            "Incorrect Answer 1": f"wrong one {number}",
            "Incorrect Answer 2": f"wrong two {number}",
            "Incorrect Answer 3": f"wrong three {number}",
            "High-level domain": domain,
            "Subdomain": f"{domain} (general)",
            "Record ID": f"rec{domain}{number}",
        }
        for domain, size in counts
        for number in range(size)
    ]


def test_supergpqa_is_read_from_its_published_columns(tmp_path):
    write_rows(tmp_path / "supergpqa.jsonl", supergpqa_rows(extra=0))
    found = load_benchmark(BENCHMARKS["supergpqa"], tmp_path)
    sample = next(sample for sample in found.samples if sample.subject == "literature & arts")
    assert sample.disciplines == ("others", "literature & arts")
    assert (sample.answer, sample.answer_type, sample.level) == ("A", "choice", "easy")
    assert sample.meta == {
        "field": "A field",
        "subfield": "A part",
        "is_calculation": True,
        "uuid": "literature & arts-0",
    }
    assert {s.discipline for s in found.samples if s.subject in ("science", "engineering")} == {
        "science",
        "engineering",
    }
    assert found.note == "1,498 rows here, 26,529 published"


def test_a_draw_is_the_same_from_a_file_in_another_order(tmp_path):
    rows = supergpqa_rows()
    (tmp_path / "other").mkdir()
    write_rows(tmp_path / "supergpqa.jsonl", rows)
    random.Random(0).shuffle(rows)
    write_rows(tmp_path / "other" / "supergpqa.jsonl", [*rows, rows[0]])
    first, second = (load_benchmark(BENCHMARKS["supergpqa-1500"], path) for path in (tmp_path, tmp_path / "other"))
    assert first.samples == second.samples
    assert Counter(sample.subject for sample in first.samples) == supergpqa.SIZES
    assert len({sample.id for sample in first.samples}) == 1498
    assert first.samples != tuple(sorted(first.samples, key=lambda sample: sample.meta["uuid"]))


def test_a_draw_from_too_few_problems_is_refused(tmp_path):
    rows = [row for row in supergpqa_rows() if row["discipline"] != "Law"]
    write_rows(tmp_path / "supergpqa.jsonl", rows)
    with pytest.raises(SampleError, match="0 problems of law where 37 are drawn"):
        load_benchmark(BENCHMARKS["supergpqa-1500"], tmp_path)


def test_gpqa_options_are_mixed_by_the_problem_alone(tmp_path):
    rows = gpqa_rows()
    (tmp_path / "other").mkdir()
    write_rows(tmp_path / "gpqa_diamond.jsonl", rows)
    swapped = [
        {**row, "Incorrect Answer 1": row["Incorrect Answer 3"], "Incorrect Answer 3": row["Incorrect Answer 1"]}
        for row in reversed(rows)
    ]
    write_rows(tmp_path / "other" / "gpqa_diamond.jsonl", swapped)
    first = load_benchmark(BENCHMARKS["gpqa-diamond"], tmp_path).samples
    second = load_benchmark(BENCHMARKS["gpqa-diamond"], tmp_path / "other").samples
    assert first == tuple(reversed(second))
    assert all(s.choices[ascii_uppercase.index(s.answer)].startswith("right") for s in first)
    letters = Counter(sample.answer for sample in first)
    assert set(letters) == set("ABCD") and max(letters.values()) < 75  # 49.5 expected, standard deviation 6
    assert Counter(sample.discipline for sample in first) == {"physics": 86, "chemistry": 93, "biology": 19}
    assert first[0].subject == "Physics (general)"


OTHER_SPELLINGS = {
    # The hub's columns where they differ from those of the files.
    "amc23": ({"question": "1+1?", "answer": "2", "url": "u"}, "2"),
    "aime24": ({"Problem": "1+1?", "Answer": 2}, "2"),
    "minerva": ({"question": "1+1?", "answer": "2"}, "2"),
    "mmlu-stem": (
        {"question": "1+1?", "choices": ["1", "2", "3", "4"], "answer": 1, "subject": "college_physics"},
        "B",
    ),
    "theoremqa": ({"Question": "1+1?", "Answer": "2", "Answer_type": "integer", "Picture": None}, "2"),
}


@pytest.mark.parametrize("name", OTHER_SPELLINGS)
def test_the_hub_spells_some_columns_in_another_way(tmp_path, name):
    row, answer = OTHER_SPELLINGS[name]
    write_rows(tmp_path / f"{BENCHMARKS[name].file}.jsonl", [row])
    found = load_benchmark(BENCHMARKS[name], tmp_path)
    assert [(sample.question, sample.answer) for sample in found.samples] == [("1+1?", answer)]
    assert found.note == f"1 rows here, {BENCHMARKS[name].num_rows or BENCHMARKS[name].num_problems:,} published"


def test_subjects_of_mmlu_that_are_no_stem_are_left_to_it(tmp_path):
    row = OTHER_SPELLINGS["mmlu-stem"][0]
    write_rows(tmp_path / "mmlu_stem.jsonl", [row, {**row, "subject": "philosophy"}])
    found = load_benchmark(BENCHMARKS["mmlu-stem"], tmp_path)
    assert [sample.subject for sample in found.samples] == ["college physics"]
    write_rows(tmp_path / "mmlu_stem.jsonl", [{**row, "subject": "philosophy"}])
    with pytest.raises(SampleError, match="no row can be asked"):
        load_benchmark(BENCHMARKS["mmlu-stem"], tmp_path)


MATH = {"problem": "1+1?", "answer": "2", "subject": "Algebra", "level": 1}
PRO = {"question": "?", "options": ["a", "b"], "answer": "A", "category": "law"}
HOLES = [
    ("math500", {**MATH, "answer": ""}, "math500.jsonl:2: answer is empty"),
    ("math500", {"problem": "1+1?"}, "math500.jsonl:2: has no column answer"),
    ("gsm8k", {"question": "1+1?", "answer": "2"}, "gsm8k_test.jsonl:2: the answer has no ####"),
    ("minerva", {"problem": "1+1?", "solution": "2"}, "minerva_math.jsonl:2: has neither an answer nor"),
    ("mmlu-pro", {**PRO, "category": "lore"}, "mmlu_pro.jsonl:2: category is 'lore'"),
    ("mmlu-pro", {**PRO, "options": 3}, "mmlu_pro.jsonl:2: options is no list"),
    ("scibench", {"problem_text": "?", "answer_number": "1", "source": "lore"}, "scibench.jsonl:2: source is 'lore'"),
    ("theoremqa", {"Question": "?", "Answer": "1", "Answer_type": "lore"}, "theoremqa.jsonl:2: Answer_type is 'lore'"),
]
WHOLE = {
    "math500": MATH,
    "gsm8k": {"question": "1+1?", "answer": "#### 2"},
    "minerva": {"problem": "1+1?", "solution": r"\boxed{2}"},
    "mmlu-pro": PRO,
    "scibench": {"problem_text": "?", "answer_number": "1", "source": "fund"},
    "theoremqa": {"Question": "?", "Answer": "1", "Answer_type": "integer"},
    "mmlu-stem": {"question": "?", "choices": ["a", "b"], "answer": 0, "subject": "astronomy"},
}


@pytest.mark.parametrize(("name", "row", "message"), HOLES)
def test_a_hole_in_a_published_file_is_told_with_its_line(tmp_path, name, row, message):
    write_rows(tmp_path / f"{BENCHMARKS[name].file}.jsonl", [WHOLE[name], row])
    with pytest.raises(SampleError) as caught:
        load_benchmark(BENCHMARKS[name], tmp_path)
    assert message in str(caught.value)
    assert not isinstance(caught.value, MissingData)


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("math500", {**MATH, "answer": "}"}, "its own answer '}' is judged wrong"),
        ("mmlu-pro", {**PRO, "answer": "C"}, "the answer 'C' is no choice"),
        ("gsm8k", {"question": "1+1?", "answer": "#### two"}, "the answer 'two' is no number"),
    ],
)
def test_a_gold_that_cannot_be_judged_is_told_with_its_line(tmp_path, name, row, reason):
    path = tmp_path / f"{BENCHMARKS[name].file}.jsonl"
    write_rows(path, [WHOLE[name], row])
    with pytest.raises(SampleError) as caught:
        load_benchmark(BENCHMARKS[name], tmp_path)
    assert str(caught.value).startswith(f"{path}:2: {reason}")


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("mmlu-pro", {"options": list("abcdefghijk"), "answer": "K", "answer_index": 10}, "has 11 options"),
        ("mmlu-pro", {"options": "['a', 'b']"}, "options is no list"),
        ("mmlu-pro", {"answer_index": 1}, "answer is 'A' and answer_index 1"),
        ("mmlu-stem", {"choices": ["a"]}, "has 1 options, and mmlu-stem has 2 to 10"),
    ],
)
def test_options_beyond_j_or_one_alone_are_told_with_their_line(tmp_path, name, change, reason):
    path = tmp_path / f"{BENCHMARKS[name].file}.jsonl"
    write_rows(path, [WHOLE[name], {**WHOLE[name], **change}])
    with pytest.raises(SampleError) as caught:
        load_benchmark(BENCHMARKS[name], tmp_path)
    assert str(caught.value).startswith(f"{path}:2: {reason}")


@needs_data
def test_the_published_rows_of_one_option_are_asked():
    choices = [len(sample.choices) for sample in load_benchmark(BENCHMARKS["mmlu-pro"], DATA).samples]
    assert (min(choices), choices.count(1), max(choices)) == (1, 5, 10)


def test_a_missing_file_names_it_and_both_ways_out(tmp_path):
    with pytest.raises(MissingData) as caught:
        load_benchmark(BENCHMARKS["supergpqa"], tmp_path)
    assert "has no supergpqa.jsonl" in str(caught.value)
    assert "leave --data out to load m-a-p/SuperGPQA from the hub" in str(caught.value)


def test_every_benchmark_is_registered_under_its_own_name():
    assert all(benchmark.name == name for name, benchmark in BENCHMARKS.items())
    assert set(BENCHMARKS) >= APART
    for benchmark in BENCHMARKS.values():
        has_rows = (benchmark.hub, benchmark.file, benchmark.to_sample) != ("", "", None)
        assert has_rows == (benchmark.generate is None), benchmark.name


def test_clean_arithmetic_has_twenty_of_each_length_and_python_computes_the_same():
    samples = load_benchmark(BENCHMARKS["clean-arithmetic"]).samples
    assert Counter(sample.level for sample in samples) == {str(steps): 20 for steps in range(1, 21)}
    assert len({sample.question for sample in samples}) == 400
    for sample in samples:
        words = sample.question.removeprefix("Compute ").removesuffix(".").split()
        assert len(words) == 2 * int(sample.level) + 1
        assert compute(words) == int(sample.answer)
    assert {word for sample in samples for word in sample.question.split() if not word[0].isalnum()} == set("+-*")


def compute(words):
    """Products first, then sums: the other order of work than the generator's, which carries both along."""
    words = list(words)
    while "*" in words:
        place = words.index("*")
        words[place - 1 : place + 2] = [str(int(words[place - 1]) * int(words[place + 1]))]
    total = int(words[0])
    for sign, number in zip(words[1::2], words[2::2], strict=True):
        total += int(number) if sign == "+" else -int(number)
    return total


def test_lab_problems_need_no_files_and_stay_as_they_are():
    for name, load in (("lab", lab.load), ("lab-dev", lab.load_dev), ("lab-held-out", lab.load_held_out)):
        assert load_benchmark(BENCHMARKS[name], Path("nowhere")).samples == tuple(load())
    assert not {s.id for s in lab.load()} & {s.id for s in lab.load_dev()}


def test_held_out_problems_are_none_of_those_scored_before_the_samples_were_chosen():
    spent = generate_held_out(lab.NUM_HELD_OUT, seed=read_card()["weights_sha256"], split="test")
    problems = lab.load_held_out()
    assert len({sample.question for sample in problems}) == lab.NUM_HELD_OUT
    assert not {sample.question for sample in problems} & {sample.question for sample in spent}
    assert {sample.meta["template"] for sample in problems} == {template.name for template in HELD_OUT}


def test_a_benchmark_loads_through_the_hub_path_in_the_hubs_layout(tmp_path):
    """Rows from a local directory in the layout of the hub; in a process of its own, for its cache."""
    pytest.importorskip("datasets", reason="needs the package datasets")
    (tmp_path / "hub" / "main").mkdir(parents=True)
    write_rows(tmp_path / "hub" / "main" / "test.jsonl", [WHOLE["gsm8k"]])
    (tmp_path / "hub" / "README.md").write_text(
        "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: test\n    path: main/test.jsonl\n---\n"
    )
    code = f"""
from dataclasses import replace
from polymath.evaluation.benchmarks import BENCHMARKS, load_benchmark
found = load_benchmark(replace(BENCHMARKS["gsm8k"], hub={str(tmp_path / "hub")!r}))
print(*[(sample.question, sample.answer) for sample in found.samples])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**ENVIRONMENT, "HF_HOME": str(tmp_path / "hf")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "('1+1?', '2')\n", done.stderr
