"""Low-rank adapters (LoRA, arXiv 2106.09685) in a model, through peft.

A model in, the same model out: its linear layers are wrapped in place, so that everything that knows the model goes on
as before. The base's weights stand still and are the reference for KL, with the adapters off; merged, base and
adapters are an ordinary model again, which is what decodes and what is saved.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from polymath.errors import ModelError
from polymath.recipe import LoraSection
from polymath.seeds import child_seed

NAME = "default"
FOLDER = "adapter"
FILE = "adapter_model.safetensors"
_REMEDY = "install it: pip install 'polymath-learning[peft]'"


def attach(model: Any, settings: LoraSection, *, seed: int) -> None:
    """Put adapters into the model, in place: A random by the seed, B zero, so that it says what it said before.

    The adapters alone ask for gradients, and are float32 whatever the base is. Raises ModelError where peft is missing
    or the targets are not there.
    """
    peft = _import_peft()
    config = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=settings.targets if isinstance(settings.targets, str) else list(settings.targets),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
        base_model_name_or_path=getattr(model, "name_or_path", None),
    )
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(child_seed(seed, "lora"))
            peft.inject_adapter_in_model(config, model, adapter_name=NAME)
    except ValueError as error:  # peft found none of the targets, or cannot adapt one of them
        reason = str(error).split("\n")[0].split(". ")[0][:200]
        raise ModelError("model.lora.targets", reason, 'name linear layers, or write "all-linear"') from error
    tied = model.get_input_embeddings().weight
    for name, layer in adapted(model).items():
        weight = layer.get_base_layer().weight
        if isinstance(layer.get_base_layer(), nn.Embedding) or weight is tied:
            raise ModelError("model.lora.targets", f"{name} is, or is tied to, the embedding", "name other layers")
    for name, parameter in model.named_parameters():
        is_adapter = "lora_" in name
        parameter.requires_grad_(is_adapter)
        if is_adapter:
            parameter.data = parameter.data.float()


def adapted(model: Any) -> dict[str, Any]:
    """The layers that have adapters, by name."""
    if not getattr(model, "peft_config", None):
        return {}
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


@contextmanager
def switched_off(model: Any) -> Iterator[None]:
    """Inside it the model is its base."""
    layers = list(adapted(model).values())
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)  # asks for the adapters' gradients again


@torch.no_grad()
def merged(model: Any, *, is_base: bool = False) -> Any:
    """A plain model of the same function: W + alpha / rank * B A, added in float32 and kept in the type of W.

    With `is_base` nothing is added. What has no adapter is shared with the model: nobody may change it. A model without
    adapters comes back as it is.
    """
    if not adapted(model):
        return model
    shared: dict[int, Any] = {id(weight): weight for weight in model.parameters()}
    plain = copy.deepcopy(model, shared)
    for name, layer in adapted(plain).items():
        base, weight = layer.get_base_layer(), layer.get_base_layer().weight
        if not is_base:
            summed = weight.float() + layer.get_delta_weight(NAME).float()
            base.weight = nn.Parameter(summed.to(weight.dtype), requires_grad=False)
        parent, _, child = name.rpartition(".")
        setattr(plain.get_submodule(parent), child, base)
    # transformers would write an adapter instead of the model.
    del plain.peft_config
    plain._hf_peft_config_loaded = False
    return plain.eval()


def save_adapter(model: Any, path: Path) -> None:
    """Write the adapters in peft's layout, so that `peft.PeftModel.from_pretrained(base, path)` opens them."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    path.mkdir(parents=True, exist_ok=True)
    tensors = get_peft_model_state_dict(model, adapter_name=NAME)
    save_file(
        {f"base_model.model.{name}": tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        path / FILE,
        metadata={"format": "pt"},
    )
    model.peft_config[NAME].save_pretrained(path)


def load_adapter(model: Any, path: Path) -> None:
    """Take the adapters that `save_adapter` wrote, in place; raises ModelError where they are of another model."""
    from peft import get_peft_model_state_dict

    if not (path / FILE).is_file():
        raise ModelError(path, "holds no adapter", "resume with the recipe the run began with")
    found = {name.removeprefix("base_model.model."): tensor for name, tensor in load_file(path / FILE).items()}
    own = get_peft_model_state_dict(model, adapter_name=NAME)
    if {name: tensor.shape for name, tensor in own.items()} != {name: tensor.shape for name, tensor in found.items()}:
        raise ModelError(path, "adapters do not fit this model", "resume with the recipe the run began with")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(found[name])


def _import_peft() -> Any:
    # It brings bitsandbytes in where that is there, which warns of 4-bit kernels that nobody asked for.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        import peft
    except ImportError as error:
        raise ModelError("model.lora", "needs the package peft, which is not installed", _REMEDY) from error
    return peft
