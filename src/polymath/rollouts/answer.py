"""Many different prompts answered with full batches: the evaluation's decoder.

In: prompts as token ids, draws and a seed each. Out: one Answer a draw, given to the caller as soon as it ends.
`decode` runs one batch to its last row; here a row that ends makes place for the next prompt (continuous batching,
Orca, Yu et al., OSDI 2022). Prompts that share their first tokens (a template, worked examples) have those computed
once, and the draws of one prompt share all of it. No log-probabilities: training's sampler is `decode`.

The j-th token of a draw depends on the model, its prompt and the j-th number of its own random stream, not on its
neighbours: a stopped evaluation goes on with the draws that are missing. Rounding can still depend on how many rows a
kernel is given: in float32 that moves an answer only at a tie, in bfloat16 now and then (1 of 10 greedy answers of 48
tokens between batches of 10 and of 3 rows, SmolLM2-135M).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Any

import torch
from torch import Tensor

from polymath.rollouts.decode import COMPACT_BELOW, decode
from polymath.rollouts.draws import choose, uniforms
from polymath.rollouts.policy import Sampling
from polymath.rollouts.slots import Slots, fits_slots, prefill, round_up
from polymath.seeds import child_seed

# A shorter common beginning is not worth a forward of its own.
SHARE_FROM = 16
# Off the CPU, prompts are run through the model together up to this many tokens, padding included; a longer one goes
# alone. On a CPU each goes alone: a hundred tokens fill it, nothing is padded, and a prompt's keys and values round the
# same way in any company.
PREFILL_TOKENS = 2048


@dataclass(frozen=True, kw_only=True)
class Question:
    """One prompt. Draw d takes its random numbers from child_seed(seed, d)."""

    token_ids: tuple[int, ...]
    num_draws: int = 1
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one draw said: its tokens (end of sequence included), whether it ended by itself, and its text."""

    token_ids: tuple[int, ...]
    has_ended: bool
    text: str


@dataclass(kw_only=True)
class _Row:
    """A draw that is being said."""

    question: int
    draw: int
    prompt: tuple[int, ...]
    uniforms: list[float]
    said: list[int] = field(default_factory=list)

    @property
    def place(self) -> int:
        """The place of the token to be fed next, counted from the start of the prompt."""
        return len(self.prompt) - 1 + len(self.said)

    @property
    def token(self) -> int:
        """The token to be fed next."""
        return self.said[-1] if self.said else self.prompt[-1]


OnAnswer = Callable[[int, int, Answer], None]


def answer(
    model: Any,
    tokenizer: Any,
    questions: Sequence[Question],
    sampling: Sampling,
    *,
    batch_rows: int,
    eos_ids: Sequence[int],
    on_answer: OnAnswer,
    max_cache_bytes: int = 4 << 30,
) -> None:
    """Call on_answer(question index, draw, answer) for every draw of every question, as each ends.

    At most `batch_rows` rows are decoded at a time, fewer where their keys and values would pass
    `max_cache_bytes`. The model is a causal LM of transformers in evaluation mode, best an `inference_copy`; one
    that does not fit into slots is decoded batch by batch, with streams of the question instead of the draw.
    """
    reader = _Reader(tokenizer, sampling, eos_ids)
    with torch.inference_mode():
        if fits_slots(model):
            _answer_in_slots(model, questions, sampling, batch_rows, reader, on_answer, max_cache_bytes)
        else:
            _answer_in_batches(model, questions, sampling, batch_rows, reader, on_answer)


def shared_length(questions: Sequence[Question]) -> int:
    """How many tokens all prompts have in common at their beginning; 0 where sharing them would not pay.

    The last token of a prompt is never shared: it is the one that the first answer token follows from.
    """
    beginnings = [question.token_ids[:-1] for question in questions]
    if len(set(beginnings)) < 2:
        return 0
    # What the least and the greatest have in common, all have.
    pairs = zip(min(beginnings), max(beginnings), strict=False)
    length = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return length if length >= SHARE_FROM else 0


def _answer_in_slots(
    model: Any,
    questions: Sequence[Question],
    sampling: Sampling,
    batch_rows: int,
    reader: _Reader,
    on_answer: OnAnswer,
    max_cache_bytes: int,
) -> None:
    # Longest prompts first: what is too large for the memory shows at once. Prompts of one length come together,
    # so that little is padded.
    order = sorted(range(len(questions)), key=lambda place: (-len(questions[place].token_ids), place))
    queue = deque((place, draw) for place in order for draw in range(questions[place].num_draws))
    if not queue:
        return
    batch = _Batch(model, questions, sampling, batch_rows, max_cache_bytes)
    while queue or batch.live:
        batch.admit(queue)
        for slot, token in enumerate(batch.step()):
            row = batch.rows[slot]
            if row is None:
                continue
            row.said.append(token)
            if found := reader.read_end(row.said):
                on_answer(row.question, row.draw, found)
                batch.rows[slot] = None


class _Batch:
    """The rows that are being said, one a slot; None where a slot is free."""

    def __init__(
        self, model: Any, questions: Sequence[Question], sampling: Sampling, batch_rows: int, max_cache_bytes: int
    ) -> None:
        self.model, self.questions, self.sampling, self.batch_rows = model, questions, sampling, batch_rows
        self.rows: list[_Row | None] = []
        self.slots = Slots(model)
        self.max_tokens = max_cache_bytes // self.slots.bytes_per_token
        self.num_shared = shared_length(questions)
        self.prefix = None
        if self.num_shared:
            self.prefix = prefill(model, None, [questions[0].token_ids[: self.num_shared]])
        # Keys and values of the prompt that was prefilled last: its other draws may still be waiting.
        self.last: tuple[int, list[tuple[Tensor, Tensor]]] | None = None

    @property
    def live(self) -> list[_Row]:
        """The rows that are being said."""
        return [row for row in self.rows if row]

    def admit(self, queue: deque[tuple[int, int]]) -> None:
        """Fill free slots from the queue."""
        self._fit(queue)
        free = [slot for slot, row in enumerate(self.rows) if row is None]
        # On a large batch, wait for a few: prompts are cheaper together.
        if not queue or len(free) < max(1, len(self.rows) // 16):
            return
        slots_of: dict[int, list[int]] = {}
        for slot in free[: len(queue)]:
            question, draw = queue.popleft()
            self.rows[slot] = self._begin(question, draw)
            slots_of.setdefault(question, []).append(slot)
        if self.last and self.last[0] in slots_of:
            self._insert({self.last[0]: slots_of.pop(self.last[0])}, self.last[1])
        for group in self._groups(list(slots_of)):
            parts = prefill(self.model, self.prefix, [self._own(question) for question in group])
            self._insert({question: slots_of[question] for question in group}, parts)
            self.last = (group[-1], [(keys[-1:], values[-1:]) for keys, values in parts])

    def _fit(self, queue: deque[tuple[int, int]]) -> None:
        """Give the slots the number and the capacity that rows and queue need and the memory allows.

        Rows that no longer fit go back to the queue, the shortest answers first; they will say the same again.
        """
        live = self.live
        coming = [len(self.questions[question].token_ids) for question, _ in islice(queue, self.batch_rows - len(live))]
        capacity = round_up(max([row.place + 1 for row in live] + coming))
        num_fitting = max(1, self.max_tokens // capacity)
        for row in sorted(live, key=lambda row: -len(row.said))[num_fitting:]:
            self.rows[self.rows.index(row)] = None
            queue.appendleft((row.question, row.draw))
        num_slots = min(self.batch_rows, num_fitting, len(self.live) + len(queue))
        if capacity > self.slots.capacity or not (
            _is_near(num_slots, len(self.rows)) and _is_near(capacity, self.slots.capacity)
        ):
            kept = [slot for slot, row in enumerate(self.rows) if row]
            self.slots.resize(kept, num_slots, capacity)
            self.rows = [*self.live, *[None] * (num_slots - len(kept))]

    def _begin(self, question: int, draw: int) -> _Row:
        numbers: list[float] = []
        if self.sampling.temperature:
            numbers = uniforms(child_seed(self.questions[question].seed, draw), self.sampling.max_tokens)
        return _Row(question=question, draw=draw, prompt=self.questions[question].token_ids, uniforms=numbers)

    def step(self) -> list[int]:
        """The next token of every slot; free slots say something too, to be ignored."""
        self.slots.point_at([row.place if row else 0 for row in self.rows])
        device = self.model.device
        uniform_R = None
        if self.sampling.temperature:
            numbers = [row.uniforms[len(row.said)] if row else 0.0 for row in self.rows]
            uniform_R = torch.tensor(numbers, dtype=torch.float64)
        logits_RV = self.model(
            input_ids=torch.tensor([[row.token if row else 0] for row in self.rows], device=device),
            attention_mask=self.slots.mask(),
            position_ids=self.slots.place_R[:, None],
            past_key_values=self.slots,
            use_cache=True,
        ).logits[:, -1]
        tokens: list[int] = choose(logits_RV, self.sampling, uniform_R).tolist()
        return tokens

    def _own(self, question: int) -> tuple[int, ...]:
        """The part of a prompt that is to be prefilled: neither shared nor its last token."""
        return self.questions[question].token_ids[self.num_shared : -1]

    def _groups(self, waiting: Sequence[int]) -> Iterable[list[int]]:
        """Split questions into groups that are prefilled together."""
        most_tokens = 0 if self.model.device.type == "cpu" else PREFILL_TOKENS
        group: list[int] = []
        longest = 1
        for question in waiting:
            longest = max(longest, len(self._own(question)))
            if group and (len(group) + 1) * longest > most_tokens:
                yield group
                group, longest = [], max(1, len(self._own(question)))
            group.append(question)
        if group:
            yield group

    def _insert(self, slots_of: dict[int, list[int]], parts: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Copy the keys and values of each question, one a row, to the slots of its draws."""
        pairs = [(slot, row) for row, slots in enumerate(slots_of.values()) for slot in slots]
        self.slots.insert([slot for slot, _ in pairs], [row for _, row in pairs], parts)


def _is_near(wanted: int, present: int) -> bool:
    """Whether a copy of the cache would not pay for itself."""
    return COMPACT_BELOW * present <= wanted <= present / COMPACT_BELOW


class _Reader:
    """Sees where an answer ends: an end-of-sequence token, a stop string, or the last token allowed."""

    def __init__(self, tokenizer: Any, sampling: Sampling, eos_ids: Sequence[int]) -> None:
        self.tokenizer, self.sampling, self.eos_ids = tokenizer, sampling, eos_ids
        # A token says at least one byte; a few more, because a tail may begin within a character.
        self.tail = max((len(stop.encode()) for stop in sampling.stop), default=0) + 4

    def text_of(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, without special tokens."""
        return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def read_end(self, said: Sequence[int]) -> Answer | None:
        """The answer, where its last token ends it."""
        has_ended = said[-1] in self.eos_ids
        if self.sampling.stop and self._says_stop(self.text_of(said[-self.tail :])):
            found = self.cut(said, has_ended)
            if found.has_ended:
                return found
        if has_ended or len(said) >= self.sampling.max_tokens:
            return Answer(token_ids=tuple(said), has_ended=has_ended, text=self.text_of(said))
        return None

    def cut(self, said: Sequence[int], has_ended: bool) -> Answer:
        """The answer before its first stop string, with the fewest tokens that say it; whole where there is none."""
        text = self.text_of(said)
        if not self._says_stop(text):
            return Answer(token_ids=tuple(said), has_ended=has_ended, text=text)
        text = text[: min(text.index(stop) for stop in self.sampling.stop if stop in text)]
        counts = range(len(said) + 1)
        count = bisect_left(counts, True, key=lambda count: self.text_of(said[:count]).startswith(text))
        return Answer(token_ids=tuple(said[:count]), has_ended=True, text=text)

    def _says_stop(self, text: str) -> bool:
        return any(stop in text for stop in self.sampling.stop)


def _answer_in_batches(
    model: Any,
    questions: Sequence[Question],
    sampling: Sampling,
    batch_rows: int,
    reader: _Reader,
    on_answer: OnAnswer,
) -> None:
    """What slots cannot hold: greedy questions of similar length together, sampled ones one by one."""
    order = sorted(range(len(questions)), key=lambda place: (-len(questions[place].token_ids), place))
    at_once = 1 if sampling.temperature else batch_rows
    for start in range(0, len(order), at_once):
        places = order[start : start + at_once]
        num_draws = max(questions[place].num_draws for place in places) if sampling.temperature else 1
        for first in range(0, num_draws, batch_rows):
            seed = child_seed(questions[places[0]].seed, first)
            prompts = [questions[place].token_ids for place in places]
            rows = decode(model, prompts, min(batch_rows, num_draws - first), sampling, seed, eos_ids=reader.eos_ids)
            for place, draws in zip(places, rows, strict=True):
                # Greedy draws are all the same.
                said = draws if sampling.temperature else draws * questions[place].num_draws
                for draw, item in enumerate(said):
                    on_answer(place, first + draw, reader.cut(item.token_ids, item.has_ended))
