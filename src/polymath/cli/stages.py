"""run, train, report, judge, schema: the main job and its stages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

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
    print_result,
)


@app.command()
def run(
    recipe: RecipeArgument = None,
    sample: SampleOption = None,
    model: ModelOption = None,
    set_: SetOption = None,
    out: OutOption = None,
    resume: ResumeOption = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="arms and seeds that run at once")] = 1,
    json_: JsonOption = False,
) -> None:
    """Evaluate the base, train on the sample, evaluate again, write the report."""
    from polymath import api
    from polymath.reporting import result_table, summarize_run

    chosen = read_recipe_option(recipe, sample, model, set_)
    folder = api.run(chosen, out=out, resume=resume, jobs=jobs)
    if json_:
        print_json(summarize_run(folder))
        return
    Console().print(result_table(folder))
    print(f"run     {folder.path}\nreport  {folder.report_path}")


@app.command()
def train(
    recipe: RecipeArgument = None,
    sample: SampleOption = None,
    model: ModelOption = None,
    set_: SetOption = None,
    out: OutOption = None,
    resume: ResumeOption = None,
    json_: JsonOption = False,
) -> None:
    """Train on the sample only: metrics, rollouts, checkpoints."""
    from polymath import api

    chosen = read_recipe_option(recipe, sample, model, set_)
    folder = api.train(chosen, out=out, resume=resume)
    last = folder.read_metrics()[-1]
    result = {"run": str(folder.path), "steps": last["step"]}
    result |= {name: last.get(name) for name in ("reward", "learnable_fraction")}
    print_result(result, json_)


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(help="run folder")],
    json_: JsonOption = False,
) -> None:
    """Write report.html anew from what is in a run folder. Needs no torch."""
    from polymath.reporting import result_table, summarize_run, write_report
    from polymath.runs import RunFolder

    folder = RunFolder(run_folder)
    write_report(folder)
    if json_:
        print_json(summarize_run(folder))
        return
    Console().print(result_table(folder))
    print(f"report  {folder.report_path}")


@app.command()
def judge(
    file: Annotated[Path, typer.Argument(help='JSON lines of {"response", "reference", "answer_type"}; - is stdin')],
    lenient: Annotated[bool, typer.Option("--lenient", help="accept an answer outside a box")] = False,
) -> None:
    """Judge responses against references: one JSON object a line, in input order."""
    from polymath.judge.files import judge_lines

    for verdict in judge_lines(file, mode="lenient" if lenient else "strict"):
        print(json.dumps(verdict, ensure_ascii=False))


@app.command()
def schema() -> None:
    """Print the JSON schema of a recipe."""
    from polymath.recipe import Recipe

    print_json(Recipe.model_json_schema(), indent=2)


def read_recipe_option(path: Path | None, sample: str | None, model: str | None, overrides: list[str] | None) -> Any:
    """The recipe with the command line laid over it; None when only --resume names it."""
    from polymath.errors import RecipeError
    from polymath.recipe import read_recipe

    extra = list(overrides or [])
    extra += [f"sample.use={json.dumps(sample)}"] if sample else []
    extra += [f"model.path={json.dumps(model)}"] if model else []
    if path is None:
        if extra:
            raise RecipeError("--resume", "a run keeps its recipe", "leave --set, --sample and --model out")
        return None
    return read_recipe(path, extra)
