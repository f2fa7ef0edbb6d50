"""TRL's GRPOTrainer on transformers' generate, with a callback that waits between steps."""

from __future__ import annotations

import logging
import tempfile
import time
from typing import Any

import torch
from datasets import Dataset
from gate import Gate
from padded import pad, padded_forwards
from tasks import Setup, Task
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer


def serve(setup: Setup, task: Task) -> None:
    """Train, and wait at the gate before every step."""
    logging.disable(logging.WARNING)

    def reward(completions: list[str], completion_ids: list[list[int]], **others: Any) -> list[float]:
        return [task.reward(text, ids) for text, ids in zip(completions, completion_ids, strict=True)]

    trainer = Timed(
        model=task.policy.model,
        reward_funcs=reward,
        args=GRPOConfig(output_dir=tempfile.mkdtemp(prefix="one-shot-step-"), **settings_of(setup)),
        train_dataset=Dataset.from_dict({"prompt": [task.prompt.text] * setup.num_groups}),
        processing_class=task.policy.tokenizer,
    )
    prompt_ids = task.policy.encode(task.prompt)

    def check(token_ids: list[list[int]], advantages: list[float]) -> tuple[float, list[Any]]:
        return gradient(trainer, prompt_ids, setup.device, token_ids, advantages)

    trainer.add_callback(Wait(trainer, Gate(setup, task, check), setup, len(prompt_ids)))
    trainer.train()


class Timed(GRPOTrainer):  # type: ignore[misc]
    """Notes the seconds of its phases."""

    seconds: dict[str, float]
    last: dict[str, Any]

    def _generate(self, prompts: Any) -> Any:
        start = time.perf_counter()
        found = super()._generate(prompts)
        self.seconds["rollout"] = time.perf_counter() - start
        return found

    def _calculate_rewards(self, *arguments: Any) -> Any:
        start = time.perf_counter()
        found = super()._calculate_rewards(*arguments)
        self.seconds["judge"] = time.perf_counter() - start
        self.last["reward"] = float(found.nanmean())
        return found

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        self.seconds, self.last = {}, {}
        found = super()._generate_and_score_completions(inputs)
        self.last["num_tokens"] = int(found["completion_mask"].sum())
        self.last["width"] = found["completion_ids"].shape[1]
        return found


class Wait(TrainerCallback):  # type: ignore[misc]
    """Holds the trainer between steps."""

    def __init__(self, trainer: Timed, gate: Gate, setup: Setup, num_prompt: int) -> None:
        self.trainer, self.gate, self.setup, self.num_prompt = trainer, gate, setup, num_prompt

    def on_step_begin(self, *arguments: Any, **others: Any) -> None:
        self.trainer.current_gradient_accumulation_steps = num_micros(self.setup)
        self.gate.wait()

    def on_step_end(self, *arguments: Any, **others: Any) -> None:
        total = time.perf_counter() - self.gate.began
        seconds = dict(self.trainer.seconds)
        seconds["update"] = total - sum(seconds.values())
        last = self.trainer.last
        self.gate.done(
            phases=seconds,
            num_tokens=last["num_tokens"],
            reward=last["reward"],
            forwards=padded_forwards(self.setup.num_rollouts, self.num_prompt, last["width"]),
        )


def num_micros(setup: Setup) -> int:
    """Micro-batches of a step."""
    return setup.num_rollouts // setup.rows


def settings_of(setup: Setup) -> dict[str, Any]:
    """The same step in TRL's words."""
    settings: dict[str, Any] = {
        "use_cpu": setup.device == "cpu",
        "bf16": setup.dtype == "bfloat16",
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
        "logging_strategy": "no",
        "gradient_checkpointing": False,
        "loss_type": "dapo",
        "beta": 0.0,
        "epsilon": 0.2,
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "num_generations": setup.group_size,
        "per_device_train_batch_size": setup.rows,
        "gradient_accumulation_steps": num_micros(setup),
        "max_completion_length": setup.max_tokens,
        "learning_rate": setup.learning_rate,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 1.0,
        "max_steps": 10**6,
        "cache_implementation": setup.cache,
    }
    if not setup.has_ends:
        settings["generation_kwargs"] = {"min_new_tokens": setup.max_tokens}
    return settings


def gradient(
    trainer: Timed, prompt_ids: list[int], device: str, token_ids: list[list[int]], advantages: list[float]
) -> tuple[float, list[Any]]:
    """Loss and gradient of given responses, as one batch."""
    prompt = torch.tensor(prompt_ids, device=device).expand(len(token_ids), -1)
    ids_BT, mask_BT = pad(token_ids, device)
    inputs = {
        "prompt_ids": prompt,
        "prompt_mask": torch.ones_like(prompt),
        "completion_ids": ids_BT,
        "completion_mask": mask_BT,
        "advantages": torch.tensor(advantages, device=device),
        "num_items_in_batch": mask_BT.sum(),
    }
    kept = trainer.current_gradient_accumulation_steps, trainer.args.steps_per_generation
    trainer.current_gradient_accumulation_steps = trainer.args.steps_per_generation = 1
    loss = trainer._compute_loss(trainer.model, inputs)
    loss.backward()
    found = [parameter.grad.clone() for parameter in trainer.model.parameters()]
    trainer.model.zero_grad()
    trainer.current_gradient_accumulation_steps, trainer.args.steps_per_generation = kept
    return float(loss.detach()), found
