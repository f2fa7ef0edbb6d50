"""The labels of the specialists for the five categories of mathematics."""

from fractions import Fraction
from itertools import count, pairwise, product

import sympy
from sympy import Rational, cos, integrate, pi, simplify, sin, sqrt


def enzyme(first, first_rate, second, second_rate, asked):
    v, k = sympy.symbols("v k")
    equations = [v * first / (k + first) - first_rate, v * second / (k + second) - second_rate]
    (found,) = sympy.solve([sympy.nsimplify(equation) for equation in equations], [v, k], dict=True)
    return found[v] * asked / (found[k] + asked)


def salt_cubes(edges, surface, box):
    x = sympy.Symbol("x")
    e1, e3 = int(edges), int(box)
    e2 = Rational(e1**2 - Rational(surface) / 6, 2)
    roots = sympy.roots(x**3 - e1 * x**2 + e2 * x - e3, x)
    assert len(roots) == 3 and all(root.is_positive for root in roots)
    return simplify(sum(root**3 for root in roots))


def broods(first, first_due, second, second_due, wasp):
    return next(
        n for n in count(1) if (n - first_due) % first == 0 and (n - second_due) % second == 0 and (n - 1) % wasp == 0
    )


def buoy(lowest, highest, modulus, message, _modulus, p, q):
    assert p * q == modulus
    (reading,) = [m for m in range(int(lowest), int(highest) + 1) if pow(m, 5, int(modulus)) == message]
    return reading


def gears(small, middle, large):
    return next(turns for turns in count(1) if turns * small % middle == 0 and turns * small % large == 0)


def comb(side, depth, thickness):
    """Cells by their centres on a grid in units of half a side; walls by their midpoints, each once."""
    centres = [(0, 0), (3, 1), (3, -1), (-3, 1), (-3, -1), (0, 2), (0, -2)]
    halves = [
        (0, 1),
        (0, -1),
        (Fraction(3, 2), Fraction(1, 2)),
        (Fraction(3, 2), Fraction(-1, 2)),
        (Fraction(-3, 2), Fraction(1, 2)),
        (Fraction(-3, 2), Fraction(-1, 2)),
    ]
    walls = {(x + dx, y + dy) for x, y in centres for dx, dy in halves}
    corners = [(cos(pi * k / 3) * int(side), sin(pi * k / 3) * int(side)) for k in range(7)]
    area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise(corners)) / 2
    wax = len(walls) * side * depth * thickness
    return simplify(area * len(centres) * int(depth) / Rational(wax))


def floating(radius, density, depth):
    z = sympy.Symbol("z")
    r, h = int(radius), int(depth)
    slices = pi * (r**2 - z**2)
    return integrate(slices, (z, -r, h - r)) / integrate(slices, (z, -r, r)) * int(density)


def methane(bond):
    """From the angle between two bonds: the four unit vectors of a regular tetrahedron add up to zero."""
    cosine = Rational(-1, 3)
    return sqrt(2 * int(bond) ** 2 * (1 - cosine))


def memory(one, five, bits):
    flips = [sum(die == 0 for die in dice) for dice in product(range(int(five)), repeat=5)]
    assert one == 1
    return bits * Fraction(sum(num > 2 for num in flips), len(flips))


def carrier():
    """Every equally likely way to draw Lena's two copies and those of four children."""
    given = both = 0
    for lena in product("Nf", "Nf"):
        if lena == ("f", "f"):
            continue
        for children in product(product(lena, "Nf"), repeat=4):
            ill = [child == ("f", "f") for child in children]
            given += not any(ill[:3])
            both += not any(ill[:3]) and ill[3]
    return Rational(both, given)


def sites(length, strong):
    complement = dict(zip("ACGT", "TGCA", strict=True))
    halves = product("ACGT", repeat=int(length) // 2)
    whole = [half + tuple(complement[base] for base in reversed(half)) for half in halves]
    return sum(sum(base in "GC" for base in bases) == strong for bases in whole)


def tide(mean, cosine, six, sine, _six, needed, period):
    """Between the exact times at which the depth is just enough."""
    t = sympy.Symbol("t", real=True)
    depth = mean + cosine * cos(pi * t / six) + sine * sin(pi * t / six) - needed
    times = sorted(sympy.solveset(sympy.nsimplify(depth), t, sympy.Interval.Ropen(0, period)))
    dry, wet = times
    assert depth.subs(t, (dry + wet) / 2) < 0 < depth.subs(t, 0)
    return (period - (wet - dry)) * 60


def dish(across, deep):
    f = sympy.Symbol("f", positive=True)
    (focus,) = sympy.solve(Rational(across / 2) ** 2 / (4 * f) - int(deep), f)
    strut = sqrt(Rational(across / 2) ** 2 + (focus - int(deep)) ** 2)
    return 3 * strut + focus


def dose(tablet, _hour, _minute, interval, half_life):
    amount = Fraction(0)
    for _ in range(4):
        amount = amount / 2 ** int(interval / half_life) + tablet
    return amount
