"""A reward server in OpenRLHF's shapes: queries and labels in by POST, rewards out, for any trainer that can ask HTTP.

    POST {"query": [...], "prompts": [...], "labels": [...]}  ->  {"rewards": [...], "scores": [...], "extra_logs": {}}
    GET                                                       ->  {"right": n, "wrong": n, "undecided": n}

A query is the prompt and the response in one text; a label is an exported sample as JSON. 503 where the judge failed
at one of them, which OpenRLHF tries again; 400 for what cannot be read. Never a 0 for either.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from polymath.errors import SampleError
from polymath.exporting.grading import Grade, Grader, Undecided

MAX_BYTES = 64 * 2**20


def response_of(query: str, prompt: str) -> str:
    """What follows the prompt in the query. Raises ValueError where the prompt is not in it.

    OpenRLHF decodes prompt and response together, special tokens included, so a text may stand before the prompt. It
    cuts an over-long prompt from the left, and then the worked example in a prompt would be judged as an answer.
    """
    before, found, response = query.partition(prompt)
    if not prompt or not found:
        raise ValueError(f"the prompt is not in the query, which begins {before[:60]!r}; is data.max_len too small?")
    return response


def grade_all(grader: Grader, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str]) -> list[Grade]:
    """A grade for each query, in order. Raises Undecided where one has no reward, ValueError or SampleError for
    queries that cannot be read.
    """
    if not len(queries) == len(prompts) == len(labels):
        raise ValueError(f"{len(queries)} queries, {len(prompts)} prompts and {len(labels)} labels")
    responses = [response_of(query, prompt) for query, prompt in zip(queries, prompts, strict=True)]
    grades = [grader.grade(text, label) for text, label in zip(responses, labels, strict=True)]
    failed = [grade.detail for grade in grades if grade.reward is None]
    if failed:
        total = grader.counts["undecided"]
        raise Undecided(f"the judge failed at {len(failed)} of {len(grades)} ({failed[0]}), {total} times so far")
    return grades


def answer(grader: Grader, asked: Any) -> dict[str, Any]:
    """The body of a reply. `scores` are 1 for right and 0 for wrong, whatever the reward pays."""
    if not isinstance(asked, dict):
        raise ValueError("the body is not an object with query, prompts and labels")
    lists = []
    for key in ("query", "prompts", "labels"):
        values = asked.get(key)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ValueError(f"{key} is not a list of texts")
        lists.append(values)
    grades = grade_all(grader, *lists)
    scores = [float(grade.outcome == "right") for grade in grades]
    logs = {"accuracy": sum(scores) / len(scores)} if scores else {}
    return {"rewards": [grade.reward for grade in grades], "scores": scores, "extra_logs": logs}


def make_server(grader: Grader, host: str = "127.0.0.1", port: int = 5000) -> ThreadingHTTPServer:
    """A server that is bound and not yet serving; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        """One reply a request; a thread each."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            counts = {name: grader.counts[name] for name in ("right", "wrong", "undecided")}
            self._reply(200, counts)

        def do_POST(self) -> None:
            try:
                length = int(self.headers.get("content-length") or 0)
                if not 0 <= length <= MAX_BYTES:
                    self.close_connection = True
                    raise ValueError(f"a body of {length} bytes")
                self._reply(200, answer(grader, json.loads(self.rfile.read(length))))
            except Undecided as error:
                self.log_error("%s", error)
                self._reply(503, {"error": str(error)})
            except (ValueError, SampleError) as error:
                self.log_error("%s", error)
                self._reply(400, {"error": str(error)})

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Nothing: a line a response would drown the errors."""

        def _reply(self, status: int, value: dict[str, Any]) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer((host, port), Handler)
