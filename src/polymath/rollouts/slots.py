"""A key-value cache of fixed rows ("slots") whose sequences begin and end at different times.

R: slots, H: key-value heads, C: capacity in tokens, D: head size.
Every sequence starts at column 0 of its slot, so a new one can take the slot of one that ended, and what a row
computes does not depend on its neighbours' lengths: columns after its own last token are masked. The buffers are
written in place; transformers' DynamicCache copies all keys and values each step instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache
from transformers.cache_utils import CacheLayerMixin, DynamicLayer, DynamicSlidingWindowLayer

# Capacities are multiples of this. Every step reads all columns, because products of whole buffers are faster than of
# slices: a small step wastes few columns, a large one copies the buffers seldom.
CAPACITY_STEP = 64

# Models whose attention takes a prepared mask and has been compared with transformers' generate
# (tests/rollouts/test_answer.py). Others may bend the mask (ALiBi, sinks, soft caps) or cache something else.
MODEL_TYPES = frozenset(
    {"gemma3_text", "gpt2", "gpt_neox", "llama", "mistral", "olmo2", "phi3", "qwen2", "qwen3", "smollm3"}
)


def fits_slots(model: Any) -> bool:
    """Whether the model can be decoded in slots."""
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    return model.config.model_type in MODEL_TYPES and kinds <= {DynamicLayer, DynamicSlidingWindowLayer}


class SlotLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers has no types
    """Keys and values of one layer, (R, H, C, D) each."""

    def __init__(self, slots: Slots, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.slots, self.keys, self.values = slots, keys, values
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write the one new token of every slot at its place; return the buffers."""
        assert self.keys is not None and self.values is not None
        row_R, place_R = self.slots.row_R, self.slots.place_R
        self.keys[row_R, :, place_R] = key_states[:, :, 0]
        self.values[row_R, :, place_R] = value_states[:, :, 0]
        return self.keys, self.values

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do: the buffers are there from the start."""

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Width and offset of the mask."""
        return self.slots.capacity, 0

    def get_seq_length(self) -> int:
        """What models may take for the number of columns before this step; the mask says which ones count."""
        return self.slots.capacity - 1

    def get_max_length(self) -> int:
        """No bound: the buffers grow."""
        return -1


class Slots(Cache):  # type: ignore[misc]
    """The cache of all layers, and the place of every slot's next token."""

    def __init__(self, model: Any) -> None:
        """No slots yet. The shapes of keys and values are learnt from one token run through the model."""
        probe = prefill(model, None, [[0]])
        self.windows = [getattr(layer, "sliding_window", None) for layer in DynamicCache(config=model.config).layers]
        self.device, self.dtype = model.device, probe[0][0].dtype
        self.capacity = 0
        self.bytes_per_token = sum(part.nbytes for pair in probe for part in pair)
        super().__init__(layers=[SlotLayer(self, keys[:0], values[:0]) for keys, values in probe])

    def point_at(self, places: Sequence[int]) -> None:
        """Say where the next token of each slot belongs."""
        self.row_R = torch.arange(len(places), device=self.device)
        self.place_R = torch.tensor(places, device=self.device)

    def resize(self, kept: Sequence[int], num_slots: int, capacity: int) -> None:
        """Keep these slots, moved to the front, of `num_slots` slots with room for `capacity` tokens each."""
        slot_N = torch.tensor(kept, dtype=torch.long, device=self.device)
        for layer in self.layers:
            layer.keys, layer.values = (
                _resize(part, slot_N, num_slots, capacity) for part in (layer.keys, layer.values)
            )
        self.capacity = capacity

    def insert(self, slots: Sequence[int], rows: Sequence[int], parts: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Copy row rows[i] of prefilled keys and values into slot slots[i]."""
        slot_N, row_N = torch.tensor(slots, device=self.device), torch.tensor(rows, device=self.device)
        # What lies beyond the capacity is padding: these parts may come from a group with longer prompts.
        length = min(self.capacity, parts[0][0].shape[2])
        for layer, (keys, values) in zip(self.layers, parts, strict=True):
            layer.keys[slot_N, :, :length] = keys[row_N, :, :length]
            layer.values[slot_N, :, :length] = values[row_N, :, :length]

    def copy(self, from_N: Tensor, to_N: Tensor) -> None:
        """Copy slots over others."""
        for layer in self.layers:
            layer.keys[to_N] = layer.keys[from_N]
            layer.values[to_N] = layer.values[from_N]

    def mask(self) -> Tensor | dict[str, Tensor]:
        """What each slot may look at: 0, else the dtype's lowest number, (R, 1, 1, C); by layer type where they differ.

        Additive, because both `sdpa` and `eager` take it, and `sdpa` need not convert it in every layer.
        """
        column_1C, place_R1 = torch.arange(self.capacity, device=self.device)[None], self.place_R[:, None]
        masks = {}
        for window in set(self.windows):
            is_seen_RC = column_1C <= place_R1
            if window is not None:
                is_seen_RC &= column_1C > place_R1 - window
            mask_RC = torch.zeros(is_seen_RC.shape, dtype=self.dtype, device=self.device)
            mask_RC.masked_fill_(~is_seen_RC, torch.finfo(self.dtype).min)
            masks["full_attention" if window is None else "sliding_attention"] = mask_RC[:, None, None]
        return masks if len(masks) > 1 else next(iter(masks.values()))


def prefill(
    model: Any, prefix: Sequence[tuple[Tensor, Tensor]] | None, sequences: Sequence[Sequence[int]]
) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of each layer, (N, H, prefix + longest, D), of sequences that follow the same prefix.

    Padded on the right, where causal attention alone keeps padding out of every real token.
    """
    # Without the config every layer keeps all its tokens; sliding layers are masked, not cut.
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(prefix or ()):
        cache.update(*(part.expand(len(sequences), -1, -1, -1) for part in (keys, values)), layer)
    start = cache.get_seq_length()
    # One column at least: models take no empty input.
    longest = max(1, *map(len, sequences))
    ids_NP = torch.tensor([[*sequence, *[0] * (longest - len(sequence))] for sequence in sequences])
    positions = torch.arange(start, start + longest, device=model.device)[None].expand(len(sequences), -1)
    # The head is left out: the first token to be said comes from the last token of the prompt, in the first step.
    model.base_model(input_ids=ids_NP.to(model.device), position_ids=positions, past_key_values=cache, use_cache=True)
    return [(layer.keys, layer.values) for layer in cache.layers]


def round_up(length: int) -> int:
    """The next multiple of CAPACITY_STEP."""
    return -(-length // CAPACITY_STEP) * CAPACITY_STEP


def _resize(part: Tensor, slot_N: Tensor, num_slots: int, capacity: int) -> Tensor:
    # Zeros, not uninitialised memory: a masked column weighs 0, and 0 times NaN is NaN.
    resized = part.new_zeros(num_slots, part.shape[1], capacity, part.shape[3])
    length = min(capacity, part.shape[2])
    resized[: len(slot_N), :, :length] = part[slot_N, :, :length]
    return resized
