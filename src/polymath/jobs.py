"""A job: a recipe with everything it names loaded, and what is done with it in its run folder.

Everything that can be wrong with the input is found by `prepare`, before the run folder is made.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.errors import RecipeError, RunFolderError, Stopped
from polymath.machine import choose_threads, command_line, describe_machine, source_commit, usable_cpus, versions
from polymath.progress import ProgressLine
from polymath.prompts import Template, demonstrate, load_template, render_all
from polymath.provenance import code_hash
from polymath.recipe import EvaluateSection, Recipe
from polymath.runs import RunFolder, telling_disk_errors, write_text
from polymath.seeds import child_seed
from polymath.types import Sample

if TYPE_CHECKING:
    from polymath.evaluation.protocol import Protocol
    from polymath.evaluation.suites import Suite
    from polymath.rewards import RewardFunction
    from polymath.rollouts.local import LocalPolicy
    from polymath.training.demonstrations import Demonstrations


LOG = "log.txt"
_POLL_S = 0.3


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Samples that were chosen from a pool for a recipe, and how: what run.json says under `selection`."""

    samples: list[Sample]
    selection: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A recipe with everything it names loaded and found to fit together.

    The samples carry the label that they are trained on; `stage_places` are those of each stage. Problems are asked in
    `asked_with`: the training template, behind worked demonstrations where the recipe wants them.
    """

    recipe: Recipe
    samples: list[Sample]
    template: Template
    asked_with: Template
    policy: LocalPolicy
    suite: Suite
    protocol: Protocol
    rewards: Mapping[str, RewardFunction]
    selection: Mapping[str, Any] | None = None
    stage_places: list[list[int]] | None = None
    dev: tuple[Suite, Protocol] | None = None
    demonstrations: Demonstrations | None = None


def load_policy(path: str, *, device: str, dtype: str, threads: int, **options: Any) -> LocalPolicy:
    """The policy at a model directory or hub id; `lab` is the embedded model. Options are those of LocalPolicy.load."""
    import huggingface_hub
    import torch
    import transformers

    from polymath.lab import model_dir
    from polymath.rollouts.local import LocalPolicy

    transformers.utils.logging.disable_progress_bar()
    huggingface_hub.logging.set_verbosity_error()  # it would report each of its retries
    if path != "lab" and not Path(path).is_dir():
        print(f"model {path} from the hub", file=sys.stderr)
    torch.set_num_threads(threads)
    return LocalPolicy.load(str(model_dir()) if path == "lab" else path, device=device, dtype=dtype, **options)


def prepare(
    recipe: Recipe,
    folder: RunFolder,
    rewards: Mapping[str, RewardFunction],
    *,
    with_suite: bool,
    num_threads: int | None = None,
    chosen: Chosen | None = None,
) -> Job:
    """Load everything a recipe names; raises UserError for whatever does not exist or fit.

    `chosen` is what the recipe's selector chose; a run that has begun has its samples on disk. `num_threads` is what
    engine.threads = auto means here; by default it looks at affinity and load.
    """
    from polymath.evaluation.evaluate import check_room
    from polymath.rewards import check_rewards
    from polymath.samples.sources import load_samples
    from polymath.trackers import check_trackers

    check_rewards(recipe.reward.weights(), recipe.reward.options, rewards, max_tokens=recipe.rollout.max_tokens)
    check_trackers(recipe.log)
    if recipe.engine.name == "verl":
        from polymath.engines.verl.environment import find_environment
        from polymath.engines.verl.refusals import check_recipe

        check_recipe(recipe, rewards)
        find_environment(recipe.engine.python)
    if recipe.model.lora is not None and recipe.kl.coefficient and recipe.kl.reference == "ema":
        remedy = 'use reference = "initial", or train all weights'
        raise RecipeError("kl.reference", "cannot be an average with model.lora, whose reference is the base", remedy)
    is_begun = (folder.path / "run.json").exists()
    if is_begun:
        samples = folder.read_samples()
    else:
        # The whole pool must never pass for what is chosen from it.
        assert (chosen is None) == (recipe.sample.selector is None), "who prepares a run has its samples chosen"
        samples = chosen.samples if chosen is not None else load_samples(recipe.sample)
    stage_places = folder.read_info().get("stage_places") if is_begun else None
    if not is_begun and any(stage.sample for stage in recipe.stages):
        samples, stage_places = _with_stages(samples, recipe)
    template = load_template(recipe.prompt.template, recipe.prompt.file, is_chat=recipe.prompt.chat)
    # A run that only trains needs no benchmark files.
    suite, protocol = _load_test(recipe.evaluate, template, recipe.evaluate.suite if with_suite else "lab")
    # The same thread count on resume, because sums in another order are other bits.
    setting = num_threads if num_threads and recipe.engine.threads == "auto" else recipe.engine.threads
    threads = folder.read_info()["threads"] if is_begun else choose_threads(setting)
    print(f"threads {threads} of {usable_cpus()} processors (engine.threads)", file=sys.stderr)
    policy = load_policy(
        recipe.model.path,
        device=recipe.model.device,
        dtype=recipe.model.dtype,
        threads=threads,
        lora=recipe.model.lora,
        seed=recipe.seed,
        recompute=recipe.train.gradient_checkpointing,
    )
    policy.check_fit(render_all(samples, template), recipe.rollout.max_tokens)
    demonstrations = _load_demonstrations(recipe, folder, samples, template, policy)
    if not is_begun:
        samples = edit_labels(samples, recipe, policy, template)
    asked_with = demonstrate(samples, template) if recipe.evaluate.demonstrate else template
    if with_suite:
        check_room(policy, suite, protocol, asked_with)
    return Job(
        recipe=recipe,
        samples=samples,
        template=template,
        asked_with=asked_with,
        policy=policy,
        suite=suite,
        protocol=protocol,
        rewards=rewards,
        selection=chosen.selection if chosen is not None else None,
        stage_places=stage_places,
        dev=_load_test(recipe.evaluate, template, recipe.evaluate.dev) if recipe.evaluate.dev else None,
        demonstrations=demonstrations,
    )


def _load_demonstrations(
    recipe: Recipe, folder: RunFolder, samples: list[Sample], template: Template, policy: LocalPolicy
) -> Demonstrations | None:
    """What a recipe imitates, None where it imitates nothing; a run that has begun has its demonstrations on disk."""
    from polymath.training import demonstrations

    if not demonstrations.are_wanted(recipe):
        return None
    if (folder.path / demonstrations.FILE).exists():
        return demonstrations.read_demonstrations(folder)
    found = demonstrations.load_demonstrations(recipe.demonstrations, samples, template)
    found = demonstrations.keep_fitting(found, policy)
    print(found.tell(), file=sys.stderr)
    return found


def _with_stages(samples: list[Sample], recipe: Recipe) -> tuple[list[Sample], list[list[int]]]:
    """All samples of a run in stages, and the places of those of each stage."""
    from polymath.samples.sources import find_sample

    found = {sample.id: sample for sample in samples}
    ids = []
    for stage in recipe.stages:
        own = find_sample(stage.sample) if stage.sample else samples
        found |= {sample.id: sample for sample in own if sample.id not in found}
        ids.append([sample.id for sample in own])
    place_of = {id_: place for place, id_ in enumerate(found)}
    return list(found.values()), [[place_of[id_] for id_ in of_stage] for of_stage in ids]


def _load_test(settings: EvaluateSection, template: Template, suite_name: str) -> tuple[Suite, Protocol]:
    """The problems of a run's evaluations, and how they are asked."""
    from polymath.evaluation.protocol import read_protocol
    from polymath.evaluation.suites import load_suite

    suite = load_suite(suite_name, data=settings.data, limit=settings.limit)
    protocol = read_protocol(
        settings.protocol,
        settings.max_tokens,
        stop=settings.stop or template.stop,
        of_suite=suite.protocols,
        lengths=suite.max_tokens,
        benchmarks=[*suite.benchmarks, *suite.missing] if suite_name == settings.suite else None,
    )
    return suite, protocol


def edit_labels(samples: list[Sample], recipe: Recipe, policy: LocalPolicy, template: Template) -> list[Sample]:
    """The samples with the labels that the recipe wants to train on."""
    from polymath.rollouts.policy import Sampling
    from polymath.samples.labels import incorrect, majority

    if recipe.label.edit == "incorrect":
        return [incorrect(sample) for sample in samples]
    if recipe.label.edit == "majority":
        votes = policy.sample(
            render_all(samples, template),
            recipe.label.num_votes,
            Sampling(max_tokens=recipe.rollout.max_tokens),
            child_seed(recipe.seed, "label"),
        )
        return [majority(sample, said) for sample, said in zip(samples, votes, strict=True)]
    return samples


def begin(folder: RunFolder, job: Job) -> None:
    """Write run.json and the samples, once."""
    import torch

    from polymath.rollouts.local import hash_weights

    if (folder.path / "run.json").exists():
        return
    from polymath.lab import model_dir

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
        versions=versions(),
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
    from polymath.engines import ENGINES
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
    try:
        ENGINES[recipe.engine.name](
            recipe,
            job.samples,
            job.policy,
            folder,
            rewards=job.rewards,
            reference=reference_of(recipe, job.policy),
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
    suite, protocol = _load_test(recipe.evaluate, template, recipe.evaluate.suite)
    threads = choose_threads(recipe.engine.threads)
    policy = load_policy(recipe.model.path, device=recipe.model.device, dtype=recipe.model.dtype, threads=threads)
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
        facts={"step": step, "model": recipe.model.path, "dtype": recipe.model.dtype, "seed": recipe.seed},
    )


def share_base_evaluation(job: Job, folder: RunFolder, arm_job: Job, arm: RunFolder) -> None:
    """Copy the base's evaluation to an arm or a replicate that would compute the very same one."""
    same = all(
        getattr(job.recipe, section) == getattr(arm_job.recipe, section) for section in ("model", "prompt", "evaluate")
    )
    # Demonstrations are the run's own samples; draws at a temperature depend on the seed.
    same = same and not arm_job.recipe.evaluate.demonstrate
    same = same and (job.recipe.seed == arm_job.recipe.seed or job.protocol.is_greedy)
    if same:
        copy_base_evaluation(folder, arm)


def copy_base_evaluation(folder: RunFolder, other: RunFolder) -> None:
    """Give another run the evaluation of the base that this folder holds, unless it has one."""
    target = other.path / "evaluations" / "step-0"
    if not target.exists():
        with telling_disk_errors(target):
            temporary = target.with_name(".step-0.tmp")
            shutil.copytree(folder.path / "evaluations" / "step-0", temporary, dirs_exist_ok=True)
            temporary.rename(target)


def share_records(folder: RunFolder) -> None:
    """Copy what was recorded with the lab's model to a run that used the very same weights."""
    from polymath.lab import recorded_dir

    weights = folder.read_info()["model"]["sha256"]
    for path in sorted(recorded_dir().glob("*.json")):
        text = path.read_text(encoding="utf-8")
        if json.loads(text)["hashes"]["weights"] == weights:
            write_text(folder.path / "recorded" / path.name, text)


def finish_in_processes(folders: Sequence[RunFolder], num_at_once: int) -> None:
    """Finish run folders that have begun, some at once, each by a `polymath run --resume` of its own.

    What a process says goes to FOLDER/log.txt. A failed one does not keep the others from finishing.
    Raises Stopped after a polite stop, when all of them have saved; RunFolderError when one has failed.
    """
    from polymath.training.stopping import listening_for_stop

    waiting, failed = list(folders), list[RunFolder]()
    running: dict[subprocess.Popen[bytes], RunFolder] = {}
    with listening_for_stop() as stop, ProgressLine("arms and seeds", len(folders)) as line:
        while (waiting and not stop.is_asked) or running:
            while waiting and len(running) < num_at_once and not stop.is_asked:
                folder = waiting.pop(0)
                running[_finish_in_process(folder)] = folder
            time.sleep(_POLL_S)
            if stop.is_asked:
                _stop(running)
            for process in [process for process in running if process.poll() is not None]:
                folder = running.pop(process)
                line.advance(1)
                if process.returncode and not stop.is_asked:
                    failed.append(folder)
                    print(f"{folder.path} failed: {_last_line(folder.path / LOG)}", file=sys.stderr)
    if stop.is_asked:
        raise Stopped(f"stopped with {len(waiting)} of {len(folders)} arms and seeds not started, the others saved")
    if failed:
        raise RunFolderError(
            failed[0].path, f"failed ({len(failed)} in all)", f"see {LOG} there, then continue with --resume"
        )


def _stop(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Ask them once to save and stop, and wait; whoever cannot wait kills them, so that none is left behind."""
    for process in processes:
        process.terminate()
    try:
        for process in processes:
            process.wait()
    except KeyboardInterrupt:
        for process in processes:
            process.kill()
            process.wait()
        raise


def _finish_in_process(folder: RunFolder) -> subprocess.Popen[bytes]:
    with (folder.path / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "polymath", "run", "--resume", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C reaches us alone; we ask each process to stop, once.
            start_new_session=True,
        )


def _last_line(log: Path) -> str:
    return next(reversed(log.read_text(errors="replace").strip().splitlines()), "it said nothing")


@contextmanager
def keeping_status(folder: RunFolder, command: str, *, ends_as: str = "complete") -> Iterator[None]:
    """Write to run.json how it ended and how long it took, and tell how to continue.

    `ends_as` is the status after the block: "paused" where the run is to go on later.
    """
    with folder.locked():
        yield from _keep_status(folder, command, ends_as)


def _keep_status(folder: RunFolder, command: str, ends_as: str) -> Iterator[None]:
    began = time.perf_counter()
    earlier_s = float(folder.read_info().get("seconds", 0.0))

    def close(status: str) -> None:
        folder.write_info(status=status, seconds=earlier_s + time.perf_counter() - began)

    folder.write_info(status="running")
    try:
        yield
    except (Stopped, KeyboardInterrupt) as stop:
        close("interrupted")
        reason = str(stop) or "stopped at once; the steps since the last checkpoint are lost"
        raise Stopped(
            reason.split("; continue with")[0] + f"; continue with: polymath {command} --resume {_root(folder)}"
        ) from None
    except BaseException:
        close("failed")
        raise
    close(ends_as)


def _root(folder: RunFolder) -> Path:
    """The run that an arm or a replicate belongs to, or the run itself."""
    path = folder.path
    while path.parent.name in ("arms", "seeds") and (path.parent.parent / "run.json").exists():
        path = path.parent.parent
    return path
