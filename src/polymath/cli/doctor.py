"""polymath doctor: before the first step, does it fit, will it learn, what will it cost?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from polymath.cli.options import JsonOption, ModelOption, SampleOption, SetOption, app, print_json
from polymath.errors import RecipeError

MARKS = {"yes": "ok", "no": "NO", "warning": "look", "unknown": "?"}


@app.command()
def doctor(
    recipe: Annotated[Path, typer.Argument(help="recipe (TOML)")],
    sample: SampleOption = None,
    model: ModelOption = None,
    set_: SetOption = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="directory with a config.json: arithmetic alone, nothing is loaded")
    ] = None,
    memory: Annotated[
        str | None, typer.Option("--memory", help="as if there were so much: 24GB, 80GiB. Default: what is free here")
    ] = None,
    groups: Annotated[int, typer.Option("--groups", min=1, help="groups that the probe draws, and learns from")] = 4,
    no_probe: Annotated[bool, typer.Option("--no-probe", help="draw nothing; groups are judged by arithmetic")] = False,
    devices: Annotated[
        int | None, typer.Option("--devices", min=1, help="on so many GPUs, on paper: docs/scale.md; nothing is loaded")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="with --devices: a100, h100 or h200")] = "h100",
    json_: JsonOption = False,
) -> None:
    """Answer before the first step: memory and a micro-batch that fits, whether groups differ, how long it takes."""
    from polymath import api
    from polymath.cli.stages import read_recipe_option

    chosen = read_recipe_option(recipe, sample, model, set_)
    if devices is not None and memory is not None:
        raise RecipeError("--memory", "has no meaning with --devices", "name the --device")
    found = api.doctor(
        chosen, config=config, memory=memory, num_groups=0 if no_probe else groups, devices=devices, device=device
    )
    if json_:
        print_json(found)
    else:
        _show(found)
    if not found["healthy"]:
        raise typer.Exit(1)


def _show(found: dict[str, Any]) -> None:
    if "scale" in found:
        from polymath.doctoring.at_scale import lines

        print("\n".join(lines(found)))
    else:
        _show_memory(found)
    for finding in found["findings"]:
        print(f"{MARKS[finding['answer']]:4}  {finding['check']}: {finding['detail']}")
    print("healthy" if found["healthy"] else "not healthy: see NO above")


def _show_memory(found: dict[str, Any]) -> None:
    from polymath.doctoring.memory import tell

    memory = found["memory"]
    for phase, parts in memory["phases"].items():
        print(f"{phase:10} {tell(sum(parts.values())):>9}  = " + " + ".join(f"{n} {tell(b)}" for n, b in parts.items()))
    fits = memory["micro_batch_tokens"]["fits"]
    most = memory["micro_batch_tokens"]["most_used"]
    if memory["available_bytes"] is not None:
        told = "none" if fits is None else f"up to {fits} of the {most} that an update has at most"
        print(f"{'fits':10} train.micro_batch_tokens: {told}")
