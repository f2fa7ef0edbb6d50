"""Other people's dashboards: a real event file of TensorBoard, and one line where a tracker is not there."""

import pytest

from polymath.errors import RecipeError
from polymath.recipe import LogSection, make_recipe
from polymath.trackers import TRACKERS, open_trackers, send
from tests.conftest import polymath


def test_a_run_writes_event_files_and_a_resumed_one_goes_on(workplace, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = tmp_path / "run"
    done = polymath("train", workplace / "tiny.toml", "--set", 'log.to=["tensorboard"]', "--out", run)
    assert done.returncode == 0, done.stderr
    events = accumulator.EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("reward")] == [1, 2, 3, 4]
    assert {"entropy", "grad_norm", "completions/mean_length"} <= set(events.Tags()["scalars"])


def test_a_step_once_more_replaces_what_was_sent_of_it(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for first, last in ((1, 4), (3, 5)):
        trackers = open_trackers(LogSection(to=("tensorboard",)), tmp_path, config={}, first_step=first)
        for step in range(first, last + 1):
            send(trackers, {"step": step, "reward": step / 10, "note": "no number"})
        for tracker in trackers:
            tracker.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("reward")] == [1, 2, 3, 4, 5]
    assert events.Tags()["scalars"] == ["reward"]


def test_a_tracker_that_is_not_installed_is_one_line(workplace, tmp_path):
    missing = next((name for name in TRACKERS if name != "tensorboard" and not _is_there(name)), None)
    if missing is None:
        pytest.skip("trackio and wandb are both installed here")
    done = polymath("train", workplace / "tiny.toml", "--set", f'log.to=["{missing}"]', "--out", tmp_path / "run")
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()[-1:]) == 1
    assert f"pip install {missing}" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_tracker_that_nobody_knows_is_refused():
    with pytest.raises(RecipeError, match=r"log\.to"):
        make_recipe({"log": {"to": ["mlflow"]}})


def test_nothing_is_sent_unless_it_is_named(tmp_path):
    assert open_trackers(LogSection(), tmp_path, config={}, first_step=1) == []
    assert list(tmp_path.iterdir()) == []


def _is_there(name):
    from importlib.util import find_spec

    return find_spec(name) is not None
