"""polymath synthesize."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polymath.cli.options import JsonOption, OutOption, SetOption, app, print_json


@app.command()
def synthesize(
    plan: Annotated[Path, typer.Argument(help="plan (TOML): writers, solvers, thresholds, filters, budgets")],
    out: OutOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the replies that are in --out")] = False,
    replay: Annotated[
        Path | None, typer.Option("--replay", help="folder of a recorded synthesis: its replies, nobody is asked")
    ] = None,
    set_: SetOption = None,
    json_: JsonOption = False,
) -> None:
    """Have samples written, keep those on whose answer several solvers agree, and show what became of all others."""
    from polymath import api

    funnel = api.synthesize(plan, overrides=set_ or [], out=out, resume=resume, replay=replay)
    folder, page = Path(funnel["folder"]), funnel["report"]
    if json_:
        shown = {name: funnel[name] for name in ("status", "stages", "rejected", "unfinished", "usage")}
        accepted = funnel["stages"][-1]["num"]
        print_json({"folder": str(folder), "report": page, "accepted": accepted, **shown})
        return
    from rich.console import Console

    from polymath.reporting.synthesis import funnel_table

    Console().print(funnel_table(funnel))
    print(f"folder    {folder}\nsamples   {folder / 'accepted.jsonl'}\nreport    {page}")
