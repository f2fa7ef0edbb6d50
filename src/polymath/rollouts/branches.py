"""Many draws from few prompts: draws that have said the same so far are one row of the batch.

In: prompts as token ids, a number of draws. Out: tokens and log-probabilities of every draw. `decode` gives each draw a
row; here a row is a *branch*, a beginning with all draws that began so, and it splits when its draws go on differently.
The draws of one prompt start as one branch, and where the policy is sure of itself few ever leave it: on a sample that
is nearly solved, a thousand draws cost little more than their distinct answers. It is exact: a draw has random numbers
of its own, and its tokens have the distribution that they would have in a row of their own.

S: slots, one a branch; R: draws; K: draws of one branch at most; V: vocabulary; T: tokens a draw at most; P: prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from polymath.rollouts.decode import COMPACT_BELOW, Decoded
from polymath.rollouts.draws import likely_tokens, penalise
from polymath.rollouts.inference import share_prefix
from polymath.rollouts.policy import Sampling
from polymath.rollouts.slots import Slots, prefill, round_up


def decode_branches(
    model: Any, prompt_ids: Sequence[Sequence[int]], n: int, sampling: Sampling, seed: int, *, eos_ids: Sequence[int]
) -> list[list[Decoded]]:
    """n completions for each prompt, by a model that fits into slots (`fits_slots`), best an `inference_copy`."""
    with torch.inference_mode():
        return _Branches(model, prompt_ids, n, sampling, seed, eos_ids).run()


class _Branches:
    """The draws of one call. Draw r belongs to prompt r // n."""

    def __init__(
        self,
        model: Any,
        prompt_ids: Sequence[Sequence[int]],
        n: int,
        sampling: Sampling,
        seed: int,
        eos_ids: Sequence[int],
    ) -> None:
        self.model, self.n, self.sampling, self.prompt_ids = model, n, sampling, prompt_ids
        self.eos = torch.tensor(list(eos_ids))
        self.num_draws = len(prompt_ids) * n
        self.slots = Slots(model)
        self.token_RT = torch.zeros(self.num_draws, sampling.max_tokens, dtype=torch.long)
        self.logprob_RT = torch.zeros(self.num_draws, sampling.max_tokens)
        self.length_R = torch.zeros(self.num_draws, dtype=torch.long)
        self.has_ended_R = torch.zeros(self.num_draws, dtype=torch.bool)
        self.uniform_RT: Tensor | None = None
        if sampling.temperature:
            # In the order of draws, so that a draw does not depend on how many follow it.
            generator = torch.Generator().manual_seed(seed)
            self.uniform_RT = torch.rand(self.num_draws, sampling.max_tokens, generator=generator, dtype=torch.float64)
        self._begin(prompt_ids)

    def _begin(self, prompt_ids: Sequence[Sequence[int]]) -> None:
        """A branch a prompt, all its draws on it. One prompt's keys and values are shared, those of several copied."""
        own = [ids[:-1] for ids in prompt_ids]
        self.num_shared = 0
        parts = prefill(self.model, None, own)
        if len(prompt_ids) == 1 and own[0] and share_prefix(self.model, parts):
            self.num_shared = len(own[0])
        lengths = [0 if self.num_shared else len(ids) for ids in own]
        capacity = round_up(max(lengths) + 1)
        self.slots.resize([], len(prompt_ids), capacity)
        if not self.num_shared:
            self.slots.insert(range(len(own)), range(len(own)), parts)
        # Of each branch: the place of its next token, and that token; of each draw that goes on: its branch.
        self.place_S = torch.tensor(lengths)
        self.feed_S = torch.tensor([ids[-1] for ids in prompt_ids])
        self.draw_R = torch.arange(self.num_draws)
        self.slot_R = self.draw_R // self.n

    def run(self) -> list[list[Decoded]]:
        """Say everything."""
        try:
            for step in range(self.sampling.max_tokens):
                token_R, logprob_R = self._choose(self._logits(), step)
                self.token_RT[self.draw_R, step] = token_R
                self.logprob_RT[self.draw_R, step] = logprob_R
                self.length_R[self.draw_R] = step + 1
                ended_R = torch.isin(token_R, self.eos)
                self.has_ended_R[self.draw_R[ended_R]] = True
                if bool(ended_R.all()) or step + 1 == self.sampling.max_tokens:
                    break
                self.draw_R = self.draw_R[~ended_R]
                self._split(self.slot_R[~ended_R], token_R[~ended_R])
        finally:
            if self.num_shared:
                share_prefix(self.model, None)
        return self._collect()

    def _logits(self) -> Tensor:
        """What each branch may say next, (S, V)."""
        device = self.model.device
        self.slots.point_at(self.place_S.tolist())
        logits: Tensor = self.model(
            input_ids=self.feed_S[:, None].to(device),
            attention_mask=self.slots.mask(),
            position_ids=(self.place_S + self.num_shared)[:, None].to(device),
            past_key_values=self.slots,
            use_cache=True,
        ).logits[:, -1]
        return logits

    def _choose(self, logits_SV: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """The next token of every draw that goes on, and its log-probability."""
        if self.sampling.repetition_penalty != 1:
            logits_SV = penalise(logits_SV.float(), self._said(len(logits_SV), step), self.sampling.repetition_penalty)
        uniform_R = None if self.uniform_RT is None else self.uniform_RT[self.draw_R, step]
        token_R, logprob_R = choose_in_rows(logits_SV, self.slot_R, self.sampling, uniform_R)
        return token_R.cpu(), logprob_R.cpu()

    def _said(self, num_slots: int, step: int) -> list[list[int]]:
        """Prompt and response so far of every branch, from any of its draws; of free slots nothing."""
        said: list[list[int]] = [[] for _ in range(num_slots)]
        for draw, slot in zip(self.draw_R.tolist(), self.slot_R.tolist(), strict=True):
            if not said[slot]:
                said[slot] = [*self.prompt_ids[draw // self.n], *self.token_RT[draw, :step].tolist()]
        return said

    def _split(self, slot_R: Tensor, token_R: Tensor) -> None:
        """Give every way in which the draws of a branch go on a slot: the first one the branch's own."""
        num_slots = len(self.place_S)
        key_C, child_R = torch.unique(slot_R * (int(token_R.max()) + 1) + token_R, return_inverse=True)
        parent_C = key_C // (int(token_R.max()) + 1)
        token_C = key_C % (int(token_R.max()) + 1)
        is_first_C = torch.ones(len(parent_C), dtype=torch.bool)
        is_first_C[1:] = parent_C[1:] != parent_C[:-1]
        num_children = len(parent_C)
        place_C = self.place_S[parent_C] + 1
        capacity = self.slots.capacity
        is_full = int(place_C.max()) >= capacity
        if num_children > num_slots or num_children < COMPACT_BELOW * num_slots or is_full:
            capacity = round_up(int(place_C.max()) + 1) if is_full else capacity
            # Some slots to spare, where branches grow: a copy of all is dearer than a few that do nothing.
            wanted = num_children + num_children // 4 if num_children > num_slots else num_children
            wanted = min(wanted, len(token_R))
            self.slots.resize(parent_C.tolist(), wanted, capacity)
            slot_C = torch.arange(num_children)
        else:
            is_free_S = torch.ones(num_slots, dtype=torch.bool)
            is_free_S[parent_C[is_first_C]] = False
            slot_C = parent_C.clone()
            taken = is_free_S.nonzero()[:, 0][: int((~is_first_C).sum())]
            slot_C[~is_first_C] = taken
            if len(taken):
                self.slots.copy(parent_C[~is_first_C], taken)
            wanted = num_slots
        # Free slots say something too, to be ignored.
        self.place_S, self.feed_S = torch.zeros(wanted, dtype=torch.long), torch.zeros(wanted, dtype=torch.long)
        self.place_S[slot_C], self.feed_S[slot_C] = place_C, token_C
        self.slot_R = slot_C[child_R]

    def _collect(self) -> list[list[Decoded]]:
        rows = [
            Decoded(token_ids=tuple(ids[:length]), logprobs=tuple(scores[:length]), has_ended=ended)
            for ids, scores, length, ended in zip(
                self.token_RT.tolist(),
                self.logprob_RT.tolist(),
                self.length_R.tolist(),
                self.has_ended_R.tolist(),
                strict=True,
            )
        ]
        return [rows[start : start + self.n] for start in range(0, self.num_draws, self.n)]


def choose_in_rows(
    logits_SV: Tensor, slot_R: Tensor, sampling: Sampling, uniform_R: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The next token of draws that share rows of logits, and its log-probability where it was drawn.

    Draw r takes row slot_R[r]; its number in [0, 1) is put through the inverse of that row's distribution function.
    """
    slot_R = slot_R.to(logits_SV.device)
    logits_SV = logits_SV.float()
    if sampling.temperature == 0 or uniform_R is None:
        token_S = logits_SV.argmax(-1)
        logprob_S = logits_SV.gather(1, token_S[:, None])[:, 0] - logits_SV.logsumexp(-1)
        return token_S[slot_R], logprob_S[slot_R]
    logits_SV = logits_SV / sampling.temperature
    token_SC, probability_SC = likely_tokens(logits_SV, sampling)
    mass_SC = probability_SC.double().cumsum(-1)
    total_S = mass_SC[:, -1]
    # The numbers of each row side by side: one search a row, whatever the number of draws.
    target_SK, column_R = _by_row(uniform_R.to(mass_SC.device), slot_R, len(logits_SV))
    # Strictly below the total, so that the token found has a positive probability.
    target_SK = torch.minimum(target_SK * total_S[:, None], total_S.nextafter(total_S * 0)[:, None])
    place_SK = torch.searchsorted(mass_SC, target_SK.contiguous(), right=True)
    place_R = place_SK[slot_R, column_R]
    if token_SC is None:
        return place_R, logits_SV[slot_R, place_R] - logits_SV.logsumexp(-1)[slot_R]
    logprob_R = probability_SC[slot_R, place_R].log() - total_S[slot_R].log().float()
    return token_SC[slot_R, place_R], logprob_R


def _by_row(value_R: Tensor, slot_R: Tensor, num_slots: int) -> tuple[Tensor, Tensor]:
    """Values as a table with a row a slot, and the column that each was put in."""
    order_R = slot_R.argsort(stable=True)
    count_S = torch.bincount(slot_R, minlength=num_slots)
    start_S = count_S.cumsum(0) - count_S
    column_R = torch.empty_like(slot_R)
    column_R[order_R] = torch.arange(len(slot_R), device=slot_R.device) - start_S[slot_R[order_R]]
    table_SK = value_R.new_zeros(num_slots, int(count_S.max()))
    table_SK[slot_R, column_R] = value_R
    return table_SK, column_R
