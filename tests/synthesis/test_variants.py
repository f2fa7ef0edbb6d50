"""Forms of a sample: each operation does what it says, its inverse undoes it, and what is unsafe is refused."""
# ruff: noqa: E501  (a text is a line)

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polymath.errors import RecipeError, SampleError
from polymath.judge import judge
from polymath.lab.draws import draw_samples
from polymath.samples.sources import find_sample, library_names
from polymath.synthesis.variant_checks import check_leak, check_near, check_numbers, numbers_of
from polymath.synthesis.variant_parts import AnswerMap, CannotVary, as_decimal, scale
from polymath.synthesis.variant_requests import as_variant, is_in_band, read_problem, request_text
from polymath.synthesis.variant_units import steps
from polymath.synthesis.variant_words import read_pairs
from polymath.synthesis.variants import OPERATIONS, read_operations, restore, vary
from polymath.types import Sample

LIBRARY = [(name, sample) for name in library_names() for sample in find_sample(name)]
LAB = [(f"lab-{place}", sample) for place, sample in enumerate(draw_samples(60, seed=11))]
FIELDS = ("question", "answer", "answer_type", "choices", "unit", "aliases", "solution", "meta", "skills", "id")


def number(question, answer="54", **more):
    return Sample(question=question, answer=answer, answer_type="number", **more)


def varied(question, operation, seed=0, answer="54", **more):
    return vary(number(question, answer, **more), [operation], seed=seed).sample


def every_form(samples, seeds=(0, 1)):
    for name, sample in samples:
        for operation in OPERATIONS:
            for seed in seeds:
                try:
                    yield name, sample, vary(sample, [operation], seed=seed)
                except CannotVary:
                    continue


# The way there and back


@pytest.mark.parametrize("samples", [LIBRARY, LAB], ids=["library", "lab"])
def test_every_form_goes_back_to_its_original_and_is_sound(samples):
    seen = set()
    for name, sample, variant in every_form(samples):
        seen.add(variant.operations[0])
        back = restore(variant.sample)
        assert {field: getattr(back, field) for field in FIELDS} == {field: getattr(sample, field) for field in FIELDS}
        assert variant.sample.id != sample.id, name
        assert variant.sample.meta["variant_of"] == sample.id
        assert variant.is_sound, (name, variant.checks)
        assert variant.answer_back(variant.sample.answer) == sample.answer
    assert {"rename", "units", "numerals"} <= seen


def test_a_form_comes_back_from_disk_too():
    (sample,) = find_sample("crate")
    variant = vary(sample, ["rename", "units", "answer-unit"])
    stored = Sample.model_validate_json(variant.sample.model_dump_json())
    assert restore(stored) == sample
    assert variant.answer_back("108000") == "108"


NAMES = ["Ben", "Ada", "Leo", "Maria"]
THINGS = ["melon", "crate", "pen", "book", "farmer"]
UNITS = ["metres", "kilometres", "hours", "minutes", "kg", "grams", "litres", "joules", "kilojoules"]
sentences = st.builds(
    "{} moves {} {}s over {} {}".format,
    st.sampled_from(NAMES),
    st.integers(2, 3000),
    st.sampled_from(THINGS),
    st.one_of(st.integers(2, 5000), st.decimals("0.1", "99", places=1)),
    st.sampled_from(UNITS),
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(sentences, min_size=2, max_size=4, unique=True),
    st.sampled_from(["in joules", "in minutes", "in grams"]),
    st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=3, unique=True),
    st.integers(0, 50),
)
def test_the_round_trip_is_the_identity_for_any_chain_of_operations(givens, asked, chain, seed):
    sample = number(f"{'. '.join(givens)}. How much is it, {asked}?", "120", solution="Ben has 2 pens. 60*2=120.")
    try:
        variant = vary(sample, chain, seed=seed)
    except CannotVary:
        return
    assert restore(variant.sample) == sample
    assert variant.answer_back(variant.sample.answer) == "120"
    # What the question says in SI units and in numbers survives, by a count that knows nothing of the operations.
    checks = {check.name: check for check in variant.checks}
    assert checks["reference"].ok and checks["quantities"].ok, (variant.sample.question, variant.checks)


def test_the_same_seed_gives_the_same_form():
    (sample,) = find_sample("melons")
    assert vary(sample, ["rename"], seed=3) == vary(sample, ["rename"], seed=3)
    assert len({vary(sample, ["rename"], seed=seed).sample.question for seed in range(6)}) > 1


# Names


def test_names_change_everywhere_and_keep_their_plural_and_capital():
    text = "Melons cost 3 dollars. Ben buys a melon and 2 melons. What does Ben's bag of melons cost?"
    new = vary(number(text, solution="Ben pays for 3 melons."), ["rename"], names={"melon": "pumpkin", "Ben": "Carl"})
    assert new.sample.question == (
        "Pumpkins cost 3 dollars. Carl buys a pumpkin and 2 pumpkins. What does Carl's bag of pumpkins cost?"
    )
    assert new.sample.solution == "Carl pays for 3 pumpkins."


@pytest.mark.parametrize(
    ("old", "new", "text", "expected"),
    [
        ("crate", "tray", "9 crates", "9 trays"),
        ("crate", "berry", "9 crates", "9 berries"),
        ("crate", "box", "9 crates", "9 boxes"),
        ("box", "crate", "a box of 9 boxes", "a crate of 9 crates"),
    ],
)
def test_plurals_are_formed_as_in_english(old, new, text, expected):
    assert vary(number(text), ["rename"], names={old: new}).sample.question == expected


def test_two_names_can_trade_places():
    new = vary(number("Ben gives Leo 5 pens. How many has Leo?"), ["rename"], names={"Ben": "Leo", "Leo": "Ben"})
    assert new.sample.question == "Leo gives Ben 5 pens. How many has Ben?"


def test_an_answer_in_words_is_renamed_with_its_map():
    sample = Sample(question="Ben is older than Leo. Who is younger?", answer="Leo", answer_type="text")
    variant = vary(sample, ["rename"], names={"Leo": "Hugo"})
    assert variant.sample.answer == "Hugo"
    assert variant.answer_back("Hugo") == "Leo" and variant.answer_maps[0].forward("Leo") == "Hugo"


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Ben has 5 pens, Leo has 6. How many?", {"Ben": "Leo"}),  # two people would become one
        ("How many primes are below 30?", None),  # nobody is there
        ("A rate of 5 is given. How many?", {"Ben": "Leo"}),
        ("Grace Hopper wrote 5 programs. How many?", None),  # a person of history
    ],
)
def test_a_name_that_cannot_change_is_left(question, names):
    with pytest.raises(CannotVary):
        vary(number(question), ["rename"], names=names)


@pytest.mark.parametrize("text", ["", "Ben", "Ben=", "Ben=Leo,Ada=Leo", "Ben=Leo,Ben=Tom", "a b=c"])
def test_a_list_of_names_that_cannot_be_is_refused_in_one_line(text):
    with pytest.raises(RecipeError) as caught:
        read_pairs(text)
    assert "\n" not in str(caught.value)


# Units


def test_every_factor_of_the_table_is_a_power_of_ten_or_of_the_clock():
    clock = {60, 24, 7}
    for step in steps():
        large = max(step.factor, 1 / step.factor)
        assert large in clock or set(str(large)) == {"1", "0"}, step


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("A rope of 7 metres is cut. How many parts?", {"700 centimetres", "0.007 kilometres"}),
        ("A 5-metre rope is cut. How many parts?", {"500-centimetre", "0.005-kilometre"}),
        ("A lamp burns 1.5 hours. How many parts?", {"90 minutes"}),
        ("It takes 60 minutes. How many parts?", {"1 hour", "3600 seconds"}),
        ("It weighs 1,200 grams. How many parts?", {"1.2 kilograms", "1,200,000 milligrams"}),
    ],
)
def test_a_given_in_another_unit_is_the_same_given(text, forms):
    seen = set()
    for seed in range(12):
        try:
            new = varied(text, "units", seed)
        except CannotVary:
            continue
        seen |= {form for form in forms if form in new.question}
        assert new.answer == "54"
    assert seen and seen <= forms


@pytest.mark.parametrize(
    "text",
    [
        "It moves at 5 metres per second. How fast is that?",
        "It moves at 5 m/s for a while. How fast is that?",
        "An area of 5 square metres is painted. How much is left?",
        "A volume of 5 m^3 is filled. How much is left?",
        "A constant of 6 J s is used. How much is left?",
        "Its height is $h = 3 t$ metres after 2 hours. How high is it?",
        "Its height is h = 3 t, t in hours, after 2 hours. How high is it?",
        "It rests 20 minutes of an hour of 60 minutes, or 1200 seconds. How much is left?",
    ],
)
def test_a_unit_that_is_part_of_something_else_is_left(text):
    with pytest.raises(CannotVary):
        varied(text, "units")


@pytest.mark.parametrize(
    ("text", "answer", "new_text", "new_answer"),
    [
        ("How much work, in joules, is done?", "54", "How much work, in millijoules, is done?", "54000"),
        ("How many hours does it take?", "2.5", "How many minutes does it take?", "150"),
        ("It takes ____ minutes.", "90", "It takes ____ seconds.", "5400"),
    ],
)
def test_another_unit_of_the_answer_multiplies_it(text, answer, new_text, new_answer):
    found = {}
    for seed in range(12):
        new = varied(text, "answer-unit", seed, answer)
        found[new.question] = new.answer
    assert found[new_text] == new_answer


def test_the_unit_of_a_letter_is_not_the_unit_of_the_answer():
    text = "The depth in metres is 9 + t, where t is the time in hours. At low water t is 0. What is the depth?"
    with pytest.raises(CannotVary):
        varied(text, "answer-unit")


def test_a_tolerance_in_figures_is_not_multiplied():
    with pytest.raises(CannotVary):
        varied("How many hours does it take?", "answer-unit", answer="12.7", tolerance="figures")


@given(st.fractions(min_value=-1000, max_value=1000, max_denominator=64))
def test_decimals_are_exact_or_refused(value):
    denominator = value.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    if denominator == 1:
        assert Fraction(as_decimal(value)) == value
    else:
        with pytest.raises(CannotVary):
            as_decimal(value)


def test_an_answer_map_goes_both_ways_and_refuses_what_it_cannot_map():
    hours = AnswerMap(kind="scale", factor="60")
    assert (hours.forward("2.5"), hours.back("150")) == ("150", "2.5")
    assert scale("1,200", Fraction(1, 1000)) == "1.2"
    with pytest.raises(CannotVary):
        hours.back("100")  # 5/3 is no decimal
    with pytest.raises(CannotVary):
        hours.forward(r"\frac{1}{2}")
    with pytest.raises(CannotVary):
        AnswerMap(kind="letters", table={"A": "B", "B": "A"}).forward("C")


# Order, numerals, options


def test_items_and_independent_sentences_trade_places_and_nothing_else_does():
    text = "Use these data:\n- mass 5 kg\n- speed 3 m/s\n- time 7 s\nWhat is the momentum?"
    new = varied(text, "order").question
    assert new != text and sorted(new.split("\n")) == sorted(text.split("\n"))
    assert new.startswith("Use these data:\n") and new.endswith("\nWhat is the momentum?")


@pytest.mark.parametrize(
    "text",
    [
        "A tank holds 5 litres. It leaks 2 litres. How much is left?",
        "A pump moves 3 litres. The pump costs 5 dollars. How much is it?",
        "Ben has 5 pens. Then Leo takes 3 pens. How many are left?",
        "A car has 4 wheels. A truck has 6 wheels. It is red. How many?",
    ],
)
def test_sentences_that_lean_on_each_other_stay(text):
    with pytest.raises(CannotVary):
        varied(text, "order")


def test_numerals_are_spelt_in_another_way():
    assert varied("Leo has 3 pens.", "numerals").question == "Leo has three pens."
    assert varied("Leo has three pens.", "numerals").question == "Leo has 3 pens."
    assert varied("A town of 12500 people.", "numerals").question == "A town of 12,500 people."
    assert varied("A town of 12,500 people.", "numerals").question == "A town of 12500 people."


@pytest.mark.parametrize(
    "text",
    [
        "It weighs 3 kg.",
        "Two thirds of it, two thirds of that.",
        "Solve 3 x = 5.",
        "In 1984 it was so.",
        "5.3 pens cost 12.",
    ],
)
def test_numerals_that_are_no_counts_stay(text):
    with pytest.raises(CannotVary):
        varied(text, "numerals")


def choice(*options, answer="B", question="How many pens are in it?"):
    return Sample(question=question, answer=answer, answer_type="choice", choices=options)


def test_the_letter_goes_with_its_option():
    sample = choice("97", "84", "93", "99")
    for seed in range(8):
        variant = vary(sample, ["options"], seed=seed)
        new = variant.sample
        assert new.choices["ABCD".index(new.answer)] == "84"
        assert variant.answer_back(new.answer) == "B"
        assert judge(rf"\boxed{{{new.answer}}}", new).outcome == "right"


@pytest.mark.parametrize(
    "sample",
    [
        choice("97", "all of the above"),
        choice("97", "both A and C", "84"),
        choice("97", "84", question="Is option A or option B right?"),
        choice("97", "97", "84"),
    ],
)
def test_options_that_speak_of_others_stay(sample):
    with pytest.raises(CannotVary):
        vary(sample, ["options"])


# By a model


REPLIES = [
    ("<problem>A kiln fires 8 trays of 9 tiles. How many tiles?</problem>", "A kiln fires 8 trays of 9 tiles. How many tiles?"),
    ("Sure!\n<problem>\nA kiln fires 8 trays of 9 tiles.\n</problem>\nSolution: 72", "A kiln fires 8 trays of 9 tiles."),
    ("**Problem:** A kiln fires 8 trays of 9 tiles.\n\n**Solution:** 72", "A kiln fires 8 trays of 9 tiles."),
    ("<think><problem>no, not this one at all</problem></think><problem>A kiln fires 8 trays.</problem>", "A kiln fires 8 trays."),
    ("<problem>A kiln fires 8 trays of 9 tiles. How many?", "A kiln fires 8 trays of 9 tiles. How many?"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "problem"), REPLIES)
def test_the_problem_of_a_reply_is_found(reply, problem):
    assert read_problem(reply) == problem


@pytest.mark.parametrize("reply", ["", "I cannot do that.", "<problem></problem>", "72"])
def test_a_reply_without_a_problem_is_refused(reply):
    with pytest.raises(CannotVary):
        read_problem(reply)


def test_what_a_model_is_asked_shows_the_problem_or_for_svs_only_its_solution():
    (sample,) = find_sample("melons")
    assert sample.question in request_text(sample, "paraphrase") and "72" in request_text(sample, "paraphrase")
    assert sample.question not in request_text(sample, "svs") and "8*9=72" in request_text(sample, "svs")
    with pytest.raises(CannotVary):
        request_text(sample.model_copy(update={"solution": None}), "svs")


def test_braces_in_a_problem_are_not_taken_for_slots():
    sample = number("What is {answer} in \\frac{1}{2}?")
    assert "What is {answer} in \\frac{1}{2}?" in request_text(sample, "paraphrase")


def test_quantities_are_counted_by_value():
    assert numbers_of("3 boxes of three pens, 1,200 g and 0.5 litres") == {
        Fraction(3): 2, Fraction(1200): 1, Fraction(1, 2): 1,
    }  # fmt: skip
    original = number("8 crates with 9 melons each. How many?", "72")
    lost = as_variant(original, "8 crates with melons. How many?", "paraphrase")
    new = as_variant(original, "8 crates with 9 melons each, 4 rotten. How many?", "paraphrase")
    assert check_numbers(original, lost, "same").detail == "lost 9"
    assert check_numbers(original, new, "same").detail == "new 4"
    assert check_numbers(original, lost, "fewer").ok and not check_numbers(original, lost, "more").ok
    assert check_numbers(original, new, "more").ok and not check_numbers(original, new, "fewer").ok
    assert check_numbers(number("It is 2 hours."), number("It is 120 minutes."), "values").ok
    assert not check_numbers(number("It is 2 hours."), number("It is 100 minutes."), "values").ok


def test_a_rewrite_that_says_the_answer_or_changes_nothing_is_rejected():
    original = number("8 crates with 9 melons each. How many melons is that?", "72")
    said = as_variant(original, "8 trays of 9 tiles give 72 tiles. How many tiles?", "paraphrase")
    assert not check_leak(original, said).ok
    assert check_leak(original, as_variant(original, "8 trays of 9 tiles. How many?", "paraphrase")).ok
    given_too = number("A sum of 72 and 0. How much?", "72")
    assert check_leak(given_too, as_variant(given_too, "Add 72 to 0. How much?", "paraphrase")).ok, "it stood there"
    assert not check_near(original, original, is_rewrite=True).ok
    assert check_near(original, original, is_rewrite=False).ok


def test_the_band_of_svs_holds_both_of_its_ends():
    rates = (0, 0.125, 0.25, 0.5, 0.625, 0.75, 1)
    assert [is_in_band(rate) for rate in rates] == [False, True, True, True, True, False, False]


def test_a_sample_that_is_no_variant_has_no_way_back():
    (sample,) = find_sample("crate")
    with pytest.raises(SampleError):
        restore(sample)
    with pytest.raises(SampleError):
        restore(as_variant(sample, "Another text of some length?", "paraphrase"))


def test_operations_are_read_in_chains():
    known = (*OPERATIONS, "paraphrase")
    assert read_operations(["rename,units", "order+numerals"], known) == [
        ("rename",),
        ("units",),
        ("order", "numerals"),
    ]
    for wrong in ("nothing", "rename+nothing", "rename+paraphrase"):
        with pytest.raises(RecipeError):
            read_operations([wrong], known)


def test_a_variant_is_frozen():
    variant = vary(find_sample("crate")[0], ["rename"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        variant.operations = ()
