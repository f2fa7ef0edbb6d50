"""polymath evaluate and export: suites of problems, asked here or in another harness."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from polymath.cli.options import JsonOption, OutOption, app, print_json
from polymath.errors import RecipeError

if TYPE_CHECKING:
    from polymath.evaluating import Settings

SuiteOption = Annotated[
    str | None,
    typer.Option(help="suite, benchmark, .jsonl of samples or .toml of your own; join several with +. Default lab"),
]
ProtocolOption = Annotated[
    str | None,
    typer.Option(
        help="greedy, sample-8-t0.6-p0.95-k20-m512, polymath-base, or suite; greedy+aime24=sample-8-t0.6 for one "
        "benchmark. Default: the suite's own, else greedy"
    ),
]
DataOption = Annotated[str | None, typer.Option(help="directory with the benchmark files; default: the hub")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="problems a benchmark, drawn with a fixed seed")]
TemplateOption = Annotated[str | None, typer.Option(help="prompt template name")]
TemplateFileOption = Annotated[str | None, typer.Option(help="your own template, with {question} in it")]


@app.command()
def evaluate(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(help="model directory, hub id, checkpoint or run folder, lab, or address of an endpoint"),
    ] = None,
    suite: SuiteOption = None,
    protocol: ProtocolOption = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="tokens a response")] = None,
    template: TemplateOption = None,
    template_file: TemplateFileOption = None,
    chat: Annotated[bool | None, typer.Option("--chat", help="send your template as a chat message")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="a response ends before this text; may be repeated")] = None,
    demonstrate: Annotated[str | None, typer.Option(help="sample to show, worked, before every problem")] = None,
    limit: LimitOption = None,
    data: DataOption = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="responses decoded together. Default 32")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or bfloat16 computation. Default float32")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. Default: what the machine gives")] = None,
    engine: Annotated[str, typer.Option(help="local, or vllm (tried on a CPU, unproven on a GPU)")] = "local",
    seed: Annotated[int | None, typer.Option(min=0, help="seed of draws at a temperature. Default 0")] = None,
    out: OutOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with what was answered before")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="ask again what these weights answered before")] = False,
    compare: Annotated[Path | None, typer.Option(help="folder of another model's evaluation, made alike")] = None,
    all_checkpoints: Annotated[
        bool, typer.Option("--all-checkpoints", help="MODEL is a run folder: its base and every checkpoint")
    ] = False,
    from_: Annotated[
        Path | None, typer.Option("--from", help="JSON lines of responses to judge or plan from; no model")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="how many problems or draws show a difference; no model")
    ] = False,
    difference: Annotated[float, typer.Option(min=0.01, max=100, help="--plan: points that matter")] = 3.0,
    power: Annotated[float, typer.Option(min=0.01, max=0.999, help="--plan: chance to show them")] = 0.8,
    leak_probe: Annotated[
        bool, typer.Option("--leak-probe", help="can the model complete the questions? Nothing is answered")
    ] = False,
    served_model: Annotated[str | None, typer.Option(help="endpoint: name of the model it serves")] = None,
    key_env: Annotated[str | None, typer.Option(help="endpoint: environment variable that holds the key")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="endpoint: requests at once")] = 8,
    price_in: Annotated[float | None, typer.Option(min=0, help="endpoint: price of a million prompt tokens")] = None,
    price_out: Annotated[float | None, typer.Option(min=0, help="endpoint: price of a million answer tokens")] = None,
    json_: JsonOption = False,
) -> None:
    """Answer a suite's problems and judge them, strictly and leniently."""
    from polymath.evaluating import Served, Settings
    from polymath.evaluating.settings import URL

    served = Served(
        model=served_model, key_env=key_env, concurrency=concurrency, price_in=price_in, price_out=price_out
    )
    settings = Settings(
        suite=suite,
        protocol=protocol,
        max_tokens=max_tokens,
        template=template,
        template_file=template_file,
        chat=chat,
        stop=tuple(stop) if stop else None,
        demonstrate=demonstrate,
        limit=limit,
        data=data,
        batch_size=batch_size,
        dtype=dtype,
        device=device,
        threads=threads or "auto",
        engine=engine,
        seed=seed,
        served=served,
    )
    asked = {"--plan": plan, "--from": from_ is not None, "--leak-probe": leak_probe}
    asked |= {"--all-checkpoints": all_checkpoints, "an endpoint": bool(URL.match(model or ""))}
    _refuse_unused(next((mode for mode, is_asked in asked.items() if is_asked), "a model's weights"), context)
    if plan:
        _plan(settings, from_, difference=difference / 100, power=power, as_json=json_)
    elif from_ is not None:
        _rejudge(from_, settings, out, as_json=json_)
    elif model is None:
        raise RecipeError("MODEL", "is missing", "name a model, or use --from FILE or --plan")
    elif leak_probe:
        _probe_leaks(model, settings, out, as_json=json_)
    elif all_checkpoints:
        _all_checkpoints(Path(model), settings, resume=resume, use_cache=not no_cache, as_json=json_)
    else:
        _evaluate(model, settings, out, resume=resume, use_cache=not no_cache, compare=compare, as_json=json_)


# What each way of evaluating does not use: an option that would be passed over is refused.
COMPUTING = "dtype device engine threads"
SERVING = "served_model key_env concurrency price_in price_out"
ASKING = "protocol max_tokens template template_file chat stop demonstrate seed resume no_cache compare"
PLANNING = "difference power"
UNUSED = {
    "--plan": f"model out leak_probe all_checkpoints batch_size {ASKING} {COMPUTING} {SERVING}",
    "--from": f"model limit leak_probe all_checkpoints batch_size {ASKING} {COMPUTING} {SERVING} {PLANNING}",
    "--leak-probe": f"all_checkpoints {ASKING} {PLANNING}",
    "--all-checkpoints": f"out compare {SERVING} {PLANNING}",
    "an endpoint": f"{COMPUTING} {PLANNING}",
    "a model's weights": f"{SERVING} {PLANNING}",
}


def _refuse_unused(mode: str, context: typer.Context) -> None:
    for name in UNUSED[mode].split():
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and context.params[name] is not None:
            option = "MODEL" if name == "model" else f"--{name.replace('_', '-')}"
            raise RecipeError(option, f"has no meaning with {mode}", "leave it out")


SHOWN = "suite protocol mean low high lenient_mean mean_upper boxed_frac truncated_frac undecided_frac overlong_frac"
SHOWN += " no_letter_frac folder benchmarks disciplines subjects missing notes"


def _evaluate(
    model: str,
    settings: Settings,
    out: Path | None,
    *,
    resume: bool,
    use_cache: bool,
    compare: Path | None,
    as_json: bool,
) -> None:
    from polymath.evaluating import compare_with, evaluate_model
    from polymath.reporting.evaluations import comparison_table

    summary = evaluate_model(model, settings, out=out, resume=resume, use_cache=use_cache, before=compare)
    comparison = compare_with(compare, summary) if compare else None
    _show(summary, as_json, **({"comparison": comparison} if comparison else {}))
    if comparison and not as_json:
        Console().print(comparison_table(comparison))


def _rejudge(file: Path, settings: Settings, out: Path | None, *, as_json: bool) -> None:
    from polymath.evaluating import rejudge

    _show(rejudge(file, suite=settings.suite, data=settings.data, out=out), as_json)


def _show(summary: dict[str, Any], as_json: bool, **more: Any) -> None:
    from polymath.reporting.evaluations import evaluation_table

    if as_json:
        print_json({name: summary[name] for name in SHOWN.split() if name in summary} | more)
        return
    Console().print(evaluation_table(summary))
    if "usage" in summary:
        print("usage   " + "  ".join(f"{name} {value}" for name, value in summary["usage"].items()))
    print(f"folder  {summary['folder']}")


def _all_checkpoints(run: Path, settings: Settings, *, resume: bool, use_cache: bool, as_json: bool) -> None:
    from polymath.evaluating import evaluate_checkpoints
    from polymath.reporting.curve import describe_curve
    from polymath.reporting.evaluations import curve_table
    from polymath.runs import RunFolder

    folder = RunFolder(run)
    summaries = evaluate_checkpoints(folder, settings, resume=resume, use_cache=use_cache)
    curve = describe_curve(folder, summaries)
    if as_json:
        print_json(curve)
    else:
        Console().print(curve_table(curve))
        print(f"folder  {folder.path / 'evaluations'}")


def _plan(settings: Settings, rows: Path | None, *, difference: float, power: float, as_json: bool) -> None:
    from dataclasses import asdict

    from polymath.evaluating import plan_suite

    plan, missing = plan_suite(settings, rows, difference=difference, power=power)
    if as_json:
        print_json(_without_infinities({**asdict(plan), "missing": missing}))
        return
    print("\n".join([*plan.lines(), *_tell_missing(missing)]))


def _without_infinities(value: Any) -> Any:
    """The same with null for what is infinite, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: _without_infinities(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(one) for one in value]
    return None if isinstance(value, float) and math.isinf(value) else value


def _tell_missing(missing: Mapping[str, str]) -> list[str]:
    return [f"missing, and not counted: {name} ({reason})" for name, reason in missing.items()]


def _probe_leaks(model: str, settings: Settings, out: Path | None, *, as_json: bool) -> None:
    from polymath.evaluating import probe_leaks
    from polymath.reporting.evaluations import figures_table
    from polymath.reporting.wording import percent

    result = probe_leaks(model, settings, out=out)
    if as_json:
        print_json(result)
        return
    rows = [
        [
            name,
            percent(rate["share"]),
            str(rate["num_problems"]),
            f"{percent(rate['exact']['mean'])} [{percent(rate['exact']['low'])}, {percent(rate['exact']['high'])}]",
            f"{rate['rouge_l']:.2f}",
            percent(rate["says_answer"]["mean"]) if rate["says_answer"] else "–",
        ]
        for name, rates in result["benchmarks"].items()
        for rate in rates
    ]
    head = ("benchmark", "shown", "n", "rest word for word, 95%", "ROUGE-L", "says the answer")
    Console().print(figures_table("clean-arithmetic cannot have leaked: compare with it", head, rows))
    for line in _tell_missing(result["missing"]):
        print(line)
    print(f"folder  {result['folder']}")
