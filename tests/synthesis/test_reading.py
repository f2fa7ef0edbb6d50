"""Replies as models write them: fenced, broken, in prose, cut off, or no sample at all."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.llm import Reply
from polymath.synthesis.objects import find_objects, protect_latex
from polymath.synthesis.reading import FIELDS, UnreadableReply, clean_answer, read_draft

QUESTION = "A tank of 12 litres loses 4 litres an hour. After ____ hours it is empty."


def read(text, *, finish="eos", requires=FIELDS, answer_type="number", instruction=""):
    reply = Reply(text=text, finish=finish)
    return read_draft(reply, requires=requires, answer_type=answer_type, instruction=instruction)


PLAIN = json.dumps({"question": QUESTION, "answer": "3", "solution": "12 / 4 = 3."})
READABLE = {
    "an object alone": PLAIN,
    "in a fence": f"```json\n{PLAIN}\n```",
    "between prose": f"Sure! Here is your problem:\n\n{PLAIN}\n\nLet me know if {{you}} want more.",
    "after thinking": f'<think>{{"question": "no, not this one", "answer": "7", "solution": "x"}}</think>{PLAIN}',
    "a number for the answer": PLAIN.replace('"3"', "3"),
    "a whole float": PLAIN.replace('"3"', "3.0"),
    "other names": PLAIN.replace("question", "Problem Statement").replace('"answer"', '"final_answer"'),
    "nested": json.dumps({"problem": json.loads(PLAIN)}),
    "a list": f"[{PLAIN}]",
    "steps as a list": json.dumps({"question": QUESTION, "answer": "3", "steps": ["12 / 4 = 3."]}),
    "a trailing comma": PLAIN[:-1] + ",\n}",
    "no closing brace": PLAIN[:-1],
    "no closing quote": PLAIN[:-2],
    "a comma forgotten": PLAIN.replace('", "', '"\n "'),
    "single quotes": f"{{'question': '{QUESTION}', 'answer': '3', 'solution': '12 / 4 = 3.'}}",
    "curly quotes": PLAIN.replace('"', "“"),
    "a line break in a string": PLAIN.replace("hour. After", "hour.\nAfter"),
    "an answer in a box": PLAIN.replace('"3"', '"$\\\\boxed{3}$"'),
    "an answer in bold": PLAIN.replace('"3"', '"**3**."'),
    "an answer that is said": PLAIN.replace('"3"', '"The answer is 3."'),
    "labels in bold": f"**Question:** {QUESTION}\n\n**Solution:**\n12 / 4 = 3.\n\n**Answer:** 3",
    "headings": f"### Problem\n{QUESTION}\n### Solution\n12 / 4 = 3.\n### Final Answer\n\\boxed{{3}}",
    "labels with numbers": f"1. Question: {QUESTION}\n2. Answer: 3\n3. Solution: 12 / 4 = 3.",
    "a lead and no label": f"Here is a problem for you:\n\n{QUESTION}\n\nSolution: 12 / 4 = 3.\nAnswer: 3",
    "the answer in the solution": f"Problem: {QUESTION}\n\nSolution: 12 / 4 = 3. The answer is 3.",
}


@pytest.mark.parametrize("name", READABLE)
def test_a_reply_is_read_whatever_form_it_has(name):
    draft = read(READABLE[name])
    assert (" ".join(draft.question.split()), draft.answer) == (QUESTION, "3")
    assert draft.solution.startswith("12 / 4 = 3.")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   \n", "empty"),
        ("<think>so many thoughts", "empty"),
        ("I cannot help with that.", "no question"),
        ('{"question": "", "answer": "3", "solution": "x"}', "no question"),
        ('{"question": null, "answer": 3, "solution": "x"}', "no question"),
        (json.dumps({"question": QUESTION, "solution": "x"}), "no answer"),
        (json.dumps({"question": QUESTION, "answer": "3"}), "no solution"),
        ('{"question": "...", "answer": "...", "solution": "..."}', "echo"),
        ('{"question": "<the problem>", "answer": "3", "solution": "x"}', "echo"),
        ('{"question": "The number alone, as digits", "answer": "the number", "solution": "steps"}', "echo"),
        ('{"x": {"y": [1, 2]}}', "no question"),
        ("{" * 5000, "no question"),
        ('{"' * 5000, "no question"),
    ],
)
def test_what_holds_no_sample_is_rejected_for_its_reason(text, reason):
    with pytest.raises(UnreadableReply) as caught:
        read(text, instruction="... the number alone, as digits ...")
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ('{"question": "A tank of 12 lit', "length", "cut off"),
        ("<think>so many thoughts", "length", "cut off"),
        ("", "blocked", "blocked"),
        ("", "overlong", "overlong"),
    ],
)
def test_how_a_reply_ended_is_the_reason_where_it_is(text, finish, reason):
    with pytest.raises(UnreadableReply) as caught:
        read(text, finish=finish)
    assert caught.value.reason == reason


def test_a_cut_reply_that_is_whole_all_the_same_is_read():
    assert read(PLAIN + "\n\nAnother", finish="length").answer == "3"


def test_what_is_not_required_may_be_missing():
    draft = read(f"Question: {QUESTION}", requires=("question",))
    assert (draft.question, draft.answer, draft.solution) == (QUESTION, None, None)


def test_an_instruction_that_is_said_back_is_no_question():
    told = "Write one new problem for your students about tanks and their leaks."
    with pytest.raises(UnreadableReply, match="says the instruction back"):
        read(json.dumps({"question": told.upper(), "answer": "3", "solution": "x"}), instruction=f"Please. {told} Now.")


def test_options_come_without_their_letters():
    row = {"question": QUESTION, "choices": ["A) 2", "(B) 3", "4", "5"], "answer": "B", "solution": "12 / 4 = 3."}
    draft = read(json.dumps(row), answer_type="choice")
    assert (draft.choices, draft.answer) == (("2", "3", "4", "5"), "B")
    row["choices"] = {"A": "2", "B": "3"}
    assert read(json.dumps(row), answer_type="choice").choices == ("2", "3")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r'{"question": "3 \times 4"}', r"3 \times 4"),
        (r'{"question": "3 \\times 4"}', r"3 \times 4"),
        (r'{"question": "\frac{1}{2} of \theta and \rho, \nu"}', r"\frac{1}{2} of \theta and \rho, \nu"),
        (r'{"question": "\(x\) \% \beta"}', r"\(x\) \% \beta"),
        (r'{"question": "one\nTwo\tthree"}', "one\nTwo\tthree"),
        (r'{"question": "say \"so\" \u00b5"}', 'say "so" µ'),
        (r'{"question": "\unit{m}"}', r"\unit{m}"),
    ],
)
def test_latex_in_a_string_survives_and_line_breaks_do_too(written, meant):
    assert find_objects(written) == [{"question": meant}]


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\"), max_size=60)


@given(st.dictionaries(WORDS, WORDS, max_size=4))
def test_good_json_without_latex_is_read_as_it_is(value):
    text = json.dumps(value)
    assert find_objects(text) == ([value] if value else [])


@given(st.text(alphabet="{}\"\\':,n[]a1 ", max_size=120))
def test_no_reply_makes_the_reader_fail_in_another_way(text):
    with contextlib.suppress(UnreadableReply):
        read(text)
    assert isinstance(protect_latex(text), str)


@pytest.mark.parametrize(
    ("text", "answer_type", "cleaned"),
    [
        ("20", "number", "20"),
        (" $20$. ", "number", "20"),
        ("\\(20\\)", "number", "20"),
        ("\\boxed{20}", "number", "20"),
        ("Answer: 20 photons", "number", "20"),
        ("20 photons", "number", "20 photons"),
        ("**B**", "choice", "B"),
        ("`x^2`", "expression", "x^2"),
        ("The answer is $\\frac{1}{2}$.", "expression", "\\frac{1}{2}"),
    ],
)
def test_an_answer_loses_what_stands_around_it(text, answer_type, cleaned):
    assert clean_answer(text, answer_type) == cleaned
