"""polymath select and bench: which sample of a pool, and whether any way of choosing works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from polymath.cli.options import JsonOption, OutOption, app, print_json
from polymath.errors import SampleError

bench_app = typer.Typer(no_args_is_help=True, help="Does it work? Measured against outcomes.")
app.add_typer(bench_app, name="bench")


@app.command()
def select(
    pool: Annotated[str, typer.Argument(help="JSONL, parquet, CSV, hub id, run folder, library sample or lab:60")],
    by: Annotated[
        str, typer.Option("--by", help="selector: hvs, lim, polymath, learnability ...; see docs/selection.md")
    ],
    history: Annotated[Path | None, typer.Option(help="training history of the pool: file, step dumps or run")] = None,
    steps_per_epoch: Annotated[int | None, typer.Option(min=1, help="step dumps an epoch. Default 8")] = None,
    scores: Annotated[Path | None, typer.Option(help="scores by others: [{prompt, score}]")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="lim, polymath: least score, >= on two decimals. Default 0.6")
    ] = None,
    probe: Annotated[Path | None, typer.Option(help="folder or probe.jsonl of polymath probe")] = None,
    band: Annotated[
        str | None, typer.Option(help="band: pass rates above the first, up to the second. Default 0,0.1")
    ] = None,
    skills: Annotated[Path | None, typer.Option(help="JSON lines of skills by category")] = None,
    category: Annotated[str | None, typer.Option(help="skills: of this category only")] = None,
    features: Annotated[Path | None, typer.Option(help="folder of polymath features")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="samples to choose")] = 1,
    per_subject: Annotated[
        bool | None, typer.Option("--per-subject/--overall", help="so many of each subject. Default: polymath only")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="of random. Default 0")] = None,
    columns: Annotated[str | None, typer.Option(help="question=COLUMN,answer=COLUMN")] = None,
    split: Annotated[str, typer.Option(help="split of a data set of the hub")] = "train",
    strip_instruction: Annotated[
        bool, typer.Option("--strip-instruction", help="take away what every question ends with")
    ] = False,
    against: Annotated[str | None, typer.Option(help="suite to look for near-duplicates in")] = None,
    data: Annotated[str | None, typer.Option(help="directory with its benchmark files; default: the hub")] = None,
    out: OutOption = None,
    json_: JsonOption = False,
) -> None:
    """Rank the samples of a pool and write the chosen ones, ready to train on."""
    from polymath import api
    from polymath.reporting.pools import tell_selection
    from polymath.selecting.probing import read_columns

    result = api.select(
        pool,
        by,
        out=out,
        columns=read_columns(columns),
        split=split,
        strip_instruction=strip_instruction,
        history=history,
        steps_per_epoch=steps_per_epoch,
        scores=scores,
        probe=probe,
        skills=skills,
        features=features,
        threshold=threshold,
        band=_read_band(band) if band is not None else None,
        category=category,
        count=count,
        per_subject=per_subject,
        seed=seed,
        against=against,
        data=data,
    )
    if json_:
        print_json(result)
        return
    print("\n".join(tell_selection(result)))


def _read_band(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise SampleError("--band", f"{text!r} is no band of pass rates", "write --band 0,0.1") from None
    return low, high


@bench_app.command("selectors")
def bench_selectors(
    published: Annotated[
        bool, typer.Option("--published", help="against the 14 samples of arXiv 2504.20571 with a published outcome")
    ] = False,
    history: Annotated[Path | None, typer.Option(help="acc_step_500.json of the paper's repository")] = None,
    lab: Annotated[Path | None, typer.Option(help="run with an arm a candidate: the outcomes")] = None,
    scores: Annotated[Path | None, typer.Option(help="the candidates' scores, frozen before by bench freeze")] = None,
    json_: JsonOption = False,
) -> None:
    """Do selectors tell good samples from poor ones? Spearman, permutation p-values, Holm over selectors."""
    if lab is not None and scores is not None:
        _bench_lab(lab, scores, as_json=json_)
    elif published and history is not None:
        _bench_published(history, as_json=json_)
    else:
        raise SampleError(
            "bench selectors",
            "needs outcomes",
            "add --published --history acc_step_500.json, or --lab RUN --scores FILE",
        )


@bench_app.command("freeze")
def bench_freeze(
    pool: Annotated[str, typer.Argument(help="the candidates")],
    probe: Annotated[Path, typer.Option(help="folder or probe.jsonl of polymath probe on them")],
    out: Annotated[Path, typer.Option("--out", help="file to write; commit it before you train")],
    features: Annotated[Path | None, typer.Option(help="folder of polymath features")] = None,
    json_: JsonOption = False,
) -> None:
    """Write down what every selector says of candidates, before any of them is trained on."""
    from polymath.samples.pools import read_pool
    from polymath.selecting.benching import evidence_of, freeze_scores

    found = freeze_scores(evidence_of(read_pool(pool), probe, features), out)
    told = {"file": str(out), "selectors": list(found["scores"]), "candidates": found["num_candidates"]}
    if json_:
        print_json({**told, "code_sha256": found["code_sha256"]})
        return
    print(f"frozen   {len(found['scores'])} selectors over {found['num_candidates']} candidates")
    print(f"file     {out}")


def _bench_lab(lab: Path, scores: Path, *, as_json: bool) -> None:
    from dataclasses import asdict

    from polymath.reporting.benches import lab_bench_table, tell_lab_bench
    from polymath.runs import RunFolder
    from polymath.selecting.benching import bench_lab

    found, num_waiting = bench_lab(RunFolder(lab), scores)
    if as_json:
        told = {**asdict(found), "outcomes": found.outcomes.tolist()}
        print_json({**told, "num_waiting": num_waiting, "verdict": found.verdict()})
        return
    Console().print(lab_bench_table(found))
    print("\n".join(tell_lab_bench(found, num_waiting)))


def _bench_published(history: Path, *, as_json: bool) -> None:
    from dataclasses import asdict

    from polymath.reporting.benches import published_bench_table
    from polymath.selection.choice import tell_history
    from polymath.selection.histories import read_histories
    from polymath.selection.published_bench import BAD_LABELS, bench_published

    histories = read_histories(history)
    benches = [bench_published(histories), bench_published(histories, without=BAD_LABELS)]
    if as_json:
        keys = ("all", "without")
        found = {key: {**asdict(bench), "verdict": bench.verdict()} for key, bench in zip(keys, benches, strict=True)}
        print_json({**found, "cost": tell_history(histories)})
        return
    for bench in benches:
        Console().print(published_bench_table(bench))
        print(bench.verdict())
    print("the 14 were not drawn at random (8 are HVS's first 17); each outcome is one run at its best checkpoint")
    print(f"cost     {tell_history(histories)}")
