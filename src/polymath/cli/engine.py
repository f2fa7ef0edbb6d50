"""polymath engine: what other engines need, made and looked at."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from polymath.cli.options import JsonOption, app, print_json
from polymath.errors import RecipeError

engine_app = typer.Typer(no_args_is_help=True, help="Environments for engines that need one of their own.")
app.add_typer(engine_app, name="engine")


@engine_app.command()
def install(
    name: Annotated[str, typer.Argument(help="verl")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="virtual environment to make, or to finish")],
    gpu: Annotated[
        bool | None, typer.Option("--gpu/--cpu", help="which builds. Default: GPU where there is an NVIDIA driver")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Make an environment with verl in it; the same command finishes one that was interrupted, or looks at it."""
    if name != "verl":
        raise RecipeError("engine install", f"there is no {name!r} to install", "use verl")
    from polymath.engines.verl.environment import install as install_verl

    made = install_verl(folder, with_gpu=gpu)
    found: dict[str, Any] = {"python": str(made.python), "versions": made.versions}
    if json_:
        print_json(found)
        return
    print(f'engine.python = "{made.python}"')
    print("  ".join(f"{part} {version}" for part, version in made.versions.items() if version), file=sys.stderr)
