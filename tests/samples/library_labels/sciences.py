"""The labels of the specialists for the sciences."""

import math
from fractions import Fraction
from itertools import product

import sympy
from sympy import Rational, sqrt


def bat(bat_speed, moth_speed, frequency_khz, sound):
    """Follow two wave crests, one period apart, from bat to moth and back."""
    period = 1 / (frequency_khz * 1000)

    def heard_at(sent):
        met = (sound * sent - bat_speed * sent + 1) / (sound - moth_speed)  # the moth starts 1 m ahead
        place = 1 + moth_speed * met
        return (place + sound * met) / (sound + bat_speed)

    return f"{float(1 / (heard_at(period) - heard_at(Fraction(0))) / 1000)!r} kHz"


def droplet():
    """Exponents of kilogram, metre and second of every option; one is 1/s."""
    tension, density, radius = (1, 0, -2), (1, -3, 0), (0, 1, 0)
    half = Fraction(1, 2)
    options = {
        "A": (half, -half, -half),
        "B": (half, -half, half),
        "C": (1, -1, -2),
        "D": (-half, half, 3 * half),
        "E": (half, -half, -3 * half),
        "F": (-half, half, -3 * half),
    }
    units = {
        letter: tuple(
            sum(power * unit[base] for power, unit in zip(powers, (tension, density, radius), strict=True))
            for base in range(3)
        )
        for letter, powers in options.items()
    }
    (letter,) = [letter for letter, unit in units.items() if unit == (0, 0, -1)]
    return letter


def rails(aluminium_each, iron_each, oxide, oxide_molar, aluminium, aluminium_molar, iron_molar):
    extent = min(oxide / oxide_molar, aluminium / aluminium_molar / aluminium_each)
    return extent * iron_each * iron_molar


def chlorine():
    """The one-dimensional null space of the matrix of atoms."""
    left, right = ["KMnO4", "HCl"], ["KCl", "MnCl2", "Cl2", "H2O"]
    atoms = {
        "KMnO4": {"K": 1, "Mn": 1, "O": 4},
        "HCl": {"H": 1, "Cl": 1},
        "KCl": {"K": 1, "Cl": 1},
        "MnCl2": {"Mn": 1, "Cl": 2},
        "Cl2": {"Cl": 2},
        "H2O": {"H": 2, "O": 1},
    }
    signs = [1] * len(left) + [-1] * len(right)
    matrix = sympy.Matrix(
        [
            [sign * atoms[s].get(e, 0) for s, sign in zip(left + right, signs, strict=True)]
            for e in ("K", "Mn", "O", "H", "Cl")
        ]
    )
    (solution,) = matrix.nullspace()
    whole = solution * sympy.ilcm(*(value.q for value in solution))
    whole = [int(value) for value in whole / sympy.igcd(*whole)]
    terms = [f"{number} {species}" for number, species in zip(whole, left + right, strict=True)]
    return f"{' + '.join(terms[: len(left)])} -> {' + '.join(terms[len(left) :])}"


def stimulant(sample, co2, water, nitrogen, molar_mass, h, c, n, o):
    """The only formula of this molar mass that burns to these masses."""
    sample, co2, water, nitrogen, molar_mass, h, c, n, o = map(
        int, (sample, co2, water, nitrogen, molar_mass, h, c, n, o)
    )
    found = [
        (carbon, hydrogen, nitrogens, oxygen)
        for carbon, hydrogen, nitrogens, oxygen in product(range(17), range(40), range(14), range(13))
        if carbon * c + hydrogen * h + nitrogens * n + oxygen * o == molar_mass
        and carbon * (c + 2 * o) * sample == co2 * molar_mass
        and hydrogen * (2 * h + o) * sample == water * 2 * molar_mass
        and nitrogens * n * sample == nitrogen * molar_mass
    ]
    ((carbon, hydrogen, nitrogens, oxygen),) = found
    return f"C{carbon}H{hydrogen}N{nitrogens}O{oxygen}"


def gene_map(total, *numbers):
    types = dict(zip(["PQR", "pqr", "PqR", "pQr", "pqR", "PQr", "Pqr", "pQR"], numbers, strict=True))
    assert sum(types.values()) == total

    def recombinants(one, other):
        places = ["PQR".index(gene) for gene in (one, other)]
        return sum(num for kind, num in types.items() if len({kind[place].isupper() for place in places}) == 2)

    middle, end = min([("P", "R"), ("R", "P")], key=lambda pair: recombinants("Q", pair[0]))
    distances = [recombinants(*pair) / total * 100 for pair in (("Q", middle), (middle, end))]
    return f"[{float(distances[0])!r}, {float(distances[1])!r}]"


def fleece(sheep, black):
    recessive = sqrt(Rational(black / sheep))
    return 2 * recessive * (1 - recessive) * int(sheep)


def sieve(limit, *_):
    limit, operations = int(limit), 0
    crossed = [False] * (limit + 1)
    for p in range(2, math.isqrt(limit) + 1):
        if not crossed[p]:
            for multiple in range(p * p, limit + 1, p):
                crossed[multiple] = True
                operations += 1
    return operations


def huffman(hundred, *numbers):
    """The cheapest of all code lengths that Kraft's inequality allows."""
    *weights, reports = numbers
    assert sum(weights) == hundred
    costs = [
        sum(weight * length for weight, length in zip(weights, lengths, strict=True))
        for lengths in product(range(1, 6), repeat=len(weights))
        if sum(Fraction(1, 2**length) for length in lengths) <= 1
    ]
    return min(costs) * reports / hundred


def beam(span, load_per_m, load, place, stress_mpa):
    """The largest moment, where the shear force changes its sign: searched on a fine grid that holds the load."""
    left = (load * (span - place) + load_per_m * span * span / 2) / span
    places = [span * n / 1000 for n in range(1001)]
    moment = max(left * x - load_per_m * x * x / 2 - load * max(x - place, 0) for x in places)
    return moment * 1000 / (stress_mpa * 10**6) * 10**6


def paper_mills(price, slope, cost, share):
    """Twice the welfare is a whole number at whole quantities; both best quantities are whole."""

    def total(q, harm):
        return price * q - slope * q * q / 2 - cost * q - Fraction(q * q, 2) - harm * q * q / (2 * share)

    def demand_meets_cost(q):
        return price - slope * q == cost + q

    (market,) = [q for q in range(200) if demand_meets_cost(q)]
    best = max(range(200), key=lambda q: total(q, 1))
    # Between whole quantities a parabola is not higher than its vertex, which the neighbours show to be at `best`.
    assert total(best + 1, 1) == total(best - 1, 1)
    return total(best, 1) - total(market, 1)
