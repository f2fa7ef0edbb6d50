"""Tokens a second of the evaluation's decoder beside transformers' own batched `generate`.

    python benchmarks/decode_speed.py --model DIR [--data ../shared/data] [--benchmark gsm8k] [--problems 64]
        [--batch 16] [--max-tokens 128] [--dtype bfloat16] [--threads 1] [--repeats 3] [--even] [--plain]

The same weights, dtype, threads, prompts, number of rows and greedy choice in one process. `generate` gets static
batches of prompts sorted by length, padded on the left. A token counts if it was said up to the end of sequence,
that token included. `--even` takes the end of sequence away, so that every answer has the full length and only the
steps differ, not how full the batches are. `--plain` adds our decoder on the model as transformers loads it. The
order changes from repeat to repeat; a ratio is of one repeat. CPU seconds are the process's own: on a shared machine
they are steadier than wall-clock seconds.
Making the inference copy is not counted (it is made once a model) and is printed.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Tokens = dict[int, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One run over all prompts."""

    num_tokens: int
    wall_s: float
    cpu_s: float
    said: Tokens


def main() -> None:
    """Measure and print."""
    arguments = parse()
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))
    import torch
    import transformers
    from transformers import AutoModelForCausalLM

    from polymath.evaluation.suites import load_suite
    from polymath.prompts import TEMPLATES, render
    from polymath.rollouts.answer import shared_length
    from polymath.rollouts.inference import inference_copy
    from polymath.rollouts.local import LocalPolicy

    torch.set_num_threads(arguments.threads)
    dtype = getattr(torch, arguments.dtype)
    policy = LocalPolicy.load(arguments.model, device=arguments.device)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=dtype).eval().to(policy.model.device)
    start = time.perf_counter()
    fast = inference_copy(policy.model, dtype)
    print(f"inference copy: {time.perf_counter() - start:.1f} s")
    suite = load_suite(arguments.benchmark, data=arguments.data, limit=arguments.problems)
    samples = [sample for benchmark in suite.benchmarks.values() for sample in benchmark][: arguments.problems]
    prompts = [tuple(policy.encode(render(sample, TEMPLATES[arguments.template]))) for sample in samples]
    lengths = [len(prompt) for prompt in prompts]
    eos_ids = [] if arguments.even else policy.eos_ids
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {arguments.threads} threads, torch "
        f"{torch.__version__}, transformers {transformers.__version__}, {arguments.dtype}, {policy.model.device}\n"
        f"{arguments.benchmark}: {len(prompts)} prompts of {min(lengths)} to {max(lengths)} tokens, "
        f"{shared_length(questions_of(prompts))} shared; {arguments.batch} rows, {arguments.max_tokens} new tokens"
    )
    ways: dict[str, Callable[[], Tokens]] = {
        "generate": lambda: by_generate(model, prompts, arguments.batch, arguments.max_tokens, eos_ids),
        "ours": lambda: by_answer(fast, policy.tokenizer, prompts, arguments.batch, arguments.max_tokens, eos_ids),
    }
    if arguments.plain:
        ways["ours, plain model"] = lambda: by_answer(
            model, policy.tokenizer, prompts, arguments.batch, arguments.max_tokens, eos_ids
        )
    all_prompts = prompts[:]
    for way in ways.values():  # one short round, so that no first use is timed
        del prompts[2:]
        way()
        prompts[:] = all_prompts
    timings: dict[str, list[Timing]] = {name: [] for name in ways}
    for repeat in range(arguments.repeats):
        for name in list(ways)[:: 1 if repeat % 2 == 0 else -1]:
            timings[name].append(timed(ways[name]))
    report(timings)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data")
    parser.add_argument("--benchmark", default="gsm8k")
    parser.add_argument("--template", default="boxed-chat")
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--even", action="store_true")
    parser.add_argument("--plain", action="store_true")
    return parser.parse_args()


def questions_of(prompts: list[tuple[int, ...]]) -> list[Any]:
    """Prompts as the decoder takes them."""
    from polymath.rollouts.answer import Question

    return [Question(token_ids=prompt) for prompt in prompts]


def by_answer(
    model: Any, tokenizer: Any, prompts: list[tuple[int, ...]], batch: int, max_tokens: int, eos_ids: list[int]
) -> Tokens:
    """What our decoder says to each prompt."""
    from polymath.rollouts.answer import Answer, answer
    from polymath.rollouts.policy import Sampling

    said: Tokens = {}

    def keep(question: int, draw: int, found: Answer) -> None:
        said[question] = found.token_ids

    sampling = Sampling(temperature=0, max_tokens=max_tokens)
    questions = questions_of(prompts)
    answer(model, tokenizer, questions, sampling, batch_rows=batch, eos_ids=eos_ids, on_answer=keep)
    return said


def by_generate(model: Any, prompts: list[tuple[int, ...]], batch: int, max_tokens: int, eos_ids: list[int]) -> Tokens:
    """What transformers' generate says to each prompt, cut after the end of sequence."""
    import torch

    from polymath.rollouts.decode import pad_left

    said: Tokens = {}
    order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
    for start in range(0, len(order), batch):
        places = order[start : start + batch]
        ids, mask = pad_left([prompts[place] for place in places], model.device)
        model.generation_config.eos_token_id = eos_ids or None
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=max_tokens, do_sample=False, pad_token_id=0
            )
        for place, row in zip(places, out[:, ids.shape[1] :].tolist(), strict=True):
            ends = [at for at, token in enumerate(row) if token in eos_ids]
            said[place] = tuple(row[: ends[0] + 1] if ends else row)
    return said


def timed(way: Callable[[], Tokens]) -> Timing:
    """Run once."""
    wall, cpu = time.perf_counter(), time.process_time()
    said = way()
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    return Timing(num_tokens=sum(map(len, said.values())), wall_s=wall_s, cpu_s=cpu_s, said=said)


def report(timings: dict[str, list[Timing]]) -> None:
    """Tokens a second of every repeat, their medians, and the ratios to generate of the same repeat."""
    base = timings["generate"]
    for name, runs in timings.items():
        for unit, seconds in (("wall", [run.wall_s for run in runs]), ("CPU", [run.cpu_s for run in runs])):
            base_s = [run.wall_s if unit == "wall" else run.cpu_s for run in base]
            speeds = [run.num_tokens / time_s for run, time_s in zip(runs, seconds, strict=True)]
            base_speeds = [run.num_tokens / time_s for run, time_s in zip(base, base_s, strict=True)]
            ratios = [mine / other for mine, other in zip(speeds, base_speeds, strict=True)]
            print(
                f"{name:18s} tokens a {unit} second {statistics.median(speeds):7.1f} "
                f"({', '.join(f'{speed:.1f}' for speed in speeds)}); "
                f"ratio {statistics.median(ratios):.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})"
            )
        equal = sum(runs[0].said[place] == base[0].said[place] for place in base[0].said)
        print(
            f"{'':18s} {runs[0].num_tokens} tokens; {equal} of {len(base[0].said)} answers equal generate's; repeats "
            f"{'agree' if all(run.said == runs[0].said for run in runs) else 'differ'}"
        )


if __name__ == "__main__":
    main()
