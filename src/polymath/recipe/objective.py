"""What a step is pushed by: advantage, loss, KL, entropy, critic."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from polymath.recipe.section import Section


class AdvantageSection(Section):
    name: Literal["grpo", "dr_grpo", "rloo", "batch", "pass_at_k", "w_reinforce", "rl_zvp", "gae"] = Field(
        "grpo",
        description="how rewards are weighed: within their group (grpo; dr_grpo without deviation; rloo against the "
        "others; batch by the deviation of the step), pass_at_k, w_reinforce without a baseline, rl_zvp: grpo, and "
        "token entropies where a group agrees; gae: against the values of a critic, token by token (PPO)",
    )
    scale_by_std: bool = Field(True, description="grpo, rl_zvp: divide by the group's standard deviation")
    ddof: Literal[0, 1] = Field(1, description="degrees of freedom that the standard deviation lacks")
    epsilon: float = Field(1e-6, ge=0, description="added to the standard deviation")
    k: int = Field(4, ge=1, description="pass_at_k: rollouts that are rewarded together")
    right_weight: float = Field(0.1, ge=0, description="w_reinforce: push of a right rollout; 0 is negative-only")
    wrong_weight: float = Field(1.0, ge=0, description="w_reinforce: push away from a wrong rollout")
    threshold: float = Field(0.5, description="w_reinforce, rl_zvp: a rollout with a greater reward is right")
    alpha: float = Field(0.1, ge=0, description="rl_zvp: weight of token entropies in groups that agree")
    shaping: Literal["none", "perplexity", "position"] = Field(
        "none", description="STILL-3: less for a rollout of high perplexity in its group, or more for late tokens"
    )
    shaping_alpha: float = Field(0.01, ge=0, description="strength of the shaping; 0.01 and 0.1 in the paper")
    weight: Literal["none", "relative_entropy"] = Field(
        "none", description="relative_entropy: a rollout counts as its mean token entropy over that of the step (PREPO)"
    )


class LossSection(Section):
    name: Literal["clip", "gspo", "cispo", "clip_cov", "kl_cov", "kimi", "log_likelihood", "entropy"] = Field(
        "clip",
        description="clip: clipped policy ratio of tokens; gspo: of whole responses; cispo: a clipped weight; clip_cov "
        "and kl_cov: tokens of high covariance detached, or held; kimi: mirror descent; log_likelihood: -A * "
        "log p, which is REINFORCE and, on demonstrations, supervised fine-tuning; entropy: no reward, the "
        "entropy alone is brought down",
    )
    coefficient: float = Field(1.0, ge=0, description="weight of the policy loss; 0 leaves entropy and KL alone")
    epsilon_low: float = Field(0.2, ge=0, description="ratio is clipped below at 1 - epsilon_low")
    epsilon_high: float = Field(0.2, ge=0, description="ratio is clipped above at 1 + epsilon_high")
    dual_clip: float = Field(0.0, ge=0, description="most that a token pushed down may lose, times |A|; 0 is no bound")
    cov_fraction: float = Field(2e-4, ge=0, le=1, description="clip_cov, kl_cov: share of tokens that are treated")
    cov_low: float = Field(1.0, description="clip_cov: tokens are taken with a covariance above this")
    cov_high: float = Field(5.0, description="clip_cov: and below this")
    cov_coefficient: float = Field(1.0, ge=0, description="kl_cov: weight of |log-ratio| of the tokens taken")
    tau: float = Field(0.1, ge=0, description="kimi: weight of the squared log-ratio of a response")
    aggregation: Literal["sequence_mean", "token_mean", "constant_length", "verl_micro_batches"] = Field(
        "sequence_mean",
        description="mean over responses of token means; over all tokens of the update; over responses times "
        "rollout.max_tokens (Dr. GRPO); token means of micro-batches, weighted by their responses (verl)",
    )

    @model_validator(mode="after")
    def _dual_clip_is_above_one(self) -> Self:
        if 0 < self.dual_clip <= 1:
            raise ValueError(f"dual_clip = {self.dual_clip} must be above 1, or 0 for none")
        return self


class KLSection(Section):
    coefficient: float = Field(0.0, ge=0, description="weight; 0 needs no reference model")
    estimator: Literal["k1", "k2", "k3"] = Field(
        "k3",
        description="k1: lp - ref, for the reward (as a loss its expected gradient is zero); k2: its square / 2; "
        "k3: exp(ref - lp) - (ref - lp) - 1; a token",
    )
    clamp: float = Field(0.0, ge=0, description="the estimate is clamped to [-clamp, clamp] nats; 0 is no clamp")
    place: Literal["loss", "reward"] = Field(
        "loss",
        description="loss: a term of every token; reward: taken off the reward, of each token where there is a critic, "
        "else its sum off that of the response",
    )
    reference: Literal["initial", "ema"] = Field(
        "initial", description="initial: the policy before training; ema: an average that follows it"
    )
    ema_alpha: float = Field(
        0.6, ge=0, le=1, description="ema: share of the policy in the reference at an update of it"
    )
    ema_every: int = Field(1, ge=1, description="ema: steps between updates of the reference")


class EntropySection(Section):
    coefficient: float = Field(0.0, description="weight of the entropy bonus in nats a token")
    target: float | None = Field(
        None, ge=0, description="adaptive (Skywork-OR1): the bonus applies while the entropy is below this, in nats"
    )
    delta: float = Field(1e-4, gt=0, description="adaptive: what a step adds to the coefficient, or takes off")
    maximum: float = Field(5e-3, ge=0, description="adaptive: greatest coefficient")


class CriticSection(Section):
    """The value model of advantage.name = "gae": a copy of the policy's body with a scalar head, and its own AdamW.

    It takes train.updates_per_step optimizer steps a rollout step, with the betas, weight_decay and max_grad_norm of
    the policy's optimizer. Learning rate and lam are LIMR's (arXiv 2502.11886), which clips values at 0.2; gamma and
    value_clip are verl's, whose default lam is 1, as in the one-shot paper's code (2504.20571).
    """

    learning_rate: float = Field(9e-6, gt=0, description="constant, AdamW; a tiny model wants far more, say 1e-3")
    gamma: float = Field(1.0, ge=0, le=1, description="discount a token")
    lam: float = Field(0.95, ge=0, le=1, description="gae: 1 trusts what was earned, 0 the critic's next value")
    value_clip: float = Field(
        0.5, ge=0, description="a value gains nothing by moving further than this in a step, in reward; 0 is no clip"
    )
    warmup_steps: int = Field(0, ge=0, description="first steps, in which the critic alone learns")
    whiten: bool = Field(True, description="advantages of all tokens of a step get mean 0 and variance 1")
