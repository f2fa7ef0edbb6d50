"""Chains that cross disciplines: the result of one field is the input of the next, over up to six lines of work."""

from __future__ import annotations

from random import Random

from polymath.lab.templates.draft import ITEMS, NAMES, Draft, Template, draft


def trip_cost(rng: Random) -> Draft:
    mover = rng.choice(("car", "train", "ship"))
    speed, hours, price, toll = rng.randint(3, 20), rng.randint(2, 6), rng.randint(2, 6), rng.randint(2, 99)
    return draft(
        f"A {mover} moves at {speed} kilometers per hour for {hours} hours. Each kilometer costs {price} dollars "
        f"and the toll is {toll} dollars. What does the trip cost?",
        f"{speed}*{hours}",
        f"{speed * hours}*{price}",
        f"{speed * hours * price}+{toll}",
    )


def leaf_sugar(rng: Random) -> Draft:
    rate, seconds, carbon, oxygen = rng.randint(2, 12), rng.randint(2, 6), rng.randint(2, 6), rng.randint(2, 6)
    return draft(
        f"A leaf makes {rate} molecules of sugar per second for {seconds} seconds. Each molecule has {carbon} carbon "
        f"and {oxygen} oxygen atoms. How many of these atoms are there?",
        f"{rate}*{seconds}",
        f"{carbon}+{oxygen}",
        f"{rate * seconds}*{carbon + oxygen}",
    )


def probe_disk(rng: Random) -> Draft:
    thing = rng.choice(("probe", "rover", "telescope"))
    daily, days, size, free = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 6), rng.randint(2, 300)
    used = daily * days * size
    return draft(
        f"A {thing} takes {daily} photos a day for {days} days, each of {size} megabytes. "
        f"Its disk holds {used + free} megabytes. How many megabytes are free?",
        f"{daily}*{days}",
        f"{daily * days}*{size}",
        f"{used + free}-{used}",
    )


def rain_harvest(rng: Random) -> Draft:
    plant = rng.choice(("bean", "fern", "vine", "reed"))
    rain, days, leaves, eaten = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 6), rng.randint(2, 60)
    grown = rain * days * leaves
    return draft(
        f"It rains {rain} millimeters a day for {days} days. For each millimeter a {plant} grows {leaves} leaves. "
        f"At first it has {eaten} leaves. How many leaves does it have then?",
        f"{rain}*{days}",
        f"{rain * days}*{leaves}",
        f"{grown}+{eaten}",
    )


def salt_tank(rng: Random) -> Draft:
    salt = rng.choice(("salt", "sugar", "iodine", "copper"))
    a, b, c, grams = rng.randint(2, 5), rng.randint(2, 5), rng.randint(2, 5), rng.randint(2, 6)
    lost = rng.randint(2, a * b * c * grams - 1)
    return draft(
        f"A tank is {a} meters long, {b} meters wide and {c} meters high. Each cubic meter holds {grams} grams of "
        f"{salt}, and {lost} grams are lost. How many grams of {salt} are left?",
        f"{a}*{b}",
        f"{a * b}*{c}",
        f"{a * b * c}*{grams}",
        f"{a * b * c * grams}-{lost}",
    )


def seed_pairs(rng: Random) -> Draft:
    kinds, others, seeds = rng.randint(2, 7), rng.randint(2, 6), rng.randint(2, 9)
    return draft(
        f"{kinds} tall and {others} short plants are crossed, each tall one with each short one once. "
        f"Each cross gives {seeds} seeds. How many seeds are there?",
        f"{kinds}*{others}",
        f"{kinds * others}*{seeds}",
    )


def hash_slot(rng: Random) -> Draft:
    slots, rounds, rest, bytes_each = rng.randint(5, 12), rng.randint(2, 12), rng.randint(2, 4), rng.randint(2, 12)
    key = slots * rounds + rest
    return draft(
        f"A program divides the key {key} by {slots} slots and gets {rounds} with a remainder. The remainder is the "
        f"number of slots before its own, each of {bytes_each} bytes. How many bytes are before it?",
        f"{rounds}*{slots}",
        f"{key}-{slots * rounds}",
        f"{rest}*{bytes_each}",
    )


def sled_equation(rng: Random) -> Draft:
    body = rng.choice(("cart", "sled", "block", "boat"))
    mass, acceleration, friction = rng.randint(2, 12), rng.randint(3, 20), rng.randint(2, 99)
    force = mass * acceleration + friction
    return draft(
        f"A force of {force} newtons pushes a {body} of mass {mass} kilograms against a friction of {friction} "
        f"newtons. Solve for the acceleration: {mass} x + {friction} = {force}. What is x?",
        f"{force}-{friction}",
        f"{mass * acceleration}/{mass}",
    )


def painted_wall(rng: Random) -> Draft:
    a, b, price = rng.randint(5, 12), rng.randint(4, 8), rng.randint(2, 6)
    c, d, tip = rng.randint(2, 4), rng.randint(2, 3), rng.randint(2, 60)
    area = a * b - c * d
    return draft(
        f"A wall is {a} meters long and {b} meters high, its window {c} meters long and {d} meters high. Paint costs "
        f"{price} dollars for each square meter without the window, and the brush {tip} dollars. What is the cost?",
        f"{a}*{b}",
        f"{c}*{d}",
        f"{a * b}-{c * d}",
        f"{area}*{price}",
        f"{area * price}+{tip}",
    )


def savings_plan(rng: Random) -> Draft:
    name = rng.choice(NAMES)
    first, more, months = rng.randint(5, 60), rng.randint(2, 12), rng.randint(4, 12)
    last = first + (months - 1) * more
    spent = rng.randint(1, last - 1)
    return draft(
        f"{name} saves {first} dollars in the first month and every next month {more} dollars more. "
        f"In month number {months} {name} spends {spent} dollars. How many dollars of that month are left?",
        f"{months}-1",
        f"{months - 1}*{more}",
        f"{(months - 1) * more}+{first}",
        f"{last}-{spent}",
    )


def market_day(rng: Random) -> Draft:
    item = rng.choice(ITEMS)
    a, b, c, d = rng.randint(2, 6), rng.randint(2, 6), rng.randint(2, 6), rng.randint(2, 6)
    price, friends = rng.randint(2, 9), rng.randint(2, 9)
    count = a * b + c * d
    each = rng.randint(1, max(1, (count * price - 2) // friends))
    rent = count * price - friends * each
    return draft(
        f"A shop has {a} boxes with {b} {item} each and {c} bags with {d} {item} each, sells all {item} for {price} "
        f"dollars each and pays {rent} dollars of rent. The rest is shared by {friends} friends. "
        f"How many dollars does each friend get?",
        f"{a}*{b}",
        f"{c}*{d}",
        f"{a * b}+{c * d}",
        f"{count}*{price}",
        f"{count * price}-{rent}",
        f"{friends * each}/{friends}",
    )


def lab_heater(rng: Random) -> Draft:
    liquid = rng.choice(("water", "oil", "ethanol", "acid"))
    start, warmer, heat, grams = rng.randint(10, 40), rng.randint(3, 12), rng.randint(2, 4), rng.randint(2, 6)
    joules = warmer * heat * grams
    seconds = rng.choice([s for s in range(2, 13) if joules % s == 0])
    return draft(
        f"One gram of {liquid} needs {heat} joules per degree. {grams} grams of it are warmed from {start} to "
        f"{start + warmer} degrees in {seconds} seconds. What is the power of the heater?",
        f"{start + warmer}-{start}",
        f"{warmer}*{heat}",
        f"{warmer * heat}*{grams}",
        f"{joules}/{seconds}",
    )


def colony_ship(rng: Random) -> Draft:
    people, days, kilograms, more = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 3), rng.randint(2, 60)
    gravity = rng.randint(2, 3)
    food = people * days * kilograms
    return draft(
        f"{people} people fly for {days} days to a planet. Each needs {kilograms} kilograms of food a day, and a robot "
        f"has mass {more} kilograms. What do food and robot weigh in newtons on a planet of gravity {gravity}?",
        f"{people}*{days}",
        f"{people * days}*{kilograms}",
        f"{food}+{more}",
        f"{food + more}*{gravity}",
    )


def quake_signal(rng: Random) -> Draft:
    fast, gap, seconds, depth = rng.randint(5, 9), rng.randint(2, 4), rng.randint(3, 30), rng.randint(2, 60)
    return draft(
        f"A quake sends a fast wave at {fast} kilometers per second and a slow one at {fast - gap}. "
        f"The fast wave leads by how many kilometers after {seconds} seconds, plus {depth}?",
        f"{fast}-{fast - gap}",
        f"{seconds}*{gap}",
        f"{seconds * gap}+{depth}",
    )


TEMPLATES = (
    Template(
        name="trip cost",
        discipline="economics",
        also=("physics",),
        skills=("speed", "product", "sum"),
        write=trip_cost,
    ),
    Template(
        name="leaf sugar",
        discipline="biology",
        also=("chemistry",),
        skills=("rate", "atom", "product"),
        write=leaf_sugar,
    ),
    Template(
        name="probe disk",
        discipline="computer science",
        also=("astronomy",),
        skills=("product", "difference"),
        write=probe_disk,
    ),
    Template(
        name="rain harvest",
        discipline="earth science",
        also=("biology",),
        skills=("rate", "growth", "sum"),
        write=rain_harvest,
    ),
    Template(
        name="salt tank",
        discipline="chemistry",
        also=("geometry",),
        skills=("volume", "concentration", "difference"),
        write=salt_tank,
    ),
    Template(
        name="seed pairs",
        discipline="counting & probability",
        also=("biology",),
        skills=("counting", "genetics", "product"),
        write=seed_pairs,
    ),
    Template(
        name="hash slot",
        discipline="number theory",
        also=("computer science",),
        skills=("remainder", "product"),
        write=hash_slot,
    ),
    Template(
        name="sled equation",
        discipline="algebra",
        also=("physics",),
        skills=("force", "equation", "inverse operation"),
        write=sled_equation,
    ),
    Template(
        name="painted wall",
        discipline="geometry",
        also=("economics",),
        skills=("area", "difference", "product", "sum"),
        write=painted_wall,
    ),
    Template(
        name="savings plan",
        discipline="precalculus",
        also=("economics",),
        skills=("sequence", "product", "difference"),
        write=savings_plan,
    ),
    Template(
        name="market day",
        discipline="prealgebra",
        also=("economics",),
        skills=("product", "sum", "difference", "quotient"),
        write=market_day,
    ),
    Template(
        name="lab heater",
        discipline="physics",
        also=("chemistry",),
        skills=("heat", "power", "quotient"),
        write=lab_heater,
    ),
    Template(
        name="colony ship",
        discipline="astronomy",
        also=("biology", "physics"),
        skills=("rate", "gravity", "product"),
        write=colony_ship,
    ),
    Template(
        name="quake signal",
        discipline="earth science",
        also=("physics",),
        skills=("speed", "difference", "product"),
        write=quake_signal,
    ),
)
