"""Who is chosen, by the counts that arXiv 2601.03111 publishes (Figures 2 and 8) and by hand."""

import itertools

import pytest

from polymath.errors import SampleError
from polymath.synthesis.choice import Spectrum, choose_prime, choose_specialists

CATEGORIES = ("algebra", "geometry", "probability", "number theory", "precalculus")
PUBLISHED = {
    "nat. prealgebra": (8, 6, 0, 0, 4),
    "nat. algebra": (6, 4, 0, 0, 5),
    "nat. intermediate algebra": (8, 0, 0, 0, 6),
    "nat. precalculus": (10, 0, 0, 0, 5),
    "nat. geometry": (0, 4, 0, 0, 5),
    "nat. probability": (4, 0, 3, 4, 3),
    "nat. number theory": (8, 0, 0, 3, 4),
    "pi_1": (6, 0, 0, 0, 6),
    "syn. algebra": (23, 0, 3, 0, 11),
    "syn. precalculus": (11, 0, 6, 0, 12),
    "syn. geometry": (5, 6, 0, 0, 5),
    "syn. probability": (16, 0, 7, 5, 5),
    "syn. number theory": (11, 0, 7, 7, 7),
    "Synthetic Prime": (38, 0, 19, 8, 26),
}


def spectrum(name, counts):
    return Spectrum(id=name, name=name, counts=dict(zip(CATEGORIES, counts, strict=True)))


SPECTRA = [spectrum(name, counts) for name, counts in PUBLISHED.items()]


@pytest.mark.parametrize("breadth", ["sum", "coverage"])
def test_the_published_counts_choose_the_published_prime(breadth):
    chosen = choose_prime(SPECTRA, breadth=breadth)
    assert chosen.name == "Synthetic Prime"
    assert set(chosen.score) == {91, 4}


def test_the_published_counts_choose_the_published_specialists_once_the_prime_is_set_apart():
    synthetic = [one for one in SPECTRA if one.name.startswith("syn.")]
    chosen = choose_specialists([*synthetic, SPECTRA[-1]], CATEGORIES, apart=["Synthetic Prime"])
    assert {category: one.name for category, one in chosen.items()} == {name: f"syn. {name}" for name in CATEGORIES}
    assert chosen["probability"].tied == ("syn. number theory",), "7 skills each: 33 in all beat 32"
    assert chosen["algebra"].tied == () and chosen["algebra"].runner_up == "syn. probability"


def test_with_the_prime_among_them_it_would_take_all_but_geometry():
    chosen = choose_specialists(SPECTRA, CATEGORIES)
    assert [name for name, one in chosen.items() if one.name == "Synthetic Prime"] == [
        "algebra", "probability", "number theory", "precalculus",
    ]  # fmt: skip


def test_the_two_readings_of_breadth_differ_where_depth_and_width_do():
    deep, wide = spectrum("deep", (9, 9, 0, 0, 0)), spectrum("wide", (1, 1, 1, 1, 0))
    assert choose_prime([deep, wide], breadth="sum").name == "deep"
    assert choose_prime([deep, wide], breadth="coverage").name == "wide"


def test_the_reason_names_the_runner_up_and_the_tie():
    first, second, third = (spectrum(name, (5, extra, 0, 0, 0)) for name, extra in (("a", 0), ("b", 2), ("c", 0)))
    chosen = choose_specialists([first, second, third], ["algebra"])["algebra"]
    assert (chosen.name, chosen.runner_up, chosen.tied) == ("b", "a", ("a", "c"))
    assert "b is the specialist of algebra among 3: skills in algebra 5, next a with 5; tied with a, c" in chosen.why


def test_the_order_of_the_candidates_decides_full_ties_only():
    distinct = SPECTRA[-4:]
    names = {choose_prime(order).name for order in itertools.permutations(distinct)}
    assert names == {"Synthetic Prime"}
    equal = [spectrum("x", (1, 1, 0, 0, 0)), spectrum("y", (1, 1, 0, 0, 0))]
    assert choose_prime(equal).name == "x" and choose_prime(equal[::-1]).name == "y"
    assert choose_prime(equal).tied == ("y",)


def test_nobody_is_chosen_where_nobody_shows_a_skill():
    with pytest.raises(SampleError):
        choose_prime([spectrum("x", (0, 0, 0, 0, 0))])
    assert choose_specialists([spectrum("x", (1, 0, 0, 0, 0))], CATEGORIES).keys() == {"algebra"}
    assert choose_specialists([], CATEGORIES) == {}
