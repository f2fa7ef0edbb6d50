"""Truncated importance sampling beside verl's rollout correction: the weights, and the losses weighed by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from cases import Table, our_update
from torch import Tensor
from verl.trainer.ppo.rollout_corr_helper import compute_rollout_correction_weights
from with_verl import PAIRS, Case, Pair, make_case, table_policy, verl_update

from polymath.recipe import SamplerSection
from polymath.training.correction import correct
from polymath.training.credit import Seen

CAP = 1.3
WEIGHED = ("clip, sequence mean", "clip, advantage of each token", "dual clip", "gspo, token mean", "cispo, token mean")


def compare_correction(table: Table, seed: int) -> None:
    """Both kinds of ratio, under some of the losses. verl weighs the policy loss and nothing else, as we do."""
    for kind in ("token", "sequence"):
        settings = SamplerSection(name="vllm", correction=kind, correction_cap=CAP)
        for one in (one for one in PAIRS if one.what in WEIGHED):
            case = make_case(seed, is_by_token=one.is_by_token)
            sampler_BT = sampled(case, seed, 0.3 if kind == "token" else 0.15)
            weight_BT = verl_weights(case, sampler_BT, kind)
            # Some are cut off at the cap and some are not.
            assert (weight_BT == CAP).any() and (weight_BT > 0).any() and (weight_BT[case.mask_BT > 0] < CAP).any()
            part = our_part(case, sampler_BT, settings)
            ours = our_update(table_policy(case, case.logprob_BT), part, one.recipe)
            loss, gradients = verl_update(weighed(one, weight_BT), case)
            row = table.row(f"{one.what}, sampler corrected by {kind}")
            row.see(ours[0]["loss"], loss)
            row.see_gradients(ours[1], gradients)


def sampled(case: Case, seed: int, scale: float) -> Tensor:
    """Log-probabilities of a sampler that is nearly the policy of before."""
    generator = torch.Generator().manual_seed(seed + 1)
    noise_BT = torch.randn(case.mask_BT.shape, generator=generator, dtype=torch.float64)
    return case.old_BT + scale * noise_BT * case.mask_BT


def our_part(case: Case, sampler_BT: Tensor, settings: SamplerSection) -> list[Any]:
    """The case's responses, weighed by us."""
    part, seen = [], []
    for row, item in enumerate(case.part):
        length = len(item.token_ids)
        part.append(replace(item, sampler_logprobs=sampler_BT[row, :length]))
        seen.append(Seen(logprob_T=case.old_BT[row, :length], entropy_T=case.entropy_BT[row, :length]))
    return correct(part, seen, settings)[0]


def verl_weights(case: Case, sampler_BT: Tensor, kind: str) -> Tensor:
    """verl's weights, (B, T)."""
    weight_BT: Tensor = compute_rollout_correction_weights(
        case.old_BT - sampler_BT, case.mask_BT, rollout_is=kind, rollout_is_threshold=CAP
    )[0]
    return weight_BT


def weighed(one: Pair, weight_BT: Tensor) -> Pair:
    """The pair with verl's side weighed."""
    return replace(one, weight_BT=weight_BT)
