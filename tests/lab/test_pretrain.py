"""Pre-training: it lowers the loss, it is reproducible to the bit, it leaves a whole model or none."""

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from polymath.errors import ModelError
from polymath.lab import read_card, update_card, weights_hash
from polymath.lab.pretrain import Encoded, PretrainRecipe, _loss, _mean_weight, build_model, pretrain, train
from polymath.lab.tokenizer import build_tokenizer

TINY = PretrainRecipe(
    hidden_size=32, intermediate_size=64, num_layers=1, num_heads=2, num_steps=20, batch_size=8, warmup_steps=2
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    told = []
    out = pretrain(
        tmp_path_factory.mktemp("lab") / "model",
        seed=0,
        num_threads=1,
        recipe=TINY,
        on_step=lambda *report: told.append(report),
    )
    return out, told


def test_twenty_steps_lower_the_loss_and_are_reported_one_by_one(trained):
    _, told = trained
    assert [(step, num_steps) for step, num_steps, _, _ in told] == [(step, 20) for step in range(1, 21)]
    assert told[-1][2] < told[0][2] - 0.05


def test_equal_seeds_give_equal_bits_and_other_seeds_others(trained, tmp_path):
    again = pretrain(tmp_path / "again", seed=0, num_threads=1, recipe=TINY)
    other = pretrain(tmp_path / "other", seed=1, num_threads=1, recipe=TINY)
    assert weights_hash(again) == weights_hash(trained[0])
    assert read_card(again)["corpus_hash"] == read_card(trained[0])["corpus_hash"]
    assert weights_hash(other) != weights_hash(again)


def test_the_directory_is_an_ordinary_model_that_knows_its_end(trained):
    out, _ = trained
    model, tokenizer = AutoModelForCausalLM.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    config = GenerationConfig.from_pretrained(out)
    assert config.eos_token_id == tokenizer.eos_token_id == model.config.eos_token_id
    assert config.pad_token_id == tokenizer.pad_token_id
    assert all(tensor.dtype.is_floating_point for tensor in load_file(out / "model.safetensors").values())
    assert not list(out.parent.glob(".*"))


# Five tokens, two of them given; four tokens, none given (a drill).
PROBLEM = Encoded(token_ids=(5, 6, 7, 8, 9), num_given=2)
DRILL = Encoded(token_ids=(5, 5, 6, 7), num_given=0)


@pytest.fixture
def clueless():
    """A model whose weights are all zero: every token costs ln V."""
    model = build_model(build_tokenizer(), TINY, seed=0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model


def test_the_loss_of_a_batch_is_the_weighted_sum_of_its_tokens_without_padding(clueless):
    """Nothing predicts a first token. Of the problem: one given token at .1 and three; of the drill three."""
    nats = math.log(clueless.config.vocab_size)
    assert _loss(clueless, [PROBLEM], 0, 0.1).item() == pytest.approx(3.1 * nats)
    assert _loss(clueless, [DRILL], 0, 0.1).item() == pytest.approx(3 * nats)
    assert _loss(clueless, [PROBLEM, DRILL], 0, 0.1).item() == pytest.approx(6.1 * nats)


def test_the_one_divisor_is_the_mean_weight_of_a_batch():
    """The two documents weigh 3 + 2 * .1 and 4, together 7.2; four times as much in a batch of eight."""
    assert _mean_weight([PROBLEM, DRILL], TINY) == pytest.approx(28.8)


def test_a_token_counts_alike_in_a_batch_of_short_and_in_one_of_long_documents(clueless):
    """Batches of one: the short costs 1 ln V, the long 6 ln V, and both are divided by (2 + 7) / 2."""
    short, long = Encoded(token_ids=(5, 6), num_given=0), Encoded(token_ids=(5, 6, 7, 8, 9, 5, 6), num_given=0)
    recipe = replace(TINY, batch_size=1, num_steps=2, learning_rate=0.0)
    told = []
    train(clueless, build_tokenizer(), [long, short], recipe, 0, lambda *report: told.append(report[2]))
    first, second = told[0], (told[1] - 0.98 * told[0]) / 0.02  # what is told is smoothed
    nats = math.log(clueless.config.vocab_size)
    assert sorted((first, second)) == pytest.approx([nats / 4.5, 6 * nats / 4.5], rel=1e-4)


def test_the_card_says_what_was_done_and_can_be_added_to(trained):
    out, _ = trained
    card = read_card(out)
    assert card["weights_sha256"] == weights_hash(out)
    assert card["recipe"]["num_steps"] == 20 and card["recipe"]["mix"]["worked_frac"] == 0.2
    assert card["num_documents"] == 160 and card["num_threads"] == 1
    update_card(out, base_scores={"mean": 0.5})
    assert read_card(out) == {**card, "base_scores": {"mean": 0.5}}


def test_an_older_model_is_replaced_whole(trained, tmp_path):
    out = tmp_path / "model"
    out.mkdir()
    (out / "stale.txt").write_text("old")
    pretrain(out, minutes=1e-9, seed=0, num_threads=1, recipe=TINY)
    assert not (out / "stale.txt").exists()
    assert read_card(out)["recipe"]["num_steps"] == 1


def test_a_failure_on_the_way_leaves_nothing(tmp_path):
    def fail(*_):
        raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError):
        pretrain(tmp_path / "model", seed=0, num_threads=1, recipe=TINY, on_step=fail)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_without_weights_or_card_is_named_with_the_remedy(tmp_path):
    with pytest.raises(ModelError, match="polymath lab pretrain"):
        weights_hash(tmp_path)
    with pytest.raises(ModelError, match="polymath lab pretrain"):
        read_card(tmp_path)
