"""Kinds of problems that the base model never reads: new combinations of known words, a row of their own."""

from __future__ import annotations

from random import Random

from polymath.lab.templates.draft import ITEMS, NAMES, Draft, Template, draft


def walk_and_ride(rng: Random) -> Draft:
    name = rng.choice(NAMES)
    a, b, whole = rng.randint(3, 20), rng.randint(2, 9), rng.randint(2, 300)
    return draft(
        f"{name} moves at {a} meters per second for {b} seconds. The park is {a * b + whole} meters long. "
        f"How many meters are left?",
        f"{a}*{b}",
        f"{a * b + whole}-{a * b}",
    )


def pear_trade(rng: Random) -> Draft:
    name, item = rng.choice(NAMES), rng.choice(ITEMS)
    boxes, each, price, more = rng.randint(2, 6), rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 99)
    return draft(
        f"{name} has {boxes} boxes with {each} {item} each and sells all {item} for {price} dollars each. "
        f"Then {name} finds {more} dollars. How many dollars are there?",
        f"{boxes}*{each}",
        f"{boxes * each}*{price}",
        f"{boxes * each * price}+{more}",
    )


def tank_filling(rng: Random) -> Draft:
    a, b, c, rate = rng.randint(2, 6), rng.randint(2, 6), rng.randint(2, 3), rng.randint(2, 4)
    return draft(
        f"A tank is {a} meters long, {b} meters wide and {c * rate} meters high. "
        f"A stream fills it with {rate} cubic meters per second. How many seconds does that take?",
        f"{a}*{b}",
        f"{a * b}*{c * rate}",
        f"{a * b * c * rate}/{rate}",
    )


def cell_atoms(rng: Random) -> Draft:
    cells, molecules, atoms = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 9)
    dead = rng.randint(1, cells - 1)
    return draft(
        f"A culture has {cells + dead} cells and {dead} die. Each of the others holds {molecules} molecules "
        f"with {atoms} atoms each. How many atoms are there?",
        f"{cells + dead}-{dead}",
        f"{cells}*{molecules}",
        f"{cells * molecules}*{atoms}",
    )


def planet_wages(rng: Random) -> Draft:
    robot = rng.choice(("robot", "rover", "lander"))
    hours, photos, days = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 9)
    return draft(
        f"A {robot} works {hours} hours a day and takes {photos} photos an hour. "
        f"How many photos does it take in {days} days?",
        f"{photos}*{hours}",
        f"{photos * hours}*{days}",
    )


def angle_sequence(rng: Random) -> Draft:
    first, more = rng.randint(10, 40), rng.randint(2, 20)
    return draft(
        f"The smallest angle of a triangle is {first} degrees and the next is {more} degrees more. "
        f"How many degrees is the third angle?",
        f"{first}+{more}",
        f"{first}+{first + more}",
        f"180-{2 * first + more}",
    )


def program_equation(rng: Random) -> Draft:
    factor, x, added = rng.randint(2, 9), rng.randint(3, 30), rng.randint(2, 99)
    return draft(
        f"A program multiplies x by {factor} and then adds {added} to x. The result is {factor * x + added}. "
        f"What is x at first?",
        f"{factor * x + added}-{added}",
        f"{factor * x}/{factor}",
    )


def seed_price(rng: Random) -> Draft:
    plants, seeds, price, rent = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 60)
    cost = plants * seeds * price
    return draft(
        f"{plants} plants have {seeds} seeds each. Each of the seeds costs {price} dollars and the fee is {rent} "
        f"dollars. What is the cost?",
        f"{plants}*{seeds}",
        f"{plants * seeds}*{price}",
        f"{cost}+{rent}",
    )


HELD_OUT = (
    Template(name="walk and ride", discipline="physics", skills=("speed", "difference"), write=walk_and_ride),
    Template(name="pear trade", discipline="economics", skills=("product", "sum"), write=pear_trade),
    Template(
        name="tank filling",
        discipline="geometry",
        also=("earth science",),
        skills=("volume", "rate"),
        write=tank_filling,
    ),
    Template(
        name="cell atoms", discipline="biology", also=("chemistry",), skills=("difference", "atom"), write=cell_atoms
    ),
    Template(name="planet wages", discipline="astronomy", skills=("rate", "product"), write=planet_wages),
    Template(name="angle sequence", discipline="geometry", skills=("angle", "difference"), write=angle_sequence),
    Template(
        name="program equation",
        discipline="computer science",
        also=("algebra",),
        skills=("equation", "inverse operation"),
        write=program_equation,
    ),
    Template(name="seed price", discipline="economics", also=("biology",), skills=("product", "sum"), write=seed_price),
)
