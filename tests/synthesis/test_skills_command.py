"""`polymath skills` as a user runs it: by rules, from a real local server, killed, stopped, resumed and replayed."""

import json
import os
import re
import signal
import subprocess
import time
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from polymath.cli import app
from polymath.errors import UserError
from polymath.samples.sources import find_sample
from tests.conftest import ENVIRONMENT, POLYMATH, polymath
from tests.servers import answer, prompt_of, refuse, serve

SAMPLES = [
    {"question": f"A pump moves {n} litres in {n + 1} minutes. How fast is that?", "answer": str(n),
     "answer_type": "number", "disciplines": ["physics"], "skills": ["rates"]}
    for n in range(2, 8)
]  # fmt: skip
CATEGORIES = ("--categories", "algebra,physics", "--categories", "alchemy=the great work")
CALLS = len(SAMPLES) * 3


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(sample) + "\n" for sample in SAMPLES))
    return path


def speak(handler, body):
    """A model that lists something else for each category."""
    prompt = prompt_of(body)
    if "of physics" in prompt:
        said = "<skills>\nflow rate\nflow rates\n</skills>"
    elif "of algebra" in prompt:
        said = "1. unit conversion\n2. Converting units\n3. ratios"
    else:
        said = "None."
    handler.send(200, answer(body, [said]))


def speaking(takes_s=0.0):
    return serve(lambda prompt, attempt: speak, takes_s)


def arguments(pool, out, server=None, *more):
    asked = ["--url", server.url, "--served-model", "m"] if server else []
    return ["skills", pool, *CATEGORIES, "--out", out, *asked, *more]


def run(*words):
    """The command inside this process: the same options and errors, without the seconds that imports take."""
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    return SimpleNamespace(
        returncode=2 if isinstance(done.exception, UserError) else done.exit_code,
        stdout=done.stdout,
        stderr=f"polymath: {done.exception}" if isinstance(done.exception, UserError) else done.stderr,
    )


def one_line(done):
    assert done.returncode == 2, (done.stdout, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.startswith("polymath: ")]
    assert len(lines) == 1 and "Traceback" not in done.stderr
    return lines[0]


# Without a model


def test_the_library_has_a_spectrum_without_any_model(tmp_path):
    done = polymath("skills", "library", "lab:5", "--out", tmp_path / "out", "--json")
    summary = json.loads(done.stdout)
    assert done.returncode == 0 and summary["by"] == "rules"
    assert set(summary["groups"]) == {"library", "lab:5"} and summary["groups"]["lab:5"]["num_samples"] == 5
    means = summary["groups"]["library"]["mean"]
    assert all(0 <= value < 10 for value in means.values()) and means["algebra"] > 0
    rows = [json.loads(line) for line in (tmp_path / "out" / "skills.jsonl").read_text().splitlines()]
    assert len(rows) == sum(group["num_samples"] for group in summary["groups"].values())
    prime = summary["choice"][0]
    totals = {row["id"]: sum(row["counts"].values()) for row in rows}
    assert prime["role"] == "prime" and totals[prime["id"]] == max(totals.values())
    for one in summary["choice"]:
        (stored,) = find_sample(str(tmp_path / "out" / "chosen" / f"{one['role'].replace(' ', '-')}.json"))
        assert stored.id == one["id"] and stored.meta["chosen"]["why"] == one["why"]


def test_the_page_is_whole_and_reaches_nowhere(tmp_path):
    run("skills", "crate", "melons", "--out", tmp_path / "out")
    page = (tmp_path / "out" / "skills.html").read_text()
    assert page.count("<svg") >= 2 and page.rstrip().endswith("</html>")
    assert not re.search(r"(?:src|href)=[\"'](?!#)", page) and "<script" not in page
    again = run("skills", "crate", "melons", "--out", tmp_path / "again")
    assert again.returncode == 0
    assert (tmp_path / "again" / "skills.html").read_text() == page


def test_a_question_that_is_html_stays_a_text(tmp_path):
    bad = {
        "question": "<script>alert(1)</script> has 3 pens & 4 books. How many?",
        "answer": "7",
        "answer_type": "number",
    }
    (tmp_path / "bad.jsonl").write_text(json.dumps(bad) + "\n" + json.dumps(SAMPLES[0]) + "\n")
    assert run("skills", tmp_path / "bad.jsonl", "--out", tmp_path / "out").returncode == 0
    page = (tmp_path / "out" / "skills.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page


# With a model


def test_one_call_goes_out_for_each_problem_and_category_and_shows_no_solution(pool, tmp_path):
    with speaking() as server:
        done = run(*arguments(pool, tmp_path / "out", server, "--json"))
    summary = json.loads(done.stdout)
    assert len(server.bodies) == CALLS and summary["num_calls"] == CALLS
    prompts = [prompt_of(body) for body in server.bodies]
    assert len(set(prompts)) == CALLS
    assert all(body["temperature"] == 0 for body in server.bodies)
    assert summary["readings"] == {"listed": 2 * len(SAMPLES), "none": len(SAMPLES)}
    # Two spellings of one skill are one: 3 said, 2 skills in algebra; 2 said, 1 skill in physics.
    assert summary["names"]["algebra"] == {"mentions": 3 * len(SAMPLES), "spellings": 3, "skills": 2}
    assert summary["groups"][str(pool)]["mean"] == {"algebra": 2.0, "physics": 1.0, "alchemy": 0.0}
    assert summary["usage"]["num_replies"] == CALLS
    replies = [json.loads(line) for line in (tmp_path / "out" / "replies.jsonl").read_text().splitlines()]
    assert {row["model"] for row in replies} == {"m"} and {row["served_model"] for row in replies} == {"m-2026"}
    assert all(row["date"] and row["server"].startswith("http://127.0.0.1") for row in replies)


def test_a_killed_run_goes_on_and_pays_for_nothing_twice(pool, tmp_path):
    out = tmp_path / "out"
    with speaking(takes_s=0.1) as server:
        command = [POLYMATH, *map(str, arguments(pool, out, server, "--concurrency", "1"))]
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: (out / "replies.jsonl").exists() and (out / "replies.jsonl").read_text().count("\n") >= 4)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        stored = (out / "replies.jsonl").read_text().count("\n")
        paid = len(server.bodies)
        assert stored < CALLS and paid - stored <= 1, "only the call that was under way is lost"
        # A kill in the middle of a line.
        with (out / "replies.jsonl").open("a") as file:
            file.write('{"id": "skills/torn')
        refused = polymath(*arguments(pool, out, server))
        assert "--resume" in one_line(refused) and len(server.bodies) == paid
        done = polymath(*arguments(pool, out, server, "--resume", "--json"))
        assert done.returncode == 0, done.stderr
        assert len(server.bodies) == paid + CALLS - stored
        again = polymath(*arguments(pool, out, server, "--resume", "--json"))
        assert len(server.bodies) == paid + CALLS - stored, "what is complete is asked for no more"
    first, second = json.loads(done.stdout), json.loads(again.stdout)
    assert first["num_known_before"] == stored and second["num_known_before"] == CALLS
    assert first["groups"] == second["groups"] and first["groups"][str(pool)]["mean"]["algebra"] == 2.0


def test_ctrl_c_keeps_what_was_said_and_ends_with_130(pool, tmp_path):
    out = tmp_path / "out"
    with speaking(takes_s=0.2) as server:
        command = [POLYMATH, *map(str, arguments(pool, out, server, "--concurrency", "1"))]
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: (out / "replies.jsonl").exists() and (out / "replies.jsonl").read_text().count("\n") >= 2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and "--resume" in said and "Traceback" not in said
    assert (out / "replies.jsonl").read_text().count("\n") >= 2


def test_a_recorded_run_is_replayed_offline_and_counts_for_another_folder(pool, tmp_path):
    with speaking() as server:
        first = json.loads(run(*arguments(pool, tmp_path / "first", server, "--json")).stdout)
        paid = len(server.bodies)
        offline = run(*arguments(pool, tmp_path / "offline", None, "--replay", tmp_path / "first", "--json"))
        assert json.loads(offline.stdout)["groups"] == first["groups"]
        more = tmp_path / "more.jsonl"
        more.write_text(pool.read_text() + json.dumps({**SAMPLES[0], "question": "Another one?"}) + "\n")
        missing = run(*arguments(more, tmp_path / "missing", None, "--replay", tmp_path / "first"))
        assert "3 of 21 calls" in one_line(missing)
        wider = run(*arguments(more, tmp_path / "wider", server, "--replay", tmp_path / "first", "--json"))
        assert wider.returncode == 0 and len(server.bodies) == paid + 3, "only the new problem is paid for"


def test_another_prompt_model_or_decoding_is_another_question(pool, tmp_path):
    (tmp_path / "own.txt").write_text("List skills of {category}; {question}")
    with speaking() as server:
        run(*arguments(pool, tmp_path / "out", server))
        for more in (["--template-file", tmp_path / "own.txt"], ["--temperature", "0.5"], ["--served-model", "other"]):
            before = len(server.bodies)
            done = run(*arguments(pool, tmp_path / "out", server, "--resume", *more))
            assert done.returncode == 0 and len(server.bodies) == before + CALLS
    assert prompt_of(server.bodies[CALLS]).startswith("List skills of ")


def test_a_budget_ends_the_asking_and_a_larger_one_goes_on(pool, tmp_path):
    with speaking() as server:
        small = ["--max-tokens", "20", "--budget-tokens", "420", "--json"]
        first = json.loads(run(*arguments(pool, tmp_path / "out", server, *small)).stdout)
        asked = len(server.bodies)
        assert 0 < asked < CALLS and first["is_budget_spent"]
        assert first["readings"]["unasked"] == CALLS - asked
        more = ["--max-tokens", "20", "--json", "--resume"]
        second = json.loads(run(*arguments(pool, tmp_path / "out", server, *more)).stdout)
    assert len(server.bodies) == CALLS and "unasked" not in second["readings"] and not second["is_budget_spent"]


def test_replies_that_break_off_are_counted(pool, tmp_path):
    def cut(handler, body):
        said = {"index": 0, "finish_reason": "length", "message": {"content": "- ratios\n- unit con"}}
        handler.send(200, answer(body, choices=[said]))

    with serve(lambda prompt, attempt: cut) as server:
        summary = json.loads(run(*arguments(pool, tmp_path / "out", server, "--json")).stdout)
    assert summary["num_cut"] == CALLS and summary["names"]["physics"]["mentions"] == len(SAMPLES)


# What a user gets wrong


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--categories", "algebra,alchemy"], "alchemy"),
        (["--categories", "alchemy=the great work"], "--url"),
        (["--by", "magic"], "magic"),
        (["--by", "model"], "--url"),
        (["--url", "http://localhost:1/v1"], "--served-model"),
        (["--url", "ftp://x", "--served-model", "m"], "http"),
        (["--breadth", "width"], "width"),
        (["--replay", "nowhere"], "nowhere"),
        (["--template-file", "nowhere.txt"], "--url"),
        (["--template-file", "nowhere.txt", "--url", "http://localhost:1/v1", "--served-model", "m"], "nowhere.txt"),
        (["--budget-money", "3", "--url", "http://localhost:1/v1", "--served-model", "m"], "--price-in"),
    ],
)
def test_bad_input_is_one_line(pool, tmp_path, more, told):
    assert told in one_line(run("skills", pool, "--out", tmp_path / "out", *more))


def test_a_template_without_its_slots_and_a_pool_that_is_none_are_refused(pool, tmp_path):
    (tmp_path / "own.txt").write_text("List skills of {category}.")
    more = ["--url", "http://localhost:1/v1", "--served-model", "m", "--template-file", tmp_path / "own.txt"]
    assert "{question}" in one_line(run("skills", pool, "--out", tmp_path / "out", *more))
    (tmp_path / "torn.jsonl").write_text('{"question": "a"')
    assert "torn.jsonl" in one_line(run("skills", tmp_path / "torn.jsonl", "--out", tmp_path / "out"))
    assert one_line(run("skills", "no-such-thing", "--out", tmp_path / "out"))


def test_a_server_that_refuses_is_told_in_one_line_and_a_key_is_stored_nowhere(pool, tmp_path, monkeypatch):
    with serve(lambda prompt, attempt: refuse(401, "bad key sk-0123456789secret")) as server:
        monkeypatch.setenv("POLYMATH_TEST_SKILLS_KEY", "sk-0123456789secret")
        done = run(*arguments(pool, tmp_path / "out", server, "--key-env", "POLYMATH_TEST_SKILLS_KEY"))
    assert "401" in one_line(done) and "sk-0123456789secret" not in done.stderr
    assert all(
        "sk-0123456789secret" not in path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()
    )


def wait_for(is_so, timeout_s=60):
    ends = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.02)
