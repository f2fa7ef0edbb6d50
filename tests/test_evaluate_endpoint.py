"""polymath evaluate against a server that misbehaves: everything is answered, once, and no key is written."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from polymath.runs import read_lines
from tests.conftest import ENVIRONMENT, POLYMATH, finish, start
from tests.servers import drop, drop_in_the_body, page, refuse, serve, tear

KEY = "sk-not-for-the-record-0123456789"
NUM_PROBLEMS = 24


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "sums.jsonl"
    rows = [{"question": f"{n}+1?", "answer": str(n + 1), "answer_type": "number"} for n in range(NUM_PROBLEMS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def arguments(server, suite, out, *more):
    return [
        *("evaluate", server.url, "--served-model", "m", "--key-env", "OUR_KEY", "--suite", suite, "--out", out),
        *("--max-tokens", "20", "--concurrency", "4", "--json", *more),
    ]


def start_with_key(*given):
    return start(*given, environment={**ENVIRONMENT, "OUR_KEY": KEY})


def storm(prompt, attempt):
    """The first tries of most prompts go wrong, each prompt in its own way."""
    ways = [refuse(429, headers={"Retry_After": "0.05"}), drop, drop_in_the_body, tear, page(200), page(502), None]
    return ways[sum(map(ord, prompt)) % len(ways)] if attempt == 0 else None


def test_a_storm_of_failures_costs_retries_and_nothing_else(suite, tmp_path):
    with serve(storm) as server:
        code, stdout, stderr = finish(
            start_with_key(*arguments(server, suite, tmp_path / "e", "--price-in", "1", "--price-out", "2"))
        )
    assert code == 0, stderr
    assert server.most_parallel <= 4
    rows = read_lines(tmp_path / "e" / f"{suite}--greedy.jsonl".replace("/", "_"))
    assert len(rows) == NUM_PROBLEMS
    assert all(row["question"] in row["response"] for row in rows)
    told = json.loads(next((tmp_path / "e").glob("*.summary.json")).read_text())
    usage = told["usage"]
    assert usage["num_replies"] == NUM_PROBLEMS and usage["num_retries"] > 0
    # The server counts 10 tokens of prompt and 5 of answer each time.
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (10 * NUM_PROBLEMS, 5 * NUM_PROBLEMS)
    assert usage["cost"] == pytest.approx((10 * 1 + 5 * 2) * NUM_PROBLEMS / 1e6)
    assert json.loads(stdout)["suite"] == str(suite)
    assert all(headers["Authorization"] == f"Bearer {KEY}" for headers in server.headers)
    assert_nowhere(KEY, tmp_path, stdout, stderr)


def assert_nowhere(secret, folder, *texts):
    assert not any(secret in text for text in texts)
    for path in folder.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_a_killed_evaluation_asks_only_for_what_is_missing(suite, tmp_path):
    out = tmp_path / "e"
    with serve(takes_s=0.1) as server:
        process = start_with_key(*arguments(server, suite, out))
        deadline = time.monotonic() + 60
        while not list(out.glob("*.partial.jsonl")) or len(partial_lines(out)) < 8:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.communicate()
        num_kept = len(partial_lines(out)) - 1
        num_asked = len(server.bodies)
        code, _, stderr = finish(start_with_key(*arguments(server, suite, out, "--resume")))
        assert code == 0, stderr
        assert len(server.bodies) - num_asked == NUM_PROBLEMS - num_kept
    usage = json.loads(next(out.glob("*.summary.json")).read_text())["usage"]
    assert usage["num_replies"] == NUM_PROBLEMS, "what the killed attempt paid for is counted too"
    assert len(read_lines(next(out.glob("*greedy.jsonl")))) == NUM_PROBLEMS


def partial_lines(out):
    return next(out.glob("*.partial.jsonl")).read_bytes().split(b"\n")[:-1]


def test_a_server_that_refuses_keeps_what_was_answered(suite, tmp_path):
    out = tmp_path / "e"

    def refuse_late(prompt, attempt):
        return refuse(401, f"bad key {KEY}") if prompt.startswith("20+1?") or "20+1?" in prompt else None

    with serve(refuse_late, takes_s=0.02) as server:
        code, stdout, stderr = finish(start_with_key(*arguments(server, suite, out)))
    assert code == 2 and stdout == "" and "Traceback" not in stderr
    complaint = [line for line in stderr.splitlines() if line.startswith("polymath: ")]
    assert len(complaint) == 1 and "--resume" in complaint[0] and "401" in complaint[0]
    assert len(partial_lines(out)) > 1
    assert_nowhere(KEY, tmp_path, stderr)
    with serve() as server:
        process = start_with_key(*arguments(server, suite, out, "--resume"))
        assert finish(process)[0] == 0
    assert 0 < len(server.bodies) < NUM_PROBLEMS


def test_a_base_model_is_asked_for_completions_and_a_chat_model_for_messages(suite, tmp_path):
    with serve() as server:
        assert finish(start_with_key(*arguments(server, suite, tmp_path / "a")))[0] == 0
        assert {path.rsplit("/v1", 1)[1] for path in server.paths} == {"/chat/completions"}
        server.paths.clear()
        assert finish(start_with_key(*arguments(server, suite, tmp_path / "b", "--template", "boxed")))[0] == 0
        assert {path.rsplit("/v1", 1)[1] for path in server.paths} == {"/completions"}


def test_two_models_of_one_server_never_share_results(suite, tmp_path):
    with serve() as server:
        assert finish(start_with_key(*arguments(server, suite, tmp_path / "e")))[0] == 0
        other = arguments(server, suite, tmp_path / "e")
        other[other.index("m")] = "m2"
        code, _, stderr = finish(start_with_key(*other))
        assert code == 2 and "of another model" in stderr
        folders = set()
        for name in ("m", "m2"):
            told = arguments(server, suite, "-")
            told[told.index("m")] = name
            del told[told.index("--out") : told.index("--out") + 2]
            process = subprocess.Popen(
                [POLYMATH, *map(str, told)], cwd=tmp_path, env={**ENVIRONMENT, "OUR_KEY": KEY}, stdout=subprocess.PIPE
            )
            folders.add(json.loads(process.communicate(timeout=120)[0])["folder"])
        assert len(folders) == 2
