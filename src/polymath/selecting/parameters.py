"""Which weights a sample's gradient is taken for.

Each choice is a context manager: inside it only these tensors ask for a gradient, so that the pass backward stops where
they begin; after it the model is as it was. In order of what they cost: lm_head, last_layer, lora, all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from polymath.errors import ModelError
from polymath.seeds import child_seed

LORA_RANK = 8


@contextmanager
def last_layer(model: Any, seed: int) -> Iterator[list[Tensor]]:
    """Every weight of the last decoder layer: attention, feed-forward, norms."""
    chosen = list(_layers(model)[-1].parameters())
    with _asking_only(model, chosen):
        yield list(chosen)


@contextmanager
def lm_head(model: Any, seed: int) -> Iterator[list[Tensor]]:
    """The output matrix, in its use as output only: where it is tied, what it does as embedding is left out."""
    head = model.get_output_embeddings()
    if head is None:
        raise ModelError("--params lm_head", "this model has no output matrix", "use last_layer")
    tied = head.weight
    with _asking_only(model, []):
        head.weight = nn.Parameter(tied.detach().clone())
        try:
            yield [head.weight]
        finally:
            head.weight = tied


@contextmanager
def lora(model: Any, seed: int) -> Iterator[list[Tensor]]:
    """B of a low-rank adapter y + B A x, B = 0, A random, at every linear map of every decoder layer.

    That is what a first step of LoRA (arXiv 2106.09685) would change; its gradient is the full one's times A
    transposed, a random projection of every weight matrix to 8 columns.
    """
    linear = [module for module in _layers(model).modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ModelError("--params lora", "this model's layers have no torch.nn.Linear", "use last_layer")
    adapters: list[Tensor] = []
    hooks = []
    with _asking_only(model, []):
        for place, module in enumerate(linear):
            down_RI = lora_down(seed, place, module.in_features)
            up_OR = torch.zeros(module.out_features, LORA_RANK, device=module.weight.device, requires_grad=True)
            hooks.append(module.register_forward_hook(_adapt(down_RI.to(module.weight.device), up_OR)))
            adapters.append(up_OR)
        try:
            yield adapters
        finally:
            for hook in hooks:
                hook.remove()


def lora_down(seed: int, place: int, in_features: int) -> Tensor:
    """A of the adapter at the place-th linear map, (rank, in_features), entries of variance 1 / in_features."""
    generator = torch.Generator().manual_seed(child_seed(seed, "lora", place))
    return torch.randn(LORA_RANK, in_features, generator=generator) / math.sqrt(in_features)


@contextmanager
def all_weights(model: Any, seed: int) -> Iterator[list[Tensor]]:
    """Every weight, tied ones once: what the trainer changes."""
    chosen = list(model.parameters())
    with _asking_only(model, chosen):
        yield list(chosen)


PARAMS: dict[str, Callable[[Any, int], AbstractContextManager[list[Tensor]]]] = {
    "last_layer": last_layer,
    "lm_head": lm_head,
    "lora": lora,
    "all": all_weights,
}


def _adapt(down_RI: Tensor, up_OR: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output + (inputs[0] @ down_RI.T) @ up_OR.T

    return add


def _layers(model: Any) -> nn.ModuleList:
    """The decoder layers: the list of modules that is as long as the config says."""
    depth = model.config.num_hidden_layers
    for module in model.base_model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise ModelError("--params", f"no list of {depth} layers is found in {type(model).__name__}", "use lm_head or all")


@contextmanager
def _asking_only(model: Any, chosen: Sequence[nn.Parameter]) -> Iterator[None]:
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.requires_grad_(False)
    for parameter in chosen:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter, asked in before:
            parameter.requires_grad_(asked)
