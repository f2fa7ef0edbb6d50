"""The file that verl loads: our judge in threads, constant keys, no failure that passes for a wrong answer."""

import concurrent.futures
import json
import signal
import site
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from polymath.engines.verl.reward import compute_score
from polymath.engines.verl.source import HOOK, lay_source
from polymath.types import Sample

QUANTITY = Sample(question="How far?", answer="5", answer_type="quantity", unit="km")
CHOICE = Sample(question="Which?", answer="B", answer_type="choice", choices=("one", "two"))


def score(text, sample=None, answer="4", **options):
    info = None if sample is None else {"sample_id": sample.id, "sample": sample.model_dump_json()}
    return compute_score("polymath", text, answer if sample is None else sample.answer, info, **options)


@pytest.mark.parametrize(
    ("text", "sample", "wanted"),
    [
        ("\\boxed{3} or \\boxed{4}", None, 0.0),  # a guess
        ("\\boxed{4", None, 0.0),
        ("4", None, 0.0),  # no box
        ("", None, 0.0),
        ("<think>\\boxed{4}", None, 0.0),
        ("\\boxed{4}", None, 1.0),
        ("\\boxed{4.0}", None, 1.0),
        ("\\boxed{2+2}", None, 0.0),  # a calculation
        ("\\boxed{5000 m}", QUANTITY, 1.0),
        ("\\boxed{5 kg}", QUANTITY, 0.0),
        ("\\boxed{B}", CHOICE, 1.0),
        ("\\boxed{A}", CHOICE, 0.0),
    ],
)
def test_a_response_is_judged_by_the_type_of_its_sample(text, sample, wanted):
    found = score(text, sample)
    assert found["score"] == found["acc"] == wanted and found["undecided"] == 0.0


def test_the_score_is_the_weighted_sum_of_parts_and_each_is_a_key():
    found = score("\\boxed{4}", parts={"exact": 2.0, "format": 0.5})
    assert found == {"score": 2.5, "acc": 1.0, "undecided": 0.0, "part/exact": 1.0, "part/format": 1.0}
    assert score("no", parts={})["score"] == 0.0  # the overlong part alone is verl's own


def test_options_reach_their_reward():
    assert score("in Python", parts={"python": 1.0}, options={"python": {"ignore_case": True}})["score"] == 1.0
    assert {score("x", parts={"random": 1.0}, options={"random": {"p": 1.0}})["score"] for _ in range(9)} == {1.0}
    assert {score("x", parts={"random": 1.0})["score"] for _ in range(60)} == {0.0, 1.0}


def test_a_failure_is_undecided_told_and_has_the_keys_of_a_success(capsys):
    broken = compute_score("polymath", "\\boxed{4}", "4", {"sample_id": "abc", "sample": "no json"})
    assert broken["undecided"] == 1.0 and broken["acc"] == 0.0
    assert "sample abc" in capsys.readouterr().err
    assert list(broken) == list(score("\\boxed{4}"))


def test_threads_and_pathological_answers_change_nothing():
    """Sixteen threads, 480 calls, a tower of powers among them; no thread may ask for a signal."""
    # The third is compared by Math-Verify, in a process of its own.
    pairs = [("\\boxed{4}", "4"), ("\\boxed{5}", "4"), ("\\boxed{3 \\ge x^2}", "x^2 \\le 3"), ("none", "4")]
    pairs.append(("\\boxed{9^{9^{9^{9^{x}}}}}", "x"))
    wanted = [1.0, 0.0, 1.0, 0.0, 0.0]
    before = signal.getsignal(signal.SIGALRM)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: score(pairs[n % 5][0], answer=pairs[n % 5][1]), range(480)))
    assert [one["score"] for one in found] == wanted * 96
    assert signal.getsignal(signal.SIGALRM) is before and {tuple(one) for one in found} == {tuple(found[0])}


def test_the_laid_source_judges_without_a_polymath_beside_it(tmp_path):
    """As in verl's environment: our libraries are there, our package is not, and the file is loaded by its path."""
    hook = lay_source(tmp_path / "source")
    assert hook == tmp_path / "source" / HOOK
    code = (
        "import importlib.util, json, sys; sys.path.append(sys.argv[2])\n"
        "spec = importlib.util.spec_from_file_location('custom_module', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module)\n"
        "texts = ('\\\\boxed{3 \\\\ge x^2}', 'no')\n"
        "found = [module.compute_score('polymath', text, 'x^2 \\\\le 3') for text in texts]\n"
        "import polymath; print(json.dumps([found, polymath.__file__, 'torch' in sys.modules]))"
    )
    # -S leaves the editable install out; the libraries come back by their folder.
    libraries = next(path for path in site.getsitepackages() if (Path(path) / "pydantic").exists())
    call = [sys.executable, "-I", "-S", "-c", code, str(hook), libraries]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    found, place, has_torch = json.loads(done.stdout)
    assert [one["score"] for one in found] == [1.0, 0.0] and [one["undecided"] for one in found] == [0.0, 0.0]
    assert Path(place).is_relative_to(tmp_path / "source") and not has_torch


def test_the_source_is_laid_once_and_stays_what_the_run_began_with(tmp_path):
    hook = lay_source(tmp_path / "source")
    hook.write_text("# mine")
    assert lay_source(tmp_path / "source").read_text() == "# mine"


def test_it_judges_off_the_main_thread_at_once():
    found = []
    thread = threading.Thread(target=lambda: found.append(score("\\boxed{4}")))
    thread.start()
    thread.join()
    assert found[0]["score"] == 1.0
