"""Physics, chemistry, biology: problems with their arithmetic."""

from __future__ import annotations

from random import Random

from polymath.lab.templates.draft import NAMES, Draft, Template, draft


def two_legs(rng: Random) -> Draft:
    mover = rng.choice(("train", "car", "ship", "runner", "drone"))
    a, b, c, d = rng.randint(3, 20), rng.randint(2, 9), rng.randint(3, 20), rng.randint(2, 9)
    return draft(
        f"A {mover} moves at {a} meters per second for {b} seconds and then at {c} meters per second "
        f"for {d} seconds. How far does it move?",
        f"{a}*{b}",
        f"{c}*{d}",
        f"{a * b}+{c * d}",
    )


def momentum(rng: Random) -> Draft:
    body = rng.choice(("ball", "cart", "stone", "puck", "block", "car", "boat", "drone"))
    mass, speed = rng.randint(2, 12), rng.randint(3, 30)
    return draft(
        f"A {body} of mass {mass} kilograms moves at {speed} meters per second. What is its momentum?",
        f"{speed}*{mass}",
    )


def push(rng: Random) -> Draft:
    body = rng.choice(("cart", "sled", "block", "boat"))
    mass, acceleration, friction = rng.randint(2, 20), rng.randint(2, 9), rng.randint(2, 99)
    return draft(
        f"A {body} of mass {mass} kilograms speeds up by {acceleration} meters per second squared against "
        f"a friction of {friction} newtons. What force pushes it?",
        f"{mass}*{acceleration}",
        f"{mass * acceleration}+{friction}",
    )


def series_circuit(rng: Random) -> Draft:
    first, second, current = rng.randint(1, 6), rng.randint(1, 6), rng.randint(3, 25)
    seconds = rng.randint(2, 9)
    return draft(
        f"A battery of {(first + second) * current} volts drives a current through {first} ohms and {second} ohms "
        f"in series. What charge flows in {seconds} seconds?",
        f"{first}+{second}",
        f"{(first + second) * current}/{first + second}",
        f"{current}*{seconds}",
    )


def power(rng: Random) -> Draft:
    machine = rng.choice(("crane", "motor", "winch", "horse"))
    seconds, rate = rng.randint(2, 9), rng.randint(4, 30)
    work = seconds * rate
    distance = rng.choice([d for d in range(2, 10) if work % d == 0 and work // d > 1] or [1])
    return draft(
        f"A {machine} pulls with {work // distance} newtons over {distance} meters in {seconds} seconds. "
        f"What is its power?",
        f"{work // distance}*{distance}",
        f"{work}/{seconds}",
    )


def molar_mass(rng: Random) -> Draft:
    carbon, oxygen, hydrogen = rng.randint(2, 12), rng.randint(2, 9), rng.randint(2, 24)
    return draft(
        f"Carbon has mass 12, oxygen 16 and hydrogen 1. What is the mass of a molecule with {carbon} carbon, "
        f"{oxygen} oxygen and {hydrogen} hydrogen atoms?",
        f"{carbon}*12",
        f"{oxygen}*16",
        f"{carbon * 12}+{oxygen * 16}",
        f"{carbon * 12 + oxygen * 16}+{hydrogen}",
    )


def salt_solution(rng: Random) -> Draft:
    salt = rng.choice(("salt", "sugar", "acid", "iodine", "copper"))
    grams, liters, more = rng.randint(3, 30), rng.randint(2, 9), rng.randint(2, 99)
    return draft(
        f"A solution holds {grams} grams of {salt} per liter. {more} grams of {salt} are added to {liters} liters of "
        f"it. "
        f"How many grams of {salt} are there?",
        f"{grams}*{liters}",
        f"{grams * liters}+{more}",
    )


def reaction_ratio(rng: Random) -> Draft:
    fuel = rng.choice(("methane", "ethanol", "hydrogen", "iron", "copper"))
    a, b, times = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 20)
    return draft(
        f"In a reaction {a} moles of {fuel} use {b} moles of oxygen. "
        f"How many moles of oxygen do {a * times} moles of {fuel} use?",
        f"{a * times}/{a}",
        f"{times}*{b}",
    )


def neutrons(rng: Random) -> Draft:
    protons, count, atoms = rng.randint(3, 40), rng.randint(4, 30), rng.randint(2, 9)
    return draft(
        f"An atom has mass number {protons + count} and {protons} protons. "
        f"How many neutrons do {atoms} such atoms have?",
        f"{protons + count}-{protons}",
        f"{count}*{atoms}",
    )


def heating_choice(rng: Random) -> Draft:
    start, warmer, heat, grams = rng.randint(10, 40), rng.randint(3, 20), rng.randint(2, 4), rng.randint(2, 9)
    liquid = rng.choice(("water", "oil", "ethanol", "acid"))
    return draft(
        f"One gram of {liquid} needs {heat} joules per degree. How many joules warm {grams} grams of it "
        f"from {start} to {start + warmer} degrees?",
        f"{start + warmer}-{start}",
        f"{warmer}*{heat}",
        f"{warmer * heat}*{grams}",
        num_choices=4,
    )


def cell_division(rng: Random) -> Draft:
    cell = rng.choice(("cells", "bacteria", "yeasts"))
    start = rng.randint(3, 40)
    dead = rng.randint(2, 4 * start - 1)
    return draft(
        f"A culture starts with {start} {cell}. They double in the first hour and again in the second, "
        f"and then {dead} die. How many {cell} are left?",
        f"{start}*2",
        f"{2 * start}*2",
        f"{4 * start}-{dead}",
    )


def food_chain(rng: Random) -> Draft:
    hunter, prey = rng.choice((("owl", "mice"), ("fox", "rabbits"), ("seal", "fish"), ("frog", "flies")))
    eaten, hunters, days = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 9)
    return draft(
        f"Each {hunter} eats {eaten} {prey} a day. How many {prey} do {hunters} such hunters eat in {days} days?",
        f"{eaten}*{hunters}",
        f"{eaten * hunters}*{days}",
    )


def seed_cross(rng: Random) -> Draft:
    trait, other = rng.choice((("round", "wrinkled"), ("tall", "short"), ("purple", "white"), ("smooth", "hairy")))
    quarter, spoiled = rng.randint(5, 60), rng.randint(2, 60)
    total = 4 * quarter
    return draft(
        f"Of {total + spoiled} seeds {spoiled} die. Of the others 3 in 4 are {trait} and the rest {other}. "
        f"How many are {trait}?",
        f"{total + spoiled}-{spoiled}",
        f"{total}/4",
        f"{quarter}*3",
    )


def plant_growth(rng: Random) -> Draft:
    plant = rng.choice(("bean", "fern", "vine", "reed", "palm"))
    start, weekly, weeks = rng.randint(5, 99), rng.randint(3, 20), rng.randint(2, 9)
    eaten = rng.randint(2, start - 1)
    return draft(
        f"A {plant} is {start} centimeters tall and grows {weekly} centimeters a week. After {weeks} weeks "
        f"a deer eats {eaten} centimeters. How tall is it now?",
        f"{weekly}*{weeks}",
        f"{weekly * weeks}+{start}",
        f"{start + weekly * weeks}-{eaten}",
    )


def heart_rate(rng: Random) -> Draft:
    name, beats, more = rng.choice(NAMES), rng.randint(7, 25), rng.randint(2, 60)
    return draft(
        f"The heart of {name} beats {beats} times in 10 seconds at rest. In a run there are {more} beats more per "
        f"minute. How many beats per minute is that?",
        "60/10",
        f"{beats}*6",
        f"{beats * 6}+{more}",
    )


def wave_speed(rng: Random) -> Draft:
    frequency, length = rng.randint(3, 60), rng.randint(2, 12)
    medium = rng.choice(("air", "water", "steel", "rope"))
    return draft(
        f"A wave in {medium} has a length of {length} meters and {frequency} crests pass per second. How fast is it?",
        f"{frequency}*{length}",
    )


def fall_choice(rng: Random) -> Draft:
    body = rng.choice(("stone", "ball", "block"))
    mass, gravity, height = rng.randint(2, 9), rng.randint(2, 10), rng.randint(2, 9)
    return draft(
        f"A {body} of mass {mass} kilograms falls {height} meters where gravity is {gravity}. "
        f"What energy in joules is set free?",
        f"{mass}*{gravity}",
        f"{mass * gravity}*{height}",
        num_choices=4,
    )


def ion_charge(rng: Random) -> Draft:
    protons, charge, ions = rng.randint(6, 60), rng.randint(1, 3), rng.randint(2, 9)
    return draft(
        f"An ion has {protons} protons and a charge of plus {charge}. How many electrons do {ions} such ions have?",
        f"{protons}-{charge}",
        f"{protons - charge}*{ions}",
    )


def base_pairs(rng: Random) -> Draft:
    first, second = rng.randint(3, 99), rng.randint(3, 99)
    return draft(
        f"A strand of DNA with its partner has {2 * (first + second)} bases, {first} of them A and as many T. "
        f"The others are G and C in equal number. How many are G?",
        f"{first}*2",
        f"{2 * (first + second)}-{2 * first}",
        f"{2 * second}/2",
    )


TEMPLATES = (
    Template(name="two legs", discipline="physics", skills=("speed", "product"), write=two_legs),
    Template(name="momentum", discipline="physics", skills=("momentum", "product"), write=momentum),
    Template(name="push", discipline="physics", skills=("force", "sum"), write=push),
    Template(name="series circuit", discipline="physics", skills=("current", "quotient"), write=series_circuit),
    Template(name="power", discipline="physics", skills=("power", "quotient"), write=power),
    Template(name="molar mass", discipline="chemistry", skills=("mass", "product"), write=molar_mass),
    Template(name="salt solution", discipline="chemistry", skills=("concentration", "sum"), write=salt_solution),
    Template(name="reaction ratio", discipline="chemistry", skills=("ratio", "product"), write=reaction_ratio),
    Template(name="neutrons", discipline="chemistry", skills=("atom", "difference"), write=neutrons),
    Template(name="heating choice", discipline="chemistry", skills=("heat", "choice"), write=heating_choice),
    Template(name="cell division", discipline="biology", skills=("growth", "power"), write=cell_division),
    Template(name="food chain", discipline="biology", skills=("rate", "product"), write=food_chain),
    Template(name="seed cross", discipline="biology", skills=("genetics", "ratio"), write=seed_cross),
    Template(name="plant growth", discipline="biology", skills=("growth", "sum"), write=plant_growth),
    Template(name="heart rate", discipline="biology", skills=("rate", "product"), write=heart_rate),
    Template(name="wave speed", discipline="physics", skills=("speed", "product"), write=wave_speed),
    Template(name="fall choice", discipline="physics", skills=("gravity", "choice"), write=fall_choice),
    Template(name="ion charge", discipline="chemistry", skills=("atom", "difference"), write=ion_charge),
    Template(name="base pairs", discipline="biology", skills=("genetics", "difference"), write=base_pairs),
)
