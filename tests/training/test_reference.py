"""A reference that follows the policy, and the divergence that is taken off the reward."""

import pytest
import torch

from polymath.errors import RunFolderError
from polymath.prompts import Prompt
from polymath.recipe import KLSection, make_recipe
from polymath.testing import tiny_policy
from polymath.training.credit import Weighed
from polymath.training.reference import follow, follows, kl_penalties, load_reference, save_reference


def test_a_reference_that_follows_a_still_policy_nears_it_as_the_closed_form_says():
    policy, first = tiny_policy(1), tiny_policy(2)
    reference = tiny_policy(2).frozen_copy()
    for _ in range(3):
        follow(reference, policy, 0.25)
    for theirs, ours, began in zip(reference.weights(), policy.weights(), first.weights(), strict=True):
        assert torch.allclose(theirs, ours + 0.75**3 * (began - ours), atol=1e-6)


def test_it_moves_as_often_as_it_is_told():
    settings = KLSection(coefficient=0.1, reference="ema", ema_every=3)
    assert [step for step in range(1, 10) if follows(settings, step)] == [3, 6, 9]
    assert not follows(KLSection(coefficient=0.1), 3)


def test_it_comes_back_from_disk_bit_for_bit_and_refuses_another_model(tmp_path):
    save_reference(tmp_path, tiny_policy(1).frozen_copy())
    loaded = tiny_policy(2).frozen_copy()
    load_reference(tmp_path, loaded)
    assert all(torch.equal(one, two) for one, two in zip(loaded.weights(), tiny_policy(1).weights(), strict=True))
    with pytest.raises(RunFolderError, match="does not fit"):
        load_reference(tmp_path, tiny_policy(num_layers=3).frozen_copy())


def test_the_penalty_is_the_log_ratio_of_each_token():
    policy, reference = tiny_policy(1), tiny_policy(2).frozen_copy()
    recipe = make_recipe(
        {
            "kl": {"coefficient": 0.5, "place": "reward", "estimator": "k1"},
            "rollout": {"temperature": 0.7, "num_groups": 1, "group_size": 2},
        }
    )
    prompt, responses = Prompt(text="a prompt"), [(5, 6, 7), (5, 9)]
    batch = [Weighed(prompt=prompt, token_ids=token_ids, advantage=0.0) for token_ids in responses]
    with torch.no_grad():
        ours, theirs = (one.score(prompt, responses, temperature=0.7).logprob_BT for one in (policy, reference))
    for place, penalty_T in enumerate(kl_penalties(policy, reference, batch, recipe)):
        expected_T = 0.5 * (ours - theirs)[place, : len(responses[place])]
        assert penalty_T.tolist() == pytest.approx(expected_T.tolist(), rel=1e-4)
