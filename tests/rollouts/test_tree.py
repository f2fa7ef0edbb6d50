"""Prefix trees against brute force: sets of beginnings, ancestors by walking, every run counted anew."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polymath.rollouts.tree import batches, cheapest_split, count_nodes, grow, shared_lengths, split

RESPONSE = st.lists(st.integers(0, 2), min_size=1, max_size=7).map(tuple)
RESPONSES = st.sets(RESPONSE, min_size=1, max_size=20).map(sorted)

WORDS = [(1, 2), (1, 2, 3, 4), (1, 2, 3, 5), (2,)]


def beginnings(responses):
    """Every non-empty beginning of a response, once."""
    return {response[:length] for response in responses for length in range(1, len(response) + 1)}


def spelt(tree, node):
    """The tokens from the first one to this node."""
    tokens = []
    while node >= 0:
        tokens.append(tree.token_ids[node])
        node = tree.parents[node]
    return tuple(reversed(tokens))


def test_a_small_tree_by_hand():
    """1 2 | 3 4 | 5 behind 3 | 2: the second response goes on where the first one ends."""
    tree = grow(WORDS)
    assert tree.token_ids == (1, 2, 3, 4, 5, 2)
    assert tree.parents == (-1, 0, 1, 2, 2, -1)
    assert tree.depths == (0, 1, 2, 3, 3, 0)
    assert tree.ends == (5, 5, 5, 4, 5, 6)
    assert tree.leaves == (1, 3, 4, 5)
    assert tree.paths().tolist() == [[0, 1, -1, -1], [0, 1, 2, 3], [0, 1, 2, 4], [5, -1, -1, -1]]


@settings(deadline=None)
@given(RESPONSES)
def test_there_is_a_node_for_every_beginning_and_no_other(responses):
    tree = grow(responses)
    assert {spelt(tree, node) for node in range(len(tree))} == beginnings(responses)
    assert len(tree) == len(beginnings(responses)) == count_nodes(responses)


@settings(deadline=None)
@given(RESPONSES)
def test_the_paths_spell_the_responses_in_their_order(responses):
    tree = grow(responses)
    rows = tree.paths().tolist()
    for response, row, leaf in zip(responses, rows, tree.leaves, strict=True):
        path = [node for node in row if node >= 0]
        assert row == [*path, *[-1] * (len(row) - len(path))]
        assert tuple(tree.token_ids[node] for node in path) == response
        assert path[-1] == leaf and path[0] >= 0 and tree.parents[path[0]] == -1
        assert all(tree.parents[node] == before for before, node in pairwise(path))
    assert max(len(row) for row in rows) == max(map(len, responses))


@settings(deadline=None)
@given(RESPONSES)
def test_what_follows_a_node_lies_right_behind_it(responses):
    tree = grow(responses)
    words = [spelt(tree, node) for node in range(len(tree))]
    for node, word in enumerate(words):
        followers = [other for other in range(len(tree)) if other != node and words[other][: len(word)] == word]
        assert followers == list(range(node + 1, tree.ends[node]))
        assert tree.depths[node] == len(word) - 1
        assert tree.parents[node] < node


@settings(deadline=None)
@given(RESPONSES)
def test_shared_lengths_are_those_of_neighbours(responses):
    def shared(one, other):
        return max(n for n in range(min(len(one), len(other)) + 1) if one[:n] == other[:n])

    assert shared_lengths(responses) == [0, *(shared(one, other) for one, other in pairwise(responses))]
    assert shared_lengths([]) == []


def assert_runs(runs, count):
    assert [place for run in runs for place in run] == list(range(count))
    assert all(len(run) > 0 for run in runs)


@settings(deadline=None)
@given(RESPONSES, st.integers(1, 40))
def test_runs_hold_what_fits_and_no_less(responses, max_nodes):
    runs = split(responses, max_nodes)
    assert_runs(runs, len(responses))
    for run in runs:
        own = responses[run.start : run.stop]
        assert len(run) == 1 or len(beginnings(own)) <= max_nodes
        if run.stop < len(responses):
            assert len(beginnings(responses[run.start : run.stop + 1])) > max_nodes


def cost(responses, runs, num_prompt_tokens, attention_share):
    """Rows padded to the widest, each node looking at the prompt and the whole row."""
    width = max(len(beginnings(responses[run.start : run.stop])) for run in runs)
    return len(runs) * width * (1 + attention_share * (num_prompt_tokens + width))


@settings(deadline=None)
@given(RESPONSES, st.integers(0, 50), st.sampled_from([0.0, 0.001, 0.01, 0.3]))
def test_no_run_by_doubled_widths_is_cheaper(responses, num_prompt_tokens, attention_share):
    chosen = cheapest_split(responses, num_prompt_tokens, attention_share, 10_000)
    assert_runs(chosen, len(responses))
    found = cost(responses, chosen, num_prompt_tokens, attention_share)
    longest = max(map(len, responses))
    for doublings in range(8):
        other = split(responses, longest * 2**doublings)
        assert found <= cost(responses, other, num_prompt_tokens, attention_share) + 1e-9


def test_rows_are_long_where_looking_is_cheap_and_short_where_it_is_dear():
    responses = sorted((first, second, third) for first in range(4) for second in range(4) for third in range(4))
    assert len(cheapest_split(responses, 10, 0.0, 10_000)) == 1
    assert len(cheapest_split(responses, 10, 1.0, 10_000)) > 4


@settings(deadline=None)
@given(RESPONSES, st.integers(1, 40))
def test_no_row_is_wider_than_asked_for_but_by_the_longest_response(responses, most_nodes):
    runs = cheapest_split(responses, 5, 0.01, most_nodes)
    assert_runs(runs, len(responses))
    longest = max(map(len, responses))
    for run in runs:
        assert len(beginnings(responses[run.start : run.stop])) <= max(most_nodes, longest)


@settings(deadline=None)
@given(st.lists(RESPONSES, min_size=1, max_size=8), st.integers(1, 60))
def test_batches_hold_every_tree_once_within_the_budget_padding_counted(families, max_nodes):
    trees = [grow(responses) for responses in families]
    found = list(batches(trees, max_nodes))
    assert sorted(place for batch in found for place in batch) == list(range(len(trees)))
    for batch in found:
        widest = max(len(trees[place]) for place in batch)
        assert len(batch) == 1 or len(batch) * widest <= max_nodes
    # Sorted by width, so that little is padded: no later batch has a wider tree.
    widths = [len(trees[place]) for batch in found for place in batch]
    assert widths == sorted(widths, reverse=True)


def test_no_trees_make_no_batches():
    assert list(batches([], 10)) == []


@pytest.mark.parametrize("count", [1, 1000])
def test_a_response_of_any_length_grows(count):
    tree = grow([tuple(range(count))])
    assert len(tree) == count and tree.ends == (count,) * count and tree.leaves == (count - 1,)
