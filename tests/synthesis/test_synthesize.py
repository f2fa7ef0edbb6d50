"""The command as a user calls it, against a server on this machine: the funnel, a kill, a budget, keys, a replay."""

import json
import os
import re
import signal
import time

import pytest

from polymath.errors import UserError
from polymath.runs import read_lines
from polymath.selection.probe import Probed
from polymath.synthesis.plan import read_plan
from polymath.synthesizing.synthesize import synthesize
from tests.conftest import ENVIRONMENT, finish, polymath, start
from tests.servers import refuse, say, serve
from tests.synthesis.world import is_writing, play, solve, write, write_plan

KEY = "sk-not-for-the-record-9876543210"


def stages(funnel):
    return {stage["stage"]: stage["num"] for stage in funnel["stages"]}


def reasons(funnel):
    return {f"{row['stage']}: {row['reason']}": row["num"] for row in funnel["rejected"]}


def carry_out(tmp_path, behaviour, *, out="out", probe=None, resume=False, **plan):
    """Plan, server and synthesis in one; returns the funnel, the candidates by place, and the server."""
    with serve(behaviour) as server:
        path = write_plan(tmp_path / "plan.toml", server, **plan)
        funnel = synthesize(read_plan(path), tmp_path / out, probe=probe, resume=resume)
    return funnel, read_lines(tmp_path / out / "candidates.jsonl"), server


def test_good_writers_and_solvers_give_samples_with_their_whole_provenance(tmp_path):
    funnel, rows, server = carry_out(tmp_path, play(), candidates=5)
    assert funnel["status"] == "complete" and set(stages(funnel).values()) == {5} and funnel["rejected"] == []
    assert len(server.bodies) == 5 + 5 * 2 * 2
    accepted = read_lines(tmp_path / "out" / "accepted.jsonl")
    replies = {row["id"]: row for row in read_lines(tmp_path / "out" / "replies.jsonl")}
    for row, sample in zip(rows, accepted, strict=True):
        assert row["sample"] == sample and int(sample["answer"]) == solve(sample["question"])
        assert sample["question"] in replies[row["writer"]["reply"]]["reply"]
        assert [attempt["answer"] for attempt in row["attempts"]] == [sample["answer"]] * 4
        assert all(sample["question"] in replies[attempt["reply"]]["prompt"] for attempt in row["attempts"])
        assert row["agreement"]["writer_agrees"] and sample["source"] == "written by model-w"
        assert sample["meta"]["agreement"] == "4 of 4" and sample["disciplines"] == ["physics", "chemistry", "biology"]
    assert funnel["usage"]["num_replies"] == 25 and funnel["usage"]["prompt_tokens"] == 250
    assert funnel["writers"]["w"]["usage"]["num_replies"] == 5
    assert funnel["solvers"]["t"]["usage"]["completion_tokens"] == 10 * 5


def test_each_bad_candidate_is_rejected_once_at_its_stage_and_for_its_reason(tmp_path):
    # A synthesis before it tells which seed each candidate is asked for with.
    carry_out(tmp_path, play(), out="before", candidates=13)
    recorded = {row["id"]: row["decoding"]["seed"] for row in read_lines(tmp_path / "before" / "replies.jsonl")}
    seeds = [recorded[f"candidate-{place:04d}/write"] for place in range(13)]
    questions = [json.loads(write(seed))["question"] for seed in seeds]
    said = {
        0: "I would rather not.",
        1: write(seeds[1], answer="0.5"),
        2: write(seeds[2], answer="4000"),
        3: write(seeds[3], question="Short ____."),
        4: write(seeds[4], question=f"{questions[4]} The answer is {json.loads(write(seeds[4]))['answer']}."),
        6: write(seeds[6], question=questions[5]),
    }

    def written(seed):
        return said.get(seeds.index(seed), write(seed))

    def solved(prompt, body):
        place = next(place for place, question in enumerate(questions) if question in prompt)
        right, is_first = solve(prompt), body["model"] == "model-s"
        answers = {
            7: "I do not know.",
            8: f"\\boxed{{{right if is_first else right + 1}}}",
            9: f"\\boxed{{{right}}}" if is_first else "Perhaps.",
            10: "\\boxed{1500}",
            11: f"\\boxed{{{right + 1}}}",
        }
        return answers.get(place, f"\\boxed{{{right}}}")

    funnel, rows, server = carry_out(tmp_path, play(written, solved), candidates=13)
    ends = [f"{row['rejected']['stage']}: {row['rejected']['reason']}" if row["rejected"] else "" for row in rows]
    assert ends == [
        "read: no question",
        "filter: answer type",
        "filter: range",
        "filter: length",
        "filter: leak",
        "",
        "filter: duplicate",
        "agree: no attempt answers",
        "agree: no single answer in front",
        "agree: below the threshold",
        "gold: range",
        "",
        "",
    ]
    assert reasons(funnel) == {end: 1 for end in ends if end}
    assert [row["outcome"] for row in rows] == ["rejected" if end else "accepted" for end in ends]
    assert rows[6]["rejected"]["detail"].startswith("near candidate-0005")
    assert stages(funnel) == {
        "asked for": 13,
        "answered by a writer": 13,
        "read as a sample": 12,
        "passed the filters": 7,
        "attempted by all solvers": 7,
        "agreed on": 4,
        "gold passed the filters": 3,
        "accepted": 3,
    }
    # The writer is overruled: the solvers' answer is the gold, and the solution that leads elsewhere is left out.
    assert rows[11]["agreement"]["writer_agrees"] is False and funnel["writer_agrees"] == {
        "yes": 2,
        "no": 2,
        "unknown": 0,
    }
    assert int(rows[11]["sample"]["answer"]) == solve(questions[11]) + 1 and "solution" not in rows[11]["sample"]
    assert len(server.bodies) == 13 + 7 * 4, "nobody is paid to solve what the filters have rejected"


def test_a_server_that_does_not_sample_is_told_of(tmp_path):
    """Short answers to one question may well be the same; here the working differs for t and never for s."""

    def solved(prompt, body):
        work = "" if body["model"] == "model-s" else f"Attempt {body['seed']}. "
        return f"{work}\\boxed{{{solve(prompt)}}}"

    funnel, _, _ = carry_out(tmp_path, play(solved=solved), candidates=3, attempts=4)
    assert {name: one["num_repeated"] for name, one in funnel["solvers"].items()} == {"s": 3 * 3, "t": 0}
    assert funnel["writers"]["w"]["num_repeated"] == 0
    page = (tmp_path / "out" / "synthesis.html").read_text()
    assert "Solver s: 9 of 12 replies say word for word" in page and "Solver t:" not in page


def test_several_writers_have_their_share(tmp_path):
    funnel, _, server = carry_out(tmp_path, play(), candidates=6, writers=("a", "b"), solvers=("s",), attempts=1)
    assert {name: one["asked"] for name, one in funnel["writers"].items()} == {"a": 3, "b": 3}
    models = [
        body["model"] for body in server.bodies if "messages" in body and is_writing(body["messages"][0]["content"])
    ]
    assert sorted(models) == ["model-a"] * 3 + ["model-b"] * 3
    assert stages(funnel)["accepted"] == 6


def test_a_killed_synthesis_asks_only_for_what_is_missing(tmp_path):
    num_needed = 8 + 8 * 2 * 2
    with serve(play(), takes_s=0.08) as server:
        plan = write_plan(tmp_path / "plan.toml", server, candidates=8)
        process = start("synthesize", plan, "--out", tmp_path / "out")
        deadline = time.monotonic() + 60
        while len(server.bodies) < 20:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        process.kill()
        process.communicate()
        time.sleep(0.3)
        num_kept = (tmp_path / "out" / "replies.jsonl").read_bytes().count(b"\n")
        num_asked = len(server.bodies)
        assert num_asked - num_kept <= 4, "two solvers, two requests each, were under way"
        with pytest.raises(UserError, match="continue it with --resume"):
            synthesize(read_plan(plan), tmp_path / "out")
        assert len(server.bodies) == num_asked
        code, stdout, stderr = finish(start("synthesize", plan, "--out", tmp_path / "out", "--resume", "--json"))
        assert code == 0, stderr
        assert len(server.bodies) - num_asked == num_needed - num_kept
        assert json.loads(stdout)["accepted"] == 8
        synthesize(read_plan(plan), tmp_path / "out", resume=True)
        assert len(server.bodies) - num_asked == num_needed - num_kept, "a complete one asks for nothing"


@pytest.mark.parametrize("num_before", [5, 14], ids=["while writing", "while two solvers are asked at once"])
def test_ctrl_c_keeps_what_came_and_exits_130(tmp_path, num_before):
    with serve(play(), takes_s=0.08) as server:
        plan = write_plan(tmp_path / "plan.toml", server, candidates=10)
        process = start("synthesize", plan, "--out", tmp_path / "out")
        deadline = time.monotonic() + 60
        while len(server.bodies) < num_before:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGINT)
        code, stdout, stderr = finish(process, timeout_s=20)
        num_asked = len(server.bodies)
    assert (code, stdout) == (130, "") and "Traceback" not in stderr
    assert "--resume" in stderr.splitlines()[-1]
    kept = read_lines(tmp_path / "out" / "replies.jsonl")
    assert num_before - 4 <= len(kept) <= num_asked < 10 + 10 * 4


def test_a_budget_ends_it_with_what_was_got_and_a_greater_one_goes_on(tmp_path):
    # At most 100 tokens of answer and some 700 of prompt a request, and 15 used: room for some, not for all.
    funnel, rows, server = carry_out(tmp_path, play(), candidates=20, extra="[budget]\ntokens = 1100")
    num_written = stages(funnel)["answered by a writer"]
    assert funnel["status"] == "budget" and 20 >= num_written >= 1 and len(server.bodies) < 100
    assert funnel["usage"]["prompt_tokens"] + funnel["usage"]["completion_tokens"] <= 1100
    assert funnel["unfinished"] == sum(row["outcome"] == "unfinished" for row in rows) > 0
    assert all(row["stopped_at"] in ("write", "solve") for row in rows if row["outcome"] == "unfinished")
    done = {row["candidate"] for row in rows if row["outcome"] == "accepted"}
    whole, rows, again = carry_out(tmp_path, play(), candidates=20, extra="[budget]\ntokens = 100000", resume=True)
    assert whole["status"] == "complete" and stages(whole)["accepted"] == 20
    assert len(server.bodies) + len(again.bodies) == 20 + 20 * 4 and done <= {row["candidate"] for row in rows}


def test_more_candidates_are_a_resume_that_pays_for_the_new_ones_only(tmp_path):
    _, before, _ = carry_out(tmp_path, play(), candidates=3)
    _, after, server = carry_out(tmp_path, play(), candidates=5, resume=True)
    assert after[:3] == before and len(server.bodies) == 2 + 2 * 4


def test_a_solver_that_refuses_is_one_line_and_the_writers_are_not_paid_again(tmp_path):
    def spoiled(prompt, attempt):
        return play()(prompt, attempt) if is_writing(prompt) else refuse(401, f"bad key {KEY}")

    with serve(spoiled) as server:
        plan = write_plan(tmp_path / "plan.toml", server, candidates=3, extra="")
        code, stdout, stderr = finish(start("synthesize", plan, "--out", tmp_path / "out"))
        assert code == 2 and stdout == "" and "Traceback" not in stderr
        complaint = [line for line in stderr.splitlines() if line.startswith("polymath: ")]
        assert len(complaint) == 1 and "--resume" in complaint[0] and "401" in complaint[0]
        server.misbehave = play()
        num_asked = len(server.bodies)
        assert finish(start("synthesize", plan, "--out", tmp_path / "out", "--resume"))[0] == 0
        assert len(server.bodies) - num_asked == 3 * 4


def test_a_key_that_is_not_set_is_found_out_before_anybody_is_paid(tmp_path):
    with serve(play()) as server:
        plan = write_plan(tmp_path / "plan.toml", server, candidates=2, extra='key_env = "NOT_SET_ANYWHERE"')
        code, _, stderr = finish(start("synthesize", plan, "--out", tmp_path / "out"))
    assert code == 2 and "NOT_SET_ANYWHERE" in stderr and server.bodies == []


def test_keys_are_sent_and_written_nowhere_even_where_servers_say_them_back(tmp_path):
    def parrot(handler, body):
        say(write(body["seed"], solution=f"Add. {handler.headers['Authorization']}"))(handler, body)

    def echo(prompt, attempt):
        return parrot if is_writing(prompt) else play()(prompt, attempt)

    with serve(echo) as server:
        plan = write_plan(tmp_path / "plan.toml", server, candidates=3)
        settings = [
            f"{kind}={json.dumps('OUR_KEY')}"
            for kind in ("writers.w.key_env", "solvers.s.key_env", "solvers.t.key_env")
        ]
        given = [part for setting in settings for part in ("--set", setting)]
        code, stdout, stderr = finish(
            start("synthesize", plan, "--out", tmp_path / "out", *given, environment={**ENVIRONMENT, "OUR_KEY": KEY})
        )
    assert code == 0, stderr
    assert all(headers["Authorization"] == f"Bearer {KEY}" for headers in server.headers)
    assert "[key]" in (tmp_path / "out" / "replies.jsonl").read_text()
    assert KEY not in stdout + stderr
    for path in (tmp_path / "out").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
        assert not path.is_file() or b"OUR_KEY" not in path.read_bytes(), path


def test_a_replay_asks_nobody_and_comes_to_the_same(tmp_path):
    carry_out(tmp_path, play(), candidates=4)
    # The server is gone.
    done = polymath(
        "synthesize", tmp_path / "plan.toml", "--out", tmp_path / "again", "--replay", tmp_path / "out", "--json"
    )
    assert done.returncode == 0, done.stderr
    for name in ("funnel.json", "candidates.jsonl", "accepted.jsonl", "plan.json", "synthesis.html"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes(), name
    other = polymath(
        "synthesize",
        tmp_path / "plan.toml",
        "--out",
        tmp_path / "other",
        "--replay",
        tmp_path / "out",
        "--set",
        "seed=5",
    )
    assert other.returncode == 2 and "has no reply to candidate-0000/write" in other.stderr


def test_a_replay_of_what_the_budget_ended_comes_to_the_same_too(tmp_path):
    funnel, rows, _ = carry_out(tmp_path, play(), candidates=20, extra="[budget]\ntokens = 1100")
    again = synthesize(read_plan(tmp_path / "plan.toml"), tmp_path / "again", replay=tmp_path / "out")
    assert again == funnel and read_lines(tmp_path / "again" / "candidates.jsonl") == rows


def test_a_probe_of_ones_own_keeps_a_band_and_by_default_rejects_shortcuts(tmp_path):
    seen = []

    def probe(samples):
        seen.extend(samples)
        return [
            Probed(
                index=place,
                id=sample.id,
                num_draws=8,
                right=(0, 4, 4, 8)[place],
                lenient_right=8,
                undecided=0,
                truncated=0,
                ways={"direct": 8},
                right_ways={"direct": 4} if place == 2 else {"worked": 4},
                wrong={},
                mean_tokens=5.0,
            )
            for place, sample in enumerate(samples)
        ]

    rules = "[probe]\nmin_pass_rate = 0.1\nmax_pass_rate = 0.9"
    funnel, rows, _ = carry_out(tmp_path, play(), candidates=4, probe=probe, extra=rules)
    assert [row["sample_id"] for row in rows] == [sample.id for sample in seen]
    assert reasons(funnel) == {"probe: band": 2, "probe: shortcut": 1}
    assert stages(funnel)["gold passed the filters"] == 4 and stages(funnel)["passed the probe"] == 1
    assert rows[1]["outcome"] == "accepted" and rows[1]["probe"]["pass_rate"] == 0.5
    again = synthesize(read_plan(tmp_path / "plan.toml"), tmp_path / "again", replay=tmp_path / "out")
    assert again == funnel and len(seen) == 4, "a replay reads what the probe saw"


def test_the_model_to_be_trained_is_probed_and_a_replay_does_not_need_it(tmp_path, model_path):
    rules = (
        f"[probe]\nmodel = {json.dumps(str(model_path))}\nn = 2\nmax_tokens = 4\ndevice = 'cpu'\nmax_pass_rate = 1.0"
    )
    funnel, rows, _ = carry_out(tmp_path, play(), candidates=2, extra=rules)
    assert stages(funnel)["passed the probe"] == 2 and rows[0]["probe"]["num_draws"] == 2
    plan = tmp_path / "plan.toml"
    plan.write_text(plan.read_text().replace(str(model_path), "/gone"))
    assert synthesize(read_plan(plan), tmp_path / "again", replay=tmp_path / "out") == funnel


def test_candidates_near_a_benchmark_are_rejected(tmp_path):
    carry_out(tmp_path, play(), candidates=3)
    copied = read_lines(tmp_path / "out" / "accepted.jsonl")[1]
    suite = tmp_path / "suite.jsonl"
    suite.write_text(json.dumps({"question": copied["question"].upper(), "answer": "1"}) + "\n")
    rules = f"[filters]\nbenchmarks = {json.dumps(str(suite))}"
    funnel, rows, _ = carry_out(tmp_path, play(), out="second", candidates=3, extra=rules)
    assert [row["outcome"] for row in rows] == ["accepted", "rejected", "accepted"]
    assert rows[1]["rejected"]["reason"] == "benchmark" and list(funnel["benchmarks"].values()) == [1]


def test_an_instruction_of_ones_own_is_sent_literally_and_may_be_answered_in_prose(tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("Make me a problem out of {disciplines}, with braces {like these}.")

    def prose(seed):
        return f"Certainly! Here is one:\n\n**Problem:** {json.loads(write(seed))['question']}"

    extra = f'[instruction]\nfile = {json.dumps(str(own))}\ndisciplines = [["law", "economics"]]'
    funnel, rows, server = carry_out(tmp_path, play(prose), candidates=2, extra=extra)
    prompts = [body["messages"][0]["content"] for body in server.bodies]
    assert prompts[0] == "Make me a problem out of law and economics, with braces {like these}."
    assert stages(funnel)["accepted"] == 2 and funnel["writer_agrees"]["unknown"] == 2
    assert rows[0]["sample"]["disciplines"] == ["law", "economics"]


def test_the_page_is_whole_in_itself_and_shows_no_text_of_a_model_as_markup(tmp_path):
    nasty = "<script>alert(1)</script><img src=x onerror=y> & {{ 7 * 7 }}"
    carry_out(tmp_path, play(lambda seed: write(seed, solution=nasty)), candidates=2)
    page = (tmp_path / "out" / "synthesis.html").read_text()
    assert "<script" not in page and "<img" not in page and "&lt;script&gt;" in page and "{{ 7 * 7 }}" in page
    assert not re.search(r"<[^>]*(?:src|href)=", page) and "default-src 'none'" in page
    for word in ("The funnel", "candidate-0000", "4 of 4 attempts", "The plan"):
        assert word in page


def test_what_cannot_begin_is_one_line_and_asks_nobody(tmp_path):
    with serve(play()) as server:
        plan = read_plan(write_plan(tmp_path / "plan.toml", server))
        with pytest.raises(UserError, match="leave --resume out"):
            synthesize(plan, tmp_path / "out", resume=True, replay=tmp_path)
        with pytest.raises(UserError, match="has no replies"):
            synthesize(plan, tmp_path / "out", replay=tmp_path / "nowhere")
        done = polymath("synthesize", tmp_path / "plan.toml", "--resume")
        assert done.returncode == 2 and "--out" in done.stderr
        done = polymath("synthesize", tmp_path / "plan.toml", "--set", "candidates=many")
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "candidates" in done.stderr
    assert server.bodies == []
