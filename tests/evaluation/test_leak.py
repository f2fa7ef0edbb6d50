"""The leak probe finds what was memorised, and nothing where nothing was."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from polymath.evaluation.leak import (
    cut_question,
    longest_common_subsequence,
    probe_leaks,
    rouge_l,
    summarize_leaks,
)
from polymath.testing import ScriptedPolicy, tiny_policy
from polymath.types import Completion, Sample

WORDS = st.lists(st.sampled_from("abc"), max_size=7)
SHIP = Sample(question="A ship sails nine miles a day. How far does it get in seven days?", answer="63")
FARM = Sample(question="A farm has 4 cows and twice as many hens as cows. How many hens?", answer="8")


class Recorder(ScriptedPolicy):
    """Knows the given questions by heart: says the rest of each, and then its answer."""

    def __init__(self, known, then=" It is {answer}."):
        super().__init__({})
        self.known, self.then = known, then
        self.samplings = []

    def sample(self, prompts, n, sampling, seed):
        self.calls.append((tuple(prompts), n))
        self.samplings.append(sampling)
        return [[self.finish(prompt.text)] * n for prompt in prompts]

    def finish(self, shown):
        for sample in self.known:
            if sample.question.startswith(shown):
                rest = sample.question.removeprefix(shown)
                return Completion(text=rest + self.then.format(answer=sample.answer), finish="eos")
        return Completion(text=" and so on", finish="eos")


def subsequences(words):
    return {picked for size in range(len(words) + 1) for picked in combinations(words, size)}


@given(WORDS, WORDS)
def test_the_longest_common_subsequence_is_the_longest_of_all_common_ones(first, second):
    expected = max(len(common) for common in subsequences(first) & subsequences(second))
    assert longest_common_subsequence(first, second) == expected


def test_rouge_l_of_a_sentence_worked_by_hand():
    # Common in order: rain, the, valley. Precision 3/4, recall 3/5: F = 2 * 3 / (4 + 5).
    candidate, reference = ["rain", "fills", "the", "valley"], ["rain", "has", "left", "the", "valley"]
    assert rouge_l(candidate, reference) == pytest.approx(2 / 3)
    assert rouge_l([], reference) == 0.0 and rouge_l(reference, reference) == 1.0


@pytest.mark.parametrize(
    ("question", "share", "parts"),
    [
        ("one two three four", 0.5, ("one two", "three four")),  # 9 of 18 characters reach into "three"
        ("one two three four", 0.2, ("one", "two three four")),
        ("one  two\n three", 0.6, ("one  two", "three")),
        ("aa bb", 0.4, ("aa", "bb")),  # exactly at the gap
        ("one two three four", 0.1, None),  # inside the first word
        ("oneword", 0.8, None),
        ("   ", 0.5, None),
        (" a b ", 0.9, ("a", "b")),  # outer blanks are no part of the question
    ],
)
def test_a_question_is_cut_at_the_last_whole_word(question, share, parts):
    assert cut_question(question, share) == parts


@given(st.text(alphabet="ab \n", max_size=40), st.floats(0.01, 0.99))
def test_a_cut_loses_no_word_and_leaves_none_empty(question, share):
    parts = cut_question(question, share)
    if parts is not None:
        assert parts[0].split() + parts[1].split() == question.split()
        assert parts[0] and parts[1] and len(parts[0]) <= round(share * len(question.strip()))


def test_a_memorised_problem_is_found_at_every_share_and_another_is_not():
    rows = probe_leaks(Recorder([SHIP]), [SHIP, FARM], batch_size=4)
    assert [(row.place, row.share) for row in rows] == [(p, share) for p in (0, 1) for share in (0.4, 0.6, 0.8)]
    known, unknown = rows[:3], rows[3:]
    assert all(row.is_exact and row.rouge_l == 1.0 and row.says_answer for row in known)
    assert not any(row.is_exact or row.says_answer for row in unknown)
    assert all(row.rouge_l < 0.5 for row in unknown)
    assert all(f"{row.shown} {row.rest}" == SHIP.question for row in known)
    assert {row.sample_id for row in known} == {SHIP.id}


def test_questions_are_asked_plainly_greedily_and_in_batches_of_similar_length():
    policy = Recorder([])
    long = Sample(question=SHIP.question * 4, answer="63")
    probe_leaks(policy, [long, FARM, SHIP], shares=(0.6,), batch_size=2, max_tokens=17)
    asked = [len(prompt.text) for prompts, _ in policy.calls for prompt in prompts]
    assert [len(prompts) for prompts, _ in policy.calls] == [2, 1] and asked == sorted(asked)
    assert not any(prompt.is_chat for prompts, _ in policy.calls for prompt in prompts)
    assert all((s.temperature, s.max_tokens) == (0.0, 17) for s in policy.samplings)


@pytest.mark.parametrize(
    ("continuation", "is_exact"),
    [
        (" hens as cows. How many hens?", True),
        ("\nHENS  as cows. How\nmany hens? Solution: none", True),
        (" hens as cows. How many hens", False),  # a mark is missing
        (" hens as cows. How", False),
        ("", False),
        (" many hens as cows. How many hens?", False),
    ],
)
def test_exact_means_the_same_words_from_the_start_in_any_case_and_spacing(continuation, is_exact):
    shown = "A farm has 4 cows and twice as many"
    policy = ScriptedPolicy({shown: [continuation]})
    (row,) = probe_leaks(policy, [FARM], shares=(0.56,))
    assert row.shown == shown
    assert row.is_exact is is_exact


@pytest.mark.parametrize(
    ("answer", "said", "found"),
    [
        ("12", "so it is 12.", True),
        ("12", r"\boxed{12}", True),
        ("12", "$12$", True),
        ("12", "112", False),
        ("12", "12.5", False),
        ("12", "12,500", False),
        ("12", "-12", False),
        ("-12", "that is -12", True),
        ("Red Sea", "the red\nsea", True),
        ("3", "x3", False),
    ],
)
def test_an_answer_counts_where_it_stands_by_itself(answer, said, found):
    sample = Sample(question="What is it that we are looking for?", answer=answer)
    (row,) = probe_leaks(ScriptedPolicy({}, default=said), [sample], shares=(0.5,))
    assert row.says_answer is found


def test_an_answer_that_the_question_holds_proves_nothing():
    sample = Sample(question="Is 4 or 5 the larger number of the two?", answer="5")
    (row,) = probe_leaks(ScriptedPolicy({}, default="5"), [sample], shares=(0.5,))
    assert row.says_answer is None
    (rates,) = summarize_leaks([row])
    assert rates.says_answer is None and rates.num_answers == 0 and rates.num_problems == 1


@pytest.mark.parametrize(("said", "found"), [("B", False), ("it is the heart", True), ("the lung", False)])
def test_the_answer_to_a_choice_is_the_text_of_its_option(said, found):
    sample = Sample(
        question="Which organ pumps the blood?", answer="B", answer_type="choice", choices=("Lung", "Heart")
    )
    (row,) = probe_leaks(ScriptedPolicy({}, default=said), [sample], shares=(0.5,))
    assert row.says_answer is found


def test_a_continuation_that_ran_out_of_tokens_is_counted():
    class Terse(ScriptedPolicy):
        def sample(self, prompts, n, sampling, seed):
            return [[Completion(text=" hens as", finish="length")] * n for _ in prompts]

    rows = probe_leaks(Terse({}), [FARM], shares=(0.6, 0.9))
    assert [row.is_cut_short for row in rows] == [True, False]  # at 0.9 only "hens?" is missing
    assert [rates.num_cut_short for rates in summarize_leaks(rows)] == [1, 0]


def test_rates_are_fractions_with_wilson_intervals():
    others = [FARM.model_copy(update={"question": f"{FARM.question} Case {n} of many."}) for n in range(9)]
    rows = probe_leaks(Recorder([SHIP]), [SHIP, *others], shares=(0.8, 0.4))
    few, many = summarize_leaks(rows)
    assert (few.share, many.share) == (0.4, 0.8)
    for rates in (few, many):
        assert rates.num_problems == 10
        assert rates.exact.mean == pytest.approx(0.1)
        expected = binomtest(1, 10).proportion_ci(method="wilson")
        assert (rates.exact.low, rates.exact.high) == pytest.approx((expected.low, expected.high))


def test_a_question_too_short_to_be_cut_has_no_row():
    assert probe_leaks(ScriptedPolicy({}), [Sample(question="2+2?", answer="4")]) == []
    assert summarize_leaks([]) == []


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 40])
def test_a_share_outside_zero_and_one_is_refused(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        probe_leaks(ScriptedPolicy({}), [SHIP], shares=(share,))


def test_a_real_model_with_random_weights_completes_nothing():
    rows = probe_leaks(tiny_policy(), [SHIP, FARM], shares=(0.5,), max_tokens=8)
    assert len(rows) == 2 and not any(row.is_exact for row in rows)
