"""What is asked of whom, what came back, and what it cost. No key is in any of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from polymath.errors import EndpointError

ReplyFinish = Literal["eos", "length", "overlong", "blocked"]
_OPERATION = re.compile(r"(/chat)?/completions/?$")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a model answers, how hard it may be asked, and what a million tokens cost.

    `key_env` names the environment variable that holds the key. `timeout_s` is for one try as a whole, from the
    connection to the last byte. A request is tried 1 + `max_retries` times, the first pause being up to `backoff_s`;
    a server that asks for a pause longer than `max_wait_s` ends the work. `use_n` asks equal neighbours at once with
    the parameter n. Raises EndpointError for an address or a number that cannot be used.
    """

    url: str
    model: str
    key_env: str | None = field(default=None, repr=False)  # a person may put the key itself here
    max_concurrency: int = 8
    timeout_s: float = 600.0
    max_retries: int = 6
    backoff_s: float = 1.0
    max_wait_s: float = 600.0
    use_n: bool = False
    price_in: float | None = None
    price_out: float | None = None

    def __post_init__(self) -> None:
        try:
            parts = self._parts()
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            raise EndpointError("the endpoint", "is no address", "write it as http://localhost:8000/v1") from None
        if parts.username is not None or parts.password is not None:
            raise EndpointError(
                "the endpoint", "holds a user or a password", "put the key into an environment variable and name that"
            )
        if not is_address:
            raise EndpointError(self.where, "is no http address", "write it as http://localhost:8000/v1")
        if not self.model:
            raise EndpointError(self.where, "needs the name of a model", "give the name it is served under")
        lowest = {
            "max_concurrency": 1,
            "max_retries": 0,
            "backoff_s": 0,
            "max_wait_s": 0,
            "price_in": 0,
            "price_out": 0,
        }
        for name, low in lowest.items():
            value = getattr(self, name)
            if value is not None and not value >= low:
                raise EndpointError(self.where, f"{name} is {value}", f"give {low} or more")
        if not self.timeout_s > 0:
            raise EndpointError(self.where, f"timeout_s is {self.timeout_s}", "give more than 0 seconds")

    @property
    def where(self) -> str:
        """The address without what stands behind its question mark, which may be a secret."""
        parts = self._parts()
        return f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else self.url.partition("?")[0]

    @property
    def is_local(self) -> bool:
        """It runs on this machine, so that no proxy stands between."""
        return self._parts().hostname in ("localhost", "127.0.0.1", "::1")

    def address(self, operation: str) -> str:
        """The address of `chat/completions` or `completions`."""
        parts = self._parts()
        path = f"{_OPERATION.sub('', parts.path).rstrip('/')}/{operation}"
        return parts._replace(path=path, fragment="").geturl()

    def _parts(self) -> SplitResult:
        return urlsplit(self.url.strip())


@dataclass(frozen=True, kw_only=True)
class Request:
    """One text to answer: a user message (behind a system message, where one is given), or a text to continue.

    Temperature 0 is greedy; top_k 0 and top_p 1 keep every token.
    """

    text: str
    is_chat: bool = True
    system: str = ""
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the model said to one request.

    `finish` is "eos", "length", "overlong" where the prompt left no room (the text is empty then), or "blocked" where
    the server's filter kept the answer back. `reasoning` is what a server sends apart from the answer. Tokens are
    estimated from the length of the texts where the server does not count them. Where n answers came at once, the
    first carries the tokens and requests of all. `num_requests` counts the tries, failed ones included.
    """

    text: str
    finish: ReplyFinish
    reasoning: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_estimated: bool = False
    num_requests: int = 1
    latency_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What answers took. `cost` is in the currency of the endpoint's prices, None where it has none.

    Tries that ended without an answer are counted, yet what the server charges for them is unknown.
    """

    num_replies: int = 0
    num_requests: int = 0
    num_retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    num_estimated: int = 0
    num_blocked: int = 0
    cost: float | None = 0.0

    def __add__(self, other: Usage) -> Usage:
        sums = {name: getattr(self, name) + getattr(other, name) for name in vars(self) if name != "cost"}
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Usage(**sums, cost=cost)


def usage_of(reply: Reply, endpoint: Endpoint) -> Usage:
    """What this one reply took; add them up."""
    cost = None
    if endpoint.price_in is not None and endpoint.price_out is not None:
        tokens = reply.prompt_tokens * endpoint.price_in + reply.completion_tokens * endpoint.price_out
        cost = tokens / 1_000_000
    return Usage(
        num_replies=1,
        num_requests=reply.num_requests,
        num_retries=max(0, reply.num_requests - 1),
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        num_estimated=int(reply.is_estimated),
        num_blocked=int(reply.finish == "blocked"),
        cost=cost,
    )
