"""A copy of a model that only generates, faster on CPU.

In: any causal LM of transformers. Out: the same function of the same weights, cast to one dtype.
Three things differ from the model itself, each measured by benchmarks/decode_speed.py:

- the weights are in the dtype of the computation (autocast casts float32 masters again in every forward);
- matrices lie in oneDNN's blocked layout, which torch would otherwise produce anew in every product;
- one-token attention is two plain matrix products: torch's CPU kernel for `scaled_dot_product_attention` is made
  for many queries. In bfloat16 the scores are rounded before the softmax, as in transformers' `eager` attention.

R: rows, A: attention heads, H: key-value heads, G = A / H, D: head size, W: cached tokens.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
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
    return (score_RHGW.softmax(-1) @ value).view(num_rows, 1, num_heads, value.shape[-1]), None
