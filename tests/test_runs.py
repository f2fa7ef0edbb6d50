"""The run folder: whole or not at all."""

import json

import pytest

from polymath.errors import DiskError, RunFolderError
from polymath.runs import RunFolder, new_run_path, read_lines, write_lines
from polymath.types import Sample


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "file.jsonl"
    write_lines(path, [{"a": 1}])
    with pytest.raises(TypeError):
        write_lines(path, [{"a": 2}, {"a": object()}])
    assert read_lines(path) == [{"a": 1}]
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.jsonl"]


def test_a_full_disk_is_one_line(tmp_path):
    """/dev/full refuses every byte, as a full disk does."""
    run = RunFolder(tmp_path)
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(DiskError, match=r"the disk is full.*--resume"):
        run.append_metrics({"step": 1})


def test_a_torn_last_line_of_the_metrics_is_left_out_and_cut(tmp_path):
    run = RunFolder(tmp_path)
    for step in (1, 2, 3):
        run.append_metrics({"step": step})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "rew')
    assert [row["step"] for row in run.read_metrics()] == [1, 2, 3]
    run.cut_metrics(2)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n{"step": 2}\n'


def test_model_text_with_other_line_separators_stays_one_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"text": "a\u2028b\x85c\x0bd\nend"}, {"text": "next"}]
    write_lines(path, rows)
    assert read_lines(path) == rows


@pytest.mark.parametrize("content", [None, "{", "[]", '{"format": 99}'])
def test_a_folder_that_is_no_run_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunFolderError):
        RunFolder(tmp_path).read_info()


def test_info_changes_are_laid_over_what_is_there(tmp_path):
    run = RunFolder(tmp_path)
    run.write_info(status="running", seed=3)
    run.write_info(status="complete")
    info = json.loads((tmp_path / "run.json").read_text())
    assert (info["status"], info["seed"], info["format"]) == ("complete", 3, 1)


def test_two_runs_of_one_second_get_two_folders(tmp_path):
    first = new_run_path(tmp_path, "lab")
    first.mkdir()
    assert new_run_path(tmp_path, "lab") != first


def test_samples_come_back_with_their_identity(tmp_path):
    run = RunFolder(tmp_path)
    sample = Sample(question="2+2?", answer="4", answer_type="number", disciplines=("arithmetic",))
    run.write_samples([sample])
    assert run.read_samples() == [sample]


def test_tagging_never_changes_the_identity_of_a_sample():
    plain = Sample(question="q", answer="4")
    tagged = Sample(question="q", answer=4, skills=("adding",), source="here", level="1", meta={"a": 1})
    assert plain.id == tagged.id
    assert plain.id != Sample(question="q", answer="5").id
    assert plain.id == Sample(question="q", answer="4", answer_type="math").id
