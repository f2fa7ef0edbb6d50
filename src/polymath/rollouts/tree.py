"""The responses to one prompt as a prefix tree: what begins alike is there, and is computed, once.

Rollouts of one sample repeat each other: the first tokens of nearly all, late in training whole answers. A node is a
token behind a given beginning; its log-probability is the same for every response that passes through it.

N: nodes, U: distinct responses, T: tokens of the longest one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

Response = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Nodes in depth-first order.

    Node n says `token_ids[n]` behind node `parents[n]` (-1: behind the prompt), as token number `depths[n]` of its
    responses, from 0; the nodes behind it are n + 1 up to `ends[n]`, that one excluded. `leaves` are the last nodes of
    the responses it was grown from, in their order.
    """

    token_ids: tuple[int, ...]
    parents: tuple[int, ...]
    depths: tuple[int, ...]
    ends: tuple[int, ...]
    leaves: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.token_ids)

    def paths(self) -> Tensor:
        """The nodes of every response from its first token on, (U, T), padded with -1."""
        lengths = [self.depths[leaf] + 1 for leaf in self.leaves]
        path_UT = torch.full((len(self.leaves), max(lengths)), -1)
        for place, (leaf, length) in enumerate(zip(self.leaves, lengths, strict=True)):
            node, path = leaf, [0] * length
            for depth in range(length - 1, -1, -1):
                path[depth] = node
                node = self.parents[node]
            path_UT[place, :length] = torch.tensor(path)
        return path_UT


def grow(responses: Sequence[Response]) -> Tree:
    """The tree of these responses: distinct, sorted, none of them empty."""
    token_ids: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    leaves: list[int] = []
    path: list[int] = []
    for response, num_shared in zip(responses, shared_lengths(responses), strict=True):
        del path[num_shared:]
        for depth in range(num_shared, len(response)):
            parents.append(path[-1] if path else -1)
            path.append(len(token_ids))
            token_ids.append(response[depth])
            depths.append(depth)
        leaves.append(path[-1])
    ends = list(range(1, len(token_ids) + 1))
    for node in range(len(token_ids) - 1, -1, -1):
        if parents[node] >= 0:
            ends[parents[node]] = max(ends[parents[node]], ends[node])
    return Tree(
        token_ids=tuple(token_ids),
        parents=tuple(parents),
        depths=tuple(depths),
        ends=tuple(ends),
        leaves=tuple(leaves),
    )


def shared_lengths(responses: Sequence[Response]) -> list[int]:
    """How many tokens each response has in common with the one before it; 0 for the first."""
    if not responses:
        return []
    found = [0]
    for before, response in pairwise(responses):
        length = min(len(before), len(response))
        if before[:length] == response[:length]:
            found.append(length)
            continue
        found.append(next(place for place in range(length) if before[place] != response[place]))
    return found


def split(responses: Sequence[Response], max_nodes: int) -> list[range]:
    """Runs of consecutive sorted responses whose trees have at most `max_nodes` nodes, or one response each."""
    runs: list[range] = []
    begin = size = 0
    for place, (response, num_shared) in enumerate(zip(responses, shared_lengths(responses), strict=True)):
        num_new = len(response) - num_shared
        if place > begin and size + num_new > max_nodes:
            runs.append(range(begin, place))
            begin, size = place, len(response)
        else:
            size += num_new if place > begin else len(response)
    return [*runs, range(begin, len(responses))]


def cheapest_split(
    responses: Sequence[Response], num_prompt_tokens: int, attention_share: float, most_nodes: int
) -> list[range]:
    """The runs of sorted responses that are scored for the least computation, each as one row of a batch.

    A row of w nodes costs w * (1 + attention_share * (prompt + w)): every node looks at the whole row, under a mask.
    Longer rows share more beginnings and look at more nodes in vain. Rows are padded to the longest; none has more
    nodes than `most_nodes`, or than the longest response.
    """
    longest = max(map(len, responses))
    total = sum(map(len, responses))
    best: tuple[float, list[range]] | None = None
    max_nodes = longest
    while True:
        runs = split(responses, max_nodes)
        width = max(count_nodes(responses[run.start : run.stop]) for run in runs)
        cost = len(runs) * width * (1 + attention_share * (num_prompt_tokens + width))
        if best is None or cost < best[0]:
            best = (cost, runs)
        if len(runs) == 1 or max_nodes >= min(total, most_nodes):
            return best[1]
        max_nodes = min(2 * max_nodes, most_nodes)


def count_nodes(responses: Sequence[Response]) -> int:
    """The nodes of the tree of these sorted, distinct responses."""
    return sum(len(response) - shared for response, shared in zip(responses, shared_lengths(responses), strict=True))


def batches(trees: Sequence[Tree], max_nodes: int) -> Iterator[list[int]]:
    """Places of trees that are scored together: at most `max_nodes` nodes, padding counted, or one tree."""
    batch: list[int] = []
    width = 0
    for place in sorted(range(len(trees)), key=lambda place: (-len(trees[place]), place)):
        if batch and (len(batch) + 1) * width > max_nodes:
            yield batch
            batch = []
        width = width if batch else len(trees[place])
        batch.append(place)
    if batch:
        yield batch
