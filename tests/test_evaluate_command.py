"""polymath evaluate as a user meets it: kills, Ctrl-C, checkpoints, comparisons, plans, bad input."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

from polymath.runs import RunFolder, read_lines
from tests.conftest import ROOT, polymath, start

# Long enough to be hit in the middle: 160 problems in batches of 16.
LONG = ["evaluate", "lab", "--suite", "clean-arithmetic", "--limit", "160", "--max-tokens", "24"]
LONG += ["--batch-size", "4", "--no-cache"]


def wait_for_answers(out, num_lines, process, timeout_s=120):
    path, deadline = out / "clean-arithmetic--greedy.partial.jsonl", time.monotonic() + timeout_s
    while not path.exists() or path.read_bytes().count(b"\n") < num_lines:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the evaluation did not get going"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The long evaluation, uninterrupted: what the interrupted ones must equal."""
    out = tmp_path_factory.mktemp("whole")
    found = polymath(*LONG, "--out", out, "--json")
    assert found.returncode == 0, found.stderr
    return out, json.loads(found.stdout)


def test_a_kill_at_any_moment_loses_at_most_the_batch_in_flight(whole, tmp_path):
    out, arguments, kept = tmp_path / "e", [*LONG, "--resume"], []
    for num_lines in (2, 40, 90):
        process = start(*arguments, "--out", out)
        wait_for_answers(out, num_lines, process)
        process.kill()
        process.communicate()
        kept.append(len(read_whole_lines(out)))
    assert kept == sorted(kept)
    found = polymath(*arguments, "--out", out, "--json")
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert {**result, "folder": ""} == {**whole[1], "folder": ""}
    name = "clean-arithmetic--greedy.jsonl"
    assert (out / name).read_bytes() == (whole[0] / name).read_bytes()
    assert json.loads((out / "clean-arithmetic--greedy.summary.json").read_text())["num_from_before"] >= kept[-1] - 1


def read_whole_lines(out):
    return (out / "clean-arithmetic--greedy.partial.jsonl").read_bytes().split(b"\n")[:-1]


def test_ctrl_c_says_how_to_go_on_and_nothing_answered_is_lost(whole, tmp_path):
    out = tmp_path / "e"
    process = start(*LONG, "--out", out)
    wait_for_answers(out, 20, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in stderr and "Traceback" not in stderr
    kept = len(read_whole_lines(out))
    again = polymath(*LONG, "--out", out)
    assert again.returncode == 2 and f"{kept - 1} problems answered" in again.stderr
    assert polymath(*LONG, "--out", out, "--resume").returncode == 0
    name = "clean-arithmetic--greedy.jsonl"
    assert (out / name).read_bytes() == (whole[0] / name).read_bytes()


@pytest.fixture(scope="module")
def finished_run(workplace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    found = polymath("run", workplace / "tiny.toml", "--set", "train.keep=9", "--out", folder)
    assert found.returncode == 0, found.stderr
    return RunFolder(folder)


def test_all_checkpoints_make_the_curve_of_a_run(finished_run, workplace):
    found = polymath("evaluate", finished_run.path, "--all-checkpoints", "--protocol", "sample-2", "--json")
    assert found.returncode == 0, found.stderr
    curve = json.loads(found.stdout)
    assert [one["step"] for one in curve["checkpoints"]] == [0, 2, 4]
    suite = str(workplace / "suite.jsonl")
    assert finished_run.evaluated_steps(suite, "sample-2") == [0, 2, 4]
    # What was not asked for is the run's own.
    told = finished_run.read_evaluation(2, suite, "sample-2")[1]
    assert told["max_tokens"] == 6 and told["prompt"] == finished_run.read_evaluation(0, suite, "greedy")[1]["prompt"]


def test_a_checkpoint_is_evaluated_as_its_run_was_and_compared_with_its_base(finished_run, tmp_path):
    checkpoint, base = finished_run.checkpoints / "step-4", finished_run.path / "evaluations" / "step-0"
    out = tmp_path / "e"
    found = polymath("evaluate", checkpoint, "--out", out, "--compare", base, "--json")
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    recipe = finished_run.read_recipe()
    suite, protocol = recipe.evaluate.suite, recipe.evaluate.protocol
    assert read_lines(next(out.glob("*greedy.jsonl"))) == finished_run.read_evaluation(4, suite, protocol)[0]
    comparison = result["comparison"]
    assert comparison["num_problems"] == 12
    before, after = (finished_run.read_evaluation(step, suite, protocol)[1]["mean"] for step in (0, 4))
    assert comparison["difference"]["mean"] == pytest.approx(after - before)
    assert all(row["holm_p_value"] >= row["p_value"] for row in comparison["subjects"])

    other = polymath("evaluate", checkpoint, "--out", tmp_path / "f", "--compare", base, "--max-tokens", "5")
    assert other.returncode == 2 and "another decoding" in other.stderr.splitlines()[-1]


def test_the_runs_own_evaluations_are_compared_as_the_readme_says(finished_run):
    """They were written by `run`: nothing is answered anew."""
    checkpoint, base = finished_run.checkpoints / "step-4", finished_run.path / "evaluations" / "step-0"
    found = polymath("evaluate", checkpoint, "--compare", base, "--json")
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert Path(result["folder"]) == finished_run.path / "evaluations" / "step-4"
    assert result["comparison"]["num_problems"] == 12
    plain = polymath("evaluate", checkpoint)
    assert plain.returncode == 0 and "mean over disciplines" in plain.stdout

    nothing = polymath("evaluate", checkpoint, "--compare", finished_run.path, "--protocol", "sample-3")
    assert nothing.returncode == 2 and "has no finished evaluation" in nothing.stderr
    assert not list(finished_run.path.rglob("*sample-3*")), "told before anything is answered"


def test_a_run_folder_is_not_a_model(finished_run):
    found = polymath("evaluate", finished_run.path)
    assert found.returncode == 2 and "--all-checkpoints" in found.stderr and len(found.stderr.splitlines()) == 1


def test_a_moved_evaluation_is_read_where_it_lies(finished_run, tmp_path):
    checkpoint, base = finished_run.checkpoints / "step-4", finished_run.path / "evaluations" / "step-0"
    assert polymath("evaluate", checkpoint, "--out", tmp_path / "e").returncode == 0
    (tmp_path / "e").rename(tmp_path / "elsewhere")
    found = polymath("evaluate", checkpoint, "--out", tmp_path / "elsewhere", "--compare", base, "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["folder"] == str(tmp_path / "elsewhere")


def test_another_seed_or_other_terms_are_another_evaluation(model_path, workplace, tmp_path):
    arguments = ["evaluate", model_path, "--max-tokens", "5", "--protocol", "sample-2", "--out", tmp_path / "e"]
    suite = tmp_path / "suite.jsonl"
    suite.write_text((workplace / "suite.jsonl").read_text())
    assert polymath(*arguments, "--suite", suite).returncode == 0
    other = polymath(*arguments, "--suite", suite, "--seed", "1")
    assert other.returncode == 2 and "with another seed" in other.stderr
    rows = [json.loads(line) for line in suite.read_text().splitlines()]
    suite.write_text("".join(json.dumps({**row, "tolerance": 0.5}) + "\n" for row in rows))
    other = polymath(*arguments, "--suite", suite)
    assert other.returncode == 2 and "with other tolerances" in other.stderr


def test_the_cache_knows_what_beside_the_weights_decides_an_answer(model_path, workplace, tmp_path):
    arguments = ["--suite", workplace / "suite.jsonl", "--max-tokens", "7", "--json"]
    model = shutil.copytree(model_path, tmp_path / "model")
    assert polymath("evaluate", model, *arguments, "--out", tmp_path / "a").returncode == 0
    config = json.loads((model / "generation_config.json").read_text())
    (model / "generation_config.json").write_text(json.dumps({**config, "temperature": 0.9}))
    assert polymath("evaluate", model, *arguments, "--out", tmp_path / "b").returncode == 0
    told = json.loads(next((tmp_path / "b").glob("*.summary.json")).read_text())
    assert told["num_from_before"] == 0


def test_a_model_of_ones_own_is_asked_for_a_box_and_the_result_names_the_template(model_path, workplace, tmp_path):
    arguments = ["--suite", workplace / "suite.jsonl", "--max-tokens", "3", "--no-cache"]
    found = polymath("evaluate", model_path, *arguments, "--out", tmp_path / "a")
    assert found.returncode == 0 and "asked with the template boxed" in found.stdout
    told = json.loads(next((tmp_path / "a").glob("*.summary.json")).read_text())
    assert "\\boxed" in told["prompt"] and told["template"] == "boxed"
    found = polymath("evaluate", "lab", *arguments, "--out", tmp_path / "b")
    assert "asked with the template plain" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lab", "--plan"], "MODEL: has no meaning with --plan"),
        (["lab", "--all-checkpoints", "--compare", "x"], "--compare: has no meaning with --all-checkpoints"),
        (["--from", "x.jsonl", "--protocol", "greedy"], "--protocol: has no meaning with --from"),
        (["lab", "--leak-probe", "--compare", "x"], "--compare: has no meaning with --leak-probe"),
        (
            ["http://127.0.0.1:9/v1", "--served-model", "m", "--dtype", "bfloat16"],
            "--dtype: has no meaning",
        ),
        (["lab", "--served-model", "m"], "--served-model: has no meaning with a model's weights"),
        (["lab", "--power", "0.9"], "--power: has no meaning"),
        (["lab", "--chat"], "--chat: belongs to a template file"),
        (["lab", "--dtype", "float16"], "there is no 'float16'"),
        (["lab", "--stop", ""], "--stop: is empty"),
        (["lab", "--protocol", "greedy+aime42=sample-8"], "aime42, which is not in the suite"),
        (["lab", "--protocol", "sample-1001"], "at most 1,000 draws"),
        (["lab", "--protocol", "sample-4-p0.0"], "a top-p above 0"),
        (["lab", "--suite", "x" * 300], "is not known"),
        (["--plan", "--from", "nothing.jsonl"], "cannot be read"),
        (["--plan", "--from", "pyproject.toml"], "cannot be read"),
        (["http://u:SECRET@127.0.0.1:9/v1"], "holds a user or a password"),
        (["HTTP://127.0.0.1:9/v1?key=SECRET", "--served-model", "m", "--suite", "nosuite"], "nosuite"),
    ],
)
def test_no_option_is_passed_over_and_no_secret_is_shown(arguments, words):
    found = polymath("evaluate", *arguments, cwd=ROOT)
    assert found.returncode == 2, found.stderr
    assert words in found.stderr and len(found.stderr.strip().splitlines()) == 1
    assert "SECRET" not in found.stderr + found.stdout


def test_answers_are_judged_again_from_their_file(finished_run, tmp_path):
    rows = next((finished_run.path / "evaluations" / "step-4").glob("*greedy.jsonl"))
    found = polymath("evaluate", "--from", rows, "--out", tmp_path / "e", "--json")
    assert found.returncode == 0, found.stderr
    told = json.loads(rows.with_suffix(".summary.json").read_text())
    assert json.loads(found.stdout)["mean"] == told["mean"]


def test_the_same_weights_and_prompts_are_answered_from_the_cache(model_path, workplace, tmp_path):
    arguments = ["evaluate", model_path, "--suite", workplace / "suite.jsonl", "--max-tokens", "5", "--json"]
    first = polymath(*arguments, "--out", tmp_path / "a")
    second = polymath(*arguments, "--out", tmp_path / "b")
    third = polymath(*arguments, "--out", tmp_path / "c", "--no-cache")
    told = [json.loads(next((tmp_path / name).glob("*.summary.json")).read_text()) for name in "abc"]
    assert [one["num_from_before"] for one in told] == [0, 12, 0]
    assert len({json.dumps({**json.loads(one.stdout), "folder": ""}) for one in (first, second, third)}) == 1


def test_a_plan_needs_no_model_and_more_problems_show_less(tmp_path):
    found = polymath("evaluate", "--plan", "--suite", "lab", "--difference", "10", "--json", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    plan = json.loads(found.stdout)
    assert plan["difference"] == 0.1 and plan["greedy"]["num_problems"] == 350
    few = json.loads(polymath("evaluate", "--plan", "--limit", "70", "--difference", "10", "--json").stdout)
    assert few["greedy"]["detectable"] > plan["greedy"]["detectable"]
    assert "another training seed" in polymath("evaluate", "--plan").stdout
    assert not list(tmp_path.iterdir())


def test_the_leak_probe_has_a_row_for_what_cannot_have_leaked(model_path, workplace, tmp_path):
    found = polymath(
        "evaluate", model_path, "--leak-probe", "--suite", workplace / "suite.jsonl", "--out", tmp_path, "--json"
    )
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert set(result["benchmarks"]) <= {"suite", "clean-arithmetic"} and "clean-arithmetic" in result["benchmarks"]
    assert [rate["share"] for rate in result["benchmarks"]["clean-arithmetic"]] == [0.4, 0.6, 0.8]
    assert list(tmp_path.glob("*leak-probe.jsonl"))


OWN = """
[benchmarks.sums]
file = "sums.csv"
columns = { question = "text", answer = "gold", subject = "topic" }
answer_type = "number"
discipline = "arithmetic"
max_tokens = 5
protocol = "sample-2-t0.7"
[benchmarks.picks]
file = "picks.jsonl"
columns = { question = "q", answer = "a", choices = "options" }
answer_type = "choice"
discipline = "logic"
"""


@pytest.fixture
def own_suite(tmp_path):
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "sums.csv").write_text('text,gold,topic\n"1+1, what is it?",2,easy\n30+12?,42,harder\n')
    row = {"q": "Pick the second.", "a": "B", "options": ["one", "two"]}
    (tmp_path / "picks.jsonl").write_text(json.dumps(row) + "\n")
    return tmp_path / "own.toml"


def test_a_suite_of_ones_own_brings_its_files_columns_and_decoding(model_path, own_suite, tmp_path):
    found = polymath("evaluate", model_path, "--suite", own_suite, "--out", tmp_path / "e", "--json")
    assert found.returncode == 0, found.stderr
    result = json.loads(found.stdout)
    assert result["protocol"] == "suite" and set(result["disciplines"]) == {"arithmetic", "logic"}
    assert [result["benchmarks"][name]["num_draws"] for name in ("sums", "picks")] == [2, 1]
    rows = [row for row in read_lines(next((tmp_path / "e").glob("*suite.jsonl"))) if row["benchmark"] == "sums"]
    assert len(rows) == 4 and all(row["num_tokens"] <= 5 for row in rows)


@pytest.mark.parametrize("to", ["lm-eval", "inspect"])
def test_a_suite_of_ones_own_is_exported(own_suite, tmp_path, to):
    found = polymath("export", "--suite", own_suite, "--to", to, "--out", tmp_path / "x", "--json")
    assert found.returncode == 0, found.stderr
    files = json.loads(found.stdout)["files"]
    assert files and all((tmp_path / "x" / name.rsplit("/", 1)[-1]).is_file() for name in files)
    again = polymath("export", "--suite", own_suite, "--to", to, "--out", tmp_path / "x")
    assert again.returncode == 2 and "not empty" in again.stderr


BAD_OWN = [
    (('answer = "gold"', 'answer = "goold"'), ["sums.csv", "goold", "gold"]),
    (('answer_type = "number"', 'answer_typ = "number"'), ["answer_typ", "answer_type"]),
    (('"sample-2-t0.7"', '"best"'), ["best", "greedy"]),
    (('file = "sums.csv"', 'file = "gone.csv"'), ["gone.csv"]),
]


@pytest.mark.parametrize(("change", "words"), BAD_OWN, ids=lambda value: str(value[-1]))
def test_a_mistake_in_a_suite_is_one_line(model_path, own_suite, tmp_path, change, words):
    own_suite.write_text(own_suite.read_text().replace(*change))
    found = polymath("evaluate", model_path, "--suite", own_suite, "--out", tmp_path / "e")
    complain(found, words)
    assert not (tmp_path / "e").exists()


def complain(found, words):
    assert found.returncode == 2, found.stderr
    complaint = [line for line in found.stderr.splitlines() if line.startswith("polymath: ")]
    assert len(complaint) == 1 and "Traceback" not in found.stderr
    for word in words:
        assert word in complaint[0], complaint[0]


# Two of the many that tests/evaluation/test_suites.py tries.
BAD_PICKS = [
    ({"q": "x", "a": "B", "options": ["one"]}, ["picks.jsonl:2", "1 option;"]),
    ({"q": "x", "options": ["one", "two"]}, ["picks.jsonl:2", "a"]),
]


@pytest.mark.parametrize(("row", "words"), BAD_PICKS, ids=lambda value: str(value)[:40])
def test_a_bad_row_is_named_and_what_was_answered_is_kept(model_path, own_suite, tmp_path, row, words):
    out = tmp_path / "e"
    assert polymath("evaluate", model_path, "--suite", own_suite, "--out", out).returncode == 0
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    with (tmp_path / "picks.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    complain(polymath("evaluate", model_path, "--suite", own_suite, "--out", out, "--resume"), words)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == kept


# arguments -> words of the one line
BAD = [
    ([], ["MODEL", "--from", "--plan"]),
    (["MODEL", "--suite", "polymat"], ["polymat", "did you mean polymath"]),
    (["MODEL", "--suite", "math500", "--data", "/no/such"], ["/no/such", "--data"]),
    (["MODEL", "--protocol", "best"], ["best", "greedy"]),
    (["MODEL", "--template", "nope"], ["nope", "plain"]),
    (["MODEL", "--engine", "nope"], ["nope", "local, vllm"]),
    (["MODEL", "--max-tokens", "100000"], ["context"]),
    (["/no/such/run", "--all-checkpoints"], ["/no/such/run", "checkpoints"]),
    (["--from", "/no/such.jsonl"], ["/no/such.jsonl", "no such file"]),
    (["MODEL", "--suite", "lab", "--limit", "1", "--max-tokens", "2", "--compare", "/no"], ["/no", "lab--greedy"]),
    (["http://localhost:9/v1"], ["--served-model"]),
    (["/no/such/model"], ["/no/such/model", "no such directory"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=lambda value: " ".join(map(str, value)))
def test_bad_input_is_one_line(model_path, tmp_path, arguments, words):
    given = [str(model_path) if word == "MODEL" else word for word in arguments]
    # One of them from a fresh start, which meets what imports have to say.
    complain(polymath("evaluate", *given, cwd=tmp_path, is_fresh="100000" in arguments), words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--suite", "lab", "--to", "csv", "--out", "x"], ["csv", "lm-eval, inspect for a suite"]),
        (["--suite", "lab", "--to", "inspect", "--out", str(ROOT / "recipes")], ["not empty"]),
    ],
)
def test_bad_input_to_export_is_one_line(tmp_path, arguments, words):
    complain(polymath("export", *arguments, cwd=tmp_path), words)
    assert not list(tmp_path.iterdir())
