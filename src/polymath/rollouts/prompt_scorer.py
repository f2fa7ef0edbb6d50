"""Log-probabilities and entropies of trees of responses to one prompt, or what another head says, under autograd.

The prompt runs through the model once, however many batches of responses follow: they look at its keys and values,
gradients gather there, and `close` carries them through the prompt at last. A row of a batch is a tree
(`rollouts.tree`) whose nodes see the prompt, their ancestors and themselves, so that a beginning that responses share
is computed once (tree attention, Miao et al., SpecInfer, arXiv 2305.09781, here with gradients).

B: trees of a batch, W: nodes of the widest one that others follow, P: tokens of the prompt, N: nodes of all trees,
V: vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache

from polymath.errors import ModelError
from polymath.rollouts.policy import NodeScores
from polymath.rollouts.recompute import PrefixCache, recomputing
from polymath.rollouts.score import pad_right, score_responses
from polymath.rollouts.slots import fits_slots
from polymath.rollouts.tree import Tree

# Logits of more numbers than this are computed in parts, and anew in the backward pass.
MAX_LOGITS = 1 << 26


class PromptScorer:
    """Scores responses to one prompt until it is closed. What it computes under autograd must be closed once.

    `head` stands for the model's own: `before` reads it, while `score` is for heads of logits. With `recompute` the
    decoder layers keep their inputs alone and run again in the backward pass: gradient checkpointing.
    """

    def __init__(
        self,
        model: Any,
        prompt_ids: Sequence[int],
        compute: Callable[[], AbstractContextManager[Any]],
        head: Callable[[Tensor], Tensor] | None = None,
        *,
        recompute: bool = False,
    ) -> None:
        self.model, self.prompt_ids, self.compute = model, list(prompt_ids), compute
        self.head = model.get_output_embeddings() if head is None else head
        self.is_plain = not fits_slots(model) or not _has_plain_head(model)
        if recompute and self.is_plain:
            raise ModelError(
                "train.gradient_checkpointing", f"is not known for {model.config.model_type} models", "set it to false"
            )
        self.recompute = recompute
        self._computed: list[Tensor] | None = None
        self._leaves: list[Tensor] = []

    def score(self, trees: Sequence[Tree], *, temperature: float, with_entropy_gradient: bool = False) -> NodeScores:
        """Scores of the nodes of these trees; each is a row of one forward."""
        with self.compute():
            if self.is_plain:
                return self._score_plainly(trees, temperature, with_entropy_gradient)
            first_1V, parts = self._prompt()
            feed = _Feed(trees, len(self.prompt_ids), self.model.device)
            hidden_FD = self._hidden(feed, parts)[feed.is_fed_BW] if feed.width else None
            return self._read(first_1V, hidden_FD, feed, temperature, with_entropy_gradient)

    def before(self, trees: Sequence[Tree]) -> Tensor:
        """What the head says before each node of these trees, from the state that the node was chosen in, (N, V)."""
        with self.compute():
            if self.is_plain:
                return self._before_plainly(trees)
            first_1V, parts = self._prompt()
            feed = _Feed(trees, len(self.prompt_ids), self.model.device)
            said_NV = first_1V.new_zeros(feed.num_nodes, first_1V.shape[1])
            said_NV = said_NV.index_put((feed.first_node_K,), first_1V.expand(len(feed.first_node_K), -1))
            if feed.width:
                said_FV = self.head(self._hidden(feed, parts)[feed.is_fed_BW])
                said_NV = said_NV.index_put((feed.next_node_K,), said_FV.index_select(0, feed.next_parent_K))
            return said_NV

    def close(self) -> None:
        """Carry the gradients that gathered on the prompt into the weights."""
        if self._computed is None:
            return
        pairs = [
            (computed, leaf.grad)
            for computed, leaf in zip(self._computed, self._leaves, strict=True)
            if leaf.grad is not None and computed.requires_grad
        ]
        self._computed, self._leaves = None, []
        if pairs:
            torch.autograd.backward([computed for computed, _ in pairs], [gradient for _, gradient in pairs])

    def _prompt(self) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """What the head says behind the prompt, (1, V), and its keys and values, as leaves that gather gradients."""
        if self._computed is None:
            num_layers = self.model.config.num_hidden_layers
            cache = PrefixCache(num_layers) if self._recomputes else DynamicCache()
            ids = torch.tensor([self.prompt_ids], device=self.model.device)
            with self._keeping():
                hidden = self.model.base_model(input_ids=ids, past_key_values=cache, use_cache=True).last_hidden_state
            first_1V = self.head(hidden[:, -1])
            self._computed = [first_1V, *(part for layer in cache.layers for part in (layer.keys, layer.values))]
            is_wanted = torch.is_grad_enabled()
            self._leaves = [part.detach().requires_grad_(is_wanted) for part in self._computed]
        rest = self._leaves[1:]
        return self._leaves[0], list(zip(rest[::2], rest[1::2], strict=True))

    def _hidden(self, feed: _Feed, parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        rows = [
            (keys.expand(len(feed.ids_BW), -1, -1, -1), values.expand(len(feed.ids_BW), -1, -1, -1))
            for keys, values in parts
        ]
        cache = PrefixCache(len(rows), rows) if self._recomputes else DynamicCache()
        if not self._recomputes:
            for layer, (keys, values) in enumerate(rows):
                cache.update(keys, values, layer)
        windows = [getattr(layer, "sliding_window", None) for layer in DynamicCache(config=self.model.config).layers]
        with self._keeping():
            hidden: Tensor = self.model.base_model(
                input_ids=feed.ids_BW,
                attention_mask=feed.masks(windows, parts[0][0].dtype),
                position_ids=feed.position_BW,
                past_key_values=cache,
                use_cache=True,
            ).last_hidden_state
        return hidden

    @property
    def _recomputes(self) -> bool:
        return self.recompute and torch.is_grad_enabled()

    def _keeping(self) -> AbstractContextManager[None]:
        """What the decoder layers keep for the backward pass."""
        return recomputing(self.model) if self._recomputes else nullcontext()

    def _read(
        self,
        first_1V: Tensor,
        hidden_FD: Tensor | None,
        feed: _Feed,
        temperature: float,
        with_entropy_gradient: bool,
    ) -> NodeScores:
        """From the hidden states of the nodes that are followed to the scores of those that follow."""
        first = _describe_logits(
            first_1V, torch.zeros_like(feed.first_token_K), feed.first_token_K, temperature, with_entropy_gradient
        )
        logprob_N = first_1V.new_zeros(feed.num_nodes, dtype=first[0].dtype).index_put((feed.first_node_K,), first[0])
        entropy_N = first_1V.new_zeros(feed.num_nodes, dtype=first[1].dtype).index_put((feed.first_node_K,), first[1])
        if hidden_FD is None:
            return NodeScores(logprob_N=logprob_N, entropy_N=entropy_N)
        size = max(1, MAX_LOGITS // first_1V.shape[1])
        for begin in range(0, len(hidden_FD), size):
            # The nodes that follow those of this part; the order of `next_parent_K` is that of the nodes.
            is_here_K = (feed.next_parent_K >= begin) & (feed.next_parent_K < begin + size)
            node_K, token_K = feed.next_node_K[is_here_K], feed.next_token_K[is_here_K]
            parent_K = feed.next_parent_K[is_here_K] - begin

            def part(hidden: Tensor, parent_K: Tensor = parent_K, token_K: Tensor = token_K) -> tuple[Tensor, Tensor]:
                return _describe_logits(self.head(hidden), parent_K, token_K, temperature, with_entropy_gradient)

            hidden = hidden_FD[begin : begin + size]
            is_one = len(hidden_FD) <= size or not torch.is_grad_enabled()
            logprob_K, entropy_K = part(hidden) if is_one else checkpoint(part, hidden, use_reentrant=False)
            logprob_N = logprob_N.index_put((node_K,), logprob_K)
            entropy_N = entropy_N.index_put((node_K,), entropy_K)
        return NodeScores(logprob_N=logprob_N, entropy_N=entropy_N)

    def _score_plainly(self, trees: Sequence[Tree], temperature: float, with_entropy_gradient: bool) -> NodeScores:
        """For models whose attention takes no mask of ours: every response is a row, its nodes are picked out."""
        logprobs, entropies = [], []
        for tree in trees:
            path_UT = tree.paths()
            responses = [[tree.token_ids[node] for node in path if node >= 0] for path in path_UT.tolist()]
            scores = score_responses(
                self.model,
                self.prompt_ids,
                responses,
                temperature=temperature,
                with_entropy_gradient=with_entropy_gradient,
            )
            place_N = _places(path_UT, len(tree)).to(scores.logprob_BT.device)
            logprobs.append(scores.logprob_BT.flatten()[place_N])
            entropies.append(scores.entropy_BT.flatten()[place_N])
        return NodeScores(logprob_N=torch.cat(logprobs), entropy_N=torch.cat(entropies))

    def _before_plainly(self, trees: Sequence[Tree]) -> Tensor:
        """Every response is a row behind its own copy of the prompt."""
        said = []
        for tree in trees:
            path_UT = tree.paths()
            rows = [
                [*self.prompt_ids, *(tree.token_ids[node] for node in path if node >= 0)] for path in path_UT.tolist()
            ]
            # Padding is on the right, so causal attention alone keeps it out of every real token.
            ids_UC, _ = pad_right(rows, self.model.device)
            hidden = self.model.base_model(input_ids=ids_UC[:, :-1], use_cache=False).last_hidden_state
            said_UTV = self.head(hidden[:, len(self.prompt_ids) - 1 :])
            said.append(said_UTV.flatten(0, 1)[_places(path_UT, len(tree)).to(said_UTV.device)])
        return torch.cat(said)


class _Feed:
    """What is run through the model for a batch of trees, and where the answers are read.

    Only nodes that others follow are fed. K counts nodes: `first_*` those that follow the prompt, `next_*` the others,
    whose parents are numbered among all fed nodes of the batch.
    """

    def __init__(self, trees: Sequence[Tree], num_prompt_tokens: int, device: torch.device) -> None:
        self.num_prompt_tokens, self.device = num_prompt_tokens, device
        self.num_nodes = sum(map(len, trees))
        rows = [[node for node in range(len(tree)) if tree.ends[node] > node + 1] for tree in trees]
        self.width = max(map(len, rows))
        ids_BW = torch.zeros(len(trees), self.width, dtype=torch.long)
        depth_BW = torch.zeros(len(trees), self.width, dtype=torch.long)
        end_BW = torch.zeros(len(trees), self.width, dtype=torch.long)
        is_fed_BW = torch.zeros(len(trees), self.width, dtype=torch.bool)
        first: list[tuple[int, int]] = []
        following: list[tuple[int, int, int]] = []
        num_nodes = num_fed = 0
        for row, (tree, fed) in enumerate(zip(trees, rows, strict=True)):
            place_of = {node: place for place, node in enumerate(fed)}
            # How many fed nodes come before node n: from ends of nodes to ends of places.
            before = [0]
            for node in range(len(tree)):
                before.append(before[-1] + (node in place_of))
            if fed:
                ids_BW[row, : len(fed)] = torch.tensor([tree.token_ids[node] for node in fed])
                depth_BW[row, : len(fed)] = torch.tensor([tree.depths[node] for node in fed])
                end_BW[row, : len(fed)] = torch.tensor([before[tree.ends[node]] for node in fed])
                is_fed_BW[row, : len(fed)] = True
            for node, (parent, token) in enumerate(zip(tree.parents, tree.token_ids, strict=True)):
                if parent < 0:
                    first.append((num_nodes + node, token))
                else:
                    following.append((num_nodes + node, token, num_fed + place_of[parent]))
            num_nodes += len(tree)
            num_fed += len(fed)
        self.ids_BW, self.is_fed_BW = ids_BW.to(device), is_fed_BW.to(device)
        self.position_BW = (depth_BW + num_prompt_tokens).to(device)
        self._end_BW = end_BW.to(device)
        self.first_node_K, self.first_token_K = _columns(first, 2, device)
        self.next_node_K, self.next_token_K, self.next_parent_K = _columns(following, 3, device)

    def masks(self, windows: Sequence[int | None], dtype: torch.dtype) -> Tensor | dict[str, Tensor]:
        """What each node may look at, (B, 1, W, P + W), additive; by layer type where windows differ."""
        num_prompt = self.num_prompt_tokens
        place_W = torch.arange(self.width, device=self.device)
        # Node j is an ancestor of i, or i itself, where i lies in j's interval.
        is_seen_BWW = (place_W[None, None] <= place_W[None, :, None]) & (
            place_W[None, :, None] < self._end_BW[:, None, :]
        )
        is_seen_BWC = torch.cat([is_seen_BWW.new_ones(*is_seen_BWW.shape[:2], num_prompt), is_seen_BWW], dim=2)
        position_P = torch.arange(num_prompt, device=self.device)
        position_BC = torch.cat([position_P.expand(len(self.ids_BW), -1), self.position_BW], dim=1)
        found = {}
        for window in set(windows):
            is_near_BWC = is_seen_BWC
            if window is not None:
                is_near_BWC = is_seen_BWC & (position_BC[:, None] > self.position_BW[:, :, None] - window)
            mask_BWC = torch.zeros(is_near_BWC.shape, dtype=dtype, device=self.device)
            mask_BWC.masked_fill_(~is_near_BWC, torch.finfo(dtype).min)
            found["full_attention" if window is None else "sliding_attention"] = mask_BWC[:, None]
        return found if len(found) > 1 else next(iter(found.values()))


def _places(path_UT: Tensor, num_nodes: int) -> Tensor:
    """A place of each node among the flattened paths, (N,)."""
    place_N = torch.zeros(num_nodes, dtype=torch.long)
    is_node_UT = path_UT >= 0
    place_N[path_UT[is_node_UT]] = torch.arange(path_UT.numel()).view_as(path_UT)[is_node_UT]
    return place_N


def _columns(rows: Sequence[tuple[int, ...]], num: int, device: torch.device) -> tuple[Tensor, ...]:
    table = torch.tensor(rows, dtype=torch.long).view(-1, num).T.contiguous().to(device)
    return tuple(table)


def _describe_logits(
    logits_FV: Tensor, row_K: Tensor, token_K: Tensor, temperature: float, with_entropy_gradient: bool
) -> tuple[Tensor, Tensor]:
    """Log-probability of token k in row k, and the entropy of that row."""
    logits_FV = logits_FV.to(torch.promote_types(logits_FV.dtype, torch.float32)) / temperature
    normalizer_F = logits_FV.logsumexp(-1)
    logprob_K = logits_FV[row_K, token_K] - normalizer_F.index_select(0, row_K)
    with torch.set_grad_enabled(with_entropy_gradient and torch.is_grad_enabled()):
        entropy_F = normalizer_F - (logits_FV.softmax(-1) * logits_FV).sum(-1)
    return logprob_K, entropy_F.index_select(0, row_K)


def _has_plain_head(model: Any) -> bool:
    """The logits are one linear map of the last hidden states: neither scaled nor capped."""
    config = model.config
    changes = ("final_logit_softcapping", "logit_scale", "logits_scaling")
    return all(getattr(config, name, None) in (None, 1, 1.0) for name in changes)
