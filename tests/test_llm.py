"""A server that misbehaves on purpose, and the client that has to answer every request once all the same."""

import asyncio
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polymath.errors import EndpointError, UserError
from polymath.llm import Endpoint, Reply, Request, Usage, complete, complete_async, run_to_end, usage_of
from polymath.llm.failures import wait_of
from tests import servers
from tests.servers import PASSING, answer, body_of_bytes, page, refuse, say, serve

KEY = "sk-test-0123456789abcdefghij"
VARIABLE = "POLYMATH_TEST_KEY"


def endpoint_of(server, **changes):
    """Short pauses; everything else as given."""
    return Endpoint(url=server.url, model="m", **{"backoff_s": 0.01, "timeout_s": 10, **changes})


def ask(server, *texts, on_reply=None, on_trouble=None, request=None, **changes):
    requests = [Request(text=text, **(request or {})) for text in texts or ("q",)]
    return complete(endpoint_of(server, **changes), requests, on_reply, on_trouble)


def first(*behaviours):
    """Each prompt meets these, one after the other, and is answered then."""
    return lambda prompt, attempt: behaviours[attempt] if attempt < len(behaviours) else None


def always(behaviour):
    return lambda prompt, attempt: behaviour


def one_line(caught):
    text = str(caught.value)
    assert "\n" not in text and isinstance(caught.value, UserError)
    return text


# What is sent and what comes back


def test_replies_stand_in_the_order_of_the_requests_whatever_order_they_come_in():
    def unequal(prompt, attempt):
        time.sleep(0.002 * (9 - int(prompt)))

    came = []
    with serve(unequal) as server:
        replies = ask(server, *map(str, range(10)), on_reply=lambda index, reply: came.append(index))
    assert [reply.text for reply in replies] == [f"answer to {index}" for index in range(10)]
    assert sorted(came) == list(range(10)) and came != list(range(10))


def test_a_chat_is_one_user_message_and_a_completion_is_the_text_itself():
    with serve() as server:
        ask(server, "hello", request={"system": "be brief"})
        ask(server, "hello", request={"is_chat": False})
    chat, plain = server.bodies
    assert server.paths == ["/v1/chat/completions", "/v1/completions"]
    assert chat["messages"] == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
    assert plain["prompt"] == "hello" and "messages" not in plain


def test_only_what_was_set_is_sent():
    drawn = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "max_tokens": 7, "stop": ("\n\n",), "seed": 3}
    with serve() as server:
        ask(server, request=drawn)
        ask(server, request={"temperature": 0.0, "top_k": 20, "seed": 3})
    assert {name: server.bodies[0][name] for name in drawn} == {**drawn, "stop": ["\n\n"]}
    assert set(server.bodies[1]) == {"model", "messages", "temperature"}, "greedy decoding has no other settings"


@pytest.mark.parametrize("path", ["", "/", "/chat/completions", "/completions/"])
def test_the_address_may_be_pasted_with_the_operation_in_it(path):
    with serve() as server:
        complete(Endpoint(url=server.url + path + "?version=1", model="m"), [Request(text="q")])
    assert server.paths == ["/v1/chat/completions?version=1"]


def test_nothing_is_asked_for_no_requests():
    with serve() as server:
        assert complete(endpoint_of(server), []) == []
    assert server.bodies == []


def test_no_more_requests_are_open_at_once_than_the_endpoint_allows():
    with serve(takes_s=0.03) as server:
        ask(server, *map(str, range(20)), max_concurrency=4)
    assert server.most_parallel == 4


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": None}, ""),
        ({"content": "7"}, "7"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": None, "refusal": "I would rather not."}, "I would rather not."),
        ({"content": "half a pair \ud83d"}, "half a pair ?"),
    ],
)
def test_a_message_is_read_whatever_form_its_content_has(message, text):
    with serve(always(say(choices=[{"message": message, "finish_reason": "stop"}]))) as server:
        assert ask(server)[0].text == text


def test_reasoning_that_came_apart_is_kept_apart():
    message = {"content": None, "reasoning_content": "so far"}
    with serve(always(say(choices=[{"message": message, "finish_reason": "length"}]))) as server:
        (reply,) = ask(server)
    assert (reply.text, reply.reasoning, reply.finish) == ("", "so far", "length")


@pytest.mark.parametrize(
    ("reason", "tokens", "finish"),
    [
        ("stop", 5, "eos"),
        ("length", 5, "length"),
        ("content_filter", 5, "blocked"),
        (None, 4, "eos"),
        (None, 5, "length"),
    ],
)
def test_why_an_answer_ended_is_told_by_the_server_or_by_its_count(reason, tokens, finish):
    usage = {"prompt_tokens": 1, "completion_tokens": tokens}
    choices = [{"message": {"content": "x"}, "finish_reason": reason}]
    with serve(always(say(choices=choices, usage=usage))) as server:
        assert ask(server, request={"max_tokens": 5})[0].finish == finish


def test_an_answer_ends_before_the_first_stop_string_where_the_server_does_not_know_them():
    with serve(always(say("one END two STOP three"))) as server:
        (reply,) = ask(server, request={"stop": ("STOP", "END")})
    assert (reply.text, reply.finish) == ("one ", "eos")


# Tokens and cost


def test_tokens_requests_and_cost_add_up_over_replies():
    with serve(first(refuse(500))) as server:
        endpoint = endpoint_of(server, price_in=0.5, price_out=1.5)
        replies = complete(endpoint, [Request(text=text) for text in "abc"])
    usage = sum((usage_of(reply, endpoint) for reply in replies), Usage())
    assert (usage.num_replies, usage.num_requests, usage.num_retries) == (3, 6, 3) == (3, len(server.bodies), 3)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.num_estimated) == (30, 15, 0)
    assert usage.cost == pytest.approx((30 * 0.5 + 15 * 1.5) / 1e6)
    assert replies[0].model == "m-2026" and replies[0].latency_s > 0


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "many"}, {"prompt_tokens": True}, "none"])
def test_tokens_that_the_server_does_not_count_are_estimated_and_said_to_be(usage):
    with serve(always(say("12345678", usage=usage))) as server:
        (reply,) = ask(server, "1234567890123456")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.is_estimated) == (4, 2, True)


def test_without_prices_there_is_no_cost():
    reply = Reply(text="", finish="eos", prompt_tokens=1)
    endpoint = Endpoint(url="http://localhost/v1", model="m", price_in=1.0)
    assert usage_of(reply, endpoint).cost is None
    assert (Usage() + usage_of(reply, endpoint)).cost is None


# What passes: tried again


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_tried_again(name):
    told = []
    with serve(first(PASSING[name], PASSING[name])) as server:
        replies = ask(server, "a", "b", on_trouble=told.append)
    assert [reply.text for reply in replies] == ["answer to a", "answer to b"]
    assert [reply.num_requests for reply in replies] == [3, 3] and len(server.bodies) == 6
    assert len(told) == 4 and all("\n" not in line and server.url in line for line in told)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    plan=st.lists(st.lists(st.sampled_from(sorted(PASSING)), max_size=4), min_size=1, max_size=8),
    max_concurrency=st.integers(1, 4),
)
def test_every_request_is_answered_once_and_in_order_under_any_failures_short_of_the_limit(plan, max_concurrency):
    def misbehave(prompt, attempt):
        failures = plan[int(prompt)]
        return PASSING[failures[attempt]] if attempt < len(failures) else None

    came = []
    with serve(misbehave) as server:
        replies = ask(
            server,
            *map(str, range(len(plan))),
            on_reply=lambda index, reply: came.append((index, reply)),
            max_retries=4,
            backoff_s=0.001,
            max_concurrency=max_concurrency,
        )
    assert [reply.text for reply in replies] == [f"answer to {index}" for index in range(len(plan))]
    assert sorted(came, key=lambda pair: pair[0]) == list(enumerate(replies))
    assert [reply.num_requests for reply in replies] == [1 + len(failures) for failures in plan]
    assert server.most_parallel <= max_concurrency


def test_an_answer_that_drips_in_is_given_up_at_the_deadline_and_asked_again():
    with serve(first(servers.drip)) as server:
        began = time.monotonic()
        (reply,) = ask(server, timeout_s=0.4)
    assert reply.text == "answer to q" and reply.num_requests == 2
    assert 0.4 <= time.monotonic() - began < 5


def test_a_server_that_never_answers_ends_in_one_line():
    with serve(always(servers.hang)) as server, pytest.raises(EndpointError) as caught:
        ask(server, timeout_s=0.2, max_retries=1)
    assert "no answer in 2 tries: 2 x no whole answer within 0.2 s" in one_line(caught)


def test_a_port_where_nobody_listens_ends_in_one_line():
    with serve() as server:
        endpoint = endpoint_of(server, max_retries=2)
    with pytest.raises(EndpointError, match="3 x the connection failed"):
        complete(endpoint, [Request(text="q")])


def test_when_the_retries_are_used_up_the_error_says_what_kept_happening_and_the_answers_are_kept():
    def misbehave(prompt, attempt):
        return (
            [refuse(503, "loading"), refuse(503, "loading"), page(502), servers.drop][attempt]
            if prompt == "c"
            else None
        )

    kept = []
    with serve(misbehave) as server, pytest.raises(EndpointError) as caught:
        ask(server, *"abcde", on_reply=lambda index, _: kept.append(index), max_retries=3, max_concurrency=1)
    text = one_line(caught)
    assert "no answer in 4 tries" in text and "2 x HTTP 503 (loading)" in text and "HTTP 502 (a web page)" in text
    assert kept == [0, 1] and server.attempts == {"a": 1, "b": 1, "c": 4}


def test_web_pages_from_the_start_mean_a_wrong_address():
    with serve(always(page(200))) as server, pytest.raises(EndpointError, match="which mostly ends in /v1"):
        ask(server, max_retries=1)


def test_pauses_double_and_are_drawn_from_zero_to_the_longest():
    told = []
    with serve(always(refuse(500))) as server, pytest.raises(EndpointError):
        ask(server, *"abcdefgh", on_trouble=told.append, max_retries=4, backoff_s=0.1)
    pauses = [float(line.rpartition("again in ")[2].removesuffix(" s")) for line in told]
    assert max(pauses) <= 0.8 and len(set(pauses)) > 3, "0.1 s, doubled three times, at most"


# Rate limits: everybody waits


def test_all_workers_wait_as_long_as_one_is_told_to():
    def misbehave(prompt, attempt):
        if prompt == "a" and attempt == 0:
            return refuse(429, headers={"Retry_After": 1})
        time.sleep(0.1)  # the others are under way when the limit is met
        return None

    with serve(misbehave) as server:
        ask(server, *"abcdefghij", max_concurrency=3)
    assert len(server.times) == 11
    gaps = sorted(server.times[i + 1] - server.times[i] for i in range(10))
    assert gaps[-1] >= 0.75 and gaps[-2] < 0.5, "one pause, in which nobody asks"


def test_a_storm_of_429_is_ridden_out_as_long_as_somebody_gets_through():
    """One request in 50 ms is let through; eight ask. Each of them is refused more often than max_retries."""
    lock, last = threading.Lock(), [0.0]

    def misbehave(prompt, attempt):
        with lock:
            if time.monotonic() - last[0] < 0.05:
                return refuse(429, "slow down", headers={"Retry_After_Ms": 50})
            last[0] = time.monotonic()
            return None

    with serve(misbehave) as server:
        replies = ask(server, *map(str, range(24)), max_concurrency=8, max_retries=3)
    assert [reply.text for reply in replies] == [f"answer to {index}" for index in range(24)]
    assert max(server.attempts.values()) > 4, "the storm was one"


def test_a_limit_without_end_is_an_error():
    with serve(always(refuse(429, "slow down"))) as server, pytest.raises(EndpointError, match=r"3 x HTTP 429 \(slow"):
        ask(server, max_retries=2)


def test_a_pause_longer_than_anybody_waits_is_an_error():
    with (
        serve(always(refuse(429, headers={"X_RateLimit_Reset_Requests": "6h0m0s"}))) as server,
        pytest.raises(EndpointError, match="asks to wait 21600 s"),
    ):
        ask(server)
    assert len(server.bodies) == 1


NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:09 GMT"}, 9),
        ({"retry-after": "Sun, 01 Mar 2026 11:59:00 GMT"}, 0),
        # The server's clock is an hour ahead of ours; the difference of its own two dates counts.
        ({"retry-after": "Sun, 01 Mar 2026 13:00:04 GMT", "date": "Sun, 01 Mar 2026 13:00:00 GMT"}, 4),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"x-ratelimit-reset-requests": "1s"}, 1),
        ({"x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-reset-tokens": "2m59.56s"}, 179.56),
        (
            {"x-ratelimit-reset-requests": "1d", "x-ratelimit-reset-tokens": "2s", "x-ratelimit-remaining-tokens": "0"},
            2,
        ),
        ({"x-ratelimit-reset-requests": "3s", "x-ratelimit-reset-tokens": "2s"}, 3),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 30)}, 30),
        ({"x-ratelimit-reset": str(int(NOW.timestamp() + 30) * 1000)}, 30),
        ({"x-ratelimit-reset-requests": "later", "x-ratelimit-reset-tokens": "5s!"}, None),
        ({"retry-after": "2", "x-ratelimit-reset-requests": "9s"}, 2),
    ],
)
def test_how_long_a_server_wants_us_to_wait(headers, wait_s):
    assert wait_of(headers, NOW) == (None if wait_s is None else pytest.approx(wait_s))


def test_a_date_to_wait_for_is_waited_for():
    def misbehave(prompt, attempt):
        # HTTP dates are whole seconds: two seconds on is a wait of more than one.
        date = format_datetime(datetime.fromtimestamp(time.time() + 2, UTC), usegmt=True)
        return refuse(429, headers={"Retry_After": date}) if attempt == 0 else None

    with serve(misbehave) as server:
        ask(server)
    assert server.times[1] - server.times[0] >= 0.9


# What does not pass: one clear line, at once


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (refuse(400, "messages must not be empty", param="messages"), "messages must not be empty"),
        (refuse(401, "bad key"), "check the key"),
        (refuse(402, "insufficient balance"), "no credit left"),
        (refuse(403, "not yours"), "check the key"),
        (refuse(404, "The model `m` does not exist", code="model_not_found"), "check the name of the model"),
        (refuse(404, "Not Found"), "which mostly ends in /v1"),
        (page(404), "which mostly ends in /v1"),
        (refuse(429, "You exceeded your quota", code="insufficient_quota"), "no credit left"),
        (lambda handler, body: handler.send(301, b"", Location="https://elsewhere"), "redirects"),
        (lambda handler, body: handler.send(400, {"detail": "Unknown\nthing"}), "Unknown thing"),
        (lambda handler, body: handler.send(400, {"object": "error", "message": "Unknown"}), "Unknown"),
    ],
)
def test_what_cannot_pass_is_not_asked_again(behaviour, said):
    with serve(always(behaviour)) as server, pytest.raises(EndpointError) as caught:
        ask(server, key_env="HOME")
    text = one_line(caught)
    assert said in text and server.url in text
    assert len(server.bodies) == 1


@pytest.mark.parametrize("message", ["Not Found", "This is a chat model and not supported in the completions endpoint"])
def test_a_server_without_completions_is_told_from_a_model_that_is_not_there(message):
    with serve(always(refuse(404, message))) as server, pytest.raises(EndpointError, match="ends in -chat"):
        ask(server, request={"is_chat": False})
    missing = refuse(404, "The model `m` does not exist.")
    with serve(always(missing)) as server, pytest.raises(EndpointError, match="check the name of the model"):
        ask(server, request={"is_chat": False})


def test_a_refusal_of_one_ends_the_work_of_all():
    def misbehave(prompt, attempt):
        return refuse(401, "bad key") if prompt == "3" else servers.hang if prompt > "3" else None

    kept = []
    with serve(misbehave) as server:
        began = time.monotonic()
        with pytest.raises(EndpointError):
            ask(server, *"0123456789", on_reply=lambda index, _: kept.append(index), max_concurrency=4, timeout_s=60)
        assert time.monotonic() - began < 5
    assert set(kept) <= {0, 1, 2}, "which of them came first is chance"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"code": "context_length_exceeded", "message": "too long"}),
        (400, {"message": "The decoder prompt (length 70) is longer than the maximum model length of 64."}),
        (400, {"message": "prompt is too long: 70 tokens > 64 maximum"}),
        (400, {"message": "The model's maximum context length is 64 tokens; you passed 70 input tokens", "code": 400}),
        (413, {"message": "The input token count (70) exceeds the maximum number of tokens allowed (64)."}),
        (422, {"message": "`inputs` tokens + `max_new_tokens` must be <= 64. Given: 70 `inputs` tokens and 8"}),
        (500, {"type": "exceed_context_size_error", "message": "too big", "n_prompt_tokens": 70, "n_ctx": 64}),
        (
            200,
            {
                "type": "exceed_context_size_error",
                "message": "too big",
                "n_prompt_tokens": 70,
                "n_ctx": 64,
                "code": 400,
            },
        ),
    ],
)
def test_a_prompt_longer_than_the_context_is_an_overlong_answer_and_no_error(status, error):
    long = refuse(status, error.pop("message"), **error)
    with serve(lambda prompt, attempt: long if prompt == "long" else None) as server:
        replies = ask(server, "a", "long", "b", request={"max_tokens": 8})
    assert [reply.finish for reply in replies] == ["eos", "overlong", "eos"]
    assert replies[1].text == "" and server.attempts["long"] == 1
    assert (replies[1].prompt_tokens, replies[1].completion_tokens) == (0, 0)


@pytest.mark.parametrize(
    "message",
    [
        "The maximum context length is 64 tokens, but you requested 80 (60 in the messages, 20 in the completion).",
        "'max_completion_tokens' is too large: 20. The maximum context length is 64 tokens; you have 60 input tokens.",
        "It exceeds the context length of 64 tokens: 60 tokens from the input messages and 20 for the completion.",
    ],
)
def test_a_prompt_that_fits_is_answered_in_the_room_behind_it(message):
    with serve(first(refuse(400, message))) as server:
        (reply,) = ask(server, request={"max_tokens": 20})
    assert reply.text == "answer to q" and [body["max_tokens"] for body in server.bodies] == [20, 4]


def test_a_server_that_only_says_at_least_is_not_walked_down_one_by_one():
    """vLLM counts the tokens of a prompt up to the first too many."""

    def misbehave(prompt, attempt):
        def count(handler, body):
            room = 1000 - 990  # what is really left behind the prompt
            if body["max_tokens"] <= room:
                return servers.behave(handler, body)
            message = f"context length is 1000 tokens; it contains at least {1001 - body['max_tokens']} input tokens"
            return handler.send(400, {"error": {"message": message}})

        return count

    with serve(misbehave) as server:
        (reply,) = ask(server, request={"max_tokens": 512})
    assert reply.finish == "eos" and len(server.bodies) < 10 and server.bodies[-1]["max_tokens"] > 3


def test_an_answer_that_a_filter_keeps_back_is_blocked_and_counted():
    with serve(always(refuse(400, "filtered", code="content_filter"))) as server:
        (reply,) = ask(server)
        assert usage_of(reply, endpoint_of(server)).num_blocked == 1
    assert (reply.text, reply.finish) == ("", "blocked")


# Servers that want to be asked in another way


def rejecting(name, message, **error):
    """Refuse every request that holds the field."""

    def judge(handler, body):
        return refuse(400, message, **error)(handler, body) if name in body else servers.behave(handler, body)

    return always(judge)


def test_max_tokens_is_called_max_completion_tokens_where_the_server_wants_it():
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with serve(rejecting("max_tokens", message, param="max_tokens")) as server:
        replies = ask(server, *"abcd", request={"max_tokens": 9}, max_concurrency=1)
    assert len(replies) == 4 and len(server.bodies) == 5, "learnt once"
    assert all(body["max_completion_tokens"] == 9 for body in server.bodies[1:])


def test_a_server_that_wants_neither_limit_is_an_error_and_no_endless_argument():
    message = "'max_tokens' and 'max_completion_tokens' are too large"
    with serve(always(refuse(400, message))) as server, pytest.raises(EndpointError, match="too large"):
        ask(server, request={"max_tokens": 9})
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    "refusal",
    [
        refuse(400, "Unknown field", param="seed"),
        refuse(400, "Unsupported parameter: seed"),
        refuse(400, "`seed` is not supported"),
        lambda handler, body: handler.send(422, {"detail": [{"loc": ["body", "seed"], "msg": "not permitted"}]}),
    ],
)
def test_a_seed_that_is_not_taken_is_left_out(refusal):
    def judge(handler, body):
        return refusal(handler, body) if "seed" in body else servers.behave(handler, body)

    with serve(always(judge), takes_s=0.02) as server:
        replies = ask(server, *"abcdef", request={"seed": 1}, max_concurrency=3)
    assert [reply.finish for reply in replies] == ["eos"] * 6 and len(server.bodies) <= 9


def test_stop_strings_that_are_not_taken_are_cut_here():
    with serve(rejecting("stop", "'stop' is not supported with this model")) as server:
        (reply,) = ask(server, request={"stop": (" to",)})
    assert reply.text == "answer"


def test_a_setting_that_decides_the_answer_is_never_left_out():
    with (
        serve(rejecting("top_k", "extra field 'top_k'")) as server,
        pytest.raises(EndpointError, match="without top_k"),
    ):
        ask(server, request={"top_k": 20})
    message = "Only the default (1) is supported for 'temperature'"
    with serve(rejecting("temperature", message)) as server:
        assert ask(server, request={"temperature": 1.0})[0].finish == "eos", "1 is what it does by itself"
    with serve(rejecting("temperature", message)) as server, pytest.raises(EndpointError, match="without temperature"):
        ask(server, request={"temperature": 0.6})


def test_equal_neighbours_are_asked_at_once_where_the_server_takes_n():
    with serve() as server:
        replies = ask(server, *"aaab", use_n=True)
    assert [reply.text for reply in replies] == [*(f"answer to a, draw {draw}" for draw in range(3)), "answer to b"]
    assert sorted(body.get("n", 1) for body in server.bodies) == [1, 3]
    assert sum(reply.completion_tokens for reply in replies) == 20 and sum(reply.num_requests for reply in replies) == 2


@pytest.mark.parametrize(
    "misbehave",
    [
        pytest.param(lambda *_: lambda handler, body: handler.send(200, answer({**body, "n": 1})), id="ignored"),
        pytest.param(rejecting("n", "Only n = 1 is supported", param="n"), id="refused"),
    ],
)
def test_a_server_without_n_is_asked_again_and_not_with_the_same_seed(misbehave):
    with serve(misbehave) as server:
        replies = ask(server, *"aaa", use_n=True, request={"seed": 7})
    assert [reply.text for reply in replies] == ["answer to a"] * 3
    assert {body["seed"] for body in server.bodies} == {7, 8, 9}


def test_more_answers_than_were_asked_for_are_left_lying():
    with serve(always(say("one", "two", "three"))) as server:
        assert [reply.text for reply in ask(server, "a", "b")] == ["one", "one"]


# The key


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv(VARIABLE, f"{KEY}\n")
    return KEY


def echo(status):
    """Say all headers back, as debugging proxies do."""

    def say_back(handler, body):
        said = f"headers: {dict(handler.headers)}"
        good = (
            answer(body, [said])
            if status == 200
            else {"error": {"message": said, "param": handler.headers["Authorization"]}}
        )
        handler.send(status, good)

    return say_back


def test_the_key_is_sent_and_stands_nowhere_else(key, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    told, artifact = [], tmp_path / "replies.jsonl"
    with serve(first(echo(500), echo(429), echo(200))) as server, artifact.open("w") as file:
        endpoint = endpoint_of(server, key_env=VARIABLE)
        complete(
            endpoint,
            [Request(text="q")],
            lambda index, reply: print(json.dumps(asdict(reply)), file=file),
            told.append,
        )
    (tmp_path / "endpoint.txt").write_text(f"{endpoint!r}\n{json.dumps(asdict(endpoint))}\n")
    assert all(headers["Authorization"] == f"Bearer {KEY}" for headers in server.headers)
    assert "headers" in artifact.read_text() and len(told) == 2
    assert KEY not in "".join(path.read_text() for path in tmp_path.iterdir())
    assert KEY not in "".join(told)
    assert caplog.records and KEY not in "".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_the_key_is_in_no_error_even_where_the_server_says_it_back(key, status):
    with serve(always(echo(status))) as server, pytest.raises(EndpointError) as caught:
        ask(server, key_env=VARIABLE, max_retries=1)
    seen, error = "", caught.value
    while error is not None:
        seen += f"{error!r} {error} {vars(error)}"
        error = error.__cause__ or error.__context__
    assert KEY not in seen and "[key]" in one_line(caught)


def test_a_short_word_in_place_of_a_key_does_not_blot_out_answers(monkeypatch):
    monkeypatch.setenv(VARIABLE, "EMPTY")
    with serve(always(say("the set is EMPTY"))) as server:
        assert ask(server, key_env=VARIABLE)[0].text == "the set is EMPTY"


def test_a_key_that_cannot_be_read_is_one_line_and_nothing_is_sent(monkeypatch):
    monkeypatch.setenv(VARIABLE, "two words and a secret")
    with serve() as server:
        for name, said in (
            ("NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE"),
            (VARIABLE, "no key has"),
            (KEY, "is not set"),
            ("", "is not set"),
        ):
            with pytest.raises(EndpointError, match=said) as caught:
                ask(server, key_env=name)
            assert "secret" not in str(caught.value) and KEY not in str(caught.value)
    assert server.bodies == []
    assert KEY not in repr(Endpoint(url="http://host/v1", model="m", key_env=KEY)), "people put the key there"


# What cannot be an endpoint


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000/v1", "http://localhost:8000/v1"),
        ("ftp://host/v1", "no http address"),
        ("http://", "no http address"),
        ("http://host:port/v1", "no address"),
        ("http://me:hunter2@host/v1", "user or a password"),
    ],
)
def test_what_is_no_address_is_one_line(url, said):
    with pytest.raises(EndpointError, match=said) as caught:
        Endpoint(url=url, model="m")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"max_concurrency": 0},
        {"timeout_s": 0},
        {"max_retries": -1},
        {"price_in": -1},
        {"price_out": float("nan")},
        {"model": ""},
    ],
)
def test_numbers_that_cannot_be_are_one_line(change):
    with pytest.raises(EndpointError, match="http://host/v1: "):
        Endpoint(**{"url": "http://host/v1?secret=1", "model": "m", **change})


# Stopping


def test_what_on_reply_raises_ends_the_work():
    def fail(index, reply):
        raise OSError("the disk is full")

    with serve() as server, pytest.raises(OSError, match="disk"):
        ask(server, *map(str, range(50)), on_reply=fail, max_concurrency=2)
    assert len(server.bodies) <= 4


STOPPED = """
import sys, threading
from polymath.llm import Endpoint, Request, complete

def say(index, reply):
    print(reply.text, flush=True)

try:
    complete(Endpoint(url=sys.argv[1], model="m"), [Request(text=text) for text in "abcd"], say)
except KeyboardInterrupt:
    print("stopped", threading.active_count(), flush=True)
"""


def test_ctrl_c_ends_it_at_once_and_leaves_no_thread():
    with serve(lambda prompt, attempt: None if prompt == "a" else servers.hang) as server:
        call = [sys.executable, "-c", STOPPED, server.url]
        with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "answer to a\n"
            began = time.monotonic()
            os.kill(process.pid, signal.SIGINT)
            assert process.communicate(timeout=20)[0] == "stopped 1\n"
            assert time.monotonic() - began < 5
    assert process.returncode == 0


def test_cancelled_it_asks_nothing_more_and_has_handed_out_all_that_came():
    """Two servers in one loop: one answers all it is asked, the other nothing."""

    async def ask_both(talking, silent):
        came = []
        requests = [Request(text=text) for text in "abc"]
        first = asyncio.create_task(complete_async(endpoint_of(talking), requests))
        other = asyncio.create_task(
            complete_async(
                endpoint_of(silent, max_concurrency=2), requests, lambda index, reply: came.append(reply.text)
            )
        )
        assert [reply.text for reply in await first] == ["answer to a", "answer to b", "answer to c"]
        while len(silent.bodies) < 3:
            await asyncio.sleep(0.01)
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other
        return came

    with serve() as talking, serve(lambda prompt, attempt: None if prompt == "a" else servers.hang) as silent:
        began = time.monotonic()
        assert run_to_end(ask_both(talking, silent)) == ["answer to a"]
        assert time.monotonic() - began < 5 and len(silent.bodies) == 3
    assert run_to_end(complete_async(endpoint_of(talking), [])) == []


def test_it_works_inside_a_running_loop_as_a_notebook_has_one():
    async def cell():
        return ask(server, "a", "b")

    with serve() as server:
        before = threading.active_count()
        assert [reply.text for reply in asyncio.run(cell())] == ["answer to a", "answer to b"]
        assert threading.active_count() <= before + 2, "handlers of the server may still be closing"


def test_the_random_state_of_the_caller_is_not_touched():
    random.seed(1)
    expected = random.random()
    random.seed(1)
    with serve(first(refuse(500))) as server:
        ask(server)
    assert random.random() == expected


def test_importing_the_room_imports_no_http_client():
    code = "import sys, polymath.llm; sys.exit('httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_body_without_end_does_not_fill_the_memory():
    def flood(handler, body):
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 30))
        handler.end_headers()
        for _ in range(1024):
            handler.wfile.write(b" " * (1 << 20))

    with serve(first(flood)) as server:
        (reply,) = ask(server)
    assert (reply.text, reply.num_requests) == ("answer to q", 2)


def test_bytes_that_are_no_text_are_tried_again():
    with serve(first(body_of_bytes(b'{"choices": [{"message": {"content": "\xff"}}]}'))) as server:
        assert ask(server)[0].num_requests == 2
