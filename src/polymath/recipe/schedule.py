"""How the weights move, for how long, and what they may imitate."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from polymath.recipe.section import Section


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
