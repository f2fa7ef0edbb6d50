"""What contenders do that hold responses as padded rows, each behind the prompt.

B: responses, T: tokens of the longest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def pad(token_ids: Sequence[Sequence[int]], device: str) -> tuple[Any, Any]:
    """Ids and mask of responses, padded on the right, (B, T) each."""
    import torch

    rows = [torch.tensor(ids) for ids in token_ids]
    ids_BT = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask_BT = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return ids_BT.to(device), mask_BT.to(device)


def padded_forwards(num_rollouts: int, num_prompt: int, width: int) -> dict[str, int]:
    """Tokens that every row runs through the model: prompt and all that the longest response has."""
    return {"rollout": num_rollouts * (num_prompt + width - 1), "update": num_rollouts * (num_prompt + width)}
