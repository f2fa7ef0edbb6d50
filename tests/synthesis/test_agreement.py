"""Gold by agreement: what counts as an answer, what counts as the same, and when the share is enough."""

import pytest

from polymath.llm import Reply
from polymath.synthesis.agreement import Attempt, agree, read_attempt, whole_number
from polymath.types import Sample

NUMBER = Sample(question="q", answer="1", answer_type="number")
QUANTITY = Sample(question="q", answer="1 m", answer_type="quantity")
EXPRESSION = Sample(question="q", answer="x", answer_type="expression")


def attempt(text, question=NUMBER, finish="eos"):
    return read_attempt(Reply(text=text, finish=finish), question, solver="s", draw=0, id="i")


def attempts(**said):
    """Solver to what it answers, in order; None is no answer."""
    return [
        Attempt(solver=solver, draw=draw, reply="", answer=answer)
        for solver, answers in said.items()
        for draw, answer in enumerate(answers)
    ]


@pytest.mark.parametrize(
    ("text", "finish", "answer", "detail"),
    [
        ("So \\boxed{20}.", "eos", "20", ""),
        ("<answer>20</answer>", "eos", "20", ""),
        ("The answer is 20.", "eos", "20", ""),
        ("\\boxed{20} and again \\boxed{20.0}", "eos", "20.0", ""),
        ("\\boxed{20} or \\boxed{21}", "eos", None, "several answers"),
        ("We need 4 and 5, which makes 20", "eos", None, "no answer"),
        ("We need 4 and", "length", None, "cut off"),
        ("so \\boxed{20} and then", "length", "20", ""),
        ("\\boxed{many}", "eos", None, "'many' is no number"),
        ("\\boxed{}", "eos", None, "'' is no number"),
        ("", "overlong", None, "overlong"),
        ("<think>maybe \\boxed{3}</think>The answer is 20.", "eos", "20", ""),
    ],
)
def test_an_attempt_counts_only_where_it_states_its_answer(text, finish, answer, detail):
    found = attempt(text, finish=finish)
    assert (found.answer, found.detail) == (answer, detail)


def test_the_share_is_of_all_attempts_those_without_an_answer_counted():
    said = attempts(a=["20", "20"], b=["20", None])
    assert agree(said, NUMBER, threshold=0.75).reason == ""
    assert agree(said, NUMBER, threshold=0.76).reason == "below the threshold"


def test_answers_are_the_same_where_the_judge_says_so_and_the_commonest_spelling_stays():
    found = agree(attempts(a=["1000", "1,000"], b=["1000.0", "999"]), NUMBER, threshold=0.75)
    assert (found.answer, found.num_agreeing, found.counts) == ("1000", 3, (("1000", 3), ("999", 1)))
    assert agree(attempts(a=["200 cm"], b=["2 m"]), QUANTITY, threshold=1.0).reason == ""
    assert agree(attempts(a=["x(x+1)"], b=["x^2+x"]), EXPRESSION, threshold=1.0).reason == ""


def test_every_solver_must_succeed_unless_that_is_switched_off():
    said = attempts(a=["20", "20", "20"], b=["7"])
    found = agree(said, NUMBER, threshold=0.75)
    assert found.reason == "a solver never succeeds" and "none of b" in found.detail
    assert agree(said, NUMBER, threshold=0.75, every_solver=False).reason == ""


def test_two_answers_in_front_are_no_agreement():
    said = attempts(a=["1", "2"], b=["2", "1"])
    assert agree(said, NUMBER, threshold=0.5).reason == "no single answer in front"


def test_nobody_answering_is_a_reason_of_its_own():
    found = agree(attempts(a=[None, None], b=[None]), NUMBER, threshold=0.5, writer_answer="3")
    assert (found.reason, found.answer, found.writer_agrees) == ("no attempt answers", None, None)


@pytest.mark.parametrize(
    ("writer", "agrees"), [("20", True), ("20.0", True), ("21", False), (None, None), ("?", False)]
)
def test_the_writer_has_no_vote_and_its_opinion_is_recorded(writer, agrees):
    found = agree(attempts(a=["20"], b=["20"]), NUMBER, threshold=1.0, writer_answer=writer)
    assert (found.reason, found.answer, found.writer_agrees) == ("", "20", agrees)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20", 20),
        (" 20.0 ", 20),
        ("1,000", 1000),
        ("1{,}000", 1000),
        ("$7$", 7),
        ("2e1", 20),
        ("-3", -3),
        ("20.5", None),
        ("twenty", None),
        ("20 m", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e999999999", None),
        ("9" * 200, None),
        ("", None),
    ],
)
def test_whole_numbers_are_read_from_digits_alone(text, value):
    assert whole_number(text) == value
