"""What a step draws, keeps and rewards."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from polymath.recipe.section import Section

# Of vLLM's ways to speculate those that draft from what was said before, and have no weights of their own.
DRAFTED_BY_HISTORY = ("ngram", "suffix")
# Arguments of vllm.LLM that the recipe says elsewhere, or that training rests on.
SET_BY_POLYMATH = {
    "disable_log_stats",
    "dtype",
    "enable_prefix_caching",
    "enable_sleep_mode",
    "gpu_memory_utilization",
    "hf_overrides",
    "load_format",
    "logprobs_mode",
    "model",
    "revision",
    "seed",
    "skip_tokenizer_init",
    "speculative_config",
    "tokenizer",
    # One process and one device: the weights are handed over as they lie in memory.
    "data_parallel_size",
    "distributed_executor_backend",
    "pipeline_parallel_size",
    "tensor_parallel_size",
    "worker_cls",
}


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
    repetition_penalty: float = Field(
        1.0,
        gt=0,
        description="positive logits of tokens that prompt or response already hold are divided by this, others "
        "multiplied (arXiv 1909.05858); 1 is none. In sampling only: the update is slightly off-policy",
    )
    candidates: int = Field(
        0, ge=0, description="familiar: samples drawn at random of which a step takes its own; 0 is all of them"
    )


class SamplerSection(Section):
    """Who says the responses that are trained on: the policy itself, or an engine that is handed its weights."""

    name: Literal["policy", "vllm"] = Field(
        "policy",
        description="policy: the model that is trained; vllm: vLLM in this process, given the weights before each step "
        "(docs/vllm.md). It answers the run's evaluations, too",
    )
    correction: Literal["none", "token", "sequence"] = Field(
        "token",
        description="vllm: the policy loss of a token is multiplied by min(p / q, correction_cap), p by the model that "
        "is trained, q by the sampler (truncated importance sampling); sequence: by the ratio of the whole response",
    )
    correction_cap: float = Field(2.0, gt=0, description="vllm: the most that such a ratio counts")
    speculation: dict[str, Any] = Field(
        {},
        description="vllm: handed on as speculative_config, its method ngram or suffix; what it gains is logged",
    )
    memory_share: float = Field(0.4, gt=0, le=1, description="vllm: of the GPU's memory, weights and cache")
    sleeps: bool = Field(True, description="vllm: gives the GPU's memory back while the policy learns")
    options: dict[str, Any] = Field({}, description="vllm: further arguments of vllm.LLM, say { max_model_len = 4096 }")

    @property
    def is_corrected(self) -> bool:
        """Whether the step's losses are weighed by what the sampler's distribution differs from the policy's."""
        return self.name == "vllm" and self.correction != "none"

    @model_validator(mode="after")
    def _options_are_its_own(self) -> Self:
        given = {key for key in type(self).model_fields if getattr(self, key) != type(self).model_fields[key].default}
        if self.name == "policy" and given:
            raise ValueError(f"{min(given)} has no meaning with name = policy; it is for vllm")
        if self.speculation and self.speculation.get("method") not in DRAFTED_BY_HISTORY:
            known = " or ".join(DRAFTED_BY_HISTORY)
            raise ValueError(
                f"speculation.method is {self.speculation.get('method')}, and must be {known}: a draft "
                "model would fall behind the policy that is trained"
            )
        if taken := sorted(SET_BY_POLYMATH & set(self.options)):
            raise ValueError(f"options.{taken[0]} is set by Polymath; leave it out")
        return self


class FilterSection(Section):
    name: Literal["keep_all", "drop_unanimous", "replay"] = Field(
        "keep_all",
        description="groups whose rewards agree teach nothing. keep_all keeps and counts them; drop_unanimous draws "
        "others in their place (DAPO's dynamic sampling, with an end); replay takes groups of earlier steps instead",
    )
    metric: Literal["reward", "accuracy"] = Field(
        "reward",
        description="what a group must differ in to teach; accuracy: right or not, whatever else is rewarded (DAPO)",
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

    def weights(self) -> dict[str, float]:
        """Reward name to weight."""
        return dict(self.parts) if self.parts is not None else {self.name or "exact": 1.0}
