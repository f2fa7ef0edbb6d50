"""What it means that no answer came: try again after a while, ask in another way, or give up.

In goes the status, the headers and the JSON of an answer; out comes a Trouble, a Change, a reply without text, or an
EndpointError. What servers say was collected from the public error reports of OpenAI, Azure, vLLM, SGLang, llama.cpp,
TGI, LiteLLM and OpenRouter; where a server says it in yet another way, the error shows its words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from polymath.errors import EndpointError
from polymath.llm.nouns import Endpoint, Reply, Request
from polymath.llm.wire import Habits

SHOWN_CHARACTERS = 200
_PASSING = frozenset({408, 409, 425, 429})
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|ContextWindowExceeded|maximum context length|context (length|size)"
    r"|context window|(prompt|input) is too long|longer than the (model|maximum)|`inputs` tokens"
    r"|input token count .{0,40}exceeds",
    re.IGNORECASE,
)
_CONTEXT = re.compile(r"context length (?:is |of )?(?:only )?\(?(\d+)", re.IGNORECASE)
_PROMPT = re.compile(
    r"(at least )?(\d+) (?:tokens )?"
    r"(?:input tokens|prompt tokens|in the messages|in the prompt|in your prompt|from the input)",
    re.IGNORECASE,
)
# Nothing of the question is lost with these: n is asked one by one, stop strings are cut here, a seed is a courtesy.
_SPARE = frozenset({"n", "seed", "stop"})
_NEUTRAL = {"temperature": 1.0, "top_p": 1.0}
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A try that gave no answer and may be repeated, after `wait_s` where the server said so.

    `is_limit` means that the server is asked too often, so that everybody has to wait.
    """

    what: str
    wait_s: float | None = None
    is_limit: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """The server wants to be asked in another way: at once, and not counted as a failure."""

    request: Request
    habits: Habits


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What a server says instead of an answer, in one form for all."""

    status: int
    code: str
    message: str
    fields: frozenset[str]
    prompt_tokens: int | None = None
    context: int | None = None

    @property
    def what(self) -> str:
        """The refusal in a few words."""
        text = " ".join(self.message.split())
        cut = f"{text[:SHOWN_CHARACTERS]}..." if len(text) > SHOWN_CHARACTERS else text
        return f"HTTP {self.status}{f' ({cut})' if cut else ''}"


def read_refusal(status: int, found: Mapping[str, Any]) -> Refusal | None:
    """What the answer says against the request; None where it is an answer. Some servers refuse with status 200."""
    is_ok = 200 <= status < 300
    error = found.get("error", found.get("detail"))
    if is_ok and (not error or found.get("choices")) and found.get("object") != "error":
        return None
    parts = error if isinstance(error, dict) else {} if error else found
    message = parts.get("message") or (error if isinstance(error, str) else "")
    fields = {str(parts["param"])} if parts.get("param") else set()
    if isinstance(error, list):  # FastAPI names the fields that it does not take
        reasons = [one for one in error if isinstance(one, dict)]
        places = [one["loc"] for one in reasons if isinstance(one.get("loc"), list) and one["loc"]]
        fields |= {str(place[-1]) for place in places}
        message = "; ".join(f"{one.get('loc')} {one.get('msg')}" for one in reasons)
    message = str(message)
    fields |= set(re.findall(r"[`'\"](\w+)[`'\"]", message)) | set(re.findall(r"parameters?: *(\w+)", message))
    code = parts.get("code") or parts.get("type") or ""
    if is_ok:
        # Without a status of its own it is the server's failure.
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return Refusal(
        status=status,
        code=f"{code} {parts.get('type') or ''}",
        message=message,
        fields=frozenset(fields),
        prompt_tokens=_whole(parts.get("n_prompt_tokens")),
        context=_whole(parts.get("n_ctx")),
    )


def weigh(
    refusal: Refusal,
    headers: Mapping[str, str],
    endpoint: Endpoint,
    request: Request,
    habits: Habits,
    sent: Mapping[str, Any],
) -> Trouble | Change | Reply:
    """What to do about a refusal. Raises EndpointError where asking again cannot help."""
    said = f"{refusal.code} {refusal.message}"
    if refusal.status != 429 and _TOO_LONG.search(said):
        return _shorten(refusal, request, habits) or Reply(text="", finish="overlong")
    if refusal.status == 400 and "content_filter" in said:
        return Reply(text="", finish="blocked")
    if refusal.status in (400, 422) and (change := _adapt(refusal, request, habits, sent)):
        return change
    is_passing = refusal.status in _PASSING or refusal.status >= 500
    if not is_passing or "insufficient_quota" in said:
        raise EndpointError(endpoint.where, refusal.what, _remedy(refusal, endpoint, request))
    wait_s = wait_of(headers) if refusal.status in (429, 503) else None
    if wait_s is not None and wait_s > endpoint.max_wait_s:
        raise EndpointError(
            endpoint.where,
            f"{refusal.what}: it asks to wait {wait_s:.0f} s",
            "go on later; the answers so far are kept",
        )
    return Trouble(what=refusal.what, wait_s=wait_s, is_limit=refusal.status == 429 or wait_s is not None)


def wait_of(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that the server asks to wait: Retry-After, or else the reset of the limit that is used up.

    `headers` has lower-case names. Dates are read against the server's own clock where it tells it.
    """
    now = _date(headers.get("date", "")) or now or datetime.now(UTC)
    if (milliseconds := _duration(headers.get("retry-after-ms", ""), unit="ms")) is not None:
        return milliseconds
    told = headers.get("retry-after", "")
    if (seconds := _duration(told)) is not None:
        return seconds
    if (date := _date(told)) is not None:
        return max(0.0, (date - now).total_seconds())
    resets, used_up = [], []
    for kind in ("", "-requests", "-tokens"):
        reset_s = _duration(headers.get(f"x-ratelimit-reset{kind}", ""))
        if reset_s is None:
            continue
        for epoch_in in (1.0, 1000.0):  # seconds or milliseconds since 1970
            if reset_s >= 1e9 * epoch_in and reset_s < 1e10 * epoch_in:
                reset_s = max(0.0, reset_s / epoch_in - now.timestamp())
                break
        resets.append(reset_s)
        if headers.get(f"x-ratelimit-remaining{kind}", "").strip() == "0":
            used_up.append(reset_s)
    return max(used_up or resets, default=None)


def _shorten(refusal: Refusal, request: Request, habits: Habits) -> Change | None:
    """The same request with as many tokens as fit behind its prompt, where the server says how many those are."""
    context, prompt = refusal.context, refusal.prompt_tokens
    if context is None and (found := _CONTEXT.search(refusal.message)):
        context = int(found[1])
    is_bound = False
    if prompt is None and (found := _PROMPT.search(refusal.message)):
        prompt, is_bound = int(found[2]), bool(found[1])
    if context is None or prompt is None or request.max_tokens is None:
        return None
    # vLLM stops counting at the first token too many ("at least 1537"), which would lead down one by one.
    room = (context - prompt) // 2 if is_bound else context - prompt
    return Change(request=replace(request, max_tokens=room), habits=habits) if 0 < room < request.max_tokens else None


def _adapt(refusal: Refusal, request: Request, habits: Habits, sent: Mapping[str, Any]) -> Change | None:
    """The habits without what the server does not take, if the question stays the same without it."""
    # Each change takes a field away from what is sent, so that changing ends.
    if "max_tokens" in sent and "max_completion_tokens" in refusal.message:
        return Change(request=request, habits=replace(habits, limit_field="max_completion_tokens"))
    neutral = {name for name, value in _NEUTRAL.items() if sent.get(name) == value}
    spare = refusal.fields & set(sent) & (_SPARE | neutral)
    if not spare:
        return None
    left_out, takes_n = habits.left_out | spare, habits.takes_n and "n" not in spare
    return Change(request=request, habits=replace(habits, left_out=left_out, takes_n=takes_n))


def _remedy(refusal: Refusal, endpoint: Endpoint, request: Request) -> str:
    said = f"{refusal.code} {refusal.message}".lower()
    names_model = "model_not_found" in said or endpoint.model.lower() in said or "no such model" in said
    if refusal.status in (401, 403):
        named = "check the key" if endpoint.key_env else "name the environment variable that holds the key"
        return f"{named}, and that it may use this model"
    if refusal.status == 402 or "insufficient_quota" in said:
        return "the account has no credit left; the answers so far are kept"
    is_chat_model = "chat model" in said or "chat/completions" in said
    if refusal.status in (404, 405) and not request.is_chat and (is_chat_model or not names_model):
        return "it has no /completions for this model; use a prompt template that ends in -chat"
    if refusal.status in (404, 405):
        return "check the name of the model" if names_model else "check the address, which mostly ends in /v1"
    if 300 <= refusal.status < 400:
        return "give the address that it redirects to"
    unwanted = sorted(refusal.fields & {"temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens"})
    if unwanted:
        return f"choose a protocol without {', '.join(unwanted)}, or with another value"
    return "check the name of the model and the protocol"


def _duration(text: str, unit: str = "s") -> float | None:
    """Seconds in "2", "1.5s", "6m0s", "20ms"; None for anything else."""
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text) * _UNITS_S[unit]
    parts = _DURATION.findall(text)
    if not parts or "".join(number + name for number, name in parts) != text:
        return None
    return sum(float(number) * _UNITS_S[name] for number, name in parts)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
