"""How a run is evaluated and logged, and what carries it out."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

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
    name: Literal["local", "sft", "verl"] = Field(
        "local",
        description="local: rollouts, rewards, updates; sft: imitates [demonstrations], no rollouts; verl: the steps "
        "are taken by verl on its GPUs and nodes, through Ray (docs/verl.md)",
    )
    threads: int | Literal["auto"] = Field("auto", description="CPU threads; auto looks at affinity and load")
    python: str | None = Field(
        None, description="verl: the Python that has it, as polymath engine install verl DIR makes one: DIR/bin/python"
    )
    gpus_per_node: int = Field(1, ge=1, description="verl: GPUs of a node that train")
    nodes: int = Field(1, ge=1, description="verl: nodes that train; more than one needs ray_address")
    ray_address: str | None = Field(
        None, description="verl: a running Ray cluster, HOST:PORT or auto. Default: verl starts one on this machine"
    )
    overrides: tuple[str, ...] = Field(
        (), description="verl: Hydra overrides of verl's own settings, after ours, say critic.ppo_epochs=2"
    )

    @model_validator(mode="after")
    def _nodes_share_a_cluster(self) -> Self:
        if self.nodes > 1 and self.ray_address is None:
            raise ValueError(f"nodes = {self.nodes} needs ray_address, the cluster that they belong to")
        given = {"python": self.python, "ray_address": self.ray_address, "overrides": self.overrides}
        strange = [key for key, value in given.items() if value]
        if self.name != "verl" and strange:
            raise ValueError(f"{strange[0]} has no meaning with name = {self.name}; it is for verl")
        return self
