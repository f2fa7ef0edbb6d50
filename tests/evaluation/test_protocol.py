"""A protocol's text says how every benchmark is decoded."""

from __future__ import annotations

import pytest

from polymath.errors import RecipeError
from polymath.evaluation.protocol import read_protocol
from polymath.evaluation.suites import SUITES
from polymath.rollouts.policy import Sampling


def test_greedy_is_one_answer_at_temperature_zero():
    protocol = read_protocol("greedy", 50)
    assert protocol.of("any").num_draws == 1 and protocol.is_greedy
    assert protocol.of("any").sampling == Sampling(temperature=0.0, max_tokens=50)


def test_every_figure_of_the_decoding_can_be_said():
    decoding = read_protocol("sample-8-t0.6-p0.95-k20-m3072", 50, stop=("\n\n",)).of("x")
    assert decoding.num_draws == 8
    assert decoding.sampling == Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=3072, stop=("\n\n",))


def test_the_papers_base_row_is_a_mean_of_64_draws():
    """arXiv 2601.03111, Table 4: temperature 0.5, top-k 10, top-p 0.8."""
    decoding = read_protocol("polymath-base", 2048).of("math500")
    assert decoding.num_draws == 64
    assert decoding.sampling == Sampling(temperature=0.5, top_p=0.8, top_k=10, max_tokens=2048)


def test_one_benchmark_can_be_decoded_in_another_way():
    protocol = read_protocol("greedy+aime24=sample-8-t0.6", 50)
    assert protocol.of("aime24").num_draws == 8 and protocol.of("aime24").sampling.temperature == 0.6
    assert protocol.of("math500").num_draws == 1 and not protocol.is_greedy
    assert protocol.name == "greedy+aime24=sample-8-t0.6"


def test_suite_takes_what_the_suite_says_and_nothing_else_does():
    one_shot = SUITES["one-shot-math"]
    said = {"of_suite": one_shot.protocols, "lengths": one_shot.max_tokens}
    protocol = read_protocol("suite", 50, **said)
    assert protocol.of("amc23").num_draws == 8 and protocol.of("amc23").sampling.temperature == 0.6
    assert protocol.of("math500").num_draws == 1
    assert {protocol.of(name).sampling.max_tokens for name in one_shot.benchmarks} == {3072}
    assert read_protocol("greedy", 50, **said).of("amc23").num_draws == 1
    assert read_protocol("suite+amc23=greedy", 50, **said).of("amc23").num_draws == 1


def test_every_protocol_that_a_suite_names_can_be_read():
    for selection in SUITES.values():
        for text in selection.protocols.values():
            read_protocol(text, 50)


@pytest.mark.parametrize(
    "name",
    ["best", "sample-0", "sample-", "Greedy", "sample-8-t", "sample-8-p1.5", "greedy-t0.5", "greedy+aime24", "greedy+"],
)
def test_an_unknown_protocol_is_refused_with_the_known_ones(name):
    with pytest.raises(RecipeError, match=r"greedy, or sample-N .*polymath-base, or suite"):
        read_protocol(name, 8)


def test_draws_at_temperature_zero_are_refused():
    with pytest.raises(RecipeError, match="use greedy"):
        read_protocol("sample-4-t0", 8)
