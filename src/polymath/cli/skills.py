"""polymath skills and variants: what samples take, which to choose, and other forms of one sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polymath.cli.options import JsonOption, app, print_json
from polymath.errors import EndpointError, RecipeError

if TYPE_CHECKING:
    from polymath.llm import Endpoint

# More columns do not fit on a terminal; the page has them all.
SHOWN_GROUPS = 8

UrlOption = Annotated[str | None, typer.Option("--url", help="address of an OpenAI-compatible endpoint")]
ServedOption = Annotated[str | None, typer.Option(help="name of the model that the endpoint serves")]
KeyOption = Annotated[str | None, typer.Option("--key-env", help="environment variable that holds the key")]
ConcurrencyOption = Annotated[int, typer.Option(min=1, help="requests at once")]
PriceInOption = Annotated[float | None, typer.Option(min=0, help="price of a million prompt tokens")]
PriceOutOption = Annotated[float | None, typer.Option(min=0, help="price of a million answer tokens")]
TokensOption = Annotated[int | None, typer.Option("--budget-tokens", min=1, help="tokens that all replies may take")]
MoneyOption = Annotated[float | None, typer.Option("--budget-money", min=0, help="what all replies may cost")]


@app.command()
def skills(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="POOL_OR_SAMPLES...",
            help="library, a library sample, a pool or file of samples, a hub id, a suite; several compare",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="folder to make")],
    by: Annotated[str | None, typer.Option("--by", help="rules (no model; the default without --url) or model")] = None,
    url: UrlOption = None,
    served_model: ServedOption = None,
    key_env: KeyOption = None,
    categories: Annotated[
        list[str] | None,
        typer.Option(
            help="all, mathematics, sciences, or categories joined by commas; NAME=WHAT IT COVERS for one's own"
        ),
    ] = None,
    template_file: Annotated[
        str | None, typer.Option(help="your own instruction, with {question}, {category} and perhaps {scope} in it")
    ] = None,
    replay: Annotated[
        list[Path] | None, typer.Option(help="folder of an earlier run whose replies count; offline without --url")
    ] = None,
    temperature: Annotated[float, typer.Option(min=0, help="decoding temperature")] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="tokens a reply")] = 512,
    merge: Annotated[
        float | None,
        typer.Option(min=0.01, max=1, help="likeness at which names are one skill. Default 0.45; 0.85 for embeddings"),
    ] = None,
    embed_url: Annotated[str | None, typer.Option(help="endpoint that embeds names of skills")] = None,
    embed_model: Annotated[str | None, typer.Option(help="name of the embedding model")] = None,
    breadth: Annotated[
        str, typer.Option(help="what makes the Prime: sum of skills, or coverage of categories")
    ] = "sum",
    data: Annotated[str | None, typer.Option(help="directory with the benchmark files; default: the hub")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="samples of each source")] = None,
    concurrency: ConcurrencyOption = 8,
    price_in: PriceInOption = None,
    price_out: PriceOutOption = None,
    budget_tokens: TokensOption = None,
    budget_money: MoneyOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on in --out with the replies that are there")] = False,
    json_: JsonOption = False,
) -> None:
    """Which skills samples take, by category; the spectra, the specialists and the Prime."""
    from polymath import api
    from polymath.synthesis.asking import Budget
    from polymath.synthesis.skill_names import THRESHOLD
    from polymath.synthesizing.skills import EMBEDDING_THRESHOLD

    _check_way(by, breadth, is_asked=url is not None or bool(replay))
    _check_money(budget_money, price_in, price_out)
    endpoint = open_endpoint(url, served_model, key_env, concurrency, price_in=price_in, price_out=price_out)
    embedder = open_endpoint(embed_url, embed_model, key_env, concurrency, option="--embed-model")
    summary = api.skills(
        sources,
        out,
        resume=resume,
        categories=tuple(categories or ["all"]),
        endpoint=endpoint,
        model=served_model,
        replay=tuple(replay or ()),
        template_file=template_file,
        temperature=temperature,
        max_tokens=max_tokens,
        budget=Budget(tokens=budget_tokens, money=budget_money),
        embedder=embedder,
        merge=merge or (THRESHOLD if embedder is None else EMBEDDING_THRESHOLD),
        breadth=breadth,
        data=data,
        limit=limit,
    )
    if json_:
        print_json(summary)
    else:
        _show_skills(summary)


def _check_way(by: str | None, breadth: str, *, is_asked: bool) -> None:
    """Raise RecipeError for a way that does not exist, or that does not fit to whether a model's replies are named."""
    from polymath.synthesis.choice import BREADTHS

    if by not in (None, "rules", "model"):
        raise RecipeError("--by", f"there is no {by!r}", "use rules or model")
    if breadth not in BREADTHS:
        raise RecipeError("--breadth", f"there is no {breadth!r}", f"use {' or '.join(BREADTHS)}")
    if by == "model" and not is_asked:
        raise RecipeError("--by model", "has no endpoint", "give --url and --served-model, or --replay a folder")
    if by == "rules" and is_asked:
        raise RecipeError("--by rules", "asks no endpoint", "leave --url and --replay out")


def open_endpoint(
    url: str | None,
    model: str | None,
    key_env: str | None,
    concurrency: int,
    *,
    price_in: float | None = None,
    price_out: float | None = None,
    option: str = "--served-model",
) -> Endpoint | None:
    """The endpoint, or None without an address; raises EndpointError where the model is not named."""
    from polymath.llm import Endpoint

    if url is None:
        return None
    if not model:
        where = url.partition("?")[0]  # a query may hold a key
        raise EndpointError(where, "serves a model whose name is not given", f"name it with {option}")
    return Endpoint(
        url=url, model=model, key_env=key_env, max_concurrency=concurrency, price_in=price_in, price_out=price_out
    )


def _check_money(budget: float | None, price_in: float | None, price_out: float | None) -> None:
    if budget is not None and (price_in is None or price_out is None):
        raise RecipeError(
            "--budget-money", "needs the prices", "give --price-in and --price-out, a million tokens each"
        )


def _show_skills(summary: dict[str, Any]) -> None:
    from rich.console import Console

    from polymath.reporting.evaluations import figures_table

    shown = [name for name in summary["categories"] if any(one["mean"][name] for one in summary["groups"].values())]
    groups = dict(list(summary["groups"].items())[:SHOWN_GROUPS])
    rows = [[category, *(f"{one['mean'][category]:.2f}" for one in groups.values())] for category in shown]
    rows.append(["samples", *(str(one["num_samples"]) for one in groups.values())])
    Console().print(figures_table("mean skills a sample", ("category", *groups), rows))
    for one in summary["choice"]:
        print(f"chosen  {one['why']}")
    readings = ", ".join(f"{count} {name}" for name, count in summary["readings"].items())
    if summary["by"] != "rules":
        print(f"replies {readings}; {summary['num_cut']} cut off")
    if summary.get("is_budget_spent"):
        print("budget  spent before all calls were made: go on with --resume and a larger one")
    print(f"page    {Path(summary['folder']) / 'skills.html'}")


@app.command()
def variants(
    sample: Annotated[str, typer.Argument(help="sample file or library name; one sample")],
    out: Annotated[Path, typer.Option("--out", help="file of samples to write, .jsonl")],
    ops: Annotated[
        list[str] | None,
        typer.Option(
            help="by code: rename, units, answer-unit, order, numerals, options (the default: all that apply); "
            "by a model: paraphrase, simplify, math-only, science-only, svs. Joined by commas; + does several in turn"
        ),
    ] = None,
    rename: Annotated[str | None, typer.Option("--rename", help="names of your own: OLD=NEW,OLD=NEW")] = None,
    count: Annotated[int, typer.Option(min=1, help="variants of each operation, each with another seed")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="seed of what is drawn")] = 0,
    url: UrlOption = None,
    served_model: ServedOption = None,
    key_env: KeyOption = None,
    attempts: Annotated[int, typer.Option(min=0, help="tries of the endpoint to solve each variant")] = 0,
    min_right: Annotated[float, typer.Option(min=0, max=1, help="share of the tries that has to be right")] = 0.5,
    temperature: Annotated[float, typer.Option(min=0, help="decoding temperature")] = 0.7,
    max_tokens: Annotated[int, typer.Option(min=1, help="tokens a reply")] = 1024,
    concurrency: ConcurrencyOption = 8,
    price_in: PriceInOption = None,
    price_out: PriceOutOption = None,
    budget_tokens: TokensOption = None,
    budget_money: MoneyOption = None,
    json_: JsonOption = False,
) -> None:
    """Other forms of one sample, each with its gold, checked."""
    from polymath.synthesis.asking import Budget
    from polymath.synthesis.variant_words import read_pairs
    from polymath.synthesis.variants import OPERATIONS
    from polymath.synthesizing.variants import VariantSettings, make_variants

    _check_money(budget_money, price_in, price_out)
    settings = VariantSettings(
        operations=tuple(ops or OPERATIONS),
        count=count,
        seed=seed,
        names=read_pairs(rename) if rename is not None else None,
        endpoint=open_endpoint(url, served_model, key_env, concurrency, price_in=price_in, price_out=price_out),
        temperature=temperature,
        max_tokens=max_tokens,
        attempts=attempts,
        min_right=min_right,
        budget=Budget(tokens=budget_tokens, money=budget_money),
    )
    result = make_variants(sample, out, settings)
    if json_:
        print_json(result)
    else:
        _show_variants(result)


def _show_variants(result: dict[str, Any]) -> None:
    for kind in ("variants", "rejected"):
        for one in result[kind]:
            details = "; ".join(
                f"{check['name']}: {check['detail'] or 'failed'}"
                for check in one["checks"]
                if not check["ok"] or check["name"] in ("near", "solved")
            )
            title = "variant" if kind == "variants" else kind
            print(f"{title:9}{one['operation']:14} answer {one['answer']}  {details}")
    for name, why in result["skipped"].items():
        print(f"{'skipped':9}{name:14} {why}")
    print(f"{'file':9}{result['file']}")
