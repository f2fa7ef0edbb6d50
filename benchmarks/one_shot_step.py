"""One training step on one prompt: ours, TRL's GRPOTrainer and a plain loop on transformers, in one run.

    python benchmarks/one_shot_step.py --size lab-16x8|lab-128x8|small|smollm2-106|smollm2-300|gpu [--model DIR]
        [--trained STEPS] [--steps 5] [--rows N ...] [--sweep-steps 2] [--threads 1] [--dtype float32] [--device cpu]
        [--json FILE]
    python benchmarks/one_shot_step.py --linearity [--json FILE]

Each contender is a process of its own (step_contenders/) in TRL's environment, so that torch and transformers are the
same; all load the same weights, in float32 or under bfloat16 autocast. First all compute loss and gradient of the same
responses and must agree. Then TRL and the plain loop try a few micro-batches (and TRL a static cache) for two steps
each, of which the second counts, and the best of each is taken; --rows names the micro-batches, and one alone is taken
without a sweep. Then they take turns, one step at a time, in an order
that turns around; the first step of each warms up and is not counted. Numbers are medians; a ratio is of one turn.
CPU seconds are the process's own: on a shared machine they are steadier than wall-clock seconds.

The bound: what the count of tokens allows. A token that is run forward costs 1 and its backward 2; a step of theirs
runs every row with its prompt and its padding, ours the prompt once and every distinct beginning once. The bound is
their count over ours; "reached" is the measured ratio over it. It knows nothing of attention, of the head's share, or
of how much dearer a token is that is decoded than one of many that are read.

--trained N first trains the lab's model for N steps by recipes/lab.toml (kept under build/): late in training most
responses are equal. The lab's responses end when they end; the other models' never do, so that every contender says
the same number of tokens. --linearity measures ours alone, over rollouts, lengths and prompts.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
LAB = ROOT / "src" / "polymath" / "lab" / "weights"
CONTENDERS = ("ours", "trl", "plain")
SWEEP = (256, 128, 64, 32, 16, 8)  # rollouts of a micro-batch
GRADIENT_TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}
MIB = 1 << 20

# model, prompt tokens (0: the lab's sample), groups, rollouts a group, tokens a response, responses end.
SIZES: dict[str, dict[str, Any]] = {
    "lab-16x8": {"model": str(LAB), "prompt_tokens": 0, "num_groups": 16, "max_tokens": 96, "has_ends": True},
    "lab-128x8": {"model": str(LAB), "prompt_tokens": 0, "num_groups": 128, "max_tokens": 96, "has_ends": True},
    "small": {"model": "random", "prompt_tokens": 106, "num_groups": 8, "max_tokens": 32, "has_ends": False},
    "smollm2-106": {"model": None, "prompt_tokens": 106, "num_groups": 8, "max_tokens": 64, "has_ends": False},
    "smollm2-300": {"model": None, "prompt_tokens": 300, "num_groups": 8, "max_tokens": 64, "has_ends": False},
    "gpu": {"model": None, "prompt_tokens": 106, "num_groups": 128, "max_tokens": 512, "has_ends": False},
}


class Contender:
    """A process that takes a step when told to."""

    def __init__(self, name: str, python: Path, settings: dict[str, Any]) -> None:
        self.name, self.settings = name, settings
        setup = json.dumps({**settings, "contender": name})
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "OMP_NUM_THREADS": str(settings["threads"]),
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONWARNINGS": "ignore",
        }
        self.log = (ROOT / "build" / f"one-shot-step-{name}.log").open("w")
        self.process = subprocess.Popen(
            [python, HERE / "step_contenders", setup],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=environment,
        )

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended: see {self.log.name}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def quit(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


@contextmanager
def running(python: Path, names: Sequence[str], settings: dict[str, dict[str, Any]]) -> Iterator[list[Contender]]:
    """These contenders, ended afterwards whatever happens."""
    contenders: list[Contender] = []
    try:
        contenders.extend(Contender(name, python, settings[name]) for name in names)
        yield contenders
    finally:
        for contender in contenders:
            contender.quit()


def same_gradient(contenders: Sequence[Contender], settings: dict[str, Any]) -> None:
    """All compute loss and gradient of the same random responses; raises SystemExit where they do not agree."""
    rng = random.Random(0)
    # Ids that every vocabulary here has. Some begin alike and two are equal, with other advantages.
    beginnings = [[rng.randrange(5, 40) for _ in range(4)] for _ in range(3)]
    responses = [
        [*rng.choice(beginnings), *(rng.randrange(5, 40) for _ in range(rng.randint(1, settings["max_tokens"] - 4)))]
        for _ in range(7)
    ]
    responses.append(responses[0])
    advantages = [rng.gauss(0, 1) for _ in responses]
    found = {one.name: one.ask(do="check", token_ids=responses, advantages=advantages) for one in contenders}
    ours = found["ours"]
    print(
        "the same loss on the same 8 responses (loss, length of the gradient, its distance from ours over that length):"
    )
    worst = 0.0
    for name, other in found.items():
        # Of random signs the mean squared product is the squared length.
        squares = [(one - two) ** 2 for one, two in zip(other["products"], ours["products"], strict=True)]
        distance = math.sqrt(statistics.mean(squares)) / ours["norm"]
        worst = max(worst, distance, abs(other["norm"] - ours["norm"]) / ours["norm"])
        print(f"  {name:6s} {other['loss']:+.6f}  {other['norm']:.6f}  {distance:.1e}")
    if worst > GRADIENT_TOLERANCE[settings["dtype"]]:
        raise SystemExit(f"they do not train the same thing: {worst:.1e}")


def sweep(python: Path, name: str, settings: dict[str, Any], rows: Sequence[int], num_steps: int) -> dict[str, Any]:
    """The fastest of a few settings of one contender: of the steps of each the last one counts."""
    total = settings["num_groups"] * settings["group_size"]
    tried: list[dict[str, Any]] = [{"rows": count, "cache": None} for count in rows if count <= total]
    best: tuple[float, dict[str, Any]] | None = None
    if name == "trl":
        tried.append({"rows": None, "cache": "static"})
    for change in tried:
        if change["rows"] is None and best is not None:  # the static cache with the best micro-batch
            change["rows"] = best[1]["rows"]
        trial = {**settings, **change}
        with running(python, [name], {name: trial}) as (contender,):
            seconds = [contender.ask(do="step")["seconds"] for _ in range(num_steps)][-1]
        cache = change["cache"] or "dynamic"
        print(f"  {name}: micro-batches of {change['rows']} rollouts, {cache} cache: {seconds:.2f} s", flush=True)
        if best is None or seconds < best[0]:
            best = (seconds, trial)
    assert best is not None
    return best[1]


def take_turns(
    contenders: Sequence[Contender], num_steps: int, num_warming: int = 1
) -> dict[str, list[dict[str, Any]]]:
    """Steps of each contender, one after another, in an order that turns around; the first ones are left out."""
    taken: dict[str, list[dict[str, Any]]] = {one.name: [] for one in contenders}
    for turn in range(num_steps + num_warming):
        for contender in contenders if turn % 2 == 0 else contenders[::-1]:
            taken[contender.name].append(contender.ask(do="step"))
            seconds = taken[contender.name][-1]["seconds"]
            print(
                f"  turn {turn} {contender.name:6s} {seconds:8.2f} s{'  (warm-up)' if turn < num_warming else ''}",
                flush=True,
            )
    return {name: steps[num_warming:] for name, steps in taken.items()}


def count_of(step: dict[str, Any]) -> float:
    """Forward tokens of a step, a backward for two."""
    return float(step["forwards"]["rollout"] + 3 * step["forwards"]["update"])


def report(taken: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Print the table; the numbers in it."""
    head = ("s a step", "least", "most", "CPU s", "rollout", "judge", "update", "tokens", "tok/s", "peak MiB")
    print(" " * 6 + "".join(f"{name:>10s}" for name in (*head, "for steps", "reward")))
    table: dict[str, Any] = {}
    for name, steps in taken.items():
        table[name] = row = summarize(steps)
        seconds = row["all_seconds"]
        times = (row["seconds"], min(seconds), max(seconds), row["cpu_seconds"], *row["phases"].values())
        memory = (row["peak_bytes"] / MIB, row["peak_above_loaded_bytes"] / MIB)
        sizes = (row["tokens"], row["tokens_per_s"], *memory)
        cells = [*(f"{value:10.2f}" for value in times), *(f"{value:10.0f}" for value in sizes)]
        print(f"{name:6s}{''.join(cells)}{middle(steps, 'reward'):10.3f}")
    for name in list(taken)[1:]:
        table[f"ratio_{name}"] = compare_steps(name, list(zip(taken["ours"], taken[name], strict=True)))
    return table


def middle(steps: Sequence[dict[str, Any]], key: str) -> float:
    """The median of one measure."""
    return statistics.median(step[key] for step in steps)


def summarize(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The steps of one contender: medians, peaks, and what single steps ran forward."""
    return {
        "seconds": middle(steps, "seconds"),
        "all_seconds": [step["seconds"] for step in steps],
        "cpu_seconds": middle(steps, "cpu_seconds"),
        "phases": {key: statistics.median(step["phases"][key] for step in steps) for key in steps[0]["phases"]},
        "tokens": middle(steps, "num_tokens"),
        "tokens_per_s": statistics.median(step["num_tokens"] / step["seconds"] for step in steps),
        "peak_bytes": max(step["peak"] for step in steps),
        "peak_above_loaded_bytes": max(step["peak"] - step["loaded"] for step in steps),
        "forwards": [step["forwards"] for step in steps],
        "distinct": [step.get("num_distinct") for step in steps],
    }


def compare_steps(name: str, pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """Print how much faster ours was, turn by turn, and what the count of tokens allows; the numbers in it."""
    ratios = [other["seconds"] / mine["seconds"] for mine, other in pairs]
    cpu_ratio = statistics.median(other["cpu_seconds"] / mine["cpu_seconds"] for mine, other in pairs)
    ratio, bound = statistics.median(ratios), statistics.median(count_of(o) / count_of(m) for m, o in pairs)
    by_phase = "; ".join(
        f"{phase} {statistics.median(o['phases'][phase] / m['phases'][phase] for m, o in pairs):.2f} "
        f"of {statistics.median(o['forwards'][phase] / m['forwards'][phase] for m, o in pairs):.2f}"
        for phase in ("rollout", "update")
    )
    print(
        f"ours is {ratio:.2f} times as fast as {name} ({min(ratios):.2f} to {max(ratios):.2f}; in CPU seconds "
        f"{cpu_ratio:.2f}); the count of tokens allows {bound:.2f}: {ratio / bound:.0%} reached. "
        f"By phase: {by_phase}"
    )
    return {"median": ratio, "all": ratios, "cpu": cpu_ratio, "bound": bound}


def linearity(python: Path, settings: dict[str, Any], num_steps: int) -> list[dict[str, Any]]:
    """Seconds of ours over rollouts, response lengths, and prompt lengths at two numbers of rollouts."""
    cases = [
        *({"over": "rollouts", "num_groups": groups} for groups in (2, 4, 8, 16, 32)),
        *({"over": "tokens", "max_tokens": tokens} for tokens in (16, 32, 64, 128, 256)),
        *(
            {"over": "prompt", "num_groups": groups, "prompt_tokens": length}
            for groups in (2, 8)
            for length in (50, 200, 400, 800)
        ),
    ]
    found = []
    for case in cases:
        trial = {**settings, **{key: value for key, value in case.items() if key != "over"}}
        with running(python, ["ours"], {"ours": trial}) as (contender,):
            steps = [contender.ask(do="step") for _ in range(num_steps + 1)][1:]
        # On a CPU the process's own seconds: they do not count what else the machine does.
        clock = "cpu_seconds" if settings["device"] == "cpu" else "seconds"
        seconds = statistics.median(step[clock] for step in steps)
        row = {
            "over": case["over"],
            "rollouts": trial["num_groups"] * trial["group_size"],
            "tokens": trial["max_tokens"],
            "prompt_tokens": trial["prompt_tokens"],
            "clock": clock,
            "seconds": seconds,
            "all_seconds": [step[clock] for step in steps],
            "phases": {key: statistics.median(step["phases"][key] for step in steps) for key in steps[0]["phases"]},
        }
        found.append(row)
        print(
            f"  {row['over']:8s} {row['rollouts']:5d} rollouts x {row['tokens']:4d} tokens, prompt "
            f"{row['prompt_tokens']:4d}: {seconds:.3f} s",
            flush=True,
        )
    for over, key in (("rollouts", "rollouts"), ("tokens", "tokens")):
        rows = [row for row in found if row["over"] == over]
        slope = math.log(rows[-1]["seconds"] / rows[1]["seconds"]) / math.log(rows[-1][key] / rows[1][key])
        print(f"cost grows with {key} to the power {slope:.2f}, from {rows[1][key]} to {rows[-1][key]}")
    for num_rollouts in sorted({row["rollouts"] for row in found if row["over"] == "prompt"}):
        rows = [row for row in found if row["over"] == "prompt" and row["rollouts"] == num_rollouts]
        more = (rows[-1]["seconds"] - rows[0]["seconds"]) / (rows[-1]["prompt_tokens"] - rows[0]["prompt_tokens"])
        print(f"a further token of the prompt costs {1e3 * more:.2f} ms a step with {num_rollouts} rollouts")
    return found


def trained_lab(num_steps: int, threads: int) -> Path:
    """The lab's model after this many steps of its recipe, kept under build/."""
    folder = ROOT / "build" / f"one-shot-step-lab-{num_steps}"
    weights = folder / "checkpoints" / f"step-{num_steps}"
    if not (weights / "checkpoint.json").exists():
        print(f"training the lab's model for {num_steps} steps into {folder} ...", flush=True)
        program = (
            "import sys, torch\n"
            "from polymath.engines.local import train\n"
            "from polymath.jobs import load_policy\n"
            "from polymath.recipe import read_recipe\n"
            "from polymath.runs import RunFolder\n"
            "from polymath.samples.sources import load_samples\n"
            "steps, threads = int(sys.argv[3]), int(sys.argv[4])\n"
            "recipe = read_recipe(sys.argv[1], [f'train.num_steps={steps}', f'train.save_every={steps}'])\n"
            "policy = load_policy('lab', device='cpu', dtype='float32', threads=threads)\n"
            "train(recipe, load_samples(recipe.sample), policy, RunFolder(sys.argv[2]))\n"
        )
        arguments = [ROOT / "recipes" / "lab.toml", folder, str(num_steps), str(threads)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": str(threads)}
        subprocess.run([sys.executable, "-c", program, *arguments], check=True, env=environment)
    return weights


def make_python(given: Path | None) -> Path:
    """The Python with TRL in it: the one that is given, or that of benchmarks/parity's environment."""
    if given is not None:
        return given
    spec = importlib.util.spec_from_file_location("parity", HERE / "parity" / "__main__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Path(module.make_environment("trl", ROOT / "build" / "parity-trl"))


def describe_machine(python: Path, settings: dict[str, Any]) -> str:
    """Processor, threads and versions."""
    names = ("torch", "transformers", "trl", "accelerate")
    program = f"from importlib.metadata import version; print(', '.join(n + ' ' + version(n) for n in {names}))"
    versions = subprocess.run([python, "-c", program], check=True, capture_output=True, text=True).stdout.strip()
    info = Path("/proc/cpuinfo")
    processor = platform.processor() or platform.machine()
    if info.exists():
        lines = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        processor = lines[0] if lines else processor
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{processor}, {os.cpu_count()} cores{load}, {settings['threads']} threads, {settings['device']}, "
        f"{settings['dtype']}; Python {platform.python_version()}, {versions}"
    )


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=list(SIZES), default="lab-16x8")
    parser.add_argument("--model", help="directory of a model, for the sizes of SmolLM2, or instead of the lab's")
    parser.add_argument("--trained", type=int, help="train the lab's model so many steps first")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=1, help="first steps of each that are not counted")
    parser.add_argument(
        "--rows", type=int, nargs="+", default=SWEEP, help="micro-batches of TRL and the plain loop; one: no sweep"
    )
    parser.add_argument("--sweep-steps", type=int, default=2, help="steps of each setting; the last one counts")
    parser.add_argument("--micro-batch-tokens", type=int, help="train.micro_batch_tokens of ours, default the recipe's")
    parser.add_argument("--groups", type=int)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--prompt-tokens", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--without", nargs="*", default=[], choices=["trl", "plain"])
    parser.add_argument("--python", type=Path, help="a Python with TRL in it; made under build/ by default")
    parser.add_argument("--linearity", action="store_true")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = parse()
    (ROOT / "build").mkdir(exist_ok=True)
    python = make_python(options.python)
    size = dict(SIZES["small" if options.linearity else options.size])
    changes = {"num_groups": options.groups, "max_tokens": options.max_tokens, "prompt_tokens": options.prompt_tokens}
    size.update({key: value for key, value in changes.items() if value is not None})
    size["model"] = options.model or size["model"]
    if options.trained:
        size["model"] = str(trained_lab(options.trained, options.threads))
    if size["model"] is None:
        raise SystemExit(f"--size {options.size} needs --model DIR, a directory with SmolLM2-135M")
    common = {"dtype": options.dtype, "device": options.device, "threads": options.threads}
    settings = {**size, **common, "group_size": 8, "rows": 8, "learning_rate": 1e-6}
    settings["micro_batch_tokens"] = options.micro_batch_tokens
    print(describe_machine(python, settings))
    written: dict[str, Any] = {"machine": describe_machine(python, settings), "settings": settings}
    if options.linearity:
        written["rows"] = linearity(python, settings, options.steps)
    else:
        written["table"] = compare(python, settings, options)
    if options.json:
        options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


def compare(python: Path, settings: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """The whole comparison of one size."""
    total = settings["num_groups"] * settings["group_size"]
    print(
        f"{Path(settings['model']).name}: {settings['num_groups']} groups of {settings['group_size']}, up to "
        f"{settings['max_tokens']} tokens, prompt of {settings['prompt_tokens'] or 'the lab'}",
        flush=True,
    )
    names = [name for name in CONTENDERS if name not in options.without]
    of_each = {name: dict(settings) for name in names}
    with running(python, names, of_each) as contenders:
        same_gradient(contenders, settings)
    for name in names[1:]:
        if len(options.rows) == 1:
            of_each[name]["rows"] = min(options.rows[0], total)
        else:
            of_each[name] = sweep(python, name, settings, options.rows, options.sweep_steps)
    with running(python, names, of_each) as contenders:
        table = report(take_turns(contenders, options.steps, options.warm_up))
    return {**table, "rows": {name: (one["rows"], one.get("cache")) for name, one in of_each.items()}}


if __name__ == "__main__":
    main()
