"""polymath features: what selectors need of a model's insides, its hidden states and its gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polymath.cli.options import JsonOption, app, print_json


@app.command()
def features(
    pool: Annotated[str, typer.Argument(help="JSONL, parquet, CSV, hub id, run folder, library sample or lab:60")],
    model: Annotated[str, typer.Option("--model", help="model directory, hub id, checkpoint or lab; no endpoint")],
    what: Annotated[str, typer.Option("--what", help="hidden (shift, hes) or gradients (grad_align, learn_align)")],
    out: Annotated[Path, typer.Option("--out", help="folder to make; both kinds may share it")],
    validation: Annotated[
        str | None, typer.Option(help="gradients: suite, benchmark or .jsonl whose disciplines grad_align aims at")
    ] = None,
    data: Annotated[str | None, typer.Option(help="directory with the benchmark files; default: the hub")] = None,
    validation_limit: Annotated[
        int | None, typer.Option(min=1, help="validation problems a benchmark, drawn with a fixed seed")
    ] = None,
    num_draws: Annotated[int, typer.Option("--n", min=2, help="gradients: responses a sample, at temperature 1")] = 8,
    params: Annotated[
        str, typer.Option(help="gradients of: last_layer (decoder layer), lm_head, lora or all")
    ] = "last_layer",
    proj_dim: Annotated[int, typer.Option(min=0, help="dimension a gradient is projected to; 0 keeps it whole")] = 512,
    limit: Annotated[int | None, typer.Option(min=1, help="the first so many rows of the pool only")] = None,
    columns: Annotated[str | None, typer.Option(help="question=COLUMN,answer=COLUMN")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="tokens a response")] = None,
    template: Annotated[str | None, typer.Option(help="prompt template name; the trainer's. Default plain")] = None,
    template_file: Annotated[str | None, typer.Option(help="your own template, with {question} in it")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or bfloat16 computation. Default float32")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="processor threads; default: those that are free, on --resume as before")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="seed of draws and projection. Default 0")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with what was computed before")] = False,
    json_: JsonOption = False,
) -> None:
    """Hidden states or policy gradients of every sample of a pool, and the scores of selectors that rest on them."""
    from polymath.evaluating import Settings
    from polymath.reporting.pools import tell_features
    from polymath.selecting.features import Wanted, compute_features
    from polymath.selecting.probing import open_pool

    wanted = Wanted(
        what=what,
        num_draws=num_draws,
        params=params,
        proj_dim=proj_dim,
        validation=validation,
        data=data,
        validation_limit=validation_limit,
    )
    settings = Settings(
        max_tokens=max_tokens,
        template=template,
        template_file=template_file,
        dtype=dtype,
        device=device,
        threads=threads or "auto",
        seed=seed,
    )
    found = open_pool(pool, columns, limit)
    summary = compute_features(
        {row.index: row.sample for row in found.rows}, model, settings, wanted, out, resume=resume
    )
    summary = {"pool": found.source, "num_set_aside": len(found.set_aside), **summary}
    if json_:
        print_json(summary)
        return
    print("\n".join(tell_features(summary)))
