"""The policy that KL is measured against: the one before training, or an average that follows it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from polymath.errors import RecipeError, RunFolderError
from polymath.recipe import KLSection, Recipe
from polymath.rollouts.policy import TrainablePolicy
from polymath.training.credit import Weighed
from polymath.training.losses import KL_ESTIMATORS
from polymath.training.update import survey

FILE = "reference.safetensors"


def check_reference(recipes: Sequence[Recipe], reference: TrainablePolicy | None) -> None:
    """Raise RecipeError where the divergence from a reference is asked for and there is none."""
    if reference is None and any(recipe.kl.coefficient for recipe in recipes):
        raise RecipeError("kl.coefficient", "needs a reference policy", "pass reference=policy.frozen_copy()")


def follows(settings: KLSection, step: int) -> bool:
    """Whether the reference moves after this step."""
    return settings.reference == "ema" and bool(settings.coefficient) and step % settings.ema_every == 0


@torch.no_grad()
def follow(reference: TrainablePolicy, policy: TrainablePolicy, alpha: float) -> None:
    """reference := alpha * policy + (1 - alpha) * reference, weight by weight (T1, arXiv 2501.11651; names as in TRL).

    After k moves towards a policy that stands still, (1 - alpha)^k of the first reference is left.
    """
    for theirs, ours in zip(reference.weights(), policy.weights(), strict=True):
        theirs.mul_(1 - alpha).add_(ours, alpha=alpha)


def save_reference(path: Path, reference: TrainablePolicy) -> None:
    """Write an averaged reference beside a checkpoint's own weights."""
    tensors = {f"weight.{place}": weight.detach().cpu() for place, weight in enumerate(reference.weights())}
    save_file(tensors, path / FILE)


@torch.no_grad()
def load_reference(path: Path, reference: TrainablePolicy) -> None:
    """Bring an averaged reference to where the checkpoint left it."""
    tensors = load_file(path / FILE)
    for place, weight in enumerate(reference.weights()):
        if f"weight.{place}" not in tensors or tensors[f"weight.{place}"].shape != weight.shape:
            raise RunFolderError(path / FILE, "does not fit the model", "resume with the model the run began with")
        weight.copy_(tensors[f"weight.{place}"])


def kl_penalties(
    policy: TrainablePolicy, reference: TrainablePolicy, batch: Sequence[Weighed], recipe: Recipe
) -> list[Tensor]:
    """What is taken off the reward of each token of each response, (T,) float64: coefficient times its divergence.

    verl's KL in the reward. Where a response has one reward, the sum over its tokens is taken off that.
    """
    ours, theirs = survey(policy, batch, recipe), survey(reference, batch, recipe)
    estimator = KL_ESTIMATORS[recipe.kl.estimator]
    found = []
    for one, other in zip(ours, theirs, strict=True):
        kl_T = estimator(one.logprob_T.double(), other.logprob_T.double())
        if recipe.kl.clamp:
            kl_T = kl_T.clamp(-recipe.kl.clamp, recipe.kl.clamp)
        found.append(recipe.kl.coefficient * kl_T.cpu())
    return found
