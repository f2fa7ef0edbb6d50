"""Rows from files and from the hub's layout: the same from every kind, and every complaint says where."""

import gzip
import json
import os
import subprocess
import sys

import pytest

from polymath.errors import SampleError
from polymath.samples.rows import MissingData, Row, find_file, pick, read_file_rows
from tests.conftest import ENVIRONMENT

# The second question holds a comma, quotes, a line break and U+2028, which is no line break to JSON.
ROWS = [{"question": "2+2?", "gold": "4"}, {"question": 'Say "a, b"\nin one\u2028line', "gold": "ab"}]


def write(folder, kind):
    path = folder / f"set{kind}"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    if kind == ".jsonl":
        path.write_text(lines)
    elif kind == ".jsonl.gz":
        path.write_bytes(gzip.compress(lines.encode()))
    elif kind == ".json":
        path.write_text(json.dumps(ROWS, indent=1))
    elif kind == ".csv":
        path.write_text('question,gold\r\n2+2?,4\r\n"Say ""a, b""\nin one\u2028line",ab\r\n', newline="")
    else:
        pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow to write parquet")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("kind", [".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet"])
def test_every_kind_of_file_holds_the_same_rows(tmp_path, kind):
    path = write(tmp_path, kind)
    assert find_file(tmp_path, "set") == path
    assert [row.values for row in read_file_rows(path)] == ROWS


def test_a_row_knows_the_line_it_starts_at(tmp_path):
    assert [row.where for row in read_file_rows(write(tmp_path, ".jsonl"))] == [
        f"{tmp_path}/set.jsonl:1",
        f"{tmp_path}/set.jsonl:2",
    ]
    path = tmp_path / "two.csv"
    path.write_text('question,gold\n"two\nlines",1\nthree,3\n')
    assert [row.where for row in read_file_rows(path)] == [f"{path}:2", f"{path}:4"]


@pytest.mark.parametrize(
    ("name", "content", "where", "what"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "a.jsonl:2", "not a row of JSON"),
        ("a.jsonl", b'{"a": 1}\n\n[1]\n', "a.jsonl:3", "not a row of named columns"),
        ("a.jsonl", b"", "a.jsonl", "holds no rows"),
        ("a.jsonl", b"\xff\xfe", "a.jsonl", "cannot be read"),
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 9)[:-9], "a.jsonl.gz", "cannot be read"),
        ("a.json", b"[1]", "a.json[0]", "not a row of named columns"),
        ("a.json", b"[{]", "a.json", "is not JSON"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "a.csv:3", "3 cells where the head has 2"),
        ("a.csv", b"a,b\n1,2\n1\n", "a.csv:3", "1 cells where the head has 2"),
        ("a.csv", b"a,a\n1,2\n", "a.csv:1", "two columns 'a'"),
        ("a.csv", b'a,b\n1,2\n"x"y,2\n', "a.csv:3", "not a row of CSV"),
        ("a.csv", b"a,b\n", "a.csv", "holds no rows"),
        ("a.parquet", b"PAR0", "a.parquet", "not a parquet file"),
        ("a.txt", b"", "a.txt", "of no known kind"),
    ],
)
def test_a_bad_file_is_one_line_that_says_where(tmp_path, name, content, where, what):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="needs pyarrow to read parquet")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SampleError) as caught:
        read_file_rows(tmp_path / name)
    assert caught.value.where.endswith(where)
    assert what in caught.value.what
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_a_missing_file_is_told_apart_from_a_bad_one(tmp_path):
    with pytest.raises(MissingData, match=r"has no set.jsonl"):
        find_file(tmp_path, "set")
    with pytest.raises(MissingData, match="no such directory"):
        find_file(tmp_path / "nowhere", "set")
    with pytest.raises(MissingData, match="no such file"):
        read_file_rows(tmp_path / "set.csv")


COLUMNS = {"question": ("problem", "question")}
OPTIONAL = {"unit": ("unit", "units")}


def test_the_first_spelling_that_is_there_is_taken():
    row = Row(where="x:1", values={"question": "q", "problem": "p", "unit": " ", "units": "kg", "more": 1})
    assert pick(row, COLUMNS, OPTIONAL) == {"question": "p", "unit": "kg"}
    assert pick(Row(where="x:1", values={"question": 0}), COLUMNS, OPTIONAL) == {"question": 0, "unit": None}


@pytest.mark.parametrize("hole", [None, "", "  ", [], float("nan")])
def test_a_hole_is_told_with_line_and_column(hole):
    with pytest.raises(SampleError, match="x:7: question is empty"):
        pick(Row(where="x:7", values={"question": hole}), COLUMNS, {})


def test_a_missing_column_is_told_with_those_that_are_there():
    with pytest.raises(SampleError, match="has no column problem or question; its columns are ask, gold"):
        pick(Row(where="x:7", values={"ask": "q", "gold": "1"}), COLUMNS, {})


def read_apart(tmp_path, code):
    """In a process of its own: `datasets` reads its settings when it is imported."""
    pytest.importorskip("datasets", reason="needs the package datasets")
    done = subprocess.run(
        [sys.executable, "-c", f"import json\nfrom polymath.samples.rows import *\n{code}"],
        env={**ENVIRONMENT, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def hub_layout(folder):
    """Two configs with a split each, declared in the card as on the hub."""
    for config, split in (("main", "test"), ("other", "train")):
        (folder / config).mkdir(parents=True)
        lines = [json.dumps({**row, "config": config}) for row in ROWS]
        (folder / config / f"{split}.jsonl").write_text("\n".join(lines))
    configs = "".join(
        f"- config_name: {config}\n  data_files:\n  - split: {split}\n    path: {config}/{split}.jsonl\n"
        for config, split in (("main", "test"), ("other", "train"))
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    return folder


def test_rows_come_through_datasets_by_config_and_split_and_quietly(tmp_path):
    folder = hub_layout(tmp_path / "set")
    code = f"rows = read_hub_rows({str(folder)!r}, config='main', split='test')\n"
    code += f"rows += read_file_rows(find_file(Path({str(tmp_path)!r}), 'set'), config='other', split='train')\n"
    rows, said = read_apart(tmp_path, code + "print(json.dumps([[row.where, row.values] for row in rows]))")
    assert [values for _, values in rows] == [{**row, "config": name} for name in ("main", "other") for row in ROWS]
    assert [where.removeprefix(str(folder)) for where, _ in rows] == [" test[0]", " test[1]", " train[0]", " train[1]"]
    assert said == ""


def test_a_directory_that_datasets_saved_is_read_and_pictures_stay_closed(tmp_path):
    code = f"""
import datasets
features = datasets.Features({{"question": datasets.Value("string"), "Picture": datasets.Image(decode=False)}})
table = {{"question": ["q", "r"], "Picture": [None, {{"bytes": b"no picture", "path": None}}]}}
table = datasets.Dataset.from_dict(table, features=features).cast_column("Picture", datasets.Image())
datasets.disable_progress_bars()
table.save_to_disk({str(tmp_path / "one")!r})
datasets.DatasetDict(test=table).save_to_disk({str(tmp_path / "many")!r})
found = [read_file_rows(Path({str(tmp_path)!r}) / name) for name in ("one", "many")]
print(json.dumps([[row.values["Picture"] is None for row in rows] for rows in found]))
"""
    assert read_apart(tmp_path, code)[0] == [[True, False], [True, False]]


def test_what_the_hub_cannot_give_is_missing_with_the_reason(tmp_path):
    folder = hub_layout(tmp_path / "set")
    code = f"""
said = []
asked = [
    ("openai/gsm8k", "main", "test", False), ("Idavidrein/gpqa", None, "train", True),
    ({str(folder)!r}, "none", "test", False), ({str(folder)!r}, "main", "none", False),
]
for hub, config, split, is_gated in asked:
    try:
        read_hub_rows(hub, config=config, split=split, is_gated=is_gated)
    except MissingData as error:
        said.append(str(error))
print(json.dumps(said))
"""
    (unreachable, gated, no_config, no_split), _ = read_apart(tmp_path, code)
    assert "openai/gsm8k: cannot be loaded" in unreachable
    assert "is gated" in gated and "https://huggingface.co/datasets/Idavidrein/gpqa" in gated
    assert "none" in no_config and "main" in no_config
    assert "none" in no_split and "test" in no_split


def test_without_datasets_the_package_says_what_to_install(tmp_path):
    """An import of `datasets` that fails, as where it is not installed."""
    (tmp_path / "shadow" / "datasets").mkdir(parents=True)
    (tmp_path / "shadow" / "datasets" / "__init__.py").write_text("raise ImportError('not here')")
    code = "from polymath.samples.rows import *\ntry: read_hub_rows('a/b')\nexcept MissingData as e: print(e)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(tmp_path / "shadow")])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip install datasets" in done.stdout
