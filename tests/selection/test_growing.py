"""The file that features grow in: one writer, nothing lost to a second one, torn lines cut off."""

import numpy as np
import pytest

from polymath.errors import RunFolderError
from polymath.evaluation.unfinished import locked_file
from polymath.selecting.growing import Growing, begun_threads, pack, unpack

SETTINGS = {"seed": 0, "threads": 2}


def add(growing, *ids):
    """Add and stop in the middle; returns the ids that were there before."""
    with pytest.raises(KeyboardInterrupt), growing.open(resume=True) as done:
        before = list(done)
        for id in ids:
            growing.add({"id": id, "array": pack(np.array([1.5, -2.0]))})
        raise KeyboardInterrupt
    return before


def test_what_was_done_is_there_again_and_the_file_goes_when_all_is_done(tmp_path):
    path = tmp_path / "hidden.partial.jsonl"
    assert add(Growing(path, SETTINGS), "a", "b") == []
    path.write_bytes(path.read_bytes() + b'{"id": "to')
    assert begun_threads(path) == 2
    assert add(Growing(path, SETTINGS), "c") == ["a", "b"]
    with Growing(path, SETTINGS).open(resume=True) as done:
        assert list(done) == ["a", "b", "c"]
        assert unpack(done["c"]["array"]).tolist() == [1.5, -2.0]
    assert not path.exists()


def test_a_second_writer_is_refused_and_what_the_first_added_is_read_after_it(tmp_path):
    """Both are made before either opens, as two processes that start together are."""
    path = tmp_path / "hidden.partial.jsonl"
    first, second = Growing(path, SETTINGS), Growing(path, SETTINGS)
    with pytest.raises(KeyboardInterrupt), first.open(resume=True):
        first.add({"id": "a", "array": ""})
        with pytest.raises(RunFolderError, match="is being written by another process"), second.open(resume=True):
            pass
        first.add({"id": "b", "array": ""})
        raise KeyboardInterrupt
    assert add(second, "c") == ["a", "b"]
    assert path.read_bytes().count(b"\n") == 4


def test_unasked_or_with_other_settings_nothing_is_touched(tmp_path):
    path = tmp_path / "hidden.partial.jsonl"
    add(Growing(path, SETTINGS), "a")
    before = path.read_bytes()
    with pytest.raises(RunFolderError, match="features of 1 samples"), Growing(path, SETTINGS).open(resume=False):
        pass
    with pytest.raises(RunFolderError, match="another seed"), Growing(path, {**SETTINGS, "seed": 1}).open(resume=True):
        pass
    assert path.read_bytes() == before


def test_a_file_that_went_between_opening_and_locking_is_refused(tmp_path):
    """Another process ended then and removed it: what is written to it nobody would ever see."""
    path = tmp_path / "gone.jsonl"

    class Vanishing(type(path)):
        def open(self, *positional, **named):
            file = super().open(*positional, **named)
            self.unlink()
            return file

    with pytest.raises(RunFolderError, match="just finished"), locked_file(Vanishing(path)):
        pass
