"""What several commands share: the apps, options by their names, and how results are printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Engineer one training sample, train a language model on it, and show honestly what it did.",
)
lab_app = typer.Typer(no_args_is_help=True, help="The petri dish: a generated world and a tiny real language model.")
app.add_typer(lab_app, name="lab")

RecipeArgument = Annotated[Path | None, typer.Argument(help="recipe (TOML); may be left out with --resume")]
SampleOption = Annotated[str | None, typer.Option("--sample", help="sample file or library name")]
ModelOption = Annotated[str | None, typer.Option("--model", help="model directory, hub id, or lab")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="recipe key=value; may be repeated")]
OutOption = Annotated[Path | None, typer.Option("--out", help="folder to make")]
ResumeOption = Annotated[Path | None, typer.Option("--resume", help="run folder to continue")]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON object on stdout and nothing else there")]


def print_json(value: Any, indent: int | None = None) -> None:
    """One JSON object on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=indent))


def print_result(result: dict[str, Any], as_json: bool) -> None:
    """A result for people, or for programs."""
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        if isinstance(value, dict):
            for inner, figures in value.items():
                told = figures if isinstance(figures, dict) else {"": figures}
                said = [f"{key} {figure:.3g}".strip() for key, figure in told.items() if figure is not None]
                print(f"{name:15} {inner:28} " + "  ".join(said))
        else:
            print(f"{name:15} {value:.4g}" if isinstance(value, float) else f"{name:15} {value}")
