"""export: a suite for another harness, or a sample for another trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polymath.cli.evaluation import (
    DataOption,
    LimitOption,
    ProtocolOption,
    SuiteOption,
    TemplateFileOption,
    TemplateOption,
)
from polymath.cli.options import JsonOption, ModelOption, OutOption, SetOption, app, print_json
from polymath.errors import RecipeError

# What the other kind of export alone knows: an option that would be passed over is refused.
OF_SUITES = "suite protocol stop limit data"
OF_SAMPLES = "sample recipe set_ model num_groups group_size"


@app.command()
def export(
    context: typer.Context,
    to: Annotated[str, typer.Option("--to", help="a suite to lm-eval, inspect; a sample to trl, openrlhf ...")],
    sample: Annotated[str | None, typer.Argument(help="sample file or library name; default: the recipe's")] = None,
    out: OutOption = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="recipe (TOML) that says how to train")] = None,
    set_: SetOption = None,
    model: ModelOption = None,
    num_groups: Annotated[int | None, typer.Option(min=1, help="groups a step")] = None,
    group_size: Annotated[int | None, typer.Option(min=2, help="responses a group")] = None,
    suite: SuiteOption = None,
    protocol: ProtocolOption = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="tokens a response")] = None,
    template: TemplateOption = None,
    template_file: TemplateFileOption = None,
    stop: Annotated[list[str] | None, typer.Option(help="a response ends before this text; may be repeated")] = None,
    limit: LimitOption = None,
    data: DataOption = None,
    json_: JsonOption = False,
) -> None:
    """Write a suite for another harness, or a sample for another trainer, judged there by our judge."""
    from polymath.exporting import EXPORTERS, export_order, make_order
    from polymath.exports import EXPORTERS as HARNESSES

    if to in EXPORTERS:
        _refuse(OF_SUITES, f"--to {to}, which takes a sample", context)
        order = make_order(
            sample,
            recipe=recipe,
            overrides=set_ or (),
            model=model,
            template=template,
            template_file=template_file,
            num_groups=num_groups,
            group_size=group_size,
            max_tokens=max_tokens,
        )
        paths = export_order(order, to=to, out=out)
    elif to in HARNESSES:
        from polymath.evaluating import Settings, export_suite

        _refuse(OF_SAMPLES, f"--to {to}, which takes a suite", context)
        if out is None:
            raise RecipeError("--out", "is missing", "name a new or empty folder")
        settings = Settings(
            suite=suite,
            protocol=protocol,
            max_tokens=max_tokens,
            template=template,
            template_file=template_file,
            stop=tuple(stop) if stop else None,
            limit=limit,
            data=data,
        )
        paths = export_suite(settings, to=to, out=out)
    else:
        known = f"{', '.join(HARNESSES)} for a suite, {', '.join(EXPORTERS)} for a sample"
        raise RecipeError("--to", f"there is no {to!r}", f"use {known}")
    if json_:
        print_json({"to": to, "files": [str(path) for path in paths]})
        return
    for path in paths:
        print(f"file    {path}")


def _refuse(names: str, mode: str, context: typer.Context) -> None:
    for name in names.split():
        if context.params[name]:
            option = name.upper() if name == "sample" else f"--{name.strip('_').replace('_', '-')}"
            raise RecipeError(option, f"has no meaning with {mode}", "leave it out")
