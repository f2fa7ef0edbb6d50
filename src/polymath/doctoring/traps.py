"""A recipe to the settings in it that are known to waste a run, or to stop it."""

from __future__ import annotations

from collections.abc import Iterator

from polymath.doctoring.findings import Finding
from polymath.doctoring.shape import Shape
from polymath.recipe import Recipe

# Learning rates that have worked for reinforcement from one sample are 1e-6 for models of billions (arXiv 2504.20571);
# the best of LoRA is about ten times that of full training ("LoRA Without Regret", Schulman et al. 2025). A model of a
# million parameters, the lab's, wants 2e-4. Bounds are an order of magnitude around these.
FULL_RATES = ((100_000_000, 1e-7, 1e-5), (10_000_000, 1e-6, 1e-4), (0, 1e-5, 1e-2))
LORA_RATES = ((100_000_000, 2e-6, 1e-3), (0, 1e-5, 1e-2))


def will_update(recipe: Recipe) -> Finding:
    """Whether a step of the optimizer can change the policy, by arithmetic alone."""
    check, train, optimizer = "optimizer step", recipe.train, recipe.optimizer
    if train.num_steps == 0:
        return Finding(check=check, answer="no", detail="train.num_steps = 0 trains nothing")
    warmup = max(optimizer.warmup_steps, optimizer.warmup_frac * train.num_steps)
    if warmup >= train.num_steps:
        return Finding(
            check=check, answer="no", detail=f"the warm-up of {warmup:g} steps ends after the run; shorten it"
        )
    if recipe.advantage.name == "gae" and recipe.critic.warmup_steps >= train.num_steps:
        detail = f"critic.warmup_steps = {recipe.critic.warmup_steps} leaves no step for the policy; lower it"
        return Finding(check=check, answer="no", detail=detail)
    has_kl = recipe.kl.coefficient and recipe.kl.place == "loss"
    has_entropy = recipe.entropy.coefficient or recipe.entropy.target is not None or recipe.loss.name == "entropy"
    if not recipe.loss.coefficient and not has_kl and not has_entropy:
        return Finding(check=check, answer="no", detail="loss, KL and entropy all weigh 0; raise loss.coefficient")
    num = train.num_steps * train.updates_per_step
    detail = f"{num} in {train.num_steps} steps, each on {_responses(recipe)} responses"
    return Finding(check=check, answer="yes", detail=detail)


def can_differ(recipe: Recipe) -> Finding | None:
    """Whether the rewards of a group can differ, by arithmetic; None where groups do not matter."""
    if recipe.engine.name == "sft" or recipe.loss.name == "entropy":
        return None
    advantage, rollout = recipe.advantage, recipe.rollout
    if advantage.name == "pass_at_k" and advantage.k > rollout.group_size:
        detail = f"advantage.k = {advantage.k} is more than rollout.group_size = {rollout.group_size}; lower k"
        return Finding(check="groups differ", answer="no", detail=detail)
    if rollout.top_k == 1:
        return Finding(
            check="groups differ", answer="no", detail="rollout.top_k = 1 draws the same every time; set it to 0"
        )
    if not any(recipe.reward.weights().values()):
        return Finding(check="groups differ", answer="no", detail="every part of the reward weighs 0")
    detail = f"{rollout.group_size} draws a group at temperature {rollout.temperature:g}"
    return Finding(check="groups differ", answer="yes", detail=detail)


def traps(recipe: Recipe, shape: Shape) -> Iterator[Finding]:
    """Warnings, in no order of weight."""
    train, rollout, evaluate = recipe.train, recipe.rollout, recipe.evaluate
    yield from _rate(recipe, shape)
    if train.save_every > train.num_steps > 0:
        yield _warn("save_every", f"{train.save_every} of {train.num_steps} steps: a kill costs the whole run")
    if (rollout.top_p < 1 or rollout.top_k) and train.updates_per_step > 1:
        yield _warn(
            "top_p",
            "draws come from a cut distribution, ratios of several updates are of the whole one: set top_p = 1, "
            "top_k = 0 or updates_per_step = 1",
        )
    if train.micro_batch_tokens < rollout.max_tokens:
        yield _warn(
            "micro_batch_tokens",
            f"{train.micro_batch_tokens} is less than one response may have (max_tokens = {rollout.max_tokens}): "
            "micro-batches are larger than you asked for",
        )
    if recipe.kl.coefficient and recipe.kl.estimator == "k1" and recipe.kl.place == "loss":
        yield _warn("kl.estimator", "k1 in the loss has an expected gradient of zero; use k3, or place = reward")
    if evaluate.every and evaluate.every > train.num_steps:
        yield _warn("evaluate.every", f"{evaluate.every} of {train.num_steps} steps: before and after only")
    if recipe.stop.solved is not None and recipe.stop.patience > train.num_steps:
        yield _warn("stop.patience", "is longer than the run, which never stops early")
    named = [stage.overrides.get("optimizer", {}).get("name") for stage in recipe.stages]
    if any(name and name != recipe.optimizer.name for name in named):
        yield _warn("stages", "a stage names another optimizer, and a resumed run begins with the first; name one only")


def _rate(recipe: Recipe, shape: Shape) -> Iterator[Finding]:
    rate, has_lora = recipe.optimizer.learning_rate, recipe.model.lora is not None
    rates = LORA_RATES if has_lora else FULL_RATES
    low, high = next((low, high) for least, low, high in rates if shape.parameters >= least)
    kind = "adapters of" if has_lora else "all weights of"
    if not low <= rate <= high:
        word = "low" if rate < low else "high"
        yield _warn(
            "learning_rate",
            f"{rate:g} is {word} for {kind} a model of {shape.parameters / 1e6:.3g} million parameters, "
            f"where {low:g} to {high:g} is usual",
        )


def _responses(recipe: Recipe) -> int:
    if recipe.engine.name == "sft":
        return recipe.demonstrations.batch_size
    return recipe.rollout.num_groups * recipe.rollout.group_size // recipe.train.updates_per_step


def _warn(check: str, detail: str) -> Finding:
    return Finding(check=check, answer="warning", detail=detail)
