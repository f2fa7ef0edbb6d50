"""An endpoint as a policy: prompts in, completions without token ids out. It cannot be trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from polymath.llm import Endpoint, Reply, Request, Usage, complete, usage_of
from polymath.prompts import Prompt
from polymath.rollouts.policy import Sampling
from polymath.seeds import child_seed
from polymath.types import Completion

OnCompletion = Callable[[int, int, Completion], None]


class EndpointPolicy:
    """Answers of an OpenAI-compatible endpoint. `usage` is what all of them took so far.

    Chat prompts are one user message to chat completions; other prompts go to completions as they are.
    `on_trouble` is told in a line what failed and is tried again.
    """

    def __init__(self, endpoint: Endpoint, on_trouble: Callable[[str], None] | None = None) -> None:
        self.endpoint, self.on_trouble = endpoint, on_trouble
        self.usage = Usage()

    def sample(
        self,
        prompts: Sequence[Prompt],
        n: int,
        sampling: Sampling,
        seed: int,
        on_completion: OnCompletion | None = None,
    ) -> list[list[Completion]]:
        """n completions for each prompt, in order; `on_completion(prompt, draw, completion)` as they come.

        Seeds are sent and differ from draw to draw, but no server has to honour them: the same seed gives the same
        completions only where it does. Raises EndpointError; what was handed out before stays counted in `usage`.
        """
        requests = [
            self._request(prompt, sampling, seed, 0 if self.endpoint.use_n else draw)
            for prompt in prompts
            for draw in range(n)
        ]

        def hand_out(index: int, reply: Reply) -> None:
            self.usage += usage_of(reply, self.endpoint)
            if on_completion is not None:
                on_completion(index // n, index % n, completion_of(reply))

        replies = complete(self.endpoint, requests, hand_out, self.on_trouble)
        completions = [completion_of(reply) for reply in replies]
        return [completions[start * n : (start + 1) * n] for start in range(len(prompts))]

    def answer(
        self,
        prompts: Sequence[Prompt],
        n: int,
        sampling: Sampling,
        seeds: Sequence[int],
        *,
        batch_size: int,
        on_tokens: Callable[[int, int], None],
        on_answered: Callable[[Mapping[int, Sequence[Completion]]], None],
    ) -> None:
        """n completions for each prompt, given out as soon as a prompt has all of its own.

        The endpoint's concurrency bounds what is asked at once, not `batch_size`. `use_n` is not used here.
        """
        requests = [
            self._request(prompt, sampling, seed, draw)
            for prompt, seed in zip(prompts, seeds, strict=True)
            for draw in range(n)
        ]
        said: dict[int, dict[int, Completion]] = {}

        def hand_out(index: int, reply: Reply) -> None:
            self.usage += usage_of(reply, self.endpoint)
            place, draw = divmod(index, n)
            draws = said.setdefault(place, {})
            draws[draw] = completion_of(reply)
            on_tokens(1, draws[draw].length)
            if len(draws) == n:
                on_answered({place: [draws[number] for number in range(n)]})

        complete(replace(self.endpoint, use_n=False), requests, hand_out, self.on_trouble)

    def fits(self, prompt: Prompt, max_tokens: int) -> bool:
        """Only the server knows; a prompt that it finds too long comes back as "overlong"."""
        return True

    def check_fit(self, prompts: Iterable[Prompt], max_tokens: int) -> None:
        """Nothing: see `fits`."""

    def tell_usage(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Tokens, requests and cost so far, to be stored with a result; `before` is what an earlier attempt told."""
        return {"usage": asdict(self.usage + Usage(**before["usage"]) if before else self.usage)}

    @staticmethod
    def _request(prompt: Prompt, sampling: Sampling, seed: int, draw: int) -> Request:
        is_greedy = sampling.temperature == 0
        return Request(
            text=prompt.text,
            is_chat=prompt.is_chat,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=sampling.max_tokens,
            stop=sampling.stop,
            # 31 bits, which every server takes; named by the text, so that it does not depend on the neighbours.
            seed=None if is_greedy else child_seed(seed, prompt.text, draw) >> 32,
        )


def completion_of(reply: Reply) -> Completion:
    """The reply as a completion. Reasoning that came apart stands before the answer, as local models say it."""
    text = reply.text
    if reply.reasoning:
        # Reasoning that the limit cut off never reached an answer, and must not read as if it had.
        is_cut = reply.finish == "length" and not text
        text = f"<think>{reply.reasoning}" + ("" if is_cut else f"</think>\n\n{text}")
    return Completion(
        text=text, finish="eos" if reply.finish == "blocked" else reply.finish, num_tokens=reply.completion_tokens
    )
