"""The page that lies beside exported task files: what they are, and the commands that run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polymath
from polymath.evaluation.protocol import Decoding, Protocol
from polymath.evaluation.suites import Suite
from polymath.judge import VERSION


def write_readme(
    suite: Suite, names: Mapping[str, str], protocol: Protocol, *, harness: str, commands: Sequence[str]
) -> str:
    """Markdown: benchmarks with their counts and decoding, what is missing, what to type in this folder."""
    lines = [
        f"# Suite {suite.name} for {harness}",
        "",
        f"Written by polymath {polymath.__version__} (judge {VERSION}). In this folder, with the harness and",
        "`pip install polymath-learning` in one environment:",
        "",
        *(f"    {command}" for command in commands),
        "",
        "| benchmark | task | problems | decoding |",
        "|---|---|---:|---|",
        *(
            f"| {benchmark} | {names[benchmark]} | {len(samples)} | {_in_words(protocol.of(benchmark))} |"
            for benchmark, samples in suite.benchmarks.items()
        ),
    ]
    lines += [f"\nNot here: {name} ({reason})." for name, reason in suite.missing.items()]
    return "\n".join(lines) + "\n"


def _in_words(decoding: Decoding) -> str:
    sampling = decoding.sampling
    if sampling.temperature == 0:
        return f"greedy, at most {sampling.max_tokens} tokens"
    return (
        f"{decoding.num_draws} draws at T {sampling.temperature}, top-p {sampling.top_p}, top-k {sampling.top_k}, "
        f"at most {sampling.max_tokens} tokens"
    )
