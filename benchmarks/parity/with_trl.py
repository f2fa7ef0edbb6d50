"""Our whole update beside `_compute_loss` of TRL's GRPOTrainer, on one tiny real model, in float64.

Two prompts of different lengths, responses that share beginnings and repeat with other advantages, an old policy and a
reference with weights of their own. Runs in TRL's environment: `python with_trl.py OUT.json`.
"""

from __future__ import annotations

import copy
import logging
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from cases import MAX_TOKENS, Table, check_clipped, our_update, over_seeds, random_responses, random_rewards, recipe_of
from datasets import Dataset
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer
from trl import __version__ as trl_version

from polymath.prompts import Prompt
from polymath.recipe import AdvantageSection, Recipe
from polymath.rollouts.local import LocalPolicy
from polymath.testing import tiny_policy
from polymath.training.advantages import ADVANTAGES
from polymath.training.credit import Weighed

PROMPTS = (Prompt(text="7*8="), Prompt(text="say a number: "))
NUM_RESPONSES = 12  # a prompt; an even number of both, so that micro-batches of one prompt count the same


@dataclass(frozen=True, kw_only=True)
class Case:
    """One random update: policies, and responses prompt by prompt with advantages and old log-probabilities."""

    policy: LocalPolicy
    reference: LocalPolicy
    part: list[Weighed]
    reference_logprobs: list[Tensor]


def make_case(seed: int) -> Case:
    """Policies that differ enough for ratios to be clipped on both sides."""
    rng = random.Random(seed)
    policy = tiny_policy(seed)
    policy.model.double()
    old, reference = moved(policy, seed + 100), moved(policy, seed + 200)
    part, reference_logprobs = [], []
    for prompt in PROMPTS:
        responses = random_responses(rng, NUM_RESPONSES - 4, 3)
        for response in [*responses, *responses[:4]]:
            part.append(
                Weighed(
                    prompt=prompt,
                    token_ids=response,
                    advantage=rng.gauss(0, 1),
                    old_logprobs=plain_logprobs(old, prompt, response, 0.7),
                )
            )
            reference_logprobs.append(plain_logprobs(reference, prompt, response, 0.7))
    return Case(policy=policy, reference=reference, part=part, reference_logprobs=reference_logprobs)


def moved(policy: LocalPolicy, seed: int) -> LocalPolicy:
    """The policy with noise on its weights."""
    generator = torch.Generator().manual_seed(seed)
    other = policy.frozen_copy()
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return other


@torch.no_grad()
def plain_logprobs(policy: LocalPolicy, prompt: Prompt, response: Sequence[int], temperature: float) -> Tensor:
    """Prompt and response as one row, without a cache, (T,)."""
    prompt_ids = policy.encode(prompt)
    logits = policy.model(torch.tensor([[*prompt_ids, *response]]), use_cache=False).logits[0, len(prompt_ids) - 1 : -1]
    return (logits / temperature).log_softmax(-1)[torch.arange(len(response)), torch.tensor(response)]


def make_trainer(policy: LocalPolicy, reward: Any = None, **settings: Any) -> Any:
    """A real GRPOTrainer on a copy of the policy's model."""
    arguments = {
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "disable_tqdm": True,
        "gradient_checkpointing": False,
        "temperature": 0.7,
        "max_completion_length": MAX_TOKENS,
        "num_generations": 8,
        "per_device_train_batch_size": 40,
        "beta": 0.0,
        "mask_truncated_completions": False,
        **settings,
    }
    if reward is None:

        def reward(completions: list[str], **others: Any) -> list[float]:
            return [0.0] * len(completions)

    return GRPOTrainer(
        model=copy.deepcopy(policy.model),
        reward_funcs=reward,
        args=GRPOConfig(output_dir=tempfile.mkdtemp(prefix="parity-"), **arguments),
        train_dataset=Dataset.from_dict({"prompt": [prompt.text for prompt in PROMPTS] * 20}),
        processing_class=policy.tokenizer,
    )


def trl_inputs(case: Case, places: Sequence[int]) -> dict[str, Tensor]:
    """These responses as TRL's batch: prompts padded on the left, responses on the right."""
    part = [case.part[place] for place in places]
    prompts = [torch.tensor(case.policy.encode(item.prompt)) for item in part]
    responses = [torch.tensor(item.token_ids) for item in part]

    def right(rows: Sequence[Tensor]) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)

    def left(rows: Sequence[Tensor]) -> Tensor:
        return right([row.flip(0) for row in rows]).flip(1)

    old = [item.old_logprobs for item in part]
    inputs = {
        "prompt_ids": left(prompts),
        "prompt_mask": left([torch.ones_like(row) for row in prompts]),
        "completion_ids": right(responses),
        "completion_mask": right([torch.ones_like(row) for row in responses]),
        "advantages": torch.tensor([item.advantage for item in part], dtype=torch.float64),
        "ref_per_token_logps": right([case.reference_logprobs[place] for place in places]),
        "num_items_in_batch": torch.tensor(sum(len(item.token_ids) for item in case.part)),
    }
    if old[0] is not None:
        inputs["old_per_token_logps"] = right([row for row in old if row is not None])
    return inputs


def trl_update(trainer: Any, case: Case, batches: Sequence[Sequence[int]]) -> tuple[float, list[Tensor]]:
    """Loss and gradients of TRL, accumulated over these batches."""
    trainer.current_gradient_accumulation_steps = len(batches)
    trainer.args.steps_per_generation = len(batches)
    trainer.model.train()
    trainer.model.zero_grad()
    total = 0.0
    for places in batches:
        loss = trainer._compute_loss(trainer.model, trl_inputs(case, places))
        loss.backward()
        total += float(loss.detach())
    return total, [parameter.grad.clone() for parameter in trainer.model.parameters()]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The same loss in our words and in TRL's."""

    what: str
    recipe: Recipe
    settings: dict[str, Any]
    note: str = ""
    is_on_policy: bool = False
    beta: float = 0.0
    num_batches: int = 1


CLIP = {"epsilon_low": 0.1, "epsilon_high": 0.25}
TRL_CLIP = {"epsilon": 0.1, "epsilon_high": 0.25}


def pair(what: str, loss: dict[str, Any], settings: dict[str, Any], **others: Any) -> Pair:
    """A pair with both clips set."""
    sections = {name: others.pop(name) for name in ("kl", "entropy") if name in others}
    recipe = recipe_of(loss={**CLIP, **loss}, **sections)
    return Pair(what=what, recipe=recipe, settings={**TRL_CLIP, **settings}, **others)


PAIRS = [
    pair("clip, sequence mean", {"aggregation": "sequence_mean"}, {"loss_type": "grpo"}),
    pair(
        "clip, sequence mean, on-policy",
        {"aggregation": "sequence_mean"},
        {"loss_type": "grpo"},
        is_on_policy=True,
    ),
    pair("clip, token mean", {"aggregation": "token_mean"}, {"loss_type": "dapo"}),
    pair(
        "clip, token mean, 3 micro-batches",
        {"aggregation": "token_mean"},
        {"loss_type": "dapo"},
        num_batches=3,
    ),
    pair("clip, token mean of one batch", {"aggregation": "token_mean"}, {"loss_type": "bnpo"}),
    pair(
        "clip, token mean of micro-batches",
        {"aggregation": "verl_micro_batches"},
        {"loss_type": "bnpo"},
        num_batches=2,
        note="micro-batches cut alike: one a prompt",
    ),
    pair("clip, constant length", {"aggregation": "constant_length"}, {"loss_type": "dr_grpo"}),
    pair(
        "dual clip",
        {"dual_clip": 1.3},
        {"loss_type": "grpo", "delta": 1.3},
        note="TRL bounds the ratio of both signs: the same while delta > 1 + epsilon_high",
    ),
    pair(
        "gspo, sequence mean",
        {"name": "gspo"},
        {"loss_type": "grpo", "importance_sampling_level": "sequence"},
    ),
    pair(
        "gspo, token mean",
        {"name": "gspo", "aggregation": "token_mean"},
        {"loss_type": "dapo", "importance_sampling_level": "sequence"},
    ),
    pair(
        "cispo, token mean",
        {"name": "cispo", "aggregation": "token_mean"},
        {"loss_type": "cispo", "epsilon_high": 1.25},
        note="TRL's epsilon_high is the bound itself: 1 + ours",
    ),
    pair(
        "clip and k3, sequence mean",
        {"aggregation": "sequence_mean"},
        {"loss_type": "grpo", "use_bias_correction_kl": False},
        kl={"coefficient": 0.3},
        beta=0.3,
        note="TRL's default weighs k3 by the ratio; off here",
    ),
    pair(
        "clip and k3, token mean",
        {"aggregation": "token_mean"},
        {"loss_type": "dapo", "use_bias_correction_kl": False},
        kl={"coefficient": 0.3},
        beta=0.3,
        note="as above",
    ),
    pair(
        "clip and entropy, token mean",
        {"aggregation": "token_mean"},
        {"loss_type": "dapo", "entropy_coef": 0.2},
        entropy={"coefficient": 0.2},
        note="TRL's entropy is a token mean under every loss; ours is weighed as the loss is",
    ),
]


def compare_losses(table: Table, seed: int) -> None:
    """Every pair on one random case."""
    case = make_case(seed)
    for one in PAIRS:
        mine = case
        if one.is_on_policy:
            mine = replace(case, part=[replace(item, old_logprobs=None) for item in case.part])
        places = list(range(len(case.part)))
        # Micro-batches of whole prompts; three of them are cut across.
        size = len(places) // one.num_batches
        batches = [places[start : start + size] for start in range(0, len(places), size)]
        recipe = one.recipe
        if recipe.loss.aggregation == "verl_micro_batches":
            recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"micro_batch_tokens": 4096})})
        trainer = make_trainer(case.policy, **one.settings)
        trainer.beta = one.beta  # a reference given to the trainer would be loaded by name; its values are in the batch
        theirs = trl_update(trainer, mine, batches)
        ours = our_update(case.policy, mine.part, recipe, case.reference if one.beta else None)
        if one.recipe.loss.name == "clip" and not one.is_on_policy:
            check_clipped(ours[0])
        row = table.row(one.what, one.note)
        row.see(ours[0]["loss"], theirs[0])
        row.see_gradients(ours[1], theirs[1])


SCALES = {
    "advantages grpo": ("grpo", "group"),
    "advantages dr_grpo": ("dr_grpo", "none"),
    "advantages batch": ("batch", "batch"),
}


def compare_advantages(table: Table, seed: int) -> None:
    """TRL generates, asks a scripted reward and weighs; ours weighs the same rewards. Then both update on that step."""
    rewards = random_rewards(seed, is_binary=bool(seed % 2))
    counted_PG = rewards.is_counted_PG.clone()
    counted_PG[3, 2], counted_PG[4, :3] = 0.0, 0.0
    given: list[float | None] = [
        float(value) if is_counted else None
        for value, is_counted in zip(rewards.flat, counted_PG.flatten(), strict=True)
    ]
    policy = tiny_policy(seed)
    policy.model.double()

    def scripted(completions: list[str], **others: Any) -> list[float | None]:
        return given

    for what, (name, scale) in SCALES.items():
        trainer = make_trainer(policy, scripted, scale_rewards=scale, loss_type="grpo")
        trainer.model.train()
        rows = [{"prompt": PROMPTS[0].text}] * len(given)
        torch.manual_seed(seed)
        output = trainer._generate_and_score_completions(rows)
        settings = AdvantageSection(name=name, epsilon=1e-4)
        ours_PG = ADVANTAGES[name](rewards.reward_PG, counted_PG, settings)
        note = "TRL adds 1e-4 to the deviation: epsilon = 1e-4" if scale != "none" else ""
        table.row(what, f"{note}{'; ' if note else ''}some rollouts unscorable").see(
            ours_PG.flatten(), output["advantages"]
        )
        step = [
            Weighed(prompt=PROMPTS[0], token_ids=tuple(ids[mask > 0].tolist()), advantage=float(advantage))
            for ids, mask, advantage in zip(
                output["completion_ids"], output["completion_mask"], ours_PG.flatten(), strict=True
            )
        ]
        trainer.current_gradient_accumulation_steps = 1
        loss = trainer._compute_loss(trainer.model, output)
        loss.backward()
        measured, gradients = our_update(policy, step, recipe_of(loss={"aggregation": "sequence_mean"}))
        row = table.row(f"a whole step, {name}", "rollouts generated and weighed by TRL")
        row.see(measured["loss"], float(loss.detach()))
        row.see_gradients(gradients, [parameter.grad for parameter in trainer.model.parameters()])


def main() -> None:
    """Write the rows."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    table = Table(peer=f"trl {trl_version}")
    over_seeds(compare_advantages, table)
    over_seeds(compare_losses, table)
    table.write(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
