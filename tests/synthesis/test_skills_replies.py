"""Replies as models write them, and the skills that are in them."""
# ruff: noqa: E501  (a reply is a line)

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polymath.synthesis.skill_replies import read_skills

# Reply, reading, skills. What was seen of small and large models, and what could fool a reader.
REPLIES = [
    # the forms that are asked for
    ("<skills>\nunit conversion\nHardy-Weinberg equilibrium\n</skills>", "listed", ["unit conversion", "Hardy-Weinberg equilibrium"]),
    ("<skills></skills>", "none", []),
    ("<skills>\n</skills>", "none", []),
    ("<answer>compute derivatives; chain rule</answer>", "listed", ["compute derivatives", "chain rule"]),
    ("<answer>None</answer>", "none", []),
    # around the form
    ("Let me see.\n<skills>\nratios\n</skills>\nHope this helps!", "listed", ["ratios"]),
    ("<think>Is it geometry? <skills>no</skills></think>\n<skills>similar triangles</skills>", "listed", ["similar triangles"]),
    ("I would write <skills></skills> if there were none, but:\n<skills>\nvectors\n</skills>", "listed", ["vectors"]),
    ("<skills>\n- ratios\n- proportions\n</skills>", "listed", ["ratios", "proportions"]),
    ("<skills>ratios, proportions (direct, inverse), and percentages</skills>", "listed", ["ratios", "proportions (direct, inverse)", "percentages"]),
    ("<skills>[\"ratios\", \"rates\"]</skills>", "listed", ["ratios", "rates"]),
    ("<skills><li>ratios</li><li>rates</li></skills>", "listed", ["ratios", "rates"]),
    ("<SKILLS>ratios</SKILLS>", "listed", ["ratios"]),
    ("<skills>\nratios\nrates", "listed", ["ratios", "rates"]),
    # other forms
    ("1. Linear equations\n2. Unit conversion\n10) Percentages", "listed", ["Linear equations", "Unit conversion", "Percentages"]),
    ("1. Linear equations 2. Unit conversion 3. Percentages", "listed", ["Linear equations", "Unit conversion", "Percentages"]),
    ("Here are the skills:\n\n* **Exponents**: raising to powers.\n* **Logarithms** - inverting them.\n\nGood luck!", "listed", ["Exponents", "Logarithms"]),
    ("**Algebra skills:**\n- **Ratios:** comparing\n- *Rates*", "listed", ["Ratios", "Rates"]),
    ("The skills needed are: ratios, rates, and proportions.", "listed", ["ratios", "rates", "proportions"]),
    ("Skills: ratios; rates", "listed", ["ratios", "rates"]),
    ("ratios; rates; unit conversion", "listed", ["ratios", "rates", "unit conversion"]),
    ("ratios, rates", "listed", ["ratios", "rates"]),
    ("Unit conversion", "listed", ["Unit conversion"]),
    ("ratios\nrates\nunit conversion", "listed", ["ratios", "rates", "unit conversion"]),
    ("```json\n{\"skills\": [\"ratios\", \"rates\"]}\n```", "listed", ["ratios", "rates"]),
    ("```\nratios\nrates\n```", "listed", ["ratios", "rates"]),
    ("[{\"skill\": \"ratios\", \"why\": \"they occur\"}, {\"name\": \"rates\"}]", "listed", ["ratios", "rates"]),
    ("{\"skills\": []}", "none", []),
    ("[]", "none", []),
    ("- None", "none", []),
    ("None.", "none", []),
    ("(none)", "none", []),
    ("N/A", "none", []),
    ("No probability skills are needed to solve this problem.", "none", []),
    ("There are no specific number theory skills or concepts here.", "none", []),
    ("The problem does not involve geometry.", "none", []),
    # repetitions and sentences
    ("- ratios\n- Ratios\n- rates\n-  ratios ", "listed", ["ratios", "rates"]),
    ("- " + " ".join(["word"] * 40) + "\n- rates", "listed", ["rates"]),
    # no list
    ("", "empty", []),
    (".", "unreadable", []),
    ("<think>I wonder about", "empty", []),
    ("I'm sorry, but I can't help with that.", "refused", []),
    ("As an AI language model, I cannot list skills.", "refused", []),
    ("To solve this, first convert the mass to moles. Then use the ideal gas law. The answer is 12.", "unreadable", []),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "reading", "skills"), REPLIES)
def test_a_reply_is_read_as_it_is_meant(reply, reading, skills):
    found = read_skills(reply)
    assert (found.reading, list(found.skills)) == (reading, skills)


@pytest.mark.parametrize(
    ("reply", "skills"),
    [
        ("<skills>\nratios\nrates\nunit con", ["ratios", "rates"]),
        ("<skills>\nratios\nrates\n", ["ratios", "rates"]),
        ("- ratios\n- rates\n- unit con", ["ratios", "rates"]),
        ('["ratios", "rates", "unit con', ["ratios", "rates"]),
        ('{"skills": ["ratios", "rates", "uni', ["ratios", "rates"]),
        ("<answer>ratios; rates; un", ["ratios", "rates"]),
        ("<skills>\nratios\n</skills>\nThis is bec", ["ratios"]),
    ],
)
def test_a_name_that_the_limit_cut_off_is_no_skill(reply, skills):
    found = read_skills(reply, is_cut=True)
    assert list(found.skills) == skills
    assert found.is_cut


def test_what_was_said_again_and_what_is_no_name_is_counted():
    found = read_skills("- ratios\n- ratios\n- RATIOS\n- rates\n- " + "a long remark about it " * 5)
    assert (found.skills, found.num_repeated, found.num_dropped) == (("ratios", "rates"), 2, 1)


names = st.lists(st.from_regex(r"[a-z]{3,9}( [a-z]{3,9}){0,3}", fullmatch=True), min_size=1, max_size=8, unique=True)
FORMS = {
    "lines in tags": lambda given: "<skills>\n" + "\n".join(given) + "\n</skills>",
    "semicolons in tags": lambda given: f"<answer>{'; '.join(given)}</answer>",
    "bullets": lambda given: "Sure!\n" + "\n".join(f"- {name}" for name in given) + "\n\nThat is all of them.",
    "numbers": lambda given: "\n".join(f"{place}. {name}" for place, name in enumerate(given, 1)),
    "JSON": json.dumps,
    "fenced JSON": lambda given: f"Here you are:\n```json\n{json.dumps({'skills': given}, indent=1)}\n```",
}


@pytest.mark.parametrize("form", FORMS)
@given(given_names=names)
def test_every_form_of_the_same_list_reads_the_same(form, given_names):
    if any(name in ("none", "nil", "null", "nothing", "empty") or name.startswith("no ") for name in given_names):
        return
    assert list(read_skills(FORMS[form](given_names)).skills) == given_names


@given(st.text(max_size=300), st.booleans())
def test_no_text_makes_the_reader_raise(text, is_cut):
    found = read_skills(text, is_cut=is_cut)
    assert (found.reading == "listed") == bool(found.skills)
    assert all(name.strip() for name in found.skills)
