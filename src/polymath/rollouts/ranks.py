"""Several processes, one policy: rank 0 has the run, the other ranks draw and differentiate what it hands them.

`torchrun --nproc-per-node N -m polymath run RECIPE` starts N processes. Rank 0 reads the recipe, judges, weighs, takes
the optimizer's step, writes the run folder and evaluates, as it does alone. The others hold the policy's weights and
nothing else: they wait for a task, do their share of it and give it back. So a run of several ranks has one writer, one
optimizer state and one random stream of everything but the draws, and is resumed as any other.

Shared out are the draws of a step, each rank's from a random stream of its own, and the responses that a gradient is
wanted of. Gradients are summed on rank 0, weights go back to all after each change. PPO's critic stays with rank 0.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

# Rank 0 may evaluate for hours while the others wait.
PATIENCE = timedelta(days=7)
END = "end"

Task = tuple[str, Mapping[str, Any]]


def num_ranks() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def own_rank() -> int:
    """Which of them this is."""
    return int(os.environ.get("RANK", "0"))


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those of one torchrun."""

    rank: int
    size: int

    @classmethod
    def join(cls) -> Ranks:
        """Meet the other processes; comes back when all are there. Weights go by NCCL on CUDA, the rest by gloo."""
        if not dist.is_initialized():
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            dist.init_process_group(backend, timeout=PATIENCE)
        return cls(rank=dist.get_rank(), size=dist.get_world_size())

    def hand_out(self, name: str, **arguments: Any) -> None:
        """Rank 0: give all others a task."""
        dist.broadcast_object_list([(name, arguments)], src=0, device=torch.device("cpu"))

    def take(self) -> Task:
        """Another rank: wait for the next task."""
        box: list[Any] = [None]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        task: Task = box[0]
        return task

    def share(self, count: int, rank: int | None = None) -> range:
        """Which of `count` things are this rank's: neighbours, as many as the others' up to one."""
        rank = self.rank if rank is None else rank
        return range(count * rank // self.size, count * (rank + 1) // self.size)

    def collect(self, own: Any) -> list[Any]:
        """What each rank has, in their order, on rank 0; nothing on the others."""
        found: list[Any] | None = [None] * self.size if self.rank == 0 else None
        dist.gather_object(own, found, dst=0)
        return found or []

    def add_up(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sum the gradients of all ranks into rank 0's. A rank without one has zero."""
        for parameter in parameters:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            dist.reduce(gradient, dst=0)
            if self.rank == 0:
                parameter.grad = gradient

    @torch.no_grad()
    def spread(self, weights: Sequence[Tensor]) -> None:
        """Give every rank the weights of rank 0."""
        for weight in weights:
            dist.broadcast(weight.detach(), src=0)
            if self.rank:
                weight.add_(0)  # counts as a change, which the copy that answers looks for

    def do(self, name: str, work: Callable[[], Any], **arguments: Any) -> list[Any]:
        """Rank 0: hand out a task, do the own share by `work`, and collect all shares."""
        self.hand_out(name, **arguments)
        return self.collect(work())


def leave() -> None:
    """Rank 0, at the end of the process: send the others home."""
    if num_ranks() > 1 and dist.is_initialized():  # alone, it is a sampler's group
        if dist.get_rank() == 0:
            Ranks(rank=0, size=dist.get_world_size()).hand_out(END)
        dist.destroy_process_group()
