"""The command as a user meets it: artifacts, JSON, one-line complaints, Ctrl-C and kills."""

import json
import signal
import subprocess
import sys
import time

import pytest

from polymath.runs import RunFolder
from tests.conftest import ENVIRONMENT, POLYMATH, ROOT, polymath, start

COMMANDS = [[], ["run"], ["train"], ["evaluate"], ["report"], ["judge"], ["schema"], ["lab"], ["lab", "world"]]
COMMANDS += [["ablate"], ["doctor"]]
COMMANDS += [["lab", name] for name in ("draw", "record", "confirm", "tables", "pretrain", "card", "chat")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_answers_without_torch(command):
    code = (
        f"import sys; sys.argv = ['polymath', *{command!r}, '--help']\n"
        "from polymath.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
        "sys.exit('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "Usage" in found.stdout


def test_the_schema_is_json_schema():
    schema = json.loads(polymath("schema").stdout)
    assert schema["properties"]["rollout"]
    assert schema["additionalProperties"] is False


def test_the_main_job_end_to_end(workplace, tmp_path):
    arm = ["--set", "arms.format.reward.name=format"]
    found = polymath("run", workplace / "tiny.toml", *arm, "--json", cwd=tmp_path, is_fresh=True)
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert set(result) == {"run", "report", "before", "after", "difference", "arms"}
    assert set(result["before"]) == set(result["after"]) == {"mean", "lenient_mean", "disciplines"}
    assert set(result["difference"]) == {"mean", "low", "high"}
    assert set(result["arms"]["format"]) == {"mean", "lenient_mean", "disciplines"}
    folder = RunFolder(tmp_path / result["run"])
    assert folder.read_info()["status"] == "complete"
    assert (tmp_path / result["report"]).read_text().startswith("<!doctype html>")
    assert [row["step"] for row in folder.read_metrics()] == [1, 2, 3, 4]
    recipe = folder.read_recipe()
    assert folder.evaluated_steps(recipe.evaluate.suite, recipe.evaluate.protocol) == [0, 2, 4]
    assert folder.arm("format").read_info()["status"] == "complete"
    for name in ("config.json", "model.safetensors", "tokenizer.json", "optimizer.safetensors", "checkpoint.json"):
        assert (folder.checkpoints / "step-4" / name).is_file()
    assert "threads 1" in found.stderr

    checkpoint = folder.checkpoints / "step-4"
    again = polymath(
        "evaluate", checkpoint, "--suite", recipe.evaluate.suite, "--max-tokens", "6", "--json", "--out", tmp_path / "e"
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["mean"] == result["after"]["mean"]

    shown = polymath("report", folder.path)
    assert shown.returncode == 0 and "report.html" in shown.stdout


# arguments after the recipe -> words of the one line
BAD = [
    (["--set", "rollout.num_grops=3"], ["rollout.num_grops", "num_groups"]),
    (["--set", "nonsense"], ["key=value"]),
    (["--model", "/no/such/model"], ["/no/such/model", "no such directory"]),
    (["--model", "nobody/no-such-model"], ["nobody/no-such-model", "cannot be loaded"]),
    (["--sample", "no-such-sample"], ["no-such-sample", "library"]),
    (["--set", "rollout.max_tokens=100000"], ["context", "512"]),
    (["--set", "evaluate.suite=nope"], ["nope", "clean-arithmetic"]),
    (["--set", "evaluate.protocol=best"], ["evaluate.protocol", "greedy"]),
    (["--set", "prompt.template=nope"], ["prompt.template", "plain"]),
    (["--set", "prompt.template=boxed-chat"], ["chat template"]),
    (["--set", "reward.name=nope"], ["nope", "exact"]),
    (["--set", "model.device=quantum"], ["model.device"]),
    (["--out", "/proc/nowhere"], ["/proc/nowhere"]),
    (["--resume", "/no/such/run"], ["/no/such/run", "run.json"]),
    (["--set", "train.num_steps=0"], ["num_steps = 0", "evaluate.demonstrate"]),
    (["--set", "replicate_seeds=[0]"], ["repeat a seed"]),
    (["--set", "arms.other.sample.use=no-such-sample"], ["no-such-sample", "library"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=lambda value: " ".join(map(str, value)))
def test_bad_input_is_one_line_and_exit_2_and_leaves_nothing(workplace, tmp_path, arguments, words):
    # One of them from a fresh start, which meets what imports have to say.
    is_fresh = "rollout.max_tokens=100000" in arguments
    found = polymath("run", workplace / "tiny.toml", *arguments, cwd=tmp_path, is_fresh=is_fresh)
    assert found.returncode == 2, found.stderr
    assert found.stdout == ""
    complaint = [line for line in found.stderr.splitlines() if line.startswith("polymath: ")]
    assert len(complaint) == 1 and "Traceback" not in found.stderr
    for word in words:
        assert word in complaint[0]
    assert not (tmp_path / "runs").exists()


def test_a_model_that_is_torn_is_told(workplace, model_path, tmp_path):
    torn = tmp_path / "torn"
    torn.mkdir()
    for file in model_path.iterdir():
        content = file.read_bytes()
        (torn / file.name).write_bytes(content[: len(content) // 2] if file.suffix == ".safetensors" else content)
    found = polymath("run", workplace / "tiny.toml", "--model", torn, cwd=tmp_path)
    assert found.returncode == 2
    assert "cannot be loaded" in found.stderr and "Traceback" not in found.stderr


def test_a_run_folder_of_another_recipe_is_refused(workplace, tmp_path):
    out = tmp_path / "run"
    assert polymath("train", workplace / "tiny.toml", "--out", out).returncode == 0
    found = polymath("train", workplace / "tiny.toml", "--set", "train.num_steps=9", "--resume", out)
    assert found.returncode == 2 and "train.num_steps = 9 against 4" in found.stderr
    found = polymath("train", workplace / "tiny.toml", "--out", out)
    assert found.returncode == 2 and "not empty" in found.stderr


def wait_for_steps(folder, num_steps, process, timeout_s=120):
    deadline = time.monotonic() + timeout_s
    while len(folder.read_metrics()) < num_steps:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the run did not get going"
        time.sleep(0.02)


STABLE = ("reward", "loss", "grad_norm", "entropy", "learnable_fraction", "completions/mean_length")


@pytest.fixture(scope="module")
def long_run(workplace, tmp_path_factory):
    """A run long enough to be hit in the middle, uninterrupted: what the interrupted ones must equal."""
    arguments = ["train", workplace / "tiny.toml", "--set", "train.num_steps=60", "--set", "evaluate.every=0"]
    out = tmp_path_factory.mktemp("whole") / "run"
    found = polymath(*arguments, "--out", out)
    assert found.returncode == 0, found.stderr
    return arguments, RunFolder(out)


def assert_same_end(one: RunFolder, other: RunFolder):
    last = "step-60/model.safetensors"
    assert (one.checkpoints / last).read_bytes() == (other.checkpoints / last).read_bytes()
    assert [[row[name] for name in STABLE] for row in one.read_metrics()] == [
        [row[name] for name in STABLE] for row in other.read_metrics()
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_stop_saves_and_resume_ends_with_the_same_bits(long_run, tmp_path, number):
    arguments, whole = long_run
    out = tmp_path / "run"
    process = start(*arguments, "--out", out)
    wait_for_steps(RunFolder(out), 5, process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert f"--resume {out}" in stderr and "Traceback" not in stderr
    assert RunFolder(out).read_info()["status"] == "interrupted"
    assert polymath("train", "--resume", out).returncode == 0
    assert_same_end(whole, RunFolder(out))


def test_a_kill_loses_nothing_but_time(long_run, tmp_path):
    arguments, whole = long_run
    out = tmp_path / "run"
    for target in (5, 20, 41):
        process = start(*(("train", "--resume", out) if out.exists() else (*arguments, "--out", out)))
        wait_for_steps(RunFolder(out), target, process)
        process.kill()
        process.communicate()
    assert polymath("train", "--resume", out).returncode == 0
    assert_same_end(whole, RunFolder(out))


def test_judge_reads_lines_and_answers_in_order(tmp_path):
    path = tmp_path / "responses.jsonl"
    rows = [
        {"response": r"so \boxed{0.5}", "reference": "1/2", "answer_type": "number"},
        {"response": "It is 7.", "reference": "7", "answer_type": "number"},
        {"response": r"\boxed{B}", "reference": "C", "answer_type": "choice"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    strict = [json.loads(line) for line in polymath("judge", path).stdout.splitlines()]
    assert [row["correct"] for row in strict] == [True, False, False]
    assert set(strict[0]) == {"correct", "reward", "extracted", "rule"}
    lenient = [json.loads(line) for line in polymath("judge", path, "--lenient").stdout.splitlines()]
    assert [row["correct"] for row in lenient] == [True, True, False]


def test_judge_reads_a_pipe_and_answers_of_any_json_type():
    rows = [
        {"response": r"\boxed{5 kg}", "reference": 5000, "answer_type": "quantity", "unit": "g"},
        {"response": r"\boxed{5}", "reference": 5, "answer_type": "quantity", "unit": "g", "missing_unit": "wrong"},
        {"response": r"\boxed{yes}", "reference": True, "answer_type": "boolean"},
        {"response": r"\boxed{0, 5}", "reference": [0, 5], "answer_type": "list"},
        {"response": r"\boxed{12.76}", "reference": 12.8, "answer_type": "number", "tolerance": "figures"},
        {"response": r"\boxed{\ce{O2 + 2H2 -> 2H2O}}", "reference": "2H2 + O2 = 2H2O", "answer_type": "reaction"},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    done = subprocess.run([POLYMATH, "judge", "-"], input=text, env=ENVIRONMENT, capture_output=True, text=True)
    assert [json.loads(line)["correct"] for line in done.stdout.splitlines()] == [True, False, True, True, True, True]


@pytest.mark.parametrize("content", ["{", '{"response": "x"}', '{"response": 1, "reference": "1"}'])
def test_judge_names_the_line_it_cannot_read(tmp_path, content):
    path = tmp_path / "responses.jsonl"
    path.write_text('{"response": "x", "reference": "1"}\n' + content + "\n")
    found = polymath("judge", path)
    assert found.returncode == 2 and "responses.jsonl:2" in found.stderr and found.stdout == ""


def test_the_world_can_be_looked_at():
    lines = polymath("lab", "world", "--show", "15", "--seed", "3", "--json").stdout.splitlines()
    samples = [json.loads(line) for line in lines]
    assert len(samples) == 15
    assert len({sample["subject"] for sample in samples}) >= 10
    shown = polymath("lab", "world", "--show", "15", "--seed", "3").stdout
    assert all(sample["question"] in shown and sample["solution"] in shown for sample in samples)
    held_out = polymath("lab", "world", "--show", "8", "--held-out", "--json").stdout.splitlines()
    assert len({json.loads(line)["meta"]["template"] for line in held_out}) == 8


# arguments after `lab` -> words of the one line
BAD_LAB = [
    (["draw", ROOT / "recipes/lab.toml", "--out", "x"], ["arms of its own", "lab-draws.toml"]),
    (["draw", ROOT / "recipes/lab-draws.toml", "--out", ROOT / "recipes"], ["not empty"]),
    (["record", "arms", "/no/such/run"], ["/no/such/run", "run.json"]),
    (["confirm", "/no/such/run"], ["/no/such/run", "run.json"]),
    (["tables", "--figures", "/proc/x"], ["/proc/x", "cannot be written"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_LAB, ids=lambda value: " ".join(map(str, value)))
def test_bad_input_to_the_lab_is_one_line_too(tmp_path, arguments, words):
    found = polymath("lab", *arguments, cwd=tmp_path)
    assert found.returncode == 2 and "Traceback" not in found.stderr, found.stderr
    assert all(word in found.stderr.splitlines()[-1] for word in words), found.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_newcomers_job_takes_at_most_five_minutes_and_four_gigabytes(tmp_path):
    began = time.monotonic()
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "OMP_NUM_THREADS"}
    call = [POLYMATH, "run", ROOT / "recipes" / "lab.toml", "--json"]
    found = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert time.monotonic() - began <= 300
    metrics = RunFolder(tmp_path / json.loads(found.stdout)["run"]).read_metrics()
    assert metrics[-1]["memory/peak_bytes"] <= 4 * 2**30
