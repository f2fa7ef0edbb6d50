"""A critic: what a response will earn, guessed before each of its tokens, and advantages against that guess.

Responses and their rewards in; advantages of single tokens out, and a value model that has learnt from the returns.
This is PPO's other half (arXiv 1707.06347) with generalised advantage estimation (1506.02438). Formulas and constants
are verl's (`core_algos`: compute_gae_advantage_return, compute_value_loss, agg_loss by token mean).

The value model is a copy of the policy's body with a scalar head. It is scored as the policy is: a prompt once, equal
responses and shared beginnings once (`rollouts.prompt_scorer`).

T: tokens of a response, N: nodes of a micro-batch's trees, K: response tokens of a micro-batch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from polymath.errors import RunFolderError, TrainingError
from polymath.prompts import Prompt
from polymath.recipe import CriticSection, OptimizerSection
from polymath.rollouts.local import LocalPolicy
from polymath.rollouts.prompt_scorer import PromptScorer
from polymath.training.credit import Weighed
from polymath.training.pushes import MicroBatch, cut

WEIGHTS, OPTIMIZER = "critic.safetensors", "critic-optimizer.safetensors"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def of_tokens(reward: float, num_tokens: int, penalty_T: Tensor | None = None) -> Tensor:
    """An outcome reward as rewards of tokens, (T,) float64: all of it at the last one, each less what it is charged."""
    reward_T = torch.zeros(num_tokens, dtype=torch.float64) if penalty_T is None else -penalty_T.double()
    reward_T[-1] += reward
    return reward_T


def gae(reward_T: Tensor, value_T: Tensor, *, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Advantages and returns of the tokens of one response, (T,) float64 on the CPU each.

    delta_t = r_t + gamma * v_(t+1) - v_t, the value behind the last token being 0; the advantage is the sum over later
    tokens, t included, of (gamma * lam)^(s - t) * delta_s; the return is advantage + value.
    """
    rewards, values = reward_T.tolist(), value_T.tolist()
    advantages = [0.0] * len(rewards)
    next_value = later = 0.0
    # Floats, not tensors: a step has millions of tokens, and each waits for the one behind it.
    for place in range(len(rewards) - 1, -1, -1):
        later = rewards[place] + gamma * next_value - values[place] + gamma * lam * later
        advantages[place] = later
        next_value = values[place]
    advantage_T = torch.tensor(advantages, dtype=torch.float64)
    return advantage_T, advantage_T + value_T.cpu().double()


def whiten(advantages: Sequence[Tensor]) -> list[Tensor]:
    """The advantages with mean 0 and unbiased variance 1 over all tokens of the step, float64.

    (A - mean) / sqrt(variance + 1e-8), as verl's masked_whiten. It knows no scale: where every reward is the same and
    the critic almost knows it, what is left of its error is blown up to variance 1.
    """
    flat = torch.cat(list(advantages)).double()
    variance = flat.var() if len(flat) > 1 else flat.new_zeros(())
    flat = (flat - flat.mean()) * torch.rsqrt(variance + 1e-8)
    return list(torch.split(flat, [len(advantage_T) for advantage_T in advantages]))


def estimate(
    rewards: Sequence[Tensor], values: Sequence[Tensor], settings: CriticSection
) -> tuple[list[Tensor], list[Tensor]]:
    """Advantages, whitened where asked, and returns of every response of a step, (T,) float64 each."""
    pairs = [
        gae(reward_T, value_T, gamma=settings.gamma, lam=settings.lam)
        for reward_T, value_T in zip(rewards, values, strict=True)
    ]
    advantages = [advantage_T for advantage_T, _ in pairs]
    return whiten(advantages) if settings.whiten else advantages, [return_T for _, return_T in pairs]


def value_loss(value: Tensor, return_: Tensor, old_value: Tensor, value_clip: float) -> tuple[Tensor, Tensor]:
    """Loss of each token, and where the clip leaves no gradient; any shape.

    max((v - R)^2, (clip(v, old - value_clip, old + value_clip) - R)^2) / 2; value_clip 0 is no clip.
    """
    plain = (value - return_).square()
    if not value_clip:
        return plain / 2, torch.zeros_like(plain, dtype=torch.bool)
    bounded = torch.maximum(torch.minimum(value, old_value + value_clip), old_value - value_clip)
    clipped = (bounded - return_).square()
    return torch.maximum(plain, clipped) / 2, (clipped > plain).detach()


def explained_variance(value: Tensor, return_: Tensor) -> float:
    """1 - var(R - v) / var(R): 1 is a critic that knows, 0 one that says the mean; 0 where all returns are the same."""
    if len(return_) < 2 or not (whole := float(return_.var())):
        return 0.0
    return 1.0 - float((return_ - value).var()) / whole


class ValueHead(torch.nn.Module):
    """Hidden states to one value each, in the dtype of its weights whatever the body computes in.

    It begins at zero, as in the first RLHF code (openai/lm-human-preferences): a critic that has seen nothing says 0 of
    everything, so that the first advantages are the rewards, without the noise of a random head.
    """

    def __init__(self, num_inputs: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, num_inputs))
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., D) to (..., 1)."""
        with torch.autocast(hidden.device.type, enabled=False):
            return torch.nn.functional.linear(hidden.to(self.weight.dtype), self.weight, self.bias)


class Critic:
    """A value model and its optimizer.

    The value of a token is that of the state before it was said: the hidden state that the policy chooses it from.
    """

    def __init__(
        self,
        body: Any,
        head: ValueHead,
        encode: Callable[[Prompt], list[int]],
        settings: CriticSection,
        *,
        optimizer: OptimizerSection,
        dtype: str,
        attention_share: float,
        micro_batch_tokens: int,
        recompute: bool = False,
    ) -> None:
        self.recompute = recompute
        self.body, self.head, self.encode, self.settings = body, head, encode, settings
        self.dtype, self.attention_share, self.micro_batch_tokens = dtype, attention_share, micro_batch_tokens
        self.max_grad_norm = optimizer.max_grad_norm
        self.optimizer = torch.optim.AdamW(
            self._trainable().values(),
            lr=settings.learning_rate,
            betas=(optimizer.beta1, optimizer.beta2),
            weight_decay=optimizer.weight_decay,
        )

    @classmethod
    def of(
        cls, policy: LocalPolicy, settings: CriticSection, *, optimizer: OptimizerSection, micro_batch_tokens: int
    ) -> Critic:
        """A critic with the policy's body as it is now, which learns the weights that the policy learns.

        It recomputes activations where the policy does.
        `optimizer` gives all but the learning rate. A micro-batch holds at most `micro_batch_tokens` nodes.
        """
        body = copy.deepcopy(policy.model.base_model).eval()
        head = ValueHead(policy.model.get_output_embeddings().weight.shape[1]).to(body.device)
        return cls(
            body,
            head,
            policy.encode,
            settings,
            optimizer=optimizer,
            dtype=policy.dtype,
            attention_share=policy.attention_share,
            micro_batch_tokens=micro_batch_tokens,
            recompute=policy.recompute,
        )

    @torch.no_grad()
    def values(self, batch: Sequence[Weighed]) -> list[Tensor]:
        """The value before each token of each response, (T,) float32 on the CPU. Equal responses share a tensor."""
        found: dict[int, Tensor] = {}
        for prompt, micros in self._micro_batches(batch):
            scorer = self._scorer(prompt)
            for micro in micros:
                value_N = scorer.before(micro.trees)[:, 0].float().cpu()
                for path_T, places in _paths(micro):
                    found.update(dict.fromkeys(places, value_N[path_T]))
        return [found[place] for place in range(len(batch))]

    def improve(
        self, batch: Sequence[Weighed], returns: Sequence[Tensor], old_values: Sequence[Tensor]
    ) -> dict[str, float]:
        """Take one optimizer step towards the returns and say how it went; means are over tokens.

        `old_values` are those of before the rollout step's first update. grad_norm is before clipping,
        explained_variance and clip_frac are of the values before this step. Raises TrainingError when loss or gradient
        is not finite; the weights are then as before.
        """
        num_tokens = sum(len(item.token_ids) for item in batch)
        said: dict[int, Tensor] = {}
        loss_value = num_clipped = 0.0
        self.optimizer.zero_grad(set_to_none=True)
        for prompt, micros in self._micro_batches(batch):
            scorer = self._scorer(prompt)
            for micro in micros:
                # In float64 on the CPU: several threads add float32 gradients of a gather in any order.
                value_N = scorer.before(micro.trees)[:, 0].cpu().double()
                pairs = [(path_T, place) for path_T, places in _paths(micro) for place in places]
                value_K = value_N[torch.cat([path_T for path_T, _ in pairs])]
                return_K = torch.cat([returns[place] for _, place in pairs]).cpu().double()
                old_K = torch.cat([old_values[place] for _, place in pairs]).cpu().double()
                loss_K, is_clipped_K = value_loss(value_K, return_K, old_K, self.settings.value_clip)
                loss = loss_K.sum() / num_tokens
                loss.backward()  # type: ignore[no-untyped-call]
                loss_value += float(loss.detach())
                num_clipped += float(is_clipped_K.sum())
                said.update((place, value_N.detach()[path_T]) for path_T, place in pairs)
            scorer.close()
        parameters = self._trainable().values()
        grad_norm = float(torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm))
        if not (math.isfinite(grad_norm) and math.isfinite(loss_value)):
            self.optimizer.zero_grad(set_to_none=True)
            raise TrainingError(
                "critic", f"loss {loss_value} or gradient norm {grad_norm} is not finite", "lower critic.learning_rate"
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        value = torch.cat([said[place] for place in range(len(batch))])
        return {
            "critic/loss": loss_value,
            "critic/grad_norm": grad_norm,
            "critic/explained_variance": explained_variance(value, torch.cat(list(returns)).cpu().double()),
            "critic/clip_frac": num_clipped / num_tokens,
        }

    def save(self, path: Path) -> None:
        """Write weights and optimizer state into a checkpoint folder."""
        save_file(
            {name: weight.detach().cpu().contiguous() for name, weight in self._trainable().items()}, path / WEIGHTS
        )
        state = self.optimizer.state_dict()["state"]
        save_file(
            {
                f"{name}.{place}": value.detach().cpu().contiguous()
                for place, entry in state.items()
                for name, value in entry.items()
            },
            path / OPTIMIZER,
        )

    def load(self, path: Path) -> None:
        """Take what `save` wrote, bit for bit; raises RunFolderError where it is of another critic."""
        if not all((path / name).is_file() for name in (WEIGHTS, OPTIMIZER)):
            raise RunFolderError(path, f"lacks {WEIGHTS} or {OPTIMIZER}", "resume with the recipe the run began with")
        own, weights, moments = self._trainable(), load_file(path / WEIGHTS), load_file(path / OPTIMIZER)
        if {name: weight.shape for name, weight in own.items()} != {name: w.shape for name, w in weights.items()}:
            raise RunFolderError(path / WEIGHTS, "is of another critic", "resume with the model the run began with")
        with torch.no_grad():
            for name, weight in own.items():
                weight.copy_(weights[name])
        state = {
            place: {name: moments[f"{name}.{place}"] for name in MOMENTS}
            for place in range(len(own))
            if f"step.{place}" in moments
        }
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})

    def _trainable(self) -> dict[str, torch.nn.Parameter]:
        """What is learnt, by name, in a stable order. The rest is the policy's, and stays."""
        modules = {"body": self.body, "head": self.head}
        return {
            f"{part}.{name}": parameter
            for part, module in modules.items()
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }

    def _scorer(self, prompt: Prompt) -> PromptScorer:
        return PromptScorer(self.body, self.encode(prompt), self._compute, self.head, recompute=self.recompute)

    def _compute(self) -> AbstractContextManager[Any]:
        if self.dtype == "bfloat16":
            # As in the policy: what layers that run anew cast is not what was kept.
            return torch.autocast(self.body.device.type, dtype=torch.bfloat16, cache_enabled=not self.recompute)
        return nullcontext()

    def _micro_batches(self, batch: Sequence[Weighed]) -> Iterator[tuple[Prompt, list[MicroBatch]]]:
        """Prompt by prompt."""
        lengths = {prompt: len(self.encode(prompt)) for prompt in dict.fromkeys(item.prompt for item in batch)}
        found: dict[Prompt, list[MicroBatch]] = {}
        for micro in cut(batch, self.micro_batch_tokens, lengths, self.attention_share):
            found.setdefault(micro.prompt, []).append(micro)
        yield from found.items()


def _paths(micro: MicroBatch) -> Iterator[tuple[Tensor, tuple[int, ...]]]:
    """The nodes of each distinct response, (T,), and the places of the responses that say it."""
    num_nodes = 0
    for tree, members in zip(micro.trees, micro.members, strict=True):
        for path_T, places in zip(tree.paths(), members, strict=True):
            yield path_T[path_T >= 0] + num_nodes, places
        num_nodes += len(tree)


def learn_values(critic: Critic, batch: Sequence[Weighed], num_updates: int) -> tuple[list[Weighed], dict[str, float]]:
    """The responses, whose advantage is their reward, with advantages of their tokens; the critic learns from them.

    The critic takes as many optimizer steps as the policy, on the same parts. Responses that are not counted get no
    advantage and teach the critic nothing.
    """
    counted = [place for place, item in enumerate(batch) if item.is_counted]
    chosen = [batch[place] for place in counted]
    old = critic.values(chosen)
    rewards = [of_tokens(float(item.advantage), len(item.token_ids), item.penalty_T) for item in chosen]
    advantages, returns = estimate(rewards, old, critic.settings)
    found = [replace(item, advantage=0.0) for item in batch]
    for place, advantage_T in zip(counted, advantages, strict=True):
        found[place] = replace(batch[place], advantage=advantage_T)
    size = len(batch) // num_updates
    measured = []
    for start in range(0, size * num_updates, size):
        part = [number for number, place in enumerate(counted) if start <= place < start + size]
        if part:
            measured.append(
                critic.improve(
                    [chosen[number] for number in part],
                    [returns[number] for number in part],
                    [old[number] for number in part],
                )
            )
    names = measured[0] if measured else {}
    return found, {name: sum(row[name] for row in measured) / len(measured) for name in names}
