"""The samples that a synthesis has left and the model to be trained in; what it does with each of them out.

The draws are an ordinary evaluation and lie in a folder named by the samples, so that a killed probe goes on and a
changed synthesis does not meet another's answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from polymath.evaluating.policies import open_cache, open_policy
from polymath.evaluating.settings import Settings
from polymath.machine import versions
from polymath.prompts import load_template
from polymath.runs import evaluation_paths, read_lines
from polymath.selection.probe import Probed, count_draws
from polymath.synthesis.plan import ProbeSection
from polymath.types import Sample

NAME = "candidates"


def probe_samples(rules: ProbeSection, samples: Sequence[Sample], folder: Path, *, seed: int) -> list[Probed]:
    """A Probed for each sample, in order; `rules.n` draws of each at temperature 1. Raises UserError."""
    from polymath.evaluation.protocol import read_protocol
    from polymath.evaluation.record import record_evaluation
    from polymath.evaluation.suites import Suite

    settings = Settings(device=rules.device, dtype="float32", seed=seed, batch_size=rules.batch_size)
    policy, facts = open_policy(str(rules.model), settings)
    template = load_template(rules.template)
    protocol = read_protocol(f"sample-{rules.n}", rules.max_tokens, stop=template.stop)
    ids = hashlib.sha256("".join(sample.id for sample in samples).encode()).hexdigest()[:12]
    known = {**facts, "folder": str(folder / ids), "seed": seed, "versions": versions()}
    record_evaluation(
        policy,
        Suite(name=NAME, benchmarks={NAME: tuple(samples)}),
        protocol,
        template,
        folder / ids,
        title="probe",
        seed=seed,
        batch_size=rules.batch_size,
        facts=known,
        resume=True,
        cache=open_cache(known, settings),
    )
    rows = read_lines(evaluation_paths(folder / ids, NAME, protocol.name)[0])
    return [count_draws(place, [row for row in rows if row["id"] == sample.id]) for place, sample in enumerate(samples)]
