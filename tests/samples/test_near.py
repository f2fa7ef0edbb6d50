"""Near-duplicates: the banding of hashes finds what comparing all pairs finds."""

from random import Random

import pytest

from polymath.samples.near import Near, band_rows, find_near, find_near_within, jaccard, normal_words, shingles

WORDS = [f"w{number}" for number in range(60)]


def words_text(rng, length):
    return " ".join(rng.choices(WORDS, k=length))


def with_words_changed(rng, text, count):
    words = text.split()
    for place in rng.sample(range(len(words)), count):
        words[place] = rng.choice(WORDS)
    return " ".join(words)


def by_hand(first, second, n=3):
    """Jaccard index of the word shingles of two plain texts, by the definition."""
    sets = [{tuple(words[i : i + n]) for i in range(len(words) - n + 1)} for words in (first.split(), second.split())]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_hashing_finds_the_pairs_that_comparing_all_pairs_finds():
    rng = Random(5)
    originals = ["x y z " + words_text(rng, rng.randrange(20, 60)).replace("w", "") for _ in range(80)]
    copies = [with_words_changed(rng, rng.choice(originals), rng.randrange(0, 4)).replace("w", "") for _ in range(80)]
    expected = {
        (row, other): by_hand(text, copy)
        for row, text in enumerate(originals)
        for other, copy in enumerate(copies)
        if by_hand(text, copy) >= 0.7
    }
    found = find_near(originals, copies, 0.7)
    assert len(expected) > 30
    assert {(near.row, near.other): near.jaccard for near in found} == pytest.approx(expected)
    assert [(near.row, near.other) for near in found] == sorted(expected)


def test_within_a_list_each_pair_stands_once_and_no_text_is_near_to_itself():
    rng = Random(6)
    texts = [words_text(rng, 30).replace("w", "") for _ in range(40)]
    texts += [with_words_changed(rng, text, 1).replace("w", "") for text in texts[:20]]
    expected = {(b, a) for a in range(60) for b in range(a + 1, 60) if by_hand(texts[a], texts[b]) >= 0.6}
    assert {(near.row, near.other) for near in find_near_within(texts, 0.6)} == expected
    assert len(expected) >= 15


def test_one_changed_number_in_thirty_words_is_near_and_the_index_is_that_of_the_definition():
    text = " ".join(str(number) for number in range(100, 130))
    changed = text.replace(" 115 ", " 7 ")
    # 28 shingles each; three of them hold the changed word: 25 shared of 31.
    assert find_near([text], [changed]) == [Near(row=0, other=0, jaccard=25 / 31)]
    assert find_near([text], [changed], 0.9) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Find $x$ if $2x = 8$.", "find x, if 2x=8"),
        (r"Compute \left( a + b \right)", "compute (a+b)"),
        ("How  many\nsheep?", "HOW MANY SHEEP"),
        ("½ of ﬁve", "1⁄2 of five"),
    ],
)
def test_typesetting_case_and_spaces_make_no_difference(first, second):
    assert normal_words(first) == normal_words(second)


def test_operators_and_numbers_make_a_difference():
    assert normal_words("x + 1.5") != normal_words("x - 1.5")
    assert normal_words("x + 1.5") != normal_words("x + 1.6")


def test_a_short_text_is_one_shingle_and_a_text_without_words_is_near_to_nothing():
    assert shingles("two words") == {"two words"}
    assert shingles(" ?! ") == frozenset()
    assert jaccard(frozenset(), frozenset()) == 0.0
    assert find_near_within(["?", "?", "two words", "Two words!"]) == [Near(row=3, other=2, jaccard=1.0)]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9])
def test_a_pair_at_the_threshold_is_missed_less_than_once_in_a_thousand(threshold):
    rows = band_rows(threshold)
    assert (1 - threshold**rows) ** (128 // rows) < 1e-3
    assert (1 - threshold ** (rows + 1)) ** (128 // (rows + 1)) >= 1e-3


@pytest.mark.parametrize("threshold", [0, -1, 1.1])
def test_a_threshold_that_means_nothing_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        find_near(["a"], ["b"], threshold)
