"""polymath lab: the petri dish and its recorded experiments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polymath.cli.options import JsonOption, lab_app, print_json, print_result

if TYPE_CHECKING:
    from polymath.types import Sample


@lab_app.command("world")
def lab_world(
    show: Annotated[int, typer.Option(min=1, help="problems to show")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="seed of the draw")] = 0,
    held_out: Annotated[bool, typer.Option("--held-out", help="kinds that the base model never reads")] = False,
    json_: Annotated[bool, typer.Option("--json", help="samples as JSON lines")] = False,
) -> None:
    """Show problems of the generated world, the disciplines in turn."""
    from polymath.lab.world import DISCIPLINES, generate, generate_held_out

    if held_out:
        samples = generate_held_out(show, seed=seed, split="train")
    else:
        rows = -(-show // len(DISCIPLINES))
        columns = generate(rows, seed=seed, split="train")
        samples = [columns[place % len(DISCIPLINES) * rows + place // len(DISCIPLINES)] for place in range(show)]
    for sample in samples:
        print(sample.model_dump_json(exclude_defaults=True) if json_ else _show_problem(sample))


@lab_app.command("draw")
def lab_draw(
    recipe: Annotated[Path, typer.Argument(help="recipe (TOML) that every drawn sample is to be trained with")],
    out: Annotated[Path, typer.Option("--out", help="folder to make")],
    num: Annotated[int, typer.Option(min=2, help="samples to draw")] = 28,
    seed: Annotated[int, typer.Option(min=0, help="seed of the draw")] = 0,
) -> None:
    """Draw random samples from the world, and write a recipe with one arm for each."""
    from polymath import api

    print_result(api.draw_lab_samples(recipe, out, num=num, seed=seed), False)


@lab_app.command("record")
def lab_record(
    experiment: Annotated[str, typer.Argument(help="arms, draws, curves, rates, pass-at-k or ablation")],
    run_folder: Annotated[Path, typer.Argument(help="run folder that holds it")],
    title: Annotated[str, typer.Option(help="one line above the table")] = "",
    command: Annotated[list[str] | None, typer.Option(help="command that made it; default: the run's own")] = None,
    probe: Annotated[Path | None, typer.Option(help="draws: evaluation of the base on the samples")] = None,
    responses: Annotated[list[str] | None, typer.Option(help="pass-at-k: NAME=FILE, the base first")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="file; default: among those that ship")] = None,
) -> None:
    """Turn the run folders of an experiment into a record: tables with recipe, code and weights hashes."""
    from polymath import api

    path = api.record_lab(
        experiment, run_folder, title=title, commands=command, probe=probe, responses=responses or [], out=out
    )
    print(f"record  {path}")


@lab_app.command("confirm")
def lab_confirm(
    run_folder: Annotated[Path, typer.Argument(help="a new run of a record's recipe, arms left out")],
) -> None:
    """After a change of code that should not change results: let records stand whose training comes out the same."""
    from polymath import api

    for name, verdict in api.confirm_records(run_folder).items():
        print(f"{name:12} {verdict}")


@lab_app.command("tables")
def lab_tables(
    figures: Annotated[Path | None, typer.Option(help="write the figures as PNG into this folder too")] = None,
) -> None:
    """Print the recorded experiments as Markdown; docs/lab.md holds this very text."""
    from polymath.lab import recorded_dir
    from polymath.reporting.record_tables import tables
    from polymath.reporting.recorded import read_records
    from polymath.reporting.study_figures import save_figures
    from polymath.runs import telling_disk_errors

    records = read_records(recorded_dir())
    print("\n\n".join(tables(record).strip() for record in records))
    if figures:
        with telling_disk_errors(figures):
            paths = save_figures(records, figures)
        for path in paths:
            print(f"figure  {path}", file=sys.stderr)


@lab_app.command("pretrain")
def lab_pretrain(
    out: Annotated[Path, typer.Argument(help="directory to make")],
    minutes: Annotated[
        float | None, typer.Option(help="rough length; default is the shipped model's number of steps")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of text and weights")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="default: looks at affinity and load")] = None,
    json_: JsonOption = False,
) -> None:
    """Pre-train the lab's tiny model from nothing and measure its base scores."""
    from polymath import api

    card = api.pretrain_lab(out, minutes=minutes, seed=seed, threads=threads)
    print_result({"model": str(out), **card["base_scores"]}, json_)


@lab_app.command("card")
def lab_card() -> None:
    """Print the card of the shipped weights: recipe, seed, hashes, base scores."""
    from polymath.lab import read_card

    print_json(read_card(), indent=2)


@lab_app.command("chat")
def lab_chat(
    model: Annotated[
        str | None, typer.Argument(help="checkpoint or run folder; default: the newest complete lab run in ./runs")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="answers of each model to a problem")] = 1,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 is greedy")] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="tokens a response")] = 96,
    seed: Annotated[int | None, typer.Option(min=0, help="seed of problems and answers; default: a new one")] = None,
    json_: Annotated[bool, typer.Option("--json", help="one JSON object a problem, one a line")] = False,
) -> None:
    """Let the lab's base and a trained model answer your problems side by side."""
    from random import SystemRandom

    from polymath.chat import chat

    chat(
        model,
        num_samples=samples,
        temperature=temperature,
        max_tokens=max_tokens,
        seed=SystemRandom().randrange(1 << 31) if seed is None else seed,
        as_json=json_,
    )


def _show_problem(sample: Sample) -> str:
    tags = [
        ", ".join(sample.disciplines),
        sample.meta["template"],
        "1 line" if sample.level == "1" else f"{sample.level} lines",
        ", ".join(sample.skills),
    ]
    options = "   ".join(f"{letter}) {choice}" for letter, choice in zip("ABCD", sample.choices or (), strict=False))
    lines = [" · ".join(tags), sample.question, *([options] if options else []), f"{sample.solution} [{sample.answer}]"]
    return "\n  ".join(lines) + "\n"
