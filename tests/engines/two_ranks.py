"""Run by torchrun: the gradient of one update by all ranks in float64, into the file that is named."""

import sys

import torch

from polymath.engines.ranks import Follower
from polymath.recipe import make_recipe
from polymath.rollouts.ranks import END, Ranks, leave
from polymath.testing import tiny_policy
from polymath.training.update import differentiate_together, survey
from tests.engines.test_ranks import BATCH, TABLES, reference_of
from tests.engines.test_ranks import policy as policy_of


def main() -> None:
    ranks = Ranks.join()
    policy = policy_of()
    policy.ranks = ranks
    if ranks.rank:
        follower = Follower(ranks, lambda recipe, threads: tiny_policy())
        follower.policy, follower.reference = policy, reference_of()
        while (task := ranks.take())[0] != END:
            getattr(follower, task[0])(**task[1])
        return
    found = {}
    for name, table in TABLES.items():
        policy.model.zero_grad()
        recipe = make_recipe(table)
        sums = differentiate_together(policy, ranks, BATCH, recipe, reference_of(), recipe.entropy.coefficient)
        gradients = [parameter.grad.clone() for parameter in policy.parameters()]
        found[name] = (gradients, sums, [one.logprob_T for one in survey(policy, BATCH, recipe)])
    torch.save(found, sys.argv[1])
    leave()


if __name__ == "__main__":
    main()
