"""polymath tournament: train on every candidate for a few steps, measure transfer, drop the worst half, go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from polymath.cli.options import JsonOption, ModelOption, RecipeArgument, SetOption, app, print_json


@app.command()
def tournament(
    out: Annotated[Path, typer.Option("--out", help="folder to make, or to continue with --resume")],
    recipe: RecipeArgument = None,
    pool: Annotated[str | None, typer.Option("--pool", help="candidates: a pool file, a run folder or lab:60")] = None,
    samples: Annotated[
        list[str] | None, typer.Option("--samples", help="candidates: sample files or library names; may be repeated")
    ] = None,
    num: Annotated[int | None, typer.Option("--candidates", min=2, help="draw so many of the pool at random")] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of that draw")] = 0,
    rungs: Annotated[str | None, typer.Option(help="training steps at which the worst are dropped. 10,20,40")] = None,
    keep: Annotated[float | None, typer.Option(help="share that goes on at each rung. Default 0.5")] = None,
    dev: Annotated[
        str | None, typer.Option(help="suite that scores them. Default: the recipe's evaluate.suite")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="problems of each benchmark, drawn with a fixed seed")
    ] = None,
    save_every: Annotated[
        int | None, typer.Option(min=1, help="steps between checkpoints; a kill costs those since the last. Default 1")
    ] = None,
    model: ModelOption = None,
    set_: SetOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="trials at once, one thread each. Default 1; ray: as many as it has room for"),
    ] = None,
    executor: Annotated[str, typer.Option(help="local (processes) or ray (tasks)")] = "local",
    ray_address: Annotated[str | None, typer.Option(help="HOST:PORT of a Ray cluster. Default: one of its own")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the tournament in --out")] = False,
    json_: JsonOption = False,
) -> None:
    """Find the sample whose training transfers best, by successive halving."""
    from polymath import api
    from polymath.cli.stages import read_recipe_option

    result = api.tournament(
        read_recipe_option(recipe, None, model, set_),
        out=out,
        pool=pool,
        samples=tuple(samples or ()),
        resume=resume,
        executor=executor,
        jobs=jobs,
        ray_address=ray_address,
        num=num,
        seed=seed,
        rungs=_read_rungs(rungs) if rungs else None,
        keep=keep,
        suite=dev,
        limit=limit,
        save_every=save_every,
    )
    _show(result, json_)
    if result["winner"] is None:
        raise typer.Exit(1)


def _read_rungs(text: str) -> tuple[int, ...]:
    from polymath.errors import RecipeError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise RecipeError("--rungs", f"{text!r} is not a list of steps", "write it as --rungs 10,20,40") from None


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    for row in result["ranking"]:
        last = row["rungs"][-1] if row["rungs"] else None
        mean, low, high = (100 * last["difference"][end] for end in ("mean", "low", "high")) if last else (0, 0, 0)
        score = f"step {last['step']:4} {mean:+6.1f} points ({low:+.1f} to {high:+.1f})" if last else "no score"
        why = f"  {row['failure']}" if row["failure"] else ""
        print(f"{row['rank']:3}  {row['name']:24} {score}{why}")
    ledger = result["ledger"]
    print(
        f"cost    {ledger['steps']} steps ({ledger['steps_of_all']} for all to the end), "
        f"{ledger['rollouts']:,} rollouts, {ledger['rollout_tokens']:,} tokens, "
        f"{ledger['evaluations']} evaluations, {ledger['work_s']:.0f} s of work"
    )
    print(f"winner  {result['winner']['sample'] if result['winner'] else 'none: all have failed'}")
    if result["tie"]:
        print(f"tie     {result['tie']}")
    print(f"page    {result['page']}")
