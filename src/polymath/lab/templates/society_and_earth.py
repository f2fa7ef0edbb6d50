"""Economics, computer science, astronomy, earth science: problems with their arithmetic."""

from __future__ import annotations

from random import Random

from polymath.lab.templates.draft import ITEMS, NAMES, Draft, Template, draft


def profit(rng: Random) -> Draft:
    name, item = rng.choice(NAMES), rng.choice(ITEMS)
    cost, gain, count = rng.randint(2, 30), rng.randint(3, 20), rng.randint(3, 9)
    rent = rng.randint(2, gain * count - 1)
    return draft(
        f"{name} makes {count} {item} for {cost} dollars each, sells them for {cost + gain} dollars each and "
        f"pays {rent} dollars of rent. What is the profit?",
        f"{cost + gain}-{cost}",
        f"{gain}*{count}",
        f"{gain * count}-{rent}",
    )


def interest(rng: Random) -> Draft:
    name = rng.choice(NAMES)
    hundreds, rate, years = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 9)
    yearly = hundreds * rate
    return draft(
        f"{name} lends {hundreds * 100} dollars at {rate} percent simple interest a year. "
        f"How much interest is paid in {years} years?",
        f"{yearly // rate}*{rate}",
        f"{yearly}*{years}",
    )


def wages(rng: Random) -> Draft:
    name = rng.choice(NAMES)
    hours, pay = rng.randint(3, 9), rng.randint(8, 30)
    tax = rng.randint(2, hours * pay - 1)
    return draft(
        f"{name} works {hours} hours for {pay} dollars an hour and pays {tax} dollars of tax. How much is left?",
        f"{pay}*{hours}",
        f"{hours * pay}-{tax}",
    )


def market_price(rng: Random) -> Draft:
    item = rng.choice(ITEMS)
    a, b, price, supply = rng.randint(1, 6), rng.randint(1, 6), rng.randint(3, 25), rng.randint(2, 99)
    demand = supply + (a + b) * price
    return draft(
        f"At price p people want {demand} - {a} p {item} and makers offer {supply} + {b} p {item}. "
        f"At what price do they agree?",
        f"{demand}-{supply}",
        f"{a}+{b}",
        f"{(a + b) * price}/{a + b}",
    )


def loop(rng: Random) -> Draft:
    start, step, rounds, factor = rng.randint(2, 60), rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 3)
    return draft(
        f"A program starts with x = {start}, adds {step} to x in each of {rounds} rounds and then multiplies x by "
        f"{factor}. What is x?",
        f"{step}*{rounds}",
        f"{step * rounds}+{start}",
        f"{start + step * rounds}*{factor}",
    )


def disk_space(rng: Random) -> Draft:
    kind = rng.choice(("photos", "songs", "films", "games"))
    count, size, free = rng.randint(2, 9), rng.randint(3, 30), rng.randint(2, 300)
    return draft(
        f"A disk of {count * size + free} megabytes holds {count} {kind} of {size} megabytes each. "
        f"How many megabytes are free?",
        f"{size}*{count}",
        f"{count * size + free}-{count * size}",
    )


def binary_number(rng: Random) -> Draft:
    places = sorted(rng.sample((1, 2, 4, 8, 16, 32, 64), 3), reverse=True)
    more = rng.randint(2, 99)
    first, second, third = places
    return draft(
        f"A binary number has ones in the places of {first}, {second} and {third} and zeros elsewhere. "
        f"What is it plus {more}?",
        f"{first}+{second}",
        f"{first + second}+{third}",
        f"{first + second + third}+{more}",
    )


def branch(rng: Random) -> Draft:
    x, limit, y, factor = rng.randint(20, 99), 50, rng.randint(2, 19), rng.randint(2, 5)
    operation = f"{x}+{y}" if x > limit else f"{x}-{y}"
    middle = x + y if x > limit else x - y
    return draft(
        f"A program has x = {x}. If x is more than {limit} it adds {y} to x, or else it subtracts {y} from x. "
        f"Then it multiplies x by {factor}. What is x?",
        operation,
        f"{middle}*{factor}",
    )


def pixels_choice(rng: Random) -> Draft:
    width, height, size = rng.randint(3, 12), rng.randint(3, 9), rng.randint(2, 4)
    picture = rng.choice(("icon", "picture", "button"))
    return draft(
        f"A small {picture} is {width} pixels wide and {height} pixels high. Each pixel needs {size} bytes. "
        f"How many bytes does the {picture} need?",
        f"{width}*{height}",
        f"{width * height}*{size}",
        num_choices=4,
    )


def orbits(rng: Random) -> Draft:
    moon = rng.choice(("moon", "comet", "planet", "probe"))
    days, count, more = rng.randint(3, 30), rng.randint(2, 9), rng.randint(2, 99)
    return draft(
        f"A {moon} needs {days} days for one orbit. It is seen for {count} orbits and {more} days. "
        f"How many days is it seen?",
        f"{days}*{count}",
        f"{days * count}+{more}",
    )


def gravity_difference(rng: Random) -> Draft:
    thing = rng.choice(("rock", "rover", "robot", "lander"))
    weak, more, mass = rng.randint(2, 12), rng.randint(2, 12), rng.randint(3, 30)
    return draft(
        f"A {thing} of mass {mass} kilograms is taken from a planet of gravity {weak + more} to one of "
        f"gravity {weak}. How many newtons of weight does it lose?",
        f"{weak + more}-{weak}",
        f"{mass}*{more}",
    )


def star_count(rng: Random) -> Draft:
    a, b, stars, found = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 99)
    return draft(
        f"A map of the sky has {a} rows of {b} fields with {stars} stars in each field. A telescope finds {found} "
        f"more stars. How many stars are known?",
        f"{a}*{b}",
        f"{a * b}*{stars}",
        f"{a * b * stars}+{found}",
    )


def light_travel(rng: Random) -> Draft:
    minutes, far, back = rng.randint(3, 12), rng.randint(2, 9), rng.randint(2, 60)
    probe = rng.choice(("probe", "station", "ship"))
    return draft(
        f"Light needs {minutes} minutes from the sun to a planet. A {probe} is {far} times as far. Light goes from the "
        f"sun to the {probe}, waits {back} minutes and returns. How many minutes does that take?",
        f"{minutes}*{far}",
        f"{minutes * far}*2",
        f"{minutes * far * 2}+{back}",
    )


def mountain_cold(rng: Random) -> Draft:
    drop, height = rng.randint(4, 9), rng.randint(2, 6)
    valley = drop * height + rng.randint(1, 40)
    return draft(
        f"In the valley it is {valley} degrees warm. Each kilometer up is {drop} degrees colder. "
        f"How warm is it {height} kilometers up?",
        f"{drop}*{height}",
        f"{valley}-{drop * height}",
    )


def mean_rain(rng: Random) -> Draft:
    mean = rng.randint(10, 99)
    first, second = rng.randint(2, mean), rng.randint(2, mean)
    third = 3 * mean - first - second
    return draft(
        f"Three months bring {first}, {second} and {third} millimeters of rain. What is the mean?",
        f"{first}+{second}",
        f"{first + second}+{third}",
        f"{3 * mean}/3",
    )


def plate_drift(rng: Random) -> Draft:
    first, second = rng.randint(1, 6), rng.randint(1, 6)
    years, gap = rng.randint(3, 30), rng.randint(2, 99)
    return draft(
        f"Two plates are {gap} centimeters apart and drift away by {first} and {second} centimeters a year. "
        f"How far apart are they in {years} years?",
        f"{first}+{second}",
        f"{years}*{first + second}",
        f"{years * (first + second)}+{gap}",
    )


def rock_layers(rng: Random) -> Draft:
    rock = rng.choice(("sand", "clay", "chalk", "coal"))
    layers, meters, years = rng.randint(2, 9), rng.randint(2, 12), rng.randint(2, 9)
    return draft(
        f"A cliff has {layers} layers of {rock}, each {meters} meters thick. One meter took {years} thousand years. "
        f"How many thousand years did the cliff take?",
        f"{meters}*{layers}",
        f"{meters * layers}*{years}",
    )


def exchange_choice(rng: Random) -> Draft:
    name = rng.choice(NAMES)
    rate, coins, fee = rng.randint(2, 12), rng.randint(8, 60), rng.randint(2, 15)
    return draft(
        f"{name} changes {coins} dollars into crowns at {rate} crowns for a dollar and pays a fee of {fee} crowns. "
        f"How many crowns are left?",
        f"{coins}*{rate}",
        f"{coins * rate}-{fee}",
        num_choices=4,
    )


def array_index(rng: Random) -> Draft:
    width, row, column = rng.randint(4, 60), rng.randint(2, 12), rng.randint(1, 60)
    return draft(
        f"A table with {width} columns is stored row by row. Rows and columns count from 0. "
        f"How many cells lie before column {min(column, width - 1)} of row {row}?",
        f"{width}*{row}",
        f"{width * row}+{min(column, width - 1)}",
    )


def moons_choice(rng: Random) -> Draft:
    planets, moons, craters = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 12)
    return draft(
        f"A system has {planets} planets with {moons} moons each, and every moon has {craters} craters. "
        f"How many craters are there?",
        f"{planets}*{moons}",
        f"{planets * moons}*{craters}",
        num_choices=4,
    )


def river_flow(rng: Random) -> Draft:
    width, depth, speed = rng.randint(3, 12), rng.randint(2, 6), rng.randint(2, 9)
    more = rng.randint(2, 60)
    return draft(
        f"A river is {width} meters wide and {depth} meters deep and flows at {speed} meters per second. "
        f"A stream adds {more} cubic meters per second. How many cubic meters flow per second?",
        f"{width}*{depth}",
        f"{width * depth}*{speed}",
        f"{width * depth * speed}+{more}",
    )


TEMPLATES = (
    Template(name="profit", discipline="economics", skills=("difference", "product"), write=profit),
    Template(name="interest", discipline="economics", skills=("percent", "product"), write=interest),
    Template(name="wages", discipline="economics", skills=("product", "difference"), write=wages),
    Template(name="market price", discipline="economics", skills=("equation", "quotient"), write=market_price),
    Template(name="loop", discipline="computer science", skills=("loop", "product"), write=loop),
    Template(name="disk space", discipline="computer science", skills=("product", "difference"), write=disk_space),
    Template(name="binary number", discipline="computer science", skills=("binary", "sum"), write=binary_number),
    Template(name="branch", discipline="computer science", skills=("comparison", "product"), write=branch),
    Template(name="pixels choice", discipline="computer science", skills=("product", "choice"), write=pixels_choice),
    Template(name="orbits", discipline="astronomy", skills=("period", "sum"), write=orbits),
    Template(name="gravity difference", discipline="astronomy", skills=("gravity",), write=gravity_difference),
    Template(name="star count", discipline="astronomy", skills=("product", "sum"), write=star_count),
    Template(name="light travel", discipline="astronomy", skills=("distance", "product"), write=light_travel),
    Template(name="mountain cold", discipline="earth science", skills=("rate", "difference"), write=mountain_cold),
    Template(name="mean rain", discipline="earth science", skills=("mean", "sum"), write=mean_rain),
    Template(name="plate drift", discipline="earth science", skills=("rate", "sum"), write=plate_drift),
    Template(name="rock layers", discipline="earth science", skills=("product",), write=rock_layers),
    Template(name="exchange choice", discipline="economics", skills=("ratio", "choice"), write=exchange_choice),
    Template(name="array index", discipline="computer science", skills=("loop", "sum"), write=array_index),
    Template(name="moons choice", discipline="astronomy", skills=("product", "choice"), write=moons_choice),
    Template(name="river flow", discipline="earth science", skills=("volume", "rate", "sum"), write=river_flow),
)
