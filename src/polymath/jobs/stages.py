"""A job through its stages in its run folder: begin, the test before, training, the test after."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from polymath.errors import RunFolderError
from polymath.jobs.job import Job
from polymath.jobs.loading import load_policy, load_test
from polymath.jobs.samplers import attach_sampler
from polymath.machine import choose_threads, command_line, describe_machine, source_commit, versions
from polymath.prompts import Template, load_template
from polymath.provenance import code_hash
from polymath.recipe import Recipe
from polymath.runs import RunFolder

if TYPE_CHECKING:
    from polymath.evaluation.protocol import Protocol
    from polymath.evaluation.suites import Suite
    from polymath.rollouts.local import LocalPolicy


def begin(folder: RunFolder, job: Job) -> None:
    """Write run.json and the samples, once."""
    if (folder.path / "run.json").exists():
        return
    import torch

    from polymath.lab import model_dir
    from polymath.rollouts.local import hash_weights

    path = str(model_dir()) if job.recipe.model.path == "lab" else job.recipe.model.path
    folder.write_samples(job.samples)
    if job.demonstrations is not None:
        from polymath.training.demonstrations import write_demonstrations

        write_demonstrations(folder, job.demonstrations)
    folder.write_info(
        name=job.recipe.name,
        status="running",
        recipe=job.recipe.model_dump(mode="json"),
        seed=job.recipe.seed,
        versions={**versions(), **_sampler_version(job.policy)},
        commit=source_commit(),
        code_sha256=code_hash(),
        command=command_line(),
        machine=describe_machine(),
        threads=torch.get_num_threads(),
        device=str(job.policy.model.device),
        dtype=job.recipe.model.dtype,
        model={
            "path": job.recipe.model.path,
            "sha256": hash_weights(Path(path)) if Path(path).is_dir() else None,
            "num_parameters": job.policy.num_parameters(),
        },
        seconds=0.0,
        **({"selection": job.selection} if job.selection is not None else {}),
        **({"stage_places": job.stage_places} if job.stage_places is not None else {}),
        **({"demonstrations": job.demonstrations.summary()} if job.demonstrations is not None else {}),
    )


def _sampler_version(policy: LocalPolicy) -> dict[str, str]:
    if policy.sampler is None:
        return {}
    from polymath.rollouts.vllm import engine_version

    return engine_version()


def before_and_after(job: Job, folder: RunFolder, *, until: int | None = None) -> None:
    """Evaluate the base, train, evaluate again.

    `until` ends the training after this step, before that of the recipe; the run can be continued from there, and
    comes out the same as one that was never halted.
    """
    _record(job, folder, step=0)
    last = job.recipe.train.num_steps if until is None else min(until, job.recipe.train.num_steps)
    if last == 0:
        return
    from polymath.reporting.card import write_card

    train_job(job, folder, until=last)
    step = min(last, folder.last_step())
    _record(job, folder, step=step)
    write_card(folder, step)


def train_job(job: Job, folder: RunFolder, *, until: int | None = None) -> None:
    """Train, to the recipe's last step or to `until`; raises RunFolderError where training is beyond that already."""
    import torch

    from polymath.engines import ENGINES
    from polymath.engines.ranks import lead
    from polymath.trackers import open_trackers, send
    from polymath.training.checkpoints import newest_checkpoint
    from polymath.training.demonstrations import weigh_demonstrations

    recipe = job.recipe
    shown = job.demonstrations.kept if job.demonstrations is not None else ()
    if until is not None and until < recipe.train.num_steps:
        found = newest_checkpoint(folder)
        if found is not None and found[0] > until:
            raise RunFolderError(folder.path, f"is trained beyond step {until}", "ask for a later step")

    last = recipe.train.num_steps if until is None else min(until, recipe.train.num_steps)

    def evaluate_when_due(step: int) -> None:
        every = job.recipe.evaluate.every
        if every and step % every == 0 and step < job.recipe.train.num_steps:
            _record(job, folder, step=step)
        if job.dev is not None and (step % recipe.train.save_every == 0 or step == last):
            _record_step(recipe, job.policy, *job.dev, job.asked_with, folder, step=step)

    begun = newest_checkpoint(folder)
    trackers = open_trackers(
        recipe.log, folder.path, config=recipe.model_dump(mode="json"), first_step=begun[0] + 1 if begun else 1
    )
    reference = reference_of(recipe, job.policy)
    lead(recipe, job.policy, reference, torch.get_num_threads())
    _keep_ranks(folder)
    try:
        ENGINES[recipe.engine.name](
            recipe,
            job.samples,
            job.policy,
            folder,
            rewards=job.rewards,
            reference=reference,
            stage_places=job.stage_places,
            demonstrations=weigh_demonstrations(shown, job.policy),
            after_step=evaluate_when_due,
            on_row=partial(send, trackers),
            until=until,
        )
    finally:
        for tracker in trackers:
            tracker.close()
    found = newest_checkpoint(folder)
    if found is not None and found[0] < last:
        folder.write_info(ended_at=found[0])  # by `stop` of the recipe: a stopped process raises


def _keep_ranks(folder: RunFolder) -> None:
    """Note how many ranks train this run; raises RunFolderError where others did, because draws depend on it."""
    from polymath.rollouts.ranks import num_ranks

    info = folder.read_info()
    if folder.read_metrics() and info.get("ranks", 1) != num_ranks():
        remedy = f"resume it with torchrun --nproc-per-node {info.get('ranks', 1)}"
        raise RunFolderError(folder.path, f"was trained by {info.get('ranks', 1)} ranks, not {num_ranks()}", remedy)
    if num_ranks() > 1:
        folder.write_info(ranks=num_ranks())


def reference_of(recipe: Recipe, policy: LocalPolicy) -> LocalPolicy | None:
    """The policy as it is now, for KL to be measured against, where the recipe or one of its stages measures it."""
    return policy.frozen_copy() if measures_kl(recipe) else None


def measures_kl(recipe: Recipe) -> bool:
    """Whether the recipe, or one of its stages, has a KL term."""
    return bool(recipe.kl.coefficient) or any(
        stage.overrides.get("kl", {}).get("coefficient") for stage in recipe.stages
    )


def record_base(recipe: Recipe, folder: RunFolder) -> None:
    """Evaluate the untrained policy into FOLDER/evaluations/step-0, as a run of this recipe does with any sample.

    Not for recipes that demonstrate: what they ask with is made of the sample.
    """
    from polymath.evaluation.evaluate import check_room

    template = load_template(recipe.prompt.template, recipe.prompt.file, is_chat=recipe.prompt.chat)
    suite, protocol = load_test(recipe.evaluate, template, recipe.evaluate.suite)
    threads = choose_threads(recipe.engine.threads)
    policy = load_policy(recipe.model.path, device=recipe.model.device, dtype=recipe.model.dtype, threads=threads)
    attach_sampler(policy, recipe)
    check_room(policy, suite, protocol, template)
    _record_step(recipe, policy, suite, protocol, template, folder, step=0)


def _record(job: Job, folder: RunFolder, *, step: int) -> None:
    _record_step(job.recipe, job.policy, job.suite, job.protocol, job.asked_with, folder, step=step)


def _record_step(
    recipe: Recipe,
    policy: LocalPolicy,
    suite: Suite,
    protocol: Protocol,
    asked_with: Template,
    folder: RunFolder,
    *,
    step: int,
) -> None:
    from polymath.evaluation.record import record_evaluation

    record_evaluation(
        policy,
        suite,
        protocol,
        asked_with,
        folder.path / "evaluations" / f"step-{step}",
        title=f"evaluate step {step}",
        seed=recipe.seed,
        batch_size=recipe.evaluate.batch_size,
        resume=True,
        facts={
            "step": step,
            "model": recipe.model.path,
            "dtype": recipe.model.dtype,
            "seed": recipe.seed,
            **({"engine": "vllm", **_sampler_version(policy)} if policy.sampler is not None else {}),
        },
    )
