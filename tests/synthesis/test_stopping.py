"""Ctrl-C while several endpoints are asked: it ends at once, what came is kept, nothing of it is asked for again."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from polymath.errors import EndpointError
from polymath.llm import Endpoint, Request
from polymath.runs import read_lines
from polymath.synthesis.asking import Asker, Budget
from polymath.synthesis.plan import read_plan
from polymath.synthesis.replies import Ask, Replies
from polymath.synthesizing.synthesize import synthesize
from tests.conftest import ENVIRONMENT, POLYMATH, ROOT
from tests.servers import hang, refuse, serve
from tests.synthesis.world import is_writing, play, write_plan

SECONDS = 5.0


class Stalling:
    """Answers the first `num` requests to solve, and leaves all others without an answer until it is told to go on."""

    def __init__(self, num):
        self.num, self.num_asked, self.goes_on = num, 0, False
        self.lock, self.answer = threading.Lock(), play()

    def __call__(self, prompt, attempt):
        with self.lock:
            self.num_asked += not is_writing(prompt)
            is_silent = not is_writing(prompt) and self.num_asked > self.num and not self.goes_on
        return hang if is_silent else self.answer(prompt, attempt)


def interrupt(process, is_time):
    """Send Ctrl-C once that is so; returns the seconds that it took to end, and what it said."""
    deadline = time.monotonic() + 60
    while not is_time():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.005)
    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    return time.monotonic() - began, stdout, stderr


def test_synthesize_stops_at_once_though_three_endpoints_never_answer(tmp_path):
    """Six candidates, three solvers with two attempts each and two requests at once: 5 answers come, 6 never do."""
    stalling, out = Stalling(5), tmp_path / "out"
    with serve(stalling) as server:
        plan = write_plan(tmp_path / "plan.toml", server, candidates=6, solvers=("s", "t", "u"))
        words = [POLYMATH, "synthesize", str(plan), "--out", str(out)]
        process = subprocess.Popen(words, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        seconds, stdout, stderr = interrupt(process, lambda: stalling.num_asked == 5 + 6)
        assert (process.returncode, stdout) == (130, "") and "Traceback" not in stderr
        assert seconds < SECONDS and "--resume" in stderr.splitlines()[-1]
        assert len(read_lines(out / "replies.jsonl")) == 6 + 5, "six writers' replies and all that the solvers said"
        stalling.goes_on, num_before = True, len(server.bodies)
        funnel = synthesize(read_plan(plan), out, resume=True)
        assert funnel["stages"][-1]["num"] == 6
        assert len(server.bodies) - num_before == 6 * 3 * 2 - 5, "only what had not been answered"


STOPPED = """
import sys, threading
from pathlib import Path
from polymath.synthesis.asking import Asker, Budget
from polymath.synthesis.replies import Replies
from tests.synthesis.test_stopping import two_endpoints

with Replies(Path(sys.argv[1])) as replies:
    try:
        Asker(replies, Budget()).ask(two_endpoints(sys.argv[2]), lambda ask, reply: print(ask.id, flush=True))
    except KeyboardInterrupt:
        print("stopped", threading.active_count(), flush=True)
"""


def two_endpoints(url):
    """Two requests to each of two endpoints."""
    return [
        Ask(
            id=f"{name}-{prompt}",
            name=name,
            endpoint=Endpoint(url=url, model="m", max_retries=0),
            request=Request(text=prompt),
        )
        for name in ("one", "two")
        for prompt in ("said", "unsaid")
    ]


def test_ctrl_c_leaves_no_thread_and_every_reply_that_came(tmp_path):
    path = tmp_path / "replies.jsonl"
    with serve(lambda prompt, attempt: hang if prompt == "unsaid" else None) as server:
        call = [sys.executable, "-c", STOPPED, str(path), server.url]
        with subprocess.Popen(call, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=ROOT) as process:
            assert {process.stdout.readline() for _ in range(2)} == {"one-said\n", "two-said\n"}
            seconds, stdout, _ = interrupt(process, lambda: len(server.bodies) == 4)
            assert stdout == "stopped 1\n" and seconds < SECONDS
    assert sorted(row["id"] for row in read_lines(path)) == ["one-said", "two-said"]


def test_an_endpoint_that_refuses_ends_the_wait_for_one_that_never_answers(tmp_path):
    with serve(lambda *_: hang) as silent, serve(lambda *_: refuse(401, "bad key")) as bad:
        asks = [*two_endpoints(silent.url)[:2], *two_endpoints(bad.url)[2:]]
        began = time.monotonic()
        with Replies(tmp_path / "replies.jsonl") as replies, pytest.raises(EndpointError, match="bad key"):
            Asker(replies, Budget()).ask(asks)
        assert time.monotonic() - began < SECONDS
