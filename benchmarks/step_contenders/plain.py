"""What one writes in an afternoon: generate, a forward of prompt and response as rows, backward, AdamW.

B: responses, T: tokens of the longest one, P: tokens of the prompt in `_BP`, groups in `_PG`. G: responses of a group.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import torch
from gate import Gate
from padded import pad, padded_forwards
from tasks import Setup, Task


def serve(setup: Setup, task: Task) -> None:
    """One step after another, waiting at the gate before each."""
    model, prompt_ids = task.policy.model, task.policy.encode(task.prompt)
    optimizer = torch.optim.AdamW(model.parameters(), lr=setup.learning_rate, weight_decay=0.0)

    def check(token_ids: list[list[int]], advantages: list[float]) -> tuple[float, list[Any]]:
        loss = backward(setup, model, prompt_ids, token_ids, advantages)
        found = [parameter.grad.clone() for parameter in model.parameters()]
        model.zero_grad()
        return loss, found

    gate = Gate(setup, task, check)
    while True:
        gate.wait()
        laps = [time.perf_counter()]
        rows = generate(setup, task.policy, prompt_ids)
        token_ids = [cut(row, task.policy.eos_ids) for row in rows]
        laps.append(time.perf_counter())
        texts = task.policy.tokenizer.batch_decode(token_ids, skip_special_tokens=True)
        rewards = [task.reward(text, ids) for text, ids in zip(texts, token_ids, strict=True)]
        advantages = weigh(setup, rewards)
        laps.append(time.perf_counter())
        backward(setup, model, prompt_ids, token_ids, advantages)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        laps.append(time.perf_counter())
        phases = dict(zip(("rollout", "judge", "update"), map(float.__sub__, laps[1:], laps), strict=False))
        gate.done(
            phases=phases,
            num_tokens=sum(map(len, token_ids)),
            reward=sum(rewards) / len(rewards),
            forwards=padded_forwards(setup.num_rollouts, len(prompt_ids), max(map(len, rows))),
        )


def generate(setup: Setup, policy: Any, prompt_ids: Sequence[int]) -> list[list[int]]:
    """What transformers' generate draws for every rollout of the step, padding behind shorter ones."""
    limits = {"max_new_tokens": setup.max_tokens, "min_new_tokens": None if setup.has_ends else setup.max_tokens}
    prompt_BP = torch.tensor(prompt_ids, device=setup.device).repeat(setup.num_rollouts, 1)
    with torch.no_grad(), autocast(setup):
        rows = policy.model.generate(
            prompt_BP,
            attention_mask=torch.ones_like(prompt_BP),
            do_sample=True,
            top_k=0,
            pad_token_id=policy.tokenizer.pad_token_id or 0,
            eos_token_id=policy.eos_ids or policy.tokenizer.eos_token_id,
            **limits,
        )
    return list(rows[:, len(prompt_ids) :].tolist())


def cut(row: list[int], eos_ids: Sequence[int]) -> list[int]:
    """A row up to its end, which belongs to it."""
    end = next((place for place, token in enumerate(row) if token in eos_ids), len(row) - 1)
    return row[: end + 1]


def weigh(setup: Setup, rewards: Sequence[float]) -> list[float]:
    """Each reward against its group's mean, over the group's standard deviation."""
    reward_PG = torch.tensor(rewards).view(setup.num_groups, setup.group_size)
    centred_PG = reward_PG - reward_PG.mean(1, keepdim=True)
    return list((centred_PG / (reward_PG.std(1, keepdim=True) + 1e-6)).flatten().tolist())


def backward(
    setup: Setup,
    model: Any,
    prompt_ids: Sequence[int],
    token_ids: Sequence[Sequence[int]],
    advantages: Sequence[float],
) -> float:
    """Gradients of the clipped loss on the policy, a token mean; the ratio is 1."""
    ids_BT, mask_BT = pad(token_ids, setup.device)
    advantage_B1 = torch.tensor(advantages, device=setup.device)[:, None]
    prompt_BP = torch.tensor(prompt_ids, device=setup.device).expand(len(token_ids), -1)
    total = 0.0
    for start in range(0, len(token_ids), setup.rows):
        part = slice(start, start + setup.rows)
        rows = torch.cat([prompt_BP[part], ids_BT[part]], dim=1)
        with autocast(setup):
            logits = model(rows, use_cache=False, logits_to_keep=ids_BT.shape[1] + 1).logits[:, :-1].float()
        logprob_BT = logits.log_softmax(-1).gather(2, ids_BT[part][:, :, None])[:, :, 0]
        ratio_BT = (logprob_BT - logprob_BT.detach()).exp()
        loss = -(ratio_BT * advantage_B1[part] * mask_BT[part]).sum() / mask_BT.sum()
        loss.backward()
        total += float(loss.detach())
    return total


def autocast(setup: Setup) -> Any:
    """What the dtype asks for."""
    if setup.dtype == "bfloat16":
        return torch.autocast(setup.device, dtype=torch.bfloat16)
    return contextlib.nullcontext()
