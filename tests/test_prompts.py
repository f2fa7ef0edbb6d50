"""Prompts: what a template may hold, and that braces of mathematics survive."""

import pytest

from polymath.errors import PromptError
from polymath.prompts import TEMPLATES, Template, demonstrate, load_template, render
from polymath.types import Sample

CHOICE = Sample(question="Which?", answer="B", answer_type="choice", choices=("one", "two"))


def test_a_question_with_braces_is_placed_literally():
    sample = Sample(question=r"Write \boxed{x} or {question} or {choices}.", answer="1")
    assert render(sample, TEMPLATES["plain"]).text == ("Problem: Write \\boxed{x} or {question} or {choices}.\nAnswer:")


def test_options_follow_the_question_with_their_letters():
    assert render(CHOICE, TEMPLATES["plain"]).text == "Problem: Which?\nA) one\nB) two\nAnswer:"


def test_a_template_may_place_the_options_itself():
    template = Template(text="Options:{choices}\nQ: {question}")
    assert render(CHOICE, template).text == "Options:\nA) one\nB) two\nQ: Which?"


def test_a_users_own_file_is_used_to_the_letter(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("  {question}\n\n\\boxed{} please ")
    assert render(CHOICE, load_template("plain", str(path))).text == "  Which?\nA) one\nB) two\n\n\\boxed{} please "


@pytest.mark.parametrize("content", [None, b"no placeholder", b"\xff\xfe{question}"])
def test_a_template_that_cannot_be_used_is_told(tmp_path, content):
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PromptError):
        load_template("plain", str(path))


def test_an_unknown_template_names_the_known_ones():
    with pytest.raises(PromptError, match="boxed-chat"):
        load_template("nope")


def test_a_demonstration_is_a_worked_problem_before_the_problem():
    shown = Sample(question="2+3?", answer="5", solution="2+3=5.")
    asked = demonstrate([shown, CHOICE], TEMPLATES["plain"])
    assert render(Sample(question="1+1?", answer="2"), asked).text == (
        "Problem: 2+3?\nAnswer: 2+3=5. The answer is \\boxed{5}.\n\n"
        "Problem: Which?\nA) one\nB) two\nAnswer: The answer is \\boxed{B}.\n\n"
        "Problem: 1+1?\nAnswer:"
    )


def test_a_demonstration_with_a_placeholder_in_it_is_refused():
    with pytest.raises(PromptError, match="holds"):
        demonstrate([Sample(question="What is {question}?", answer="1")], TEMPLATES["plain"])


def test_a_template_may_hold_the_question_more_than_once(tmp_path):
    path = tmp_path / "twice.txt"
    path.write_text("{question} Again: {question}{choices}")
    assert render(CHOICE, load_template("plain", str(path))).text == "Which? Again: Which?\nA) one\nB) two"
