"""polymath probe: what a model does with the rows of a pool, before any training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polymath.cli.options import JsonOption, app, print_json


@app.command()
def probe(
    pool: Annotated[str, typer.Argument(help="JSONL, parquet, CSV, hub id, run folder, library sample or lab:60")],
    model: Annotated[str, typer.Option("--model", help="model directory, hub id, checkpoint, lab or endpoint")],
    out: Annotated[Path, typer.Option("--out", help="folder to make")],
    num_draws: Annotated[int, typer.Option("--n", min=2, help="responses a sample")] = 16,
    temperature: Annotated[float, typer.Option(min=0.01, help="of the draws; the trainer's")] = 1.0,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="tokens a response")] = None,
    template: Annotated[
        str | None, typer.Option(help="prompt template name; the trainer's. Default: as in evaluate")
    ] = None,
    template_file: Annotated[str | None, typer.Option(help="your own template, with {question} in it")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the first so many rows of the pool only")] = None,
    columns: Annotated[str | None, typer.Option(help="question=COLUMN,answer=COLUMN")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="responses decoded together. Default 128")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or bfloat16 computation. Default float32")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    seed: Annotated[int | None, typer.Option(min=0, help="seed of the draws. Default 0")] = None,
    served_model: Annotated[str | None, typer.Option(help="endpoint: name of the model it serves")] = None,
    key_env: Annotated[str | None, typer.Option(help="endpoint: environment variable that holds the key")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with what was answered before")] = False,
    json_: JsonOption = False,
) -> None:
    """Draw a few responses to every sample of a pool: pass rate, ways, entropy, distinct wrong answers, truncation."""
    from polymath import api
    from polymath.evaluating import Served
    from polymath.reporting.pools import tell_probe

    summary = api.probe(
        pool,
        model,
        out,
        num_draws=num_draws,
        temperature=temperature,
        columns=columns,
        limit=limit,
        resume=resume,
        max_tokens=max_tokens,
        template=template,
        template_file=template_file,
        batch_size=batch_size,
        dtype=dtype,
        device=device,
        seed=seed,
        served=Served(model=served_model, key_env=key_env),
    )
    if json_:
        print_json(summary)
        return
    print("\n".join(tell_probe(summary)))
