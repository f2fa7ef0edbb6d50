"""The shipped weights say of themselves what a newcomer would measure."""

import pytest

from polymath.api import measure_base
from polymath.lab import model_dir, read_card


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return measure_base("lab", tmp_path_factory.mktemp("base"))


def test_the_base_scores_of_the_card_are_reproduced(measured):
    """Within one problem in a hundred: another processor may round a near tie the other way."""
    card = read_card()["base_scores"]
    for name in ("mean", "lenient_mean", "boxed_frac"):
        assert measured[name] == pytest.approx(card[name], abs=0.01), name


def test_the_base_answers_directly_and_is_usually_wrong(measured):
    assert measured["mean"] < 0.4
    assert measured["lenient_mean"] < 0.4
    assert measured["ways"]["direct"] > 0.5


def test_the_weights_are_small_enough_to_ship():
    assert sum(file.stat().st_size for file in model_dir().iterdir()) <= 8 * 2**20
