"""polymath ablate: a recipe over a grid of its keys, one complete run for every combination, one table."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from polymath.cli.options import (
    JsonOption,
    ModelOption,
    OutOption,
    RecipeArgument,
    ResumeOption,
    SampleOption,
    SetOption,
    app,
    print_json,
)


@app.command()
def ablate(
    recipe: RecipeArgument = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", help="key=v1,v2; may be repeated, for every combination. Default: the recipe's arms"),
    ] = None,
    seeds: Annotated[str | None, typer.Option("--seeds", help="1,2,3: all of it with each of these seeds")] = None,
    sample: SampleOption = None,
    model: ModelOption = None,
    set_: SetOption = None,
    out: OutOption = None,
    resume: ResumeOption = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="arms and seeds that run at once")] = 1,
    json_: JsonOption = False,
) -> None:
    """Run a recipe over a grid of its keys, or its arms, and print what each is worth."""
    from polymath import api
    from polymath.cli.stages import read_recipe_option
    from polymath.reporting.ablation import ablation_table, summarize_ablation

    chosen = read_recipe_option(recipe, sample, model, set_)
    folder = api.ablate(chosen, grid=grid or (), seeds=_read_seeds(seeds), out=out, resume=resume, jobs=jobs)
    if json_:
        print_json(summarize_ablation(folder))
        return
    Console().print(ablation_table(folder))
    print(f"run     {folder.path}\nreport  {folder.report_path}")


def _read_seeds(text: str | None) -> tuple[int, ...]:
    from polymath.errors import RecipeError

    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise RecipeError("--seeds", f"{text!r} is not a list of seeds", "write it as --seeds 1,2,3") from None
