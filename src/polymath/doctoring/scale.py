"""A shape, a recipe's loads and a number of devices in; memory, tokens, hours and bytes moved out, on paper.

One layout: weights, gradients and moments are sharded over all devices (ZeRO-3, arXiv 1910.02054; FSDP, 2304.11277),
the sampler takes turns with the trainer on the same devices, and holds the whole model in bfloat16 on every `tensor
parallel` of them. Time is a roofline: arithmetic at a stated utilisation for scoring and updating, and for decoding the
bytes that must be read (weights once a token position, each response's own cache once a token; arXiv 2211.05102),
or its arithmetic where that takes longer. Nothing here was measured; every assumption is an argument with its source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from polymath.doctoring import memory
from polymath.doctoring.devices import Device
from polymath.doctoring.shape import Shape
from polymath.jobs import measures_kl
from polymath.recipe import Recipe

DEVICES_A_NODE = 8


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What arithmetic cannot know; SOURCES says where each number is from. Shares are fractions of a data sheet's."""

    mean_share: float = 0.5
    train_utilisation: float = 0.30
    sample_utilisation: float = 0.40
    bandwidth_share: float = 0.60
    network_share: float = 0.50
    memory_share: float = 0.90
    fixed_s: float = 10.0
    buffers: int = 2 * 10**9


SOURCES = {
    "mean_share": "mean length of a response over rollout.max_tokens; set it from completions/mean_length of a run",
    "train_utilisation": "of the peak, scoring and updating; Llama 3 reports 38 to 43% for pre-training on 8,192 and "
    "16,384 H100 (arXiv 2407.21783, table 4), and responses of unequal length fill less",
    "sample_utilisation": "of the peak, where decoding is bound by arithmetic; arXiv 2211.05102 reports up to 76% for "
    "prefill and far less for decoding: a guess",
    "bandwidth_share": "of the memory's bandwidth while decoding: a guess",
    "network_share": "of a device's network while weights go to the sampler: a guess",
    "memory_share": "of a device's memory that may be filled; the default of vLLM's gpu_memory_utilization",
    "fixed_s": "seconds a step for waking the sampler, judging and logging: a guess",
    "buffers": "bytes of the runtime and of communication on a device: a guess",
}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one step draws and learns from. Lengths are in tokens."""

    num_groups: int
    group_size: int
    prompt_tokens: int
    max_tokens: int
    num_steps: int
    micro_batch_tokens: int
    has_reference: bool
    is_eight_bit: bool = False

    @property
    def num_rollouts(self) -> int:
        """Responses a step."""
        return self.num_groups * self.group_size


def load_of(recipe: Recipe, prompt_tokens: int) -> Load:
    """The load of a recipe; gradient checkpointing and bfloat16 are taken for granted at this scale."""
    rollout = recipe.rollout
    return Load(
        num_groups=rollout.num_groups,
        group_size=rollout.group_size,
        prompt_tokens=prompt_tokens,
        max_tokens=rollout.max_tokens,
        num_steps=recipe.train.num_steps,
        micro_batch_tokens=min(recipe.train.micro_batch_tokens, memory.most_tokens(recipe)),
        has_reference=measures_kl(recipe),
        is_eight_bit=recipe.optimizer.name == "adamw_8bit",
    )


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run needs. Bytes are of one device but for `moved`, which is of all of them and of one step.

    `fits` is False where no layout fits; memory is then that of the one that comes nearest, and there are no seconds.
    """

    fits: bool
    memory: dict[str, dict[str, int]]
    available: int
    tensor_parallel: int
    replicas: int
    at_once: int
    waves: int
    response_tokens: int
    flops: float
    seconds: dict[str, float]
    moved: dict[str, int]
    hours: float
    device_hours: float

    @property
    def peak(self) -> int:
        """Bytes of the larger phase."""
        return max(sum(parts.values()) for parts in self.memory.values())

    @property
    def step_s(self) -> float:
        """Seconds of a step."""
        return sum(self.seconds.values())

    def table(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "peak": self.peak, "step_s": self.step_s}


def estimate(
    shape: Shape, load: Load, device: Device, num_devices: int, *, assumptions: Assumptions | None = None
) -> Estimate:
    """The layout that rolls out fastest of those that fit on `num_devices` of this device."""
    known = assumptions or Assumptions()
    update = update_memory(shape, load, num_devices, known)
    available = int(known.memory_share * device.memory)
    found = []
    for parallel in _parallels(num_devices):
        rollout = rollout_memory(shape, load, num_devices, parallel, known)
        at_once = _at_once(shape, load, available - sum(rollout.values()), parallel)
        replicas = num_devices // parallel
        here = math.ceil(load.num_rollouts / replicas)
        rollout["cache"] = min(at_once, here) * load.max_tokens * cache_bytes(shape, parallel)
        found.append(
            _cost(
                shape,
                load,
                device,
                num_devices,
                known,
                {"update": update, "rollout": rollout},
                fits=at_once >= 1 and sum(update.values()) <= available,
                tensor_parallel=parallel,
                at_once=at_once,
            )
        )
    return min(found, key=lambda one: (not one.fits, one.step_s if one.fits else one.peak))


def update_memory(shape: Shape, load: Load, num_devices: int, known: Assumptions) -> dict[str, int]:
    """Bytes of each part on one device while it updates: shards, two gathered layers and the head, a micro-batch.

    Activations of a layer are kept as its input alone, in bfloat16, and computed anew one at a time.
    """
    setting = memory.Setting(
        is_bfloat16=True,
        is_cuda=True,
        is_recomputed=True,
        is_eight_bit=load.is_eight_bit,
        has_reference=False,
        has_critic=False,
        draws=0,
        prompt_tokens=load.prompt_tokens,
        max_tokens=load.max_tokens,
        micro_batch_tokens=load.micro_batch_tokens,
        is_shared=False,
        process=0,
    )
    # Prompts are copied to every response at this scale.
    share = (load.prompt_tokens + load.max_tokens) / load.max_tokens
    tokens = int(load.micro_batch_tokens * share)
    rows = min(tokens, max(1, memory.MAX_LOGITS // shape.vocabulary))
    layer = shape.in_layers // shape.layers
    return {
        **_standing(shape, load, num_devices, known),
        "gradients": 4 * shape.parameters // num_devices,
        "gathered weights": 2 * (2 * layer + shape.head),
        # What comes back of a layer is there in full before it is shared out, in float32.
        "gradients in passing": 4 * max(layer, shape.head),
        "activations": int(tokens * (2 * shape.layers * shape.hidden + 2 * memory.layer_bytes(shape, setting))),
        "logits": rows * shape.vocabulary * 4 * memory.LOGIT_COPIES,
    }


def rollout_memory(shape: Shape, load: Load, num_devices: int, parallel: int, known: Assumptions) -> dict[str, int]:
    """Bytes of each part on one device while it samples, the cache of responses apart: the trainer's shards stay."""
    return {
        **_standing(shape, load, num_devices, known),
        "sampler": 2 * shape.parameters // parallel,
        "prompt's cache": load.prompt_tokens * cache_bytes(shape, parallel),
    }


def _standing(shape: Shape, load: Load, num_devices: int, known: Assumptions) -> dict[str, int]:
    found = {
        "runtime": known.buffers,
        "weights": 4 * shape.parameters // num_devices,
        "moments": (2 if load.is_eight_bit else 8) * shape.parameters // num_devices,
    }
    if load.has_reference:
        found["reference"] = 2 * shape.parameters // num_devices
    return found


def cache_bytes(shape: Shape, parallel: int) -> int:
    """Bytes of keys and values of one token on one device, in bfloat16. A head of them is not split further."""
    heads = math.ceil(shape.kv_heads / parallel)
    return 2 * shape.layers * heads * shape.head_size * 2


def forward_flops(shape: Shape, context: float) -> float:
    """Floating-point operations of one token forward, with so many tokens before it on average.

    Two for every weight that is multiplied with, and four for each number attended to (arXiv 2001.08361, 2204.02311).
    """
    attended = shape.heads * shape.head_size
    return 2.0 * (shape.in_layers + shape.head) + 4.0 * shape.layers * attended * context


def _parallels(num_devices: int) -> list[int]:
    most = min(DEVICES_A_NODE, num_devices)
    return [parallel for parallel in (1, 2, 4, 8) if parallel <= most and num_devices % parallel == 0]


def _at_once(shape: Shape, load: Load, free: int, parallel: int) -> int:
    """Responses of full length whose cache a replica holds; 0 where there is no room for one."""
    return max(0, free // (load.max_tokens * cache_bytes(shape, parallel)))


def _cost(
    shape: Shape,
    load: Load,
    device: Device,
    num_devices: int,
    known: Assumptions,
    found: dict[str, dict[str, int]],
    *,
    fits: bool,
    tensor_parallel: int,
    at_once: int,
) -> Estimate:
    replicas = num_devices // tensor_parallel
    mean = known.mean_share * load.max_tokens
    rollouts, length = load.num_rollouts, load.prompt_tokens + mean
    here = math.ceil(rollouts / replicas)
    waves = math.ceil(here / at_once) if at_once else 0
    # Every wave lasts until its longest response ends.
    weights_read = waves * (load.max_tokens if known.mean_share < 1 else mean) * 2 * shape.parameters / tensor_parallel
    cache_read = here * cache_bytes(shape, tensor_parallel) * mean * (load.prompt_tokens + (mean + 1) / 2)
    reading = (weights_read + cache_read) / (device.bandwidth * known.bandwidth_share)
    decoding = rollouts * mean * forward_flops(shape, load.prompt_tokens + mean / 2)
    computing = decoding / (num_devices * device.flops * known.sample_utilisation)
    forward = rollouts * length * forward_flops(shape, length / 2)
    # The sampler's log-probabilities are computed again, the reference's too; forward, anew, and backward twice that.
    scoring, updating = (2 if load.has_reference else 1) * forward, 4 * forward
    speed = num_devices * device.flops * known.train_utilisation
    moved = {
        "weights to samplers": 2 * shape.parameters * replicas,
        "rollouts to trainer": int(rollouts * mean * 8) + load.num_groups * load.prompt_tokens * 4,
    }
    arriving = 2 * shape.parameters / tensor_parallel / (device.network * known.network_share)
    seconds = {
        "rollout": max(reading, computing),
        "score": scoring / speed,
        "update": updating / speed,
        "sync": arriving,
        "fixed": known.fixed_s,
    }
    hours = load.num_steps * sum(seconds.values()) / 3600
    return Estimate(
        fits=fits,
        memory=found,
        available=int(known.memory_share * device.memory),
        tensor_parallel=tensor_parallel,
        replicas=replicas,
        at_once=at_once,
        waves=waves,
        response_tokens=int(rollouts * mean),
        flops=decoding + scoring + updating,
        seconds=seconds if fits else {},
        moved=moved,
        hours=hours if fits else math.inf,
        device_hours=hours * num_devices if fits else math.inf,
    )


@dataclass(frozen=True, kw_only=True)
class Cup:
    """A tournament on paper. `entered` are candidates by rung; steps and answers are of all of them."""

    entered: tuple[int, ...]
    steps: int
    evaluations: int
    device_hours: float
    hours: float
    stored: int


def tournament(
    trial: Estimate,
    shape: Shape,
    *,
    num_candidates: int,
    rungs: Sequence[int],
    keep: float,
    evaluation_s: float,
    devices_a_trial: int,
    num_devices: int,
) -> Cup:
    """Successive halving, each trial on `devices_a_trial` devices, as many at once as there are.

    `rungs` are cumulative steps; of n that enter a rung ceil(keep n) go on, at most n - 1, as docs/tournament.md says.
    `evaluation_s` are the seconds of one trial's evaluation. `stored` are bytes of the checkpoints (weights and
    moments) of the most trials that wait for their next rung at once.
    """
    entered, steps, before = [num_candidates], 0, 0
    for rung in rungs:
        steps += entered[-1] * (rung - before)
        before = rung
        entered.append(min(entered[-1] - 1, max(1, math.ceil(keep * entered[-1]))) if entered[-1] > 1 else 1)
    ran = tuple(entered[: len(rungs)])
    seconds = steps * trial.step_s + sum(ran) * evaluation_s
    device_hours = seconds * devices_a_trial / 3600
    return Cup(
        entered=ran,
        steps=steps,
        evaluations=sum(ran),
        device_hours=device_hours,
        hours=device_hours / num_devices,
        stored=12 * shape.parameters * (ran[1] if len(ran) > 1 else 1),
    )
