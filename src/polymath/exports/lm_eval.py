"""A suite as tasks of the LM Evaluation Harness: one YAML a benchmark, one for the group, utils.py with our judge.

Written for lm-eval 0.4.13. Three of its habits shape the files. A relative path in `data_files` is taken from the
folder that the command runs in, so `custom_dataset` reads the file beside utils.py. Without a filter only the first of
several draws is judged, so `take_first_k` keeps all. A text in `doc_to_text` is a Jinja template, and one in
`doc_to_target` may be read as a Python literal, so both are functions.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import polymath
from polymath.evaluation.protocol import Decoding, Protocol
from polymath.evaluation.suites import Suite
from polymath.exports.readme import write_readme
from polymath.exports.rows import problem_rows, task_names, to_lines
from polymath.judge import VERSION
from polymath.prompts import Template

FORMAT_VERSION = 1.0
METRICS = {"strict_accuracy": True, "lenient_accuracy": True, "undecided": False}  # is more better?
GROUP = "polymath_suite"


def lm_eval_files(suite: Suite, template: Template, protocol: Protocol) -> dict[str, str]:
    """Texts by file name."""
    names = task_names(suite.benchmarks)
    texts = {"utils.py": (files("polymath.exports") / "templates" / "lm_eval_utils.py.txt").read_text(encoding="utf-8")}
    for benchmark, samples in suite.benchmarks.items():
        name = names[benchmark]
        texts[f"{name}.jsonl"] = to_lines(problem_rows(samples, template))
        texts[f"{name}.yaml"] = _yaml(_task(name, protocol.of(benchmark)))
    texts[f"{GROUP}.yaml"] = _yaml(_group(list(names.values())))
    chat = " --apply_chat_template" if template.is_chat else ""
    texts["README.md"] = write_readme(
        suite,
        names,
        protocol,
        harness="lm-eval 0.4.13",
        commands=[f"lm-eval run --model hf --model_args pretrained=MODEL{chat} --include_path . --tasks {GROUP}"],
    )
    return texts


def generation(decoding: Decoding) -> dict[str, Any]:
    """generation_kwargs. Every figure is given, because transformers would fill in its own (top-k 50)."""
    sampling = decoding.sampling
    drawn = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
    greedy = {"do_sample": False, "temperature": 0.0}
    return {
        **(greedy if sampling.temperature == 0 else drawn),
        "max_gen_toks": sampling.max_tokens,
        "until": list(sampling.stop),
    }


class _Function(str):
    """A name that the harness looks up in a Python file beside the YAML."""


def _task(name: str, decoding: Decoding) -> dict[str, Any]:
    every_draw = {"function": "take_first_k", "k": decoding.num_draws}
    return {
        "task": name,
        "custom_dataset": _Function("utils.load"),
        "dataset_kwargs": {"file": f"{name}.jsonl"},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": _Function("utils.doc_to_text"),
        "doc_to_target": _Function("utils.doc_to_target"),
        "process_results": _Function("utils.process_results"),
        "num_fewshot": 0,
        "repeats": decoding.num_draws,
        "filter_list": [{"name": "none", "filter": [every_draw]}],
        "generation_kwargs": generation(decoding),
        "metric_list": [
            {"metric": metric, "aggregation": "mean", "higher_is_better": is_better}
            for metric, is_better in METRICS.items()
        ],
        "metadata": {"version": FORMAT_VERSION, "polymath": polymath.__version__, "judge": VERSION},
    }


def _group(tasks: list[str]) -> dict[str, Any]:
    return {
        "group": GROUP,
        "task": tasks,
        "aggregate_metric_list": [
            {"metric": metric, "aggregation": "mean", "weight_by_size": False, "filter_list": ["none"]}
            for metric in METRICS
        ],
        "metadata": {"version": FORMAT_VERSION},
    }


def _yaml(settings: dict[str, Any]) -> str:
    """One key a line. A JSON value is a YAML value, but for characters beyond ASCII, which YAML escapes otherwise."""
    return "".join(
        f"{key}: !function {value}\n" if isinstance(value, _Function) else f"{key}: {_flow(value)}\n"
        for key, value in settings.items()
    )


def _flow(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[^ -~]", lambda found: f"\\U{ord(found[0]):08X}", text)
