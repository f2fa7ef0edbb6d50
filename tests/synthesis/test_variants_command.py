"""`polymath variants` as a user runs it, by code and with a real local server."""

import json
import subprocess
import time
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from polymath.cli import app
from polymath.errors import UserError
from polymath.runs import read_lines
from polymath.samples.sources import find_sample, read_samples
from polymath.synthesis.variants import restore
from tests.conftest import ENVIRONMENT, POLYMATH, polymath
from tests.servers import answer, prompt_of, serve

TOLD = "A kiln fires 8 trays with 9 tiles each. How many tiles is that?"


def run(*words):
    """The command inside this process: the same options and errors, without the seconds that imports take."""
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    is_refused = isinstance(done.exception, UserError)
    return SimpleNamespace(
        returncode=2 if is_refused else done.exit_code,
        stdout=done.stdout,
        stderr=str(done.exception) if is_refused else done.stderr,
    )


def writer(*problems, solves="\\boxed{72}", takes_s=0.0):
    """A model that rewrites in turn, and solves whatever it is asked to."""

    def speak(handler, body):
        is_rewrite = "<problem>" in prompt_of(body)
        with handler.server.lock:
            handler.server.told = getattr(handler.server, "told", 0) + is_rewrite
            said = problems[(handler.server.told - 1) % len(problems)] if is_rewrite else solves
        handler.send(200, answer(body, [f"<problem>{said}</problem>" if is_rewrite else said]))

    return serve(lambda prompt, attempt: speak, takes_s=takes_s)


def test_variants_by_code_are_samples_that_go_back(tmp_path):
    out = tmp_path / "crate.jsonl"
    done = polymath("variants", "crate", "--ops", "rename+units,answer-unit,order", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    (original,) = find_sample("crate")
    written = read_samples(out)
    assert [one["operation"] for one in told["variants"]] == ["rename+units", "answer-unit"]
    assert list(told["skipped"]) == ["order"] and told["rejected"] == []
    assert all(restore(sample) == original for sample in written)
    assert {sample.meta["variant_of"] for sample in written} == {original.id}


def test_names_of_ones_own_are_taken(tmp_path):
    out = tmp_path / "v.jsonl"
    assert (
        run("variants", "melons", "--ops", "rename", "--rename", "melon=tile,crate=tray", "--out", out).returncode == 0
    )
    assert read_samples(out)[0].question == "A farmer packs 8 trays with 9 tiles each. How many tiles is that?"


def test_a_rewrite_is_kept_with_its_gold_and_a_bad_one_with_its_reason(tmp_path):
    out = tmp_path / "v.jsonl"
    bad = "A kiln fires 72 tiles, 8 trays with 9 tiles each. How many tiles is that?"
    with writer(TOLD, bad) as server:
        endpoint = ["--url", server.url, "--served-model", "m", "--concurrency", "1"]
        words = ["variants", "melons", "--ops", "paraphrase", "--count", "2", "--attempts", "2", "--out", out, "--json"]
        told = json.loads(run(*words, *endpoint).stdout)
        paid = len(server.bodies)
        again = json.loads(run(*words, *endpoint).stdout)
        assert len(server.bodies) == paid == 4, "two rewrites, and two tries for the one that is sound"
    assert again == told
    (kept,) = read_samples(out)
    assert kept.question == TOLD and kept.answer == "72" and kept.solution is None
    (row,) = [json.loads(line) for line in (tmp_path / "v.jsonl.rejected.jsonl").read_text().splitlines()]
    assert {check["name"] for check in row["checks"] if not check["ok"]} == {"quantities", "leak"}
    (variant,) = told["variants"]
    assert {check["name"]: check["detail"] for check in variant["checks"]}[
        "solved"
    ] == "right in 2 of 2 tries, wanted 0.5"


def test_of_two_drivers_of_one_file_one_is_refused_and_nothing_is_paid_twice(tmp_path):
    """The second begins while the first has its first request under way."""
    words = ["variants", "melons", "--ops", "paraphrase", "--count", "3", "--concurrency", "1"]
    out = tmp_path / "v.jsonl"
    with writer(TOLD, takes_s=0.5) as server:
        command = [POLYMATH, *words, "--url", server.url, "--served-model", "m", "--out", str(out)]
        first = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 120
        while not server.bodies:
            assert first.poll() is None and time.monotonic() < deadline, first.communicate()
            time.sleep(0.01)
        second = run(*words, "--url", server.url, "--served-model", "m", "--out", out)
        assert second.returncode == 2 and "is being written by another process" in second.stderr
        assert first.wait(120) == 0, first.communicate()
        assert len(server.bodies) == 3
    assert len(read_lines(tmp_path / "v.jsonl.replies.jsonl")) == 3


def test_a_rewrite_that_its_solver_misses_is_rejected(tmp_path):
    with writer(TOLD, solves="\\boxed{71}") as server:
        endpoint = ["--url", server.url, "--served-model", "m"]
        done = run(
            "variants",
            "melons",
            "--ops",
            "paraphrase",
            "--attempts",
            "2",
            "--out",
            tmp_path / "v.jsonl",
            "--json",
            *endpoint,
        )
    assert [one["operation"] for one in json.loads(done.stdout)["rejected"]] == ["paraphrase"]
    assert (tmp_path / "v.jsonl").read_text() == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["crate", "--ops", "magic"], "magic"),
        (["crate", "--ops", "paraphrase"], "--url"),
        (["crate", "--attempts", "2"], "--url"),
        (["crate", "--ops", "order"], "stand by themselves"),
        (["crate", "--ops", "rename", "--rename", "crate"], "OLD=NEW"),
        (["lab-two-good"], "2 samples"),
        (["nothing"], "nothing"),
    ],
)
def test_bad_input_is_one_line(tmp_path, words, told):
    done = run("variants", *words, "--out", tmp_path / "v.jsonl")
    assert done.returncode == 2 and told in done.stderr and "\n" not in done.stderr
