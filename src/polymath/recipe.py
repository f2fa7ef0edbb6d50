"""A recipe: TOML in, one validated and frozen object out.

Unknown keys are refused with the nearest known one. Every field says its unit in the schema
(`polymath schema`). Functions take their own section, not the whole recipe.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from polymath.errors import RecipeError, UserError


class Section(BaseModel):
    """A frozen table of the recipe that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LoraSection(Section):
    """Low-rank adapters y + alpha / rank * B A x (arXiv 2106.09685), through peft. Only they are trained.

    There is no dropout: sampler and learner must be the same function.
    """

    rank: int = Field(32, ge=1, description="columns of B, rows of A")
    alpha: float = Field(64.0, gt=0, description="the adapters count alpha / rank")
    targets: Literal["all-linear"] | tuple[str, ...] = Field(
        "all-linear", description="names of linear layers, say q_proj; all-linear is all of them but the output head"
    )

    @model_validator(mode="after")
    def _something_is_adapted(self) -> Self:
        if not self.targets:
            raise ValueError("targets is empty; name layers, or write all-linear")
        return self


class ModelSection(Section):
    path: str = Field("lab", description="a model directory, a hub id, or 'lab' for the embedded model")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="type of the computation; trained weights are always float32 masters, those that lora leaves alone "
        "are kept in this type",
    )
    device: str = Field("auto", description="auto (cuda, mps, cpu in this order) or a torch device")
    lora: LoraSection | None = Field(
        None, description="train low-rank adapters instead of all weights; false is none, as where it is left out"
    )

    @field_validator("lora", mode="before")
    @classmethod
    def _false_is_none(cls, value: Any) -> Any:
        """TOML has no null, and an arm may want to do without."""
        return None if value is False else value

    @model_serializer(mode="wrap")
    def _without_unset_lora(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A recipe that trains all weights reads, and is hashed, as before there were adapters."""
        table: dict[str, Any] = serialize(self)
        return {key: value for key, value in table.items() if key != "lora" or value is not None}


class SampleSection(Section):
    """What is trained on: `use`, or a whole `pool`, or what `selector` chooses from the pool.

    The other keys are the options of polymath select by their names.
    """

    use: str | None = Field(None, description="name in the library, or a JSON(L) file")
    pool: str | None = Field(
        None,
        description="pool to train on or to choose from, as for polymath select; lab:1400 is that many random problems "
        "of the lab",
    )
    selector: str | None = Field(
        None, description="chooses from the pool: a name of polymath select --by, or tournament; see docs/selection.md"
    )
    count: int | None = Field(None, ge=1, description="samples to choose, of each subject where per_subject. Default 1")
    per_subject: bool | None = Field(None, description="choose from each subject. Default: selector polymath only")
    seed: int | None = Field(None, ge=0, description="of the selector random, not of the run. Default 0")
    history: str | None = Field(None, description="training history of the pool: file, step dumps or run")
    steps_per_epoch: int | None = Field(None, ge=1, description="step dumps of the history an epoch. Default 8")
    scores: str | None = Field(None, description="file of scores by others: [{prompt, score}]")
    threshold: float | None = Field(
        None, allow_inf_nan=False, description="lim, polymath: least score, >= on two decimals. Default 0.6"
    )
    probe: str | None = Field(None, description="folder or probe.jsonl of polymath probe")
    band: tuple[float, float] | None = Field(
        None, description="band: pass rates (fractions) above the first, up to the second. Default [0, 0.1]"
    )
    skills: str | None = Field(None, description="JSON lines of skills by category, of polymath skills")
    category: str | None = Field(None, description="skills: of this category only")
    features: str | None = Field(None, description="folder of polymath features")
    tournament: str | None = Field(None, description="folder of a finished polymath tournament on this pool")
    columns: dict[str, str] | None = Field(
        None, description="our field to the pool's column, to choose from such a pool"
    )
    split: str | None = Field(None, description="split of a data set of the hub to choose from. Default train")
    strip_instruction: bool | None = Field(
        None, description="take away what every question of the pool ends with. Default false"
    )

    @model_validator(mode="after")
    def _selector_has_a_pool(self) -> Self:
        beside = next((key for key in self.given() if key not in ("use", "pool", "selector")), None)
        if self.selector is None and beside is not None:
            raise ValueError(f"{beside} has no meaning without selector")
        if self.selector is not None and self.use is not None:
            raise ValueError("use and selector are both given; give one of them")
        if self.selector is not None and self.pool is None:
            raise ValueError("selector chooses from a pool, and none is given")
        return self

    @model_serializer(mode="wrap")
    def _without_unset_keys(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A recipe that chooses nothing reads, and is hashed, as before there was any choosing."""
        table: dict[str, Any] = serialize(self)
        return {key: value for key, value in table.items() if key in ("use", "pool") or value is not None}

    def given(self) -> dict[str, Any]:
        """The keys that are set, with their values."""
        return {key: value for key, value in self if value is not None}


class PromptSection(Section):
    template: str = Field("plain", description="template name; see polymath.prompts.TEMPLATES")
    file: str | None = Field(None, description="your own template file, with {question} in it")
    chat: bool = Field(False, description="send the text of `file` as a user message through the model's chat template")


class RolloutSection(Section):
    num_groups: int = Field(16, ge=1, description="groups a step; prompts are drawn in turn from the samples")
    group_size: int = Field(8, ge=2, description="rollouts a group")
    temperature: float = Field(1.0, gt=0, description="log-probabilities and entropy are of logits / temperature")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus mass; below 1 the update is slightly off-policy")
    top_k: int = Field(0, ge=0, description="0 keeps every token")
    max_tokens: int = Field(64, ge=1, description="tokens a response, end of sequence included")
    order: Literal["in_turn", "prioritised", "familiar"] = Field(
        "in_turn",
        description="of several samples: in_turn; prioritised by one minus their success so far (Kimi k1.5); familiar "
        "first, by the perplexity of their prompts (PREPO). One sample is always itself",
    )
    candidates: int = Field(
        0, ge=0, description="familiar: samples drawn at random of which a step takes its own; 0 is all of them"
    )


class FilterSection(Section):
    name: Literal["keep_all", "drop_unanimous", "replay"] = Field(
        "keep_all",
        description="groups whose rewards agree teach nothing. keep_all keeps and counts them; drop_unanimous draws "
        "others in their place (DAPO's dynamic sampling, with an end); replay takes groups of earlier steps instead",
    )
    max_rounds: int = Field(
        10, ge=1, description="drop_unanimous: most rounds of num_groups groups a step; what is missing then is kept"
    )
    max_age: int = Field(8, ge=1, description="replay: oldest step that is replayed, counted back from this one")


class RewardSection(Section):
    name: str | None = Field(None, description="one reward; see polymath.rewards.REWARDS. Default exact")
    parts: dict[str, Annotated[float, Field(allow_inf_nan=False)]] | None = Field(
        None, description="named parts with weights; the reward is the weighted sum, each part is logged"
    )
    options: dict[str, dict[str, bool | int | float | str]] = Field(
        {}, description="options of a reward by its name, say { random = { p = 0.3 } }; see docs/rewards.md"
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.name is not None and self.parts is not None:
            raise ValueError("give name or parts, not both")
        return self

    @model_serializer(mode="wrap")
    def _without_empty_options(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A recipe without options reads, and is hashed, as before there were any."""
        table: dict[str, Any] = serialize(self)
        return table if self.options else {key: value for key, value in table.items() if key != "options"}

    def weights(self) -> dict[str, float]:
        """Reward name to weight."""
        return dict(self.parts) if self.parts is not None else {self.name or "exact": 1.0}


class LabelSection(Section):
    edit: Literal["true", "incorrect", "majority"] = Field(
        "true",
        description="true trains on the label as it is; incorrect on a wrong answer near it; majority on what the "
        "base model says most often",
    )
    num_votes: int = Field(64, ge=2, description="draws of the base model at temperature 1 for edit = majority")


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
        "loss", description="loss: a term of every token; reward: its sum over a response is taken off the reward"
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


class OptimizerSection(Section):
    name: Literal["adamw", "adamw_8bit"] = Field(
        "adamw",
        description="adamw_8bit keeps the moments in 8 bits, block by block (arXiv 2110.02861; needs bitsandbytes)",
    )
    learning_rate: float = Field(1e-6, gt=0, description="AdamW; the greatest one where a schedule changes it")
    weight_decay: float = Field(0.0, ge=0, description="decoupled")
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0, description="global gradient norm is clipped to this")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="what the learning rate does after the warm-up: stays, or falls to 0 at num_steps"
    )
    warmup_steps: int = Field(0, ge=0, description="steps in which the learning rate rises from 0, in a straight line")
    warmup_frac: float = Field(0.0, ge=0, le=1, description="the same as a fraction of the steps, rounded up")

    @model_validator(mode="after")
    def _one_warmup(self) -> Self:
        if self.warmup_steps and self.warmup_frac:
            raise ValueError("warmup_steps and warmup_frac are both given; give one of them")
        return self

    @model_serializer(mode="wrap")
    def _without_unset_schedule(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A recipe with AdamW and a constant rate reads, and is hashed, as before there was anything else."""
        table: dict[str, Any] = serialize(self)
        unset = {"name": "adamw", "schedule": "constant", "warmup_steps": 0, "warmup_frac": 0.0}
        return {key: value for key, value in table.items() if key not in unset or value != unset[key]}


class TrainSection(Section):
    num_steps: int = Field(140, ge=0, description="rollout steps; 0 trains nothing, with evaluate.demonstrate")
    updates_per_step: int = Field(
        1, ge=1, description="optimizer steps a rollout step, each on its share of the groups"
    )
    save_every: int = Field(20, ge=1, description="steps between checkpoints; the last step is always saved")
    keep: int = Field(3, ge=1, description="newest checkpoints kept")
    micro_batch_tokens: int = Field(
        16384, ge=1, description="padded response tokens in one forward; lower it when memory is short"
    )
    gradient_checkpointing: bool = Field(
        False, description="keep the input of each decoder layer only and compute the rest anew in the backward pass"
    )

    @model_serializer(mode="wrap")
    def _without_unset_checkpointing(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A recipe that keeps its activations reads, and is hashed, as before there was a choice."""
        table: dict[str, Any] = serialize(self)
        return {key: value for key, value in table.items() if key != "gradient_checkpointing" or value}


class StopSection(Section):
    solved: float | None = Field(
        None, description="stop once the mean reward has been at least this in `patience` steps in a row"
    )
    entropy_below: float | None = Field(
        None, ge=0, description="stop once the mean token entropy has been below this, in nats, in as many"
    )
    patience: int = Field(20, ge=1, description="steps in a row")


class RescueSection(Section):
    after: int = Field(
        0, ge=0, description="steps in a row without any reward, before demonstrations are trained on; 0 is never"
    )
    steps: int = Field(1, ge=1, description="optimizer steps on the demonstrations, after each such step")


class DemonstrationsSection(Section):
    """Responses to imitate: what engine.name = "sft" trains on, and what a rescue may use."""

    file: str | None = Field(
        None,
        description="JSON lines (or .json, .csv, .parquet), or the name of shipped ones. Default: the run's own "
        "samples with their solutions",
    )
    kind: Literal["response", "critique"] = Field(
        "response",
        description="response: rows of prompt or question, and response, or samples with a solution; critique: rows "
        "of question, solution and a critique of it, which is what is learned (arXiv 2506.03295)",
    )
    template: str | None = Field(
        None, description="critique: your own prompt, a file with {question} and {solution} in it"
    )
    chat: bool = Field(
        False,
        description="send prompts and requests for a critique as a user message through the model's chat template; a "
        "question goes as [prompt] says",
    )
    batch_size: int = Field(8, ge=1, description="engine sft: demonstrations a step, each step one optimizer step")


class EvaluateSection(Section):
    suite: str = Field("lab", description="suite name or a JSON lines file of samples; join several with +")
    every: int = Field(0, ge=0, description="steps between evaluations; 0 is before and after only")
    dev: str | None = Field(
        None,
        description="another suite, answered at every checkpoint: the best one by its strict mean is kept, too. Never "
        "the suite that the result is read from",
    )
    demonstrate: bool = Field(False, description="put the samples, worked, before every problem (in-context)")
    protocol: str = Field(
        "greedy",
        description="decoding: greedy; sample-N for N draws at temperature 1, sample-8-t0.6-p0.95-k20 for others; "
        "greedy+aime24=sample-8-t0.6 for one benchmark; suite for what the suite says of each",
    )
    max_tokens: int = Field(96, ge=1, description="tokens a response, where protocol = suite does not say another")
    stop: tuple[str, ...] = Field(
        (), description="a response ends before the first of these texts; default: those of the template"
    )
    limit: int | None = Field(None, ge=1, description="problems a benchmark, drawn with a fixed seed")
    data: str | None = Field(None, description="directory with the benchmark files")
    batch_size: int = Field(128, ge=1, description="responses decoded together")

    @model_serializer(mode="wrap")
    def _without_empty_stop(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A recipe without stop texts reads, and is hashed, as before there were any."""
        table: dict[str, Any] = serialize(self)
        return table if self.stop else {key: value for key, value in table.items() if key != "stop"}


class LogSection(Section):
    to: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = Field(
        (), description="send the numbers of each step there as well; metrics.jsonl is always written"
    )
    project: str = Field("polymath", description="trackio, wandb: name of the project")


class EngineSection(Section):
    name: Literal["local", "sft"] = Field(
        "local", description="local: rollouts, rewards, updates; sft: imitates [demonstrations], no rollouts"
    )
    threads: int | Literal["auto"] = Field("auto", description="CPU threads; auto looks at affinity and load")


# What a stage may change; the rest belongs to the whole run.
STAGED = ("rollout", "filter", "reward", "advantage", "loss", "kl", "entropy", "optimizer", "prompt")


class StageSection(Section):
    steps: int = Field(ge=1, description="rollout steps of this stage; those of all stages sum to train.num_steps")
    sample: str | None = Field(None, description="train on this instead (as sample.use) in this stage")
    reset_optimizer: bool = Field(False, description="forget the optimizer's moments before the first step")
    overrides: dict[str, Any] = Field({}, description=f"recipe keys of this stage: {', '.join(STAGED)}")


class Recipe(Section):
    """Everything that decides a run."""

    name: str = Field("run", pattern=r"^[A-Za-z0-9._-]+$", description="first part of the run folder's name")
    seed: int = Field(0, ge=0, description="one seed sequence a run; children are named by (stage, step)")
    replicate_seeds: tuple[int, ...] = Field(
        (), description="further seeds; each is the whole run again, arms and all, in RUN/seeds/SEED/"
    )
    model: ModelSection = ModelSection()
    sample: SampleSection = SampleSection()
    prompt: PromptSection = PromptSection()
    rollout: RolloutSection = RolloutSection()
    filter: FilterSection = FilterSection()
    reward: RewardSection = RewardSection()
    label: LabelSection = LabelSection()
    advantage: AdvantageSection = AdvantageSection()
    loss: LossSection = LossSection()
    kl: KLSection = KLSection()
    entropy: EntropySection = EntropySection()
    critic: CriticSection = CriticSection()
    optimizer: OptimizerSection = OptimizerSection()
    train: TrainSection = TrainSection()
    stop: StopSection = StopSection()
    rescue: RescueSection = RescueSection()
    demonstrations: DemonstrationsSection = DemonstrationsSection()
    evaluate: EvaluateSection = EvaluateSection()
    log: LogSection = LogSection()
    engine: EngineSection = EngineSection()
    stages: tuple[StageSection, ...] = Field((), description="parts of the run that differ, in order")
    arms: dict[str, dict[str, Any]] = Field({}, description="name to overrides; each is a complete run in RUN/arms/")

    @model_validator(mode="after")
    def _seeds_differ(self) -> Self:
        if len({self.seed, *self.replicate_seeds}) <= len(self.replicate_seeds):
            raise ValueError(f"seed = {self.seed} and replicate_seeds = {list(self.replicate_seeds)} repeat a seed")
        return self

    @model_validator(mode="after")
    def _stages_make_up_the_run(self) -> Self:
        total = sum(stage.steps for stage in self.stages)
        if self.stages and total != self.train.num_steps:
            raise ValueError(f"train.num_steps = {self.train.num_steps}, but the stages have {total} steps")
        for number, stage in enumerate(self.stages):
            if wrong := [key for key in stage.overrides if key not in STAGED]:
                raise ValueError(f"stages[{number}].overrides.{wrong[0]} belongs to the whole run, not to a stage")
            stage_recipe(self, number)
        return self

    @model_validator(mode="after")
    def _replays_know_their_probabilities(self) -> Self:
        if self.filter.name == "replay" and (self.rollout.top_p < 1 or self.rollout.top_k):
            raise ValueError("filter.name = replay needs rollout.top_p = 1 and top_k = 0: its ratios would be wrong")
        return self

    @model_validator(mode="after")
    def _something_happens(self) -> Self:
        if self.train.num_steps == 0 and not self.evaluate.demonstrate:
            raise ValueError("train.num_steps = 0 trains nothing; set evaluate.demonstrate = true for in-context")
        return self

    @model_validator(mode="after")
    def _groups_divide_into_updates(self) -> Self:
        if self.rollout.num_groups % self.train.updates_per_step:
            raise ValueError(
                f"rollout.num_groups = {self.rollout.num_groups} does not divide into "
                f"train.updates_per_step = {self.train.updates_per_step}"
            )
        return self

    @model_validator(mode="after")
    def _imitation_is_told_apart(self) -> Self:
        if self.engine.name != "sft":
            return self
        wanted = (
            ("loss.name", self.loss.name, "log_likelihood"),
            ("rollout.temperature", self.rollout.temperature, 1.0),
            ("train.updates_per_step", self.train.updates_per_step, 1),
            ("label.edit", self.label.edit, "true"),
            ("entropy.target", self.entropy.target, None),
            ("rescue.after", self.rescue.after, 0),
            ("stop.solved", self.stop.solved, None),
            ("stop.entropy_below", self.stop.entropy_below, None),
            ("stages", self.stages, ()),
        )
        for key, value, only in wanted:
            if value != only:
                raise ValueError(f"engine.name = sft needs {key} = {only}, and it is {value}")
        if self.kl.coefficient and (self.kl.place != "loss" or self.kl.reference != "initial"):
            raise ValueError("engine.name = sft knows the KL in the loss, to the initial policy, alone")
        return self

    @model_serializer(mode="wrap")
    def _without_unset_demonstrations(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A recipe that imitates nothing reads, and is hashed, as before there were demonstrations."""
        table: dict[str, Any] = serialize(self)
        is_unset = self.demonstrations == DemonstrationsSection()
        return {key: value for key, value in table.items() if key != "demonstrations" or not is_unset}


def read_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in this TOML file, with `key=value` overrides laid over it.

    Raises RecipeError naming file, key and remedy.
    """
    missing = RecipeError(path, "no such recipe", "name a TOML file; the shipped ones are in recipes/")
    return make_recipe(read_table(path, overrides, missing), where=str(path))


def read_table(path: str | Path, overrides: Sequence[str], missing: UserError) -> dict[str, Any]:
    """The table of a TOML file with `key=value` overrides laid over it; raises `missing` where there is no file.

    Other errors are of the same kind as `missing`.
    """
    kind = type(missing)
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise missing from error
    except (OSError, UnicodeDecodeError) as error:
        raise kind(path, f"cannot be read ({error})", "name a readable TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise kind(path, f"is not TOML ({error})", "mend the line it names") from error
    for override in overrides:
        lay_over(table, parse_override(override))
    return table


def make_recipe(table: Mapping[str, Any], *, where: str = "recipe") -> Recipe:
    """Validate a table; raises RecipeError with the first wrong key. Arms are validated too."""
    try:
        recipe = Recipe.model_validate(dict(table))
    except ValidationError as error:
        raise _explain(error, where) from None
    for name in recipe.arms:
        arm_recipe(recipe, name, where=where)
    return recipe


def arm_recipe(recipe: Recipe, name: str, *, where: str = "recipe") -> Recipe:
    """The recipe of one arm: this recipe with the arm's overrides, and no arms of its own."""
    if not name.replace("-", "").replace("_", "").isalnum():
        raise RecipeError(f"{where}: arms.{name}", "the name is used for a folder", "use letters, digits, - and _")
    table = recipe.model_dump(exclude={"arms", "replicate_seeds"})
    overrides = recipe.arms[name]
    for key in ("seed", "replicate_seeds", "arms"):
        if key in overrides:
            raise RecipeError(f"{where}: arms.{name}.{key}", "belongs to the whole run", "set it outside the arm")
    if "reward" in overrides:  # name and parts exclude each other: an arm replaces the section
        table["reward"] = {}
    if "sample" in overrides:
        table["sample"] = {}
    lay_over(table, overrides)
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise _explain(error, f"{where}: arms.{name}") from None


def stage_recipe(recipe: Recipe, number: int) -> Recipe:
    """The recipe as it is in stage `number` (from 0): its overrides laid over it, and no stages."""
    table = recipe.model_dump(exclude={"arms", "replicate_seeds", "stages"})
    lay_over(table, recipe.stages[number].overrides)
    return Recipe.model_validate(table)


def parse_override(text: str) -> dict[str, Any]:
    """`a.b=1` as {"a": {"b": 1}}. The value is TOML where it parses, else a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {text}", "is not key=value", "write it as --set rollout.num_groups=16")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    return dict(parsed)


def lay_over(table: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Lay nested overrides over `table`, in place. An empty table clears: `--set arms={}` runs without arms."""
    for key, value in overrides.items():
        if isinstance(value, Mapping) and value and isinstance(table.get(key), dict):
            lay_over(table[key], value)
        else:
            table[key] = dict(value) if isinstance(value, Mapping) else value


def first_difference(left: Recipe, right: Recipe) -> str | None:
    """The first key in which two recipes differ, as text, or None."""
    flat_left, flat_right = _flatten(left.model_dump()), _flatten(right.model_dump())
    for key in {**flat_left, **flat_right}:
        if flat_left.get(key) != flat_right.get(key):
            return f"{key} = {flat_left.get(key)!r} against {flat_right.get(key)!r}"
    return None


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat.update(_flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return flat


def _explain(error: ValidationError, where: str) -> RecipeError:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path) or "recipe"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(path[-1], _known_keys(path[:-1]), n=1)
        remedy = f"did you mean {near[0]}?" if near else f"known here: {', '.join(_known_keys(path[:-1]))}"
        return RecipeError(f"{where}: {key}", "is not a recipe key", remedy)
    message = first["msg"].removeprefix("Value error, ")
    # What concerns several keys at once has the whole recipe as its input.
    found = f" (found {str(first['input'])[:80]!r})" if path else ""
    return RecipeError(f"{where}: {key}", message + found, "see polymath schema")


def _known_keys(path: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        annotation = next((kind for kind in get_args(annotation) if isinstance(kind, type)), annotation)
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
