"""The text that the base reads: shares of ways as stated, worked answers right, dev and test problems absent."""

import re
from dataclasses import replace
from fractions import Fraction
from random import Random
from string import ascii_uppercase

import pytest

from polymath.lab import TextMix, generate
from polymath.lab.templates.draft import ITEMS, NAMES
from polymath.lab.text import END, answer, documents, drill, inverse, mistake, prompt_of
from polymath.lab.world import generate_held_out
from tests.lab.test_world import value_of

MIX = TextMix()


@pytest.fixture(scope="module")
def answers():
    rng = Random("answers")
    return [answer(sample, rng, MIX) for sample in generate(60, 0, "train") for _ in range(5)]


@pytest.fixture(scope="module")
def worked():
    rng, mix = Random("worked"), replace(MIX, worked_frac=1.0)
    return [answer(sample, rng, mix) for sample in generate(60, 1, "train") for _ in range(3)]


def share(claims):
    claims = list(claims)
    return sum(claims) / len(claims)


def is_true(line):
    operation, _, value = line.partition("=")
    return value_of(operation) == Fraction(value)


def test_the_shares_of_ways_are_as_stated(answers):
    """4,200 answers: a share of .2 has a standard error of .006."""
    direct = [a for a in answers if a.way == "direct"]
    assert share(a.way == "worked" for a in answers) == pytest.approx(0.2, abs=0.02)
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


@pytest.mark.parametrize(
    ("line", "undone"),
    [("12*7=84", "84/7=12"), ("84/7=12", "12*7=84"), ("81-49=32", "32+49=81"), ("9+0=9", "9-0=9"), ("5-5=0", "0+5=5")],
)
def test_the_inverse_of_a_line_leads_from_its_result_back(line, undone):
    assert inverse(line) == undone


def test_rechecks_are_true_and_undo_the_last_line_of_arithmetic(worked):
    rechecked = [a for a in worked if "Recheck" in a.response]
    assert rechecked
    for answered in rechecked:
        work, recheck = re.fullmatch(r" (.*) Recheck: (\S+)\. \S+ (?:answer )?is \S+\.", answered.response).groups()
        assert work == answered.sample.solution
        left, right, value = re.findall(r"(\d+)[-+*/](\d+)=(\d+)\.", work)[-1]
        assert is_true(recheck)
        assert re.findall(r"\d+", recheck) == [value, right, left]


def test_the_share_of_rechecks_is_as_stated(worked):
    """2,520 worked answers: a share of .2 has a standard error of .008."""
    assert MIX.recheck_frac == 0.2
    assert share("Recheck" in a.response for a in worked) == pytest.approx(0.2, abs=0.025)


def test_direct_answers_recheck_nothing(answers):
    assert not any("=" in a.response or "Recheck" in a.response for a in answers if a.way == "direct")


OPERATION_LINE = r" (\d+[-+*/]\d+=\d+)\."
OPTIONS_LINE = r"\nA\) (\d+)\nB\) (\d+)\nC\) (\d+)\nD\) (\d+)\n (\d+) is ([A-D])\."


def test_drills_are_true_arithmetic_and_numbers_found_among_options():
    text = drill(Random(0), replace(MIX, lines_per_drill=2000))
    assert re.fullmatch(f"(?:{OPERATION_LINE}|{OPTIONS_LINE})+", text)
    operations, options = re.findall(OPERATION_LINE, text), re.findall(OPTIONS_LINE, text)
    assert len(operations) + len(options) == 2000
    assert all(is_true(line) for line in operations)
    for *numbers, said, letter in options:
        assert numbers["ABCD".index(letter)] == said
        assert len({number[-1] for number in numbers}) == 4
    assert len(options) / 2000 == pytest.approx(MIX.options_per_line, abs=0.03)
    assert {letter for *_, letter in options} == set("ABCD")


def test_the_text_holds_train_problems_only():
    """Small kinds have a few hundred problems, so a text of thousands that kept no split would hold some of these."""
    read = {document.prompt for document in documents(8000, 0, MIX)}
    unread = {prompt_of(sample) for split in ("dev", "test") for sample in generate(60, 0, split)}
    assert read & {prompt_of(sample) for sample in generate(60, 0, "train")}
    assert not read & unread


def shape_of(prompt):
    """A question without its numbers, names and things: its kind."""
    for word in (*NAMES, *ITEMS):
        prompt = re.sub(rf"\b{word}\b", "*", prompt)
    return re.sub(r"\d+", "#", prompt)


def test_the_text_holds_no_question_of_a_held_out_kind():
    read = {shape_of(document.prompt) for document in documents(4000, 0, MIX)}
    assert {shape_of(prompt_of(sample)) for sample in generate(5, 0, "dev")} & read
    assert not {shape_of(prompt_of(sample)) for sample in generate_held_out(400, 0, "train")} & read


def test_school_comes_first_and_the_ways_are_mixed_after_it():
    read = list(documents(3000, 0, MIX))
    school, life = read[:1800], read[1800:]
    assert MIX.school_frac == 0.6
    assert all("=" in document.response for document in school if document.prompt)
    assert share("=" in d.response for d in life if d.prompt) == pytest.approx(0.2, abs=0.04)
    assert share(not d.prompt for d in read) == pytest.approx(MIX.drill_frac, abs=0.03)


def test_every_document_ends_and_equal_seeds_give_equal_text():
    read = list(documents(200, 3, MIX))
    assert all(document.response.endswith(END) for document in read)
    assert read == list(documents(200, 3, MIX)) != list(documents(200, 4, MIX))
