"""polymath audit: is this sample worth training on?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from polymath.cli.options import JsonOption, ModelOption, OutOption, app, print_json
from polymath.errors import RecipeError

if TYPE_CHECKING:
    from polymath.auditing import Audit

# Options that do nothing unless this one is given: to pass over them in silence would look like an answer.
ONLY_WITH = {
    "model": "draws group_size num_groups chat max_tokens batch_size dtype device",
    "solver": "served_model key_env attempts solver_max_tokens concurrency price_in price_out",
}
ONLY_WITH_EITHER = "seed no_cache"
# More samples than these are counted; --json and --out tell each.
MAX_SHOWN = 20


@app.command()
def audit(
    context: typer.Context,
    sample: Annotated[
        str, typer.Argument(help="sample file, library name, or a pool (.gz, .parquet, .csv); every sample is audited")
    ],
    model: ModelOption = None,
    draws: Annotated[int, typer.Option(min=1, help="draws of the model a sample, at temperature 1")] = 64,
    group_size: Annotated[int, typer.Option(min=2, help="rollouts a group in the training to come")] = 8,
    num_groups: Annotated[int, typer.Option(min=1, help="groups a step in the training to come")] = 16,
    template: Annotated[str | None, typer.Option(help="prompt template. Default boxed; plain for lab")] = None,
    template_file: Annotated[str | None, typer.Option(help="your own template, with {question} in it")] = None,
    chat: Annotated[bool | None, typer.Option("--chat", help="send your template as a chat message")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="tokens a draw. Default 96 for lab, else 1024")] = None,
    solver: Annotated[str | None, typer.Option(help="address of an endpoint that solves the sample too")] = None,
    served_model: Annotated[str | None, typer.Option(help="solver: name of the model it serves")] = None,
    key_env: Annotated[str | None, typer.Option(help="solver: environment variable that holds the key")] = None,
    attempts: Annotated[int, typer.Option(min=1, help="solver: attempts a sample")] = 8,
    solver_max_tokens: Annotated[int | None, typer.Option(min=1, help="solver: tokens a reply. Default 4096")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="solver: requests at once")] = 8,
    price_in: Annotated[float | None, typer.Option(min=0, help="solver: price of a million prompt tokens")] = None,
    price_out: Annotated[float | None, typer.Option(min=0, help="solver: price of a million answer tokens")] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="suite, benchmark or file the sample must not be in; may be repeated. Default: all in --data"
        ),
    ] = None,
    data: Annotated[str | None, typer.Option(help="directory with the benchmark files")] = None,
    pool: Annotated[str | None, typer.Option(help="pool to look the sample up in")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="draws decoded together. Default 8")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or bfloat16 computation. Default float32")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    seed: Annotated[int | None, typer.Option(min=0, help="seed of the draws. Default 0")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="ask again what was answered before")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="the first samples of the file only")] = None,
    out: OutOption = None,
    json_: JsonOption = False,
) -> None:
    """Is the sample sound: judged as it should be, labelled exactly, solvable, free of shortcuts, in no benchmark?"""
    from polymath import api
    from polymath.evaluating import Served, Settings

    _refuse_unused(context)
    drawing = Settings(
        template=template, template_file=template_file, chat=chat, max_tokens=max_tokens, batch_size=batch_size or 8,
        dtype=dtype, device=device, seed=seed,
    )  # fmt: skip
    served = Served(
        model=served_model, key_env=key_env, concurrency=concurrency, price_in=price_in, price_out=price_out
    )
    audits, page = api.audit(
        sample,
        out=out,
        limit=limit,
        model=model,
        model_settings=drawing,
        num_draws=draws,
        group_size=group_size,
        num_groups=num_groups,
        solver=solver,
        solver_settings=Settings(max_tokens=solver_max_tokens, served=served, seed=seed),
        num_attempts=attempts,
        against=tuple(against or ()),
        data=data,
        pool=pool,
        use_cache=not no_cache,
    )
    _show(audits, page, sample, as_json=json_)
    if not all(one.is_sound for one in audits):
        raise typer.Exit(1)


def _show(audits: Sequence[Audit], page: Path | None, sample: str, *, as_json: bool) -> None:
    from polymath.auditing import audit_counts, audit_table, to_json

    if as_json:
        print_json(to_json(audits))
        return
    show = audit_table if len(audits) <= MAX_SHOWN else audit_counts
    Console().print(show(audits, sample))
    if page is not None:
        print(f"page    {page}")


def _refuse_unused(context: typer.Context) -> None:
    asked = {name for name in ONLY_WITH if context.params[name] is not None}
    needs = {option: [need] for need, options in ONLY_WITH.items() for option in options.split()}
    needs |= {option: list(ONLY_WITH) for option in ONLY_WITH_EITHER.split()}
    for name, needed in needs.items():
        source = context.get_parameter_source(name)
        if asked.isdisjoint(needed) and source is not None and source.name == "COMMANDLINE":
            partner = " or ".join(f"--{one}" for one in needed)
            raise RecipeError(
                f"--{name.replace('_', '-')}", f"has no meaning without {partner}", "add it, or leave it out"
            )
