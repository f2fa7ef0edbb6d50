"""Polymath: engineer one training sample, train a language model on it, and show honestly what it did.

The commands as functions; importing this does not import torch.
"""

from polymath.api import ablate, audit, evaluate, probe, run, select, skills, synthesize, tournament, train
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
    "ablate",
    "audit",
    "evaluate",
    "make_recipe",
    "probe",
    "read_recipe",
    "run",
    "select",
    "skills",
    "synthesize",
    "tournament",
    "train",
]
__version__ = "0.1.0"
