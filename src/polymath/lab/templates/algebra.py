"""Prealgebra, algebra, intermediate algebra, precalculus: problems with their arithmetic."""

from __future__ import annotations

from random import Random

from polymath.lab.templates.draft import ITEMS, NAMES, Draft, Template, draft


def shopping(rng: Random) -> Draft:
    name, item = rng.choice(NAMES), rng.choice(ITEMS)
    count, price = rng.randint(3, 12), rng.randint(3, 24)
    paid = count * price + rng.randint(2, 60)
    return draft(
        f"{name} buys {count} {item} for {price} dollars each and pays with {paid} dollars. "
        f"How many dollars come back?",
        f"{count}*{price}",
        f"{paid}-{count * price}",
    )


def sharing(rng: Random) -> Draft:
    name, item = rng.choice(NAMES), rng.choice(ITEMS)
    friends, each = rng.randint(3, 9), rng.randint(4, 25)
    total = friends * each
    found = rng.randint(2, total - 2)
    return draft(
        f"{name} has {total - found} {item} and finds {found} more. "
        f"They are shared by {friends} friends. How many does each friend get?",
        f"{total - found}+{found}",
        f"{total}/{friends}",
    )


def discount(rng: Random) -> Draft:
    thing = rng.choice(("coat", "bike", "lamp", "table", "phone", "chair"))
    tenth, tens = rng.randint(3, 30), rng.randint(2, 9)
    return draft(
        f"A {thing} costs {tenth * 10} dollars. The price falls by {tens * 10} percent. What is the new price?",
        f"{tenth * 10}/10",
        f"{tenth}*{tens}",
        f"{tenth * 10}-{tenth * tens}",
    )


def boxes(rng: Random) -> Draft:
    item = rng.choice(ITEMS)
    a, b, c, d = (rng.randint(2, 12) for _ in range(4))
    return draft(
        f"A shop has {a} boxes with {b} {item} each and {c} bags with {d} {item} each. How many {item} are there?",
        f"{a}*{b}",
        f"{c}*{d}",
        f"{a * b}+{c * d}",
    )


def linear_equation(rng: Random) -> Draft:
    factor, x, shift = rng.randint(2, 12), rng.randint(3, 24), rng.randint(2, 99)
    return draft(
        f"Solve the equation {factor} x + {shift} = {factor * x + shift}. What is x?",
        f"{factor * x + shift}-{shift}",
        f"{factor * x}/{factor}",
    )


def two_sided_equation(rng: Random) -> Draft:
    left, right = rng.randint(2, 11), rng.randint(2, 9)
    x, shift = rng.randint(3, 20), rng.randint(2, 60)
    constant = left * x + shift
    return draft(
        f"Solve the equation {left + right} x + {shift} = {right} x + {constant}. What is x?",
        f"{left + right}-{right}",
        f"{constant}-{shift}",
        f"{left * x}/{left}",
    )


def secret_number(rng: Random) -> Draft:
    name = rng.choice(NAMES)
    factor, x = rng.randint(2, 9), rng.randint(4, 30)
    taken = rng.randint(1, factor * x - 1)
    return draft(
        f"{name} thinks of a number, multiplies it by {factor} and then subtracts {taken}. "
        f"The result is {factor * x - taken}. What is the number?",
        f"{factor * x - taken}+{taken}",
        f"{factor * x}/{factor}",
    )


def equation_choice(rng: Random) -> Draft:
    factor, x = rng.randint(2, 12), rng.randint(4, 20)
    taken = rng.randint(1, factor * x - 1)
    return draft(
        f"Which number x solves the equation {factor} x - {taken} = {factor * x - taken}?",
        f"{factor * x - taken}+{taken}",
        f"{factor * x}/{factor}",
        num_choices=4,
    )


def sum_and_difference(rng: Random) -> Draft:
    large = rng.randint(20, 120)
    small = rng.randint(2, large - 1)
    total, difference = large + small, large - small
    return draft(
        f"Two numbers have the sum {total} and the difference {difference}. What is the smaller number?",
        f"{total}-{difference}",
        f"{2 * small}/2",
    )


def polynomial_value(rng: Random) -> Draft:
    x, slope, shift = rng.randint(2, 12), rng.randint(2, 12), rng.randint(2, 99)
    return draft(
        f"Let f(x) = x * x + {slope} x + {shift}. What is f({x})?",
        f"{x}*{x}",
        f"{slope}*{x}",
        f"{x * x}+{slope * x}",
        f"{x * x + slope * x}+{shift}",
    )


def other_root(rng: Random) -> Draft:
    first, second, more = rng.randint(2, 20), rng.randint(2, 9), rng.randint(2, 99)
    return draft(
        f"The two roots of a quadratic have the sum {first + second}. One root is {second}. "
        f"What is the product of the roots plus {more}?",
        f"{first + second}-{second}",
        f"{first}*{second}",
        f"{first * second}+{more}",
    )


def ratio_system(rng: Random) -> Draft:
    ratio, y, shift = rng.randint(2, 8), rng.randint(3, 30), rng.randint(2, 60)
    total = (ratio + 1) * y + shift
    return draft(
        f"The numbers x and y satisfy x + y = {total} and x = {ratio} y + {shift}. What is y?",
        f"{total}-{shift}",
        f"{ratio}+1",
        f"{(ratio + 1) * y}/{ratio + 1}",
    )


def arithmetic_sequence(rng: Random) -> Draft:
    first, difference, term = rng.randint(2, 99), rng.randint(2, 20), rng.randint(4, 13)
    return draft(
        f"A sequence starts with {first} and every next term is {difference} more. What is term number {term}?",
        f"{term}-1",
        f"{term - 1}*{difference}",
        f"{(term - 1) * difference}+{first}",
    )


def geometric_sequence(rng: Random) -> Draft:
    first, ratio, num_factors = rng.randint(2, 12), rng.randint(2, 3), rng.randint(2, 3)
    more = rng.randint(2, 99)
    term, operations = first, []
    for _ in range(num_factors):
        operations.append(f"{term}*{ratio}")
        term *= ratio
    return draft(
        f"A sequence starts with {first} and every next term is {ratio} times as large. "
        f"Add {more} to term number {num_factors + 1}. What is the result?",
        *operations,
        f"{term}+{more}",
    )


def composition(rng: Random) -> Draft:
    inner, x, factor, shift = rng.randint(2, 12), rng.randint(2, 12), rng.randint(2, 9), rng.randint(2, 99)
    return draft(
        f"Let f(x) = {factor} x + {shift} and g(x) = x + {inner}. What is f(g({x}))?",
        f"{x}+{inner}",
        f"{x + inner}*{factor}",
        f"{(x + inner) * factor}+{shift}",
    )


def dot_product(rng: Random) -> Draft:
    a, b, c, d, e, f = (rng.randint(2, 12) for _ in range(6))
    return draft(
        f"What is the dot product of the vectors ({a}, {b}, {c}) and ({d}, {e}, {f})?",
        f"{a}*{d}",
        f"{b}*{e}",
        f"{c}*{f}",
        f"{a * d}+{b * e}",
        f"{a * d + b * e}+{c * f}",
    )


def determinant(rng: Random) -> Draft:
    a, d = rng.randint(5, 12), rng.randint(5, 12)
    b = rng.randint(2, 6)
    c = rng.randint(2, min(12, (a * d - 1) // b))
    return draft(
        f"A matrix has the rows ({a}, {b}) and ({c}, {d}). What is its determinant?",
        f"{a}*{d}",
        f"{b}*{c}",
        f"{a * d}-{b * c}",
    )


def bus_choice(rng: Random) -> Draft:
    seats, buses, empty = rng.randint(8, 30), rng.randint(2, 9), rng.randint(2, 7)
    return draft(
        f"A school fills {buses} buses with {seats} seats each, but {empty} seats stay empty. How many people ride?",
        f"{seats}*{buses}",
        f"{seats * buses}-{empty}",
        num_choices=4,
    )


def difference_of_squares(rng: Random) -> Draft:
    large, less = rng.randint(13, 40), rng.randint(2, 12)
    small = large - less
    return draft(
        f"Two numbers have the sum {large + small} and the larger one is {large}. "
        f"What is the difference of their squares?",
        f"{large + small}-{large}",
        f"{large}-{small}",
        f"{large + small}*{less}",
    )


def slope(rng: Random) -> Draft:
    x, run, steep, y = rng.randint(2, 20), rng.randint(2, 9), rng.randint(2, 20), rng.randint(2, 60)
    return draft(
        f"A line goes through the points ({x}, {y}) and ({x + run}, {y + run * steep}). What is its slope?",
        f"{x + run}-{x}",
        f"{y + run * steep}-{y}",
        f"{run * steep}/{run}",
    )


TEMPLATES = (
    Template(name="shopping", discipline="prealgebra", skills=("product", "difference"), write=shopping),
    Template(name="sharing", discipline="prealgebra", skills=("sum", "quotient"), write=sharing),
    Template(name="discount", discipline="prealgebra", skills=("percent", "difference"), write=discount),
    Template(name="boxes", discipline="prealgebra", skills=("product", "sum"), write=boxes),
    Template(
        name="linear equation", discipline="algebra", skills=("equation", "inverse operation"), write=linear_equation
    ),
    Template(
        name="two-sided equation",
        discipline="algebra",
        skills=("equation", "collecting terms"),
        write=two_sided_equation,
    ),
    Template(name="secret number", discipline="algebra", skills=("equation", "inverse operation"), write=secret_number),
    Template(name="equation choice", discipline="algebra", skills=("equation", "choice"), write=equation_choice),
    Template(
        name="sum and difference",
        discipline="intermediate algebra",
        skills=("system of equations",),
        write=sum_and_difference,
    ),
    Template(
        name="polynomial value",
        discipline="intermediate algebra",
        skills=("polynomial", "function value"),
        write=polynomial_value,
    ),
    Template(name="other root", discipline="intermediate algebra", skills=("roots", "product"), write=other_root),
    Template(
        name="ratio system", discipline="intermediate algebra", skills=("system of equations",), write=ratio_system
    ),
    Template(
        name="arithmetic sequence", discipline="precalculus", skills=("sequence", "product"), write=arithmetic_sequence
    ),
    Template(
        name="geometric sequence", discipline="precalculus", skills=("sequence", "power"), write=geometric_sequence
    ),
    Template(name="composition", discipline="precalculus", skills=("function value",), write=composition),
    Template(name="dot product", discipline="precalculus", skills=("vector", "product"), write=dot_product),
    Template(name="determinant", discipline="precalculus", skills=("matrix", "product"), write=determinant),
    Template(name="bus choice", discipline="prealgebra", skills=("product", "choice"), write=bus_choice),
    Template(
        name="difference of squares",
        discipline="intermediate algebra",
        skills=("polynomial", "difference", "product"),
        write=difference_of_squares,
    ),
    Template(name="slope", discipline="precalculus", skills=("function value", "quotient"), write=slope),
)
