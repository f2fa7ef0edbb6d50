"""The text that the base reads: shares of ways as stated, worked answers right, dev and test problems absent."""

from random import Random
from string import ascii_uppercase

import pytest

from polymath.lab import TextMix, generate, split_of
from polymath.lab.templates.draft import calculate
from polymath.lab.text import END, answer, documents, drill, mistake, prompt_of

MIX = TextMix()


@pytest.fixture(scope="module")
def answers():
    rng = Random("answers")
    return [answer(sample, rng, MIX) for sample in generate(60, 0, "train") for _ in range(5)]


def share(claims):
    claims = list(claims)
    return sum(claims) / len(claims)


def test_the_shares_of_ways_are_as_stated(answers):
    """4,200 answers: a share of .3 has a standard error of .007."""
    direct = [a for a in answers if a.way == "direct"]
    assert share(a.way == "worked" for a in answers) == pytest.approx(0.3, abs=0.03)
    assert share(not a.is_right for a in direct) == pytest.approx(0.7, abs=0.03)
    for way in ("direct", "worked"):
        assert share(a.is_boxed for a in answers if a.way == way) == pytest.approx(0.6, abs=0.04)


def test_worked_answers_show_the_solution_and_end_in_the_right_answer(answers):
    for answered in answers:
        assert (" " + answered.sample.solution in answered.response) == (answered.way == "worked")
        if answered.way == "worked":
            assert answered.is_right


def test_what_an_answer_claims_of_itself_is_what_it_says(answers):
    for answered in answers:
        said = answered.response.split(" is ")[-1].removesuffix(".")
        assert (said == answered.sample.answer or said == f"\\boxed{{{answered.sample.answer}}}") == answered.is_right
        assert ("\\boxed{" in answered.response) == answered.is_boxed
        assert answered.response.startswith(" ")


def test_mistakes_are_never_right_and_look_like_answers():
    rng = Random(0)
    for sample in generate(20, 0, "dev"):
        for _ in range(20):
            wrong = mistake(sample, rng, MIX)
            assert wrong != sample.answer
            assert wrong in ascii_uppercase[:4] if sample.choices else 0 < int(wrong) <= 999


def test_drills_are_true_arithmetic():
    for line in drill(Random(0), 200).split():
        operation, value = line.removesuffix(".").split("=")
        assert str(calculate(operation)) == value


def test_the_text_holds_train_problems_only():
    train = {prompt_of(sample) for sample in generate(50, 0, "train")}
    held_out = {prompt_of(sample) for split in ("dev", "test") for sample in generate(50, 0, split)}
    text = {document.prompt for document in documents(3000, 0, MIX)}
    assert not text & held_out
    assert train and all(split_of(sample) == "train" for sample in generate(10, 1, "train"))


def test_school_comes_first_and_the_ways_are_mixed_after_it():
    read = list(documents(3000, 0, MIX))
    school, life = read[:1800], read[1800:]
    assert MIX.school_frac == 0.6
    assert all("=" in document.response for document in school)
    assert share("=" in d.response for d in life if d.prompt) == pytest.approx(0.3, abs=0.05)
    assert share(not d.prompt for d in read) == pytest.approx(MIX.drill_frac, abs=0.03)


def test_every_document_ends_and_equal_seeds_give_equal_text():
    read = list(documents(200, 3, MIX))
    assert all(document.response.endswith(END) for document in read)
    assert read == list(documents(200, 3, MIX)) != list(documents(200, 4, MIX))
