"""Gradient checkpointing of a forward that looks at a cache: decoder layers keep their input alone.

What lies between is computed anew in the backward pass (Chen et al., arXiv 1604.06174). transformers has the same for
training mode without a cache. Here the prompt's keys and values are a cache, which a layer that runs twice must not
find changed: `PrefixCache` is read, and written once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import Cache
from transformers.cache_utils import CacheLayerMixin

from polymath.errors import ModelError


class PrefixLayer(CacheLayerMixin):  # type: ignore[misc]  # transformers has no types
    """Keys and values before those of a forward, (B, H, P, D) each, or none; and those of its first run."""

    def __init__(self, prefix: tuple[Tensor, Tensor] | None) -> None:
        super().__init__()
        self.prefix = prefix
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """The prefix and these, which are remembered where there is no prefix, once."""
        if self.prefix is None:
            if self.keys is None:
                self.keys, self.values = key_states, value_states
            return key_states, value_states
        keys, values = self.prefix
        return torch.cat([keys, key_states], dim=-2), torch.cat([values, value_states], dim=-2)

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do."""

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Width and offset of the mask."""
        return self.get_seq_length() + query_length, 0

    def get_seq_length(self) -> int:
        """Tokens of the prefix."""
        return 0 if self.prefix is None else self.prefix[0].shape[-2]

    def get_max_length(self) -> int:
        """No bound."""
        return -1


class PrefixCache(Cache):  # type: ignore[misc]
    """A cache of all layers that a forward may run twice over."""

    def __init__(self, num_layers: int, parts: Sequence[tuple[Tensor, Tensor]] | None = None) -> None:
        super().__init__(layers=[PrefixLayer(parts[place] if parts else None) for place in range(num_layers)])


@contextmanager
def recomputing(model: Any) -> Iterator[None]:
    """Inside it, every decoder layer of the model keeps its input alone for the backward pass."""
    layers = decoder_layers(model)
    for layer in layers:
        layer.forward = _anew(layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # the one of its class is there again


def _anew(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        # Nothing is drawn at random, so that there is no generator to set back.
        return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

    return run


def decoder_layers(model: Any) -> nn.ModuleList:
    """The list of modules that is as long as the config says; raises ModelError where there is none."""
    depth = model.config.num_hidden_layers
    for module in model.base_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise ModelError("train.gradient_checkpointing", f"no list of {depth} decoder layers is found", "set it to false")
