"""How a run is evaluated and logged, and what carries it out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from polymath.recipe.section import Section


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
