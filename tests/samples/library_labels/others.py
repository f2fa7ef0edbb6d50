"""What would be right in the samples that are flawed on purpose, and the labels of the small ones of the lab."""

import math
from fractions import Fraction

import sympy
from sympy import Rational


def rounded(speed, power, more):
    return int(speed) * sympy.cbrt(Rational(more / power))


def guessable(concentration):
    return -sympy.log(Rational(concentration), 10)


def two_options():
    """Constant p V: the pressure falls on the way up."""
    deep, surface = Fraction(2), Fraction(1)
    return "A" if deep / surface > 1 else "B"


def leaking(power, minutes, _shown):
    return power * minutes * 60 / 1000


def shortcut(_mass, distance, force):
    return distance * force


def wrong_label(start, half_life, hours):
    for _ in range(int(hours / half_life)):
        start /= 2
    return start


def ambiguous(one, other):
    return one * other / (one + other)


def one_product(a, b):
    return a * b


def two_products(a, b, c, d):
    return a * b + c * d


def change(number, price, paid):
    return paid - number * price


def equation(factor, taken, result):
    solutions = [x for x in (7, 5, 12, 8) if factor * x - taken == result]
    return "ABCD"[(7, 5, 12, 8).index(*solutions)]


def drift(distance, one, other, years):
    for _ in range(int(years)):
        distance += one + other
    return distance


def shelf(*edges):
    return "ABCD"[["97", "84", "93", "99"].index(str(math.prod(int(edge) for edge in edges)))]


def divisor(a, b):
    return max(d for d in range(1, int(b) + 1) if a % d == 0 == b % d)
