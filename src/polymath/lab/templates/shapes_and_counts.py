"""Geometry, number theory, counting and probability: problems with their arithmetic."""

from __future__ import annotations

from random import Random

from polymath.lab.templates.draft import ITEMS, NAMES, Draft, Template, draft


def fence(rng: Random) -> Draft:
    place = rng.choice(("garden", "field", "yard", "park"))
    length, width, price = rng.randint(10, 40), rng.randint(3, 30), rng.randint(2, 5)
    around = 2 * (length + width)
    return draft(
        f"A {place} is {length} meters long and {width} meters wide. A fence around it costs {price} dollars "
        f"for each meter. What does the fence cost?",
        f"{length}+{width}",
        f"{length + width}*2",
        f"{around}*{price}",
    )


def triangle_angle(rng: Random) -> Draft:
    first, second = rng.randint(20, 90), rng.randint(20, 80)
    return draft(
        f"Two angles of a triangle are {first} degrees and {second} degrees. How many degrees is the third angle?",
        f"{first}+{second}",
        f"180-{first + second}",
    )


def box_volume(rng: Random) -> Draft:
    thing = rng.choice(("box", "tank", "room", "block"))
    a, b, c = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 9)
    return draft(
        f"A {thing} is {a} meters long, {b} meters wide and {c} meters high. What is its volume?",
        f"{a}*{b}",
        f"{a * b}*{c}",
    )


def frame_area(rng: Random) -> Draft:
    a, b = rng.randint(5, 12), rng.randint(5, 12)
    c, d = rng.randint(2, a - 1), rng.randint(2, b - 1)
    return draft(
        f"A wall is {a} meters long and {b} meters high. A window in it is {c} meters long and {d} meters high. "
        f"What is the area of the wall without the window?",
        f"{a}*{b}",
        f"{c}*{d}",
        f"{a * b}-{c * d}",
    )


def house_area(rng: Random) -> Draft:
    side, base, half = rng.randint(3, 12), rng.randint(3, 12), rng.randint(1, 6)
    height = 2 * half
    return draft(
        f"A square of side {side} carries a triangle of base {base} and height {height}. What is the area of both?",
        f"{side}*{side}",
        f"{base}*{height}",
        f"{base * height}/2",
        f"{side * side}+{base * half}",
    )


def remainder(rng: Random) -> Draft:
    divisor, quotient = rng.randint(5, 12), rng.randint(2, 12)
    rest, factor = rng.randint(2, divisor - 1), rng.randint(2, 12)
    number = divisor * quotient + rest
    return draft(
        f"{number} divided by {divisor} is {quotient} with a remainder. What is {factor} times the remainder?",
        f"{quotient}*{divisor}",
        f"{number}-{divisor * quotient}",
        f"{rest}*{factor}",
    )


def common_divisor(rng: Random) -> Draft:
    divisor = rng.randint(3, 40)
    left, right = rng.choice(((2, 1), (3, 2), (3, 1), (4, 3), (5, 3), (5, 2), (5, 4), (4, 1)))
    big, small = divisor * left, divisor * right
    operations = []
    a, b = big, small
    while a != b:
        operations.append(f"{max(a, b)}-{min(a, b)}")
        a, b = max(a, b) - min(a, b), min(a, b)
    return draft(f"What is the greatest common divisor of {big} and {small}?", *operations)


def digit_sum(rng: Random) -> Draft:
    a, b, c, factor = rng.randint(1, 9), rng.randint(0, 9), rng.randint(1, 9), rng.randint(3, 12)
    return draft(
        f"Multiply the sum of the digits of {a}{b}{c} by {factor}. What is the result?",
        f"{a}+{b}",
        f"{a + b}+{c}",
        f"{a + b + c}*{factor}",
    )


def consecutive_numbers(rng: Random) -> Draft:
    middle, shift, factor = rng.randint(10, 97), rng.choice((1, 2)), rng.randint(2, 9)
    kind = {1: "whole", 2: "even" if middle % 2 == 0 else "odd"}[shift]
    return draft(
        f"The sum of three consecutive {kind} numbers is {3 * middle}. What is {factor} times the largest?",
        f"{3 * middle}/3",
        f"{middle}+{shift}",
        f"{middle + shift}*{factor}",
    )


def outfits(rng: Random) -> Draft:
    name = rng.choice(NAMES)
    hats, shirts, shoes = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 9)
    return draft(
        f"{name} has {hats} hats, {shirts} shirts and {shoes} pairs of shoes. "
        f"In how many ways can {name} choose one of each?",
        f"{hats}*{shirts}",
        f"{hats * shirts}*{shoes}",
    )


def handshakes(rng: Random) -> Draft:
    first, second = rng.sample(("girls", "boys", "cats", "dogs", "teachers", "players", "judges", "singers"), 2)
    a, b = rng.randint(2, 7), rng.randint(2, 6)
    people = a + b
    return draft(
        f"{a} {first} and {b} {second} meet, and every two of them shake hands once. How many handshakes are there?",
        f"{a}+{b}",
        f"{people}-1",
        f"{people}*{people - 1}",
        f"{people * (people - 1)}/2",
    )


def expected_draws(rng: Random) -> Draft:
    color, other = rng.sample(("red", "blue", "green", "white", "black", "yellow"), 2)
    item = rng.choice(ITEMS)
    a, b = rng.randint(2, 6), rng.randint(1, 6)
    share = rng.randint(3, 20)
    return draft(
        f"A bag holds {a} {color} and {b} {other} {item}. One is drawn and put back, {(a + b) * share} times. "
        f"How many {color} {item} are expected?",
        f"{a}+{b}",
        f"{(a + b) * share}/{a + b}",
        f"{share}*{a}",
    )


def menu(rng: Random) -> Draft:
    a, b, c, d = (rng.randint(2, 12) for _ in range(4))
    return draft(
        f"A lunch is one of {a} soups with one of {b} breads, or one of {c} salads with one of {d} drinks. "
        f"How many different lunches are there?",
        f"{a}*{b}",
        f"{c}*{d}",
        f"{a * b}+{c * d}",
    )


def committee_choice(rng: Random) -> Draft:
    a, b = rng.randint(2, 7), rng.randint(2, 6)
    club = rng.choice(("club", "team", "class", "band", "choir", "school", "group", "crew"))
    people = a + b
    return draft(
        f"A {club} has {a} girls and {b} boys. In how many ways can it choose a leader and then a different writer?",
        f"{a}+{b}",
        f"{people}-1",
        f"{people}*{people - 1}",
        num_choices=4,
    )


def shelf_choice(rng: Random) -> Draft:
    item = rng.choice(ITEMS)
    a, b, c = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 9)
    return draft(
        f"A block of {item} is {a} long, {b} wide and {c} high. How many {item} are in it?",
        f"{a}*{b}",
        f"{a * b}*{c}",
        num_choices=4,
    )


def common_multiple_choice(rng: Random) -> Draft:
    first, second = rng.sample((2, 3, 5, 7, 11), 2)
    factor = rng.randint(2, 12)
    return draft(
        f"The smallest common multiple of the primes {first} and {second} is multiplied by {factor}. "
        f"What is the result?",
        f"{first}*{second}",
        f"{first * second}*{factor}",
        num_choices=4,
    )


TEMPLATES = (
    Template(name="fence", discipline="geometry", skills=("perimeter", "product"), write=fence),
    Template(name="triangle angle", discipline="geometry", skills=("angle", "difference"), write=triangle_angle),
    Template(name="box volume", discipline="geometry", skills=("volume", "product"), write=box_volume),
    Template(name="frame area", discipline="geometry", skills=("area", "difference"), write=frame_area),
    Template(name="house area", discipline="geometry", skills=("area", "quotient"), write=house_area),
    Template(name="remainder", discipline="number theory", skills=("remainder", "product"), write=remainder),
    Template(name="common divisor", discipline="number theory", skills=("divisor",), write=common_divisor),
    Template(name="digit sum", discipline="number theory", skills=("digits", "sum"), write=digit_sum),
    Template(
        name="consecutive numbers", discipline="number theory", skills=("mean", "quotient"), write=consecutive_numbers
    ),
    Template(name="outfits", discipline="counting & probability", skills=("counting", "product"), write=outfits),
    Template(name="handshakes", discipline="counting & probability", skills=("counting", "pairs"), write=handshakes),
    Template(
        name="expected draws",
        discipline="counting & probability",
        skills=("probability", "expectation"),
        write=expected_draws,
    ),
    Template(name="menu", discipline="counting & probability", skills=("counting", "sum"), write=menu),
    Template(
        name="committee choice",
        discipline="counting & probability",
        skills=("counting", "choice"),
        write=committee_choice,
    ),
    Template(name="shelf choice", discipline="geometry", skills=("volume", "choice"), write=shelf_choice),
    Template(
        name="common multiple choice",
        discipline="number theory",
        skills=("divisor", "product", "choice"),
        write=common_multiple_choice,
    ),
)
