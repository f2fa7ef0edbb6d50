"""A few groups of the run, drawn, judged and learnt from in memory: what a step finds and what it takes.

The policy that comes in is changed by one optimizer step: it is the doctor's own.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polymath.jobs import Job
from polymath.recipe import Recipe, make_recipe
from polymath.runs import RunFolder


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What `num_draws` draws in groups of `group_size` showed, and the seconds of drawing and of one update on them.

    `pass_rate` and `differing` (groups whose rewards differ) are fractions; the interval is Wilson's, of 95%.
    """

    num_draws: int
    group_size: int
    pass_rate: float
    low: float
    high: float
    differing: float
    num_values: int
    truncated: float
    mean_tokens: float
    rollout_s: float
    update_s: float

    def learnable(self) -> tuple[float, float, float]:
        """Fraction of groups to expect that hold right and wrong ones: 1 - p^G - (1 - p)^G, and its range."""

        def of(rate: float) -> float:
            return 1 - rate**self.group_size - (1 - rate) ** self.group_size

        ends = (of(self.low), of(self.high))
        # It is greatest at one half.
        most = of(0.5) if self.low <= 0.5 <= self.high else max(ends)
        return of(self.pass_rate), min(ends), most


def probe(job: Job, num_groups: int) -> Probe:
    """Draw, judge and reward `num_groups` groups, and take one update on them."""
    from polymath.engines.local import Clock, Trainer
    from polymath.evaluation.statistics import wilson_interval
    from polymath.jobs import reference_of

    recipe = _smaller(job.recipe, num_groups)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        trainer = Trainer(recipe, job.samples, job.policy, run, job.rewards, reference_of(recipe, job.policy), None, ())
        clock = Clock()
        began = time.perf_counter()
        collected = trainer.collect(1, clock)
        rollout_s = time.perf_counter() - began
        began = time.perf_counter()
        trainer.learn(1, collected, Clock())
        update_s = time.perf_counter() - began
    rollouts = [rollout for members in collected.rollouts for rollout in members]
    decided = [rollout for rollout in rollouts if rollout.verdict.outcome != "undecided"]
    right = sum(rollout.verdict.outcome == "right" for rollout in decided)
    interval = wilson_interval(right / len(decided), len(decided)) if decided else None
    return Probe(
        num_draws=len(rollouts),
        group_size=recipe.rollout.group_size,
        pass_rate=right / len(decided) if decided else 0.0,
        low=interval.low if interval else 0.0,
        high=interval.high if interval else 1.0,
        differing=sum(len({rollout.reward for rollout in members}) > 1 for members in collected.rollouts)
        / len(collected.rollouts),
        num_values=len({rollout.reward for rollout in rollouts}),
        truncated=sum(rollout.completion.is_truncated for rollout in rollouts) / len(rollouts),
        mean_tokens=sum(rollout.completion.length for rollout in rollouts) / len(rollouts),
        rollout_s=rollout_s,
        update_s=update_s,
    )


def _smaller(recipe: Recipe, num_groups: int) -> Recipe:
    """The recipe's first step with fewer groups, and one round of them."""
    table: dict[str, Any] = recipe.model_dump(exclude={"arms", "replicate_seeds", "stages"})
    table["rollout"]["num_groups"] = min(num_groups, recipe.rollout.num_groups)
    table["train"] |= {"updates_per_step": 1, "num_steps": 1}
    table["filter"] = {}
    table["rescue"], table["critic"]["warmup_steps"] = {}, 0
    table["rollout"] |= {"order": "in_turn", "candidates": 0}
    return make_recipe(table)
