"""Many requests to one endpoint: bounded concurrency, retries, one pause for all, replies handed out as they come."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from polymath.errors import EndpointError
from polymath.llm.failures import Change, Refusal, Trouble, read_refusal, weigh
from polymath.llm.key import Key, read_key
from polymath.llm.nouns import Endpoint, Reply, Request
from polymath.llm.wire import Habits, UnreadableError, body_of, operation_of, parse, read_replies

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT_S = 15.0
LONGEST_BACKOFF_S = 60.0
MAX_BODY_BYTES = 32 << 20  # an answer without end must not fill the memory

OnReply = Callable[[int, Reply], None]
OnTrouble = Callable[[str], None]
T = TypeVar("T")


def complete(
    endpoint: Endpoint,
    requests: Sequence[Request],
    on_reply: OnReply | None = None,
    on_trouble: OnTrouble | None = None,
) -> list[Reply]:
    """The replies to all requests, in order.

    `on_reply(index, reply)` is called once for each as it comes, in any order and never twice at a time; what it
    raises ends the work. `on_trouble` is told in a line what failed and is tried again. Raises EndpointError where
    the endpoint refuses or keeps failing. Ctrl-C ends it at once; connections are closed, no thread stays behind.
    """
    if not requests:
        return []
    return run_to_end(complete_async(endpoint, requests, on_reply, on_trouble))


async def complete_async(
    endpoint: Endpoint,
    requests: Sequence[Request],
    on_reply: OnReply | None = None,
    on_trouble: OnTrouble | None = None,
) -> list[Reply]:
    """`complete` for a loop that does other things meanwhile, such as asking other endpoints.

    Cancelled, it closes its connections and asks nothing more. What came before was handed to `on_reply`, whole.
    """
    if not requests:
        return []
    return await _Session(endpoint, requests, on_reply, on_trouble).complete()


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """What this coroutine returns; in a thread where a loop runs already, as in a notebook. Ctrl-C cancels it in both.

    Of several failures at once the first is raised.
    """
    try:
        return _run(work)
    except BaseExceptionGroup as errors:
        raise _first(errors) from None


class _Session:
    """What the workers of one call share: the queue, the pause, what the server has turned out to want."""

    def __init__(
        self, endpoint: Endpoint, requests: Sequence[Request], on_reply: OnReply | None, on_trouble: OnTrouble | None
    ) -> None:
        self.endpoint, self.requests = endpoint, requests
        self.on_reply, self.on_trouble = on_reply, on_trouble
        self.key: Key = read_key(endpoint)
        self.habits = Habits(takes_n=endpoint.use_n)
        self.queue = deque(_neighbours(requests) if endpoint.use_n else ([index] for index in range(len(requests))))
        self.replies: list[Reply | None] = [None] * len(requests)
        self.num_answered = 0
        self.pause_ends = 0.0
        self.jitter = random.Random()  # of its own, so that a seeded experiment is not disturbed

    async def complete(self) -> list[Reply]:
        import httpx2

        num_workers = min(self.endpoint.max_concurrency, len(self.queue))
        async with httpx2.AsyncClient(
            headers={"Accept": "application/json", "User-Agent": "polymath-learning", **self.key.headers()},
            timeout=httpx2.Timeout(self.endpoint.timeout_s, connect=min(CONNECT_TIMEOUT_S, self.endpoint.timeout_s)),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=num_workers),
            trust_env=not self.endpoint.is_local,
        ) as client:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(num_workers):
                        group.create_task(self._work(client))
            except BaseExceptionGroup as errors:
                raise _first(errors) from None
        return [reply for reply in self.replies if reply is not None]

    async def _work(self, client: httpx2.AsyncClient) -> None:
        while self.queue:
            indices = self.queue.popleft()
            request = self.requests[indices[0]]
            while indices:
                num_wanted = len(indices) if self.habits.takes_n else 1
                replies = await self._ask(client, request, num_wanted)
                for index, reply in zip(indices, replies, strict=False):
                    self._hand_out(index, reply)
                # A server that does not know n gives one answer. The rest is asked again, and not with the same seed.
                indices = indices[len(replies) :]
                if request.seed is not None:
                    request = replace(request, seed=request.seed + len(replies))

    def _hand_out(self, index: int, reply: Reply) -> None:
        self.replies[index] = reply
        self.num_answered += 1
        if self.on_reply is not None:
            self.on_reply(index, reply)

    async def _ask(self, client: httpx2.AsyncClient, request: Request, n: int) -> list[Reply]:
        """Try until there is an answer; at most n replies. Raises EndpointError when the retries are used up."""
        troubles: Counter[str] = Counter()
        num_requests = num_failures = 0
        began, num_answered_before = time.monotonic(), self.num_answered
        while True:
            await self._wait_for_all()
            num_requests += 1
            outcome = await self._try(client, request, n)
            if isinstance(outcome, list):
                first = replace(outcome[0], num_requests=num_requests)
                others = [replace(reply, num_requests=0) for reply in outcome[1:n]]
                latency_s = time.monotonic() - began
                return [replace(reply, latency_s=latency_s) for reply in (first, *others)]
            if isinstance(outcome, Change):
                request, self.habits = outcome.request, outcome.habits
                n = n if self.habits.takes_n else 1
                continue
            troubles[outcome.what] += 1
            # Under a rate limit, others get through while one waits: that is progress, not failure.
            is_progress = outcome.is_limit and self.num_answered > num_answered_before
            num_failures, num_answered_before = 0 if is_progress else num_failures + 1, self.num_answered
            if num_failures > self.endpoint.max_retries:
                raise self._give_up(troubles)
            await self._pause(outcome, num_failures)

    async def _try(self, client: httpx2.AsyncClient, request: Request, n: int) -> list[Reply] | Trouble | Change:
        """One request over the wire and what came of it."""
        import httpx2

        body = body_of(request, self.endpoint.model, n, self.habits)
        address = self.endpoint.address(operation_of(request))
        too_slow = Trouble(what=f"no whole answer within {self.endpoint.timeout_s:g} s")
        try:
            # The client's own timeouts are for one read each; a byte a minute would pass them.
            async with asyncio.timeout(self.endpoint.timeout_s), client.stream("POST", address, json=body) as response:
                raw = await _read(response)
        except (TimeoutError, httpx2.TimeoutException):
            return too_slow
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError):
            raise EndpointError(self.endpoint.where, "is no http address", "check it") from None
        except httpx2.HTTPError as error:
            said = self.key.blot(f"{type(error).__name__}: {error}")
            if "CERTIFICATE_VERIFY_FAILED" in said:
                raise EndpointError(
                    self.endpoint.where, "its certificate is not trusted", "set SSL_CERT_FILE"
                ) from None
            return Trouble(what=f"the connection failed ({said})")
        status = response.status_code
        try:
            found = parse(raw, self.key)
            refusal = read_refusal(status, found)
            if refusal is None and 200 <= status < 300:
                return read_replies(found, request)
        except UnreadableError as problem:
            if 200 <= status < 300:
                return Trouble(what=f"HTTP {status} with {problem}")
            refusal = Refusal(status=status, code="", message=str(problem), fields=frozenset())
        refusal = refusal or Refusal(status=status, code="", message="", fields=frozenset())
        headers = {name.lower(): value for name, value in response.headers.items()}
        outcome = weigh(refusal, headers, self.endpoint, request, self.habits, body)
        return [outcome] * n if isinstance(outcome, Reply) else outcome

    async def _wait_for_all(self) -> None:
        """Wait while the server wants a pause from everybody, and a little longer, each for another while."""
        while (left_s := self.pause_ends - time.monotonic()) > 0:
            await asyncio.sleep(left_s + self.jitter.uniform(0, min(1.0, 0.1 * left_s)))

    async def _pause(self, trouble: Trouble, num_failures: int) -> None:
        """Back off exponentially with full jitter, or for as long as the server says; all of us at a rate limit.

        Full jitter: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
        """
        longest_s = min(LONGEST_BACKOFF_S, self.endpoint.backoff_s * 2.0 ** max(0, num_failures - 1))
        backoff_s = self.jitter.uniform(0, longest_s)
        wait_s = backoff_s if trouble.wait_s is None else trouble.wait_s or backoff_s
        if self.on_trouble is not None:
            self.on_trouble(f"{self.endpoint.where}: {trouble.what}; again in {wait_s:.1f} s")
        if trouble.is_limit:
            self.pause_ends = max(self.pause_ends, time.monotonic() + wait_s)
            await self._wait_for_all()
        else:
            await asyncio.sleep(wait_s)

    def _give_up(self, troubles: Counter[str]) -> EndpointError:
        kept = ", ".join(f"{count} x {what}" for what, count in troubles.most_common(3))
        is_page = "web page" in kept and self.num_answered == 0
        remedy = "check the address, which mostly ends in /v1" if is_page else "see whether it runs, and go on later"
        return EndpointError(
            self.endpoint.where, f"no answer in {troubles.total()} tries: {kept}", f"{remedy}; answers so far are kept"
        )


async def _read(response: httpx2.Response) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            return b"..."  # which is no JSON
    return b"".join(parts)


def _neighbours(requests: Sequence[Request]) -> list[list[int]]:
    """Indices of equal requests that stand side by side, together."""
    groups: list[list[int]] = []
    for index, request in enumerate(requests):
        if groups and requests[groups[-1][0]] == request:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; in a thread where a loop runs already, as in a notebook. Ctrl-C cancels it in both."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = []

    async def cancellable() -> T:
        task = asyncio.ensure_future(work)
        started.append((asyncio.get_running_loop(), task))
        return await task

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="polymath-llm") as pool:
        future = pool.submit(asyncio.run, cancellable())
        try:
            return future.result()
        except BaseException:
            for loop, task in started:
                with contextlib.suppress(RuntimeError):  # it has ended by itself
                    loop.call_soon_threadsafe(task.cancel)
            raise
