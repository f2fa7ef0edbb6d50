"""verl's parquet: five columns, a row a group, the samples in the order in which our own trainer draws them."""

import json

import pyarrow.parquet as pq
import pytest

from polymath.engines.verl.dataset import PASS_THROUGH, PASS_THROUGH_AFTER_BOS, chat_template_for, count_rows
from polymath.engines.verl.dataset import write_dataset as write
from polymath.errors import PromptError
from polymath.prompts import Prompt, load_template, render_all
from polymath.rollouts.order import in_turn
from polymath.types import Sample

SAMPLES = [
    Sample(question=f"{n}+1?", answer=str(n + 1), answer_type="number", disciplines=("maths",)) for n in range(3)
]


def rows_of(path, samples, num_rows):
    write(path, samples, render_all(samples, load_template("plain")), num_rows=num_rows)
    return pq.read_table(path).to_pylist()


def test_a_row_has_the_five_columns_and_a_sample_that_reads_back(tmp_path):
    rows = rows_of(tmp_path / "deep" / "train.parquet", SAMPLES[:1], 4)
    assert len(rows) == 4 and set(rows[0]) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
    assert rows[0]["prompt"] == [{"role": "user", "content": "Problem: 0+1?\nAnswer:"}]
    assert rows[0]["reward_model"] == {"style": "rule", "ground_truth": "1"} and rows[0]["ability"] == "maths"
    assert [row["extra_info"]["index"] for row in rows] == [0, 1, 2, 3]
    assert rows[3]["extra_info"]["sample_id"] == SAMPLES[0].id
    assert Sample.model_validate(json.loads(rows[3]["extra_info"]["sample"])) == SAMPLES[0]


@pytest.mark.parametrize(("num_samples", "num_groups", "num_steps"), [(1, 128, 10), (3, 4, 9), (3, 2, 2), (5, 5, 1)])
def test_batch_after_batch_verl_draws_what_our_trainer_draws(tmp_path, num_samples, num_groups, num_steps):
    samples = (SAMPLES * 2)[:num_samples]
    samples = [sample.model_copy(update={"question": str(n)}) for n, sample in enumerate(samples)]
    rows = rows_of(tmp_path / "train.parquet", samples, count_rows(num_samples, num_groups, num_steps))
    assert len(rows) >= num_groups and len(rows) % num_groups == 0
    # verl reads the rows in order, a batch a step, and begins again at their end.
    ids = [row["extra_info"]["sample_id"] for row in rows] * num_steps
    for step in range(1, num_steps + 1):
        drawn = [samples[place].id for place in in_turn(num_groups, num_samples, step)]
        assert ids[(step - 1) * num_groups : step * num_groups] == drawn


class Tokenizer:
    """A character a token, and some before and after a text that is to have its special tokens."""

    bos_token = "^"

    def __init__(self, before="", after=""):
        self.before, self.after = before, after

    def __call__(self, text, add_special_tokens=True):
        return {"input_ids": list(self.before + text + self.after if add_special_tokens else text)}


def test_raw_text_passes_through_and_a_chat_prompt_keeps_the_models_template():
    raw = [Prompt(text="2+2?")]
    assert chat_template_for(Tokenizer(), raw) == PASS_THROUGH
    assert chat_template_for(Tokenizer(before="^"), raw) == PASS_THROUGH_AFTER_BOS
    assert chat_template_for(Tokenizer(), [Prompt(text="2+2?", is_chat=True)]) is None


def test_a_tokenizer_that_ends_raw_text_with_a_token_is_refused():
    with pytest.raises(PromptError, match="tokens around it"):
        chat_template_for(Tokenizer(after="$"), [Prompt(text="2+2?")])
