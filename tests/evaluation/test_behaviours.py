"""Behaviours on hand-made responses, loops against brute force."""

from __future__ import annotations

import time

import numpy as np
import pytest

from polymath.evaluation.behaviours import (
    FORMS,
    ONE_SHOT_WORDS,
    POLYMATH_WORDS,
    WORDS,
    behaviours,
    compare_behaviours,
    loop_length,
    script_letters,
    traits_of,
)


def row(name, response, *, question="How many?", outcome="right", num_tokens=10, discipline="algebra", choices=None):
    return {
        "benchmark": "b",
        "id": name,
        "discipline": discipline,
        "question": question,
        "choices": choices,
        "response": response,
        "num_tokens": num_tokens,
        "strict": {"outcome": outcome, "extracted": "7"},
        "lenient": {"outcome": "right", "extracted": "7"},
    }


def test_the_lists_are_those_of_the_papers() -> None:
    assert POLYMATH_WORDS == ("wait", "verify", "yet", "re-evaluate", "recheck")
    assert ONE_SHOT_WORDS == ("rethink", "recheck", "recalculate")
    assert set(FORMS) == set(WORDS)
    assert all(word in FORMS[word] for word in WORDS)


@pytest.mark.parametrize(
    "response, word, exact, forms",
    [
        ("Wait, that is off. WAIT. wait!", "wait", 3, 3),
        ("She waits, waited and is waiting.", "wait", 0, 3),
        ("The waiter is on the wait-list; await it.", "wait", 0, 0),
        ("Wait—no. Wait--yes.", "wait", 2, 2),
        ("_Wait_, **wait**", "wait", 2, 2),
        ("We verify it, verified it; verification ends.", "verify", 1, 3),
        ("verify_sum(x) and unverify", "verify", 0, 0),
        (r"\text{verify} $verify$", "verify", 2, 2),
        ("Re-evaluate. re‑evaluate with a printer's hyphen", "re-evaluate", 2, 2),
        ("reevaluate, re evaluate, re-evaluating", "re-evaluate", 0, 2),
        ("Recheck; re-check; rechecking", "recheck", 1, 3),
        ("I rethought it and rethink.", "rethink", 1, 2),
        ("Recalculated, recalculate, recalculation", "recalculate", 1, 3),
        ("Not yet; Yeti.", "yet", 1, 1),
    ],
)
def test_words_are_matched_whole_in_any_case(response, word, exact, forms) -> None:
    found = traits_of(response)
    assert (found.exact[word], found.forms[word]) == (exact, forms)


def test_a_marker_word_of_the_question_is_not_counted_where_it_is_echoed() -> None:
    question = "A thread must wait for the lock before it runs. How long?"
    echo = "The text says that a thread must wait for the lock. So 3 seconds."
    assert traits_of(echo, question).exact["wait"] == 0
    assert traits_of(echo).exact["wait"] == 1
    assert traits_of(echo + " Wait, the lock is free.", question).exact["wait"] == 1


def test_an_echoed_option_is_an_echo() -> None:
    rows = [row("p", "I take B, wait until the bus comes.", choices=["walk", "Wait until the bus comes"])]
    assert behaviours(rows)["words"]["wait"]["num_exact"] == 0


def test_a_short_question_is_echoed_as_a_whole() -> None:
    assert traits_of("Why wait? I wait here.", "Why wait?").exact["wait"] == 1


@pytest.mark.parametrize(
    "response, num_blocks, num_python",
    [
        ("no code `x`", 0, 0),
        ("```python\nprint(1)\n```", 1, 1),
        ("```Python\n1\n```\nand\n```py\n2\n```", 2, 2),
        ("```\n1\n```", 1, 0),
        ("```python\nprint(1)\n```\n```output\n1\n```", 2, 1),
        ("so ```python\nnever closed", 1, 1),
        ("```python\nnot closed\n```python\nagain\n```", 2, 2),
        ("```pythonic\n1\n```", 1, 0),
    ],
)
def test_code_blocks_are_fences_that_open(response, num_blocks, num_python) -> None:
    found = traits_of(response)
    assert (found.num_code_blocks, found.num_python_blocks) == (num_blocks, num_python)


@pytest.mark.parametrize(
    "response, letters",
    [
        ("so x is 5 cm", {}),
        (r"thus \frac{1}{2} and \alpha", {"latin": 7}),
        ("因此 x = 5 cm", {"cjk": 2}),
        ("因此 the answer", {"latin": 9, "cjk": 2}),
        ("ответ", {"cyrillic": 5}),
        ("θ = 3 µm, ℝ, 𝑥, 10 Ω", {}),
        ("カタカナとひらがな", {"cjk": 9}),
        ("답은", {"hangul": 2}),
        ("café", {"latin": 4}),
    ],
)
def test_letters_are_counted_by_script_without_formulas(response, letters) -> None:
    assert script_letters(response) == letters


@pytest.mark.parametrize(
    "response, is_mixed",
    [
        ("The answer is 5.", False),
        ("因此 x = 5 cm \\boxed{5}", False),
        ("The answer 因此 is 5.", True),
        ("The answer 因 is 5.", False),
        ("word " * 100 + "因此", False),
        ("Ответ the answer", True),
        ("The angle θ and the set ℝ", False),
        ("", False),
    ],
)
def test_mixing_takes_two_scripts_with_two_letters_and_a_hundredth_each(response, is_mixed) -> None:
    assert traits_of(response).is_mixed is is_mixed


def loop_by_brute_force(text):
    text, longest = text.rstrip(), 0
    for period in range(1, len(text)):
        size = period
        while size < len(text) and text[-1 - size] == text[-1 - size + period]:
            size += 1
        if size >= max(3 * period, 60):
            longest = max(longest, size)
    return longest


@pytest.mark.parametrize("seed", range(30))
def test_the_looped_end_is_what_every_period_says(seed) -> None:
    generator = np.random.default_rng(seed)
    unit = "".join(generator.choice(list("ab "), size=int(generator.integers(1, 40))))
    head = "".join(generator.choice(list("ab "), size=int(generator.integers(0, 60))))
    text = head + unit * int(generator.integers(1, 8)) + unit[: int(generator.integers(0, len(unit) + 1))]
    assert loop_length(text) == loop_by_brute_force(text)


@pytest.mark.parametrize(
    "response, length",
    [
        ("The answer is 5. " * 5, 84),
        ("The answer is 5. " * 2, 0),
        # Five units of twelve, five letters of the sixth, and the space before, with which a unit ends.
        ("First this. " + "So it is 7, " * 5 + "So it", 66),
        ("So it is 7, " * 9 + "and that ends it.", 0),
        ("-" * 60, 60),
        ("-" * 59, 0),
        ("", 0),
    ],
)
def test_a_loop_is_said_three_times_at_the_end_over_sixty_characters(response, length) -> None:
    assert loop_length(response) == length
    assert traits_of(response).is_looped is (length > 0)


def test_long_loops_are_found_in_linear_time() -> None:
    started = time.perf_counter()
    assert loop_length("ab" * 50_000) == 100_000
    assert time.perf_counter() - started < 3


def test_repetition_is_the_share_of_grams_said_before() -> None:
    # "ab" fifty times: 81 grams of twenty characters, two of them distinct.
    assert traits_of("ab" * 50).repeated_frac == pytest.approx(79 / 81)
    assert traits_of("short").repeated_frac == 0.0


ROWS = [
    row("p", "Wait. Wait. I recheck.", num_tokens=8),
    row("p", "Let me verify: 7", outcome="wrong", num_tokens=6),
    row("q", "```python\n7\n```", outcome="wrong", num_tokens=10, discipline="physics"),
    row("r", "答案 means seven", outcome="undecided", num_tokens=3, discipline="physics"),
]


def test_behaviours_are_counted_by_response_and_by_discipline() -> None:
    found = behaviours(ROWS)
    assert found["num_responses"] == 4
    assert found["words"]["wait"] == {"num_exact": 2, "num_forms": 2, "num_responses": 1}
    assert found["num_responses_one_shot_words"] == 1
    assert (found["num_python_blocks"], found["num_responses_python"], found["num_responses_code"]) == (1, 1, 1)
    assert found["num_responses_mixed"] == 1
    assert list(found["disciplines"]) == ["algebra", "physics"]
    assert found["disciplines"]["algebra"]["words"]["verify"]["num_responses"] == 1
    assert found["disciplines"]["physics"]["words"]["verify"]["num_responses"] == 0
    # Wait Wait recheck (15), Let verify (9), python (6), means seven (10), and two characters.
    assert found["script_frac"] == pytest.approx({"latin": 40 / 42, "cjk": 2 / 42})


def test_length_is_by_verdict_with_its_number() -> None:
    length = behaviours(ROWS)["length"]
    assert length["right"] == {"mean_tokens": 8.0, "n": 1}
    assert length["wrong"] == {"mean_tokens": 8.0, "n": 2}
    assert length["undecided"] == {"mean_tokens": 3.0, "n": 1}
    assert behaviours(ROWS, reading="lenient")["length"]["wrong"] == {"mean_tokens": None, "n": 0}


def test_no_rows_are_no_behaviour() -> None:
    found = behaviours([])
    assert (found["num_responses"], found["repeated_frac"], found["script_frac"]) == (0, None, {})


def test_behaviours_are_compared_by_problem_in_responses_of_a_thousand() -> None:
    before = [row(str(place), "Seven.", num_tokens=5) for place in range(10)] + [row("only before", "Wait.")]
    after = [row(str(place), "Wait, recheck." if place < 4 else "Seven.", num_tokens=9) for place in range(10)]
    found = {one.name: one for one in compare_behaviours(before, after)}
    wait = found["wait"]
    assert (wait.before, wait.after, wait.num_problems) == (0.0, 400.0, 10)
    # Four of ten: the resampled mean is binomial(10, .4) / 10, from 1 to 7 at .025 and .975.
    assert (wait.difference.low, wait.difference.mean, wait.difference.high) == pytest.approx((100.0, 400.0, 700.0))
    assert found["one_shot_words"].after == 400.0
    assert found["verify"].difference.mean == 0.0
    assert found["mean_tokens"].difference.mean == pytest.approx(4.0)
    assert found["mean_tokens"].difference.low == found["mean_tokens"].difference.high == pytest.approx(4.0)


def test_several_draws_are_one_problem_in_the_comparison() -> None:
    before = [row("p", "Seven."), row("p", "Wait.")]
    (found,) = [one for one in compare_behaviours(before, [row("p", "Wait.")]) if one.name == "wait"]
    assert (found.before, found.after) == (500.0, 1000.0)


def test_nothing_shared_is_no_comparison() -> None:
    assert compare_behaviours([row("p", "Seven.")], [row("q", "Seven.")]) == []
