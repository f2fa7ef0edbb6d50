"""A copy of a model that only generates, faster on CPU.

In: any causal LM of transformers. Out: the same function of the same weights, cast to one dtype.
Three things differ from the model itself, each measured by benchmarks/decode_speed.py:

- the weights are in the dtype of the computation (autocast casts float32 masters again in every forward);
- matrices lie in oneDNN's blocked layout, which torch would otherwise produce anew in every product;
- one-token attention is two plain matrix products: torch's CPU kernel for `scaled_dot_product_attention` is made
  for many queries. In bfloat16 the scores are rounded before the softmax, as in transformers' `eager` attention.

R: rows, A: attention heads, H: key-value heads, G = A / H, D: head size, W: cached tokens, P: those of a prefix that
all rows share, N = R * G.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "polymath_decode"


def inference_copy(model: Any, dtype: torch.dtype) -> Any:
    """The model with its weights as they are now, in `dtype`. It generates and nothing else.

    Weights already in `dtype` may be shared with the model: make a new copy after an update. On a processor
    without oneDNN, and off the CPU, only the dtype differs.
    """
    # Given as already copied, the weights are cast one by one and ties survive; buffers keep their dtype, as in
    # from_pretrained (rotary frequencies in bfloat16 would be wrong).
    weights: dict[int, Any] = {
        id(weight): nn.Parameter(weight.detach().to(dtype), requires_grad=False)
        for weight in model.parameters()
        if weight.is_floating_point()
    }
    copied = copy.deepcopy(model, weights).eval()
    if copied.device.type != "cpu":
        return copied
    if is_packable(dtype):
        for parent in list(copied.modules()):
            for name, module in parent.named_children():
                if type(module) is nn.Linear:
                    setattr(parent, name, PackedLinear(module))
    if copied.config._attn_implementation == "sdpa":
        AttentionInterface.register(ATTENTION, decode_attention)
        AttentionMaskInterface.register(ATTENTION, sdpa_mask)
        copied.set_attn_implementation(ATTENTION)
    return copied


def is_packable(dtype: torch.dtype) -> bool:
    """Whether oneDNN multiplies this dtype here. The operators are torch's own (inductor uses them), not public."""
    has_onednn = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    if not has_onednn or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


class PackedLinear(nn.Module):
    """A linear layer whose matrix is in oneDNN's layout."""

    # The layout is chosen for this number of rows; other numbers are right too, and nearly as fast.
    ROWS = 16

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), self.ROWS)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, input: Tensor) -> Tensor:
        """Input @ weight.T + bias."""
        found: Tensor = torch.ops.mkldnn._linear_pointwise(input, self.packed, self.bias, "none", [], "")
        return found


def share_prefix(model: Any, parts: Sequence[tuple[Tensor, Tensor]] | None) -> bool:
    """Let every row of a one-token forward look at these keys and values first, (1, H, P, D) a layer; None ends it.

    They are read once for all rows, instead of once a row. Only for an `inference_copy` on a CPU, all of whose layers
    see everything before them; False where the model is something else.
    """
    if model.config._attn_implementation != ATTENTION:
        return False
    if any(getattr(layer, "sliding_window", None) for layer in DynamicCache(config=model.config).layers):
        return False
    for module in model.modules():
        place = getattr(module, "layer_idx", None)
        if place is not None:
            module.shared_prefix = None if parts is None else parts[place]
    return True


def decode_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of one query a row, (R, 1, A, D); several queries go to transformers' `sdpa`."""
    if query.shape[2] != 1:
        attended: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return attended
    num_rows, num_heads, _, size = query.shape
    scale = size**-0.5 if scaling is None else scaling
    query_RHGD = query.view(num_rows, key.shape[1], -1, size) * scale
    score_RHGW = query_RHGD @ key.transpose(2, 3)
    if attention_mask is not None:
        score_RHGW += attention_mask
    prefix = getattr(module, "shared_prefix", None)
    if prefix is not None:
        attended_RHGD = _attend_behind(prefix, query_RHGD, score_RHGW, value)
        return attended_RHGD.reshape(num_rows, 1, num_heads, value.shape[-1]), None
    return (score_RHGW.softmax(-1) @ value).view(num_rows, 1, num_heads, value.shape[-1]), None


def _attend_behind(prefix: tuple[Tensor, Tensor], query_RHGD: Tensor, score_RHGW: Tensor, value: Tensor) -> Tensor:
    """Attention to a prefix that all rows share, P tokens long, and to what each row has of its own."""
    num_rows, num_heads, num_groups, size = query_RHGD.shape
    key_HPD, value_HPD = prefix[0][0], prefix[1][0]
    query_HND = query_RHGD.transpose(0, 1).reshape(num_heads, num_rows * num_groups, size)
    score_HNP = query_HND @ key_HPD.transpose(1, 2)
    num_shared = key_HPD.shape[1]
    score_RHGP = score_HNP.view(num_heads, num_rows, num_groups, num_shared).transpose(0, 1)
    weight_RHGC = torch.cat([score_RHGP, score_RHGW], dim=-1).softmax(-1)
    weight_HNP = weight_RHGC[..., :num_shared].transpose(0, 1).reshape(num_heads, num_rows * num_groups, num_shared)
    shared_RHGD = (weight_HNP @ value_HPD).view(num_heads, num_rows, num_groups, -1).transpose(0, 1)
    return shared_RHGD + weight_RHGC[..., num_shared:] @ value
