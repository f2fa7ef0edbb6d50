"""Plans: what is wrong is one line, what is stored holds no secret, and who writes what is fixed by the seed."""

import json
import re
from collections import Counter

import pytest

from polymath.errors import UserError
from polymath.synthesis.candidates import assign
from polymath.synthesis.instructions import ANSWERS, CATEGORIES, INSTRUCTIONS, list_briefs, render_instruction
from polymath.synthesis.plan import make_plan, read_plan
from tests.conftest import ROOT

SECRET = "sk-a-key-that-stands-in-the-wrong-place"
ENDPOINT = {"url": "http://localhost:1/v1", "model": "m"}


def table(**changes):
    return {"candidates": 4, "writers": {"w": ENDPOINT}, "solvers": {"s": ENDPOINT}, **changes}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"candidates": 0}, "candidates: "),
        ({"candidatess": 4}, "did you mean candidates?"),
        ({"writers": {}}, "writers: "),
        ({"writers": {"w": {**ENDPOINT, "wieght": 2}}}, "did you mean weight?"),
        ({"writers": {"w": {"url": "http://localhost:1/v1"}}}, "writers.w.model: "),
        ({"writers": {"w": {**ENDPOINT, "url": "localhost:1"}}}, "no http address"),
        ({"writers": {"a/b": ENDPOINT}}, "use letters, digits"),
        ({"solvers": {"s": {**ENDPOINT, "attempts": 0}}}, "solvers.s.attempts: "),
        ({"solvers": {"s": {**ENDPOINT, "temperature": 0, "attempts": 2}}}, "paid for and say the same"),
        ({"solvers": {"s": {**ENDPOINT, "template": "none"}}}, "there is no 'none'"),
        ({"instruction": {"variants": ["fuzed"]}}, "there is no 'fuzed'"),
        ({"instruction": {"answers": ["essay"]}}, "there is no 'essay'"),
        ({"instruction": {"disciplines": [[]]}}, "an empty list"),
        ({"instruction": {"file": "/nowhere/at/all.txt"}}, "cannot be read"),
        ({"accept": {"agreement": 0}}, "accept.agreement: "),
        ({"filters": {"low": 5, "high": 4}}, "nothing would pass"),
        ({"probe": {"min_pass_rate": 0.5, "max_pass_rate": 0.4}}, "nothing would pass"),
        ({"budget": {"money": 1.0}}, "budget.money needs price_in and price_out"),
    ],
)
def test_what_is_wrong_in_a_plan_is_one_line_with_a_remedy(changes, said):
    with pytest.raises(UserError) as caught:
        make_plan(table(**changes), where="plan.toml")
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "section",
    [
        {**ENDPOINT, "key_env": 7, "model": SECRET[:0]},
        {**ENDPOINT, "api_key": SECRET},
        {"url": f"http://u:{SECRET}@host/v1", "model": "m"},
        {"key_env": SECRET},
        {**ENDPOINT, "key_env": [SECRET]},
    ],
)
def test_no_complaint_shows_a_key(section):
    with pytest.raises(UserError) as caught:
        make_plan(table(writers={"w": section}))
    assert SECRET not in str(caught.value)


def test_what_is_stored_holds_neither_addresses_nor_names_of_keys():
    plan = make_plan(table(writers={"w": {**ENDPOINT, "key_env": SECRET, "url": f"http://h/v1?key={SECRET}"}}))
    stored = json.dumps(plan.stored())
    assert SECRET not in stored and "localhost" not in stored and '"model": "m"' in stored


def test_the_documented_plan_is_one_and_fuses_what_it_says(tmp_path):
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "synthesis.md").read_text(), re.DOTALL)
    (tmp_path / "plan.toml").write_text(example)
    plan = read_plan(tmp_path / "plan.toml", ["candidates=30"])
    assert Counter(one.writer for one in assign(plan)) == {"o3": 20, "local": 10}


def test_overrides_reach_every_key(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(
        'candidates = 4\n[writers.w]\nurl = "http://h/v1"\nmodel = "m"\n[solvers.s]\nurl = "http://h/v1"\nmodel = "m"\n'
    )
    plan = read_plan(path, ["candidates=7", "writers.w.model=other", "accept.agreement=1.0"])
    assert (plan.candidates, plan.writers["w"].model, plan.accept.agreement) == (7, "other", 1.0)


@pytest.mark.parametrize(
    ("text", "said"), [(None, "no such plan"), ("a = = 1", "is not TOML"), (b"\xff", "cannot be read")]
)
def test_a_file_that_is_no_plan_is_one_line(tmp_path, text, said):
    path = tmp_path / "plan.toml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=said):
        read_plan(path)


def test_writers_have_their_share_at_every_moment_and_more_candidates_change_nothing_before():
    writers = {name: {**ENDPOINT, "weight": weight} for name, weight in (("a", 3.0), ("b", 1.0))}
    assigned = assign(make_plan(table(candidates=40, writers=writers)))
    assert Counter(one.writer for one in assigned) == {"a": 30, "b": 10}
    for count in range(1, 41):
        assert abs(sum(one.writer == "a" for one in assigned[:count]) - 0.75 * count) <= 1
    assert assign(make_plan(table(candidates=15, writers=writers))) == assigned[:15]


def test_every_writer_goes_through_all_briefs():
    writers = {"a": ENDPOINT, "b": ENDPOINT}
    asked = {"variants": ["fused", "specialist"], "answers": ["integer", "quantity"]}
    plan = make_plan(table(candidates=48, writers=writers, instruction=asked))
    for name in writers:
        briefs = Counter(one.brief for one in assign(plan) if one.writer == name)
        assert len(briefs) == 2 + 2 * len(CATEGORIES) and set(briefs.values()) == {2}
    again = make_plan(table(candidates=48, writers=writers, instruction=asked, seed=1))
    assert [one.brief for one in assign(again)] != [one.brief for one in assign(plan)]


def test_every_instruction_is_filled_in_and_says_what_is_demanded():
    briefs = list_briefs(tuple(INSTRUCTIONS), tuple(ANSWERS), ())
    assert len(briefs) == (2 + len(CATEGORIES)) * len(ANSWERS)
    texts = [render_instruction(brief) for brief in briefs]
    assert len(set(texts)) == len(texts)
    for brief, text in zip(briefs, texts, strict=True):
        assert "{" not in text and "FORM" not in text
        assert all(name in text for name in brief.disciplines)
        for demand in ("high school", "____", "estimated", "by hand", '"question"', '"answer"', '"solution"'):
            assert demand in text
        assert ("from 1 to 1000" in text) == (brief.answer == "integer")


def test_a_file_of_ones_own_is_sent_as_it_stands():
    (brief,) = list_briefs((), (), (("law", "economics"),), is_file=True)
    assert render_instruction(brief, "Fuse {disciplines}. {not a field} \\boxed{}") == (
        "Fuse law and economics. {not a field} \\boxed{}"
    )
    briefs = list_briefs((), (), (), ("knots", "algebra"), is_file=True)
    assert [render_instruction(brief, "On {category}.") for brief in briefs] == [
        "On knots.",
        f"On {CATEGORIES['algebra']}.",
    ]
