"""A model, or the config.json of one, to the numbers that its memory depends on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.errors import ModelError

if TYPE_CHECKING:
    from polymath.recipe import LoraSection


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What there is of a causal language model, in numbers of numbers; adapters are counted apart.

    `in_layers` are the matrices of the decoder layers, `head` is the output matrix, which the embedding may be too.
    `adapted` are the matrices that have adapters, `largest` is the largest trained tensor, `small` what is trained in
    tensors of fewer than 4,096 numbers.
    """

    model_type: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context: int
    parameters: int
    in_layers: int
    head: int
    is_tied: bool
    adapters: int = 0
    adapted: int = 0
    num_adapted: int = 0
    rank: int = 0
    largest: int = 0
    small: int = 0

    @property
    def trained(self) -> int:
        """Numbers that an optimizer changes."""
        return self.adapters or self.parameters


def shape_of(model: Any, lora: LoraSection | None = None) -> Shape:
    """The shape of a model that is there, on whatever device, adapters and all."""
    from torch import nn

    from polymath.rollouts.lora import adapted

    config = model.config
    layers = adapted(model)
    adapters = {name: weight.numel() for name, weight in model.named_parameters() if "lora_" in name}
    trained = [weight.numel() for name, weight in model.named_parameters() if not adapters or name in adapters]
    head = model.get_output_embeddings().weight
    matrices = [
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.weight is not head and "lora_" not in name
    ]
    hidden, heads = int(config.hidden_size), int(config.num_attention_heads)
    return Shape(
        model_type=str(config.model_type),
        layers=int(config.num_hidden_layers),
        hidden=hidden,
        intermediate=int(getattr(config, "intermediate_size", None) or 4 * hidden),
        heads=heads,
        kv_heads=int(getattr(config, "num_key_value_heads", None) or heads),
        head_size=int(getattr(config, "head_dim", None) or hidden // heads),
        vocabulary=int(config.vocab_size),
        context=int(getattr(config, "max_position_embeddings", 1 << 30)),
        parameters=sum(weight.numel() for weight in model.parameters()) - sum(adapters.values()),
        in_layers=sum(matrices),
        head=head.numel(),
        is_tied=head is model.get_input_embeddings().weight,
        adapters=sum(adapters.values()),
        adapted=sum(layer.get_base_layer().weight.numel() for layer in layers.values()),
        num_adapted=len(layers),
        rank=lora.rank if lora is not None and layers else 0,
        largest=max(trained),
        small=sum(numel for numel in trained if numel < 4096),
    )


def shape_of_config(path: Path, lora: LoraSection | None) -> Shape:
    """The shape of the model that a directory's config.json describes: no weights are read, or made.

    Raises ModelError where there is no config that transformers knows as a causal language model.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from polymath.rollouts.lora import attach

    if not (path / "config.json").is_file():
        raise ModelError(path, "has no config.json", "name a directory with the config.json of a model")
    try:
        config = AutoConfig.from_pretrained(str(path), trust_remote_code=False)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds for a wrong config
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise ModelError(path, f"describes no model ({reason})", "name a config.json of a causal model") from error
    if lora is not None:
        with torch.device("meta"):
            attach(model, lora, seed=0)
    return shape_of(model, lora)
