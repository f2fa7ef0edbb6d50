"""What verl logs and writes down of a step in, a row of metrics.jsonl and of rollouts/ under our names out.

verl says what the optimizer did; whether the answers were right it says as one mean score. So its rollouts are read
from what it dumps, and judged here by the same judge: verdicts, groups that agree, ways and boxes are counted as in
every other run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from polymath.judge import judge
from polymath.prompts import Prompt
from polymath.recipe import Recipe
from polymath.rewards import reward_group
from polymath.rollouts.groups import Group
from polymath.training.advantages import is_unanimous
from polymath.training.replay import Collected
from polymath.training.weigh import describe, rewards_of
from polymath.types import Completion, JudgedGroup, Rollout, Sample
from polymath.ways import ways_of

# verl's name to ours, where the number is the same.
NAMES = {
    "critic/score/mean": "reward",
    "actor/pg_loss": "loss",
    "actor/entropy": "entropy",
    "actor/kl_loss": "kl",
    "actor/reward_kl_penalty": "kl_penalty",
    "actor/grad_norm": "grad_norm",
    "actor/lr": "learning_rate",
    "actor/pg_clipfrac": "clip_ratio/region_mean",
    "actor/pg_clipfrac_lower": "clip_ratio/dual_mean",
    "critic/vf_loss": "critic/loss",
    "critic/vf_explained_var": "critic/explained_variance",
    "response_length/mean": "completions/mean_length",
    "response_length/max": "completions/max_length",
    "response_length/clip_ratio": "completions/clipped_ratio",
    "timing_s/step": "step_time",
    "timing_s/gen": "time/rollout_s",
    "timing_s/old_log_prob": "time/old_logprobs_s",
    "timing_s/ref": "time/reference_s",
    "timing_s/update_actor": "time/update_s",
    "timing_s/update_critic": "time/critic_s",
    "timing_s/save_checkpoint": "time/save_s",
}
PEAK = "perf/max_memory_allocated_gb"
# These are of token ids, which verl does not write down.
OF_TOKENS = ("completions/", "eos/", "num_tokens")
# Drawn anew with every call, or counted in tokens: not to be computed again from a text.
NOT_AGAIN = frozenset({"random", "overlong"})
# Scores pass through float32 on their way.
SAME = 1e-4


def row_of(step: int, data: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """verl's numbers of a step: ours by NAMES, the others by their own name behind `verl/`. No number is left out."""
    numbers = {
        name: float(value)
        for name, value in data.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
    row: dict[str, Any] = {"step": step}
    row |= {NAMES.get(name, f"verl/{name}"): value for name, value in numbers.items()}
    if PEAK in numbers:
        row["memory/peak_bytes"] = numbers[PEAK] * 2**30
    if "completions/mean_length" in row:
        rollout = recipe.rollout
        row["num_tokens"] = row["completions/mean_length"] * rollout.num_groups * rollout.group_size
        if row.get("step_time"):
            row["tokens_per_s"] = row["num_tokens"] / row["step_time"]
    return row


def judge_dump(
    dumped: Sequence[Mapping[str, Any]],
    samples: Sequence[Sample],
    prompts: Sequence[Prompt],
    recipe: Recipe,
    count_tokens: Callable[[str], int],
) -> Collected:
    """The rollouts of a step as verl wrote them down, in groups, with our verdicts and verl's scores.

    Whether one ran out of tokens is not written down: it is taken to have where its text has as many as it may.
    """
    members: dict[str, list[Mapping[str, Any]]] = {}
    for number, row in enumerate(dumped):
        # uid is "GROUP_ROLLOUT_OUTPUT"
        uid = str(row["uid"]).rsplit("_", 2)[0] if "uid" in row else str(number // recipe.rollout.group_size)
        members.setdefault(uid, []).append(row)
    groups, rollouts = [], []
    for index, rows in enumerate(members.values()):
        place = _place_of(rows[0], samples, prompts)
        group, judged = _judge_group(index, samples[place], prompts[place], rows, recipe, count_tokens)
        groups.append(group)
        rollouts.append(judged)
    return Collected(groups=groups, rollouts=rollouts, is_kept=[True] * len(groups))


def _judge_group(
    index: int,
    sample: Sample,
    prompt: Prompt,
    rows: Sequence[Mapping[str, Any]],
    recipe: Recipe,
    count_tokens: Callable[[str], int],
) -> tuple[Group, list[Rollout]]:
    limit = recipe.rollout.max_tokens
    completions = tuple(
        Completion(text=row["output"], finish="length" if count_tokens(row["output"]) >= limit else "eos")
        for row in rows
    )
    verdicts = tuple(judge(completion.text, sample) for completion in completions)
    weights = {name: weight for name, weight in recipe.reward.weights().items() if name not in NOT_AGAIN}
    parts: list[dict[str, float]] = [{} for _ in rows]
    if weights:
        options = {name: given for name, given in recipe.reward.options.items() if name in weights}
        judged = JudgedGroup(sample=sample, completions=completions, verdicts=verdicts, seed=0, max_tokens=limit)
        parts = reward_group(judged, weights, options=options)[1]
    rollouts = [
        Rollout(
            group=index,
            completion=completion,
            verdict=verdict,
            ways=ways_of(completion.text),
            reward=float(row["score"]),
            reward_parts=named,
        )
        for row, completion, verdict, named in zip(rows, completions, verdicts, parts, strict=True)
    ]
    return Group(index=index, sample=sample, prompt=prompt, completions=completions), rollouts


def describe_dump(collected: Collected, recipe: Recipe) -> dict[str, float]:
    """What the rollouts of a step come to: shares of verdicts, groups that agree, ways, parts of the reward.

    `verl/score_differs_frac` is the share whose score in verl is not what the same text earns here: 0, unless the
    reward failed there. A reward that cannot be computed again has no such share.
    """
    rollouts = collected.rollouts
    # Undecided ones count: verl has trained on them as 0.
    reward_PG, is_counted_PG = rewards_of(rollouts, False)
    unanimous_frac = float(is_unanimous(reward_PG, is_counted_PG).double().mean())
    every = [rollout for group in rollouts for rollout in group]
    found = {name: value for name, value in describe(rollouts).items() if not name.startswith(OF_TOKENS)}
    found |= {
        "reward_std": float(reward_PG.std(dim=1).mean()),
        "frac_reward_zero_std": unanimous_frac,
        "learnable_fraction": 1.0 - unanimous_frac,
        "completions/distinct_frac": len({rollout.completion.text for rollout in every}) / len(every),
    }
    weights = recipe.reward.weights()
    if not NOT_AGAIN & set(weights):
        again = [math.fsum(weights[name] * value for name, value in one.reward_parts.items()) for one in every]
        differ = [abs(value - one.reward) > SAME for value, one in zip(again, every, strict=True)]
        found["verl/score_differs_frac"] = sum(differ) / len(every)
    return found


def _place_of(row: Mapping[str, Any], samples: Sequence[Sample], prompts: Sequence[Prompt]) -> int:
    """The sample that a row answers: the one whose prompt stands in what verl sent. Equal ones are one sample."""
    if len(samples) == 1:
        return 0
    sent = _squeeze(str(row["input"]))
    texts = [_squeeze(prompt.text) for prompt in prompts]
    fitting = [place for place, text in enumerate(texts) if text in sent]
    fitting = [place for place in fitting if samples[place].answer == row["gts"]] or fitting
    assert fitting, "verl wrote down a prompt that we did not send"
    return max(fitting, key=lambda place: len(texts[place]))


def _squeeze(text: str) -> str:
    return "".join(text.split())
