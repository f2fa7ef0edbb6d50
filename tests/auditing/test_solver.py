"""What a solver's attempts say of the label: it is right, it is wrong, the text has two readings, or nothing."""

import math

import pytest

from polymath.auditing.solver import count_votes, find_solver
from polymath.types import Sample

SAMPLE = Sample(question="8 crates with 9 melons each?", answer="72", answer_type="number")


def reply(outcome, extracted):
    return {"lenient": {"outcome": outcome, "extracted": extracted}}


def replies(label, *others, silent=0):
    """So many attempts for the label, and so many for each of several other answers."""
    wrong = [reply("wrong", str(100 + place)) for place, count in enumerate(others) for _ in range(count)]
    return [reply("right", "72")] * label + wrong + [reply("wrong", None)] * silent


WRONG, SPLIT = "the label or the text is wrong", "can be read in two ways"
# attempts for the label, for each other answer, without one; ok, and what is said. The 95% Wilson interval of the
# label's share among the first two (scipy.stats.binomtest(k, n).proportion_ci(method="wilson")) ends at .785 for 4 of
# 8, .812 for 3 of 6, .850 for 2 of 4, .792 for 1 of 3, .658 for 0 of 2: below .8 it is refused.
VOTES = [
    (8, (), 0, True, "8 of 8"),
    (7, (1,), 0, True, "7 of 8"),
    (8, (2,), 0, True, "2 say '100'"),
    (4, (1, 1), 2, True, "2 without one"),
    (1, (), 0, True, "1 of 1"),
    # Half of the attempts are not for it; or another answer comes too often.
    (3, (1, 1, 1, 1, 1), 0, None, "to be sure"),
    (6, (2,), 0, None, "to be sure"),
    (5, (3,), 0, None, "to be sure"),
    (9, (7,), 0, None, "to be sure"),
    # A tie refuses from eight attempts on.
    (2, (2,), 0, None, "no clear majority"),
    (3, (3,), 0, None, "no clear majority"),
    (4, (4,), 0, False, SPLIT),
    (8, (8,), 0, False, SPLIT),
    (3, (5,), 0, False, SPLIT),
    (2, (6,), 0, False, SPLIT),
    (3, (4,), 1, False, SPLIT),
    (7, (7, 2), 0, False, SPLIT),
    # Hardly anybody gives it.
    (1, (7,), 0, False, WRONG),
    (0, (8,), 0, False, WRONG),
    (0, (2,), 0, False, WRONG),
    (1, (3,), 0, False, WRONG),
    (0, (4, 1), 3, False, WRONG),
    # A single other answer, scattered ones and silence say nothing.
    (0, (1,), 0, None, "no clear majority"),
    (1, (1,), 0, None, "no clear majority"),
    (0, (1, 1, 1), 1, None, "no clear majority"),
    (2, (3, 1, 1, 1), 0, None, "no clear majority"),
    (4, (4, 1, 1, 1, 1), 0, None, "no clear majority"),
    (0, (3,), 5, None, "no clear majority"),
    (0, (), 4, None, "gives an answer"),
]  # fmt: skip


@pytest.mark.parametrize(("label", "others", "silent", "ok", "told"), VOTES)
def test_a_label_passes_where_it_is_clear_and_is_refused_where_another_answer_is_as_frequent(
    label, others, silent, ok, told
):
    found = find_solver(replies(label, *others, silent=silent), SAMPLE)
    assert found.ok is ok and told in found.detail, found.detail
    assert found.decides


def chances(share, num_attempts=8):
    """The chance of each outcome where every attempt gives the label with this chance, and else one other answer."""
    found = {True: 0.0, False: 0.0, None: 0.0}
    for right in range(num_attempts + 1):
        weight = math.comb(num_attempts, right) * share**right * (1 - share) ** (num_attempts - right)
        found[find_solver(replies(right, num_attempts - right), SAMPLE).ok] += weight
    return found


def test_the_rule_hardly_ever_refuses_a_sound_label_and_hardly_ever_passes_one_reading_of_two():
    # Errors that all end at one answer are the worst case for a sound label.
    assert chances(0.9)[False] < 0.01 and chances(0.8)[False] < 0.06
    for num_attempts in (8, 16, 32):
        even = chances(0.5, num_attempts)
        assert even[False] > 0.5 and even[True] < 0.04
    assert chances(0.8, 32)[False] < 1e-3


def test_one_answer_in_several_spellings_is_one_answer():
    wrong = [reply("wrong", text) for text in ("100", "100.0", " 100 ", "1e2")]
    votes = count_votes([reply("right", "72"), reply("right", "72.0"), *wrong, reply("wrong", "17")], SAMPLE)
    assert (votes.label, votes.others) == (2, (("100", 4), ("17", 1)))


def test_what_the_judge_cannot_decide_is_no_vote():
    found = find_solver([*replies(4), *[reply("undecided", "x")] * 6], SAMPLE)
    assert found.ok is True and "4 of 4" in found.detail and "6 undecided" in found.detail
