"""docs/scale.md: capacity on paper, from doctoring.scale alone.

python -m polymath.doctoring.scale_page > docs/scale.md
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from polymath.doctoring.decoders import DECODERS
from polymath.doctoring.devices import DEVICES
from polymath.doctoring.memory import tell
from polymath.doctoring.scale import SOURCES, Assumptions, Cup, Estimate, Load, estimate, tournament

# The load of the one-shot paper's run (arXiv 2504.20571): 128 groups of 8, responses of up to 3,072 tokens.
PAPER = Load(
    num_groups=128,
    group_size=8,
    prompt_tokens=200,
    max_tokens=3072,
    num_steps=1000,
    micro_batch_tokens=6144,
    has_reference=True,
)
RUNS = (
    ("Qwen2.5-1.5B", "h100", 1),
    ("Qwen2.5-1.5B", "a100", 8),
    ("Qwen2.5-1.5B", "h100", 8),
    ("Qwen2.5-7B", "h100", 2),
    ("Qwen2.5-7B", "a100", 8),
    ("Qwen2.5-7B", "h100", 8),
    ("Qwen2.5-32B", "h100", 8),
    ("Qwen2.5-32B", "h100", 32),
    ("Qwen2.5-72B", "h100", 16),
    ("Qwen2.5-72B", "h100", 32),
    ("Qwen2.5-72B", "h100", 64),
    ("Qwen2.5-72B", "h200", 64),
    ("Llama-3.1-70B", "h100", 64),
)
RUN_HEAD = "model|devices|update|rollout|sampler|rollout s|score s|update s|sync s|step s|hours|device hours"
RUN_HEAD += "|weights moved a step"
# A tournament: short trials of a small load, each on one device.
TRIAL = replace(PAPER, num_groups=16, max_tokens=1024, has_reference=False, micro_batch_tokens=4096)
NUM_CANDIDATES, NUM_ANSWERS = 10_000, 200
RUNGS, KEEP = (10, 20, 40, 80, 160), 0.25
CUPS = (("Qwen2.5-0.5B", "h100", 8), ("Qwen2.5-0.5B", "h100", 64), ("Qwen2.5-1.5B", "h100", 64))
CUP_HEAD = "model|devices|steps|step s|evaluations|device hours|days|checkpoints that wait"


def page() -> str:
    """The whole page, in Markdown."""
    source = (files("polymath.doctoring") / "templates" / "scale.md.j2").read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    one = estimate(DECODERS["Qwen2.5-1.5B"], PAPER, DEVICES["h100"], 8)
    cups = [(model, device, number, *_cup(model, device, number)) for model, device, number in CUPS]
    return environment.from_string(source).render(
        models=list(DECODERS),
        assumptions=_assumptions(),
        devices=_devices(),
        load=PAPER,
        runs=_table(RUN_HEAD, (_run(*run, estimate(DECODERS[run[0]], PAPER, DEVICES[run[1]], run[2])) for run in RUNS)),
        response_tokens=one.response_tokens,
        all_tokens=one.response_tokens + PAPER.num_rollouts * PAPER.prompt_tokens,
        rollouts_moved=tell(one.moved["rollouts to trainer"]),
        num_candidates=NUM_CANDIDATES,
        rungs=RUNGS,
        keep=KEEP,
        entered=[f"{number:,}" for number in cups[0][5].entered],
        trial=TRIAL,
        problems=NUM_ANSWERS,
        every=NUM_CANDIDATES * RUNGS[-1],
        cups=_table(CUP_HEAD, (_cup_row(*cup) for cup in cups)),
        fixed_s=f"{Assumptions().fixed_s:g}",
    )


def _assumptions() -> str:
    values = asdict(Assumptions())
    return _table(
        "assumption|value|where it is from",
        ((name, tell(value) if name == "buffers" else f"{value:g}", SOURCES[name]) for name, value in values.items()),
    )


def _devices() -> str:
    rows = (
        (
            name,
            device.name,
            tell(device.memory),
            f"{device.bandwidth / 1e12:.3g} TB/s",
            f"{device.flops / 1e12:.3g} TFLOP/s",
            f"{device.network / 1e9:.3g} GB/s",
        )
        for name, device in DEVICES.items()
    )
    return _table("--device|device|memory|bandwidth|dense bfloat16|network each", rows)


def _run(model: str, device: str, num_devices: int, found: Estimate) -> tuple[str, ...]:
    update, rollout = (tell(sum(found.memory[phase].values())) for phase in ("update", "rollout"))
    name = _name(device, num_devices)
    if not found.fits:
        return (model, name, update, rollout, "**does not fit**", *["–"] * 8)
    return (
        model,
        name,
        update,
        rollout,
        f"{found.tensor_parallel}, {found.at_once:,}",
        *(f"{found.seconds[part]:.3g}" for part in ("rollout", "score", "update", "sync")),
        f"{found.step_s:.3g}",
        f"{found.hours:.3g}",
        f"{found.device_hours:,.0f}",
        tell(found.moved["weights to samplers"]),
    )


def _cup(model: str, device: str, num_devices: int) -> tuple[Estimate, float, Cup]:
    """A trial, the seconds of its evaluation, the tournament."""
    shape, one = DECODERS[model], DEVICES[device]
    trial = estimate(shape, TRIAL, one, 1)
    answers = replace(TRIAL, num_groups=1, group_size=NUM_ANSWERS)
    evaluation_s = estimate(shape, answers, one, 1).seconds["rollout"]
    cup = tournament(
        trial,
        shape,
        num_candidates=NUM_CANDIDATES,
        rungs=RUNGS,
        keep=KEEP,
        evaluation_s=evaluation_s,
        devices_a_trial=1,
        num_devices=num_devices,
    )
    return trial, evaluation_s, cup


def _cup_row(
    model: str, device: str, num_devices: int, trial: Estimate, evaluation_s: float, cup: Cup
) -> tuple[str, ...]:
    return (
        model,
        _name(device, num_devices),
        f"{cup.steps:,}",
        f"{trial.step_s:.3g}",
        f"{cup.evaluations:,} of {evaluation_s:.3g} s",
        f"{cup.device_hours:,.0f}",
        f"{cup.hours / 24:.3g}",
        tell(cup.stored),
    )


def _name(device: str, num_devices: int) -> str:
    return f"{num_devices} {DEVICES[device].name.split()[0]}"


def _table(head: str, rows: Iterable[Sequence[str]]) -> str:
    columns = head.split("|")
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


if __name__ == "__main__":
    print(page(), end="")
