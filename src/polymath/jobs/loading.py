"""What a recipe names, loaded: a policy from a directory or the hub, and the test of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.jobs.samplers import STANDING, attach_sampler
from polymath.prompts import Template
from polymath.recipe import EvaluateSection, Recipe

if TYPE_CHECKING:
    from polymath.evaluation.protocol import Protocol
    from polymath.evaluation.suites import Suite
    from polymath.rollouts.local import LocalPolicy


def load_trainable(recipe: Recipe, threads: int) -> LocalPolicy:
    """The policy that a recipe trains, as it is before the first step, with the sampler that speaks for it."""
    STANDING.rest()
    policy = load_policy(
        recipe.model.path,
        device=recipe.model.device,
        dtype=recipe.model.dtype,
        threads=threads,
        lora=recipe.model.lora,
        seed=recipe.seed,
        recompute=recipe.train.gradient_checkpointing,
    )
    attach_sampler(policy, recipe)
    return policy


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


def load_test(settings: EvaluateSection, template: Template, suite_name: str) -> tuple[Suite, Protocol]:
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
