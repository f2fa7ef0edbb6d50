"""A suite as tasks of Inspect: one Python file with a task a benchmark, the problems beside it.

Written for inspect-ai 0.3.285. The file makes the tasks itself and needs nothing of ours but the judge.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

import polymath
from polymath.evaluation.protocol import Decoding, Protocol
from polymath.evaluation.suites import Suite
from polymath.exports.readme import write_readme
from polymath.exports.rows import problem_rows, task_names, to_lines
from polymath.judge import VERSION
from polymath.prompts import Template

TASKS_FILE = "polymath_tasks.py"

# For weights on disk. Inspect sends chat messages only; a chat template that is the message makes it the plain text.
LOCAL = "--model hf/local -M model_path=DIR -M do_sample=false"
PLAIN = """ -M "chat_template='{{ messages[-1].content }}'\""""


def inspect_files(suite: Suite, template: Template, protocol: Protocol) -> dict[str, str]:
    """Texts by file name."""
    names = task_names(suite.benchmarks)
    texts = {
        f"{names[benchmark]}.jsonl": to_lines(problem_rows(samples, template))
        for benchmark, samples in suite.benchmarks.items()
    }
    source = (files("polymath.exports") / "templates" / "inspect_tasks.py.j2").read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    texts[TASKS_FILE] = environment.from_string(source).render(
        tasks=[
            {
                "name": name,
                "num_draws": repr(protocol.of(benchmark).num_draws),
                "config": ", ".join(f"{key}={value!r}" for key, value in generation(protocol.of(benchmark)).items()),
            }
            for benchmark, name in names.items()
        ],
        version=polymath.__version__,
        judge=VERSION,
    )
    texts["README.md"] = write_readme(
        suite,
        names,
        protocol,
        harness="inspect-ai 0.3.285",
        commands=[
            f"inspect eval {TASKS_FILE} --model PROVIDER/MODEL",
            f"inspect eval {TASKS_FILE}@{next(iter(names.values()))} --model PROVIDER/MODEL  # one benchmark",
            f"inspect eval {TASKS_FILE} {LOCAL}{'' if template.is_chat else PLAIN}  # weights on disk, greedy",
        ],
    )
    return texts


def generation(decoding: Decoding) -> dict[str, Any]:
    """Arguments of GenerateConfig; top-p and top-k only where they cut, because many providers refuse them."""
    sampling = decoding.sampling
    config: dict[str, Any] = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
    if sampling.top_p < 1:
        config["top_p"] = sampling.top_p
    if sampling.top_k:
        config["top_k"] = sampling.top_k
    if sampling.stop:
        config["stop_seqs"] = list(sampling.stop)
    return config
