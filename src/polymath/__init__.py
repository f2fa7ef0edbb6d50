"""Polymath: engineer one training sample, train a language model on it, and show honestly what it did.

The commands as functions; importing this does not import torch.
"""

from polymath.api import evaluate, run, train
from polymath.recipe import Recipe, make_recipe, read_recipe
from polymath.runs import RunFolder
from polymath.types import Completion, JudgedGroup, Rollout, Sample, Verdict

__all__ = [
    "Completion",
    "JudgedGroup",
    "Recipe",
    "Rollout",
    "RunFolder",
    "Sample",
    "Verdict",
    "evaluate",
    "make_recipe",
    "read_recipe",
    "run",
    "train",
]
__version__ = "0.1.0"
