"""What is trained, on what: model, sample, prompt, label."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from polymath.recipe.section import Section


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

    def given(self) -> dict[str, Any]:
        """The keys that are set, with their values."""
        return {key: value for key, value in self if value is not None}


class PromptSection(Section):
    template: str = Field("plain", description="template name; see polymath.prompts.TEMPLATES")
    file: str | None = Field(None, description="your own template file, with {question} in it")
    chat: bool = Field(False, description="send the text of `file` as a user message through the model's chat template")


class LabelSection(Section):
    edit: Literal["true", "incorrect", "majority"] = Field(
        "true",
        description="true trains on the label as it is; incorrect on a wrong answer near it; majority on what the "
        "base model says most often",
    )
    num_votes: int = Field(64, ge=2, description="draws of the base model at temperature 1 for edit = majority")
