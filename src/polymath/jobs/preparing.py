"""A recipe and its run folder in, a job out, or the first thing that does not exist or fit."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from polymath.errors import RecipeError
from polymath.jobs.job import Chosen, Job
from polymath.jobs.loading import load_test, load_trainable
from polymath.machine import choose_threads, usable_cpus
from polymath.prompts import Template, demonstrate, load_template, render_all
from polymath.recipe import Recipe
from polymath.runs import RunFolder
from polymath.seeds import child_seed
from polymath.types import Sample

if TYPE_CHECKING:
    from polymath.rewards import RewardFunction
    from polymath.rollouts.local import LocalPolicy
    from polymath.training.demonstrations import Demonstrations


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

    _check_recipe(recipe, rewards)
    is_begun = _is_begun(folder)
    samples, stage_places = _load_samples(recipe, folder, chosen)
    template = load_template(recipe.prompt.template, recipe.prompt.file, is_chat=recipe.prompt.chat)
    # A run that only trains needs no benchmark files.
    suite, protocol = load_test(recipe.evaluate, template, recipe.evaluate.suite if with_suite else "lab")
    policy = _load_trained(recipe, folder, num_threads)
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
        dev=load_test(recipe.evaluate, template, recipe.evaluate.dev) if recipe.evaluate.dev else None,
        demonstrations=demonstrations,
    )


def _is_begun(folder: RunFolder) -> bool:
    return (folder.path / "run.json").exists()


def _check_recipe(recipe: Recipe, rewards: Mapping[str, RewardFunction]) -> None:
    """Raise UserError for what is wrong whatever the model and the samples are."""
    from polymath.rewards import check_rewards
    from polymath.rollouts.ranks import num_ranks
    from polymath.trackers import check_trackers

    check_rewards(recipe.reward.weights(), recipe.reward.options, rewards, max_tokens=recipe.rollout.max_tokens)
    check_trackers(recipe.log)
    if recipe.engine.name == "verl":
        from polymath.engines.verl.environment import find_environment
        from polymath.engines.verl.refusals import check_recipe

        check_recipe(recipe, rewards)
        find_environment(recipe.engine.python)
    if recipe.sampler.name == "vllm" and recipe.engine.name == "local" and num_ranks() > 1:
        raise RecipeError("sampler.name", "vllm draws on one device", "leave it out under torchrun")
    if recipe.model.lora is not None and recipe.kl.coefficient and recipe.kl.reference == "ema":
        remedy = 'use reference = "initial", or train all weights'
        raise RecipeError("kl.reference", "cannot be an average with model.lora, whose reference is the base", remedy)


def _load_samples(
    recipe: Recipe, folder: RunFolder, chosen: Chosen | None
) -> tuple[list[Sample], list[list[int]] | None]:
    """The samples of a run and the places of each stage's, None where stages name none; on disk once it has begun."""
    from polymath.samples.sources import load_samples

    if _is_begun(folder):
        return folder.read_samples(), folder.read_info().get("stage_places")
    # The whole pool must never pass for what is chosen from it.
    assert (chosen is None) == (recipe.sample.selector is None), "who prepares a run has its samples chosen"
    samples = chosen.samples if chosen is not None else load_samples(recipe.sample)
    return _with_stages(samples, recipe) if any(stage.sample for stage in recipe.stages) else (samples, None)


def _load_trained(recipe: Recipe, folder: RunFolder, num_threads: int | None) -> LocalPolicy:
    """The policy that is to be trained; stderr says on how many threads."""
    # The same thread count on resume, because sums in another order are other bits.
    setting = num_threads if num_threads and recipe.engine.threads == "auto" else recipe.engine.threads
    threads = folder.read_info()["threads"] if _is_begun(folder) else choose_threads(setting)
    print(f"threads {threads} of {usable_cpus()} processors (engine.threads)", file=sys.stderr)
    return load_trainable(recipe, threads)


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
