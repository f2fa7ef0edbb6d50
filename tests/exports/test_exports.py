"""Exported files, without the harnesses: nothing is lost on the way, and the judge decides as it does here.

benchmarks/check_exports.py loads and runs the same files in the harnesses themselves.
"""

import ast
import importlib.util
import json
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from polymath.errors import DiskError, RecipeError
from polymath.evaluation.protocol import Decoding, read_protocol
from polymath.evaluation.suites import Suite
from polymath.exports import EXPORTERS, export_suite
from polymath.exports.rows import task_names
from polymath.prompts import TEMPLATES, Template, render
from polymath.rollouts.policy import Sampling
from polymath.types import Sample

SAMPLES = (
    Sample(question="What is {{ 2 }} + {% if %} 2?", answer="4", answer_type="number", disciplines=("arithmetic",)),
    Sample(
        question="A cart rolls 3 km. How far?\u2028Write a unit.",
        answer="3",
        answer_type="quantity",
        unit="km",
        missing_unit="wrong",
        tolerance="figures",
        aliases=("three",),
        disciplines=("physics", "mechanics"),
        subject="mechanics",
        meta={"source_row": 3, "nested": {"list": [1, None]}},
    ),
    Sample(
        question='Which one is a "noble" gas?',
        answer="B",
        answer_type="choice",
        choices=("oxygen", "neon", "chlorine"),
        disciplines=("chemistry",),
        tolerance=None,
    ),
    Sample(question="Is 7 a prime? \U0001f600", answer="True", answer_type="boolean", tolerance=0.5, level="1"),
)
SUITE = Suite(name="mine", benchmarks={"One two": SAMPLES, "one-two": SAMPLES[:2]}, missing={"gated": "no key"})
GREEDY = read_protocol("greedy", 64, stop=("\n\nProblem:", "\U0001f600\u2028"))
DRAWN = replace(
    read_protocol("greedy", 64),
    overrides={"one-two": Decoding(num_draws=3, sampling=Sampling(temperature=0.6, top_p=0.95, top_k=20))},
)


class Loader(yaml.SafeLoader):
    """Reads `!function utils.load` as the text utils.load."""


Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def read_yaml(path):
    return yaml.load(path.read_text(), Loader=Loader)


def read_rows(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def import_utils(path):
    spec = importlib.util.spec_from_file_location("exported_utils", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("to", EXPORTERS)
@pytest.mark.parametrize("template", [TEMPLATES["boxed"], Template(text=" {choices}\n{question} \n", is_chat=True)])
def test_a_row_holds_the_whole_sample_and_the_prompt_as_it_is_asked(to, template, tmp_path):
    export_suite(SUITE, template, GREEDY, to=to, out=tmp_path)
    rows = read_rows(tmp_path / "polymath_one_two.jsonl")
    again = [Sample.model_validate_json(row["sample"]) for row in rows]
    assert tuple(again) == SAMPLES
    assert [sample.id for sample in again] == [sample.id for sample in SAMPLES]
    assert [row["prompt"] for row in rows] == [render(sample, template).text for sample in SAMPLES]
    assert {type(value) for row in rows for value in row.values()} == {str}


@pytest.mark.parametrize("to", EXPORTERS)
def test_a_problem_that_stands_twice_in_a_benchmark_has_two_ids(to, tmp_path):
    twice = Suite(name="mine", benchmarks={"b": (SAMPLES[0], SAMPLES[0])})
    export_suite(twice, TEMPLATES["plain"], GREEDY, to=to, out=tmp_path)
    assert len({row["id"] for row in read_rows(tmp_path / "polymath_b.jsonl")}) == 2


def test_names_become_identifiers_and_stay_apart():
    names = task_names(["One two", "one-two", "µ", "mmlu-pro-100"])
    assert list(names.values()) == [
        "polymath_one_two",
        "polymath_one_two_2",
        "polymath_benchmark",
        "polymath_mmlu_pro_100",
    ]
    assert all(name.isidentifier() for name in names.values())


def test_lm_eval_files_name_each_other_and_nothing_outside(tmp_path):
    paths = export_suite(SUITE, TEMPLATES["boxed-chat"], DRAWN, to="lm-eval", out=tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(paths) == sorted(folder.iterdir())
    group = read_yaml(folder / "polymath_suite.yaml")
    assert group["task"] == ["polymath_one_two", "polymath_one_two_2"]
    utils = import_utils(folder / "utils.py")
    for name in group["task"]:
        task = read_yaml(folder / f"{name}.yaml")
        assert task["task"] == name
        assert (folder / task["dataset_kwargs"]["file"]).exists()
        for key in ("custom_dataset", "doc_to_text", "doc_to_target", "process_results"):
            module, function = task[key].split(".")
            assert module == "utils"
            assert callable(getattr(utils, function))
    assert "--apply_chat_template" in (folder / "README.md").read_text()
    assert "gated (no key)" in (folder / "README.md").read_text()
    assert str(tmp_path) not in "".join(path.read_text() for path in paths)


def test_lm_eval_decodes_each_benchmark_by_its_own_figures(tmp_path):
    export_suite(SUITE, TEMPLATES["plain"], DRAWN, to="lm-eval", out=tmp_path)
    one, other = (read_yaml(tmp_path / f"{name}.yaml") for name in ("polymath_one_two", "polymath_one_two_2"))
    assert one["generation_kwargs"] == {"do_sample": False, "temperature": 0.0, "max_gen_toks": 64, "until": []}
    assert one["repeats"] == 1
    assert other["generation_kwargs"] == {
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 20,
        "max_gen_toks": 64,
        "until": [],
    }
    assert (other["repeats"], other["filter_list"][0]["filter"][0]["k"]) == (3, 3)
    assert "--apply_chat_template" not in (tmp_path / "README.md").read_text()


def test_stop_strings_survive_the_yaml(tmp_path):
    export_suite(SUITE, TEMPLATES["plain"], GREEDY, to="lm-eval", out=tmp_path)
    until = read_yaml(tmp_path / "polymath_one_two.yaml")["generation_kwargs"]["until"]
    assert until == ["\n\nProblem:", "\U0001f600\u2028"]


def test_lm_eval_results_are_the_means_over_the_draws_of_one_problem(tmp_path):
    export_suite(SUITE, TEMPLATES["plain"], GREEDY, to="lm-eval", out=tmp_path)
    utils = import_utils(tmp_path / "utils.py")
    number, quantity, choice, _ = utils.load("polymath_one_two.jsonl", version=1.0)["test"]
    assert utils.doc_to_text(number) == render(SAMPLES[0], TEMPLATES["plain"]).text
    assert utils.doc_to_target(choice) == "B"
    assert utils.process_results(number, [[r"\boxed{4}", "It is 4.", r"\boxed{5}", ""]]) == {
        "strict_accuracy": 0.25,
        "lenient_accuracy": 0.5,
        "undecided": 0.0,
    }
    # A unit is wanted, 3000 m are 3 km, and B is neon.
    for doc, right, wrong in (
        (quantity, r"\boxed{3000 m}", r"\boxed{3}"),
        (choice, r"\boxed{B}", r"\boxed{C}"),
    ):
        assert utils.process_results(doc, [[right]])["strict_accuracy"] == 1.0
        assert utils.process_results(doc, [[wrong]])["strict_accuracy"] == 0.0


def test_the_inspect_file_is_python_with_one_task_a_benchmark(tmp_path):
    paths = export_suite(SUITE, TEMPLATES["plain"], DRAWN, to="inspect", out=tmp_path)
    assert sorted(paths) == sorted(tmp_path.iterdir())
    tree = ast.parse((tmp_path / "polymath_tasks.py").read_text())
    tasks = {
        node.name: ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(mark) == "task" for mark in node.decorator_list)
    }
    assert list(tasks) == ["polymath_one_two", "polymath_one_two_2"]
    assert "GenerateConfig(temperature=0.0, max_tokens=64)" in tasks["polymath_one_two"]
    assert "GenerateConfig(temperature=0.6, max_tokens=64, top_p=0.95, top_k=20)" in tasks["polymath_one_two_2"]
    assert "Epochs(3, 'mean')" in tasks["polymath_one_two_2"]
    for name in tasks:
        assert f"problems('{name}.jsonl')" in tasks[name]
        assert (tmp_path / f"{name}.jsonl").exists()


@pytest.mark.parametrize("name", ["plain", "boxed-chat"])
def test_inspect_is_told_to_send_a_plain_prompt_without_a_chat_template(name, tmp_path):
    export_suite(SUITE, TEMPLATES[name], GREEDY, to="inspect", out=tmp_path)
    assert ("chat_template=" in (tmp_path / "README.md").read_text()) == (name == "plain")


@pytest.mark.parametrize("to", EXPORTERS)
def test_exported_python_keeps_to_the_line_length_of_the_house(to, tmp_path):
    for path in export_suite(SUITE, TEMPLATES["plain"], GREEDY, to=to, out=tmp_path):
        if path.suffix == ".py":
            assert max(map(len, path.read_text().splitlines())) <= 120


def test_an_environment_without_polymath_is_told_in_one_line(tmp_path):
    export_suite(SUITE, TEMPLATES["plain"], GREEDY, to="lm-eval", out=tmp_path / "tasks")
    (tmp_path / "polymath").mkdir()  # a package without a judge stands before ours
    (tmp_path / "polymath" / "__init__.py").touch()
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(tmp_path / 'tasks')!r}]; import utils"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("these tasks are judged by polymath")
    assert ended.stderr.endswith("pip install polymath-learning in this environment\n")
    assert ended.stderr.count("\n") == 1


def test_an_unknown_harness_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(RecipeError, match=r"no harness 'helm'; use lm-eval or inspect"):
        export_suite(SUITE, TEMPLATES["plain"], GREEDY, to="helm", out=tmp_path)


@pytest.mark.parametrize("to", EXPORTERS)
def test_a_folder_with_something_in_it_is_left_alone(to, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DiskError, match="is not empty"):
        export_suite(SUITE, TEMPLATES["plain"], GREEDY, to=to, out=tmp_path)
    with pytest.raises(DiskError, match="is a file"):
        export_suite(SUITE, TEMPLATES["plain"], GREEDY, to=to, out=tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
