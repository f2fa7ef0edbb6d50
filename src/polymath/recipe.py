"""A recipe: TOML in, one validated and frozen object out.

Unknown keys are refused with the nearest known one. Every field says its unit in the schema
(`polymath schema`). Functions take their own section, not the whole recipe.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from polymath.errors import RecipeError, UserError


class Section(BaseModel):
    """A frozen table of the recipe that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSection(Section):
    path: str = Field("lab", description="a model directory, a hub id, or 'lab' for the embedded model")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="type of the computation; the weights are always float32 masters"
    )
    device: str = Field("auto", description="auto (cuda, mps, cpu in this order) or a torch device")


class SampleSection(Section):
    use: str | None = Field(None, description="name in the library, or a JSON(L) file")
    pool: str | None = Field(
        None, description="pool to train on, as for polymath select; lab:1400 is that many random problems of the lab"
    )


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
    name: Literal["grpo"] = Field("grpo", description="rewards relative to the mean of their group")
    scale_by_std: bool = Field(True, description="divide by the group's standard deviation (ddof 1, plus 1e-6)")


class LossSection(Section):
    name: Literal["clip"] = Field("clip", description="clipped policy ratio")
    epsilon_low: float = Field(0.2, ge=0, description="ratio is clipped below at 1 - epsilon_low")
    epsilon_high: float = Field(0.2, ge=0, description="ratio is clipped above at 1 + epsilon_high")
    aggregation: Literal["sequence_mean", "token_mean"] = Field(
        "sequence_mean", description="mean over responses of token means, or mean over all tokens of the step"
    )


class KLSection(Section):
    coefficient: float = Field(0.0, ge=0, description="weight in the loss; 0 needs no reference model")
    estimator: Literal["k3"] = Field("k3", description="exp(ref - lp) - (ref - lp) - 1, a token")


class EntropySection(Section):
    coefficient: float = Field(0.0, description="weight of the entropy bonus in nats a token")


class OptimizerSection(Section):
    learning_rate: float = Field(1e-6, gt=0, description="constant, AdamW")
    weight_decay: float = Field(0.0, ge=0, description="decoupled")
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0, description="global gradient norm is clipped to this")


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


class EvaluateSection(Section):
    suite: str = Field("lab", description="suite name or a JSON lines file of samples; join several with +")
    every: int = Field(0, ge=0, description="steps between evaluations; 0 is before and after only")
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


class EngineSection(Section):
    name: Literal["local"] = Field("local", description="local owns the loop")
    threads: int | Literal["auto"] = Field("auto", description="CPU threads; auto looks at affinity and load")


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
    reward: RewardSection = RewardSection()
    label: LabelSection = LabelSection()
    advantage: AdvantageSection = AdvantageSection()
    loss: LossSection = LossSection()
    kl: KLSection = KLSection()
    entropy: EntropySection = EntropySection()
    optimizer: OptimizerSection = OptimizerSection()
    train: TrainSection = TrainSection()
    evaluate: EvaluateSection = EvaluateSection()
    engine: EngineSection = EngineSection()
    arms: dict[str, dict[str, Any]] = Field({}, description="name to overrides; each is a complete run in RUN/arms/")

    @model_validator(mode="after")
    def _seeds_differ(self) -> Self:
        if len({self.seed, *self.replicate_seeds}) <= len(self.replicate_seeds):
            raise ValueError(f"seed = {self.seed} and replicate_seeds = {list(self.replicate_seeds)} repeat a seed")
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
    return RecipeError(f"{where}: {key}", f"{message} (found {str(first['input'])[:80]!r})", "see polymath schema")


def _known_keys(path: Sequence[str]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
