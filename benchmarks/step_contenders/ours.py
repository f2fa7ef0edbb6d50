"""`polymath.engines.local.train`, checkpoints left out."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from gate import Gate
from tasks import Setup, Task

from polymath.engines.local import train
from polymath.recipe import Recipe, make_recipe
from polymath.rollouts.tree import grow
from polymath.runs import RunFolder
from polymath.training.credit import Weighed
from polymath.training.update import update_once


def serve(setup: Setup, task: Task) -> None:
    """Train, and wait at the gate after every step."""
    recipe = recipe_of(setup)

    def check(token_ids: list[list[int]], advantages: list[float]) -> tuple[float, list[Any]]:
        return gradient(task, recipe, token_ids, advantages)

    def bench(group: Any) -> list[float]:
        return [task.reward(said.text, said.token_ids) for said in group.completions]

    gate = Gate(setup, task, check)
    run = RunFolder(tempfile.mkdtemp(prefix="one-shot-step-"))
    num_prompt = len(task.policy.encode(task.prompt))

    def after_step(step: int) -> None:
        gate.done(**describe_step(run, step, num_prompt))
        gate.wait()

    gate.wait()
    train(recipe, [task.sample], task.policy, run, rewards={"bench": bench}, after_step=after_step)


def recipe_of(setup: Setup) -> Recipe:
    """The step as a recipe that never ends and never saves."""
    table: dict[str, Any] = {
        "model": {"dtype": setup.dtype},
        "rollout": {
            "num_groups": setup.num_groups,
            "group_size": setup.group_size,
            "max_tokens": setup.max_tokens,
        },
        "reward": {"name": "bench"},
        "loss": {"aggregation": "token_mean"},
        "optimizer": {"learning_rate": setup.learning_rate},
        "train": {"num_steps": 10**6, "save_every": 10**6},
    }
    if setup.micro_batch_tokens:
        table["train"]["micro_batch_tokens"] = setup.micro_batch_tokens
    return make_recipe(table)


def gradient(
    task: Task, recipe: Recipe, token_ids: list[list[int]], advantages: list[float]
) -> tuple[float, list[Any]]:
    """Loss and gradient of given responses, by an update whose optimizer only looks and which clips nothing."""
    caught: list[Any] = []
    parameters = list(task.policy.parameters())

    class Catch(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            caught.extend(parameter.grad.clone() for parameter in parameters)

    part = [
        Weighed(prompt=task.prompt, token_ids=tuple(ids), advantage=advantage)
        for ids, advantage in zip(token_ids, advantages, strict=True)
    ]
    free = recipe.model_copy(update={"optimizer": recipe.optimizer.model_copy(update={"max_grad_norm": 1e12})})
    return update_once(task.policy, Catch(parameters, lr=0.0), part, free, None)["loss"], caught


def describe_step(run: RunFolder, step: int, num_prompt: int) -> dict[str, Any]:
    """Phases, tokens and reward as the run logs them; tokens run forward, counted on the tree of the responses."""
    row = run.read_metrics()[-1]
    responses = sorted({tuple(one["token_ids"]) for one in run.read_rollouts(step)})
    tree = grow(responses)
    num_followed = len(tree) - sum(end == node + 1 for node, end in enumerate(tree.ends))
    num_nodes = row["computed_frac"] * row["num_tokens"]
    return {
        "phases": {name: row[f"time/{name}_s"] for name in ("rollout", "judge", "update")},
        "num_tokens": row["num_tokens"],
        "num_distinct": len(responses),
        "reward": row["reward"],
        # A branch is a row once; a row of the update feeds all nodes but last ones, duplicates of its cut counted.
        "forwards": {"rollout": num_prompt + num_followed, "update": num_prompt + num_nodes - len(responses)},
    }
