"""An order as a folder for OpenRLHF: rows.jsonl, reward.py, serve.py (the same over HTTP), run.sh.

Written for OpenRLHF 0.11 from its documentation and source; it does not install without a GPU, so run.sh is unproven.
Flags are named as since 0.10.2.
"""

from __future__ import annotations

import math
import shlex
from typing import Any

from polymath.errors import RecipeError
from polymath.exporting.order import ANY, Order, check_carried
from polymath.exporting.pages import ROWS, facts, fill, to_lines
from polymath.lab import model_dir
from polymath.recipe import Recipe

CARRIED: dict[str, frozenset[Any] | None] = {
    **dict.fromkeys(("name", "seed", "model.path", "model.device"), ANY),
    "model.dtype": frozenset({"bfloat16", "float32"}),  # it computes in bf16 on float32 masters either way
    **dict.fromkeys(("sample.", "prompt.", "reward.", "evaluate.", "log."), ANY),
    **{f"rollout.{key}": ANY for key in ("num_groups", "group_size", "temperature", "top_p", "max_tokens")},
    "advantage.name": frozenset({"grpo", "dr_grpo", "rloo"}),
    "advantage.scale_by_std": ANY,
    "loss.name": frozenset({"clip", "gspo"}),
    **dict.fromkeys(("loss.epsilon_low", "loss.epsilon_high"), ANY),
    "loss.aggregation": frozenset({"sequence_mean", "token_mean"}),
    **dict.fromkeys(("kl.coefficient", "kl.estimator", "entropy.coefficient"), ANY),
    **{f"optimizer.{key}": ANY for key in ("learning_rate", "weight_decay", "beta1", "beta2", "max_grad_norm")},
    **{f"optimizer.{key}": ANY for key in ("warmup_steps", "warmup_frac")},
    **{f"train.{key}": ANY for key in ("num_steps", "updates_per_step", "save_every", "keep")},
    **{f"train.{key}": ANY for key in ("micro_batch_tokens", "gradient_checkpointing")},
    "engine.": ANY,
}

ESTIMATORS = {"grpo": "group_norm", "dr_grpo": "dr_grpo", "rloo": "rloo"}
PROMPT_TOKENS = 1024  # room for a prompt beside rollout.max_tokens


def openrlhf_files(order: Order) -> dict[str, str]:
    """Texts by file name. Raises RecipeError for a recipe that OpenRLHF has no words for."""
    recipe = order.recipe
    check_carried(recipe, CARRIED, to="OpenRLHF")
    rows = [
        {"input": row["prompt"], "label": row["sample"], "datasource": "polymath", "index": row["index"]}
        for row in order.rows()
    ]
    model = str(model_dir()) if recipe.model.path == "lab" else recipe.model.path
    known = facts(order) | {"flags": _lines(flags(order)), "model": model}
    return {
        ROWS: to_lines(rows),
        "reward.py": fill("openrlhf_reward.py.j2", **known),
        "serve.py": fill("openrlhf_serve.py.j2", **known),
        "run.sh": fill("openrlhf_run.sh.j2", **known),
        "README.md": fill("openrlhf_readme.md.j2", **known),
    }


def flags(order: Order) -> list[tuple[str, ...]]:
    """What the recipe decides, as (flag, value ...); the machine's share stands in run.sh."""
    recipe, rollout, optimizer, train = order.recipe, order.recipe.rollout, order.recipe.optimizer, order.recipe.train
    num_rollouts = rollout.num_groups * rollout.group_size
    given: list[tuple[object, ...]] = [
        ("--data.input_key", "input"),
        ("--data.label_key", "label"),
        *([("--data.apply_chat_template",)] if order.template.is_chat else []),
        ("--data.max_len", PROMPT_TOKENS + rollout.max_tokens),
        ("--rollout.batch_size", rollout.num_groups),
        ("--rollout.n_samples_per_prompt", rollout.group_size),
        ("--rollout.temperature", rollout.temperature),
        ("--rollout.top_p", rollout.top_p),
        ("--rollout.max_new_tokens", rollout.max_tokens),
        ("--train.batch_size", num_rollouts // train.updates_per_step),
        ("--train.max_epochs", 1),
        # An episode is one pass over the rows.
        ("--train.num_episodes", math.ceil(train.num_steps * rollout.num_groups / order.num_rows)),
        ("--train.seed", recipe.seed),
        ("--algo.advantage.estimator", _estimator(recipe)),
        ("--algo.advantage.gamma", 1.0),
        ("--algo.kl.init_coef", recipe.kl.coefficient),
        *([("--algo.kl.use_loss",), ("--algo.kl.estimator", recipe.kl.estimator)] if recipe.kl.coefficient else []),
        ("--actor.policy_loss_type", "gspo" if recipe.loss.name == "gspo" else "ppo"),
        ("--actor.eps_clip_low_high", recipe.loss.epsilon_low, recipe.loss.epsilon_high),
        *([("--actor.entropy_coef", recipe.entropy.coefficient)] if recipe.entropy.coefficient else []),
        ("--actor.adam.lr", optimizer.learning_rate),
        ("--actor.adam.betas", optimizer.beta1, optimizer.beta2),
        ("--actor.adam.weight_decay", optimizer.weight_decay),
        ("--actor.max_norm", optimizer.max_grad_norm),
        ("--actor.lr_scheduler", "constant_with_warmup"),
        ("--actor.lr_warmup_ratio", optimizer.warmup_frac or optimizer.warmup_steps / max(1, train.num_steps)),
        *([("--actor.gradient_checkpointing_enable",)] if train.gradient_checkpointing else []),
        ("--ckpt.save_steps", train.save_every),
        ("--ckpt.max_num", train.keep),
    ]
    return [tuple(map(str, flag)) for flag in given]


def _estimator(recipe: Recipe) -> str:
    name, scaled = recipe.advantage.name, recipe.advantage.scale_by_std
    if name == "batch":
        raise RecipeError("advantage.name", "= 'batch' has no counterpart in OpenRLHF", "use grpo, dr_grpo or rloo")
    return ESTIMATORS["dr_grpo" if name == "grpo" and not scaled else name]


def _lines(given: list[tuple[str, ...]]) -> list[str]:
    return [" ".join([flag[0], *map(shlex.quote, flag[1:])]) for flag in given]
