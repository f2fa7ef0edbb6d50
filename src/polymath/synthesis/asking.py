"""Many requests to several endpoints at once, within a budget, each paid for once.

In: requests with names, and the replies that are known already. Out: the replies to those that the budget allows.

The budget is kept by reckoning before asking: a request may cost as many tokens as its limit allows, and only as many
are sent as fit into what is left at worst. Replies are mostly shorter, so the rest follows in further waves. So nothing
that was asked for is thrown away, and the budget is not exceeded, but for two things that no client knows: what a
server charges for tries that ended without an answer, and prompts that are counted at more tokens than estimated here.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from polymath.errors import RunFolderError
from polymath.llm import Reply, complete_async, run_to_end
from polymath.synthesis.replies import Ask, Replies, reply_of

# Tokens of a prompt before a server has counted it: one in three characters, and what a chat template adds.
PROMPT_CHARACTERS_PER_TOKEN = 3
TEMPLATE_TOKENS = 64

OnReply = Callable[[Ask, Reply], None]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What all replies of a synthesis may take together; None is without a limit."""

    tokens: int | None = None
    money: float | None = None


class Asker:
    """Asks what is not known yet. `is_spent` turns true when the budget did not allow all that was asked for."""

    def __init__(self, replies: Replies, budget: Budget, *, on_trouble: Callable[[str], None] | None = None) -> None:
        self.replies, self.budget, self.on_trouble = replies, budget, on_trouble
        self.is_spent = False

    def ask(self, asks: Sequence[Ask], on_reply: OnReply | None = None) -> dict[str, Reply]:
        """Id to reply, of all that could be paid for. Raises EndpointError where an endpoint gives up.

        That and Ctrl-C end it at once for all endpoints: every reply that came is kept, those under way are given up.
        Earlier ones come first where not all can be paid for. `on_reply` is told what is newly answered, one by one.
        """

        def keep(ask: Ask, reply: Reply) -> None:
            self.replies.add(ask, reply)
            if on_reply is not None:
                on_reply(ask, reply)

        waiting = [ask for ask in asks if self.replies.find(ask) is None]
        while waiting:
            wave = self._affordable(waiting)
            if not wave:
                self.is_spent = True
                break
            run_to_end(_ask_all(wave, keep, self.on_trouble))
            waiting = [ask for ask in waiting if self.replies.find(ask) is None]
        found = ((ask.id, self.replies.find(ask)) for ask in asks)
        return {id: reply for id, reply in found if reply is not None}

    def _affordable(self, asks: Sequence[Ask]) -> list[Ask]:
        spent = self.replies.usage
        tokens = (self.budget.tokens or math.inf) - spent.prompt_tokens - spent.completion_tokens
        money = (self.budget.money or math.inf) - (spent.cost or 0.0)
        for count, ask in enumerate(asks):
            num_prompt, num_reply = most_tokens(ask)
            tokens -= num_prompt + num_reply
            money -= (num_prompt * (ask.endpoint.price_in or 0) + num_reply * (ask.endpoint.price_out or 0)) / 1_000_000
            if tokens < 0 or money < 0:
                return list(asks[:count])
        return list(asks)


class Replayer:
    """Answers from a recorded run and asks nobody. `is_spent` turns true where that run was not complete.

    `replies` are where the recorded rows are copied to as they are.
    """

    def __init__(self, recorded: Replies, replies: Replies, *, is_complete: bool) -> None:
        self.recorded, self.replies, self.is_complete = recorded, replies, is_complete
        self.is_spent = False

    def ask(self, asks: Sequence[Ask], on_reply: OnReply | None = None) -> dict[str, Reply]:
        """Id to reply. Raises RunFolderError for a request that a complete run has not recorded."""
        found = {}
        for ask in asks:
            row = self.recorded.row(ask)
            if row is None and self.is_complete:
                raise RunFolderError(
                    self.recorded.path,
                    f"has no reply to {ask.id} as this plan asks it of {ask.name}",
                    "replay with the plan that it was recorded with, or ask the endpoints without --replay",
                )
            if row is None:
                self.is_spent = True
                continue
            if self.replies.row(ask) is None:
                self.replies.copy(row)
            found[ask.id] = reply_of(row)
        return found


def most_tokens(ask: Ask) -> tuple[int, int]:
    """Tokens of prompt and reply that a request takes at worst; those of the prompt are an estimate."""
    num_characters = len(ask.request.system) + len(ask.request.text)
    return math.ceil(num_characters / PROMPT_CHARACTERS_PER_TOKEN) + TEMPLATE_TOKENS, ask.request.max_tokens or 0


async def _ask_all(asks: Sequence[Ask], keep: OnReply, on_trouble: Callable[[str], None] | None) -> None:
    """Ask every endpoint for its share, all endpoints at once; `keep` is never called twice at a time."""
    shares: dict[str, list[Ask]] = {}
    for ask in asks:
        shares.setdefault(ask.name, []).append(ask)
    async with asyncio.TaskGroup() as group:
        for share in shares.values():
            group.create_task(_ask_one(share, keep, on_trouble))


async def _ask_one(asks: Sequence[Ask], keep: OnReply, on_trouble: Callable[[str], None] | None) -> None:
    requests = [ask.request for ask in asks]
    await complete_async(asks[0].endpoint, requests, lambda index, reply: keep(asks[index], reply), on_trouble)
