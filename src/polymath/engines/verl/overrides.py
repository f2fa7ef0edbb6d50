"""A recipe in, Hydra overrides of verl's `ppo_trainer` out: a list, or a shell script that a person can read and run.

Written for the versions in VERSIONS. Every key of the recipe is mapped here, refused in refusals.py, or carried out by
us around verl: the sample and its label, the rollouts' verdicts, evaluations and logs.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath.engines.verl.refusals import check_recipe
from polymath.errors import RecipeError
from polymath.recipe import Recipe

# At least the first, below the second.
VERSIONS = ((0, 9), (0, 10))
# Beyond any loss there is, which is no dual clip: verl always has one.
NO_DUAL_CLIP = 1e9

ACTOR, ROLLOUT, REF = "actor_rollout_ref.actor", "actor_rollout_ref.rollout", "actor_rollout_ref.ref"
ADVANTAGES = {"grpo": "grpo", "dr_grpo": "grpo", "rloo": "rloo", "gae": "gae"}
LOSSES = {"clip": "vanilla", "gspo": "gspo", "cispo": "cispo", "log_likelihood": "gpg"}
AGGREGATIONS = {
    "sequence_mean": "seq-mean-token-mean",
    "token_mean": "token-mean",
    "constant_length": "seq-mean-token-sum-norm",
}
ESTIMATORS = {"k1": "kl", "k2": "mse", "k3": "low_var_kl"}

Rows = list[tuple[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things lie, as verl's processes see them, and what was measured of the prompts.

    `chat_template` is given to the model in place of its own where the prompt is raw text. `resume_from` is a folder
    global_step_N of verl's, None to begin anew, "auto" for the newest there is.
    """

    model: str
    data: Path
    reward: Path
    checkpoints: Path
    rollouts: Path | None = None
    metrics: Path | None = None
    max_prompt_tokens: int = 1024
    chat_template: str | None = None
    resume_from: Path | str | None = "auto"


def overrides_of(recipe: Recipe, places: Places) -> list[str]:
    """`key=value` for verl, in Hydra's grammar; the recipe's own engine.overrides come last, and win.

    Raises RecipeError naming the key that verl has no counterpart for.
    """
    if recipe.train.num_steps == 0:
        raise RecipeError("train.num_steps", "is 0, so there is nothing to train", "use engine.name = local")
    check_recipe(recipe)
    rows: Rows = []
    for section in SECTIONS:
        rows += section(recipe, places)
    return [*(f"{key}={hydra(value)}" for key, value in rows), *recipe.engine.overrides]


def script_of(overrides: Sequence[str], python: str = "python") -> str:
    """A shell script that trains with these overrides, one a line."""
    lines = [f"  {shlex.quote(override)}" for override in overrides]
    begin = ["#!/bin/sh", f"# For verl >={_tell(VERSIONS[0])},<{_tell(VERSIONS[1])}. Written by polymath.", "set -e"]
    return "\n".join([*begin, f'exec {shlex.quote(python)} -m verl.trainer.main_ppo "$@" \\', " \\\n".join(lines), ""])


def check_version(found: str, where: str) -> None:
    """Raise RecipeError where these overrides are not for this version of verl."""
    numbers = tuple(int(part) for part in found.split(".")[:2] if part.isdecimal())
    if not VERSIONS[0] <= numbers < VERSIONS[1]:
        wanted = f">={_tell(VERSIONS[0])},<{_tell(VERSIONS[1])}"
        raise RecipeError(where, f"has verl {found}, and we write for {wanted}", "polymath engine install verl DIR")


def hydra(value: Any) -> str:
    """A value in the grammar of Hydra's overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{hydra(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(hydra, value)) + "]"
    if isinstance(value, int | float):
        return str(value)
    # A quoted string: backslash escapes the quote, and dollar-brace would be an interpolation.
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{text}"'


def _data(recipe: Recipe, places: Places) -> Rows:
    return [
        ("data.train_files", places.data),
        ("data.val_files", places.data),  # never looked at, but verl wants one
        ("data.train_batch_size", recipe.rollout.num_groups),
        ("data.max_prompt_length", places.max_prompt_tokens),
        ("data.max_response_length", recipe.rollout.max_tokens),
        ("data.shuffle", False),
        ("data.seed", recipe.seed),
        ("data.truncation", "error"),
        ("data.filter_overlong_prompts", False),
        ("data.dataloader_num_workers", 0),
    ]


def _model(recipe: Recipe, places: Places) -> Rows:
    dtype = recipe.model.dtype
    rows: Rows = [
        ("actor_rollout_ref.model.path", places.model),
        ("actor_rollout_ref.model.enable_gradient_checkpointing", recipe.train.gradient_checkpointing),
        (f"{ACTOR}.fsdp_config.dtype", dtype),
        (f"{REF}.fsdp_config.dtype", dtype),
        (f"{ROLLOUT}.dtype", dtype),
    ]
    if places.chat_template is not None:
        rows.append(("actor_rollout_ref.model.custom_chat_template", places.chat_template))
    return rows


def _rollout(recipe: Recipe, places: Places) -> Rows:
    rows: Rows = [
        (f"{ROLLOUT}.name", "vllm"),
        (f"{ROLLOUT}.n", recipe.rollout.group_size),
        (f"{ROLLOUT}.temperature", recipe.rollout.temperature),
        (f"{ROLLOUT}.top_p", recipe.rollout.top_p),
        (f"{ROLLOUT}.top_k", recipe.rollout.top_k or -1),
        (f"{ROLLOUT}.seed", recipe.seed),
        (f"{ROLLOUT}.tensor_model_parallel_size", 1),
    ]
    sampler = recipe.sampler
    if sampler.name == "vllm":
        rows += [
            (f"{ROLLOUT}.gpu_memory_utilization", sampler.memory_share),
            (f"{ROLLOUT}.free_cache_engine", sampler.sleeps),
        ]
    if sampler.is_corrected:
        rows += [
            (f"{ROLLOUT}.calculate_log_probs", True),
            ("algorithm.rollout_correction.rollout_is", sampler.correction),
            ("algorithm.rollout_correction.rollout_is_threshold", sampler.correction_cap),
        ]
    return rows


def _reward(recipe: Recipe, places: Places) -> Rows:
    weights = dict(recipe.reward.weights())
    options = {name: dict(given) for name, given in recipe.reward.options.items() if name != "overlong"}
    rows: Rows = [
        ("reward.custom_reward_function.path", places.reward),
        ("reward.custom_reward_function.name", "compute_score"),
    ]
    if "overlong" in weights:
        limit = recipe.rollout.max_tokens
        width = recipe.reward.options.get("overlong", {}).get("buffer", max(1, limit // 5))
        buffer = {"enable": True, "len": width, "penalty_factor": weights.pop("overlong"), "log": False}
        rows += [
            ("reward.reward_manager.name", "dapo"),
            ("+reward.reward_kwargs.max_resp_len", limit),
            ("+reward.reward_kwargs.overlong_buffer_cfg", buffer),
        ]
    settings = {"parts": weights, "options": options}
    return [*rows, ("+reward.custom_reward_function.reward_kwargs", settings)]


def _advantage(recipe: Recipe, places: Places) -> Rows:
    advantage = recipe.advantage
    rows: Rows = [
        ("algorithm.adv_estimator", ADVANTAGES[advantage.name]),
        ("algorithm.norm_adv_by_std_in_grpo", advantage.name == "grpo" and advantage.scale_by_std),
        ("algorithm.filter_groups.enable", False),
        ("critic.enable", advantage.name == "gae"),
    ]
    if advantage.name != "gae":
        return rows
    critic, optimizer = recipe.critic, recipe.optimizer
    return [
        *rows,
        ("algorithm.gamma", critic.gamma),
        ("algorithm.lam", critic.lam),
        ("critic.model.path", places.model),
        ("critic.model.enable_gradient_checkpointing", recipe.train.gradient_checkpointing),
        ("critic.fsdp.dtype", recipe.model.dtype),
        ("critic.optim.lr", critic.learning_rate),
        ("critic.optim.weight_decay", optimizer.weight_decay),
        ("critic.optim.betas", [optimizer.beta1, optimizer.beta2]),
        ("critic.optim.clip_grad", optimizer.max_grad_norm),
        ("critic.cliprange_value", critic.value_clip),
        ("critic.ppo_micro_batch_size_per_gpu", _micro_batch(recipe, places)),
        ("critic.ppo_max_token_len_per_gpu", _token_budget(recipe, places)),
        # verl lets the actor learn in the step of this number, too.
        ("trainer.critic_warmup", critic.warmup_steps + 1 if critic.warmup_steps else 0),
    ]


def _loss(recipe: Recipe, places: Places) -> Rows:
    loss, kl = recipe.loss, recipe.kl
    in_loss, in_reward = (bool(kl.coefficient) and kl.place == place for place in ("loss", "reward"))
    rows: Rows = [
        (f"{ACTOR}.policy_loss.loss_mode", LOSSES[loss.name]),
        (f"{ACTOR}.loss_agg_mode", AGGREGATIONS[loss.aggregation]),
        # verl's cispo bounds the weight below, too, and ours does not: 1 - 1 is no bound.
        (f"{ACTOR}.clip_ratio_low", 1.0 if loss.name == "cispo" else loss.epsilon_low),
        (f"{ACTOR}.clip_ratio_high", loss.epsilon_high),
        (f"{ACTOR}.clip_ratio_c", loss.dual_clip or NO_DUAL_CLIP),
        (f"{ACTOR}.entropy_coeff", recipe.entropy.coefficient),
        (f"{ACTOR}.calculate_entropy", True),
        (f"{ACTOR}.use_kl_loss", in_loss),
        ("algorithm.use_kl_in_reward", in_reward),
    ]
    if loss.aggregation == "constant_length":
        rows.append((f"{ACTOR}.loss_scale_factor", recipe.rollout.max_tokens))
    if in_loss:
        rows += [(f"{ACTOR}.kl_loss_coef", kl.coefficient), (f"{ACTOR}.kl_loss_type", ESTIMATORS[kl.estimator])]
    if in_reward:
        rows += [
            ("algorithm.kl_ctrl.type", "fixed"),
            ("algorithm.kl_ctrl.kl_coef", kl.coefficient),
            ("algorithm.kl_penalty", ESTIMATORS[kl.estimator]),
        ]
    return rows


def _optimizer(recipe: Recipe, places: Places) -> Rows:
    optimizer = recipe.optimizer
    return [
        (f"{ACTOR}.optim.lr", optimizer.learning_rate),
        (f"{ACTOR}.optim.weight_decay", optimizer.weight_decay),
        (f"{ACTOR}.optim.betas", [optimizer.beta1, optimizer.beta2]),
        (f"{ACTOR}.optim.clip_grad", optimizer.max_grad_norm),
        (f"{ACTOR}.grad_clip", optimizer.max_grad_norm),
        (f"{ACTOR}.optim.lr_scheduler_type", optimizer.schedule),
        (f"{ACTOR}.optim.lr_warmup_steps", _warmup_steps(recipe)),
        (f"{ACTOR}.optim.min_lr_ratio", 0.0),
    ]


def _warmup_steps(recipe: Recipe) -> int:
    """verl rounds a share of the steps down where we round it up, so it is given the number."""
    from polymath.training.schedule import count_warmup_steps

    return count_warmup_steps(recipe.optimizer, recipe.train.num_steps)


def _batches(recipe: Recipe, places: Places) -> Rows:
    size = _micro_batch(recipe, places)
    return [
        (f"{ACTOR}.ppo_mini_batch_size", recipe.rollout.num_groups // recipe.train.updates_per_step),
        (f"{ACTOR}.ppo_epochs", 1),
        (f"{ACTOR}.shuffle", False),
        (f"{ACTOR}.data_loader_seed", recipe.seed),
        (f"{ACTOR}.fsdp_config.seed", recipe.seed),
        # As many responses a forward as have room in it; the fixed sizes are for who turns that off.
        (f"{ACTOR}.use_dynamic_bsz", True),
        (f"{ACTOR}.ppo_max_token_len_per_gpu", _token_budget(recipe, places)),
        (f"{ACTOR}.ppo_micro_batch_size_per_gpu", size),
        (f"{ROLLOUT}.log_prob_micro_batch_size_per_gpu", size),
        (f"{REF}.log_prob_micro_batch_size_per_gpu", size),
    ]


def _token_budget(recipe: Recipe, places: Places) -> int:
    """Tokens of a forward: at least one prompt and its longest response, which verl counts together."""
    return max(recipe.train.micro_batch_tokens, _row_tokens(recipe, places))


def _micro_batch(recipe: Recipe, places: Places) -> int:
    return max(1, recipe.train.micro_batch_tokens // _row_tokens(recipe, places))


def _row_tokens(recipe: Recipe, places: Places) -> int:
    return places.max_prompt_tokens + recipe.rollout.max_tokens


def _trainer(recipe: Recipe, places: Places) -> Rows:
    train, engine = recipe.train, recipe.engine
    rows: Rows = [
        ("trainer.project_name", "polymath"),
        ("trainer.experiment_name", recipe.name),
        ("trainer.logger", ["console", "file"]),  # its default sends everything to wandb
        ("trainer.total_training_steps", train.num_steps),
        ("trainer.total_epochs", max(1, train.num_steps)),  # at least as many as it takes
        ("trainer.save_freq", train.save_every),
        # One more than is kept: a checkpoint is merged while the next one may be written.
        ("trainer.max_actor_ckpt_to_keep", train.keep + 1),
        ("trainer.max_critic_ckpt_to_keep", train.keep + 1),
        ("trainer.val_before_train", False),
        ("trainer.test_freq", -1),
        ("trainer.n_gpus_per_node", engine.gpus_per_node),
        ("trainer.nnodes", engine.nodes),
        ("trainer.default_local_dir", places.checkpoints),
        ("trainer.rollout_data_dir", places.rollouts),
    ]
    if places.resume_from is None:
        rows.append(("trainer.resume_mode", "disable"))
    elif places.resume_from == "auto":
        rows.append(("trainer.resume_mode", "auto"))
    else:
        rows += [("trainer.resume_mode", "resume_path"), ("trainer.resume_from_path", places.resume_from)]
    if places.metrics is not None:
        # The logger is a process of Ray's, which has our environment on this machine alone.
        rows.append(("+ray_kwargs.ray_init.runtime_env.env_vars.VERL_FILE_LOGGER_PATH", places.metrics))
    if engine.ray_address is not None:
        rows.append(("+ray_kwargs.ray_init.address", engine.ray_address))
    return rows


SECTIONS: tuple[Callable[[Recipe, Places], Rows], ...] = (
    _data,
    _model,
    _rollout,
    _reward,
    _advantage,
    _loss,
    _optimizer,
    _batches,
    _trainer,
)


def _tell(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
