"""Arms and replicates: complete runs of their own, one after another or several at once, alike to the last bit."""

import json
import signal
import subprocess
import time

import pytest

from polymath.provenance import result_hash
from polymath.reporting.recording import record_arms
from polymath.runs import RunFolder
from tests.conftest import ENVIRONMENT, POLYMATH, polymath

ARMS = [
    *("--set", "evaluate.every=0", "--set", "replicate_seeds=[1, 2]"),
    *("--set", "arms.format.reward.name=format"),
    *("--set", "arms.context.train.num_steps=0", "--set", "arms.context.evaluate.demonstrate=true"),
    *("--set", "arms.incorrect.label.edit=incorrect"),
]
PARTS = ["arms/format", "arms/context", "arms/incorrect", "seeds/1", "seeds/2", "seeds/2/arms/format"]


@pytest.fixture(scope="module")
def runs(workplace, tmp_path_factory):
    """The same run in one process and in two."""
    folder = tmp_path_factory.mktemp("arms")
    for jobs in (1, 2):
        found = polymath("run", workplace / "tiny.toml", *ARMS, "--out", folder / str(jobs), "--jobs", jobs, "--json")
        assert found.returncode == 0, found.stderr
        assert set(json.loads(found.stdout)["arms"]) == {"format", "context", "incorrect"}
    return RunFolder(folder / "1"), RunFolder(folder / "2")


def test_every_arm_and_every_seed_is_a_complete_run(runs):
    for run in runs:
        assert all(RunFolder(run.path / part).is_complete() for part in PARTS)
        assert run.replicate_seeds() == [1, 2]
        assert RunFolder(run.path / "seeds/2").read_recipe().seed == 2
        assert RunFolder(run.path / "seeds/2/arms/format").read_recipe().seed == 2
        assert (run.path / "seeds/1/report.html").is_file()


def test_several_at_once_train_the_same_bits(runs):
    for part in ["", *PARTS]:
        one, two = (RunFolder(run.path / part) for run in runs)
        assert result_hash(one) == result_hash(two), part
    assert len({result_hash(RunFolder(runs[0].path / part)) for part in ("", "seeds/1", "seeds/2")}) == 3


def test_an_in_context_arm_trains_nothing_and_asks_behind_the_worked_sample(runs):
    arm = runs[0].arm("context")
    assert arm.read_metrics() == [] and not arm.checkpoints.exists()
    recipe = arm.read_recipe()
    summary = arm.read_evaluation(0, recipe.evaluate.suite, recipe.evaluate.protocol)[1]
    assert summary["prompt"].startswith("Problem: 2+2?\nAnswer: The answer is \\boxed{4}.\n\nProblem: ")


def test_a_label_is_edited_in_the_arm_that_asks_for_it_and_in_no_other(runs):
    assert runs[0].read_samples()[0].answer == runs[0].arm("format").read_samples()[0].answer == "4"
    edited = runs[0].arm("incorrect").read_samples()[0]
    assert edited.answer != "4" and edited.meta["true_answer"] == "4"


def test_the_base_is_evaluated_once(runs):
    texts = {
        (runs[0].path / part / "evaluations/step-0").glob("*.jsonl").__next__().read_text()
        for part in ("", "arms/format", "seeds/1", "seeds/1/arms/incorrect")
    }
    assert len(texts) == 1


def test_a_record_holds_every_seed(runs):
    record = record_arms(runs[0], commands=["polymath run"], title="t")
    assert record["seeds"] == [0, 1, 2]
    assert [arm["name"] for arm in record["arms"]] == ["trained", "format", "context", "incorrect"]
    assert all(len(arm["strict"]) == 3 for arm in record["arms"])
    assert record["arms"][2]["reward"] is None


def test_page_and_table_show_all_seeds(runs):
    shown = polymath("report", runs[1].path)
    assert "over seeds 0, 1, 2" in shown.stdout, shown.stdout + shown.stderr
    page = runs[1].report_path.read_text()
    assert "Over 3 training seeds" in page and "seeds-arms-wide" in page


def test_ctrl_c_stops_all_of_them_and_resume_finishes(workplace, tmp_path):
    out = tmp_path / "run"
    steps = ["--set", "train.num_steps=400", "--set", "train.save_every=400"]
    process = subprocess.Popen(
        [POLYMATH, "run", workplace / "tiny.toml", *ARMS, *steps, "--out", out, "--jobs", "2"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    arm = RunFolder(out / "arms" / "format")
    deadline = time.monotonic() + 180
    while not len(arm.read_metrics()) > 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and f"--resume {out}" in said and "Traceback" not in said
    num_steps = len(arm.read_metrics())
    assert 2 < num_steps < 400 and arm.read_info()["status"] == "interrupted"
    assert (arm.checkpoints / f"step-{num_steps}").is_dir()


def test_an_arm_that_fails_does_not_stop_the_others_and_is_named(workplace, tmp_path):
    out = tmp_path / "run"
    assert polymath("run", workplace / "tiny.toml", *ARMS[:2], *ARMS[4:6], "--out", out).returncode == 0
    for name in ("format",):
        arm = RunFolder(out / "arms" / name)
        arm.write_info(status="interrupted", format=99)
    found = polymath("run", "--resume", out, "--jobs", "2")
    assert found.returncode == 2
    assert "another format" in found.stderr and "Traceback" not in found.stderr


def test_own_rewards_do_not_reach_other_processes(workplace):
    from polymath import api
    from polymath.errors import RecipeError

    with pytest.raises(RecipeError, match="do not reach other processes"):
        api.run(workplace / "tiny.toml", rewards={"mine": lambda group: [0.0]}, jobs=2)


def test_two_processes_never_write_one_run(workplace, tmp_path):
    out = tmp_path / "run"
    assert polymath("run", workplace / "tiny.toml", "--out", out).returncode == 0
    with RunFolder(out).locked():
        found = polymath("run", "--resume", out)
    assert found.returncode == 2 and "another process" in found.stderr and "Traceback" not in found.stderr
    assert polymath("run", "--resume", out).returncode == 0


def test_an_arm_cannot_have_a_seed_of_its_own(workplace, tmp_path):
    found = polymath("run", workplace / "tiny.toml", "--set", "arms.x.seed=1", cwd=tmp_path)
    assert found.returncode == 2 and "arms.x.seed" in found.stderr


def test_a_wrong_label_is_demonstrated_wrong_before_and_after_a_resume(workplace, tmp_path):
    out = tmp_path / "run"
    arm = ["--set", "arms.c.train.num_steps=0", "--set", "arms.c.evaluate.demonstrate=true"]
    arm += ["--set", "arms.c.label.edit=incorrect", "--set", "train.num_steps=2"]
    assert polymath("run", workplace / "tiny.toml", *arm, "--out", out, "--jobs", "1").returncode == 0
    folder = RunFolder(out).arm("c")
    summary = next((folder.path / "evaluations/step-0").glob("*.summary.json"))
    wrong = folder.read_samples()[0].answer
    assert wrong != "4" and f"boxed{{{wrong}}}" in json.loads(summary.read_text())["prompt"]
    assert polymath("run", "--resume", folder.path).returncode == 0
    page = folder.report_path.read_text()
    assert "Nothing is trained here" in page and "Training on one sample" not in page
