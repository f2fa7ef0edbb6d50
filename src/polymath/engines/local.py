"""The local engine: one process, one device. It owns the loop, which fits on one screen.

Recipe, samples and policy in; metrics, rollouts and checkpoints in the run folder out.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from polymath.engines.ranks import align
from polymath.errors import RecipeError, SampleError, Stopped
from polymath.progress import ProgressLine, step_figures
from polymath.prompts import Prompt, load_template, render_all
from polymath.recipe import Recipe
from polymath.rewards import RewardFunction, check_rewards, depends_on_verdict
from polymath.rollouts.order import Tally, draw_places
from polymath.rollouts.policy import TrainablePolicy
from polymath.runs import RunFolder, write_lines
from polymath.seeds import child_seed
from polymath.training.checkpoints import keep_checkpoints, restore, save_checkpoint
from polymath.training.collect import agreeing, judge_groups, keep_some, replayed, sample_groups
from polymath.training.controllers import entropy_coefficient, reason_to_stop, unrewarded_steps, warnings
from polymath.training.credit import Weighed
from polymath.training.critic import Critic, learn_values
from polymath.training.demonstrations import places_at
from polymath.training.reference import (
    FILE,
    check_reference,
    follow,
    follows,
    kl_penalties,
    load_reference,
    save_reference,
)
from polymath.training.replay import Collected, from_rows, to_rows
from polymath.training.schedule import learning_rate_at
from polymath.training.stages import begins_anew, recipes_of, stage_at
from polymath.training.stopping import listening_for_stop
from polymath.training.update import improve, look, make_optimizer, update_once
from polymath.training.weigh import describe, weigh
from polymath.types import Rollout, Sample

StepHook = Callable[[int], None]
RowHook = Callable[[Mapping[str, Any]], None]


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
    """Improve the policy on its samples, one rollout step after another, to the recipe's last step or to `until`.

    Continues from the newest whole checkpoint of the run. `stage_places` are the samples of each stage, all by default.
    `after_step` is called with the number of each finished step, before its checkpoint, `on_row` with each row of
    metrics.jsonl. Raises Stopped after a polite
    stop: what is on disk is whole then.
    """
    trainer = Trainer(recipe, samples, policy, run, rewards or {}, reference, stage_places, demonstrations)
    step = trainer.restore()
    last = recipe.train.num_steps if until is None else min(until, recipe.train.num_steps)
    with listening_for_stop() as stop, ProgressLine("train", last, start=step) as line:
        while step < last and not trainer.is_over:
            step += 1
            clock = Clock()
            collected = trainer.collect(step, clock)
            metrics = trainer.learn(step, collected, clock)
            trainer.log(step, {**metrics, **clock.read()})
            on_row(trainer.rows[-1])
            after_step(step)
            if step % recipe.train.save_every == 0 or step == last or stop.is_asked or trainer.is_over:
                trainer.save(step)
            line.advance(1, **step_figures(trainer.rows[-1]))
            if stop.is_asked and step < last:
                raise Stopped(f"stopped after step {step} of {last}, all saved")


class Clock:
    """Seconds by phase of one step, and the peak memory so far."""

    def __init__(self) -> None:
        self._began = self._last = time.perf_counter()
        self._phases: dict[str, float] = {}

    def lap(self, phase: str) -> None:
        """End a phase; a phase that comes again adds up."""
        now = time.perf_counter()
        self._phases[phase] = self._phases.get(phase, 0.0) + now - self._last
        self._last = now

    def read(self) -> dict[str, float]:
        """The metrics under their published names."""
        phases = {f"time/{phase}_s": seconds for phase, seconds in self._phases.items()}
        return {**phases, "step_time": time.perf_counter() - self._began, "memory/peak_bytes": peak_memory_bytes()}


def peak_memory_bytes() -> int:
    """Peak resident memory of the process, or of the GPU where one is used."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@dataclass
class Trainer:
    """What a step needs, and the rows of the steps behind it."""

    recipe: Recipe
    samples: Sequence[Sample]
    policy: TrainablePolicy
    run: RunFolder
    rewards: Mapping[str, RewardFunction]
    reference: TrainablePolicy | None
    stage_places: Sequence[Sequence[int]] | None
    demonstrations: Sequence[Weighed]
    rows: list[dict[str, Any]] = field(default_factory=list)
    is_over: bool = False
    of_sampling: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.samples:
            raise SampleError("samples", "there are none", "give sample.use, or a pool with at least one row")
        self.stages = recipes_of(self.recipe)
        check_reference(self.stages, self.reference)
        if self.recipe.rescue.after and not self.demonstrations:
            raise RecipeError("rescue.after", "there are no demonstrations", "name a file in demonstrations.file")
        for now in self.stages:
            check_rewards(now.reward.weights(), now.reward.options, self.rewards, max_tokens=now.rollout.max_tokens)
        self.optimizer = make_optimizer(self.policy, self.recipe)
        self.tally = Tally(num_samples=len(self.samples))
        self.critic: Critic | None = None
        if any(now.advantage.name == "gae" for now in self.stages):
            self.critic = Critic.of(
                self.policy,  # type: ignore[arg-type]  # the policies that are trained here are local
                self.recipe.critic,
                optimizer=self.recipe.optimizer,
                micro_batch_tokens=self.recipe.train.micro_batch_tokens,
            )

    def restore(self) -> int:
        """The number of steps behind us: bring everything to the newest whole checkpoint, or begin."""
        step, path = restore(self.run, self.policy, self.optimizer)
        if path is not None and self.reference is not None and (path / FILE).exists():
            load_reference(path, self.reference)
        if path is not None and self.critic is not None:
            self.critic.load(path)
        if path is not None:
            align(self.policy, self.reference)
        self.rows = self.run.read_metrics()
        self.is_over = reason_to_stop(self.recipe.stop, self.rows) is not None
        if len(self.samples) > 1 and any(now.rollout.order == "prioritised" for now in self.stages):
            for earlier in range(1, step + 1):
                self._count(from_rows(self.run.read_rollouts(earlier), self.samples, self._prompts(earlier)))
        return step

    def collect(self, step: int, clock: Clock) -> Collected:
        """The judged rollouts of a step: those on disk where they are, else new ones."""
        now, prompts = self._recipe(step), self._prompts(step)
        self.of_sampling = {}
        if self.run.rollouts_path(step).exists():
            return from_rows(self.run.read_rollouts(step), self.samples, prompts)
        num_rounds = now.filter.max_rounds if now.filter.name == "drop_unanimous" else 1
        collected = Collected(groups=(), rollouts=(), is_kept=(), rounds=0)
        self.policy.measures()  # of an evaluation, say
        for round_ in range(num_rounds):
            drawn = self._draw(now, step, prompts)
            new = sample_groups(self.policy, self.samples, prompts, now, step=step, drawn=drawn, round_=round_)
            clock.lap("rollout")
            groups = [*collected.groups, *new]
            rollouts = [*collected.rollouts, *judge_groups(new, now, custom=self.rewards, step=step)]
            clock.lap("judge")
            agree = self._agreeing(now, rollouts)
            collected = keep_some(groups, rollouts, agree, now.rollout.num_groups, round_ + 1)
            if not any(self._agreeing(now, collected.kept[1])):
                break
        self.of_sampling = self.policy.measures()
        with_logprobs = now.filter.name == "replay" or now.train.updates_per_step > 1 or now.sampler.is_corrected
        write_lines(self.run.rollouts_path(step), to_rows(collected, with_logprobs=with_logprobs))
        return collected

    def learn(self, step: int, collected: Collected, clock: Clock) -> dict[str, Any]:
        """The step's updates, and what they and the rollouts measured."""
        now = self._recipe(step)
        self.policy.make_room()
        if begins_anew(self.recipe, step):
            self.optimizer = make_optimizer(self.policy, now)
        rate = learning_rate_at(now.optimizer, step, self.recipe.train.num_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch, standing = self._weigh(step, now, collected)
        coefficient = entropy_coefficient(now.entropy, self.rows)
        measured: dict[str, float] = {}
        if now.advantage.name == "gae" and self.critic is not None:
            batch, measured = learn_values(self.critic, batch, now.train.updates_per_step)
        if now.advantage.name != "gae" or step > now.critic.warmup_steps:
            measured |= improve(
                self.policy,
                self.optimizer,
                batch,
                now,
                self.reference if now.kl.coefficient else None,
                entropy_coefficient=coefficient,
                seed=child_seed(self.recipe.seed, "update", step),
            )
        else:
            measured |= look(self.policy, batch, now)
        metrics = {"step": step, **standing, **measured, **describe(collected.rollouts), **self.of_sampling}
        metrics["learning_rate"] = rate
        if now.entropy.target is not None:
            metrics["entropy_coefficient"] = coefficient
        if now.filter.name == "drop_unanimous":
            metrics["filter/rounds"] = collected.rounds
        if self.recipe.rescue.after and unrewarded_steps([*self.rows, metrics]) >= self.recipe.rescue.after:
            metrics["rescue/loss"] = self._rescue(now, step)
        if self.reference is not None and follows(now.kl, step):
            follow(self.reference, self.policy, now.kl.ema_alpha)
            align(self.policy, self.reference)
        self._count(collected)
        clock.lap("update")
        return metrics

    def log(self, step: int, metrics: dict[str, Any]) -> None:
        """Add the step to metrics.jsonl, and say what a person should know."""
        metrics["tokens_per_s"] = metrics["num_tokens"] / metrics["step_time"]
        self.run.append_metrics(metrics)
        self.rows.append(metrics)
        rollout = self._recipe(step).rollout
        is_cut = rollout.top_p < 1 or bool(rollout.top_k) or rollout.repetition_penalty != 1
        for warning in warnings(self.rows, is_cut=is_cut):
            print(f"step {step}: {warning}", file=sys.stderr)
        reason = reason_to_stop(self.recipe.stop, self.rows)
        if reason is not None:
            self.is_over = True
            print(f"step {step}: training ends, because {reason}", file=sys.stderr)

    def save(self, step: int) -> None:
        """Write the checkpoint of this step and remove those that are no longer kept."""
        reference = self.reference
        is_moved = reference is not None and any(now.kl.reference == "ema" for now in self.stages)
        extras: list[Callable[[Path], None]] = []
        if is_moved and reference is not None:
            extras.append(lambda path: save_reference(path, reference))
        if self.critic is not None:
            extras.append(self.critic.save)
        save_checkpoint(self.run, self.policy, self.optimizer, step, extras)
        keep_checkpoints(self.run, self.recipe)

    def _recipe(self, step: int) -> Recipe:
        return self.stages[stage_at(self.recipe, step)]

    def _prompts(self, step: int) -> list[Prompt]:
        prompt = self._recipe(step).prompt
        return render_all(self.samples, load_template(prompt.template, prompt.file, is_chat=prompt.chat))

    def _masks_undecided(self, now: Recipe) -> bool:
        return depends_on_verdict(now.reward.weights(), self.rewards)

    def _agreeing(self, now: Recipe, rollouts: Sequence[Sequence[Rollout]]) -> list[bool]:
        return agreeing(rollouts, self._masks_undecided(now), now.filter.metric)

    def _draw(self, now: Recipe, step: int, prompts: Sequence[Prompt]) -> list[int]:
        """The place of the sample of each group."""
        places = range(len(self.samples))
        if self.stage_places is not None:
            places = self.stage_places[stage_at(self.recipe, step)]  # type: ignore[assignment]
        tally = Tally(num_samples=len(places))
        for number, place in enumerate(places):
            tally.add(number, self.tally.seen.get(place, 0), self.tally.right.get(place, 0))
        drawn = draw_places(
            now.rollout,
            len(places),
            step=step,
            seed=child_seed(self.recipe.seed, "order", step),
            progress=(step - 1) / max(1, self.recipe.train.num_steps - 1),
            tally=tally,
            perplexity=lambda chosen: self.policy.perplexities([prompts[places[place]] for place in chosen]),
        )
        return [places[place] for place in drawn]

    def _weigh(self, step: int, now: Recipe, collected: Collected) -> tuple[list[Weighed], dict[str, float]]:
        """The responses with their advantages; groups that agree make room for replayed ones where asked."""
        groups, rollouts = collected.kept
        masks_undecided, origins = self._masks_undecided(now), [0] * len(groups)
        options: dict[str, Any] = {
            "with_old": now.train.updates_per_step > 1 and self.policy.samples_exactly(now.rollout),
            "with_sampler": now.sampler.is_corrected,
        }
        found, standing = weigh(groups, rollouts, masks_undecided, now.advantage, **options)
        if now.filter.name == "replay":
            idle = [place for place, same in enumerate(self._agreeing(now, rollouts)) if same]
            earlier = replayed(
                self.run,
                self.samples,
                self._prompts(step),
                step=step,
                max_age=now.filter.max_age,
                num_wanted=len(idle),
                agree=lambda earlier: self._agreeing(now, earlier),
            )
            for place, (origin, group, members) in zip(idle, earlier, strict=False):
                groups[place], rollouts[place], origins[place] = group, members, origin
            standing["filter/replayed_frac"] = len(earlier) / len(groups)
            found, _ = weigh(groups, rollouts, masks_undecided, now.advantage, origins=origins, **options)
        if now.kl.coefficient and now.kl.place == "reward" and self.reference is not None:
            charged = kl_penalties(self.policy, self.reference, found, now)
            flat = [float(penalty_T.sum()) for penalty_T in charged]
            standing["kl_penalty"] = sum(flat) / len(flat)
            if now.advantage.name == "gae":
                found = [replace(item, penalty_T=penalty_T) for item, penalty_T in zip(found, charged, strict=True)]
            else:
                size = len(rollouts[0])
                penalties = [flat[start : start + size] for start in range(0, len(flat), size)]
                found, _ = weigh(
                    groups, rollouts, masks_undecided, now.advantage, penalties=penalties, origins=origins, **options
                )
        return found, standing

    def _rescue(self, now: Recipe, step: int) -> float:
        """Optimizer steps on the demonstrations; their last loss."""
        num_steps, size = self.recipe.rescue.steps, self.recipe.demonstrations.batch_size
        likelihood = now.model_copy(update={"loss": now.loss.model_copy(update={"name": "log_likelihood"})})
        losses = []
        for number in range((step - 1) * num_steps, step * num_steps):
            places = places_at(number + 1, len(self.demonstrations), size, self.recipe.seed)
            part = [self.demonstrations[place] for place in places]
            losses.append(update_once(self.policy, self.optimizer, part, likelihood, None, 0.0)["loss"])
        return losses[-1]

    def _count(self, collected: Collected) -> None:
        place_of = {sample.id: place for place, sample in enumerate(self.samples)}
        for group, members in zip(collected.groups, collected.rollouts, strict=True):
            num_right = sum(rollout.verdict.outcome == "right" for rollout in members)
            self.tally.add(place_of[group.sample.id], len(members), num_right)
