"""The audit of a sample's own text: sound samples pass, each flaw is found by the check that is there for it."""

from fractions import Fraction
from math import comb, gcd

import pytest

from polymath.judge import judge
from polymath.samples.arithmetic import evaluate
from polymath.samples.audit import DECIDES, audit_text, check_balance, check_choices, is_sound
from polymath.samples.exactness import check_label, check_solution
from polymath.samples.near_misses import near_misses
from polymath.samples.pools import read_pool
from polymath.samples.shortcuts import check_guessable, check_shortcut, check_text, simple_results
from polymath.samples.solution import read_steps
from polymath.samples.sources import find_sample, library_names
from polymath.samples.tokens import Unreadable, numbers_in, tokenize
from polymath.types import Sample
from tests.conftest import ROOT

# expression, its exact value worked out by hand or by Python
VALUES = [
    ("8*3 + 3*2", Fraction(30)),
    ("2 + 3 × 4", Fraction(14)),
    ("(2 + 3)·4", Fraction(20)),
    ("1/3 - 1/4", Fraction(1, 12)),
    ("2^10", Fraction(1024)),
    ("-2^2", Fraction(-4)),
    ("10²", Fraction(100)),
    ("1,200 / 4", Fraction(300)),
    ("6.6e-3 * 2", Fraction(132, 10_000)),
    ("4 × 10^-7 * 5", Fraction(2, 1_000_000)),
    ("9e-19 / 3 × 10⁻¹⁹", Fraction(3)),
    ("30 bonds * 20 kJ/mol", Fraction(600)),
    ("25% of 80", Fraction(20)),
    ("17 mod 5", Fraction(2)),
    ("5!", Fraction(120)),
    ("gcd(112, 28)", Fraction(gcd(112, 28))),
    ("binom(9, 4)", Fraction(comb(9, 4))),
    (r"\frac{3}{4} \cdot \frac{2}{9}", Fraction(1, 6)),
    (r"2\frac{1}{4}", Fraction(9, 4)),
    (r"\sqrt{144} + 1", Fraction(13)),
    (r"\sqrt[3]{27}", Fraction(3)),
    ("the cube root of 64", Fraction(4)),
    ("ceil(2.0049)", Fraction(3)),
    (r"\lfloor 7/2 \rfloor", Fraction(3)),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_an_expression_has_its_exact_value(text, value):
    assert evaluate(tokenize(text)).value == value


@pytest.mark.parametrize("text", ["", "3 4", "2 +", "* 3", "f(2)", "9^9^9^9", "500!", "1/0", "(2", "__import__('os')"])
def test_what_is_no_expression_or_too_large_is_not_read(text):
    with pytest.raises(Unreadable):
        evaluate(tokenize(text))


def test_digits_inside_words_are_no_numbers():
    assert numbers_in("5 g of H2O at 1,200 °C and 3e2 Pa") == [5, 1200, 300]


# solution, the kinds of its steps in order
STEPS = [
    ("6*7=42. 42+12=54.", ["exact", "exact"]),
    ("There are 8 GC pairs and 3 AT pairs, so 8*3 + 3*2 = 30 bonds.", ["exact"]),
    ("2/3 ≈ 0.667, and 0.667*3 = 2.", ["rounded", "exact"]),
    ("38/3 = 12.67 ≈ 13", ["rounded", "rounded"]),
    ("12 * 3 = 37 eggs.", ["off"]),
    ("2.0 / 3 = 0.7, then 5 + 5 = 11", ["rounded", "off"]),
    (r"$\sqrt[3]{2048} \approx 12.8$", ["off"]),
    (r"$\sqrt[3]{2048} \approx 12.7$", ["rounded"]),
    ("800 × 480 = 384000 J, which is 384 kJ", ["exact", "exact"]),
    ("17/5 = 3 remainder 2", ["exact"]),
    ("1 - 0.9^3 = 27.1%", ["exact"]),
    ("18 / 450 x 100 = 4%", ["exact"]),
    # What cannot be told apart from something right is not called wrong.
    ("2x + 3 = 11", ["unclear"]),
    ("2pq = 2 * 0.95 * 0.05", ["unclear"]),
    ("the product of 3 and 4 + 2 = 14", ["unclear"]),
    ("log 8 = 3 * 1", ["unclear"]),
    ("of 2 × 3 apples, which are 50 g each", ["unclear"]),
    ("a_1 = 14 * 6^2", []),
    ("the sum of 3 and 4 = 7, and E = hc/λ", []),
]


@pytest.mark.parametrize(("solution", "kinds"), STEPS)
def test_every_step_is_exact_rounded_off_or_left_open(solution, kinds):
    assert [step.kind for step in read_steps(solution)] == kinds


def test_a_rounded_number_counts_with_its_exact_value_later_on():
    steps = read_steps("10/3 = 3.33. 3.33 * 3 = 10")
    assert [step.exact for step in steps] == [Fraction(10, 3), Fraction(10)]


# Of arXiv 2601.03111, Table 2: 30 bonds, 2.00492 photons; in our words, with either label.
PHOTONS = (
    "30 × 20000 / 6.022e23 = 9.9635e-19 J. 6.626e-34 × 3.00e8 / 400e-9 = 4.9695e-19 J. "
    "9.9635e-19 / 4.9695e-19 = 2.0049."
)


def photons(answer, question="What is the minimum number of photons needed for 30 bonds of 20000 J/mol?"):
    return Sample(question=question, answer=answer, answer_type="number", solution=PHOTONS)


def test_a_minimum_is_the_next_whole_number_and_the_published_label_is_not():
    bad, good = check_label(photons("2")), check_label(photons("3"))
    assert bad.ok is False and "2.00492" in bad.detail and "it is 3" in bad.detail
    assert good.ok is True and "2.00492" in good.detail


def test_the_same_quotient_asked_to_the_nearest_whole_number_is_2():
    asked = "To the nearest whole number, how many times the energy of one photon is this?"
    assert check_label(photons("2", asked)).ok is True
    assert check_label(photons("2", "How many times the energy of one photon is this?")).ok is False


def sail(answer, question="Find the wind velocity."):
    # The numbers of pi_1 (arXiv 2504.20571, label 12.8): 2048^(1/3) = 12.699.
    return Sample(
        question=question, answer=answer, answer_type="number", solution=r"$V = \sqrt[3]{2048} \approx 12.70$."
    )


def test_the_label_of_pi_1_is_not_even_the_rounded_value():
    wrong = check_solution(sail("12.8"))
    assert wrong.ok is False and "12.7" in wrong.detail
    rounded = check_label(sail("12.7"))
    assert rounded.ok is False and "12.6992" in rounded.detail
    assert check_label(sail("12.7", "Find the wind velocity to one decimal place.")).ok is True
    assert check_label(sail("12.7").model_copy(update={"tolerance": 0.01})).ok is True


# question, exact value, label, is it sound
WORDINGS = [
    ("Each must hold at least 40 kg. What is the mean mass, rounded to the nearest whole number?", "37/3", "12", True),
    ("Each must hold at least 40 kg. What is the mean mass, rounded to the nearest whole number?", "37/3", "13", False),
    ("The largest number of visitors was 900. What was the mean, rounded to a whole number?", "3000/7", "429", True),
    ("The largest number of visitors was 900. What was the mean?", "3000/7", "428", False),
    ("How many buses of 30 seats are needed for 100 people?", "100/30", "4", True),
    ("How many buses of 30 seats are needed for 100 people? Round up.", "100/30", "4", True),
    ("Each bus needs a driver. What is the minimum number of buses of 30 seats for 100 people?", "100/30", "3", False),
    ("Masses are rounded to whole kg. At least how many bags hold 100 kg, 30 kg each?", "100/30", "4", True),
    ("A gate stays open for at least 40 s. Its mean speed is ____ mm/s, to one decimal place.", "37/3", "12.3", True),
]  # fmt: skip


@pytest.mark.parametrize(("question", "exact", "label", "ok"), WORDINGS)
def test_rounding_words_come_first_and_a_minimum_counts_only_where_the_question_asks(question, exact, label, ok):
    solution = f"{exact} ≈ {float(Fraction(exact)):.4f}"
    assert check_label(Sample(question=question, answer=label, answer_type="number", solution=solution)).ok is ok


def test_a_maximum_of_whole_things_is_rounded_down():
    question = "How many full crates of 12 can be packed from 100 jars?"
    sample = Sample(question=question, answer="8", answer_type="number", solution="100 / 12 = 8.33")
    assert check_label(sample).ok is True
    assert check_label(sample.model_copy(update={"answer": "9"})).ok is False


def test_a_solution_that_ends_elsewhere_or_does_not_hold_is_found():
    base = {"question": "How many legs have 7 cats?", "answer": "28", "answer_type": "number"}
    assert check_solution(Sample(**base, solution="7*4 = 28")).ok is True
    assert check_solution(Sample(**base, solution="7*4 = 29")).ok is False
    assert check_solution(Sample(**base, solution="7*4 = 28, plus tails 28+7 = 35. \\boxed{35}")).ok is False
    assert check_solution(Sample(**{**base, "answer": "27"}, solution="7*4 = 28")).ok is False
    assert check_solution(Sample(**{**base, "answer": "90"}, solution="7*4 = 28")).ok is False
    assert check_solution(Sample(**base)).ok is None


# sample, near misses that must be among those tried
NEAR = [
    ({"answer": "42", "answer_type": "number"}, {"43", "41", "-42", "420", "4.2"}),
    ({"answer": "12.7", "answer_type": "number"}, {"12.8", "12.6", "13", "-12.7", "127"}),
    ({"answer": "3/4", "answer_type": "number"}, {r"\frac{4}{3}", "-0.75", "1.75"}),
    ({"answer": "5", "answer_type": "quantity", "unit": "N"}, {"6", "-5", "5 kg"}),
    ({"answer": "B", "answer_type": "choice", "choices": ("1", "2", "3")}, {"A", "C", "B or A"}),
    ({"answer": "yes", "answer_type": "boolean"}, {"no"}),
    ({"answer": "[3, 5]", "answer_type": "list"}, {"[5, 3]", "[3]", "[3, 6]"}),
    ({"answer": "SO4^2-", "answer_type": "formula"}, {"S2O4^2-"}),
    ({"answer": "2H2 + O2 -> 2H2O", "answer_type": "reaction"}, {"2 H2O -> 2 H2 + O2", "3 H2 + O2 -> 2 H2O"}),
    ({"answer": "the mantle", "answer_type": "text"}, {"not the mantle"}),
    ({"answer": r"14\sqrt{3}", "answer_type": "expression"}, {r"-(14\sqrt{3})", r"14\sqrt{4}"}),
]


@pytest.mark.parametrize(
    ("fields", "expected"), NEAR, ids=[fields["answer_type"] + fields["answer"] for fields, _ in NEAR]
)
def test_near_misses_of_every_answer_type_are_tried_and_judged_wrong(fields, expected):
    sample = Sample(question="q", **fields)
    misses = {miss.answer for miss in near_misses(sample)}
    assert expected <= misses
    assert {judge(rf"\boxed{{{answer}}}", sample).outcome for answer in misses} == {"wrong"}


@pytest.mark.parametrize(
    "fields",
    [
        {"answer": "40", "answer_type": "number", "tolerance": 0.05},
        {"answer": "3", "answer_type": "number", "aliases": ("4",)},
        {"answer": "mantle", "answer_type": "text", "aliases": ("not mantle",)},
    ],
)
def test_a_reward_that_takes_a_near_miss_is_unsound(fields):
    findings = audit_text(Sample(question="q", **fields))
    assert failed(findings) >= {"near misses"}


def test_a_measured_value_may_miss_by_its_tolerance():
    sample = Sample(question="q", answer="9.81", answer_type="number", tolerance=0.01)
    assert "near misses" not in failed(audit_text(sample))


def failed(findings):
    return {finding.check for finding in findings if finding.ok is False}


def test_its_own_answer_must_be_judged_right():
    sample = Sample(question="q", answer="5", answer_type="quantity", unit="W", missing_unit="wrong")
    findings = audit_text(sample)
    assert failed(findings) == {"reference"} and not is_sound(findings)


@pytest.mark.parametrize(
    ("answer", "ok"),
    [("2H2 + O2 -> 2H2O", True), ("H2 + O2 -> H2O", False), ("Fe^{2+} -> Fe^{3+}", False), ("heat", None)],
)
def test_reactions_must_balance_in_atoms_and_charge(answer, ok):
    assert check_balance(Sample(question="q", answer=answer, answer_type="reaction")).ok is ok


@pytest.mark.parametrize(
    ("choices", "ok"),
    [
        (("1", "2", "3"), True),
        (("red", "Red "), False),
        (("1/2", "0.5", "3"), False),
        (("5 m", "5 s"), True),
        (("1",), False),
    ],
)
def test_options_must_differ(choices, ok):
    assert check_choices(Sample(question="q", answer="A", answer_type="choice", choices=choices)).ok is ok


LEAKS = [
    ("A tin holds 6 rows of 4 sweets.", "24", "6*4=24", True),
    ("A tin holds 6 rows of 4 sweets, 24 in all.", "24", "6*4=24", False),
    ("6 rows of 4 sweets; the answer is 24.", "24", None, False),
    ("Of 24 sweets in 6 rows, how many are there twice over, halved?", "24", "24*2=48. 48/2=24", True),
    ("A tin holds 24 sweets.", "24", None, None),
    ("An energy meter shows 24 kJ after 6 minutes at 4 kW.", "24", "6*4=24", False),
    # A number of something else, in an equation, or inside a formula, is no statement of the answer.
    ("The fare for 24 people was paid by 6 rows of 4.", "24", "6*4=24", None),
    ("Ruth is 6 times older than Samir. In 9 years, she is 3 times as old. How old is he?", "6", "18/3=6", None),
    ("If 6x + 24 = 4x + 72, what is x?", "24", "48/2=24", None),
    ("What is $x$ if $y = 24$ and $4x = 96$?", "24", "96/4=24", None),
    ("The solution to $-4 < 2(x - 1) < 8$ is expressed as $a < x < b$. Find $a + b$.", "4", "-1+5=4", None),
]


@pytest.mark.parametrize(("question", "answer", "solution", "ok"), LEAKS)
def test_an_answer_in_the_text_is_a_leak_unless_the_solution_starts_from_it(question, answer, solution, ok):
    sample = Sample(question=question, answer=answer, answer_type="number", solution=solution)
    assert check_text(sample).ok is ok


def test_words_in_the_text_are_a_leak_too():
    sample = Sample(question="Which layer lies under the crust, the mantle?", answer="mantle", answer_type="text")
    assert check_text(sample).ok is False
    assert check_text(sample.model_copy(update={"question": "Which layer lies under the crust?"})).ok is True


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is she facing north, south, east or west?", "east"),
        ("Is the sum even, odd, or neither?", r"\text{even}"),
        ("Find the shape of z = c. (A) Line (B) Circle (C) Plane", r"\text{(C)}"),
        ("Ines earns 12 an hour and Bela 13. Who earns more?", "Bela"),
    ],
)
def test_one_of_the_options_that_a_question_lists_is_no_leak(question, answer):
    assert check_text(Sample(question=question, answer=answer, answer_type="text")).ok is None


GUESSES = [
    ({"question": "q", "answer": "1", "answer_type": "number"}, None),
    # Nothing is computed for it; and the same label at the end of a computation.
    ({"question": "An acid of 0.1 mol/L has the pH ____.", "answer": "1", "answer_type": "number",
      "solution": "The pH is 1."}, False),
    ({"question": "Of 18 eggs, 17 hatch. How many do not?", "answer": "1", "answer_type": "number",
      "solution": "18 - 17 = 1"}, None),
    ({"question": "q", "answer": "37", "answer_type": "number"}, True),
    ({"question": "q", "answer": "yes", "answer_type": "boolean"}, False),
    ({"question": "q", "answer": "A", "answer_type": "choice", "choices": ("x", "y")}, False),
    ({"question": "q", "answer": "A", "answer_type": "choice", "choices": ("w", "x", "y", "z")}, True),
    ({"question": "A whole number from 4 to 6, which?", "answer": "5", "answer_type": "number"}, False),
    ({"question": "A whole number from 4 to 60, which?", "answer": "5", "answer_type": "number"}, True),
    ({"question": "Is it larger or smaller?", "answer": "larger", "answer_type": "text"}, False),
    ({"question": "Is it north, south, east or west?", "answer": "west", "answer_type": "text"}, True),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "ok"), GUESSES)
def test_a_small_answer_set_is_guessable(fields, ok):
    assert check_guessable(Sample(**fields)).ok is ok


SHORTCUTS = [
    # One product is all the work.
    ("8 crates of 9 melons", "72", "8*9=72", True),
    # The sum of all three is the label by accident.
    ("A sledge of 47 kg, 9 m, 7 N", "63", "7*9=63", False),
    # A difference or one of two numbers must be chosen: possible, and met by chance too often to refuse.
    ("30 apples in, 12 eaten", "18", "30+12=42. 42-24=18", None),
    # 2*4*0.5 is the work, and the 4 of the text meets it by chance.
    ("A wire of 2.0 m with 4.0 A in a field of 0.50 T", "4.0", "0.50*4.0*2.0=4.0", None),
    # Exponents and coefficients are not added up.
    ("Simplify $(u+4)(u-1) - (u-3)(u+6)$ at u = 9.", "23", "13*8-6*15=14. 14+9=23", None),
    # The same equation twice is one piece of work.
    ("Of 80 and 150", "230", "150 + 80 = 230. Altogether 150 + 80 = 230", True),
    ("A cord of 60 cm is tied twice around.", "60", "60*2=120. 120/2=60", False),
    ("A force of 6 over 7 and 4 over 3", "54", "6*7=42. 4*3=12. 42+12=54.", True),
    ("Of 5 and 80", "80", "5*16=80", None),
    ("8 crates of 9 melons", "72", None, None),
]


@pytest.mark.parametrize(("question", "answer", "solution", "ok"), SHORTCUTS)
def test_simple_arithmetic_is_a_shortcut_unless_it_is_the_work(question, answer, solution, ok):
    sample = Sample(question=question, answer=answer, answer_type="number", solution=solution)
    assert check_shortcut(sample).ok is ok


def test_many_numbers_are_not_tried_in_pairs():
    few = [one.how for one in simple_results([Fraction(n) for n in (2, 3, 5)])]
    many = [one.how for one in simple_results([Fraction(n) for n in (2, 3, 5, 7, 11)])]
    assert any("of 2 and 3" in how for how in few) and not any(" and " in how for how in many)


def test_the_only_long_option_is_a_shortcut():
    right = "it grows because the pressure around it falls on the way up"
    sample = Sample(question="q", answer="A", answer_type="choice", choices=(right, "it shrinks", "it stays"))
    assert check_shortcut(sample).ok is False


def test_what_is_wrong_is_never_read_from_meta():
    base = {"question": "8 crates of 9 melons?", "answer": "72", "answer_type": "number", "solution": "8*9=72"}
    plain, told = (audit_text(Sample(**base, meta=meta)) for meta in ({}, {"flaw": "wrong label", "exact": "1"}))
    assert plain == told and is_sound(told)


# flaw -> the checks that are there for it. What only a solver can see is not in this table.
REASONS = {
    "rounded label": {"label"},
    "guessable": {"guessable"},
    "leaking": {"in the text"},
    "shortcut": {"shortcut"},
}


@pytest.mark.parametrize("name", library_names())
def test_the_library_is_sound_but_for_its_flawed_samples_which_fail_for_their_reason(name):
    for sample in find_sample(name):
        findings = audit_text(sample)
        flaw = sample.meta.get("flaw")
        expected = REASONS.get(flaw, set())
        if sample.meta.get("role") == "retelling" and sample.meta.get("label") == "published":
            expected = {"label"}
        assert failed(findings) & DECIDES >= expected, findings
        assert is_sound(findings) == (not expected), findings


@pytest.mark.parametrize(
    ("file", "limit", "share"), [("math500.jsonl.gz", 500, 0.02), ("gsm8k_train.jsonl.gz", 400, 0.02)]
)
def test_few_published_problems_are_called_unsound(file, limit, share):
    # docs/audit.md tells the counts; nearly all of these problems are sound.
    path = ROOT.parent / "shared" / "data" / file
    if not path.exists():
        pytest.skip("needs shared/data")
    samples = [row.sample for row in read_pool(str(path), strip_instruction=True).rows][:limit]
    assert sum(not is_sound(audit_text(sample)) for sample in samples) <= share * len(samples)
