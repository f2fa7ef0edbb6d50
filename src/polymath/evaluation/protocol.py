"""How answers are drawn: a protocol's text in, the decoding of every benchmark out.

    greedy                           one answer a problem at temperature 0
    sample-8                         8 draws at temperature 1
    sample-8-t0.6-p0.95-k20-m3072    8 draws at temperature 0.6, top-p 0.95, top-k 20, at most 3,072 tokens
    greedy+aime24=sample-8-t0.6      another decoding for one benchmark
    suite                            what the suite says of each of its benchmarks, greedy where it says nothing
    polymath-base                    the base row of arXiv 2601.03111, Table 4: 64 draws, T 0.5, top-k 10, top-p 0.8

The mean over N draws is an avg@N. It is never called pass@N, which is the chance that one of N draws is right.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from polymath.errors import RecipeError
from polymath.rollouts.policy import Sampling

NAMED: dict[str, str] = {"polymath-base": "sample-64-t0.5-p0.8-k10"}
SUITE = "suite"
MAX_DRAWS = 1000  # of a problem: more than that no vote is computed exactly (evaluation/draws.py)
_DECODING = re.compile(
    r"(?:(?P<greedy>greedy)|sample-(?P<draws>[1-9]\d{0,3})(?:-t(?P<temperature>\d+(?:\.\d+)?))?"
    r"(?:-p(?P<top_p>0?\.\d+|1(?:\.0+)?))?(?:-k(?P<top_k>\d+))?)(?:-m(?P<max_tokens>[1-9]\d*))?"
)


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """Draws a problem, and how each is decoded."""

    num_draws: int
    sampling: Sampling


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A name that is part of file names, the decoding, and the benchmarks that are decoded in another way."""

    name: str
    decoding: Decoding
    overrides: Mapping[str, Decoding] = field(default_factory=dict)

    def of(self, benchmark: str) -> Decoding:
        """The decoding of this benchmark."""
        return self.overrides.get(benchmark, self.decoding)

    @property
    def is_greedy(self) -> bool:
        """No answer depends on a seed."""
        return all(one.sampling.temperature == 0 for one in (self.decoding, *self.overrides.values()))

    def describe(self) -> dict[str, object]:
        """Every decoding in full, to be stored with the results."""
        return {
            name: {"num_draws": one.num_draws, **vars(one.sampling), "stop": list(one.sampling.stop)}
            for name, one in {"": self.decoding, **self.overrides}.items()
        }


def read_protocol(
    name: str,
    max_tokens: int,
    *,
    stop: tuple[str, ...] = (),
    of_suite: Mapping[str, str] | None = None,
    lengths: Mapping[str, int] | None = None,
    benchmarks: Collection[str] | None = None,
) -> Protocol:
    """The protocol of this text; raises RecipeError for a text that is none.

    `of_suite` and `lengths` are the protocols and the tokens a response that the suite gives its benchmarks; they
    count where the text begins with `suite`. `max_tokens` holds wherever nothing else gives a limit. `benchmarks` are
    those that may be named.
    """
    general, *parts = name.split("+")
    texts = {benchmark: text for benchmark, _, text in (part.partition("=") for part in parts)}
    if not all(texts.values()):
        raise _refuse(name)
    if benchmarks is not None and (strange := [benchmark for benchmark in texts if benchmark not in benchmarks]):
        raise RecipeError(
            "evaluate.protocol",
            f"{name!r} decodes {strange[0]}, which is not in the suite",
            f"use one of {', '.join(benchmarks)}",
        )
    limits: Mapping[str, int] = {}
    if general == SUITE:
        general, texts, limits = "greedy", {**(of_suite or {}), **texts}, lengths or {}
    overrides = {
        benchmark: _read(texts.get(benchmark, general), limits.get(benchmark, max_tokens), stop)
        for benchmark in {**texts, **limits}
    }
    return Protocol(name=name, decoding=_read(general, max_tokens, stop), overrides=overrides)


def _read(text: str, max_tokens: int, stop: tuple[str, ...]) -> Decoding:
    found = _DECODING.fullmatch(NAMED.get(text, text))
    if found is None:
        raise _refuse(text)
    sampling = Sampling(temperature=0.0, max_tokens=int(found["max_tokens"] or max_tokens), stop=stop)
    if found["greedy"]:
        return Decoding(num_draws=1, sampling=sampling)
    temperature, top_p = float(found["temperature"] or 1.0), float(found["top_p"] or 1.0)
    if temperature == 0:
        raise RecipeError("evaluate.protocol", f"{text!r} draws at temperature 0", "use greedy: all draws are the same")
    if top_p == 0 or int(found["draws"]) > MAX_DRAWS:
        raise RecipeError(
            "evaluate.protocol", f"{text!r} cannot be drawn", f"use a top-p above 0 and at most {MAX_DRAWS:,} draws"
        )
    drawn = replace(sampling, temperature=temperature, top_p=top_p, top_k=int(found["top_k"] or 0))
    return Decoding(num_draws=int(found["draws"]), sampling=drawn)


def _refuse(name: str) -> RecipeError:
    return RecipeError(
        "evaluate.protocol",
        f"there is no {name!r}",
        "use greedy, or sample-N such as sample-8, with -tT -pP -kK -mTOKENS behind it (sample-8-t0.6), "
        f"{', '.join(NAMED)}, or suite",
    )
