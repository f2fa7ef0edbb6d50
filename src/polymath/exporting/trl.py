"""An order as a folder for TRL's GRPOTrainer: rows.jsonl, reward.py, and train.py that trains from them.

Written for TRL 1.16. The losses that are carried over are those that benchmarks/parity finds equal to ours.
"""

from __future__ import annotations

import math
from typing import Any

from polymath.errors import RecipeError
from polymath.exporting.order import ANY, Order, check_carried
from polymath.exporting.pages import ROWS, facts, fill, to_lines
from polymath.recipe import Recipe

CARRIED: dict[str, frozenset[Any] | None] = {
    **dict.fromkeys(("name", "seed", "model.path", "model.dtype", "model.device"), ANY),
    **dict.fromkeys(("sample.", "prompt.", "reward.", "evaluate.", "log."), ANY),
    **{f"rollout.{key}": ANY for key in ("num_groups", "group_size", "temperature", "top_p", "top_k", "max_tokens")},
    "advantage.name": frozenset({"grpo", "dr_grpo", "batch"}),
    "advantage.scale_by_std": ANY,
    "advantage.epsilon": frozenset({1e-6, 1e-4}),
    "loss.name": frozenset({"clip", "gspo", "cispo"}),
    **dict.fromkeys(("loss.epsilon_low", "loss.epsilon_high", "loss.aggregation"), ANY),
    "kl.coefficient": ANY,
    "entropy.coefficient": ANY,
    "optimizer.": ANY,
    **{f"train.{key}": ANY for key in ("num_steps", "updates_per_step", "save_every", "keep")},
    **{f"train.{key}": ANY for key in ("micro_batch_tokens", "gradient_checkpointing")},
    "engine.": ANY,
}

LOSS_TYPES = {
    "sequence_mean": "grpo",
    "token_mean": "dapo",
    "constant_length": "dr_grpo",
    "verl_micro_batches": "bnpo",
}


def trl_files(order: Order) -> dict[str, str]:
    """Texts by file name. Raises RecipeError for a recipe that TRL has no words for."""
    recipe = order.recipe
    check_carried(recipe, CARRIED, to="TRL")
    known = facts(order) | {"settings": settings(recipe), "updates_per_step": recipe.train.updates_per_step}
    return {
        ROWS: to_lines(order.rows()),
        "reward.py": fill("trl_reward.py.j2", **known),
        "train.py": fill("trl_train.py.j2", **known),
        "README.md": fill("trl_readme.md.j2", **known),
    }


def settings(recipe: Recipe) -> dict[str, Any]:
    """Arguments of GRPOConfig that do not depend on the machine.

    `max_steps` counts optimizer steps, so updates_per_step to each of ours; every rollout step draws
    `generation_batch_size` responses.
    """
    rollout, loss, optimizer, train = recipe.rollout, recipe.loss, recipe.optimizer, recipe.train
    if loss.name == "cispo" and loss.aggregation != "token_mean":
        raise RecipeError("loss.aggregation", f"= {loss.aggregation} is not that of TRL's cispo", "use token_mean")
    return {
        "max_steps": train.num_steps * train.updates_per_step,
        "generation_batch_size": rollout.num_groups * rollout.group_size,
        "num_generations": rollout.group_size,
        "max_completion_length": rollout.max_tokens,
        "temperature": rollout.temperature,
        "top_p": rollout.top_p,
        "top_k": rollout.top_k,
        "scale_rewards": _scale(recipe),
        "loss_type": "cispo" if loss.name == "cispo" else LOSS_TYPES[loss.aggregation],
        "importance_sampling_level": "sequence" if loss.name == "gspo" else "token",
        "epsilon": loss.epsilon_low,
        # TRL's bound of cispo is the greatest weight itself.
        "epsilon_high": loss.epsilon_high + (1.0 if loss.name == "cispo" else 0.0),
        "num_iterations": 1,
        "mask_truncated_completions": False,
        "beta": recipe.kl.coefficient,
        "use_bias_correction_kl": False,
        "entropy_coef": recipe.entropy.coefficient,
        "learning_rate": optimizer.learning_rate,
        "optim": {"adamw": "adamw_torch", "adamw_8bit": "adamw_bnb_8bit"}[optimizer.name],
        "weight_decay": optimizer.weight_decay,
        "adam_beta1": optimizer.beta1,
        "adam_beta2": optimizer.beta2,
        "max_grad_norm": optimizer.max_grad_norm,
        **_schedule(recipe),
        "gradient_checkpointing": train.gradient_checkpointing,
        "save_steps": train.save_every * train.updates_per_step,
        "save_total_limit": train.keep,
        "logging_steps": 1,
        "report_to": "none",
        "shuffle_dataset": False,
        "seed": recipe.seed,
    }


def _scale(recipe: Recipe) -> str:
    if recipe.advantage.name == "batch":
        return "batch"
    return "group" if recipe.advantage.name == "grpo" and recipe.advantage.scale_by_std else "none"


def _schedule(recipe: Recipe) -> dict[str, Any]:
    optimizer, train = recipe.optimizer, recipe.train
    warmup_steps = optimizer.warmup_steps or math.ceil(optimizer.warmup_frac * train.num_steps)
    schedule = "constant_with_warmup" if optimizer.schedule == "constant" and warmup_steps else optimizer.schedule
    return {"lr_scheduler_type": schedule, "warmup_steps": warmup_steps * train.updates_per_step}
