"""The petri dish: a world of generated problems in every discipline, and a tiny language model that read it.

    world.py       seed -> samples of every discipline, in three splits that never meet
    templates/     the kinds of problems, with their arithmetic
    draws.py       random samples, and the rule that names a good and a poor one
    text.py        problem -> answered in one of several ways, most of them direct and wrong
    tokenizer.py   words whole, digits one by one, anything else by bytes
    pretrain.py    text -> the base model, in the transformers layout
    card.py        what the shipped weights are, and whether they still fit this code
    recorded/      what experiments with the shipped weights found: tables with hashes

`polymath.lab.pretrain` and `polymath.lab.tokenizer` import torch and transformers and so are not imported here.
"""

from polymath.lab.card import (
    model_dir,
    read_card,
    recorded_dir,
    update_card,
    weights_hash,
    world_hash,
    write_card,
)
from polymath.lab.templates import HELD_OUT, TEMPLATES
from polymath.lab.text import TextMix
from polymath.lab.world import DISCIPLINES, Split, generate, generate_held_out, split_of

__all__ = [
    "DISCIPLINES",
    "HELD_OUT",
    "TEMPLATES",
    "Split",
    "TextMix",
    "generate",
    "generate_held_out",
    "model_dir",
    "read_card",
    "recorded_dir",
    "split_of",
    "update_card",
    "weights_hash",
    "world_hash",
    "write_card",
]
