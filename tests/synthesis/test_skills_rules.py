"""Skills by rules: what each rule is for, and how the whole agrees with tags made by hand."""

import pytest

from polymath.errors import PromptError, RecipeError
from polymath.samples.sources import find_sample, library_names
from polymath.synthesis.skill_rules import agree_on_disciplines, agree_on_skills, rules, tag_skills
from polymath.synthesis.skills import (
    CATEGORIES,
    INSTRUCTION,
    MATHEMATICS,
    Extracted,
    ask_for_skills,
    mean_spectrum,
    read_categories,
    read_instruction,
)  # fmt: skip
from polymath.types import Sample

LIBRARY = [sample for name in library_names() for sample in find_sample(name) if "flaw" not in sample.meta]


def problem(question, **more):
    return Sample(question=question, answer="1", answer_type="number", **more)


# Text, a skill that it shows, a skill that it does not show.
SHOWN = [
    ("Find the greatest common divisor of 12 and 18.", "greatest common divisor", "probability of an event"),
    ("What is the remainder of 17 modulo 5?", "modular arithmetic", "volume of solids"),
    ("Two dice are rolled. What is the probability of a 7?", "probability of an event", "photon energy"),
    (r"Solve $x^2 - 5x + 6 = 0$.", "quadratic equations", "prices and costs"),
    (r"What is $\log_2 8$?", "logarithms", "acids and bases"),
    ("A photon has a wavelength of 400 nm.", "photon energy", "Mendelian genetics"),
    ("How many moles of NaOH neutralise 0.1 mol of acid?", "acids and bases", "ecology"),
    ("A heterozygous plant is selfed.", "Mendelian genetics", "electric circuits"),
    ("Two resistors are connected in series.", "electric circuits", "sequences and series"),
    ("The radius of the circle is 3.", "circles", "modular arithmetic"),
    ("Pens cost $3 each. How much is paid for 4?", "prices and costs", "quadratic equations"),
]


@pytest.mark.parametrize(("text", "skill", "other"), SHOWN)
def test_a_text_shows_the_skill_that_it_speaks_of(text, skill, other):
    found = {name for skills in tag_skills(problem(text), CATEGORIES).values() for name in skills}
    assert skill in found and other not in found


def test_dollars_of_latex_are_no_money():
    assert tag_skills(problem(r"Find $5x$ where $3$ and $x + 2$ agree."), ["economics"])["economics"] == ()


def test_the_solution_counts_and_the_options_do_not():
    asked = problem("How many are there?", solution="The greatest common divisor is 4.")
    assert "greatest common divisor" in tag_skills(asked, ["number theory"])["number theory"]
    options = problem("How many are there?").model_copy(update={"choices": ("a probability of 1/2", "4")})
    assert tag_skills(options, ["probability"])["probability"] == ()


def test_every_category_has_rules_and_no_name_is_given_twice():
    assert list(rules()) == list(CATEGORIES)
    assert all(len(patterns) >= 4 for patterns in rules().values())


def test_the_rules_agree_with_the_disciplines_of_the_library_and_hardly_with_its_skills():
    found = {sample.id: tag_skills(sample, CATEGORIES) for sample in LIBRARY}
    disciplines, skills = agree_on_disciplines(LIBRARY, found), agree_on_skills(LIBRARY, found)
    assert disciplines.precision > 0.55 and disciplines.recall > 0.65
    # The names of rules are coarse, and tags by hand name what is special: an honest figure, not a good one.
    assert 0.05 < skills.precision < 0.5 and 0.1 < skills.recall < 0.6


def test_agreement_is_counted_over_pairs_of_sample_and_tag():
    samples = [
        problem("a", disciplines=("physics", "chemistry"), skills=("unit conversion", "photon energy")),
        problem("b", disciplines=("mathematics",), skills=("half-life",)),
        problem("c"),
    ]
    found = {
        samples[0].id: {"algebra": (), "physics": ("energy of a photon",), "chemistry": (), "biology": ("cells",)},
        samples[1].id: {"algebra": ("ratios",), "physics": (), "chemistry": (), "biology": ()},
        samples[2].id: {"algebra": ("ratios",), "physics": (), "chemistry": (), "biology": ()},
    }
    fields = agree_on_disciplines(samples, found)
    assert (fields.num_samples, fields.num_found, fields.num_tagged) == (2, 3, 3)
    assert (fields.precision, fields.recall) == (2 / 3, 2 / 3)
    named = agree_on_skills(samples, found)
    assert (named.num_found, named.num_tagged, named.precision, named.recall) == (3, 3, 1 / 3, 1 / 3)


def test_categories_are_read_by_name_by_set_and_with_a_scope_of_ones_own():
    assert list(read_categories(["mathematics"])) == list(MATHEMATICS)
    assert list(read_categories(["algebra,physics", "law=rules, duties"])) == ["algebra", "physics", "law"]
    assert read_categories(["law=rules, duties"]) == {"law": "rules, duties"}
    for wrong in ("alchemy", "law=", "=x"):
        with pytest.raises(RecipeError):
            read_categories([wrong])


def test_a_prompt_shows_the_text_alone_and_leaves_its_braces():
    sample = problem("What is {category} in {question}?", solution="secret")
    (asked,) = ask_for_skills([sample, sample], {"algebra": "sums"}, INSTRUCTION)
    assert "What is {category} in {question}?" in asked.text and "secret" not in asked.text
    assert "algebra (sums)" in asked.text


def test_an_instruction_of_ones_own_needs_its_two_slots(tmp_path):
    (tmp_path / "own.txt").write_text("{category}: {question}")
    assert read_instruction(str(tmp_path / "own.txt")) == "{category}: {question}"
    (tmp_path / "own.txt").write_text("{question}")
    with pytest.raises(PromptError):
        read_instruction(str(tmp_path / "own.txt"))


def test_a_mean_spectrum_is_skills_divided_by_samples():
    def row(*counts):
        canonical = {
            name: tuple(map(str, range(count))) for name, count in zip(("algebra", "physics"), counts, strict=True)
        }
        return Extracted(id="", group="", label="", disciplines=(), skills={}, canonical=canonical)

    assert mean_spectrum([row(3, 0), row(2, 1)], ["algebra", "physics"]) == {"algebra": 2.5, "physics": 0.5}
