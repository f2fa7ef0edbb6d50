"""A shape and a recipe to bytes: what stands all the time, and what each phase of a step adds to it.

A step has four phases, of which the largest is the peak: rollout (the copy that decodes, its cache, the logits), update
(gradients, the activations of one micro-batch), optimizer (gradients, what the step itself wants), save. The formulas
are in docs/doctor.md with the errors that were measured; tests compare them with what autograd keeps.

Sizes are those of decoders as Llama and Qwen2 have them (RMSNorm, rotary positions, gated feed-forward); others, GPT-2
say, need somewhat less than is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from polymath.doctoring.shape import Shape
from polymath.jobs import measures_kl
from polymath.recipe import Recipe

MAX_LOGITS = 1 << 26  # as rollouts.prompt_scorer: more are computed in parts
MAX_ROWS = 1024  # as rollouts.local: draws that are decoded together
SLOT_STEP = 64  # as rollouts.slots
# float32 copies of the logits that are alive at the peak of their backward pass: measured, in float32 and in bfloat16.
LOGIT_COPIES = 5
# What a GPU's runtime takes before the first tensor, and the share of what comes and goes that is lost between it: by
# glibc as measured, on CUDA a guess.
CUDA_CONTEXT = 600_000_000
LOST_ON_CPU, LOST_ON_CUDA = 0.30, 0.05

Bytes = dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What memory depends on beside the model's shape. `draws` are decoded together, `prompt_tokens` long the prompt.

    `is_shared` says that the prompt's keys and values are there once for all draws, `process` what the process takes
    without a model. `sampler` is what an engine that draws in the policy's place takes, all the time unless it sleeps.
    """

    is_bfloat16: bool
    is_cuda: bool
    is_recomputed: bool
    is_eight_bit: bool
    has_reference: bool
    has_critic: bool
    draws: int
    prompt_tokens: int
    max_tokens: int
    micro_batch_tokens: int
    is_shared: bool
    process: int
    sampler: int = 0
    sampler_sleeps: bool = False

    @property
    def number(self) -> int:
        """Bytes of a number as it is computed with."""
        return 2 if self.is_bfloat16 else 4


def setting_of(
    recipe: Recipe,
    *,
    prompt_tokens: int,
    is_cuda: bool,
    num_samples: int,
    process: int,
    device_bytes: int | None = None,
) -> Setting:
    """What a recipe says, for a model on a processor or a CUDA device of so many bytes."""
    rollout, sampler = recipe.rollout, recipe.sampler
    groups_together = rollout.num_groups
    draws_itself = recipe.engine.name != "sft" and sampler.name == "policy"
    return Setting(
        is_bfloat16=recipe.model.dtype == "bfloat16",
        is_cuda=is_cuda,
        is_recomputed=recipe.train.gradient_checkpointing,
        is_eight_bit=recipe.optimizer.name == "adamw_8bit",
        has_reference=measures_kl(recipe) and recipe.model.lora is None,
        has_critic=recipe.advantage.name == "gae",
        draws=min(MAX_ROWS, groups_together * rollout.group_size) if draws_itself else 0,
        prompt_tokens=prompt_tokens,
        max_tokens=rollout.max_tokens,
        micro_batch_tokens=min(recipe.train.micro_batch_tokens, most_tokens(recipe)),
        is_shared=not is_cuda and num_samples == 1,
        process=process,
        sampler=int(sampler.memory_share * (device_bytes or 0)) if sampler.name == "vllm" and is_cuda else 0,
        sampler_sleeps=sampler.sleeps,
    )


def phases(shape: Shape, setting: Setting) -> dict[str, Bytes]:
    """Bytes of every part, by phase."""
    standing = _standing(shape, setting)
    gradients = {"gradients": 4 * shape.trained}
    update = {**gradients, **_scoring(shape, setting)}
    step = {**gradients, "optimizer's own": _of_the_step(shape, setting)}
    merged = _weight(setting, shape) * shape.adapted
    save = {"merged weights": merged} if shape.adapters else {}
    if not setting.is_cuda:
        # safetensors copies what it writes, one file at a time.
        model_file = _weight(setting, shape) * shape.parameters
        save["file"] = max(model_file, _standing(shape, setting)["moments"])
    found = {"update": update, "optimizer": step, "save": save}
    if setting.draws:
        found = {"rollout": _rollout(shape, setting), **found}
    elif setting.sampler:
        found = {"rollout": {}, **found}
    lost = LOST_ON_CUDA if setting.is_cuda else LOST_ON_CPU
    passing = {name: sum(parts.values()) - parts.get("gradients", 0) for name, parts in found.items()}
    whole = {name: {**standing, **parts, "fragmentation": int(lost * passing[name])} for name, parts in found.items()}
    for name in whole if setting.sampler else ():
        if name == "rollout" or not setting.sampler_sleeps:
            whole[name]["sampler"] = setting.sampler
    return whole


def peak(shape: Shape, setting: Setting) -> tuple[str, int]:
    """The phase that needs most, and its bytes."""
    totals = {name: sum(parts.values()) for name, parts in phases(shape, setting).items()}
    name = max(totals, key=lambda name: totals[name])
    return name, totals[name]


def fitting_micro_batch(shape: Shape, setting: Setting, available: int, most: int) -> int | None:
    """The most tokens a micro-batch may have, up to `most`; None where not even one response of max_tokens fits.

    A multiple of 64, or `most`, or one response.
    """

    def fits(tokens: int) -> bool:
        return peak(shape, replace(setting, micro_batch_tokens=tokens))[1] <= available

    least = min(setting.max_tokens, most)
    if not fits(least):
        return None
    if fits(most):
        return most
    low, high = least, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return max(least, low // 64 * 64)


def most_tokens(recipe: Recipe) -> int:
    """Response tokens of one optimizer step at most: no micro-batch is larger."""
    rollout = recipe.rollout
    return rollout.num_groups * rollout.group_size * rollout.max_tokens // recipe.train.updates_per_step


def _weight(setting: Setting, shape: Shape) -> int:
    """Bytes of a weight that is not trained."""
    return setting.number if shape.adapters else 4


def _standing(shape: Shape, setting: Setting) -> Bytes:
    masters = 4 * shape.trained + (_weight(setting, shape) * shape.parameters if shape.adapters else 0)
    moments = 8 * shape.trained
    if setting.is_eight_bit:
        # Of each moment 1 byte, and a float32 for 256 of them; small tensors keep theirs in float32.
        large = shape.trained - shape.small
        moments = 2 * (large + 4 * large // 256) + 8 * shape.small
    found = {"process": setting.process, "weights": masters, "moments": moments}
    if setting.has_reference:
        found["reference"] = 4 * shape.parameters
    if setting.has_critic:
        body = shape.parameters - (0 if shape.is_tied else shape.head)
        found["critic"] = (12 * shape.adapters + _weight(setting, shape) * body) if shape.adapters else 12 * body
    return found


def _rollout(shape: Shape, setting: Setting) -> Bytes:
    number, shared = setting.number, setting.is_shared
    kv_token = 2 * shape.layers * shape.kv_heads * shape.head_size * number
    length = setting.max_tokens + (0 if shared else setting.prompt_tokens)
    slots = -(-length // SLOT_STEP) * SLOT_STEP
    # While it grows, one buffer of one layer is there twice.
    cache = setting.draws * slots * (kv_token + kv_token // (2 * shape.layers)) + setting.prompt_tokens * kv_token
    # Logits, in float32, over the temperature; their probabilities, in float64, summed up: 8 bytes twice.
    logits = setting.draws * shape.vocabulary * (number + 4 + 4 + 4 + 8 + 8)
    return {"decoding copy": _decoding_copy(shape, setting), "cache": cache, "logits": logits}


def _decoding_copy(shape: Shape, setting: Setting) -> int:
    if setting.is_cuda:
        if shape.adapters:  # what is not adapted is shared with the model
            return setting.number * shape.adapted
        return 2 * shape.parameters if setting.is_bfloat16 else 0
    # On a processor every matrix is packed anew, the head too, which the embedding then no longer is.
    packed = setting.number * (shape.in_layers + shape.head)
    rest = 0 if not setting.is_bfloat16 or shape.adapters else 2 * (shape.head if shape.is_tied else 0)
    merged = 0 if not shape.adapters else setting.number * max(shape.largest, shape.adapted // max(1, shape.layers))
    return packed + rest + merged


def layer_bytes(shape: Shape, setting: Setting) -> float:
    """Bytes that autograd keeps of one decoder layer for one token, the weights apart."""
    hidden, attended, inner = shape.hidden, shape.heads * shape.head_size, shape.intermediate
    seen = (setting.prompt_tokens + setting.max_tokens) / setting.max_tokens
    statistics = 2 * 4 + 4 * shape.heads  # of two norms and of the attention
    rank = shape.rank * shape.num_adapted / max(1, shape.layers)
    if not setting.is_bfloat16:
        norms = (4 if shape.adapters else 6) * hidden
        return 4 * (norms + 2 * attended + 2 * attended * seen + 4 * inner + rank) + statistics
    # Norms in float32; every matrix casts its own input.
    norms = (8 if shape.adapters else 16) * hidden
    inputs = 2 * (5 * hidden + attended)
    attention = 2 * (attended * (2 if shape.adapters else 1) + 2 * attended * seen)
    mask = 0 if shape.adapters else 2 * (setting.prompt_tokens + setting.max_tokens)
    return norms + inputs + attention + mask + 8 * inner + 2 * rank + statistics


def _scoring(shape: Shape, setting: Setting) -> Bytes:
    tokens, number = max(setting.micro_batch_tokens, 1), setting.number
    one = layer_bytes(shape, setting)
    stream = 2 if setting.is_bfloat16 and shape.adapters else 4
    # One layer is there once more while it is gone back through, as gradients.
    if setting.is_recomputed:
        activations = tokens * (shape.layers * stream * shape.hidden + 2 * one)
    else:
        activations = tokens * (shape.layers * one + one)
    prompt = setting.prompt_tokens * (
        (shape.layers * stream * shape.hidden if setting.is_recomputed else shape.layers * one)
        + 4 * shape.layers * shape.kv_heads * shape.head_size * number  # keys, values, and their gradients
    )
    rows = min(tokens, max(1, MAX_LOGITS // shape.vocabulary))
    found = {
        "activations": int(activations + prompt + tokens * 2 * stream * shape.hidden),
        "logits": rows * shape.vocabulary * 4 * LOGIT_COPIES,
        # The largest tensor's before it is added to what is there; a tied embedding has two.
        "gradients in passing": 4 * shape.largest * (2 if shape.is_tied and not shape.adapters else 1),
        "mask": tokens * (setting.prompt_tokens + setting.max_tokens) * (number + 2),
    }
    if setting.is_bfloat16:
        trained = shape.adapters or shape.in_layers + shape.head
        largest = max(shape.head, shape.in_layers // shape.layers) if not shape.adapters else shape.adapters
        found["cast weights"] = 2 * (largest if setting.is_recomputed else trained)
    return found


def _of_the_step(shape: Shape, setting: Setting) -> int:
    if setting.is_eight_bit:
        return 0
    # On CUDA torch's AdamW takes all tensors at once, and the roots of all second moments with them.
    return 4 * shape.trained if setting.is_cuda else 2 * 4 * shape.largest


def tell(size: float) -> str:
    """Bytes as text, in powers of ten as memory is sold."""
    for unit, one in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= one:
            return f"{size / one:.3g} {unit}"
    return f"{size:.0f} B"


def totals(found: Mapping[str, Bytes]) -> dict[str, int]:
    """Bytes of each phase."""
    return {name: sum(parts.values()) for name, parts in found.items()}
