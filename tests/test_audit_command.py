"""polymath audit as a user calls it: exit codes, --json, what lies on disk, what is never paid for twice."""

import json
import signal
import subprocess
import time

import pytest
from typer.testing import CliRunner

from polymath.auditing import AuditSettings, audit_samples
from polymath.cli import app
from polymath.errors import UserError
from polymath.evaluating import Served, Settings
from polymath.runs import read_lines
from polymath.samples.sources import find_sample
from polymath.types import Sample
from tests.conftest import ENVIRONMENT, POLYMATH, ROOT, polymath
from tests.servers import say, serve

SHARED = ROOT.parent / "shared" / "data"
KEY = "sk-not-for-the-record"

MELONS = Sample(question="A farmer packs 8 crates with 9 melons each?", answer="72", answer_type="number")


def audit(*arguments):
    """The command in this process: starting another one takes longer than most audits."""
    environment = {"POLYMATH_CACHE": ENVIRONMENT["POLYMATH_CACHE"], "COLUMNS": "200", "OUR_KEY": KEY}
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], env=environment)


def write(path, *samples):
    path.write_text("".join(json.dumps(one) + "\n" for one in samples))
    return path


def test_a_sound_sample_exits_0_and_an_unsound_one_1_and_json_is_the_contract(tmp_path):
    sound = audit("crate", "--json")
    unsound = polymath("audit", "retelling-published", "--json", cwd=tmp_path)
    assert (sound.exit_code, unsound.returncode) == (0, 1), sound.stderr + unsound.stderr
    for process, is_good in ((sound, True), (unsound, False)):
        told = json.loads(process.stdout)
        assert set(told) == {"sound", "findings"} and told["sound"] is is_good
        assert all(set(one) == {"check", "ok", "detail"} for one in told["findings"])
    assert {one["check"] for one in json.loads(unsound.stdout)["findings"] if one["ok"] is False} >= {"label"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "settings",
    [
        AuditSettings(against=("no-such-suite",)),
        AuditSettings(solver="here", solver_settings=Settings(served=Served(model="m"))),
        AuditSettings(solver="http://localhost:1/v1"),
        AuditSettings(model="http://localhost:1/v1"),
        AuditSettings(model="lab", model_settings=Settings(template="no-such-template")),
        AuditSettings(pool="no-such-pool.jsonl"),
    ],
)
def test_what_does_not_exist_is_a_user_error(tmp_path, settings):
    with pytest.raises(UserError):
        audit_samples([MELONS], settings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_input_is_one_line_and_exit_2(tmp_path):
    process = polymath("audit", "no-such-sample", cwd=tmp_path)
    assert process.returncode == 2 and process.stdout == ""
    assert process.stderr.startswith("polymath: sample 'no-such-sample'") and process.stderr.count("\n") == 1


def test_the_lab_model_is_drawn_from_and_an_impossible_label_is_unsound(tmp_path):
    path = write(
        tmp_path / "two.jsonl",
        {"question": "A shop has 12 boxes with 2 pens each and 9 bags with 11 pens each. How many pens are there?",
         "answer": "123", "answer_type": "number", "solution": "12*2=24. 9*11=99. 24+99=123."},
        {"question": "How many stars of the galaxy carry a moon of 77 g?", "answer": "918273", "answer_type": "number"},
    )  # fmt: skip
    out = tmp_path / "out"
    asked = ("--model", "lab", "--draws", "24", "--num-groups", "2", "--group-size", "4", "--batch-size", "48")
    process = audit(path, *asked, "--out", out)
    assert process.exit_code == 1, process.stderr
    told = json.loads((out / "audit.json").read_text())
    first, second = told["samples"]
    assert first["reasons"] == [] and second["reasons"] == ["pass rate"]  # 0.9 groups at best
    rows = [row for row in read_lines(next((out / "draws").glob("*.jsonl"))) if row["benchmark"].startswith("draws-")]
    for one in (first, second):
        own = [row for row in rows if row["id"] == one["id"]]
        assert len(own) == one["draws"]["num_draws"] == 24
        assert one["draws"]["right"] == sum(row["strict"]["outcome"] == "right" for row in own)
    assert len({row["response"] for row in rows}) > 10
    assert "audit.html" in process.stdout and "Unsound: pass rate" in process.stdout
    # The same command again asks nobody: what was drawn stands.
    before = {path: path.read_bytes() for path in (out / "draws").iterdir()}
    assert audit(path, *asked, "--out", out).exit_code == 1
    assert {path: path.read_bytes() for path in (out / "draws").iterdir()} == before


@pytest.fixture
def mislabelled(tmp_path):
    """A slip in words, which no arithmetic shows: four half-lives leave 50."""
    solution = "After 6 hours 400 mg are left, after 12 hours 200 mg, and after 24 hours 100 mg."
    question = "Of 800 mg, with a half-life of 6 hours, how many mg are left after 24 hours?"
    sample = {"question": question, "answer": "100", "answer_type": "number", "solution": solution}
    return write(tmp_path / "mislabelled.jsonl", sample)


def ask_solver(sample, server, *more):
    return [str(sample), "--solver", server.url, "--served-model", "m", "--key-env", "OUR_KEY", *map(str, more)]


def test_a_solver_finds_the_wrong_label_that_no_arithmetic_shows_and_every_reply_is_kept(mislabelled, tmp_path):
    with serve(lambda prompt, attempt: say(f"Four halvings. \\boxed{{{50 if attempt else 100}}}")) as server:
        process = subprocess.run(
            [POLYMATH, "audit", *ask_solver(mislabelled, server, "--out", tmp_path / "out", "--json")],
            env={**ENVIRONMENT, "OUR_KEY": KEY},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    assert process.returncode == 1, process.stderr
    findings = {one["check"]: one for one in json.loads(process.stdout)["findings"]}
    assert findings["solver"]["ok"] is False and "1 of 8" in findings["solver"]["detail"]
    assert "'50'" in findings["solver"]["detail"]
    assert [check for check, one in findings.items() if one["ok"] is False] == ["solver"]
    rows = read_lines(next((tmp_path / "out" / "solver").glob("*.jsonl")))
    assert len(rows) == len(server.bodies) == 8 and sum("50" in row["response"] for row in rows) == 7
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_mended_label_and_more_attempts_find_the_replies_that_were_paid_for(mislabelled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with serve(lambda prompt, attempt: say(r"\boxed{50}")) as server:

        def ask(num_attempts):
            done = audit(*ask_solver(mislabelled, server, "--attempts", num_attempts))
            assert "another" not in done.stderr and "other problems" not in done.stderr
            return done.exit_code, len(server.bodies)

        assert ask(4) == (1, 4)
        row = json.loads(mislabelled.read_text())
        write(mislabelled, {**row, "answer": "50", "solution": "800/2^4 = 50"})
        assert ask(4) == (0, 4)
        assert ask(6) == (0, 6)
        # Another question under the same name lies elsewhere.
        write(mislabelled, {**row, "question": row["question"].replace("mg", "g"), "answer": "50"})
        assert ask(4)[1] == 10
    assert len(list((tmp_path / "audits").iterdir())) == 2


def test_another_label_or_number_of_draws_of_the_model_is_no_conflict(tmp_path):
    row = {"question": "A shop has 12 boxes with 2 pens each. How many pens are there?", "answer": "24"}
    path = write(tmp_path / "pens.jsonl", row)
    for answer, draws in (("24", 8), ("25", 8), ("25", 12)):
        write(path, {**row, "answer": answer})
        settings = AuditSettings(model="lab", num_draws=draws, use_cache=False)
        (audit,) = audit_samples(find_sample(str(path)), settings, tmp_path / "out")
        assert audit.figures["draws"]["num_draws"] == draws


def test_two_samples_with_one_label_have_draws_of_their_own(tmp_path):
    questions = (
        "A shop has 12 boxes with 2 pens each. How many pens?",
        "A shop has 8 boxes with 3 pens each. How many?",
    )
    samples = [Sample(question=question, answer="24", answer_type="number") for question in questions]
    settings = AuditSettings(model="lab", num_draws=16, use_cache=False)
    for audit in audit_samples(samples, settings, tmp_path):
        assert audit.figures["draws"]["num_draws"] == 16 and audit.figures["draws"]["id"] == audit.sample.id
        assert "of 8 draws" in next(one.detail for one in audit.findings if one.check == "blank prompt")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--draws", "5"), "--draws has no meaning without --model"),
        (("--attempts", "8"), "--attempts has no meaning without --solver"),
        (("--price-in", "3"), "--price-in has no meaning without --solver"),
        (("--seed", "0"), "--seed has no meaning without --model or --solver"),
    ],
)
def test_an_option_that_nobody_would_use_is_refused(tmp_path, given, told):
    process = audit("crate", *given)
    assert isinstance(process.exception, UserError), process.output
    assert told in " ".join(str(process.exception).replace(":", "").split())


def test_a_pool_is_counted(tmp_path):
    path = tmp_path / "pool.csv"
    rows = [f"A bag holds {number} nuts and {number} figs. How many is it?,{2 * number}" for number in range(11, 41)]
    path.write_text("\n".join(["question,answer", *rows]) + "\n")
    process = audit(path, "--limit", "25")
    assert process.exit_code == 0, process.stderr
    assert "0 of 25 samples" in process.stdout


def test_ctrl_c_keeps_every_reply_and_the_same_command_asks_for_the_rest(mislabelled, tmp_path):
    out = tmp_path / "out"
    with serve(lambda prompt, attempt: say(r"\boxed{50}"), takes_s=0.3) as server:
        asked = ask_solver(mislabelled, server, "--attempts", "8", "--concurrency", "2", "--out", out)
        process = subprocess.Popen(
            [POLYMATH, "audit", *asked],
            env={**ENVIRONMENT, "OUR_KEY": KEY},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 100
        while len(server.bodies) < 5:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=100)
        assert process.returncode == 130 and "the same command goes on" in stderr and "Traceback" not in stderr
        kept = len(next((out / "solver").glob("*.partial.jsonl")).read_text().splitlines()) - 1
        num_asked = len(server.bodies)
        again = audit(*asked)
    assert again.exit_code == 1 and kept >= 2
    assert len(server.bodies) - num_asked == 8 - kept


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
def test_a_published_sample_is_audited_by_its_name_and_the_pool_that_holds_it():
    found = audit(f"pi-1@{SHARED / 'dsr_sub.parquet'}", "--json")
    findings = {one["check"]: one["ok"] for one in json.loads(found.stdout)["findings"]}
    assert found.exit_code == 0 and findings["reference"] is True
    assert findings["label"] is None, "there is no solution to recompute"
