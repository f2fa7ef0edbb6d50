"""What goes over the wire: a request to the body that is sent, a body that came back to replies.

The forms are those of the OpenAI API's chat completions and completions, read as tolerantly as servers differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from polymath.llm.key import Key
from polymath.llm.nouns import Reply, ReplyFinish, Request

CHARACTERS_PER_TOKEN = 4  # OpenAI's rule of thumb for English text
_FINISHES: dict[str, ReplyFinish] = {"length": "length", "max_tokens": "length", "content_filter": "blocked"}


class UnreadableError(Exception):
    """A body that is no answer. The message says what it is instead; it holds nothing of the body."""


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What this server has turned out to want: fields to leave out, the name of the token limit, whether it takes n."""

    left_out: frozenset[str] = frozenset()
    limit_field: str = "max_tokens"
    takes_n: bool = False


def operation_of(request: Request) -> str:
    """The path of the request behind the endpoint's address."""
    return "chat/completions" if request.is_chat else "completions"


def body_of(request: Request, model: str, n: int, habits: Habits) -> dict[str, Any]:
    """The JSON object that is sent.

    top_p is sent at 1, too, because servers such as vLLM otherwise take the model's own default.
    """
    body: dict[str, Any] = {"model": model}
    if request.is_chat:
        system = [{"role": "system", "content": request.system}] if request.system else []
        body["messages"] = [*system, {"role": "user", "content": request.text}]
    else:
        body["prompt"] = f"{request.system}{request.text}"
    body["temperature"] = request.temperature
    if request.temperature > 0:
        body["top_p"] = request.top_p
        if request.top_k > 0:
            body["top_k"] = request.top_k
        if request.seed is not None:
            body["seed"] = request.seed
    if request.max_tokens is not None:
        body[habits.limit_field] = request.max_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    if n > 1:
        body["n"] = n
    return {name: value for name, value in body.items() if name not in habits.left_out}


def parse(raw: bytes, key: Key) -> dict[str, Any]:
    """The JSON object of a body, the key blotted out of every text in it; raises UnreadableError."""
    try:
        found = _clean(json.loads(raw), key)
    except (ValueError, RecursionError):
        start = raw.lstrip()[:1]
        kind = "a web page" if start == b"<" else "an empty body" if not start else "torn or malformed JSON"
        raise UnreadableError(kind) from None
    if not isinstance(found, dict):
        raise UnreadableError("JSON that is no object")
    return found


def read_replies(found: Mapping[str, Any], request: Request) -> list[Reply]:
    """The replies of an answer, at least one; raises UnreadableError. The first carries the tokens of all."""
    choices = found.get("choices")
    if not isinstance(choices, list) or not choices:
        raise UnreadableError("an answer without choices")
    replies = [_read_choice(choice, request) for choice in sorted(choices, key=_index)]
    usage = found.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    prompt_tokens, completion_tokens = _count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens"))
    said = sum(len(reply.text) + len(reply.reasoning) for reply in replies)
    model = found.get("model")
    if choices[0].get("finish_reason") is None and len(choices) == 1 and completion_tokens is not None:
        is_full = request.max_tokens is not None and completion_tokens >= request.max_tokens
        replies[0] = replace(replies[0], finish="length" if is_full else "eos")
    first = replace(
        replies[0],
        prompt_tokens=_estimate(len(request.system) + len(request.text)) if prompt_tokens is None else prompt_tokens,
        completion_tokens=_estimate(said) if completion_tokens is None else completion_tokens,
        is_estimated=prompt_tokens is None or completion_tokens is None,
    )
    return [replace(reply, model=model if isinstance(model, str) else "") for reply in (first, *replies[1:])]


def _read_choice(choice: object, request: Request) -> Reply:
    said = choice.get("message") if isinstance(choice, dict) and request.is_chat else choice
    if not isinstance(choice, dict) or not isinstance(said, dict):
        raise UnreadableError("a choice without a message")
    reason = choice.get("finish_reason")
    if reason == "error" or choice.get("error"):
        raise UnreadableError("a choice that ended in an error")
    text = _text(said.get("content") if request.is_chat else said.get("text")) or _text(said.get("refusal"))
    reasoning = _text(said.get("reasoning_content")) or _text(said.get("reasoning"))
    finish = _FINISHES.get(reason, "eos") if isinstance(reason, str) else "eos"
    # A server that does not know stop strings, or refuses them, says more than was asked for.
    ends = [place for place in map(text.find, request.stop) if place >= 0]
    if ends:
        text, finish = text[: min(ends)], "eos"
    return Reply(text=text, finish=finish, reasoning=reasoning)


def _text(value: object) -> str:
    """Content is a text, nothing, or a list of parts of which some are text."""
    if isinstance(value, list):
        return "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else ""


def _index(choice: object) -> int:
    return _count(choice.get("index")) or 0 if isinstance(choice, dict) else 0


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _estimate(num_characters: int) -> int:
    return -(-num_characters // CHARACTERS_PER_TOKEN)


def _clean(value: Any, key: Key) -> Any:
    """Every text without the key, and without the lone surrogates that no file takes."""
    if isinstance(value, str):
        return key.blot(value.encode("utf-8", "replace").decode())
    if isinstance(value, list):
        return [_clean(part, key) for part in value]
    if isinstance(value, dict):
        return {_clean(name, key): _clean(part, key) for name, part in value.items()}
    return value
