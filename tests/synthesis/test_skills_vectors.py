"""Embeddings of names from a real local server: asked for once, stored, and refused where they are none."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from polymath.errors import EndpointError
from polymath.llm import Endpoint
from polymath.synthesis.skill_names import canonical_names
from polymath.synthesis.skill_vectors import NAMES_A_CALL, embed


def vectors_of(names):
    """Whatever has the letter o in it is alike."""
    rows = [
        {"index": place, "embedding": [1.0, 0.1] if "o" in name else [0.1, 1.0]} for place, name in enumerate(names)
    ]
    return 200, {"data": rows[::-1]}


@contextmanager
def embedding(answer=vectors_of):
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, body))
            status, said = answer(body["input"])
            raw = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        yield Endpoint(url=url, model="e", max_retries=1, backoff_s=0.01, timeout_s=10), asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_every_name_is_asked_for_once_and_the_vectors_decide(tmp_path):
    names = ["torque", "moments", "rates"]
    with embedding() as (endpoint, asked):
        found = embed(endpoint, names, tmp_path / "vectors.jsonl")
        with (tmp_path / "vectors.jsonl").open("a") as file:
            file.write('{"torn')
        assert embed(endpoint, [*names, "ohms"], tmp_path / "vectors.jsonl").keys() == {*names, "ohms"}
    assert [body["input"] for _, body in asked] == [sorted(names), ["ohms"]]
    assert asked[0][0] == "/v1/embeddings" and asked[0][1]["model"] == "e"
    chosen = canonical_names(names, vectors=found, threshold=0.85)
    assert chosen["torque"] == chosen["moments"] != chosen["rates"]


def test_many_names_go_in_batches(tmp_path):
    with embedding() as (endpoint, asked):
        embed(endpoint, [f"name {place}" for place in range(NAMES_A_CALL + 1)], tmp_path / "vectors.jsonl")
    assert sorted(len(body["input"]) for _, body in asked) == [1, NAMES_A_CALL]


def test_a_server_that_is_busy_is_asked_again(tmp_path):
    answers = iter([(503, {"error": "busy"})])
    with embedding(lambda names: next(answers, None) or vectors_of(names)) as (endpoint, asked):
        assert len(embed(endpoint, ["torque"], tmp_path / "vectors.jsonl")) == 1
    assert len(asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        (404, {"error": "no such path"}),
        (503, {"error": "always busy"}),
        (200, {"data": []}),
        (200, {"data": [{"index": 0, "embedding": []}]}),
        (200, {"data": [{"index": 0}]}),
        (200, ["no", "object"]),
    ],
)
def test_what_is_no_vector_is_one_line_for_the_user(tmp_path, answer):
    with embedding(lambda names: answer) as (endpoint, _), pytest.raises(EndpointError) as caught:
        embed(endpoint, ["torque"], tmp_path / "vectors.jsonl")
    assert "\n" not in str(caught.value)
