"""Threads follow the affinity of the process and what others are doing."""

import os
import subprocess
import sys

import pytest

from polymath.machine import choose_threads, usable_cpus
from polymath.seeds import child_seed


def test_a_number_is_taken_as_it_is():
    assert choose_threads(7) == 7


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity on this system")
def test_a_process_bound_to_one_processor_uses_one_thread():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
    code += "from polymath.machine import *; print(usable_cpus(), choose_threads('auto'))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1", "1"]


def test_auto_is_between_one_and_all():
    assert 1 <= choose_threads("auto") <= usable_cpus()


def test_child_seeds_are_named_not_counted():
    assert child_seed(0, "rollout", 1) == child_seed(0, "rollout", 1)
    assert len({child_seed(0, "rollout", 1), child_seed(0, "rollout", 2), child_seed(1, "rollout", 1)}) == 3
    assert 0 <= child_seed(0, "rollout", 1) < 1 << 63
