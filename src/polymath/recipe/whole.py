"""The whole recipe, and what its sections must agree in."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from polymath.recipe.objective import AdvantageSection, CriticSection, EntropySection, KLSection, LossSection
from polymath.recipe.outcome import EngineSection, EvaluateSection, LogSection
from polymath.recipe.overrides import lay_over
from polymath.recipe.rollouts import FilterSection, RewardSection, RolloutSection, SamplerSection
from polymath.recipe.schedule import DemonstrationsSection, OptimizerSection, RescueSection, StopSection, TrainSection
from polymath.recipe.section import Section
from polymath.recipe.subject import LabelSection, ModelSection, PromptSection, SampleSection

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
    sampler: SamplerSection = SamplerSection()
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
        draw = self.rollout
        if self.filter.name == "replay" and (draw.top_p < 1 or draw.top_k or draw.repetition_penalty != 1):
            raise ValueError(
                "filter.name = replay needs rollout.top_p = 1, top_k = 0 and repetition_penalty = 1: its ratios would "
                "be wrong"
            )
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
            ("sampler.name", self.sampler.name, "policy"),
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


def stage_recipe(recipe: Recipe, number: int) -> Recipe:
    """The recipe as it is in stage `number` (from 0): its overrides laid over it, and no stages."""
    table = recipe.model_dump(exclude={"arms", "replicate_seeds", "stages"})
    lay_over(table, recipe.stages[number].overrides)
    return Recipe.model_validate(table)
