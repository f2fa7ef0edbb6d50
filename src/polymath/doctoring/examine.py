"""A recipe in; everything that is to be known before the first step out, as findings and figures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polymath.doctoring import memory
from polymath.doctoring.findings import Finding
from polymath.doctoring.machine import device_bytes, free_memory, gpu_memory, own_memory
from polymath.doctoring.probe import Probe, probe
from polymath.doctoring.shape import Shape, shape_of, shape_of_config
from polymath.doctoring.traps import can_differ, traps, will_update
from polymath.errors import ModelError
from polymath.jobs import Job
from polymath.machine import busy_cpus, usable_cpus
from polymath.prompts import load_template, render_all
from polymath.recipe import Recipe

if TYPE_CHECKING:
    from polymath.types import Sample

# Characters a token where there is no tokenizer: few, so that the prompt is rather too long than too short.
CHARACTERS_A_TOKEN = 3
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def examine_job(job: Job, *, available: int | None, num_groups: int, process: int) -> dict[str, Any]:
    """Examine a run whose model is loaded. `process` is what this process took before that, in bytes.

    `available` bytes stand for the memory of this machine; `num_groups` 0 takes no probe.
    """
    recipe, policy = job.recipe, job.policy
    is_cuda = policy.model.device.type == "cuda"
    shape = shape_of(policy.model, recipe.model.lora)
    prompts = render_all(job.samples, job.template)
    prompt_tokens = max(len(policy.encode(prompt)) for prompt in prompts)
    whole = available or device_bytes()
    setting = memory.setting_of(
        recipe,
        prompt_tokens=prompt_tokens,
        is_cuda=is_cuda,
        num_samples=len(job.samples),
        process=memory.CUDA_CONTEXT if is_cuda else process,
        device_bytes=whole,
    )
    if available is None:
        available = gpu_memory() if is_cuda else free_memory()
    found = [
        Finding(check="loads", answer="yes", detail=_what(shape, recipe)),
        _fits(recipe, shape, setting, available),
        will_update(recipe),
        _ends(policy, recipe),
        _room(shape, prompt_tokens, recipe),
        *_threads(),
        *_disk(recipe, shape),
    ]
    told: dict[str, Any] = {"memory": _memory(recipe, shape, setting, available)}
    differ = can_differ(recipe)
    if differ is not None and differ.answer == "yes" and num_groups:
        shown = probe(job, num_groups)
        found += _of_probe(recipe, shown)
        told["probe"] = asdict(shown)
        told["time"] = _seconds(job, shown)
        found.append(_time(told["time"]))
    elif differ is not None:
        found.append(differ)
    return _close(recipe, [*found, *traps(recipe, shape)], told)


def examine_config(
    recipe: Recipe, samples: list[Sample], path: Path, *, available: int | None, is_cuda: bool
) -> dict[str, Any]:
    """Examine a run of a model of which there is a config.json alone: arithmetic, nothing is loaded or drawn."""
    shape = shape_of_config(path, recipe.model.lora)
    prompt_tokens, is_guessed = _prompt_tokens(recipe, samples, path)
    if available is None:
        available = gpu_memory() if is_cuda else free_memory()
    process = memory.CUDA_CONTEXT if is_cuda else own_memory()
    setting = memory.setting_of(
        recipe,
        prompt_tokens=prompt_tokens,
        is_cuda=is_cuda,
        num_samples=len(samples),
        process=process,
        device_bytes=available,
    )
    told = f"{_what(shape, recipe)}, by its config.json alone"
    if is_guessed:
        told += f"; no tokenizer: a prompt of {prompt_tokens} tokens is a guess"
    found = [
        Finding(check="loads", answer="unknown", detail=told),
        _fits(recipe, shape, setting, available),
        will_update(recipe),
        _room(shape, prompt_tokens, recipe),
    ]
    differ = can_differ(recipe)
    found += [differ] if differ is not None else []
    return _close(recipe, [*found, *traps(recipe, shape)], {"memory": _memory(recipe, shape, setting, available)})


def _close(recipe: Recipe, found: list[Finding], told: Mapping[str, Any]) -> dict[str, Any]:
    is_fit = all(one.answer != "no" for one in found)
    return {"recipe": recipe.name, "healthy": is_fit, "findings": [one.table() for one in found], **told}


def _what(shape: Shape, recipe: Recipe) -> str:
    trained = f", of adapters {shape.adapters / 1e6:.3g} million" if shape.adapters else ""
    return f"{shape.model_type} of {shape.parameters / 1e6:.4g} million parameters{trained}, in {recipe.model.dtype}"


def _fits(recipe: Recipe, shape: Shape, setting: memory.Setting, available: int | None) -> Finding:
    name, needed = memory.peak(shape, setting)
    told = f"{memory.tell(needed)} at the peak ({name})"
    if available is None:
        return Finding(check="memory", answer="unknown", detail=f"{told}; how much there is, is not known")
    told += f" of {memory.tell(available)}"
    if needed <= available:
        return Finding(check="memory", answer="yes", detail=told)
    fitting = memory.fitting_micro_batch(shape, setting, available, setting.micro_batch_tokens)
    if fitting is not None:
        return Finding(check="memory", answer="no", detail=f"{told}; set train.micro_batch_tokens = {fitting}")
    return Finding(check="memory", answer="no", detail=f"{told}; {_way_out(recipe, shape, setting, available)}")


def _way_out(recipe: Recipe, shape: Shape, setting: memory.Setting, available: int) -> str:
    """The fewest changes of the recipe, in an order of what they cost, that make it fit."""
    tokens = min(setting.max_tokens, setting.micro_batch_tokens)
    tried, words = replace(setting, micro_batch_tokens=tokens), [f"train.micro_batch_tokens = {tokens}"]

    def fits() -> bool:
        return _most_but(shape, tried, "rollout") <= available

    for word, change in (
        ("train.gradient_checkpointing = true", {"is_recomputed": True}),
        ('optimizer.name = "adamw_8bit"', {"is_eight_bit": True}),
        ('model.dtype = "bfloat16"', {"is_bfloat16": True}),
    ):
        if not fits() and replace(tried, **change) != tried:
            tried, words = replace(tried, **change), [*words, word]
    if setting.sampler and (not fits() or memory.peak(shape, tried)[1] > available):
        return "set a smaller sampler.memory_share"
    if not fits():
        return "set model.lora" if recipe.model.lora is None else "take a smaller model, or shorter responses"
    draws = tried.draws
    while memory.peak(shape, tried)[1] > available and tried.draws > recipe.rollout.group_size:
        tried = replace(tried, draws=tried.draws - recipe.rollout.group_size)
    if memory.peak(shape, tried)[1] > available:
        return "set model.lora" if recipe.model.lora is None else "lower rollout.max_tokens"
    if tried.draws < draws:
        words.append(f"rollout.num_groups = {tried.draws // recipe.rollout.group_size}")
    return f"set {', '.join(words)}"


def _most_but(shape: Shape, setting: memory.Setting, phase: str) -> int:
    """The peak of the other phases."""
    return max(total for name, total in memory.totals(memory.phases(shape, setting)).items() if name != phase)


def _memory(recipe: Recipe, shape: Shape, setting: memory.Setting, available: int | None) -> dict[str, Any]:
    phase, needed = memory.peak(shape, setting)
    most = memory.most_tokens(recipe)
    fitting = None if available is None else memory.fitting_micro_batch(shape, setting, available, most)
    return {
        "available_bytes": available,
        "peak_bytes": needed,
        "peak_phase": phase,
        "phases": memory.phases(shape, setting),
        "micro_batch_tokens": {"asked": recipe.train.micro_batch_tokens, "most_used": most, "fits": fitting},
    }


def _ends(policy: Any, recipe: Recipe) -> Finding:
    """Whether what the template ends a turn with is what the model stops at."""
    check, tokenizer = "end of sequence", policy.tokenizer
    template = load_template(recipe.prompt.template, recipe.prompt.file, is_chat=recipe.prompt.chat)
    names = {token: tokenizer.convert_ids_to_tokens(token) for token in policy.eos_ids}
    told = ", ".join(f"{name} ({token})" for token, name in names.items())
    if not template.is_chat:
        return Finding(check=check, answer="yes", detail=told)
    mark = "polymath"
    turns = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": mark}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    after = tokenizer(text.rpartition(mark)[2], add_special_tokens=False)["input_ids"]
    if not after:
        return Finding(check=check, answer="warning", detail=f"{told}; the chat template ends a turn with nothing")
    if after[0] in policy.eos_ids:
        return Finding(check=check, answer="yes", detail=f"{told}; the chat template ends a turn with the same")
    other = tokenizer.convert_ids_to_tokens(after[0])
    detail = f"{told}, but the chat template ends a turn with {other} ({after[0]}): add it in generation_config.json"
    return Finding(check=check, answer="no", detail=detail)


def _room(shape: Shape, prompt_tokens: int, recipe: Recipe) -> Finding:
    needed = prompt_tokens + recipe.rollout.max_tokens
    detail = f"{prompt_tokens} tokens of prompt and {recipe.rollout.max_tokens} of answer in {shape.context}"
    if needed > shape.context:
        return Finding(check="context", answer="no", detail=f"{detail}; lower rollout.max_tokens")
    return Finding(check="context", answer="yes", detail=detail)


def _threads() -> Iterator[Finding]:
    import torch

    threads, usable, busy = torch.get_num_threads(), usable_cpus(), busy_cpus()
    detail = f"{threads} of {usable} processors, {busy:.1f} busy now"
    crowded = threads > usable or threads + busy > usable + 0.75
    if crowded:
        detail += "; two threads that fight for one processor are far slower than one: lower engine.threads"
    yield Finding(check="threads", answer="warning" if crowded else "yes", detail=detail)


def _disk(recipe: Recipe, shape: Shape) -> Iterator[Finding]:
    """Checkpoints are whole models with the optimizer's moments; one more is there while the newest is written."""
    weight = 2 if shape.adapters and recipe.model.dtype == "bfloat16" else 4
    moments = 2 if recipe.optimizer.name == "adamw_8bit" else 8
    one = weight * shape.parameters + moments * shape.trained + 4 * shape.adapters
    needed, free = (recipe.train.keep + 1) * one, shutil.disk_usage(Path.cwd()).free
    detail = f"{recipe.train.keep} checkpoints and one being written: {memory.tell(needed)} of {memory.tell(free)} free"
    if needed > free:
        yield Finding(check="disk", answer="no", detail=f"{detail}; lower train.keep")
    else:
        yield Finding(check="disk", answer="yes", detail=detail)


def _of_probe(recipe: Recipe, shown: Probe) -> Iterator[Finding]:
    expected, low, high = shown.learnable()
    detail = (
        f"{100 * shown.pass_rate:.0f}% of {shown.num_draws} draws right ({100 * shown.low:.0f} to "
        f"{100 * shown.high:.0f}%), {100 * shown.differing:.0f}% of groups differ in reward; of groups of "
        f"{shown.group_size} expect {100 * expected:.0f}% with right and wrong ones "
        f"({100 * low:.0f} to {100 * high:.0f}%)"
    )
    if shown.num_values > 1:
        yield Finding(check="groups differ", answer="yes", detail=detail)
    else:
        remedy = "another sample, more draws, a longer rollout.max_tokens, or a reward that tells draws apart"
        yield Finding(check="groups differ", answer="no", detail=f"{detail}; every draw has the same reward: {remedy}")
    if shown.truncated > 0.5:
        yield Finding(
            check="max_tokens",
            answer="warning",
            detail=f"{100 * shown.truncated:.0f}% of draws were cut off at {recipe.rollout.max_tokens} tokens",
        )


def _seconds(job: Job, shown: Probe) -> dict[str, float]:
    """Seconds of a step and of the run, in proportion to the probe: more draws at once cost less each."""
    recipe = job.recipe
    factor = recipe.rollout.num_groups * recipe.rollout.group_size / shown.num_draws
    step = factor * (shown.rollout_s + shown.update_s)
    draws = sum(len(problems) * job.protocol.of(name).num_draws for name, problems in job.suite.benchmarks.items())
    every, num_steps = recipe.evaluate.every, recipe.train.num_steps
    times = 2 + ((num_steps - 1) // every if every else 0)
    evaluation = draws * shown.rollout_s / shown.num_draws
    return {
        "step_s": step,
        "train_s": step * num_steps,
        "evaluation_s": evaluation,
        "evaluations": times,
        "run_s": step * num_steps + evaluation * times,
    }


def _time(found: Mapping[str, float]) -> Finding:
    detail = (
        f"about {_duration(found['step_s'])} a step, {_duration(found['train_s'])} of training, "
        f"{found['evaluations']:g} evaluations of {_duration(found['evaluation_s'])}, arms and seeds apart"
    )
    if found["evaluation_s"] * found["evaluations"] > 3 * found["train_s"]:
        remedy = "evaluating takes most of the run: raise evaluate.every or set evaluate.limit"
        return Finding(check="time", answer="warning", detail=f"{detail}; {remedy}")
    return Finding(check="time", answer="yes", detail=detail)


def _duration(seconds: float) -> str:
    for unit, one in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * one:
            return f"{seconds / one:.2g} {unit}"
    return f"{seconds:.2g} s"


def _prompt_tokens(recipe: Recipe, samples: list[Sample], path: Path) -> tuple[int, bool]:
    """Tokens of the longest prompt, and whether that is a guess."""
    template = load_template(recipe.prompt.template, recipe.prompt.file, is_chat=recipe.prompt.chat)
    prompts = render_all(samples, template)
    # transformers makes an empty tokenizer of a config.json alone.
    if not any((path / name).is_file() for name in TOKENIZERS):
        return max(-(-len(prompt.text) // CHARACTERS_A_TOKEN) for prompt in prompts), True
    from transformers import AutoTokenizer

    from polymath.rollouts.encoding import encode_prompt

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(path), trust_remote_code=False, local_files_only=True)
    except Exception as error:  # transformers raises many kinds for a torn tokenizer
        raise ModelError(path, f"has a tokenizer that cannot be read ({type(error).__name__})", "mend it") from error
    return max(len(encode_prompt(tokenizer, prompt)) for prompt in prompts), False
