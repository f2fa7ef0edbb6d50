"""The policy of tables that `make parity` compares with TRL and verl goes through our update: no CI has those two."""

import importlib.util
import sys

import torch

from polymath.prompts import Prompt
from polymath.training.credit import Weighed
from tests.conftest import ROOT

PROMPT = Prompt(text="one")


def load_cases():
    spec = importlib.util.spec_from_file_location("cases", ROOT / "benchmarks" / "parity" / "cases.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["cases"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def test_the_gradient_of_a_table_is_that_of_the_mean_over_sequences():
    cases = load_cases()
    responses = [(5, 6), (7,)]
    logprob_BT = torch.tensor([[-1.0, -2.0], [-0.5, 0.0]], dtype=torch.float64)
    part = [
        Weighed(prompt=PROMPT, token_ids=response, advantage=advantage)
        for response, advantage in zip(responses, (1.0, -3.0), strict=True)
    ]
    recipe = cases.recipe_of(loss={"name": "clip", "aggregation": "sequence_mean"})
    measured, (gradient_BT, _) = cases.our_update(cases.TablePolicy(PROMPT, responses, logprob_BT), part, recipe)
    # On-policy the loss is -A; a response weighs 1 / 2, its token that over its length.
    assert gradient_BT.tolist() == [[-0.25, -0.25], [1.5, 0.0]]
    assert measured["loss"] == 1.0
