"""polymath tournament as a user runs it: with the lab's model, killed in the middle, and on a Ray cluster."""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from polymath import api
from polymath.errors import RecipeError, RunFolderError, SampleError
from polymath.evaluation.suites import load_suite
from polymath.lab.draws import draw_samples
from polymath.recipe import read_recipe
from polymath.runs import RunFolder, read_lines
from polymath.selecting.ties import Tie, list_ties, tell_ties
from polymath.selecting.tournaments import Asked, open_tournament
from polymath.selecting.trials import read_work
from polymath.selection.halving import Rules, Trial
from tests.conftest import ENVIRONMENT, POLYMATH, ROOT, polymath, start

LIMIT = 12
# What a tournament pays for, and what a kill must not make it pay again.
PAID = ("steps", "rollouts", "rollout_tokens", "evaluations", "answers", "answer_tokens")
RECIPE = """
name = "tiny"
[model]
path = "lab"
[rollout]
num_groups = 2
group_size = 8
max_tokens = 40
[optimizer]
learning_rate = 1e-3
[evaluate]
suite = "lab-dev"
max_tokens = 40
batch_size = 12
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A recipe, four random samples, one whose label cannot be right, and one of the dev problems."""
    folder = tmp_path_factory.mktemp("tournament")
    (folder / "tiny.toml").write_text(RECIPE)
    samples = {f"draw-{number}": sample for number, sample in enumerate(draw_samples(4, seed=31))}
    for name, sample in samples.items():
        (folder / f"{name}.json").write_text(sample.model_dump_json(exclude_defaults=True))
    (folder / "bad.json").write_text(json.dumps({"question": "2+2?", "answer": "many", "answer_type": "number"}))
    seen = load_suite("lab-dev", limit=LIMIT).benchmarks["lab-dev"][3]
    (folder / "seen.json").write_text(seen.model_copy(update={"answer": "0"}).model_dump_json(exclude_defaults=True))
    return folder


def arguments(folder, names=("bad", "draw-0", "draw-1", "seen", "draw-2", "draw-3"), rungs="2,3"):
    files = [word for name in names for word in ("--samples", str(folder / f"{name}.json"))]
    return ["tournament", str(folder / "tiny.toml"), *files, "--rungs", rungs, "--limit", str(LIMIT)]


@pytest.fixture(scope="module")
def whole(place):
    """A tournament that nobody disturbed, and what it printed."""
    found = polymath(*arguments(place), "--out", place / "whole", "--json")
    assert found.returncode == 0, found.stderr
    return place / "whole", json.loads(found.stdout)


def ranking_of(folder):
    return read_lines(folder / "ranking.jsonl")


def scored(rows):
    """The rungs at which each candidate has a score."""
    return {row["name"]: [rung["step"] for rung in row["rungs"]] for row in rows}


def test_the_worst_are_dropped_and_the_best_go_on_to_the_last_rung(whole):
    folder, printed = whole
    rows = ranking_of(folder)
    assert printed["ranking"] == rows and [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    # Six enter, three are kept, of the four that can be scored.
    assert sorted(map(len, scored(rows[:4]).values())) == [1, 2, 2, 2]
    at = [{rung["step"]: rung["difference"]["mean"] for rung in row["rungs"]} for row in rows[:4]]
    assert at[0][3] >= at[1][3] >= at[2][3] and min(score[2] for score in at[:3]) >= at[3][2]
    assert len({row["rungs"][0]["difference"]["mean"] for row in rows[:4]}) > 1, "a tournament of equals tests nothing"
    assert printed["winner"]["name"] == rows[0]["name"]
    for row in rows[1:4]:
        step, margin = row["behind"]["step"], row["behind"]["mean"]
        scores = {rung["step"]: rung["difference"]["mean"] for rung in rows[0]["rungs"]}
        assert margin == pytest.approx(scores[step] - row["rungs"][-1]["difference"]["mean"])
    assert json.loads((folder / "winner.json").read_text()) == json.loads(
        (folder / "samples" / f"{rows[0]['name']}.json").read_text()
    )


def test_a_candidate_that_fails_takes_the_last_place_with_its_reason(whole):
    rows = {row["name"]: row for row in ranking_of(whole[0])}
    assert rows["bad"]["rank"] == 5 and "'many' is no number" in rows["bad"]["failure"]
    assert not (whole[0] / "trials/bad/run.json").exists()


def test_a_dev_problem_cannot_take_part_under_another_label_either(whole):
    rows = {row["name"]: row for row in ranking_of(whole[0])}
    assert rows["seen"]["rank"] == 6 and "one of the dev problems" in rows["seen"]["failure"]
    assert sorted(path.name for path in (whole[0] / "trials/seen").iterdir()) == ["failed.json"]


def test_every_trial_is_a_run_folder_that_trained_on_from_its_checkpoint(whole):
    folder, _ = whole
    for name, rungs in scored(ranking_of(folder)[:4]).items():
        run = RunFolder(folder / "trials" / name)
        assert [row["step"] for row in run.read_metrics()] == list(range(1, rungs[-1] + 1))
        assert run.evaluated_steps("lab-dev", "greedy") == [0, *rungs]
        assert run.read_info()["status"] == ("complete" if rungs[-1] == 3 else "paused")
        assert run.read_info()["threads"] == 1
        begun = [row for row in read_work(run) if "began" in row]
        assert [row["step"] for row in begun] == [0, *rungs[:-1]]


def test_a_trial_comes_out_as_if_it_had_trained_without_a_halt(whole, tmp_path):
    trial = RunFolder(whole[0] / "trials" / ranking_of(whole[0])[0]["name"])
    straight = api.train(trial.read_recipe(), out=tmp_path / "run")
    passing = ("time/", "memory/", "step_time", "tokens_per_s")
    one, other = (
        [{key: value for key, value in row.items() if not key.startswith(passing)} for row in run.read_metrics()]
        for run in (trial, straight)
    )
    assert one == other
    weights = [(run.checkpoints / "step-3/model.safetensors").read_bytes() for run in (trial, straight)]
    assert weights[0] == weights[1]


def test_the_ledger_counts_what_is_on_disk(whole):
    folder, printed = whole
    ledger = printed["ledger"]
    # 4 to step 2, 3 of them on to step 3; one evaluation of the base, and one for each of these.
    assert (ledger["steps"], ledger["evaluations"], ledger["rollouts"]) == (4 * 2 + 3, 1 + 4 + 3, 11 * 16)
    assert ledger["answers"] == 8 * LIMIT and ledger["steps_of_all"] == 6 * 3
    assert (ledger["steps_again"], ledger["num_killed"], ledger["num_failed"]) == (0, 0, 2)
    rollouts = [row for path in folder.glob("trials/*/rollouts/*.jsonl") for row in read_lines(path)]
    assert sum(len(row["token_ids"]) for row in rollouts) == ledger["rollout_tokens"]
    base = {path.read_bytes() for path in folder.glob("*/**/evaluations/step-0/*.jsonl")}
    assert len(base) == 1 and len(list(folder.glob("base/evaluations/*"))) == 1
    stored = json.loads((folder / "tournament.json").read_text())
    assert stored["status"] == "complete" and stored["ledger"]["steps"] == 11


def test_the_page_stands_alone_and_shows_every_candidate(whole):
    page = (whole[0] / "tournament.html").read_text()
    assert not re.search(r"<script|src=|https?://(?!www\.w3\.org)", page)
    assert page.count("<figure") == 4
    for row in ranking_of(whole[0]):
        assert f"{row['rank']}. {row['name']}" in page
    assert "failed: sample &#39;2+2?&#39;" in page and "11 of the 18" in page


def test_a_finished_tournament_is_not_run_again(whole):
    before = times(whole[0])
    found = polymath("tournament", "--resume", "--out", whole[0], "--json")
    assert found.returncode == 0, found.stderr
    assert times(whole[0]) == before
    assert json.loads(found.stdout)["ranking"] == whole[1]["ranking"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"rungs": (2, 6)}, "rungs and keep"),
        ({"keep": 0.25}, "rungs and keep"),
        ({"suite": "lab"}, "evaluate.suite"),
        ({"limit": 21}, "evaluate.limit"),
        ({"save_every": 2}, "train.save_every"),
        ({"pool": "lab:4"}, "other candidates"),
        ({"recipe": ["optimizer.learning_rate=1e-4"]}, "optimizer.learning_rate"),
    ],
)
def test_a_tournament_goes_on_with_its_own_settings_only(whole, place, changed, named):
    if "recipe" in changed:
        changed = {"recipe": read_recipe(place / "tiny.toml", changed["recipe"])}
    with pytest.raises(RunFolderError, match=named):
        open_tournament(whole[0], Asked(**changed), resume=True)


def test_the_same_settings_go_on_however_much_of_them_is_said(whole, place):
    known = open_tournament(whole[0], Asked(), resume=True)
    said = Asked(recipe=read_recipe(place / "tiny.toml"), rungs=(2, 3), keep=0.5, limit=LIMIT, save_every=1)
    assert open_tournament(whole[0], said, resume=True) == known


@pytest.mark.parametrize(
    ("asked", "overrides", "error", "named"),
    [
        ({}, [], RecipeError, "--pool or --samples"),
        ({"pool": "lab:4", "samples": ("x.json",)}, [], SampleError, "both given"),
        ({"pool": "lab:4", "num": 5}, [], SampleError, "4 different samples"),
        ({"pool": "lab:1"}, [], SampleError, "at least 2"),
        ({"pool": "lab:4", "rungs": (4, 2)}, [], RecipeError, "rise"),
        ({"pool": "lab:4", "keep": 1.0}, [], RecipeError, "share"),
        ({"pool": "lab:4"}, ["replicate_seeds=[1]"], RecipeError, "replicate_seeds"),
        ({"pool": "lab:4"}, ["evaluate.demonstrate=true"], RecipeError, "demonstrate"),
        ({"pool": "lab:4"}, ["reward.name=exakt"], RecipeError, "exakt"),
        ({"pool": "lab:4", "suite": "lab-def"}, [], SampleError, "lab-dev"),
    ],
)
def test_what_cannot_be_held_is_refused_before_anything_is_written(place, tmp_path, asked, overrides, error, named):
    out = tmp_path / "out"
    with pytest.raises(error, match=re.escape(named)):
        open_tournament(out, Asked(recipe=read_recipe(place / "tiny.toml", overrides), **asked), resume=False)
    assert not out.exists()


def test_arms_of_the_recipe_are_left_out_and_one_line_says_so(tmp_path, capsys):
    recipe = read_recipe(ROOT / "recipes" / "lab.toml", ["evaluate.limit=2"])
    assert list(recipe.arms) == ["poor", "in-context"]
    settings = open_tournament(tmp_path / "cup", Asked(recipe=recipe, pool="lab:3"), resume=False)
    assert settings.recipe.arms == {} and settings.recipe.rollout == recipe.rollout
    said = capsys.readouterr().err.splitlines()
    assert "the recipe's arms do not take part: poor, in-context" in said
    assert open_tournament(tmp_path / "cup", Asked(recipe=recipe), resume=True) == settings


def test_candidates_are_drawn_from_a_pool_by_their_row(tmp_path, place):
    recipe = read_recipe(place / "tiny.toml")
    drawn = [
        open_tournament(tmp_path / str(n), Asked(recipe=recipe, pool="lab:30", num=5, seed=s), resume=False)
        for n, s in enumerate((0, 0, 1))
    ]
    assert drawn[0].names == drawn[1].names != drawn[2].names
    assert [entry.index for entry in drawn[0].candidates] == sorted(entry.index for entry in drawn[0].candidates)
    assert drawn[0].names == [f"row-{entry.index:04}" for entry in drawn[0].candidates]


RULES = Rules(rungs=(2, 3), keep=0.5)


def trials(**scores):
    """Candidates in order, with their scores at steps 2 and 3 as far as they got."""
    return [Trial(name=name, scores=dict(zip((2, 3), given, strict=False))) for name, given in scores.items()]


def test_a_tournament_of_equals_says_that_it_has_told_nothing():
    found = trials(a=(0.1, 0.2), b=(0.1, 0.2), c=(0.1,), d=(0.1,))
    assert list_ties(found, RULES) == [
        Tie(budget=2, names=("a", "b", "c", "d"), num_kept=2),
        Tie(budget=3, names=("a", "b"), num_kept=1),
    ]
    assert tell_ties(found, RULES).startswith("nothing is told: the 4 candidates that have scores score alike")


def test_a_tie_at_the_edge_is_told_and_one_that_decides_nothing_is_not():
    edge = trials(a=(0.0,), b=(0.1, 0.2), c=(0.1,), d=(0.3, 0.3))
    assert list_ties(edge, RULES) == [Tie(budget=2, names=("b", "c"), num_kept=1)]
    assert tell_ties(edge, RULES) == (
        "at step 2 2 score alike (b, c), and the first was taken, in the candidates' order"
    )
    # a and b go on together, c and d are out together: what is equal there lies on one side of the edge.
    assert tell_ties(trials(a=(0.1, 0.2), b=(0.1, 0.3), c=(0.0,), d=(0.0,)), RULES) is None
    # Alike at the last rung, and not before it: the rung before decides, by score.
    assert tell_ties(trials(a=(0.1, 0.2), b=(0.2, 0.2), c=(0.0,), d=(0.05,)), RULES) is None


def test_who_failed_or_stood_alone_is_in_no_tie():
    failed = Trial(name="b", scores={}, failure="no")
    assert tell_ties([*trials(a=(0.1,)), failed], RULES) is None
    assert tell_ties([failed], RULES) is None


def test_the_command_says_that_equals_are_a_tie(place):
    """Nothing is learned at this learning rate, so that greedy answers stay those of the base."""
    out = place / "equals"
    words = arguments(place, names=("draw-2", "draw-0", "draw-1"), rungs="1")
    found = polymath(*words, "--set", "optimizer.learning_rate=1e-30", "--out", out)
    assert found.returncode == 0, found.stderr
    tie = next(line for line in found.stdout.splitlines() if line.startswith("tie "))
    assert (
        "nothing is told: the 3 candidates" in tie and json.loads((out / "tournament.json").read_text())["tie"] in tie
    )
    assert json.loads((out / "winner.json").read_text()) == json.loads((place / "draw-2.json").read_text())


def test_errors_are_one_line(whole, tmp_path):
    found = polymath("tournament", "--resume", "--out", tmp_path / "none")
    assert found.returncode == 2 and "has no tournament.json" in found.stderr and found.stderr.count("\n") == 1
    found = polymath("tournament", "--resume", "--out", whole[0], "--keep", "0.25")
    assert found.returncode == 2 and "other settings" in found.stderr and found.stderr.count("\n") == 1


def test_without_ray_it_says_how_to_get_it(whole):
    code = "import sys; sys.modules['ray'] = None; from polymath.cli import main; main()"
    call = [sys.executable, "-c", code, "tournament", "--resume", "--out", whole[0], "--executor", "ray"]
    found = subprocess.run(call, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 2 and "polymath-learning[ray]" in found.stderr and "Traceback" not in found.stderr


def test_a_cluster_that_is_not_there_is_told_at_once(whole):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'polymath-learning[ray]'")
    address = f"127.0.0.1:{free_port()}"
    found = polymath(
        "tournament", "--resume", "--out", whole[0], "--executor", "ray", "--ray-address", address, timeout_s=60
    )
    assert found.returncode == 2 and f"--ray-address {address}: no Ray cluster answers" in found.stderr


# --- killed in the middle


def times(folder):
    """What was paid for, and when it was written: rollouts and finished evaluations."""
    paths = [*folder.glob("trials/*/rollouts/*.jsonl"), *folder.glob("*/**/evaluations/*/*.jsonl")]
    return {path: path.stat().st_mtime_ns for path in paths if "partial" not in path.name}


def wait_until(claim, process, timeout_s=120):
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "it did not get there"
        time.sleep(0.01)


def in_training(folder, name, step):
    """Whether a trial has finished this step and not the piece of work that it belongs to."""
    run = RunFolder(folder / "trials" / name)
    return len(run.read_metrics()) == step and "began" in read_work(run)[-1]


def worker_of(folder, name):
    return read_work(RunFolder(folder / "trials" / name))[-1]["pid"]


def same_end(folder, whole):
    """Scores, intervals, order and reasons are those of the undisturbed tournament, to the last bit."""
    return [{**row, "failure": bool(row["failure"])} for row in ranking_of(folder)] == [
        {**row, "failure": bool(row["failure"])} for row in ranking_of(whole[0])
    ]


def test_a_killed_trial_goes_on_and_nothing_is_paid_twice(place, whole):
    out = place / "killed-trial"
    driver = start(*arguments(place), "--out", out, "--json")
    wait_until(lambda: in_training(out, "draw-1", 1), driver)
    os.kill(worker_of(out, "draw-1"), signal.SIGKILL)
    paid = times(out)
    said, complaints = driver.communicate(timeout=120)
    assert driver.returncode == 0, complaints
    assert "draw-1: its worker process ended (SIGKILL)" in complaints
    after = times(out)
    assert all(after[path] == paid[path] for path in paid)
    ledger = json.loads(said)["ledger"]
    assert same_end(out, whole) and ledger["num_killed"] == 1
    # Its step may have been measured and not yet saved when it was killed; its rollouts were.
    assert ledger["steps_again"] <= 1
    for name in PAID:
        assert ledger[name] == whole[1]["ledger"][name], name


def test_a_killed_driver_goes_on_and_nothing_is_paid_twice(place, whole):
    out = place / "killed-driver"
    driver = start(*arguments(place), "--out", out)
    wait_until(lambda: in_training(out, "draw-1", 1), driver)
    second = polymath("tournament", "--resume", "--out", out)
    assert second.returncode == 2 and "another process" in second.stderr and "Traceback" not in second.stderr
    driver.kill()
    driver.communicate()
    goes_on(out, whole, times(out))


def goes_on(out, whole, paid):
    """Resume, and find the end and the bill of the undisturbed tournament; nothing of `paid` is written again."""
    found = polymath("tournament", "--resume", "--out", out, "--json")
    assert found.returncode == 0, found.stderr
    after = times(out)
    assert all(after[path] == paid[path] for path in paid)
    ledger = json.loads(found.stdout)["ledger"]
    assert same_end(out, whole) and ledger["steps_again"] <= 1
    for name in PAID:
        assert ledger[name] == whole[1]["ledger"][name], name
    return ledger


@pytest.mark.slow
def test_when_everything_is_killed_at_once_it_goes_on_too(place, whole):
    """As when the machine goes down: in the middle of training, then in the middle of an evaluation."""
    out = place / "power"
    driver = start(*arguments(place), "--out", out)
    for claim in (
        lambda: in_training(out, "draw-1", 1),
        lambda: list((out / "trials/draw-2/evaluations/step-2").glob("*.partial.jsonl")),
    ):
        wait_until(claim, driver)
        driver.kill()
        os.kill(worker_of(out, "draw-1" if not (out / "trials/draw-2").exists() else "draw-2"), signal.SIGKILL)
        driver.communicate()
        paid = times(out)
        driver = start("tournament", "--resume", "--out", out)
    assert driver.wait(timeout=300) == 0, driver.communicate()[1]
    assert goes_on(out, whole, paid)["num_killed"] == 2


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(place, whole):
    out = place / "stopped"
    driver = start(*arguments(place), "--out", out)
    wait_until(lambda: in_training(out, "draw-0", 1), driver)
    driver.send_signal(signal.SIGINT)
    complaints = driver.communicate(timeout=60)[1]
    assert driver.returncode == 130 and f"--resume --out {out}" in complaints and "Traceback" not in complaints
    assert json.loads((out / "tournament.json").read_text())["status"] == "interrupted"
    assert "not complete" in (out / "tournament.html").read_text()
    assert goes_on(out, whole, times(out))["steps_again"] == 0


# --- Ray


@pytest.fixture
def cluster(tmp_path_factory):
    """A Ray cluster of two nodes on this machine, with ports and a folder of its own; stopped by its processes."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'polymath-learning[ray]'")
    ray = POLYMATH.with_name("ray")
    # Ray's sockets lie in this folder, and the path of a socket has at most 107 characters.
    folder = tmp_path_factory.mktemp("ray") if len(str(tmp_path_factory.getbasetemp())) < 40 else None
    folder = folder or Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    port = free_port()
    # A key of its own, made here, for nodes and driver: nobody else's cluster or key is touched.
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32))
    access = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(key)}
    environment = {**ENVIRONMENT, "RAY_USAGE_STATS_ENABLED": "0", **access}
    common = ["--num-cpus", "1", "--object-store-memory", "80000000", "--node-ip-address", "127.0.0.1", "--block"]
    head = ["--head", "--port", str(port), "--include-dashboard", "false", "--temp-dir", str(folder)]
    nodes = []
    try:
        for words in (head, ["--address", f"127.0.0.1:{port}"]):
            with (folder / f"node-{len(nodes)}.txt").open("w") as log:
                call = [str(ray), "start", *words, *common]
                node = subprocess.Popen(call, env=environment, stdout=log, stderr=log, start_new_session=True)
            nodes.append(node)
            wait_for_text(folder / f"node-{len(nodes) - 1}.txt", "Ray runtime started", node)
        yield f"127.0.0.1:{port}", nodes, environment
    finally:
        for node in reversed(nodes):
            end_node(node)
        shutil.rmtree(folder, ignore_errors=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for_text(path, text, process, timeout_s=180):
    deadline = time.monotonic() + timeout_s
    while text not in path.read_text():
        assert process.poll() is None and time.monotonic() < deadline, path.read_text()
        time.sleep(0.2)


def end_node(node):
    """Kill the processes of this node only: those in the session that it was started in, and their children."""
    for process in session_of(node.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    node.wait()


def session_of(leader):
    """Processes of a session, and of the sessions that these began."""
    table = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            table[int(path.parent.name)] = (int(fields[1]), int(fields[3]))  # parent, session
    found = {leader} | {process for process, (_, session) in table.items() if session == leader}
    while more := {process for process, (parent, _) in table.items() if parent in found} - found:
        found |= more
    return found


@pytest.mark.slow
def test_a_cluster_of_two_nodes_comes_to_the_same_end_when_one_is_killed(place, whole, cluster):
    address, nodes, environment = cluster
    out = place / "ray"
    words = [*arguments(place), "--executor", "ray", "--ray-address", address, "--out", out, "--json"]
    driver = start(*words, environment=environment)
    of_worker_node = lambda: [  # noqa: E731
        name
        for name in ("draw-0", "draw-1", "draw-2", "draw-3")
        if (out / "trials" / name / "work.jsonl").exists()
        and in_training(out, name, 1)
        and worker_of(out, name) in session_of(nodes[1].pid)
    ]
    wait_until(of_worker_node, driver, timeout_s=300)
    paid = times(out)
    end_node(nodes[1])
    said, complaints = driver.communicate(timeout=500)
    assert driver.returncode == 0, complaints
    after = times(out)
    assert all(after[path] == paid[path] for path in paid)
    ledger = json.loads(said)["ledger"]
    assert same_end(out, whole) and ledger["num_killed"] == 1 and ledger["steps_again"] <= 1
    for name in PAID:
        assert ledger[name] == whole[1]["ledger"][name], name
