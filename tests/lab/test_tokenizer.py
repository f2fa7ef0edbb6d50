"""The tokenizer: any text comes back, the world needs no bytes, digits stand alone."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from polymath.lab import TextMix, generate
from polymath.lab.text import documents, prompt_of
from polymath.lab.tokenizer import MAX_LENGTH, build_tokenizer
from polymath.lab.world import generate_held_out

TOKENIZER = build_tokenizer()


def ids(text):
    return TOKENIZER(text, add_special_tokens=False)["input_ids"]


@given(st.text())
@example("  two  spaces, a\ttab,\r\n a line \\boxed{x} \\box Zürich 漢字 🧮 \x00 ' s n't , .")
@example("<pad></s><0x41>")
@settings(max_examples=300, deadline=None)
def test_any_typed_text_comes_back(text):
    assert TOKENIZER.decode(ids(text)) == text


def assert_read_whole(text):
    """Every word is one token, space before it included; no byte, and no letter of a longer word."""
    pieces = TOKENIZER.tokenize(text)
    assert not [piece for piece in pieces if piece.startswith("<0x")]
    assert [piece.strip() for piece in pieces if piece.strip().isalpha() or piece == "\\boxed"] == re.findall(
        r"\\boxed|[A-Za-z]+", text
    ), text


def test_the_world_is_covered_without_bytes_and_without_spelling():
    for document in documents(3000, "coverage", TextMix()):
        assert_read_whole(document.prompt + document.response.removesuffix("</s>"))


def test_every_word_of_the_held_out_kinds_is_known_whole():
    for sample in generate_held_out(800, "coverage", "dev"):
        assert_read_whole(f"{prompt_of(sample)} {sample.solution}")


def test_the_check_of_whole_words_sees_a_spelled_one():
    with pytest.raises(AssertionError):
        assert_read_whole("Problem: How many zebus?")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        (" 12*7=84.", [" ", "1", "2", "*", "7", "=", "8", "4", "."]),
        ("\\boxed{42}", ["\\boxed", "{", "4", "2", "}"]),
        ("Problem: How many", ["Problem", ":", " How", " many"]),
        (" zebu", [" ", "z", "e", "b", "u"]),
        ("é", ["<0xC3>", "<0xA9>"]),
    ],
)
def test_words_are_whole_digits_alone_and_the_unknown_is_spelled(text, pieces):
    assert TOKENIZER.tokenize(text) == pieces


def test_the_vocabulary_is_small_and_equal_in_every_build():
    assert len(TOKENIZER) <= 1500
    assert build_tokenizer().get_vocab() == TOKENIZER.get_vocab()


def test_prompts_leave_room_for_an_answer():
    lengths = [len(ids(prompt_of(sample))) for sample in generate(30, "lengths", "dev")]
    assert max(lengths) <= 90 < MAX_LENGTH


def test_it_loads_again_from_a_directory(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = prompt_of(generate(1, 0, "train")[0]) + " 3*4=12. é"
    assert loaded(text)["input_ids"] == TOKENIZER(text)["input_ids"]
    assert loaded.decode(loaded(text)["input_ids"]) == text
    assert (loaded.eos_token, loaded.pad_token, loaded.bos_token) == ("</s>", "<pad>", None)
