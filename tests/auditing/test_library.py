"""The library under the audit and a solver: the flawed are refused for the reason that is theirs, the sound are not.

The solver is a server on this machine that says what is right by exact arithmetic (library_labels), with one slip in
eight attempts; where a text can be read in two ways, it takes them in turn.
"""

import pytest

from polymath.auditing import AuditSettings, audit_samples
from polymath.evaluating import Served, Settings
from polymath.samples.catalogue import entries, flawed_names, sound_names
from tests.samples.test_library import as_answer, right_answer
from tests.servers import say, serve

SLIP = 3


class Solver:
    """Replies by prompt and attempt."""

    def __init__(self, asked):
        self.entries = asked
        self.answers = {entry.sample.id: as_answer(right_answer(entry)) for entry in asked}

    def __call__(self, prompt, attempt):
        entry = next(one for one in self.entries if one.sample.question in prompt)
        if "also" in entry.sample.meta and attempt % 2:
            return say(rf"It may also be meant otherwise. \boxed{{{entry.sample.meta['also']}}}")
        if attempt == SLIP:
            return say(r"Slipping, I end at \boxed{-987}.")
        return say(rf"I work it out. \boxed{{{self.answers[entry.sample.id]}}}")


def audit(names, folder):
    """Name and Audit of every sample of these names, with a solver that attempts each eight times."""
    asked = [entry for entry in entries() if entry.name in names]
    with serve(Solver(asked)) as server:
        settings = AuditSettings(
            solver=server.url, solver_settings=Settings(served=Served(model="m")), num_attempts=8, against=("lab",)
        )
        audits = audit_samples([one.sample for one in asked], settings, folder)
    return [(entry.name, audited) for entry, audited in zip(asked, audits, strict=True)]


# The checks that refuse it, and what they say.
REASONS = {
    "flawed-ambiguous": {"solver": "can be read in two ways"},
    "flawed-wrong-label": {"solver": "the label or the text is wrong"},
    # 10 times the cube root of 2: whoever works exactly does not end at 12.6.
    "flawed-rounded": {"label": "only after rounding", "solver": "the label or the text is wrong"},
    "flawed-guessable": {"guessable": "nothing has to be computed for it"},
    "flawed-two-options": {"guessable": "2 options"},
    "flawed-leaking": {"in the text": "a leak"},
    "flawed-shortcut": {"shortcut": "the sum of all numbers"},
}


@pytest.fixture(scope="module")
def flawed(tmp_path_factory):
    return dict(audit(flawed_names(), tmp_path_factory.mktemp("flawed")))


def test_every_flawed_sample_has_its_reason():
    assert sorted(REASONS) == sorted(flawed_names())


@pytest.mark.parametrize("name", sorted(REASONS))
def test_a_flawed_sample_is_refused_for_its_flaw_and_for_nothing_else(flawed, name):
    bad = {one.check: one.detail for one in flawed[name].findings if one.ok is False}
    assert not flawed[name].is_sound and set(bad) == set(REASONS[name]), bad
    assert all(told in bad[check] for check, told in REASONS[name].items()), bad


def test_what_only_a_solver_sees_is_left_open_by_the_text_which_says_so(flawed):
    for name in ("flawed-ambiguous", "flawed-wrong-label"):
        label = next(one for one in flawed[name].findings if one.check == "label")
        assert label.ok is None and "a solver can tell" in label.detail


def test_the_text_of_the_ambiguous_one_is_told_with_both_answers(flawed):
    told = next(one.detail for one in flawed["flawed-ambiguous"].findings if one.check == "solver")
    assert "4 of 8 attempts agree with the label" in told and "4 say '100'" in told


def test_no_sound_sample_is_refused_by_a_solver_that_slips_once(tmp_path):
    found = audit([*sound_names(), "retelling-exact"], tmp_path)
    assert [(name, audited.reasons) for name, audited in found if not audited.is_sound] == []
    solved = [next(one for one in audited.findings if one.check == "solver") for _, audited in found]
    assert len(solved) > 40
    assert all(one.ok is True and "7 of 8" in one.detail for one in solved)
