"""Free-text names brought together: against paraphrases made by hand, scipy's clustering, and in any order."""

import itertools
import json
import random
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from polymath.synthesis.skill_names import THRESHOLD, _average_linkage, canonical_names, likeness
from polymath.synthesis.skill_words import normal_name

PARAPHRASES = json.loads((Path(__file__).parent / "skill_paraphrases.json").read_text())


def pairwise(part):
    """Precision and recall over all pairs of names of one category, in one or in several clusters."""
    right = wrong = missed = 0
    for groups in PARAPHRASES[part].values():
        group_of = {name: place for place, group in enumerate(groups) for name in group}
        chosen = canonical_names(group_of)
        for first, second in itertools.combinations(group_of, 2):
            is_one, is_joined = group_of[first] == group_of[second], chosen[first] == chosen[second]
            right += is_one and is_joined
            wrong += is_joined and not is_one
            missed += is_one and not is_joined
    return right / (right + wrong), right / (right + missed)


def test_paraphrases_that_nothing_was_tuned_on_come_together_and_different_skills_stay_apart():
    precision, recall = pairwise("test")
    assert precision >= 0.95 and recall >= 0.75, (precision, recall)


def test_clustering_finds_many_more_pairs_than_equal_plain_names_do():
    plain = {name: normal_name(name) for groups in PARAPHRASES["test"].values() for group in groups for name in group}
    pairs = [
        pair for groups in PARAPHRASES["test"].values() for group in groups for pair in itertools.combinations(group, 2)
    ]
    equal = sum(plain[first] == plain[second] for first, second in pairs) / len(pairs)
    assert equal < 0.55 < pairwise("test")[1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Solving linear equations", "linear equation"),
        ("law of cosines", "the cosine rule"),
        ("Bayes' theorem", "applying Bayes rule"),
        ("energy conservation", "conservation of energy"),
        ("factorization of polynomials", "factoring polynomials"),
        ("gcd", "greatest common divisor"),
        ("unit conversions", "Convert Units"),
    ],
)
def test_names_of_one_skill_are_plainly_equal(first, second):
    assert normal_name(first) == normal_name(second)
    assert likeness(first, second) == 1.0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("law of sines", "law of cosines"),
        ("kinetic energy", "potential energy"),
        ("linear equations", "quadratic equations"),
        ("exponential growth", "exponential decay"),
        ("permutations", "combinations"),
        ("first-order kinetics", "second-order kinetics"),
    ],
)
def test_names_that_differ_by_one_deciding_word_stay_apart(first, second):
    chosen = canonical_names([first, second])
    assert chosen[first] != chosen[second]


def test_the_most_frequent_spelling_stands_for_the_skill_and_then_the_shortest():
    said = ["solving linear equations"] * 3 + ["linear equations", "Linear Equations"]
    assert set(canonical_names(said).values()) == {"solving linear equations"}
    assert set(canonical_names(said[2:]).values()) == {"Linear Equations"}


phrases = st.sampled_from(
    [name for part in PARAPHRASES.values() for groups in part.values() for g in groups for name in g]
)


@settings(deadline=None, max_examples=40)
@given(st.lists(phrases, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_the_names_changes_nothing(said, rng):
    shuffled = list(said)
    rng.shuffle(shuffled)
    assert canonical_names(said) == canonical_names(shuffled)


@settings(deadline=None, max_examples=40)
@given(st.lists(phrases, min_size=1, max_size=30), phrases)
def test_saying_a_name_more_often_changes_which_name_stands_but_not_what_belongs_together(said, again):
    def parts(names):
        chosen = canonical_names(names)
        return {frozenset(name for name in chosen if chosen[name] == stands) for stands in chosen.values()}

    assert parts(said) == parts([*said, *[said[0]] * 5])


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 14), st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_the_clusters_are_those_of_scipys_average_linkage(size, seed, threshold):
    alike = np.random.default_rng(seed).uniform(size=(size, size))
    alike = (alike + alike.T) / 2
    np.fill_diagonal(alike, 1.0)
    heights = linkage(squareform(1 - alike, checks=False), method="average")
    labels = fcluster(heights, 1 - threshold, criterion="distance")
    expected = {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels)}
    assert {frozenset(part) for part in _average_linkage(alike, threshold)} == expected


def test_given_vectors_decide_instead_of_letters():
    vectors = {"mitosis": [1, 0.1], "cell division": [1, 0.0], "meiosis": [0, 1]}
    chosen = canonical_names(vectors, vectors=vectors, threshold=0.9)
    assert chosen["mitosis"] == chosen["cell division"] != chosen["meiosis"]


def test_a_threshold_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="threshold"):
        canonical_names(["a"], threshold=0)


@given(st.text(max_size=60))
def test_every_text_has_a_plain_name_and_stands_for_itself_alone(text):
    assert normal_name(text) == normal_name(text.upper().lower()) or not text.isascii()
    assert canonical_names([text]) == {text: text}


def test_two_thousand_names_take_seconds():
    rng = random.Random(0)
    words = sorted({word for name in phrases.elements for word in name.split()})
    names = [" ".join(rng.sample(words, 3)) for _ in range(2000)]
    began = time.monotonic()
    chosen = canonical_names(names)
    assert time.monotonic() - began < 60
    assert len(set(chosen.values())) <= len(set(names))


def test_the_threshold_is_the_one_that_the_documents_name():
    docs = (Path(__file__).parent.parent.parent / "docs" / "skills.md").read_text()
    assert f"threshold {THRESHOLD}" in docs
