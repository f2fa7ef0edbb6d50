"""Supervised fine-tuning: demonstrations and policy in; metrics and checkpoints in the run folder out.

No rollouts, rewards or advantages: every response of a batch is made more likely, by the update that rollouts go
through too. It is the baseline of one-shot critique fine-tuning (arXiv 2506.03295), and of imitating the sample's own
solution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from polymath.engines.local import Clock, RowHook, StepHook
from polymath.engines.ranks import align
from polymath.errors import SampleError, Stopped
from polymath.progress import ProgressLine
from polymath.recipe import Recipe
from polymath.rewards import RewardFunction
from polymath.rollouts.policy import TrainablePolicy
from polymath.runs import RunFolder
from polymath.training.checkpoints import keep_checkpoints, restore, save_checkpoint
from polymath.training.credit import Weighed
from polymath.training.demonstrations import places_at
from polymath.training.reference import check_reference
from polymath.training.schedule import learning_rate_at
from polymath.training.stopping import listening_for_stop
from polymath.training.update import make_optimizer, update_once
from polymath.types import Sample


def train(
    recipe: Recipe,
    samples: Sequence[Sample],
    policy: TrainablePolicy,
    run: RunFolder,
    *,
    rewards: Mapping[str, RewardFunction] | None = None,
    reference: TrainablePolicy | None = None,
    stage_places: Sequence[Sequence[int]] | None = None,
    demonstrations: Sequence[Weighed] = (),
    after_step: StepHook = lambda step: None,
    on_row: RowHook = lambda row: None,
    until: int | None = None,
) -> None:
    """Make the demonstrations more likely, one batch after another, to the recipe's last step or to `until`.

    Continues from the newest whole checkpoint of the run. `samples`, `rewards` and `stage_places` are those of every
    engine and have no part here. `after_step` is called with the number of each finished step, before its checkpoint,
    `on_row` with each row of metrics.jsonl. Raises Stopped after a polite stop: what is on disk is whole then.
    """
    if not demonstrations:
        raise SampleError("demonstrations", "there are none", "name a file in demonstrations.file")
    check_reference([recipe], reference)
    optimizer = make_optimizer(policy, recipe)
    step, path = restore(run, policy, optimizer)
    if path is not None:
        align(policy, None)
    last = recipe.train.num_steps if until is None else min(until, recipe.train.num_steps)
    with listening_for_stop() as stop, ProgressLine("train", last, start=step) as line:
        while step < last:
            step += 1
            clock = Clock()
            metrics = _learn(recipe, policy, optimizer, reference, demonstrations, step)
            clock.lap("update")
            metrics |= clock.read()
            metrics["tokens_per_s"] = metrics["num_tokens"] / metrics["step_time"]
            run.append_metrics(metrics)
            on_row(metrics)
            after_step(step)
            if step % recipe.train.save_every == 0 or step == last or stop.is_asked:
                save_checkpoint(run, policy, optimizer, step)
                keep_checkpoints(run, recipe)
            line.advance(1, loss=metrics["loss"], tokens_per_s=metrics["tokens_per_s"])
            if stop.is_asked and step < last:
                raise Stopped(f"stopped after step {step} of {last}, all saved")


def _learn(
    recipe: Recipe,
    policy: TrainablePolicy,
    optimizer: torch.optim.Optimizer,
    reference: TrainablePolicy | None,
    demonstrations: Sequence[Weighed],
    step: int,
) -> dict[str, Any]:
    """One optimizer step on the step's batch, and what it measured."""
    size = recipe.demonstrations.batch_size
    batch = [demonstrations[place] for place in places_at(step, len(demonstrations), size, recipe.seed)]
    rate = learning_rate_at(recipe.optimizer, step, recipe.train.num_steps)
    for group in optimizer.param_groups:
        group["lr"] = rate
    measured = update_once(policy, optimizer, batch, recipe, reference if recipe.kl.coefficient else None)
    num_tokens = sum(len(item.token_ids) for item in batch)
    return {
        "step": step,
        # There is no ratio here that could be clipped.
        **{name: value for name, value in measured.items() if not name.startswith("clip_ratio/")},
        "epoch": step * size / len(demonstrations),
        "learning_rate": rate,
        "num_tokens": float(num_tokens),
        "demonstrations/mean_length": num_tokens / size,
    }
