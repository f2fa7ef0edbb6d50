"""The lab's own tokenizer: words of the world whole, digits one by one, any other text by bytes.

Words as tokens make sequences three times shorter than characters; single digits make arithmetic learnable.
A word that the world does not know falls to its characters, a character outside ASCII to its bytes.
"""

from __future__ import annotations

import re
import string
from functools import cache
from random import Random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from polymath.lab.templates import TEMPLATES
from polymath.lab.text import END, TextMix, answer, prompt_of
from polymath.lab.world import draw

PAD = "<pad>"
SPECIALS = (PAD, END)
MAX_LENGTH = 512

# One word with the space before it, one digit, or one other character; and the box, whole.
_PIECE = r"\\boxed| ?[A-Za-z]+|[0-9]|[^A-Za-z0-9]"
_DRAWS_PER_TEMPLATE = 400


@cache
def words_of_world() -> tuple[str, ...]:
    """Every word of the world's problems and answers, as it stands in the text (space included), sorted."""
    words: set[str] = set()
    for template in TEMPLATES:
        rng = Random(f"lab/words/{template.name}")
        for _ in range(_DRAWS_PER_TEMPLATE):
            sample = draw(template, rng)
            text = prompt_of(sample) + answer(sample, rng, TextMix()).response
            words.update(piece for piece in re.findall(_PIECE, text) if len(piece) > 1)
    return tuple(sorted(words))


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer of the world as it is in the code."""
    pieces = [
        *SPECIALS,
        *(f"<0x{byte:02X}>" for byte in range(256)),
        *sorted(set(string.printable) - set("\t\r\x0b\x0c")),
        *words_of_world(),
    ]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    # No merges: a piece is a token if the vocabulary has it whole, else its characters, else their bytes.
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECE), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
