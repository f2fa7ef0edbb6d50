"""The labels of the samples that fuse three or more disciplines, and of the retelling."""

from fractions import Fraction
from itertools import count

import sympy
from sympy import Rational, pi, sin


def cider(must, start, _c2, _co2, heat, capacity, end, flow, molar_volume):
    glucose = must * capacity * (end - start) / heat
    return 2 * glucose * molar_volume / flow


def dna_archive(size, byte, bits, payload, parity_payload, primer, reads, pores, speed):
    data = size * byte / bits / payload
    assert data.denominator == 1 and payload == parity_payload
    strands = data + data / 5
    address = next(length for length in count(1) if 4**length >= strands)
    return strands * (payload + 2 * primer + address) * reads / pores / speed


def pacemaker(lithium, molar_mass, circuit, pulse, duration, beats_per_minute, faraday):
    charge = lithium / molar_mass * Fraction(2, 3) * faraday
    beat_s = Fraction(60) / beats_per_minute
    charge_per_beat = circuit * Fraction("1e-6") * beat_s + pulse * Fraction("1e-3") * duration * Fraction("1e-3")
    return charge / charge_per_beat / 10**6


def lettuce(per_mole, wavelength_nm, photons, co2, _h2o, _o2, molar_mass, power, light, absorbed, glucose):
    energy = glucose / molar_mass * co2 * photons * per_mole / (wavelength_nm * Fraction("1e-9"))
    return energy / (power * light / 100 * absorbed / 100) / 60


def nursery(seeds, seed_price, germinate, nitrogen, groups, urea_price, price, urea, nitrogen_atom):
    offspring = [(a1 + a2, b1 + b2) for a1 in "Aa" for a2 in "Aa" for b1 in "Bb" for b2 in "bb"]
    kept = Fraction(sum("A" in a and b == "bb" for a, b in offspring), len(offspring))
    fed = nitrogen / (groups * nitrogen_atom / urea) * urea_price
    return seeds * (germinate / 100 * kept * (price - fed) - seed_price)


def cyclist(stroke_ml, rate, haemoglobin, molar_mass, venous, oxygen, _co2, _h2o, heat_kj, efficiency):
    litres_per_s = stroke_ml / 1000 * rate / 60
    oxygen_per_s = litres_per_s * haemoglobin / molar_mass * 4 * (1 - venous / 100)
    return oxygen_per_s / oxygen * heat_kj * 1000 * efficiency / 100


def reef_scan(length_km, pixels, line_m, depth, rate_mb, draw, area, sunlight, efficiency):
    bits = length_km * 1000 / line_m * pixels * depth / 4
    return bits / (rate_mb * 10**6) * draw / (area * sunlight * efficiency / 100)


def cysts(before, after, exposure, flow, volume_m3, _cl, _electrons, voltage, molar_mass, faraday):
    halvings = next(n for n in count() if before / 2**n == after)
    minutes = volume_m3 * 1000 / flow / 60
    chlorine_g_per_s = halvings * exposure / minutes / 1000 * flow
    return f"{chlorine_g_per_s / molar_mass * 2 * faraday * voltage} W"


def ring(mass, wavelength_nm, _two, angle, atoms, density, avogadro, _ten, _power, gold, copper, price):
    spacing = wavelength_nm / (
        2 * Fraction(sin(pi * Rational(int(angle), 180)).p, sin(pi * Rational(int(angle), 180)).q)
    )
    mean = density * (2 * spacing * Fraction("1e-7")) ** 3 * avogadro * 10**23 / atoms
    x = sympy.Symbol("x")
    (fraction,) = sympy.solve(x * Rational(gold) + (1 - x) * Rational(copper) - Rational(mean), x)
    return mass / mean * Fraction(fraction.p, fraction.q) * gold * price


def tracer(_mass_number, half_life, start, start_minute, *rest):
    *times, dose, price, _six, _zero = rest
    minutes = [
        hour * 60 + minute - start * 60 - start_minute for hour, minute in zip(times[::2], times[1::2], strict=True)
    ]
    assert all((minute / half_life).denominator == 1 for minute in minutes)
    activity = sum(dose * 2 ** int(minute / half_life) for minute in minutes)
    return activity / Fraction(2, 3) * price


def bear(three, four, fox, fox_power, mass, heat_kj, days, hours):
    rest = sympy.root(Rational(mass / fox), int(four)) ** int(three) * int(fox_power)
    energy_kj = Fraction(int(rest)) / 4 * days * hours * 3600 / 1000
    assert rest.is_Integer
    return energy_kj / heat_kj * 51


def phylogeny(positions, operations, energy_nj):
    trees = list(unrooted_trees("abcdefg"))
    inner = {len({node for edge in tree for node in edge if len(node) > 1}) for tree in trees}
    assert len(trees) == len(set(trees)) and inner == {5}
    return len(trees) * 5 * positions * operations * energy_nj / 10**6


def unrooted_trees(tips):
    """Every unrooted tree on the tips as a set of edges, by splitting one edge for each further tip."""
    if len(tips) == 3:
        yield frozenset(frozenset((tip, "root")) for tip in tips)
        return
    *others, tip = tips
    for tree in unrooted_trees(others):
        for edge in tree:
            one, other = edge
            split = f"node {tip}"
            yield (tree - {edge}) | {frozenset((one, split)), frozenset((split, other)), frozenset((split, tip))}


def vaccine(step, store, life, days_store, _store, days_road, road, clinic, vials):
    def loss(temperature, days):
        doublings = (temperature - store) / step
        assert doublings.denominator == 1
        return Fraction(days) * 2 ** int(doublings) / life

    lost = loss(store, days_store) + loss(road, days_road)
    days = next(day for day in count() if lost + loss(clinic, day) == 1)
    return days * vials


def retelling(wavelength_nm, _five, _three, bond_kj, planck, _ten, power, light, _ten_too, avogadro, _ten_again):
    strand = "CGGACGTGCAC"
    bonds = sum({"A": 2, "T": 2, "G": 3, "C": 3}[base] for base in strand)
    needed = bonds * bond_kj * 1000 / (avogadro * 10**23)
    photon = planck / 10 ** int(power) * light * 10**8 / (wavelength_nm * Fraction("1e-9"))
    return next(photons for photons in count(1) if photons * photon >= needed)
