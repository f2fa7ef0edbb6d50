"""Our reward on a Ray cluster of two nodes on this machine: a worker is killed at work, and no verdict is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from polymath.engines.verl.source import lay_source
from tests.test_tournament_command import cluster  # noqa: F401


@pytest.mark.slow
def test_2048_rollouts_are_judged_by_two_nodes_though_a_worker_is_killed(cluster, tmp_path):  # noqa: F811
    address, _, environment = cluster
    folder = tmp_path / "begun"
    folder.mkdir()
    call = [sys.executable, Path(__file__).parent / "ray_driver.py", address, lay_source(tmp_path / "source"), folder]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["scores"] == [1.0 if number % 3 == 0 else 0.0 for number in range(2048)]
    assert found["undecided"] == 0.0 and found["nodes"] == 2
    assert found["killed"] is not None and found["repeated"], "no worker was killed with a batch in its hands"
