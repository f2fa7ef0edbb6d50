"""Exported folders, without the trainers: rows, rewards, refusals, the reward server over a socket.

benchmarks/check_exports.py trains and validates from the same folders with TRL and verifiers themselves.
"""

import ast
import importlib.util
import json
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from polymath.errors import DiskError, RecipeError, SampleError
from polymath.exporting import EXPORTERS, export_order, make_order
from polymath.exporting.grading import PER_RESPONSE, Grader
from polymath.exporting.openrlhf import CARRIED as OPENRLHF_CARRIED
from polymath.exporting.openrlhf import flags
from polymath.exporting.order import check_carried
from polymath.exporting.serving import response_of
from polymath.exporting.trl import CARRIED as TRL_CARRIED
from polymath.exporting.trl import settings
from polymath.recipe import Recipe, read_recipe
from polymath.types import Sample
from tests.conftest import ENVIRONMENT, ROOT, polymath

SAMPLES = [
    Sample(question="How far is it?\u2028Write a unit.", answer="3", answer_type="quantity", unit="km"),
    Sample(question='Which is "noble"?', answer="B", answer_type="choice", choices=("oxygen", "neon")),
    Sample(question="Unite both sets.", answer=r"(0,1]\cup\{2\}", meta={"row": [1, None]}),
]
# Those whose rows are JSON lines and whose files are all made here.
OF_TEXTS = ("trl", "openrlhf", "verifiers", "jsonl")


@pytest.fixture(scope="module")
def sample_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("samples") / "Three samples.jsonl"
    path.write_text("".join(sample.model_dump_json() + "\n" for sample in SAMPLES))
    return str(path)


def read_rows(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def load(path):
    """The module of an exported file."""
    spec = importlib.util.spec_from_file_location("exported_reward", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("num_groups", "num_rows"), [(2, 4), (3, 3), (4, 4), (16, 16)])
def test_rows_fill_whole_steps_and_take_the_samples_in_turn(sample_file, num_groups, num_rows):
    rows = make_order(sample_file, num_groups=num_groups).rows()
    assert len(rows) == num_rows
    assert [row["answer"] for row in rows] == [SAMPLES[place % 3].answer for place in range(num_rows)]
    assert [row["index"] for row in rows] == list(range(num_rows))


@pytest.mark.parametrize("to", OF_TEXTS)
def test_a_row_holds_the_whole_sample_and_the_prompt_of_the_template(sample_file, to, tmp_path):
    order = make_order(sample_file, template="boxed-chat", model="somewhere/else")
    paths = {path.name: path for path in export_order(order, to=to, out=tmp_path / "new" / "folder")}
    rows = read_rows(paths["rows.jsonl"])[:3]
    carried = [Sample.model_validate_json(row["label" if to == "openrlhf" else "sample"]) for row in rows]
    assert carried == SAMPLES
    for row, sample in zip(rows, SAMPLES, strict=True):
        (message,) = row["input" if to == "openrlhf" else "prompt"]
        assert message["role"] == "user"
        assert message["content"].startswith(sample.question)
        assert "\\boxed{}" in message["content"]
    assert "polymath-learning" in paths["README.md"].read_text()


@pytest.mark.parametrize("to", OF_TEXTS)
def test_exported_python_parses_within_the_line_length_of_the_house(sample_file, to, tmp_path):
    order = make_order(sample_file, overrides=["reward.parts={exact=1.0,format=0.5,repetition=0.1}"])
    for path in export_order(order, to=to, out=tmp_path):
        if path.suffix == ".py":
            ast.parse(path.read_text())
            assert max(map(len, path.read_text().splitlines())) <= 120, path.name
        if path.suffix == ".sh":
            assert path.stat().st_mode & 0o100
            assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


def test_a_task_of_verifiers_stands_once_and_its_package_has_a_name(tmp_path):
    export_order(make_order("lab-coins"), to="verifiers", out=tmp_path)
    assert len(read_rows(tmp_path / "polymath_lab_coins" / "rows.jsonl")) == 1
    assert 'name = "polymath-lab-coins"' in (tmp_path / "pyproject.toml").read_text()
    assert "class SampleTaskset(vf.Taskset[" in (tmp_path / "polymath_lab_coins" / "taskset.py").read_text()


# sample, response, exact reward, outcome; hand-made.
TABLE = [
    (0, r"\boxed{3000 m}", 1.0, "right"),
    (0, r"\boxed{3000 km}", 0.0, "wrong"),
    (0, "It is 3 km.", 0.0, "wrong"),
    (1, r"\boxed{(B)}", 1.0, "right"),
    (1, r"\boxed{A} or \boxed{B}", 0.0, "wrong"),
    (2, r"So \boxed{\{2\}\cup(0,1]}.", 1.0, "right"),
    (2, r"\boxed{(0,1]}", 0.0, "wrong"),
]


def test_the_reward_of_trl_judges_texts_and_messages_and_counts(sample_file, tmp_path):
    export_order(make_order(sample_file), to="trl", out=tmp_path)
    reward = load(tmp_path / "reward.py").polymath_reward
    texts = [text for _, text, _, _ in TABLE]
    columns = {"sample": [SAMPLES[place].model_dump_json() for place, *_ in TABLE], "answer": [""] * len(TABLE)}
    metrics, extra = {}, {}
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    for completions in (texts, chats):
        found = reward(
            prompts=[""] * len(texts),
            completions=completions,
            completion_ids=[[1]] * len(texts),
            trainer_state=None,
            log_metric=metrics.__setitem__,
            log_extra=extra.__setitem__,
            **columns,
        )
        assert found == [expected for _, _, expected, _ in TABLE]
    assert metrics == {"polymath/undecided_frac": 0.0, "polymath/accuracy": 3 / 7}
    assert extra["extracted"][0] == "3000 m"


def test_parts_are_weighed_as_the_recipe_says(sample_file, tmp_path):
    order = make_order(sample_file, overrides=["reward.parts={exact=1.0,format=0.25}"])
    export_order(order, to="jsonl", out=tmp_path)
    reward = load(tmp_path / "reward.py").reward
    row = read_rows(tmp_path / "rows.jsonl")[0]["sample"]
    assert [reward(text, row) for text in (r"\boxed{3 km}", r"\boxed{4 km}", "4 km")] == [1.25, 0.25, 0.0]


def test_a_judge_that_fails_is_nowhere_a_zero(sample_file, tmp_path):
    for to in ("trl", "openrlhf", "jsonl"):
        export_order(make_order(sample_file), to=to, out=tmp_path / to)
    sample, hard = SAMPLES[2].model_dump_json(), TABLE[5][1]
    # The judge's own processes cannot start, so what only Math-Verify decides stays open.
    code = f"""
import sys
sys.executable = "/bin/false"
import importlib.util, json
from polymath.errors import PolymathError
def load(name):
    spec = importlib.util.spec_from_file_location(name, {str(tmp_path)!r} + f"/{{name}}/reward.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
sample, hard, easy, metrics = {sample!r}, {hard!r}, "no box", {{}}
trl, openrlhf, jsonl = map(load, ("trl", "openrlhf", "jsonl"))
out = {{"jsonl": jsonl.reward(hard, sample)}}
out["trl"] = trl.polymath_reward([], [hard, easy], [], sample=[sample] * 2, log_metric=metrics.__setitem__)
out["metrics"], out["counts"] = metrics, trl.GRADER.counts
for name, call in (
    ("all", lambda: trl.polymath_reward([], [hard] * 2, [], sample=[sample] * 2)),
    ("openrlhf", lambda: openrlhf.reward_func(["Q" + hard], ["Q"], [sample])),
):
    try:
        call()
    except PolymathError as error:
        out[name] = type(error).__name__
import threading, urllib.error, urllib.request
from polymath.exporting.serving import make_server
server = make_server(openrlhf.GRADER, port=0)
threading.Thread(target=server.serve_forever, daemon=True).start()
asked = json.dumps({{"query": ["Q" + hard], "prompts": ["Q"], "labels": [sample]}}).encode()
try:
    urllib.request.urlopen(f"http://127.0.0.1:{{server.server_port}}", data=asked)
except urllib.error.HTTPError as error:
    out["server"] = error.code
print(json.dumps(out))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert json.loads(ended.stdout) == {
        "jsonl": None,
        "trl": [None, 0.0],
        "metrics": {"polymath/undecided_frac": 0.5, "polymath/accuracy": 0.0},
        "counts": {"undecided": 3, "wrong": 1},
        "all": "Undecided",
        "openrlhf": "Undecided",
        "server": 503,
    }


def test_a_row_that_is_no_sample_stops_everything(sample_file, tmp_path):
    export_order(make_order(sample_file), to="trl", out=tmp_path)
    reward = load(tmp_path / "reward.py").polymath_reward
    for row in ("{", '{"question": "?"}', "[]"):
        with pytest.raises(SampleError, match="the row of an export"):
            reward([], ["4"], [], sample=[row])


@pytest.mark.parametrize("name", ["majority", "length_kimi", "limr3", "overlong", "random"])
def test_a_reward_that_needs_more_than_one_response_is_refused(sample_file, name):
    assert name not in PER_RESPONSE
    with pytest.raises(RecipeError, match=f"reward '{name}'.*use exact, format"):
        make_order(sample_file, overrides=[f"reward.name={name}"])


def test_the_response_is_what_follows_the_prompt():
    prompt = r"Problem: 2 * 3? \boxed{6}. Problem: 3 * 4? Solution:"
    assert response_of(f"<s>{prompt} 12</s>", prompt) == " 12</s>"
    with pytest.raises(ValueError, match="the prompt is not in the query"):
        response_of(prompt[9:] + " 12", prompt)  # cut from the left: the example's box must not be the answer


def test_the_function_of_openrlhf_answers_from_many_threads(sample_file, tmp_path):
    export_order(make_order(sample_file), to="openrlhf", out=tmp_path)
    module = load(tmp_path / "reward.py")

    def ask(row):
        place, text, _, _ = row
        found = module.reward_func(["<s>Q: " + text], ["Q: "], [SAMPLES[place].model_dump_json()])
        assert found["rewards"].shape == found["scores"].shape == (1,)
        return float(found["rewards"][0]), float(found["extra_logs"]["accuracy"])

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, TABLE * 8))
    assert found == [(expected, expected) for _, _, expected, _ in TABLE] * 8
    assert module.GRADER.counts == {"right": 24, "wrong": 32}


@contextmanager
def serving(folder):
    """The address of serve.py, running as a user would run it."""
    process = subprocess.Popen(
        [sys.executable, "serve.py", "--port", "0"], cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def ask(url, body=None):
    """Status and reply."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=60) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_reward_server_speaks_the_shapes_of_openrlhf_over_a_socket(sample_file, tmp_path):
    export_order(make_order(sample_file), to="openrlhf", out=tmp_path)
    bodies = {
        "query": ["Q: " + text for _, text, _, _ in TABLE],
        "prompts": ["Q: "] * len(TABLE),
        "labels": [SAMPLES[place].model_dump_json() for place, *_ in TABLE],
    }
    with serving(tmp_path) as url:
        expected = [reward for _, _, reward, _ in TABLE]
        assert ask(url, bodies) == (
            200,
            {"rewards": expected, "scores": expected, "extra_logs": {"accuracy": 3 / 7}},
        )
        for wrong, said in (
            (b"{", "Expecting"),
            ([], "not an object"),
            ({**bodies, "labels": bodies["labels"][:1]}, "7 queries, 7 prompts and 1 labels"),
            ({**bodies, "query": "one"}, "query is not a list of texts"),
            ({**bodies, "prompts": ["other"] * len(TABLE)}, "the prompt is not in the query"),
            ({**bodies, "labels": ["{}"] * len(TABLE)}, "question"),
        ):
            status, reply = ask(url, wrong)
            assert status == 400
            assert said in reply["error"]
        assert ask(url) == (200, {"right": 3, "wrong": 4, "undecided": 0})


def test_the_settings_of_trl_are_those_of_the_recipe():
    recipe = Recipe.model_validate(
        {
            "rollout": {"num_groups": 128, "group_size": 8, "temperature": 0.6, "max_tokens": 3072},
            "loss": {"name": "cispo", "epsilon_high": 0.3, "aggregation": "token_mean"},
            "advantage": {"scale_by_std": False},
            "kl": {"coefficient": 0.001},
            "entropy": {"coefficient": 0.002},
            "optimizer": {"warmup_frac": 0.05, "beta2": 0.99},
            "train": {"num_steps": 30, "updates_per_step": 8},
        }
    )
    found = settings(recipe)
    expected = {
        "max_steps": 240,
        "generation_batch_size": 1024,
        "num_generations": 8,
        "temperature": 0.6,
        "max_completion_length": 3072,
        "loss_type": "cispo",
        "epsilon_high": 1.3,
        "scale_rewards": "none",
        "beta": 0.001,
        "entropy_coef": 0.002,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": 16,
        "adam_beta2": 0.99,
        "mask_truncated_completions": False,
    }
    assert {key: found[key] for key in expected} == expected


def test_openrlhf_is_told_batches_in_its_own_units(sample_file):
    order = make_order(
        sample_file, num_groups=2, group_size=8, overrides=["train.num_steps=10", "train.updates_per_step=2"]
    )
    found = {flag: values for flag, *values in flags(order)}
    # Four rows make an episode of two steps, each of 2 prompts x 8 responses in two updates.
    assert found["--train.num_episodes"] == ["5"]
    assert found["--rollout.batch_size"] == ["2"]
    assert found["--rollout.n_samples_per_prompt"] == ["8"]
    assert found["--train.batch_size"] == ["8"]
    assert found["--algo.advantage.estimator"] == ["group_norm"]


@pytest.mark.parametrize(
    ("carried", "key", "value"),
    [
        (TRL_CARRIED, "advantage.name", "gae"),
        (TRL_CARRIED, "loss.name", "kimi"),
        (TRL_CARRIED, "kl.clamp", 10.0),
        (TRL_CARRIED, "kl.estimator", "k1"),
        (TRL_CARRIED, "filter.name", "replay"),
        (TRL_CARRIED, "model.lora", {"rank": 8}),
        (TRL_CARRIED, "stop.solved", 0.9),
        (TRL_CARRIED, "entropy.target", 0.2),
        (OPENRLHF_CARRIED, "rollout.top_k", 20),
        (OPENRLHF_CARRIED, "loss.name", "cispo"),
        (OPENRLHF_CARRIED, "loss.aggregation", "constant_length"),
        (OPENRLHF_CARRIED, "optimizer.schedule", "cosine"),
    ],
)
def test_a_key_without_a_counterpart_is_refused_by_its_name(carried, key, value):
    section, name = key.split(".")
    recipe = Recipe.model_validate({section: {name: value}})
    with pytest.raises(RecipeError, match=rf"{key}.*no counterpart in .*IT"):
        check_carried(recipe, carried, to="IT")
    check_carried(Recipe(), carried, to="IT")


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("carried", [TRL_CARRIED, OPENRLHF_CARRIED], ids=["trl", "openrlhf"])
def test_every_shipped_recipe_maps_or_says_which_key_does_not(path, carried):
    recipe = read_recipe(path)
    try:
        check_carried(recipe, carried, to="it")
    except RecipeError as refused:
        value = recipe
        for part in refused.where.split("."):
            value = getattr(value, part)


def test_one_sample_without_a_recipe_and_the_recipe_of_the_lab_are_carried_over(tmp_path):
    order = make_order("lab-coins", recipe=ROOT / "recipes" / "lab.toml")
    for to in EXPORTERS:
        export_order(order, to=to, out=tmp_path / to)
    assert make_order("lab-coins").template.text.startswith("Problem:")  # the lab's own form
    assert "\\boxed" in make_order("lab-coins", model="other/model").template.text


def test_what_cannot_be_exported_is_said_before_anything_is_written(sample_file, tmp_path):
    order = make_order(sample_file)
    (tmp_path / "mine.txt").write_text("keep")
    for to in EXPORTERS:
        with pytest.raises(DiskError, match="is not empty"):
            export_order(order, to=to, out=tmp_path)
    with pytest.raises(RecipeError, match="no trainer 'nanochat'; use trl or"):
        export_order(order, to="nanochat", out=tmp_path / "new")
    with pytest.raises(RecipeError, match=r"label\.edit.*export the true label"):
        make_order(sample_file, overrides=["label.edit=incorrect"])
    with pytest.raises(RecipeError, match=r"sample\.selector.*polymath select"):
        make_order(overrides=["sample.selector=random", "sample.pool=lab:10"])
    with pytest.raises(RecipeError, match="neither use nor pool"):
        make_order()
    with pytest.raises(RecipeError, match="no such recipe"):
        make_order(sample_file, recipe=tmp_path / "none.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_grader_refuses_an_unknown_reward():
    with pytest.raises(RecipeError, match="there is no 'exakt'"):
        Grader({"exakt": 1.0})


def test_the_command_writes_a_folder_and_says_what_is_in_it(sample_file, tmp_path):
    ended = polymath("export", sample_file, "--to", "trl", "--num-groups", 4, "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert said["to"] == "trl"
    assert [path.rpartition("/")[2] for path in said["files"]] == ["README.md", "reward.py", "rows.jsonl", "train.py"]
    assert len(read_rows(tmp_path / "three_samples-trl" / "rows.jsonl")) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lab-coins", "--to", "nowhere"], "--to: there is no 'nowhere'; use lm-eval"),
        (["lab-coins", "--to", "trl", "--suite", "lab"], "--suite: has no meaning with --to trl"),
        (["lab-coins", "--to", "inspect"], "SAMPLE: has no meaning with --to inspect"),
        (["--to", "lm-eval", "--suite", "lab"], "--out: is missing"),
        (["no-such-sample", "--to", "jsonl"], "is neither a file nor in the library"),
    ],
)
def test_the_command_refuses_in_one_line(arguments, said, tmp_path):
    ended = polymath("export", *arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_folder_for_verl_judges_with_what_lies_in_it_and_runs_from_where_it_lies(sample_file, tmp_path):
    import pyarrow.parquet as pq

    order = make_order(sample_file, num_groups=2, overrides=["train.num_steps=5", "evaluate.every=0"])
    export_order(order, to="verl", out=tmp_path / "made")
    folder = (tmp_path / "made").rename(tmp_path / "moved $here")
    rows = pq.read_table(folder / "rows.parquet").to_pylist()
    assert [row["extra_info"]["index"] for row in rows] == list(range(6))  # 3 samples, 2 groups
    hook = load(folder / "source" / "polymath" / "engines" / "verl" / "reward.py")
    for place, text, expected, _ in TABLE:
        found = hook.compute_score(
            "polymath", text, rows[place]["reward_model"]["ground_truth"], rows[place]["extra_info"]
        )
        assert (found["score"], found["undecided"]) == (expected, 0.0)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    path = f"{tmp_path / 'bin'}:{ENVIRONMENT['PATH']}"
    ended = subprocess.run(
        ["sh", folder / "run.sh", "more=1"],
        env={**ENVIRONMENT, "PATH": path, "MODEL": "a b"},
        capture_output=True,
        text=True,
        check=True,
    )
    said = ended.stdout.splitlines()
    assert said[:3] == ["-m", "verl.trainer.main_ppo", "more=1"]
    assert f'data.train_files="{folder}/rows.parquet"' in said
    assert 'actor_rollout_ref.model.path="a b"' in said
