"""A local model and one sample in; what selectors want to know of the model's insides out.

B: responses, T: tokens of the longest one. Everything is a function of model, sample and seed alone, so that a sample
gives the same features in whatever company.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polymath.errors import ModelError
from polymath.prompts import Prompt
from polymath.recipe import AdvantageSection, RewardSection
from polymath.rollouts.groups import Group
from polymath.rollouts.local import LocalPolicy
from polymath.rollouts.policy import Sampling
from polymath.seeds import child_seed
from polymath.selecting.parameters import PARAMS
from polymath.selection.gradients import project
from polymath.selection.hidden import high_entropy_sum
from polymath.training.credit import Weighed
from polymath.training.update import micro_batches
from polymath.training.weigh import judge_and_reward, weigh
from polymath.types import Sample

_MICRO_BATCH_TOKENS = 16384  # the trainer's default


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """Features of one sample: an array, and facts beside it that JSON can hold."""

    array: NDArray[np.floating]
    facts: dict[str, Any]


@torch.no_grad()
def hidden_features(policy: LocalPolicy, prompt: Prompt, *, max_tokens: int, seed: int) -> Extracted:
    """Hidden states (2, hidden size) at the first and the last token of one greedy answer, and its entropies.

    Each is the mean over the outputs of all decoder layers as transformers gives them (the last one after the final
    norm; the embeddings are left out). An answer of one token has not moved. arXiv 2605.28631 and 2605.22389.
    """
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
    answer = policy.sample([prompt], 1, sampling, seed)[0][0]
    token_ids = list(answer.token_ids or ())
    prompt_ids = policy.encode(prompt)
    ids = torch.tensor([prompt_ids + token_ids], device=policy.model.device)
    layers = policy.model.base_model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states[1:]
    ends = [len(prompt_ids), ids.shape[1] - 1]
    states_2D = torch.stack([layer[0, ends].float() for layer in layers]).mean(dim=0)
    entropies = policy.score(prompt, [token_ids], temperature=1.0).entropy_BT[0].tolist()
    return Extracted(
        array=states_2D.cpu().numpy(),
        facts={
            "hes": high_entropy_sum(entropies),
            "mean_entropy": sum(entropies) / len(entropies),
            "num_tokens": len(token_ids),
            "is_truncated": answer.is_truncated,
        },
    )


def gradient_features(
    policy: LocalPolicy,
    sample: Sample,
    prompt: Prompt,
    *,
    num_draws: int,
    max_tokens: int,
    params: str,
    proj_dim: int,
    seed: int,
) -> Extracted:
    """The projected GRPO gradient of one sample, shape (proj_dim,), from `num_draws` draws at temperature 1.

    The group is judged, rewarded (exact) and weighed as the trainer does it. A unanimous group has gradient 0.
    """
    sampling = Sampling(temperature=1.0, max_tokens=max_tokens)
    draws = policy.sample([prompt], num_draws, sampling, child_seed(seed, "gradients", sample.id))[0]
    group = Group(index=0, sample=sample, prompt=prompt, completions=tuple(draws))
    rollouts = judge_and_reward([group], RewardSection(), custom={}, step=0, seed=seed, max_tokens=max_tokens)
    weighed, _ = weigh([group], rollouts, True, AdvantageSection())
    with PARAMS[params](policy.model, seed) as parameters:
        gradient = [part.cpu().numpy() for part in policy_gradient(policy, weighed, parameters)]
    norm = float(np.sqrt(sum(float(np.square(part, dtype=np.float64).sum()) for part in gradient)))
    if not np.isfinite(norm):
        raise ModelError(f"sample {sample.question[:40]!r}", "its gradient is not finite", "use --dtype float32")
    outcomes = [rollout.verdict.outcome for rollout in rollouts[0]]
    return Extracted(
        array=project(gradient, proj_dim, child_seed(seed, "projection")),
        facts={
            "num_draws": num_draws,
            "right": outcomes.count("right"),
            "undecided": outcomes.count("undecided"),
            "truncated": sum(draw.is_truncated for draw in draws),
            "gradient_norm": norm,
            "num_tokens": sum(draw.length for draw in draws),
        },
    )


def policy_gradient(
    policy: LocalPolicy, weighed: Sequence[Weighed], parameters: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The direction that the trainer's first update would go, a tensor for each of `parameters`.

    It is the gradient of the mean over responses of advantage times the mean log-probability of their tokens: GRPO's
    loss, its sign turned, where the policy is its own old policy (arXiv 2402.03300). Responses without advantage are
    not run.
    """
    weights = [1 / (len(item.token_ids) * len(weighed)) for item in weighed]
    total = tuple(torch.zeros_like(parameter) for parameter in parameters)
    pushed = [(item, weight) for item, weight in zip(weighed, weights, strict=True) if item.advantage]
    for rows in micro_batches([item for item, _ in pushed], _MICRO_BATCH_TOKENS):
        scores = policy.score(pushed[rows[0]][0].prompt, [pushed[row][0].token_ids for row in rows], temperature=1.0)
        push_B = torch.tensor([pushed[row][0].advantage * pushed[row][1] for row in rows])
        objective = (scores.logprob_BT * push_B.to(scores.logprob_BT)[:, None]).sum()
        parts = torch.autograd.grad(objective, parameters, materialize_grads=True)
        for sum_, part in zip(total, parts, strict=True):
            sum_ += part
    return total
