"""polymath features as a user meets it: scores on disk, kills, Ctrl-C, bad input."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest

from polymath.errors import RunFolderError, SampleError, UserError
from polymath.evaluating import Settings
from polymath.lab.draws import draw_samples
from polymath.runs import read_lines
from polymath.selecting.features import Wanted, compute_features
from polymath.selection.features_file import read_array, read_features_scores, read_shift_picks
from polymath.types import Sample
from tests.conftest import ENVIRONMENT, POLYMATH, polymath

# Another thread count rounds differently; a run resumes with the one it began with.
LAB = ["--model", "lab", "--max-tokens", "48", "--threads", "1"]
GRADIENTS = ["features", "lab:14", *LAB, "--what", "gradients", "--n", "12", "--proj-dim", "64"]
GRADIENTS += ["--validation", "lab", "--validation-limit", "10"]
POOL = dict(enumerate(draw_samples(14, seed=1_000_000)))  # what the command reads as lab:14
SETTINGS = Settings(max_tokens=8, threads=1)


def files(folder):
    """Everything but the summaries, which tell the time."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if "summary" not in path.name}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Hidden states and gradients of one pool in one folder, uninterrupted."""
    out = tmp_path_factory.mktemp("whole")
    gradients = polymath(*GRADIENTS, "--out", out, "--json")
    assert gradients.returncode == 0, gradients.stderr
    hidden = compute_features(POOL, "lab", Settings(max_tokens=48, threads=1), Wanted(what="hidden"), out)
    return out, hidden, json.loads(gradients.stdout)


def test_every_row_has_a_score_from_every_selector(whole):
    out, hidden, gradients = whole
    scores = read_features_scores(out)
    assert set(scores) == {
        *("shift", "hes", "learn_align"),
        *("grad_align", "grad_align_min", "grad_align_dot", "grad_align_learnable"),
    }
    assert sorted(hidden["selectors"] + gradients["selectors"]) == sorted(scores)
    ids = {index: sample.id for index, sample in POOL.items()}
    for selector, found in scores.items():
        assert sorted(found) == list(range(14))
        assert {row["index"]: row["id"] for row in read_lines(out / f"{selector}.scores.jsonl")} == ids
        assert len(set(found.values())) > 3


def test_the_scores_follow_from_the_arrays_beside_them(whole):
    """Recomputed here from the files alone, with plain loops."""
    out, _, told = whole
    scores = read_features_scores(out)
    states = read_array(out / "hidden.npy")
    for place, (start, end) in enumerate(states):
        assert scores["shift"][place] == pytest.approx(np.log(1 + np.linalg.norm(end - start)), rel=1e-5)
    assert read_shift_picks(out, 1) == [max(scores["shift"], key=scores["shift"].get)]
    assert len(set(read_shift_picks(out, 5))) == 5
    gradients, validation = read_array(out / "gradients.npy"), read_array(out / "validation.npy")
    rows = read_lines(out / "gradients.jsonl")
    assert gradients.shape == (14, 64) and len(validation) == len(read_lines(out / "validation.jsonl")) > 1
    for place, gradient in enumerate(gradients):
        if not rows[place]["gradient_norm"]:
            assert rows[place]["right"] in (0, 12) and scores["grad_align"][place] == 0
            continue
        cosine = [gradient @ aim / np.sqrt((gradient @ gradient) * (aim @ aim)) for aim in validation]
        assert scores["grad_align"][place] == pytest.approx(np.mean(cosine), abs=1e-5)
        assert scores["grad_align_min"][place] == pytest.approx(min(cosine), abs=1e-5)
    assert told["without_gradient"] == sum(row["right"] in (0, 12) for row in rows) < 14
    assert sum(count["problems"] for count in told["disciplines"].values()) == 10


def again(out, *, resume=False, seed=None):
    """What the command asks for, asked here."""
    wanted = Wanted(what="gradients", num_draws=12, proj_dim=64, validation="lab", validation_limit=10)
    return compute_features(POOL, "lab", Settings(max_tokens=48, threads=1, seed=seed), wanted, out, resume=resume)


def start(out):
    return subprocess.Popen(
        [POLYMATH, *GRADIENTS, "--resume", "--out", str(out)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_lines(out, num_lines, process, timeout_s=120):
    path, deadline = out / "gradients.partial.jsonl", time.monotonic() + timeout_s
    while not path.exists() or path.read_bytes().count(b"\n") < num_lines:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "it did not get going"
        time.sleep(0.005)


def test_kill_and_ctrl_c_lose_nothing_and_the_files_are_the_same(whole, tmp_path):
    out = tmp_path / "f"
    process = start(out)
    wait_for_lines(out, 4, process)
    process.kill()
    process.communicate()
    partial = out / "gradients.partial.jsonl"
    kept = partial.read_bytes().split(b"\n")[:-1]
    partial.write_bytes(b"\n".join(kept) + b'\n{"id": "torn')
    process = start(out)
    wait_for_lines(out, len(kept) + 3, process)
    assert partial.read_bytes().split(b"\n")[: len(kept)] == kept
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume" in stderr and "Traceback" not in stderr
    num_done = partial.read_bytes().count(b"\n") - 1
    with pytest.raises(RunFolderError, match=rf"features of {num_done} samples.*--resume"):
        again(out)
    with pytest.raises(RunFolderError, match="another seed"):
        again(out, resume=True, seed=1)
    found = polymath(*GRADIENTS, "--resume", "--out", out, "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["num_from_before"] == num_done
    mine, uninterrupted = files(out), files(whole[0])
    assert mine == {name: uninterrupted[name] for name in mine} and "gradients.npy" in mine


def test_what_is_finished_is_not_computed_again(whole):
    out = whole[0]
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert again(out).items() <= whole[2].items()
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before


@pytest.mark.parametrize("what", ["hidden", "gradients"])
def test_a_samples_features_do_not_depend_on_its_company(what, tmp_path):
    samples = dict(enumerate(draw_samples(3, seed=1_000_000)))
    settings, wanted = Settings(max_tokens=48, threads=1), Wanted(what=what, num_draws=6, proj_dim=32)
    compute_features(samples, "lab", settings, wanted, tmp_path / "three")
    compute_features({5: samples[2]}, "lab", settings, wanted, tmp_path / "one")
    three, one = (read_array(tmp_path / folder / f"{what}.npy") for folder in ("three", "one"))
    assert np.array_equal(three[2], one[0])


def sample(text, answer="4"):
    return Sample(question=text, answer=answer, answer_type="number", disciplines=("mathematics",))


def test_a_sample_that_stands_in_two_rows_is_computed_once(model_path, tmp_path):
    samples = {3: sample("2+2?"), 8: sample("1+3?"), 9: sample("2+2?")}
    compute_features(samples, str(model_path), SETTINGS, Wanted(what="hidden"), tmp_path)
    rows = read_lines(tmp_path / "hidden.jsonl")
    assert [row["index"] for row in rows] == [3, 8, 9]
    assert {key: value for key, value in rows[0].items() if key != "index"} == {
        key: value for key, value in rows[2].items() if key != "index"
    }


def test_a_prompt_without_room_for_an_answer_gets_no_score_and_is_named(model_path, tmp_path):
    samples = {0: sample("2+2?"), 1: sample("2+2? " * 200)}
    summary = compute_features(samples, str(model_path), SETTINGS, Wanted(what="hidden"), tmp_path)
    assert summary["overlong"] == [1]
    assert list(read_features_scores(tmp_path)["shift"]) == [0]


def test_a_problem_of_the_pool_is_no_validation_problem(model_path, tmp_path):
    """With itself every sample is aligned."""
    file = tmp_path / "validation.jsonl"
    problems = [sample("2+2?"), sample("9-5?")]
    file.write_text("".join(json.dumps(one.model_dump(mode="json", exclude_defaults=True)) + "\n" for one in problems))
    wanted = Wanted(what="gradients", num_draws=2, proj_dim=8, validation=str(file))
    summary = compute_features({0: sample("2+2?")}, str(model_path), SETTINGS, wanted, tmp_path / "f")
    assert summary["disciplines"] == {"mathematics": {"problems": 1, "with_gradient": 0}}
    # Nothing to be aligned with: no scores, rather than zeros.
    assert summary["selectors"] == ["learn_align"]
    file.write_text(json.dumps({"question": "2+2?", "answer": "4", "answer_type": "number"}))
    with pytest.raises(SampleError, match="no problem that is not in the pool"):
        compute_features({0: sample("2+2?")}, str(model_path), SETTINGS, wanted, tmp_path / "g")


def test_finished_features_of_other_samples_are_not_taken_for_these(model_path, tmp_path):
    compute_features({0: sample("2+2?")}, str(model_path), SETTINGS, Wanted(what="hidden"), tmp_path)
    with pytest.raises(RunFolderError, match="other samples"):
        compute_features({0: sample("1+3?")}, str(model_path), SETTINGS, Wanted(what="hidden"), tmp_path)


@pytest.mark.parametrize(
    ("model", "wanted", "complaint"),
    [
        ("lab", {"what": "attention"}, "use one of hidden, gradients"),
        ("lab", {"what": "gradients", "params": "head"}, "use one of last_layer, lm_head, lora, all"),
        ("lab", {"what": "hidden", "validation": "lab"}, "use it with --what gradients"),
        ("lab", {"what": "gradients", "validation": "nowhere"}, "is not known"),
        ("http://127.0.0.1:9/v1", {"what": "hidden"}, "name a local model"),
        ("no/such/folder/here", {"what": "hidden"}, "name a model directory or a hub id"),
    ],
)
def test_bad_input_is_told_and_leaves_nothing(model, wanted, complaint, tmp_path):
    with pytest.raises(UserError, match=complaint):
        compute_features({0: sample("2+2?")}, model, SETTINGS, Wanted(**wanted), tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_bad_input_is_one_line_of_the_command(tmp_path):
    found = polymath("features", "lab:2", "--model", "lab", "--what", "attention", "--out", tmp_path / "f")
    assert found.returncode == 2 and found.stderr.startswith("polymath: --what") and found.stderr.count("\n") == 1


def test_a_folder_without_features_and_a_torn_score_are_refused(tmp_path):
    with pytest.raises(SampleError, match="holds no features"):
        read_features_scores(tmp_path)
    (tmp_path / "shift.scores.jsonl").write_text('{"index": 0, "score": 1.5}\n{"index": 1}\n')
    with pytest.raises(SampleError, match=r"shift\.scores\.jsonl:2"):
        read_features_scores(tmp_path)
