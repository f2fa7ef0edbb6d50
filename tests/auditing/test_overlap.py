"""Is a sample in a benchmark or a pool: the same text, nearly the same, or only the same words."""

import pytest

from polymath.auditing.overlap import find_in_benchmarks, find_in_pool, find_likenesses, load_benchmarks
from polymath.types import Sample
from tests.conftest import ROOT

MELONS = Sample(question="A farmer packs 8 crates with 9 melons each?", answer="72", answer_type="number")


def test_a_benchmark_problem_is_found_whatever_its_spaces_and_one_with_other_numbers_is_only_named():
    problem = "A train with 12 cars of 40 tonnes each climbs a slope for 20 minutes against a wind from the north"
    texts = (f"  {problem.upper()} ", problem.replace("12", "13"), "Why do whales sing at night?")
    samples = [Sample(question=text, answer="5", answer_type="number") for text in texts]
    questions = {"own": ["something else altogether", problem]}
    found = [find_in_benchmarks(one, questions) for one in find_likenesses(samples, questions)]
    assert [finding.ok for finding in found] == [False, True, True]
    assert "word for word in own[1]" in found[0].detail
    assert "other numbers" in found[1].detail and "nothing near" in found[2].detail


def test_a_copy_that_adds_a_word_is_still_the_same_problem():
    text = "A train with 12 cars of 40 tonnes each climbs 300 metres in 20 minutes against a wind from the north"
    sample = Sample(question=f"{text} today", answer="5")
    (likenesses,) = find_likenesses([sample], {"own": [text]})
    assert find_in_benchmarks(likenesses, {"own": [text]}).ok is False


def test_to_stand_in_the_pool_is_no_flaw():
    (likenesses,) = find_likenesses([MELONS], {"pool": ["another text of some length", MELONS.question]})
    finding = find_in_pool(likenesses, "pool")
    assert finding.ok is True and "pool[1]" in finding.detail


def test_all_benchmarks_of_a_folder_are_searched():
    data = ROOT.parent / "shared" / "data"
    if not (data / "math500.jsonl.gz").exists():
        pytest.skip("needs shared/data")
    found = load_benchmarks(("math500",), str(data))
    assert {name: len(texts) for name, texts in found.items()} == {"math500": 500}
