"""Suites: the papers' tables of counts, what is missing is named, and one's own TOML file with its mistakes."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from polymath.disciplines import PAPER_SUBJECTS
from polymath.errors import SampleError
from polymath.evaluation.suites import SUITES, load_suite
from polymath.judge import judge
from polymath.samples.rows import MissingData
from tests.evaluation.test_benchmarks import DATA, gpqa_rows, needs_data, supergpqa_rows, write_rows

# arXiv 2601.03111, Table 13, with biology as 19 + 100; the paper has 118 after a filter on the trained models' runs.
PAPER_COUNTS = {
    "mathematics": {"AIME": 60, "MATH500": 500, "Minerva": 272, "math": 299},
    "physics": {"physics": 413},
    "chemistry": {"chemistry": 459},
    "biology": {"biology": 119},
    "science": {"science": 557},
    "engineering": {"engineering": 447},
    "computer science": {"computer science": 100},
    "others": {
        "business": 100,
        "health": 100,
        "psychology": 100,
        "other": 100,
        "philosophy": 120,
        "economics": 149,
        "law": 137,
        "history": 138,
        "medicine": 155,
        "literature & arts": 93,
        "management": 28,
        "education": 27,
        "agronomy": 27,
        "military science": 12,
        "sociology": 8,
    },
}
PAPER_DOMAINS = {"mathematics": 1131, "science": 557, "engineering": 447, "others": 1294}


def test_the_tables_agree_on_25_subjects_in_8_domains():
    assert {subject: domain for domain, row in PAPER_COUNTS.items() for subject in row} == PAPER_SUBJECTS
    assert (len(PAPER_SUBJECTS), len(PAPER_COUNTS)) == (25, 8)
    for domain, total in PAPER_DOMAINS.items():
        assert sum(PAPER_COUNTS[domain].values()) == total
    assert sum(sum(row.values()) for row in PAPER_COUNTS.values()) == 4519 + 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The published files, with rows of our own for the two sets that are not here."""
    folder = tmp_path_factory.mktemp("data")
    for path in DATA.glob("*.jsonl.gz"):
        (folder / path.name).symlink_to(path)
    write_rows(folder / "gpqa_diamond.jsonl", gpqa_rows())
    write_rows(folder / "supergpqa.jsonl", supergpqa_rows())
    return folder


@needs_data
def test_the_polymath_suite_has_the_papers_counts_by_domain_and_subject(whole):
    suite = load_suite("polymath", data=str(whole))
    assert not suite.missing and not suite.set_aside
    assert {name: len(samples) for name, samples in suite.benchmarks.items()} == {
        "math500": 500,
        "aime24": 30,
        "aime25": 30,
        "minerva": 272,
        "scibench": 692,
        "gpqa-diamond": 198,
        "mmlu-pro-100": 1300,
        "supergpqa-1500": 1498,
    }
    found: dict[str, Counter[str]] = {}
    for samples in suite.benchmarks.values():
        for sample in samples:
            found.setdefault(sample.discipline, Counter())[sample.subject] += 1
    assert found == PAPER_COUNTS
    algebra = [sample for sample in suite.benchmarks["math500"] if sample.meta["category"] == "Algebra"]
    assert len(algebra) == 124
    assert suite.protocols == {"aime24": "sample-32-t0.4", "aime25": "sample-32-t0.4"}


@needs_data
def test_the_tags_of_the_paper_change_no_problem(whole):
    suite, alone = load_suite("polymath", data=str(whole)), load_suite("scibench", data=str(whole))
    ids = [[sample.id for sample in one.benchmarks["scibench"]] for one in (suite, alone)]
    assert ids[0] == ids[1]


@needs_data
def test_the_one_shot_suite_has_that_papers_sizes_and_decoding():
    """arXiv 2504.20571, B.3: greedy but for the three small sets, which are averages of 8 at T 0.6; 3,072 tokens."""
    suite = load_suite("one-shot-math", data=str(DATA))
    assert {name: len(samples) for name, samples in suite.benchmarks.items()} == {
        "math500": 500,
        "aime24": 30,
        "aime25": 30,
        "amc23": 40,
        "minerva": 272,
        "olympiadbench": 675,
    }
    assert not suite.missing and not suite.set_aside and not suite.notes
    assert suite.protocols == {"aime24": "sample-8-t0.6", "aime25": "sample-8-t0.6", "amc23": "sample-8-t0.6"}
    assert suite.max_tokens == dict.fromkeys(suite.benchmarks, 3072)


@needs_data
def test_a_set_that_is_not_here_is_named_and_the_others_go_on():
    suite = load_suite("polymath", data=str(DATA))
    assert set(suite.missing) == {"gpqa-diamond", "supergpqa-1500"}
    assert set(suite.benchmarks) == set(SUITES["polymath"].benchmarks) - set(suite.missing)
    assert "has no gpqa_diamond.jsonl" in suite.missing["gpqa-diamond"]


def test_a_missing_benchmark_alone_or_all_of_them_are_an_error(tmp_path):
    with pytest.raises(MissingData, match="has no gsm8k_test"):
        load_suite("gsm8k", data=str(tmp_path))
    with pytest.raises(MissingData, match=r"none of math500, .* can be had .*--data DIR"):
        load_suite("polymath", data=str(tmp_path))
    suite = load_suite("gsm8k+clean-arithmetic", data=str(tmp_path))
    assert (list(suite.benchmarks), list(suite.missing)) == (["clean-arithmetic"], ["gsm8k"])


def test_a_file_with_holes_is_an_error_in_a_suite_of_several_too(tmp_path):
    write_rows(tmp_path / "gsm8k_test.jsonl", [{"question": "1+1?", "answer": "#### 2"}, {"question": "1+2?"}])
    with pytest.raises(SampleError, match=r"gsm8k_test.jsonl:2: has no column answer"):
        load_suite("gsm8k+clean-arithmetic", data=str(tmp_path))


def test_what_was_set_aside_and_what_differs_reach_the_suite(tmp_path):
    row = {"Question": "1+1?", "Answer": "2", "Answer_type": "integer"}
    write_rows(tmp_path / "theoremqa.jsonl", [row, {**row, "Picture": "a.png"}, row])
    suite = load_suite("theoremqa", data=str(tmp_path))
    assert len(suite.set_aside["theoremqa"]) == 1
    repeats = "1 of its rows repeat another and are asked once"
    assert suite.notes == {"theoremqa": f"3 rows here, 800 published; {repeats}"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mmlu_pro", "did you mean mmlu-pro"),
        ("no-such", "use polymath, one-shot-math, lab"),
        ("lab+lab", "names lab twice"),
        ("one-shot-math+math500", "names math500 twice"),
        ("nowhere.toml", "no such file"),
        ("nowhere.jsonl", "no such file"),
        ("", "is not known"),
    ],
)
def test_a_name_that_cannot_be_used_is_told(name, message):
    with pytest.raises(SampleError, match=message):
        load_suite(name)


def test_a_sample_file_whose_gold_cannot_be_judged_is_refused_with_its_place(tmp_path):
    samples = [{"question": "1+1?", "answer": "2"}, {"question": "?", "answer": "two", "answer_type": "number"}]
    write_rows(tmp_path / "own.jsonl", samples)
    with pytest.raises(SampleError, match=r"own.jsonl, problem 2: the answer 'two' is no number"):
        load_suite(str(tmp_path / "own.jsonl"))


def test_a_file_may_have_a_plus_in_its_name(tmp_path):
    write_rows(tmp_path / "a+b.jsonl", [{"question": "1+1?", "answer": "2"}])
    assert list(load_suite(str(tmp_path / "a+b.jsonl")).benchmarks) == ["a+b"]


OWN = """
[benchmarks.heat]
file = "heat.csv"
columns = { question = "ask", answer = "gold", subject = "topic", unit = "in" }
answer_type = "quantity"
discipline = "physics"
tolerance = 0.01
protocol = "sample-8-t0.6"
max_tokens = 512
[benchmarks.colours]
file = "colours.jsonl"
columns = { question = "q", answer = "a", choices = "options", level = "hard" }
answer_type = "choice"
[disciplines]
"reaction heat" = "chemistry"
"""
HEAT = "ask,gold,topic,in\nHow far?,1.50,engines,m\nHow warm?,3,reaction heat,kJ\nHow many?,7,,\n"
COLOURS = [
    {"q": "Sky?", "a": "blue", "options": ["red", "blue"], "hard": 2},
    {"q": "Blood?", "a": "(a)", "options": '["red", "blue"]', "hard": None},
]


def own_suite(folder, text=OWN, heat=HEAT, colours=COLOURS):
    (folder / "mine.toml").write_text(text)
    (folder / "heat.csv").write_text(heat)
    write_rows(folder / "colours.jsonl", colours)
    return str(folder / "mine.toml")


def test_an_own_suite_reads_columns_types_units_and_disciplines(tmp_path):
    suite = load_suite(own_suite(tmp_path))
    heat, colours = suite.benchmarks["heat"], suite.benchmarks["colours"]
    assert [(s.question, s.answer, s.unit, s.disciplines, s.subject) for s in heat] == [
        ("How far?", "1.50", "m", ("physics",), "engines"),
        ("How warm?", "3", "kJ", ("chemistry",), "reaction heat"),
        ("How many?", "7", None, ("physics",), None),
    ]
    assert judge(r"\boxed{151 cm}", heat[0]).correct and judge(r"\boxed{160 cm}", heat[0]).correct is False
    assert [(s.answer, s.choices, s.level, s.discipline) for s in colours] == [
        ("B", ("red", "blue"), "2", "colours"),
        ("A", ("red", "blue"), None, "colours"),
    ]
    assert (suite.protocols, suite.max_tokens) == ({"heat": "sample-8-t0.6"}, {"heat": 512})


def test_an_own_suite_stands_beside_others_and_takes_a_limit(tmp_path):
    suite = load_suite(f"clean-arithmetic+{own_suite(tmp_path)}", limit=2)
    assert {name: len(samples) for name, samples in suite.benchmarks.items()} == {
        "clean-arithmetic": 2,
        "heat": 2,
        "colours": 2,
    }


CHOICE = """
[benchmarks.c]
file = "c.jsonl"
answer_type = "choice"
"""


@pytest.mark.parametrize(
    ("more", "row", "letter"),
    [
        ('columns.choices = "o"', {"answer": "B", "o": ["x", "y"]}, "B"),
        ('columns.choices = "o"', {"answer": "b)", "o": ["x", "y"]}, "B"),
        ('columns.choices = "o"', {"answer": "y", "o": ["x", "y"]}, "B"),
        ('columns.choices = "o"', {"answer": 7, "o": [6, 7.0]}, "B"),
        ('columns.choices = ["o1", "o2"]', {"answer": "y", "o1": "x", "o2": "y"}, "B"),
        ('columns.choices = "o"\nanswer_index = true', {"answer": 1, "o": ["x", "y"]}, "B"),
        ('columns.choices = "o"\nanswer_index = true', {"answer": "0", "o": ["1", "0"]}, "A"),
    ],
)
def test_a_choice_is_answered_by_letter_text_or_place(tmp_path, more, row, letter):
    (tmp_path / "c.toml").write_text(CHOICE + more)
    write_rows(tmp_path / "c.jsonl", [{"question": "?", **row}])
    assert [s.answer for s in load_suite(str(tmp_path / "c.toml")).benchmarks["c"]] == [letter]


@pytest.mark.parametrize(
    ("more", "row", "message"),
    [
        ("", {"answer": "C", "o": ["x", "y"]}, "the answer 'C' is none of the options A to B"),
        ("", {"answer": 1, "o": ["x", "y"]}, "set answer_index = true"),
        ("", {"answer": "A", "o": ["B", "A"]}, "the letter of one option and the text of another"),
        ("", {"answer": "A", "o": ["x"]}, "has 1 option; give 2 to 10"),
        ("", {"answer": "A", "o": [str(n) for n in range(11)]}, "has 11 options; give 2 to 10 .A to J"),
        ("", {"answer": "A", "o": ["x", "y", "x"]}, "two options are 'x'"),
        ("", {"answer": "A", "o": ["x", " "]}, "option B is empty"),
        ("", {"answer": "A", "o": "x, y"}, "choices is not a list"),
        ("", {"answer": "A", "o": {"A": "x"}}, "choices is not a list"),
        ("", {"answer": "A", "o": []}, "o is empty"),
        ("", {"answer": "", "o": ["x", "y"]}, "answer is empty"),
        ("answer_index = true", {"answer": 2, "o": ["x", "y"]}, "no place of an option; give 0 to 1"),
        ("answer_index = true", {"answer": -1, "o": ["x", "y"]}, "no place of an option"),
        ("answer_index = true", {"answer": "B", "o": ["x", "y"]}, "no place of an option"),
    ],
)
def test_options_that_cannot_be_asked_are_told_with_their_line(tmp_path, more, row, message):
    (tmp_path / "c.toml").write_text(f'{CHOICE}columns.choices = "o"\n{more}')
    write_rows(tmp_path / "c.jsonl", [{"question": "?", "answer": "A", "o": ["x", "y"]} | {"answer": 0} if more else {
        "question": "?", "answer": "A", "o": ["x", "y"]}, {"question": "?", **row}])  # fmt: skip
    with pytest.raises(SampleError, match=rf"c.jsonl:2: .*{message}"):
        load_suite(str(tmp_path / "c.toml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tolerance", "tolerence", r"mine.toml: benchmarks.heat.tolerence: is not a key .* did you mean tolerance"),
        ("subject =", "subjects =", r"benchmarks.heat.columns.subjects: .* did you mean subject"),
        (
            "[benchmarks.heat]",
            "benchmark = 1\n[benchmarks.heat]",
            "benchmark: is not a key of a suite; did you mean benchmarks",
        ),
        ('"topic"', '"topics"', r"columns.subject: .*heat.csv:2 has no column 'topics'; did you mean 'topic'"),
        ('answer = "gold", ', "", r"columns.answer: .* has no column 'answer'; its columns are ask, gold, topic, in"),
        ('"quantity"', '"amount"', "benchmarks.heat.answer_type: Input should be"),
        ('file = "heat.csv"', "", "give file or hub, one of them"),
        ('file = "heat.csv"', 'file = "heat.csv"\nhub = "a/b"', "give file or hub, one of them"),
        ('"heat.csv"', '"cold.csv"', "cold.csv: no such file"),
        ("max_tokens = 512", "max_tokens = 0", "benchmarks.heat.max_tokens: Input should be greater than 0"),
        (', choices = "options"', "", "columns.choices go together"),
        ('"choice"', '"text"', "columns.choices go together"),
        ("[benchmarks.heat]", "[benchmarks.heat", "is not TOML"),
    ],
)
def test_a_mistake_in_an_own_suite_is_one_line_with_the_way_out(tmp_path, old, new, message):
    assert old in OWN
    with pytest.raises(SampleError, match=message) as caught:
        load_suite(own_suite(tmp_path, OWN.replace(old, new, 1)))
    assert "\n" not in str(caught.value)


def test_a_gold_of_an_own_suite_that_cannot_be_judged_is_told_with_its_line(tmp_path):
    with pytest.raises(SampleError, match=r"heat.csv:3: the answer 'warm' is no number"):
        load_suite(own_suite(tmp_path, heat=HEAT.replace(",3,", ",warm,")))
    with pytest.raises(SampleError, match=r"heat.csv:2: gold is empty"):
        load_suite(own_suite(tmp_path, heat=HEAT.replace("1.50", "")))


def test_an_own_suite_of_a_missing_file_is_an_error_beside_others(tmp_path):
    """A published set may be missing; what the user named must be there."""
    with pytest.raises(SampleError, match=r"cold.csv: no such file"):
        load_suite(f"clean-arithmetic+{own_suite(tmp_path, OWN.replace('heat.csv', 'cold.csv'))}")


def test_a_suite_of_nothing_is_refused(tmp_path):
    (tmp_path / "none.toml").write_text("[benchmarks]\n")
    with pytest.raises(SampleError, match="benchmarks: Dictionary should have at least 1 item"):
        load_suite(str(tmp_path / "none.toml"))


def test_a_limit_draws_the_same_problems_every_time():
    first, second = (load_suite("lab+clean-arithmetic", limit=5) for _ in range(2))
    assert first == second
    assert json.dumps([s.question for s in first.benchmarks["lab"]]).count('"') >= 10
    every = load_suite("lab").benchmarks["lab"]
    places = [every.index(sample) for sample in first.benchmarks["lab"]]
    assert places == sorted(places) and len(set(places)) == 5
