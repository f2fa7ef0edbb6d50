"""Responses to trees of nodes, and to what each node is pushed by.

Equal responses are one, and responses to one prompt that begin alike share nodes (`rollouts.tree`). A node's loss is
that of all response tokens that it stands for: their weights are summed, those that push up apart from those that push
down, because the clip treats them differently.

U: distinct responses of a micro-batch, T: tokens of the longest one, N: nodes, C: CHANNELS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from polymath.prompts import Prompt
from polymath.rollouts.tree import Response, Tree, batches, cheapest_split, grow
from polymath.training.credit import Weighed

# Sums over the responses that pass through a node. up, down: weight times advantage, positive and negative; weight: of
# what every token bears (KL, entropy); held: of tokens that kl_cov holds; tokens, tokens_up, tokens_down: counts.
CHANNELS = ("up", "down", "weight", "held", "tokens", "tokens_up", "tokens_down")


@dataclass(frozen=True, kw_only=True)
class MicroBatch:
    """Trees that are scored together, and the responses (places in the update) of each leaf of each tree.

    All were said in the same step: where two policies said the same, the old log-probabilities differ.
    """

    prompt: Prompt
    trees: tuple[Tree, ...]
    members: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def places(self) -> list[int]:
        """The responses of the update that are in this micro-batch."""
        return [place for tree in self.members for leaf in tree for place in leaf]


def cut(
    part: Sequence[Weighed],
    max_nodes: int,
    num_prompt_tokens: dict[Prompt, int],
    attention_share: float,
    among: range | None = None,
) -> list[MicroBatch]:
    """The responses of one update as micro-batches of at most `max_nodes` nodes, prompt by prompt.

    With `among` only those at these places.
    """
    places_of: dict[tuple[Prompt, int], dict[Response, list[int]]] = {}
    for place in range(len(part)) if among is None else among:
        item = part[place]
        places_of.setdefault((item.prompt, item.origin), {}).setdefault(item.token_ids, []).append(place)
    found = []
    for (prompt, _), places in places_of.items():
        responses = sorted(places)
        runs = cheapest_split(responses, num_prompt_tokens[prompt], attention_share, max_nodes)
        trees = [grow(responses[run.start : run.stop]) for run in runs]
        members = [tuple(tuple(places[responses[leaf]]) for leaf in run) for run in runs]
        for chosen in batches(trees, max_nodes):
            found.append(
                MicroBatch(
                    prompt=prompt,
                    trees=tuple(trees[place] for place in chosen),
                    members=tuple(members[place] for place in chosen),
                )
            )
    return found


@dataclass(frozen=True, kw_only=True)
class Pushes:
    """What is summed over the responses of a micro-batch: for its nodes, (N, C), and by response token, (U, T, C).

    `path_UT` are the nodes of each distinct response, padded with 0 where `mask_UT` is 0.
    """

    channel_NC: Tensor
    channel_UTC: Tensor
    path_UT: Tensor
    mask_UT: Tensor

    def of_nodes(self, name: str, like: Tensor) -> Tensor:
        """One channel, (N,)."""
        return self.channel_NC[:, CHANNELS.index(name)].to(like)

    def of_responses(self, name: str, like: Tensor) -> Tensor:
        """One channel, (U, T)."""
        return self.channel_UTC[:, :, CHANNELS.index(name)].to(like)


def push(micro: MicroBatch, part: Sequence[Weighed], weights: Sequence[float]) -> Pushes:
    """`weights` are those of a token of each response of the update. Sums are taken on the CPU, in float64."""
    paths: list[Tensor] = []
    sums: list[Tensor] = []
    num_nodes = 0
    for tree, members in zip(micro.trees, micro.members, strict=True):
        path_UT = tree.paths()
        paths.extend(path_UT[row][path_UT[row] >= 0] + num_nodes for row in range(len(members)))
        sums.extend(
            _sum_channels([part[place] for place in places], [weights[place] for place in places]) for places in members
        )
        num_nodes += len(tree)
    path_UT = torch.nn.utils.rnn.pad_sequence(paths, batch_first=True)
    channel_UTC = torch.nn.utils.rnn.pad_sequence(sums, batch_first=True)
    mask_UT = torch.nn.utils.rnn.pad_sequence([torch.ones(len(path)) for path in paths], batch_first=True)
    channel_NC = torch.zeros(num_nodes, len(CHANNELS), dtype=torch.float64)
    channel_NC.index_add_(0, path_UT[mask_UT > 0], channel_UTC[mask_UT > 0])
    return Pushes(channel_NC=channel_NC, channel_UTC=channel_UTC, path_UT=path_UT, mask_UT=mask_UT)


def _sum_channels(items: Sequence[Weighed], weights: Sequence[float]) -> Tensor:
    """The channels of one distinct response, (T, C)."""
    found_TC = torch.zeros(len(items[0].token_ids), len(CHANNELS), dtype=torch.float64)
    constant = [0.0] * len(CHANNELS)
    for item, token_weight in zip(items, weights, strict=True):
        weight = token_weight * item.weight
        if item.held is not None:
            found_TC[:, 3] += weight * item.held.double()
        if isinstance(item.advantage, Tensor):
            up_T, down_T = item.advantage.clamp(min=0), (-item.advantage).clamp(min=0)
            found_TC[:, 0] += weight * up_T
            found_TC[:, 1] += weight * down_T
            found_TC[:, 5] += up_T > 0
            found_TC[:, 6] += down_T > 0
        else:
            constant[0] += weight * max(item.advantage, 0.0)
            constant[1] += weight * max(-item.advantage, 0.0)
            constant[5] += item.advantage > 0
            constant[6] += item.advantage < 0
        constant[2] += weight
        constant[4] += 1
    return found_TC + torch.tensor(constant, dtype=torch.float64)
