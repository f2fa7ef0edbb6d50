"""Samples and their prompts in, verl's parquet out: the five columns that its RLHFDataset reads.

    data_source    "polymath"
    prompt         one user message: the prompt's text
    ability        the sample's discipline
    reward_model   {style: "rule", ground_truth: the answer}
    extra_info     {split, index, sample_id, sample}: index is unique, sample is our sample as JSON, for the judge

A row is a group: verl draws `n` responses for each, and weighs them against each other by an id that it gives the row.
So a sample stands in as many rows as it has groups, in the order in which our own trainer draws them.

verl sends every prompt through a chat template. A chat prompt of ours goes through the model's own, as it does with us.
A raw text must not: then the model is given PASS_THROUGH for a template, which hands the message's text on as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polymath.errors import PromptError
from polymath.prompts import Prompt
from polymath.runs import telling_disk_errors
from polymath.types import Sample

DATA_SOURCE = "polymath"
PASS_THROUGH = "{{ messages[0]['content'] }}"
# For a tokenizer that begins every text with a token of its own.
PASS_THROUGH_AFTER_BOS = "{{ bos_token }}" + PASS_THROUGH


def count_rows(num_samples: int, num_groups: int, num_steps: int) -> int:
    """Rows with which verl draws every sample in turn, whole steps at a time, round after round.

    At least `num_groups`: with fewer rows than its batch verl takes no step at all.
    """
    return min(math.lcm(num_samples, num_groups), num_groups * max(1, num_steps))


def write_dataset(path: Path, samples: Sequence[Sample], prompts: Sequence[Prompt], *, num_rows: int) -> None:
    """Write `num_rows` rows, the samples in turn. Raises PromptError where a prompt holds what verl takes for media."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [_row(index, samples[index % len(samples)], prompts[index % len(samples)]) for index in range(num_rows)]
    with telling_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        pq.write_table(pa.Table.from_pylist(rows), temporary)
        temporary.replace(path)


def _row(index: int, sample: Sample, prompt: Prompt) -> dict[str, Any]:
    return {
        "data_source": DATA_SOURCE,
        "prompt": [{"role": "user", "content": prompt.text}],
        "ability": sample.discipline,
        "reward_model": {"style": "rule", "ground_truth": sample.answer},
        "extra_info": {
            "split": "train",
            "index": index,
            "sample_id": sample.id,
            "sample": sample.model_dump_json(exclude_defaults=True),
        },
    }


def chat_template_for(tokenizer: Any, prompts: Sequence[Prompt]) -> str | None:
    """The template that verl must give the model for these prompts to be asked as we ask them; None: the model's own.

    Raises PromptError where the tokenizer puts more around a raw text than a token before it.
    """
    if all(prompt.is_chat for prompt in prompts):
        return None
    for template, prefix in ((PASS_THROUGH, ""), (PASS_THROUGH_AFTER_BOS, tokenizer.bos_token)):
        if prefix is not None and all(_asks_alike(tokenizer, prompt.text, prefix) for prompt in prompts):
            return template
    raise PromptError("prompt", "the tokenizer puts tokens around it that verl would not", "use a template for chat")


def _asks_alike(tokenizer: Any, text: str, prefix: str) -> bool:
    ours = tokenizer(text)["input_ids"]
    return bool(ours == tokenizer(prefix + text, add_special_tokens=False)["input_ids"])
