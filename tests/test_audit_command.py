"""polymath audit: what the model, a solver, benchmarks and a pool add, and the command as a user calls it."""

import json
import re
import signal
import subprocess
import time
from unittest.mock import ANY

import pytest
from typer.testing import CliRunner

from polymath.auditing import Audit, AuditSettings, audit_samples, to_json
from polymath.auditing.asked import (
    find_blank,
    find_box,
    find_fit,
    find_majority,
    find_pass_rate,
    find_solver,
    find_ways,
)
from polymath.auditing.learnable import learnable_fraction, learnable_interval
from polymath.auditing.overlap import find_in_benchmarks, find_in_pool, find_likenesses, load_benchmarks
from polymath.auditing.page import render_page
from polymath.cli import app
from polymath.errors import UserError
from polymath.evaluating import Served, Settings
from polymath.evaluation.statistics import Interval
from polymath.prompts import TEMPLATES
from polymath.runs import read_lines
from polymath.samples.findings import Finding, is_sound
from polymath.samples.sources import find_sample
from polymath.selection.probe import Probed
from polymath.types import Sample
from tests.conftest import ENVIRONMENT, POLYMATH, ROOT, polymath
from tests.servers import say, serve

SHARED = ROOT.parent / "shared" / "data"

MELONS = Sample(question="A farmer packs 8 crates with 9 melons each?", answer="72", answer_type="number")


def probed(right, num_draws=64, **changes):
    fields = {"lenient_right": right, "undecided": 0, "truncated": 0, "mean_tokens": 9.0, "wrong": {}}
    fields |= {"ways": {"worked": num_draws}, "right_ways": {"worked": right}} | changes
    return Probed(index=0, id="x", num_draws=num_draws, right=right, **fields)


@pytest.mark.parametrize(
    ("rate", "group_size", "unanimous"),
    [(0.99, 8, 0.923), (0.99, 16, 0.851), (0.99, 128, 0.276), (0.95, 8, 0.663), (0.999, 1024, 0.359)],
)
def test_the_learnable_fraction_is_what_unanimous_groups_leave(rate, group_size, unanimous):
    # The table of recipes.md 0, rule 3.
    assert learnable_fraction(rate, group_size) == pytest.approx(1 - unanimous, abs=6e-4)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.3), (0.3, 0.8), (0.6, 0.9), (0.0, 0.05)])
def test_the_learnable_interval_holds_every_pass_rate_of_the_interval(low, high):
    found = learnable_interval(Interval(mean=(low + high) / 2, low=low, high=high), 8)
    grid = [1 - p**8 - (1 - p) ** 8 for p in (low + (high - low) * step / 1000 for step in range(1001))]
    assert (found.low, found.high) == (pytest.approx(min(grid), abs=1e-6), pytest.approx(max(grid), abs=1e-4))


# right, draws, undecided, sound. 16 groups of 8: one group teaches where p >= 0.0080 (1 - 0.992^8 = 0.0623 = 1/16).
PASS_RATES = [
    (0, 64, 0, None),  # the 95% interval reaches 5.7%: 16*(1 - 0.943^8) = 6 groups
    (0, 600, 0, False),  # 0.64%: 0.8 groups
    (600, 600, 0, False),
    (64, 64, 0, None),
    (1, 1, 0, None),
    (1, 64, 0, True),
    (63, 64, 0, True),
    (0, 16, 16, None),
    (4, 16, 8, True),
]


@pytest.mark.parametrize(("right", "num_draws", "undecided", "ok"), PASS_RATES)
def test_a_pass_rate_is_unsound_only_where_even_its_interval_leaves_no_group_that_teaches(
    right, num_draws, undecided, ok
):
    assert find_pass_rate(probed(right, num_draws, undecided=undecided), 8, 16).ok is ok


def test_undecided_draws_are_left_out_and_never_called_too_hard():
    told = find_pass_rate(probed(4, 16, undecided=8), 8, 16).detail
    assert "4 of 8 draws" in told and "8 undecided" in told and "50.0%" in told
    lost = find_pass_rate(probed(0, 16, undecided=16), 8, 16).detail
    assert "judge failed" in lost and "easier" not in lost


def test_a_few_blank_draws_decide_nothing():
    assert find_blank([reply("right", "1")], probed(1, 1)).ok is None
    assert find_blank([reply("undecided", "1")] * 30, probed(1)).ok is None


def test_a_pass_rate_is_told_with_its_interval_and_the_groups_that_teach():
    # scipy.stats.binomtest(16, 64).proportion_ci(method="wilson") is 16.0% to 36.8%; 1 - .25^8 - .75^8 = .8999.
    told = find_pass_rate(probed(16), 8, 16).detail
    assert "16 of 64" in told and "[16.0%, 36.8%]" in told and "14.4 can be expected" in told


def test_the_remedy_for_a_reward_that_never_comes_names_the_cause():
    assert "not boxed" in find_pass_rate(probed(0, lenient_right=9), 8, 16).detail
    assert "--max-tokens" in find_pass_rate(probed(0, truncated=60), 8, 16).detail
    assert "easier" in find_pass_rate(probed(0), 8, 16).detail


def test_right_answers_without_work_are_warned_of():
    direct = probed(20, ways={"worked": 30, "direct": 34}, right_ways={"worked": 4, "direct": 16})
    worked = probed(20, ways={"worked": 30, "direct": 34}, right_ways={"worked": 18, "direct": 2})
    few = probed(2, ways={"direct": 64}, right_ways={"direct": 2})
    assert [find_ways(one).ok for one in (direct, worked, few, probed(0))] == [False, True, None, None]
    assert is_sound([find_ways(direct)])


def test_a_model_that_insists_on_another_answer_makes_the_label_suspect():
    # The base model of pi_1 says 12.7 in 57.8% of its draws and the label 12.8 in 6.3%.
    insists = find_majority(probed(8, 128, wrong={"12.7": 74, "13": 8, "": 38}))
    assert insists.ok is False and "12.7" in insists.detail and "57.8%" in insists.detail
    assert find_majority(probed(8, 128, wrong={"12.7": 30, "13": 8, "": 82})).ok is True


def reply(outcome, extracted):
    return {"lenient": {"outcome": outcome, "extracted": extracted}}


SOLVED = [
    ([("right", "72")] * 3 + [("wrong", "17")], True),
    ([("wrong", "17")] * 3 + [("right", "72")], False),
    ([("wrong", "17")] * 2 + [("right", "72")] * 2, None),
    ([("wrong", "17"), ("wrong", "18"), ("wrong", "19"), ("wrong", None)], None),
    ([("wrong", None)] * 4, None),
    # Written differently, right answers are one answer.
    ([("right", "72"), ("right", "72.0"), ("wrong", "17"), ("wrong", "1")], True),
]


@pytest.mark.parametrize(("replies", "ok"), SOLVED)
def test_a_solver_refuses_a_label_only_by_a_majority_for_another_answer(replies, ok):
    assert find_solver([reply(*one) for one in replies]).ok is ok


@pytest.mark.parametrize(
    ("num_hits", "num_right", "num_options", "ok"),
    [
        (4, 60, 0, False),
        (2, 60, 0, True),
        # One of four options is chance.
        (6, 40, 4, True),
        (12, 40, 4, False),
        # The model is right no more often when it sees the question.
        (6, 9, 4, False),
    ],
)
def test_a_label_that_the_blank_prompt_gives_is_guessed(num_hits, num_right, num_options, ok):
    rows = [reply("right", "1")] * num_hits + [reply("wrong", "3")] * (32 - num_hits)
    assert find_blank(rows, probed(num_right), num_options).ok is ok


def test_prompt_and_answer_must_fit():
    assert find_fit(100, 412, 512).ok is True
    assert find_fit(101, 412, 512).ok is False


def test_a_prompt_without_a_box_is_fine_where_the_model_boxes_by_itself():
    boxing, other = probed(1, ways={"boxed": 60}), probed(1, ways={"boxed": 6})
    assert find_box(MELONS, TEMPLATES["plain"], boxing).ok is True
    assert find_box(MELONS, TEMPLATES["boxed"], other).ok is False
    assert find_box(MELONS, TEMPLATES["boxed"], None).ok is True


def test_a_benchmark_problem_is_found_whatever_its_spaces_and_one_with_other_numbers_is_only_named():
    problem = "A train with 12 cars of 40 tonnes each climbs a slope for 20 minutes against a wind from the north"
    texts = (f"  {problem.upper()} ", problem.replace("12", "13"), "Why do whales sing at night?")
    samples = [Sample(question=text, answer="5", answer_type="number") for text in texts]
    questions = {"own": ["something else altogether", problem]}
    found = [find_in_benchmarks(one, questions) for one in find_likenesses(samples, questions)]
    assert [finding.ok for finding in found] == [False, True, True]
    assert "word for word in own[1]" in found[0].detail
    assert "other numbers" in found[1].detail and "nothing near" in found[2].detail


def test_a_copy_that_adds_a_word_is_still_the_same_problem():
    text = "A train with 12 cars of 40 tonnes each climbs 300 metres in 20 minutes against a wind from the north"
    sample = Sample(question=f"{text} today", answer="5")
    (likenesses,) = find_likenesses([sample], {"own": [text]})
    assert find_in_benchmarks(likenesses, {"own": [text]}).ok is False


def test_to_stand_in_the_pool_is_no_flaw():
    (likenesses,) = find_likenesses([MELONS], {"pool": ["another text of some length", MELONS.question]})
    finding = find_in_pool(likenesses, "pool")
    assert finding.ok is True and "pool[1]" in finding.detail


def test_all_benchmarks_of_a_folder_are_searched():
    data = ROOT.parent / "shared" / "data"
    if not (data / "math500.jsonl.gz").exists():
        pytest.skip("needs shared/data")
    found = load_benchmarks(("math500",), str(data))
    assert {name: len(texts) for name, texts in found.items()} == {"math500": 500}


def test_a_file_of_several_samples_is_sound_only_where_all_are_and_says_which_is_not():
    bad = Audit(sample=MELONS, findings=(Finding(check="label", ok=False, detail="no"),))
    good = Audit(sample=MELONS, findings=(Finding(check="label", ok=True, detail="yes"),))
    told = to_json([good, bad])
    assert told == {
        "sound": False,
        "findings": [
            {"check": "label", "ok": True, "detail": "sample 1: yes"},
            {"check": "label", "ok": False, "detail": "sample 2: no"},
        ],
    }


def test_the_page_is_self_contained_and_escapes_what_it_shows():
    sample = MELONS.model_copy(update={"question": "<script>alert(1)</script> 8 & 9", "solution": "8*9=72"})
    page = render_page([Audit(sample=sample, findings=(Finding(check="label", ok=None, detail="<b>"),))], "x")
    assert "<script" not in page and "&lt;script&gt;" in page and "&lt;b&gt;" in page
    assert not re.search(r"(?:src|href)=", page)


# --- the command


def write(path, *samples):
    path.write_text("".join(json.dumps(one) + "\n" for one in samples))
    return path


def test_a_sound_sample_exits_0_and_an_unsound_one_1_and_json_is_the_contract(tmp_path):
    sound = polymath("audit", "crate", "--json", cwd=tmp_path)
    unsound = polymath("audit", "retelling-published", "--json", cwd=tmp_path)
    assert (sound.returncode, unsound.returncode) == (0, 1), sound.stderr + unsound.stderr
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
    process = polymath(
        "audit",
        path,
        "--model",
        "lab",
        "--draws",
        "48",
        "--num-groups",
        "2",
        "--group-size",
        "4",
        "--batch-size",
        "48",
        "--out",
        out,
    )
    assert process.returncode == 1, process.stderr
    told = json.loads((out / "audit.json").read_text())
    first, second = told["samples"]
    assert first["reasons"] == [] and second["reasons"] == ["pass rate"]  # 0.9 groups at best
    rows = [row for row in read_lines(next((out / "draws").glob("*.jsonl"))) if row["benchmark"].startswith("draws-")]
    for one in (first, second):
        own = [row for row in rows if row["id"] == one["id"]]
        assert len(own) == one["draws"]["num_draws"] == 48
        assert one["draws"]["right"] == sum(row["strict"]["outcome"] == "right" for row in own)
    assert len({row["response"] for row in rows}) > 10
    assert "audit.html" in process.stdout and "Unsound: pass rate" in process.stdout
    # The same command again asks nobody: what was drawn stands.
    before = {path: path.read_bytes() for path in (out / "draws").iterdir()}
    assert (
        polymath(
            "audit",
            path,
            "--model",
            "lab",
            "--draws",
            "48",
            "--num-groups",
            "2",
            "--group-size",
            "4",
            "--batch-size",
            "48",
            "--out",
            out,
        ).returncode
        == 1
    )
    assert {path: path.read_bytes() for path in (out / "draws").iterdir()} == before


@pytest.fixture
def mislabelled(tmp_path):
    """A slip in words, which no arithmetic shows: four half-lives leave 50."""
    solution = "After 6 hours 400 mg are left, after 12 hours 200 mg, and after 24 hours 100 mg."
    question = "Of 800 mg, with a half-life of 6 hours, how many mg are left after 24 hours?"
    sample = {"question": question, "answer": "100", "answer_type": "number", "solution": solution}
    return write(tmp_path / "mislabelled.jsonl", sample)


def ask_solver(sample, server, out, *more):
    return [
        *("audit", str(sample), "--solver", server.url, "--served-model", "m", "--key-env", "OUR_KEY"),
        *("--attempts", "8", "--concurrency", "2", "--out", str(out), *more),
    ]


def test_a_solver_finds_the_wrong_label_that_no_arithmetic_shows_and_every_reply_is_kept(mislabelled, tmp_path):
    key = "sk-not-for-the-record"
    with serve(lambda prompt, attempt: say(f"Four halvings. \\boxed{{{50 if attempt else 100}}}")) as server:
        process = subprocess.run(
            [POLYMATH, *ask_solver(mislabelled, server, tmp_path / "out", "--json")],
            env={**ENVIRONMENT, "OUR_KEY": key},
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
    assert not any(key.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_mended_label_and_more_attempts_find_the_replies_that_were_paid_for(mislabelled, tmp_path):
    environment = {**ENVIRONMENT, "OUR_KEY": "k"}
    with serve(lambda prompt, attempt: say(r"\boxed{50}")) as server:

        def audit(*more):
            asked = ["audit", str(mislabelled), "--solver", server.url, "--served-model", "m", "--key-env", "OUR_KEY"]
            process = subprocess.run(
                [POLYMATH, *asked, *more], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
            )
            return process.returncode, process.stderr, len(server.bodies)

        assert audit("--attempts", "4") == (1, ANY, 4)
        row = json.loads(mislabelled.read_text())
        write(mislabelled, {**row, "answer": "50", "solution": "800/2^4 = 50"})
        assert audit("--attempts", "4") == (0, ANY, 4)
        assert audit("--attempts", "6") == (0, ANY, 6)
        # Another question under the same name lies elsewhere.
        write(mislabelled, {**row, "question": row["question"].replace("mg", "g"), "answer": "50"})
        _, stderr, num_asked = audit("--attempts", "4")
        assert "another" not in stderr and "other problems" not in stderr and num_asked == 10
    assert len(list((tmp_path / "audits").iterdir())) == 2


def test_another_label_or_number_of_draws_of_the_model_is_no_conflict(tmp_path):
    row = {"question": "A shop has 12 boxes with 2 pens each. How many pens are there?", "answer": "24"}
    path = write(tmp_path / "pens.jsonl", row)
    for answer, draws in (("24", 8), ("25", 8), ("25", 12)):
        write(path, {**row, "answer": answer})
        settings = AuditSettings(model="lab", num_draws=draws)
        (audit,) = audit_samples(find_sample(str(path)), settings, tmp_path / "out")
        assert audit.figures["draws"]["num_draws"] == draws


def test_two_samples_with_one_label_have_draws_of_their_own(tmp_path):
    questions = (
        "A shop has 12 boxes with 2 pens each. How many pens?",
        "A shop has 8 boxes with 3 pens each. How many?",
    )
    samples = [Sample(question=question, answer="24", answer_type="number") for question in questions]
    settings = AuditSettings(model="lab", num_draws=16)
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
    process = CliRunner().invoke(app, ["audit", "crate", *given])
    assert isinstance(process.exception, UserError), process.output
    assert told in " ".join(str(process.exception).replace(":", "").split())


def test_a_pool_is_counted(tmp_path):
    path = tmp_path / "pool.csv"
    rows = [f"A bag holds {number} nuts and {number} figs. How many is it?,{2 * number}" for number in range(11, 41)]
    path.write_text("\n".join(["question,answer", *rows]) + "\n")
    process = polymath("audit", path, "--limit", "25", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "0 of 25 samples" in process.stdout


def test_ctrl_c_keeps_every_reply_and_the_same_command_asks_for_the_rest(mislabelled, tmp_path):
    out = tmp_path / "out"
    environment = {**ENVIRONMENT, "OUR_KEY": "k"}
    with serve(lambda prompt, attempt: say(r"\boxed{50}"), takes_s=0.4) as server:
        process = subprocess.Popen(
            [POLYMATH, *ask_solver(mislabelled, server, out)],
            env=environment,
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
        asked = len(server.bodies)
        again = subprocess.run(
            [POLYMATH, *ask_solver(mislabelled, server, out)], env=environment, capture_output=True, check=False
        )
    assert again.returncode == 1 and kept >= 2
    assert len(server.bodies) - asked == 8 - kept


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
def test_a_published_sample_is_audited_by_its_name_and_the_pool_that_holds_it():
    found = polymath("audit", f"pi-1@{SHARED / 'dsr_sub.parquet'}", "--json")
    findings = {one["check"]: one["ok"] for one in json.loads(found.stdout)["findings"]}
    assert found.returncode == 0 and findings["reference"] is True
    assert findings["label"] is None, "there is no solution to recompute"
