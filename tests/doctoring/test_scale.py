"""Capacity on paper: shapes against published counts and against transformers, sums and seconds by hand."""

import math
from dataclasses import replace

import pytest

from polymath.doctoring.at_scale import examine_scale
from polymath.doctoring.decoders import DECODERS, decoder_shape, find_decoder
from polymath.doctoring.devices import DEVICES
from polymath.doctoring.scale import (
    SOURCES,
    Assumptions,
    Load,
    cache_bytes,
    estimate,
    forward_flops,
    load_of,
    rollout_memory,
    tournament,
    update_memory,
)
from polymath.doctoring.scale_page import PAPER, RUNS, page
from polymath.doctoring.shape import shape_of_config
from polymath.errors import ModelError, RecipeError
from polymath.recipe import Recipe
from polymath.types import Sample
from tests.conftest import ROOT, polymath

# Billions, all and without embeddings, as the model cards of Qwen2.5 and Llama 3 say them.
PUBLISHED = {
    "Qwen2.5-0.5B": (0.49, 0.36),
    "Qwen2.5-1.5B": (1.54, 1.31),
    "Qwen2.5-7B": (7.61, 6.53),
    "Qwen2.5-14B": (14.7, 13.1),
    "Qwen2.5-72B": (72.7, 70.0),
    "Llama-3.2-3B": (3.21, None),
    "Llama-3.1-8B": (8.03, None),
    "Llama-3.1-70B": (70.6, None),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_config_has_the_published_number_of_parameters(name):
    shape, (counted, without) = DECODERS[name], PUBLISHED[name]
    assert shape.parameters / 1e9 == pytest.approx(counted, rel=0.01)
    if without is not None:
        embeddings = shape.head * (1 if shape.is_tied else 2)
        assert (shape.parameters - embeddings) / 1e9 == pytest.approx(without, rel=0.01)


@pytest.mark.parametrize(
    ("kind", "is_tied", "hidden", "kv_heads"),
    [("qwen2", True, 64, 2), ("qwen2", False, 96, 4), ("llama", False, 64, 1), ("qwen2", False, 4608, 2)],
)
def test_the_closed_form_is_the_shape_that_transformers_makes(kind, is_tied, hidden, kv_heads, tmp_path):
    import transformers

    figures = {"hidden_size": hidden, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4}
    kinds = {"qwen2": transformers.Qwen2Config, "llama": transformers.LlamaConfig}
    config = kinds[kind](
        **figures,
        num_key_value_heads=kv_heads,
        vocab_size=320,
        tie_word_embeddings=is_tied,
        max_position_embeddings=1024,
    )
    config.save_pretrained(tmp_path)
    expected = decoder_shape(
        layers=3,
        hidden=hidden,
        intermediate=160,
        heads=4,
        kv_heads=kv_heads,
        vocabulary=320,
        is_tied=is_tied,
        has_qkv_bias=kind == "qwen2",
        model_type=kind,
        context=1024,
    )
    assert shape_of_config(tmp_path, None) == expected


def test_names_of_the_hub_find_their_shape():
    assert find_decoder("Qwen/Qwen2.5-Math-1.5B-Instruct") is DECODERS["Qwen2.5-1.5B"]
    assert find_decoder("meta-llama/Llama-3.1-70B") is DECODERS["Llama-3.1-70B"]
    assert find_decoder("somebody/unknown") is None


LOAD = Load(
    num_groups=10,
    group_size=10,
    prompt_tokens=0,
    max_tokens=100,
    num_steps=36,
    micro_batch_tokens=100,
    has_reference=False,
)


def test_training_operations_are_those_of_the_palm_appendix():
    """6 N + 12 L H Q T a token (arXiv 2204.02311, B), where every token attends to all T; ours attend to half."""
    shape, length = DECODERS["Qwen2.5-7B"], 4096
    matrices = 28 * (2 * 3584 * 3584 + 2 * 3584 * 512 + 3 * 3584 * 18944) + 152064 * 3584
    palm = 6 * matrices + 12 * 28 * 28 * 128 * length
    assert 3 * forward_flops(shape, length) == pytest.approx(palm, rel=1e-12)
    assert 3 * forward_flops(shape, length / 2) == pytest.approx(palm - 6 * 28 * 28 * 128 * length, rel=1e-12)


def test_shards_are_the_whole_over_the_devices():
    shape, known = DECODERS["Qwen2.5-72B"], Assumptions()
    load = replace(LOAD, has_reference=True)
    update = update_memory(shape, load, 64, known)
    # 72.7 billion: 4 bytes of weights, 8 of moments, 4 of gradients, 2 of a reference, over 64.
    for part, number in (("weights", 4), ("moments", 8), ("gradients", 4), ("reference", 2)):
        assert update[part] == pytest.approx(number * 72_706_203_648 / 64, abs=1)
    assert "reference" not in update_memory(shape, LOAD, 64, known)
    assert update_memory(shape, replace(load, is_eight_bit=True), 64, known)["moments"] == update["moments"] // 4
    assert update_memory(shape, load, 128, known)["weights"] == pytest.approx(update["weights"] / 2, abs=1)
    assert update_memory(shape, load, 128, known)["activations"] == update["activations"]
    assert rollout_memory(shape, load, 64, 8, known)["sampler"] == pytest.approx(2 * 72_706_203_648 / 8, abs=1)


def test_a_head_of_keys_is_not_split():
    seven = DECODERS["Qwen2.5-7B"]  # 28 layers, 4 heads of 128, keys and values, 2 bytes
    assert [cache_bytes(seven, parallel) for parallel in (1, 2, 4, 8)] == [57344, 28672, 14336, 14336]


def test_seconds_are_bytes_and_operations_over_speeds():
    """One device, responses of 100 tokens of which each is 50 long: everything by hand."""
    shape, device = DECODERS["Qwen2.5-0.5B"], DEVICES["h100"]
    known = Assumptions(
        train_utilisation=0.5, sample_utilisation=1.0, bandwidth_share=1.0, network_share=1.0, fixed_s=0.0
    )
    found = estimate(shape, LOAD, device, 1, assumptions=known)
    assert (found.tensor_parallel, found.replicas, found.waves) == (1, 1, 1)
    assert found.response_tokens == 100 * 50
    # 100 positions of all weights; of each response 0.5 + 1.5 + ... tokens of cache: 50 * 51 / 2.
    read = 100 * 2 * shape.parameters + 100 * cache_bytes(shape, 1) * 50 * 51 / 2
    assert found.seconds["rollout"] == pytest.approx(read / 3.35e12)
    forward = 100 * 50 * forward_flops(shape, 25)
    assert found.seconds["score"] == pytest.approx(forward / (0.5 * 989e12))
    assert found.seconds["update"] == pytest.approx(4 * forward / (0.5 * 989e12))
    assert found.seconds["sync"] == pytest.approx(2 * shape.parameters / 50e9)
    assert found.hours == pytest.approx(36 * found.step_s / 3600)
    assert found.moved == {"weights to samplers": 2 * shape.parameters, "rollouts to trainer": 100 * 50 * 8}


def test_decoding_of_many_is_bound_by_arithmetic():
    shape, device = DECODERS["Qwen2.5-0.5B"], DEVICES["h200"]
    load = replace(LOAD, num_groups=4000, max_tokens=20)
    found = estimate(shape, load, device, 1, assumptions=Assumptions(sample_utilisation=0.01))
    operations = 40_000 * 10 * forward_flops(shape, 5)
    assert found.seconds["rollout"] == pytest.approx(operations / (0.01 * 989e12))


def test_twice_the_devices_are_half_the_arithmetic_and_as_many_bytes_to_each():
    shape = DECODERS["Qwen2.5-72B"]
    some, more = (estimate(shape, PAPER, DEVICES["h100"], number) for number in (32, 64))
    assert some.fits and more.fits
    assert more.seconds["update"] == pytest.approx(some.seconds["update"] / 2)
    assert more.moved["weights to samplers"] == 2 * some.moved["weights to samplers"]
    assert more.moved["rollouts to trainer"] == some.moved["rollouts to trainer"]
    assert more.seconds["sync"] == some.seconds["sync"]


def test_a_response_that_has_no_room_is_a_run_that_does_not_fit():
    found = estimate(DECODERS["Qwen2.5-72B"], PAPER, DEVICES["h100"], 8)
    assert not found.fits
    assert found.seconds == {}
    assert math.isinf(found.hours)
    assert found.peak > found.available == 72 * 10**9


def test_a_wave_more_reads_the_weights_once_more():
    shape, device = DECODERS["Qwen2.5-1.5B"], DEVICES["h100"]
    load = replace(PAPER, num_groups=1, group_size=1)
    one = estimate(shape, load, device, 1)
    many = estimate(shape, replace(load, group_size=one.at_once + 1), device, 1)
    full = estimate(shape, replace(load, group_size=one.at_once), device, 1)
    assert (one.waves, full.waves, many.waves) == (1, 1, 2)
    gained = (many.seconds["rollout"] - full.seconds["rollout"]) * 3.35e12 * 0.6
    assert gained > 3072 * 2 * shape.parameters
    assert gained == pytest.approx(3072 * 2 * shape.parameters, rel=0.01)


def test_a_tournament_counts_steps_as_the_one_that_was_played():
    """docs/tournament.md: 8 samples, rungs 10, 20 and 40, half go on: 160 steps, 14 evaluations and the base's."""
    shape = DECODERS["Qwen2.5-0.5B"]
    trial = estimate(shape, LOAD, DEVICES["h100"], 1, assumptions=Assumptions(fixed_s=0.0))
    options = {"num_candidates": 8, "rungs": (10, 20, 40), "keep": 0.5, "evaluation_s": 0.0, "num_devices": 4}
    cup = tournament(trial, shape, devices_a_trial=2, **options)
    assert (cup.entered, cup.steps, cup.evaluations) == ((8, 4, 2), 160, 14)
    assert cup.device_hours == pytest.approx(160 * trial.step_s * 2 / 3600)
    assert cup.hours == pytest.approx(cup.device_hours / 4)
    assert cup.stored == 4 * 12 * shape.parameters
    waiting = tournament(trial, shape, devices_a_trial=1, **{**options, "evaluation_s": 3600.0})
    assert waiting.device_hours == pytest.approx(14 + 160 * trial.step_s / 3600)


def test_the_load_of_a_recipe():
    recipe = Recipe.model_validate(
        {
            "rollout": {"num_groups": 2, "group_size": 4, "max_tokens": 50},
            "train": {"num_steps": 7, "micro_batch_tokens": 1000},
            "kl": {"coefficient": 0.1},
        }
    )
    assert load_of(recipe, 9) == Load(
        num_groups=2,
        group_size=4,
        prompt_tokens=9,
        max_tokens=50,
        num_steps=7,
        micro_batch_tokens=400,
        has_reference=True,
    )


def test_every_assumption_has_a_source():
    assert set(SOURCES) == set(vars(Assumptions()))


def test_the_page_is_what_the_code_says():
    assert (ROOT / "docs" / "scale.md").read_text(encoding="utf-8") == page(), (
        "python -m polymath.doctoring.scale_page > docs/scale.md"
    )
    assert ("Llama-3.1-70B", "h100", 64) in RUNS


SAMPLES = [Sample(question="How many?", answer="3")]


def test_what_the_arithmetic_does_not_cover_is_refused():
    for table, device, error, said in (
        ({"model": {"path": "nobody/nothing"}}, "h100", ModelError, "no directory with a config.json"),
        ({}, "abacus", RecipeError, "--device: there is no 'abacus'; use one of a100, h100, h200"),
        ({"model": {"lora": {"rank": 8}}}, "h100", RecipeError, "model.lora: is not in the arithmetic"),
        ({"advantage": {"name": "gae"}}, "h100", RecipeError, "is not in the arithmetic"),
    ):
        with pytest.raises(error, match=said):
            examine_scale(Recipe.model_validate(table), SAMPLES, num_devices=8, device=device)


def test_the_command_prints_the_estimate_and_exits_1_where_nothing_fits(workplace):
    recipe, sample = ROOT / "recipes" / "one_shot_2504.toml", workplace / "sample.json"
    big = ["--model", "Qwen/Qwen2.5-72B", "--device", "a100"]
    short = ["--set", "train.micro_batch_tokens=6144"]
    ended = polymath("doctor", recipe, "--sample", sample, *big, *short, "--devices", 64)
    assert ended.returncode == 0, ended.stderr
    for word in (
        "72.7 billion parameters on 64 x A100 80GB",
        "update ",
        "rollout ",
        "seconds ",
        "moved ",
        "ok    memory",
    ):
        assert word in ended.stdout
    ended = polymath("doctor", recipe, "--sample", sample, *big, "--devices", 4, "--json")
    assert ended.returncode == 1
    assert '"healthy": false' in ended.stdout
    assert "Infinity" not in ended.stdout
    ended = polymath("doctor", recipe, "--sample", sample, "--devices", 8, "--memory", "24GB")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
