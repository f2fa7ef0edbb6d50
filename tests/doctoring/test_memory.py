"""The sums of the doctor, against what autograd keeps, what tensors weigh, and arithmetic by hand."""

import json
from dataclasses import replace

import pytest
import torch

from polymath.doctoring.machine import MemoryOptionError, read_size
from polymath.doctoring.memory import fitting_micro_batch, layer_bytes, peak, phases, setting_of
from polymath.doctoring.shape import shape_of, shape_of_config
from polymath.prompts import Prompt
from polymath.recipe import LoraSection, make_recipe
from polymath.rollouts import lora
from polymath.rollouts.local import LocalPolicy
from polymath.rollouts.slots import Slots
from polymath.rollouts.tree import grow
from polymath.testing import byte_tokenizer, tiny_policy
from polymath.training.update import improve, make_optimizer
from tests.training.test_update import BATCH

PROMPT = Prompt(text="x" * 16)
ROWS, LENGTH = 2, 33
# The published shape of Qwen2.5-7B: 7.6 billion parameters, 28 layers, 4 heads of keys and values of 128 numbers each.
SEVEN = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
}
ONE_AND_A_HALF = SEVEN | {
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}


def deep_policy(num_layers, dtype, rank, recompute):
    """A Llama whose sizes all differ, so that no two terms of a sum can be mixed up."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=176,
        num_hidden_layers=num_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=20,
        max_position_embeddings=512,
        eos_token_id=1,
    )
    model = LlamaForCausalLM(config)
    if rank:
        model = model.to(torch.bfloat16 if dtype == "bfloat16" else torch.float32)
        lora.attach(model, LoraSection(rank=rank), seed=0)
    return LocalPolicy(model, tokenizer, dtype=dtype, recompute=recompute)


def kept_bytes(policy):
    """Bytes that scoring keeps for its backward pass, behind the prompt, the weights and their casts apart."""
    sizes = {}
    alive = []
    shapes = {tuple(weight.shape) for weight in policy.weights()}
    weights = {weight.untyped_storage().data_ptr() for weight in policy.weights()}

    def keep(tensor):
        is_cast = tensor.dtype == torch.bfloat16 and (tuple(tensor.shape) in shapes or tuple(tensor.T.shape) in shapes)
        if not is_cast:
            alive.append(tensor)
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    trees = [grow([tuple((row + place) % 200 + 2 for place in range(LENGTH))]) for row in range(ROWS)]
    scorer = policy.scorer(PROMPT)
    scorer.score([grow([(5, 6)])], temperature=1.0)  # the prompt
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        scorer.score(trees, temperature=1.0)
    return sum(size for place, size in sizes.items() if place not in weights)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rank", [0, 3])
def test_a_layer_keeps_as_many_bytes_a_token_as_the_formula_says(dtype, rank):
    found = kept_bytes(deep_policy(4, dtype, rank, False)) - kept_bytes(deep_policy(2, dtype, rank, False))
    policy = deep_policy(2, dtype, rank, False)
    recipe = make_recipe({"model": {"dtype": dtype}, "rollout": {"max_tokens": LENGTH - 1}})
    setting = setting_of(recipe, prompt_tokens=len(PROMPT.text), is_cuda=False, num_samples=1, process=0)
    shape = shape_of(policy.model, LoraSection(rank=rank) if rank else None)
    # The last token of a response is followed by none, and is not fed.
    assert found / 2 / (ROWS * (LENGTH - 1)) == pytest.approx(layer_bytes(shape, setting), rel=0.01)


def test_a_layer_that_runs_anew_keeps_its_input_alone():
    found = kept_bytes(deep_policy(4, "float32", 0, True)) - kept_bytes(deep_policy(2, "float32", 0, True))
    assert found / 2 / (ROWS * (LENGTH - 1)) == 4 * 48


@pytest.mark.parametrize("name", ["adamw", "adamw_8bit"])
def test_moments_weigh_what_the_optimizer_holds(name):
    if name == "adamw_8bit":
        pytest.importorskip("bitsandbytes")
    policy = tiny_policy(hidden_size=64)
    recipe = make_recipe({"optimizer": {"name": name}})
    optimizer = make_optimizer(policy, recipe)
    improve(policy, optimizer, BATCH, recipe, None)
    held = {
        tensor.data_ptr(): tensor.nbytes
        for state in optimizer.state.values()
        for key, tensor in state.items()
        if isinstance(tensor, torch.Tensor) and not key.startswith(("step", "qmap"))
    }
    setting = setting_of(recipe, prompt_tokens=4, is_cuda=False, num_samples=1, process=0)
    told = phases(shape_of(policy.model), setting)["update"]
    assert told["moments"] == pytest.approx(sum(held.values()), rel=0.001)
    assert told["weights"] == sum(weight.nbytes for weight in policy.weights())
    assert told["gradients"] == told["weights"]


def test_the_cache_weighs_what_the_slots_hold():
    policy = tiny_policy()
    with torch.inference_mode():
        slots = Slots(policy.model)
        slots.resize([], 24, 128)
    held = sum(part.nbytes for layer in slots.layers for part in (layer.keys, layer.values))
    recipe = make_recipe({"rollout": {"num_groups": 3, "group_size": 8, "max_tokens": 100}})
    setting = setting_of(recipe, prompt_tokens=9, is_cuda=False, num_samples=1, process=0)
    per_token = held // (24 * 128)
    growing = held // (2 * len(slots.layers))
    assert phases(shape_of(policy.model), setting)["rollout"]["cache"] == held + growing + 9 * per_token


def config_folder(tmp_path, table):
    (tmp_path / "config.json").write_text(json.dumps(table))
    return tmp_path


def test_a_seven_billion_model_is_counted_from_its_config_alone(tmp_path):
    shape = shape_of_config(config_folder(tmp_path, SEVEN), LoraSection(rank=32))
    layer = (2 * 3584 * 3584 + 3584 + 2 * (3584 * 512 + 512)) + 3 * 3584 * 18944 + 2 * 3584
    assert shape.parameters == 28 * layer + 2 * 152064 * 3584 + 3584
    in_and_out = 2 * (3584 + 3584) + 2 * (3584 + 512) + 3 * (3584 + 18944)
    assert shape.adapters == 28 * 32 * in_and_out
    assert shape.num_adapted == 28 * 7


def seven(**sections):
    return make_recipe(
        {
            "model": {"dtype": "bfloat16", **sections.pop("model", {})},
            "rollout": {"num_groups": 16, "group_size": 8, "max_tokens": 3072},
            "train": {"micro_batch_tokens": 6144, "gradient_checkpointing": True},
            **sections,
        }
    )


def on_a_card(recipe, shape):
    return setting_of(recipe, prompt_tokens=300, is_cuda=True, num_samples=1, process=600_000_000)


def test_a_seven_billion_model_fits_one_card_of_80_gb_with_adapters_and_not_with_all_weights(tmp_path):
    folder = config_folder(tmp_path, SEVEN)
    with_lora, without = seven(model={"lora": {}}), seven()
    small = shape_of_config(folder, with_lora.model.lora)
    setting = on_a_card(with_lora, small)
    needed = phases(small, setting)
    # Base in bfloat16, adapters with master, gradient and two moments; the merged copy that decodes.
    assert needed["update"]["weights"] == 2 * small.parameters + 4 * small.adapters
    assert needed["update"]["moments"] == 8 * small.adapters
    assert needed["rollout"]["decoding copy"] == 2 * small.in_layers
    # 2 (keys, values) x 28 layers x 4 heads x 128 x 2 bytes = 57,344 bytes a token; 128 draws of 3,392 slots.
    assert needed["rollout"]["cache"] == pytest.approx(57_344 * 128 * 3_392, rel=0.02)
    assert peak(small, setting)[1] < 80e9
    whole = shape_of_config(folder, None)
    standing = 4 + 4 + 8
    assert peak(whole, on_a_card(without, whole))[1] > standing * whole.parameters > 80e9


def test_all_weights_of_it_fit_a_card_of_80_gib_with_moments_in_8_bits_and_layers_computed_anew(tmp_path):
    recipe = make_recipe(
        {
            "model": {"dtype": "bfloat16"},
            "optimizer": {"name": "adamw_8bit"},
            "rollout": {"num_groups": 16, "group_size": 8, "max_tokens": 1024},
            "train": {"micro_batch_tokens": 1024, "gradient_checkpointing": True},
        }
    )
    shape = shape_of_config(config_folder(tmp_path, SEVEN), None)
    found = peak(shape, on_a_card(recipe, shape))[1]
    # Masters and gradients of 4 bytes, moments of 1 byte and a 64th.
    assert (4 + 4 + 2 * (1 + 1 / 64)) * shape.parameters < found < 80 * 2**30
    kept = recipe.model_copy(update={"optimizer": make_recipe({}).optimizer})
    assert peak(shape, on_a_card(kept, shape))[1] > 80 * 2**30


def test_a_model_of_one_and_a_half_billion_fits_24_gb(tmp_path):
    recipe = make_recipe(
        {
            "model": {"dtype": "bfloat16", "lora": {}},
            "rollout": {"num_groups": 8, "group_size": 8, "max_tokens": 1024},
            "train": {"micro_batch_tokens": 4096, "gradient_checkpointing": True},
        }
    )
    shape = shape_of_config(config_folder(tmp_path, ONE_AND_A_HALF), recipe.model.lora)
    assert shape.is_tied
    assert peak(shape, on_a_card(recipe, shape))[1] < 24e9


def test_the_micro_batch_that_fits_is_the_largest(tmp_path):
    recipe = seven(model={"lora": {}})
    shape = shape_of_config(config_folder(tmp_path, SEVEN), recipe.model.lora)
    setting = on_a_card(recipe, shape)
    most = 128 * 3072
    found = fitting_micro_batch(shape, setting, int(80e9), most)
    assert found % 64 == 0
    assert peak(shape, replace(setting, micro_batch_tokens=found))[1] <= 80e9
    assert peak(shape, replace(setting, micro_batch_tokens=found + 64))[1] > 80e9
    assert fitting_micro_batch(shape, setting, int(1e12), most) == most
    assert fitting_micro_batch(shape, setting, int(16e9), most) is None


@pytest.mark.parametrize("sleeps", [True, False])
def test_a_sampler_takes_its_share_of_the_card_while_it_draws_or_always(tmp_path, sleeps):
    recipe = seven(model={"lora": {}}, sampler={"name": "vllm", "memory_share": 0.5, "sleeps": sleeps})
    shape = shape_of_config(config_folder(tmp_path, SEVEN), recipe.model.lora)
    known = {"prompt_tokens": 300, "is_cuda": True, "num_samples": 1, "process": 0}
    found = phases(shape, setting_of(recipe, **known, device_bytes=int(80e9)))
    assert found["rollout"]["sampler"] == 40e9 and "cache" not in found["rollout"]
    assert ("sampler" in found["update"]) == (not sleeps)
    on_a_cpu = setting_of(recipe, **{**known, "is_cuda": False}, device_bytes=int(80e9))
    assert "rollout" not in phases(shape, on_a_cpu)


def test_sizes_are_read_in_powers_of_ten_and_of_two():
    assert read_size("24GB") == 24_000_000_000
    assert read_size("1.5 gib") == 1_610_612_736
    for wrong in ("24", "GB", "-3GB", "24 giga"):
        with pytest.raises(MemoryOptionError):
            read_size(wrong)
