"""The shipped weights belong to the world, the text and the tokenizer of this code. A failure here means: stale.

Then pre-train again (`polymath lab pretrain src/polymath/lab/weights`), or take the change back.
"""

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict

import pytest
from transformers import AutoTokenizer

from polymath.lab import TextMix, generate, model_dir, read_card, weights_hash, world_hash
from polymath.lab.pretrain import PretrainRecipe
from polymath.lab.text import documents
from polymath.lab.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def card():
    return read_card()


def test_the_card_belongs_to_the_shipped_weights(card):
    assert card["weights_sha256"] == weights_hash()


def test_the_card_belongs_to_the_world_and_the_text_of_this_code(card):
    assert card["world_hash"] == world_hash()
    assert card["recipe"]["mix"] == asdict(TextMix())


def test_the_default_recipe_is_the_one_that_made_the_weights(card):
    assert card["recipe"] == json.loads(json.dumps(asdict(PretrainRecipe())))


def test_the_shipped_tokenizer_is_the_one_of_this_code():
    """Read as users read it: AutoTokenizer takes another class for some kinds of model (decision 0004)."""
    shipped, ours = AutoTokenizer.from_pretrained(model_dir()), build_tokenizer()
    assert shipped.get_vocab() == ours.get_vocab()
    for sample in generate(2, seed=5, split="dev"):
        text = f"{sample.question} {sample.solution}"
        assert shipped(text)["input_ids"] == ours(text)["input_ids"]
        assert shipped.decode(shipped(text)["input_ids"]) == text


def test_the_model_has_about_a_million_parameters(card):
    assert 500_000 < card["num_parameters"] < 2_000_000


def test_importing_the_lab_imports_no_torch():
    script = "import sys, polymath.lab; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.slow
def test_the_text_that_the_base_read_is_written_again_by_this_code(card):
    recipe, digest = PretrainRecipe(), hashlib.sha256()
    for document in documents(recipe.num_steps * recipe.batch_size, card["seed"], recipe.mix):
        digest.update(f"{document.prompt}{document.response}\n".encode())
    assert digest.hexdigest() == card["corpus_hash"]
