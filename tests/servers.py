"""A real HTTP server on this machine that speaks the OpenAI protocol and misbehaves as it is told.

A way to misbehave is a function of the handler and the body; it writes the whole answer, or does not. Without one, the
answer to a prompt is "answer to PROMPT", or "answer to PROMPT, draw I" where several are asked for at once.
"""

import json
import struct
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from socket import SO_LINGER, SOL_SOCKET


class Server(ThreadingHTTPServer):
    """`misbehave(prompt, attempt)` names how the attempt (from 0) of this prompt goes wrong; None: it does not."""

    daemon_threads = True

    def __init__(self, misbehave, takes_s):
        super().__init__(("127.0.0.1", 0), Handler)
        self.misbehave, self.takes_s = misbehave, takes_s
        self.lock = threading.Lock()
        self.attempts = Counter()
        self.bodies, self.paths, self.headers, self.times = [], [], [], []
        self.num_parallel = self.most_parallel = 0
        self.is_over = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request, client_address):
        """A client that hangs up is what many of these tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = prompt_of(body)
        with server.lock:
            attempt = server.attempts[prompt]
            server.attempts[prompt] += 1
            server.bodies.append(body)
            server.paths.append(self.path)
            server.headers.append(dict(self.headers))
            server.times.append(time.monotonic())
            server.num_parallel += 1
            server.most_parallel = max(server.most_parallel, server.num_parallel)
        try:
            time.sleep(server.takes_s)
            (server.misbehave(prompt, attempt) or behave)(self, body)
        finally:
            with server.lock:
                server.num_parallel -= 1

    def send(self, status, content, content_type="application/json", **headers):
        """One whole answer; header names are written with underscores."""
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content_Type": content_type, "Content_Length": len(raw), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *arguments):
        pass


@contextmanager
def serve(misbehave=lambda prompt, attempt: None, takes_s=0.0):
    """A server in a thread of its own for as long as the block lasts."""
    server = Server(misbehave, takes_s)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def prompt_of(body):
    return body["prompt"] if "prompt" in body else body["messages"][-1]["content"]


def answer(body, texts=None, **changes):
    """What a good server says."""
    n, prompt = body.get("n", 1), prompt_of(body)
    texts = texts or [f"answer to {prompt}" + (f", draw {draw}" if n > 1 else "") for draw in range(n)]
    choices = [
        {"index": i, "finish_reason": "stop", **({"text": t} if "prompt" in body else {"message": {"content": t}})}
        for i, t in enumerate(texts)
    ]
    usage = {"prompt_tokens": 10, "completion_tokens": 5 * len(texts)}
    return {"model": f"{body['model']}-2026", "choices": choices, "usage": usage, **changes}


def behave(handler, body):
    handler.send(200, answer(body))


def say(*texts, **changes):
    """Well-formed, and with these texts or other changes at the top."""
    return lambda handler, body: handler.send(200, answer(body, list(texts) or None, **changes))


def refuse(status, message="no", headers=None, **error):
    """An error of the OpenAI form."""
    return lambda handler, body: handler.send(status, {"error": {"message": message, **error}}, **(headers or {}))


def drop(handler, body):
    """Hang up without a word: a reset, not a goodbye."""
    handler.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def drop_in_the_body(handler, body):
    """Promise a body and send half of it."""
    raw = json.dumps(answer(body)).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(raw)))
    handler.end_headers()
    handler.wfile.write(raw[: len(raw) // 2])
    handler.close_connection = True


def tear(handler, body):
    """Half a body that claims to be whole."""
    raw = json.dumps(answer(body)).encode()
    handler.send(200, raw[: len(raw) // 2])


def drip(handler, body):
    """A byte every few milliseconds, without end: no single read ever takes long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    for _ in count():
        if handler.server.is_over.wait(0.02):
            return
        handler.wfile.write(b" ")
        handler.wfile.flush()


def hang(handler, body):
    handler.server.is_over.wait(60)


def page(status):
    """A web page, as proxies and wrong addresses give."""
    return lambda handler, body: handler.send(status, b"<!doctype html><h1>Bad Gateway</h1>", "text/html")


def body_of_bytes(raw, status=200):
    return lambda handler, body: handler.send(status, raw)


# What a request may meet and must survive; none of these takes long.
PASSING = {
    "dropped before the answer": drop,
    "dropped in the body": drop_in_the_body,
    "torn JSON": tear,
    "not JSON": body_of_bytes(b"upstream timed out"),
    "an empty body": body_of_bytes(b""),
    "JSON without end": body_of_bytes(b"[" * 100_000),
    "an array": body_of_bytes(b"[1]"),
    "a web page with status 200": page(200),
    "a web page with status 502": page(502),
    "no choices": say(choices=[]),
    "no message": say(choices=[{"finish_reason": "stop"}]),
    "choices of another kind": say(choices=[7]),
    "a choice in error": say(choices=[{"finish_reason": "error", "message": {"content": "half"}}]),
    "an error with status 200": lambda handler, body: handler.send(200, {"error": {"message": "busy", "code": 502}}),
    "408": refuse(408),
    "409": refuse(409),
    "425": refuse(425),
    "429": refuse(429),
    "500": refuse(500),
    "503": refuse(503, "loading"),
    "529": refuse(529, "overloaded"),
}
