"""The world: exact, reproducible, and in three splits that never meet."""

import ast
import operator
from collections import Counter
from fractions import Fraction
from random import Random
from re import findall
from string import ascii_uppercase

import pytest

from polymath.errors import SampleError
from polymath.lab import DISCIPLINES, TEMPLATES, generate, split_of
from polymath.lab.templates.draft import LARGEST, calculate
from polymath.lab.world import draw

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def value_of(expression: str) -> Fraction:
    def walk(node):
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](walk(node.left), walk(node.right))
        assert isinstance(node, ast.Constant)
        return Fraction(node.value)

    return walk(ast.parse(expression, mode="eval").body)


@pytest.fixture(scope="module")
def drawn():
    return {
        template.name: [draw(template, Random(f"test/{template.name}/{i}")) for i in range(60)]
        for template in TEMPLATES
    }


def test_there_are_at_least_twelve_disciplines_and_forty_templates():
    assert len(DISCIPLINES) >= 12
    assert len(TEMPLATES) >= 40
    assert len({template.name for template in TEMPLATES}) == len(TEMPLATES)
    assert min(Counter(template.discipline for template in TEMPLATES).values()) >= 3


def test_every_line_of_every_solution_is_true_arithmetic(drawn):
    for sample in (sample for samples in drawn.values() for sample in samples):
        for step in sample.solution.split(" "):
            expression, result = step.removesuffix(".").split("=")
            assert value_of(expression) == Fraction(result), sample
            assert 0 <= int(result) <= LARGEST


def test_the_last_line_gives_the_answer(drawn):
    for sample in (sample for samples in drawn.values() for sample in samples):
        last = sample.solution.split("=")[-1].removesuffix(".")
        if sample.answer_type == "choice":
            assert sample.choices[ascii_uppercase.index(sample.answer)] == last
            assert len(set(sample.choices)) == len(sample.choices) == 4
        else:
            assert sample.answer == last


def test_lines_of_work_use_numbers_that_the_question_or_an_earlier_line_gave(drawn):
    """Except for a few constants, a model can copy what it calculates with."""
    # Here a reader must find a number: a quotient, the places of bits, hundreds, single digits.
    knowing = {"remainder", "binary number", "interest", "digit sum"}
    constants = {"1", "2", "3", "4", "6", "10", "60", "12", "16", "180"}
    for name, samples in drawn.items():
        if name in knowing:
            continue
        for sample in samples:
            known = set(findall(r"\d+", sample.question)) | constants
            for step in sample.solution.split(" "):
                left, right = step.split("=")
                tens = {f"{number}0" for number in findall(r"\d+", left)}  # 70 percent as 7 tenths
                assert all(n in known or tens & known for n in findall(r"\d+", left)), (name, sample.question, step)
                known.add(right.removesuffix("."))


def test_worked_solutions_have_one_to_five_lines_and_the_level_counts_them(drawn):
    levels = Counter(sample.level for samples in drawn.values() for sample in samples)
    assert set(levels) == {"1", "2", "3", "4", "5"}
    for sample in (sample for samples in drawn.values() for sample in samples):
        assert int(sample.level) == sample.solution.count("=")


def test_no_single_answer_is_a_good_guess(drawn):
    for name, samples in drawn.items():
        commonest = Counter(sample.answer for sample in samples).most_common(1)[0][1]
        assert commonest / len(samples) < (0.5 if samples[0].choices else 0.3), name


def test_equal_seeds_give_equal_problems_and_other_seeds_others():
    assert generate(5, 0, "train") == generate(5, 0, "train")
    assert generate(5, 0, "train") != generate(5, 1, "train")
    assert {sample.id for sample in generate(5, "0", "dev")} == {sample.id for sample in generate(5, 0, "dev")}


def test_the_world_of_seed_zero_is_the_one_written_here():
    """A golden value: the draw must not depend on the process, the platform or PYTHONHASHSEED."""
    first = generate(1, 0, "train")[0]
    assert (first.question, first.solution, first.answer) == (
        "Dan buys 7 shells for 7 dollars each and pays with 81 dollars. How many dollars come back?",
        "7*7=49. 81-49=32.",
        "32",
    )


def test_splits_share_no_problem_whatever_the_seeds():
    ids = {split: {s.id for seed in (0, 7) for s in generate(30, seed, split)} for split in ("train", "dev", "test")}
    assert not ids["train"] & ids["dev"] and not ids["train"] & ids["test"] and not ids["dev"] & ids["test"]
    for split in ids:
        assert {split_of(sample) for sample in generate(5, 3, split)} == {split}


def test_every_discipline_gets_the_same_number_of_distinct_problems():
    samples = generate(25, 0, "test")
    assert Counter(sample.discipline for sample in samples) == dict.fromkeys(DISCIPLINES, 25)
    assert len({sample.id for sample in samples}) == len(samples)
    assert len({sample.meta["template"] for sample in samples}) == len(TEMPLATES)


def test_asking_for_more_problems_than_there_are_says_so():
    with pytest.raises(SampleError, match="ask for fewer"):
        generate(20_000, 0, "test", disciplines=["number theory"])


@pytest.mark.parametrize("operation", ["7/2", "3-5", "999+1", "50*40", "7*", "13*13", "2*3*4"])
def test_a_template_that_leaves_the_bounds_of_the_world_fails_when_drawn(operation):
    with pytest.raises(AssertionError):
        calculate(operation)
