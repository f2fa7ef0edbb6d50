"""The library: every label from the quantities in its question, every flaw the one that is named, no easy way round."""

import math
import re
from fractions import Fraction
from itertools import combinations, pairwise

import pytest
import sympy

from polymath.disciplines import DISCIPLINE_OF_SUBJECT, PAPER_SUBJECTS
from polymath.judge import judge
from polymath.judge.extract import find_boxes
from polymath.lab import world
from polymath.samples.catalogue import as_markdown, entries, flawed_names, sound_names
from polymath.samples.near import find_near_within
from polymath.samples.sources import find_sample, library_names
from tests.conftest import ROOT
from tests.samples.library_labels import LABELS

KNOWN_DISCIPLINES = {
    *PAPER_SUBJECTS,
    *PAPER_SUBJECTS.values(),
    *DISCIPLINE_OF_SUBJECT,
    *DISCIPLINE_OF_SUBJECT.values(),
    *world.DISCIPLINES,
}
CATEGORIES = ("algebra", "number theory", "geometry", "probability", "precalculus")
SCIENCES = ("physics", "chemistry", "biology", "computer science", "engineering", "economics")
# Numbers that a model says when it knows nothing.
GUESSES = {*map(Fraction, range(11)), Fraction(100), Fraction(1000)}
ALL = [(f"{entry.name}-{place}", entry) for place, entry in enumerate(entries())]
WRITTEN = [(name, entry) for name, entry in ALL if "role" in entry.sample.meta]
SOUND = [(name, entry) for name, entry in WRITTEN if entry.sample.meta["role"] in ("prime", "specialist")]
FLAWED = [(name, entry) for name, entry in WRITTEN if entry.flaw]


def each(cases):
    return pytest.mark.parametrize("entry", [entry for _, entry in cases], ids=[name for name, _ in cases])


def givens(text):
    """The numbers that stand in a text; the indices of a chemical formula and powers behind ^ are none."""
    return [Fraction(number) for number in re.findall(r"(?<![A-Za-z\d.^_])\d+(?:\.\d+)?", text)]


def right_answer(entry):
    """What is right, by the function of this sample."""
    samples = find_sample(entry.name)
    function = LABELS[entry.name][samples.index(entry.sample)]
    return function(*givens(entry.sample.question))


def is_right(answer, sample):
    return judge(rf"It is \boxed{{{answer}}}.", sample).correct


def as_answer(value):
    """An exact value as a model would write it."""
    return value if isinstance(value, str) else sympy.latex(sympy.sympify(value))


def test_every_sample_has_a_function_and_no_function_is_without_a_sample():
    assert sorted(LABELS) == library_names()
    assert all(len(LABELS[name]) == len(find_sample(name)) for name in library_names())


OFF = [
    case for case in ALL if case[1].flaw in ("wrong label", "rounded label") or case[1].name == "retelling-published"
]


@each([case for case in ALL if case not in OFF])
def test_the_label_is_what_the_quantities_in_the_question_give(entry):
    assert is_right(as_answer(right_answer(entry)), entry.sample)


def test_the_retelling_has_one_question_and_two_labels_and_only_one_of_them_is_exact():
    (published,), (exact,) = find_sample("retelling-published"), find_sample("retelling-exact")
    assert published.question == exact.question and published.id != exact.id
    assert (published.answer, exact.answer) == ("2", "3")
    assert {right_answer(entry) for _, entry in ALL if entry.name.startswith("retelling-")} == {3}
    # 30 bonds of 20 kJ/mol against h c N_A / 400 nm = 299,268.29 J/mol
    assert published.meta["exact"] == exact.meta["exact"] == "3"
    photons = Fraction(30 * 20_000) / (
        Fraction("6.626e-34") * Fraction("3e8") * Fraction("6.022e23") / Fraction("4e-7")
    )
    assert round(photons) == 2 and math.ceil(photons) == 3 and f"{float(photons):.4f}" == "2.0049"


@each(OFF)
def test_a_label_that_is_off_on_purpose_is_not_what_they_give(entry):
    assert is_right(as_answer(right_answer(entry)), entry.sample) is False


@each(ALL)
def test_the_reference_is_judged_right_and_the_solution_ends_with_it(entry):
    sample = entry.sample
    assert is_right(sample.answer, sample)
    if "role" in sample.meta:
        assert judge(sample.solution, sample).correct is True
        assert len(find_boxes(sample.solution)[0]) == 1 and sample.solution.rstrip().endswith("}")


def near_misses(sample):
    """Answers that are almost right: off by one, rounded, of the other sign, in another unit, the letter beside it."""
    answer, kind = sample.answer, sample.answer_type
    if kind == "choice":
        return [letter for letter in "ABCDEFGH"[: len(sample.choices) + 1] if letter != answer]
    if kind == "list":
        one, two = answer.strip("[]").split(", ")
        rounded = f"[{round(float(one))}, {round(float(two))}]"
        return [
            f"[{two}, {one}]",
            f"[{one}]",
            f"[{one}, {two}, {two}]",
            f"[{one}1, {two}]",
            f"[-{one}, {two}]",
            rounded,
        ]
    if kind == "formula":
        return ["C8H10N4O3", "C8H10N4O", "C8H9N4O2", "C4H5N2O", "C8H10N4O2^+", "Co8H10N4O2", "C8H10O2"]
    if kind == "reaction":
        left, right = answer.split(" -> ")
        return [f"{right} -> {left}", answer.replace("16 HCl", "15 HCl"), answer.replace("5 Cl2", "5 Cl"), left]
    if kind == "expression":
        value = float(
            sympy.Rational(27, 236)
            if "frac" in answer
            else sympy.sympify(answer.replace(r"\sqrt{", "*sqrt(")[:-1] + ")")
        )
        return [f"{value:.4f}", f"{value:.1f}", f"-{answer}", f"{answer} + 1", str(round(value)), f"1/({answer})"]
    answer = answer.removesuffix(" W")
    step = Fraction(10) ** -len(answer.partition(".")[2])
    value = Fraction(answer)
    numbers = [value + step, value - step, -value, value * 10, value / 10, value + step / 2, 2 * value]
    misses = [str(float(number)) for number in numbers]
    return [*misses, f"{answer} or {misses[0]}", "x", *([f"{answer} {unit}" for unit in other_units(sample)])]


def other_units(sample):
    return {"W": ["kW", "J", "V", "mW"], "kHz": ["Hz", "MHz", "km"]}.get(sample.unit, [])


@each(ALL)
def test_near_misses_are_judged_wrong(entry):
    misses = near_misses(entry.sample)
    assert len(misses) >= 1 and {miss: is_right(miss, entry.sample) for miss in misses} == dict.fromkeys(misses, False)


@pytest.mark.parametrize(
    ("name", "spelling", "is_same"),
    [
        ("prime-cysts", r"0.772\text{ kW}", True), ("prime-cysts", "772 J/s", True), ("prime-cysts", "772", False),
        ("physics-bat", "92400 Hz", True), ("physics-bat", "92.4", True), ("physics-bat", "92", False),
        ("geometry-methane", r"\frac{216\sqrt{2}}{\sqrt{3}}", True), ("geometry-comb", r"\sqrt{588}", True),
        ("biology-gene-map", r"18.75, 11.75", True), ("probability-carrier", "27/236", True),
        ("chemistry-chlorine", r"\ce{16HCl + 2KMnO4 -> 8H2O + 5Cl2 + 2MnCl2 + 2KCl}", True),
        ("chemistry-stimulant", r"\mathrm{C_8H_{10}N_4O_2}", True), ("physics-droplet", r"\text{(E)}", True),
    ],
)  # fmt: skip
def test_other_spellings_of_a_typed_answer_are_judged_by_what_they_say(name, spelling, is_same):
    assert is_right(spelling, find_sample(name)[0]) is is_same


@each(WRITTEN)
def test_the_equations_of_a_solution_are_exact(entry):
    """Every chain `a × b = c` of numbers alone holds in fractions."""
    chains = re.findall(r"(?<![\w√π²³)^])[-(\d][-+\d.×/^() ]*(?:= [-+\d.×/^() ]+)+(?![\w√π²³])", entry.sample.solution)
    chains = [chain for chain in chains if chain.count("(") == chain.count(")")]  # else it began inside a formula
    for chain in chains:
        sides = [
            sympy.sympify(side.strip(" .").replace("×", "*").replace("^", "**"), rational=True)
            for side in chain.split("=")
        ]
        assert all(one == other for one, other in pairwise(sides)), chain
    needs_none = {"choice", "reaction"}
    if entry.sample.meta["role"] in ("prime", "specialist") and entry.sample.answer_type not in needs_none:
        assert chains or "√" in entry.sample.solution or "frac" in entry.sample.answer


@each(SOUND)
def test_a_sound_sample_cannot_be_had_cheaply(entry):
    """The answer is no common guess, does not stand in the text and is no one step away from its numbers."""
    sample = entry.sample
    assert not entry.flaw and "label" not in sample.meta
    if sample.answer_type == "choice":
        assert len(sample.choices) >= 6
        return
    assert not is_leaked(sample)
    if re.fullmatch(r"\d+(\.\d+)?( W)?", sample.answer):
        assert number_of(sample) not in GUESSES
        assert not shortcuts(sample)


def number_of(sample):
    return Fraction(sample.answer.removesuffix(" W"))


def is_leaked(sample):
    if re.fullmatch(r"\d+(\.\d+)?( W)?", sample.answer):
        return number_of(sample) in [Fraction(number) for number in re.findall(r"\d+(?:\.\d+)?", sample.question)]
    return sample.answer_type != "choice" and sample.answer in sample.question


def shortcuts(sample):
    """Ways without thought that give the label: all numbers added or multiplied, or two of them joined."""
    label, numbers = number_of(sample), givens(sample.question)
    found = ["sum"] * (sum(numbers) == label) + ["product"] * (math.prod(numbers) == label)
    for one, other in combinations(numbers, 2):
        joined = [one + other, one - other, other - one, one * other]
        joined += [Fraction(one, other), Fraction(other, one)] if one and other else []
        found += ["pair"] * (label in joined)
    return found


@each(FLAWED)
def test_a_flawed_sample_is_flawed_as_it_says_and_in_no_other_way(entry):
    sample, right = entry.sample, as_answer(right_answer(entry))
    found = set()
    if sample.answer_type == "choice":
        found |= {"guessable"} if len(sample.choices) == 2 else set()
    else:
        value = float(sympy.N(right_answer(entry)))
        places = len(sample.answer.partition(".")[2])
        if is_right(right, sample) is not True:
            found.add("rounded label" if round(value, places) == float(sample.answer) else "wrong label")
        found |= {"guessable"} if Fraction(sample.answer) in (0, 1, 2) else set()
        found |= {"leaking"} if is_leaked(sample) else set()
        found |= {"shortcut"} if "sum" in shortcuts(sample) or "product" in shortcuts(sample) else set()
    found |= {"ambiguous"} if "also" in sample.meta and is_right(sample.meta["also"], sample) is False else set()
    assert found == {entry.flaw} and sample.meta["why"]
    assert is_right(sample.meta["exact"], sample.model_copy(update={"answer": right})) is True


def test_the_other_reading_of_the_ambiguous_one_is_as_good():
    (sample,) = find_sample("flawed-ambiguous")
    one, other = givens(sample.question)
    series, parallel = one * other / (one + other), one + other
    assert (Fraction(sample.answer), Fraction(sample.meta["also"])) == (series, parallel)


def test_every_flaw_of_the_brief_is_there_and_no_sound_name_hides_one():
    flaws = {entry.flaw for _, entry in FLAWED}
    assert flaws == {"rounded label", "guessable", "leaking", "shortcut", "wrong label", "ambiguous"}
    assert {entry.name for _, entry in FLAWED} == set(flawed_names())
    assert all(name.startswith("flawed-") for name in flawed_names())
    assert not set(sound_names()) & {*flawed_names(), "retelling-published", "retelling-exact"}
    assert {*sound_names(), *flawed_names(), "retelling-published", "retelling-exact"} == set(library_names())


def test_primes_fuse_three_disciplines_and_every_category_has_its_specialists():
    primes = [entry.sample for _, entry in SOUND if entry.sample.meta["role"] == "prime"]
    assert len(primes) >= 12 and all(len(set(sample.disciplines)) >= 3 for sample in primes)
    assert all(1 <= int(sample.answer.removesuffix(" W")) <= 1000 for sample in primes)
    categories = [entry.sample.meta["category"] for _, entry in SOUND if "category" in entry.sample.meta]
    assert all(categories.count(category) >= 2 for category in CATEGORIES)
    assert all(categories.count(category) >= 1 for category in SCIENCES)
    assert {discipline for sample in primes for discipline in sample.disciplines} >= {*SCIENCES, "mathematics"}
    assert len(WRITTEN) >= 30


@each(ALL)
def test_disciplines_are_known_and_the_fields_are_filled(entry):
    sample = entry.sample
    assert set(sample.disciplines) <= KNOWN_DISCIPLINES and len(set(sample.disciplines)) == len(sample.disciplines)
    assert sample.subject and sample.skills and sample.level and sample.solution and sample.source
    if "role" in sample.meta:
        assert sample.source == "polymath library" and sample.level in ("high school", "university")
        assert sample.question.count("____") == 1
        assert all(skill == skill.strip() and len(skill.split()) <= 6 for skill in sample.skills)


def test_ids_are_distinct_and_no_two_questions_are_near():
    """But for one sample of the lab that stands in two files, and for the retelling with its two labels."""
    names = [entry.name for _, entry in ALL]
    ids = [entry.sample.id for _, entry in ALL]
    same = {(names[ids.index(one)], names[place]) for place, one in enumerate(ids) if ids.index(one) != place}
    assert same == {("lab-coins", "lab-two-good")}
    near = find_near_within([entry.sample.question for _, entry in ALL], 0.3)
    pairs = {tuple(sorted((names[one.row], names[one.other]))) for one in near}
    assert pairs == {("lab-coins", "lab-two-good"), ("retelling-exact", "retelling-published")}


def test_the_page_of_the_library_shows_the_files_as_they_are():
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    assert as_markdown() in page, "run the command that stands on the page"
