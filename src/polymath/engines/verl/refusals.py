"""A recipe in; nothing out, or the one key that verl 0.9 has no counterpart for.

A key is refused where verl would do something else without a word. What is written beside a refusal was read in verl
0.9.1, and for the formulas measured by benchmarks/parity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polymath.errors import RecipeError
from polymath.recipe import Recipe

ADVANTAGES = ("grpo", "dr_grpo", "rloo", "gae")
LOSSES = ("clip", "gspo", "cispo", "log_likelihood")
AGGREGATIONS = ("sequence_mean", "token_mean", "constant_length")
# Of one response, by its text alone; `overlong` is punished by verl's own reward manager, which counts tokens.
REWARDS = ("exact", "format", "random", "inverse", "python", "still3", "repetition", "overlong")
VERL_EPSILON = 1e-6
K3_CLAMP = 10.0

# Key, the values that have a counterpart, why no other has one.
ONLY: tuple[tuple[str, tuple[Any, ...], str], ...] = (
    ("stages", ((),), "verl's settings hold for the whole run"),
    ("model.device", ("auto", "cuda"), "verl trains on GPUs"),
    ("model.lora", (None,), "adapters through verl have not been tried"),
    ("rollout.order", ("in_turn",), "verl draws the rows of its data in turn"),
    ("filter.name", ("keep_all",), "verl draws other groups without an end, and replays none"),
    ("advantage.name", ADVANTAGES, "verl has no such advantage"),
    ("advantage.shaping", ("none",), "verl has no shaping"),
    ("advantage.weight", ("none",), "verl has no weight by entropy"),
    ("loss.name", LOSSES, "verl has no such loss, or chooses its tokens in each micro-batch instead of the step"),
    ("loss.coefficient", (1.0,), "verl's policy loss has no weight"),
    ("loss.aggregation", AGGREGATIONS, "verl 0.9 takes means over the whole update, and no longer in micro-batches"),
    ("rollout.repetition_penalty", (1.0,), "verl hands its sampler none"),
    ("sampler.speculation", ({},), "verl passes it on in engine.overrides alone, and does not log it"),
    ("sampler.options", ({},), "verl's own are in engine.overrides"),
    ("kl.reference", ("initial",), "verl's reference stays the initial policy"),
    ("entropy.target", (None,), "verl's entropy coefficient is fixed"),
    ("optimizer.name", ("adamw",), "verl's own optimizer is AdamW"),
    ("optimizer.schedule", ("constant", "cosine"), "verl has no such schedule"),
    ("stop.solved", (None,), "verl takes all of its steps"),
    ("stop.entropy_below", (None,), "verl takes all of its steps"),
    ("rescue.after", (0,), "verl trains on no demonstrations in between"),
    ("demonstrations.file", (None,), "verl draws its own responses here, and imitates none"),
)


def check_recipe(recipe: Recipe, custom: Mapping[str, Any] | None = None, *, where: str = "") -> None:
    """Raise RecipeError for the first key without a counterpart. `custom` are reward functions of the caller's own.

    A recipe that trains nothing asks nothing of verl.
    """
    if recipe.train.num_steps == 0:
        return
    for key, known, reason in ONLY:
        value = _value(recipe, key)
        if value not in known:
            raise _refused(where, key, f"is {_tell(value)}", reason, known)
    _check_formulas(recipe, where)
    _check_reward(recipe, custom or {}, where)
    _check_schedule(recipe, where)


def _check_formulas(recipe: Recipe, where: str) -> None:
    advantage, kl, critic = recipe.advantage, recipe.kl, recipe.critic
    scales = advantage.name == "grpo" and advantage.scale_by_std
    if scales and (advantage.ddof != 1 or advantage.epsilon != VERL_EPSILON):
        key = "ddof" if advantage.ddof != 1 else "epsilon"
        known = (1,) if key == "ddof" else (VERL_EPSILON,)
        raise _refused(where, f"advantage.{key}", f"is {getattr(advantage, key)}", "verl's is fixed", known)
    if kl.coefficient:
        clamp = K3_CLAMP if kl.estimator == "k3" else 0.0
        if kl.clamp != clamp:
            raise _refused(where, "kl.clamp", f"is {kl.clamp:g}", f"verl's is fixed for {kl.estimator}", (clamp,))
    if advantage.name == "gae" and not critic.whiten:
        raise _refused(where, "critic.whiten", "is false", "verl always whitens", (True,))
    if advantage.name == "gae" and not critic.value_clip:
        raise _refused(where, "critic.value_clip", "is 0", "verl always clips", (0.5,))


def _check_reward(recipe: Recipe, custom: Mapping[str, Any], where: str) -> None:
    parts = recipe.reward.weights()
    for name in parts:
        key = f"reward.parts.{name}" if recipe.reward.parts is not None else "reward.name"
        if name in custom:
            raise _refused(where, key, f"{name} is a function of your own", "it does not reach verl's workers", REWARDS)
        if name not in REWARDS:
            reason = "verl asks for the reward of one response by its text: no group, and not whether it was cut off"
            raise _refused(where, key, f"is {name}", reason, REWARDS)


def _check_schedule(recipe: Recipe, where: str) -> None:
    every, save_every = recipe.evaluate.every, recipe.train.save_every
    if every and every % save_every:
        reason = f"between verl's checkpoints (train.save_every = {save_every}) there are no weights to evaluate"
        raise _refused(where, "evaluate.every", f"is {every}", reason, (0, save_every))


def _refused(where: str, key: str, found: str, reason: str, known: Sequence[Any] = ()) -> RecipeError:
    remedy = (
        f"set it to {' or '.join(map(_tell, known))}, or engine.name = local" if known else "use engine.name = local"
    )
    return RecipeError(f"{where}{key}", f"{found}, which verl has no counterpart for: {reason}", remedy)


def _value(recipe: Recipe, key: str) -> Any:
    value: Any = recipe
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _tell(value: Any) -> str:
    if isinstance(value, tuple | dict):
        return f"{len(value)} of them" if value else "none"
    words = {None: "unset", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
