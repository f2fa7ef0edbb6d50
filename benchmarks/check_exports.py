"""Do lm-eval and Inspect take what `polymath export` writes, ask our prompts and report our judge's numbers?

    python benchmarks/check_exports.py --to lm-eval|inspect|trl|verifiers [--env DIR]

Makes an environment of its own with the harness in it (--env keeps one, or uses the one that is there), exports a suite
of our own making, moves the folder, runs it with scripted answers through the harness's Python and offline through its
command, and compares prompts, decoding and every number with what is written by hand in PROBLEMS. Exit 0: all the same.
For trl and verifiers it exports a sample, and trains or validates from it: check_trainers.py.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from check_trainers import CHECKS

ROOT = Path(__file__).parent.parent
NEEDS = {  # torch first and by its exact version, so that pip chooses no other build
    "lm-eval": [["torch==2.13.0"], ["torch==2.13.0", "lm-eval[hf]==0.4.13", "math-verify>=0.9", "mpmath", "pydantic"]],
    "inspect": [["inspect-ai==0.3.285", "openai", "math-verify>=0.9", "mpmath", "pydantic"]],
    "trl": [["torch==2.13.0"], ["torch==2.13.0", "trl==1.16.0", "math-verify>=0.9", "mpmath", "pydantic", "jinja2"]],
    "verifiers": [["verifiers==0.4.0", "math-verify>=0.9", "mpmath", "pydantic", "jinja2", "numpy", "hatchling"]],
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
FAILED = "THE JUDGE FAILS AT THIS"

# benchmark -> (fields of a sample, answers, right by strict, right by lenient, undecided), the counts by hand.
PROBLEMS: dict[str, list[tuple[dict[str, Any], list[str], int, int, int]]] = {
    "small sums": [
        (
            {"question": "What is {{ 2 }} + 2?", "answer": "4", "answer_type": "number", "disciplines": ["sums"]},
            [r"So \boxed{4}."],
            1,
            1,
            0,
        ),
        ({"question": "What is 3 + 5?", "answer": "8", "disciplines": ["sums"]}, ["The answer is 8"], 0, 1, 0),
        ({"question": "What is 3 + 6?", "answer": "9", "disciplines": ["sums"]}, [r"\boxed{10}"], 0, 0, 0),
        ({"question": "What is 1/2 of 1/2?", "answer": r"\frac{1}{4}", "disciplines": ["parts"]}, [FAILED], 0, 0, 1),
    ],
    "draws": [
        (
            {
                "question": "A cart rolls 1500 m and then 1500 m. How far is that?\u2028Write the unit.",
                "answer": "3",
                "answer_type": "quantity",
                "unit": "km",
                "missing_unit": "wrong",
                "disciplines": ["physics"],
            },
            [r"\boxed{3000 m}", r"\boxed{3}", r"\boxed{3\text{ km}}"],
            2,
            2,
            0,
        ),
        (
            {
                "question": 'Which one is "noble"?',
                "answer": "B",
                "answer_type": "choice",
                "choices": ["oxygen", "neon", "chlorine"],
                "disciplines": ["chemistry"],
                "subject": "elements",
            },
            [r"\boxed{B}", r"\boxed{\text{(B)}}", r"\boxed{A}"],
            2,
            2,
            0,
        ),
    ],
}


def expected() -> dict[str, dict[str, float]]:
    """Task to metric, from the counts."""
    numbers = {}
    for name, problems in PROBLEMS.items():
        shares = [[count / len(answers) for count in counts] for _, answers, *counts in problems]
        means = [sum(column) / len(shares) for column in zip(*shares, strict=True)]
        numbers[_task_name(name)] = dict(zip(("strict", "lenient", "undecided"), means, strict=True))
    return numbers


def _task_name(benchmark: str) -> str:
    return "polymath_" + benchmark.replace(" ", "_")


def export(to: str, out: Path) -> dict[str, list[str]]:
    """Write the tasks, check the counts with our judge, and return prompt to answers."""
    from polymath.evaluation.protocol import Decoding, Protocol
    from polymath.evaluation.suites import Suite
    from polymath.exports import export_suite
    from polymath.judge import judge
    from polymath.prompts import TEMPLATES, render
    from polymath.rollouts.policy import Sampling
    from polymath.types import Sample

    template = TEMPLATES["boxed"]
    made = {name: [(Sample(**fields), *rest) for fields, *rest in rows] for name, rows in PROBLEMS.items()}
    for sample, answers, strict, lenient, _ in (row for rows in made.values() for row in rows):
        right = [[judge(text, sample, mode=mode).correct for text in answers] for mode in ("strict", "lenient")]
        assert [sum(map(bool, column)) for column in right] == [strict, lenient], (sample.question, right)
    greedy = Decoding(num_draws=1, sampling=Sampling(temperature=0.0, max_tokens=16))
    drawn = Decoding(num_draws=3, sampling=Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=12, stop=("##",)))
    suite = Suite(name="check", benchmarks={name: tuple(row[0] for row in rows) for name, rows in made.items()})
    protocol = Protocol(name="check", decoding=greedy, overrides={"draws": drawn})
    export_suite(suite, template, protocol, to=to, out=out)
    return {render(sample, template).text: answers for rows in made.values() for sample, answers, *_ in rows}


def make_environment(to: str, folder: Path) -> Path:
    """The Python of an environment with the harness and, without its dependencies, this checkout."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        for names in NEEDS[to]:
            subprocess.run([python, "-m", "pip", "install", "--quiet", *names], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "-e", ROOT], check=True)
    return python


# What runs in the environment of the harness.


class Script:
    """Gives the answers of a prompt in turn."""

    def __init__(self, answers: dict[str, list[str]]) -> None:
        self.answers, self.asked = answers, Counter[str]()

    def answer(self, prompt: str) -> str:
        """The next answer; a prompt that is not ours is a KeyError."""
        said = self.answers[prompt][self.asked[prompt]]
        self.asked[prompt] += 1
        return said

    def check(self) -> None:
        """Every prompt was asked as often as it has answers."""
        assert self.asked == {prompt: len(said) for prompt, said in self.answers.items()}, self.asked


def failing_at_marked(judge: Any) -> Any:
    """The judge, but undecided about a marked answer: a failure that can be had on demand."""
    from polymath.types import Verdict

    undecided = Verdict(outcome="undecided", extracted=None, found_by="none", compared_by="none")
    return lambda text, sample, **options: undecided if text == FAILED else judge(text, sample, **options)


def inside_lm_eval(folder: Path, script: Script) -> dict[str, dict[str, float]]:
    """Run the group through lm_eval.simple_evaluate; task to metric."""
    import lm_eval
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Scripted(LM):
        """Checks what it is asked with, and answers."""

        def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
            greedy = {"do_sample": False, "temperature": 0.0, "max_gen_toks": 16, "until": []}
            drawn = {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "max_gen_toks": 12}
            for request in requests:
                right = greedy if request.task_name == "polymath_small_sums" else {**drawn, "until": ["##"]}
                assert request.args[1] == right, request.args
            return [script.answer(request.args[0]) for request in requests]

        def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Any]:
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[Any]:
            raise NotImplementedError

    manager = TaskManager(include_path=str(folder))
    tasks = manager.load(["polymath_suite"])["tasks"]  # the modules are loaded now
    utils = next(module for name, module in list(sys.modules.items()) if name == str(folder.resolve() / "utils"))
    utils.judge = failing_at_marked(utils.judge)  # type: ignore[attr-defined]
    print(f"lm-eval {lm_eval.__version__} loads {', '.join(tasks)}")
    found = lm_eval.simple_evaluate(model=Scripted(), tasks=["polymath_suite"], task_manager=manager)
    names = {"strict": "strict_accuracy,none", "lenient": "lenient_accuracy,none", "undecided": "undecided,none"}
    group = found["groups"]["polymath_suite"]
    for metric, key in names.items():
        mean = sum(numbers[metric] for numbers in expected().values()) / len(PROBLEMS)
        assert abs(group[key] - mean) < 1e-9, (key, group[key], mean)
    return {
        task: {metric: found["results"][task][key] for metric, key in names.items()}
        for task in found["group_subtasks"]["polymath_suite"]
    }


def inside_inspect(folder: Path, script: Script) -> dict[str, dict[str, float]]:
    """Run every task through inspect_ai.eval with mockllm; task to metric."""
    import importlib.util

    import inspect_ai
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    def answer(messages: list[Any], tools: Any, tool_choice: Any, config: Any) -> ModelOutput:
        (message,) = messages
        figures = (config.temperature, config.top_p, config.top_k, config.max_tokens, config.stop_seqs)
        assert figures in {0.0: (0.0, None, None, 16, None), 0.6: (0.6, 0.95, 20, 12, ["##"])}.values(), figures
        output = ModelOutput.from_content("mockllm/model", script.answer(message.text))
        output.usage = ModelUsage()  # else mockllm counts tokens with a vocabulary that it downloads
        return output

    spec = importlib.util.spec_from_file_location("polymath_tasks", folder / "polymath_tasks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.judge = failing_at_marked(module.judge)
    names = [_task_name(name) for name in PROBLEMS]
    logs = inspect_ai.eval(
        [getattr(module, name)() for name in names],
        model=get_model("mockllm/model", custom_outputs=answer),
        log_dir=str(folder.parent / "logs"),
        display="none",
    )
    found: dict[str, dict[str, float]] = {}
    for log in logs:
        assert log.status == "success", log.error
        scores = {score.name: score.metrics for score in log.results.scores}
        found[log.eval.task] = {
            "strict": scores["strict"]["accuracy"].value,
            "lenient": scores["lenient"]["accuracy"].value,
            "undecided": scores["undecided"]["mean"].value,
        }
        if log.eval.task == "polymath_small_sums":
            assert abs(scores["strict"]["accuracy sums"].value - 1 / 3) < 1e-9, scores["strict"]
            assert scores["strict"]["accuracy parts"].value == 0.0
            values = [sample.scores["strict"].value for sample in log.samples]
            assert values == ["C", "I", "I", "N"], values
    print(f"inspect-ai {inspect_ai.__version__} loads {', '.join(found)}")
    return found


INSIDE = {"lm-eval": inside_lm_eval, "inspect": inside_inspect}


def check_inside(to: str, folder: Path, answers: Path) -> None:
    """Scripted answers in, the harness's numbers compared with ours."""
    script = Script(json.loads(answers.read_text(encoding="utf-8")))
    found = INSIDE[to](folder, script)
    script.check()
    for task, numbers in expected().items():
        for metric, number in numbers.items():
            assert abs(found[task][metric] - number) < 1e-9, (task, metric, found[task][metric], number)
    print(f"every prompt as we ask it, {sum(script.asked.values())} answers; its numbers are ours: {json.dumps(found)}")


# The commands a user types.


def run_lm_eval(python: Path, folder: Path, environment: dict[str, str], answers: dict[str, list[str]]) -> None:
    """`lm-eval run` with a tiny real model; what it reports is what our judge says of the answers it logged."""
    from polymath.judge import judge
    from polymath.testing import save_tiny_model
    from polymath.types import Sample

    model, results = save_tiny_model(folder.parent / "tiny"), folder.parent / "results"
    command = [python.with_name("lm-eval"), "run", "--model", "hf", "--model_args", f"pretrained={model}"]
    command += ["--include_path", ".", "--tasks", "polymath_suite", "--limit", "4", "--device", "cpu"]
    _run([*command, "--output_path", results, "--log_samples"], folder, environment)
    (report,) = results.rglob("results_*.json")
    numbers = json.loads(report.read_text())["results"]
    for task in expected():
        (logged,) = results.rglob(f"samples_{task}_*.jsonl")
        rows = [json.loads(line) for line in logged.read_text(encoding="utf-8").split("\n") if line]
        shares = []
        for row in rows:
            sample, (texts,) = Sample.model_validate_json(row["doc"]["sample"]), row["resps"]
            shares.append(sum(judge(text, sample).outcome == "right" for text in texts) / len(texts))
        reported = numbers[task]["strict_accuracy,none"]
        assert abs(reported - sum(shares) / len(shares)) < 1e-9, (task, reported, shares)
        print(f"lm-eval run: {task}, {len(rows)} problems x {len(rows[0]['resps'][0])} draws of a tiny model")


def run_inspect(python: Path, folder: Path, environment: dict[str, str], answers: dict[str, list[str]]) -> None:
    """`inspect eval` against an endpoint on this machine that says of every answer that it ran out of tokens."""
    from polymath.judge import judge
    from polymath.types import Sample

    logs, script, lock = folder.parent / "logs-of-command", Script(answers), threading.Lock()

    class Endpoint(BaseHTTPRequestHandler):
        """One chat completion for every request."""

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                text = script.answer(asked["messages"][-1]["content"])
            message = {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": text}}
            reply = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [message]}
            body = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    known = {"CHECK_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1", "CHECK_API_KEY": "none"}
    command = [python.with_name("inspect"), "eval", "polymath_tasks.py", "--model", "openai-api/check/m"]
    command += ["--log-dir", logs, "--log-format", "json", "--display", "none"]
    _run(command, folder, {**environment, **known})  # it takes a path below the folder it runs in, no other
    server.shutdown()
    script.check()
    for path in logs.glob("*.json"):
        log = json.loads(path.read_text(encoding="utf-8"))
        scores = {score["name"]: score["metrics"]["accuracy"]["value"] for score in log["results"]["scores"][:2]}
        rows = [
            json.loads(line)
            for line in (folder / f"{log['eval']['task']}.jsonl").read_text(encoding="utf-8").split("\n")
            if line
        ]
        for mode in ("strict", "lenient"):
            shares = []
            for row in rows:
                sample, texts = Sample.model_validate_json(row["sample"]), answers[row["prompt"]]
                right = [judge(text, sample, mode=mode, is_truncated=True).correct for text in texts]
                shares.append(sum(map(bool, right)) / len(right))
            assert abs(scores[mode] - sum(shares) / len(shares)) < 1e-9, (mode, scores, shares)
        if log["eval"]["task"] == "polymath_small_sums":
            assert scores["lenient"] == 0.25  # "The answer is 8", cut there, may have been going to be 80
        print(f"inspect eval: {log['eval']['task']}, {len(rows)} problems from an endpoint that cuts every answer")


COMMANDS = {"lm-eval": run_lm_eval, "inspect": run_inspect}


def check_without_polymath(to: str, python: Path, folder: Path, environment: dict[str, str]) -> None:
    """Where the judge is missing the command ends before a model is asked, with a line that says so."""
    stub = folder.parent / "stub" / "polymath"
    stub.mkdir(parents=True)
    (stub / "__init__.py").touch()
    arguments = {
        "lm-eval": ["run", "--model", "dummy", "--tasks", "polymath_suite", "--include_path", "."],
        "inspect": ["eval", "polymath_tasks.py", "--model", "mockllm/model"],
    }[to]
    command = [python.with_name(to), *arguments]
    told = {**environment, "PYTHONPATH": str(stub.parent)}
    ended = subprocess.run(command, cwd=folder, env=told, capture_output=True, text=True, check=False)
    last = (ended.stdout + ended.stderr).strip().splitlines()[-1]
    assert ended.returncode != 0 and "pip install polymath-learning" in last, ended.stdout + ended.stderr
    print(f"without polymath: {last}")


def _run(command: list[object], cwd: Path, environment: dict[str, str]) -> None:
    ended = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-4000:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", choices=[*INSIDE, *CHECKS], required=True)
    parser.add_argument("--env", type=Path)
    parser.add_argument("--inside", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        check_inside(options.to, *options.inside)
        return
    place = Path(tempfile.mkdtemp(prefix="check-exports-"))
    environment = {**os.environ, **OFFLINE, "HF_HOME": str(place / "cache")}
    try:
        if options.to in CHECKS:
            CHECKS[options.to](
                make_environment(options.to, (options.env or place / "env").resolve()), place, environment
            )
            return
        folder, answers = place / "moved" / "tasks", place / "answers.json"
        script = export(options.to, place / "made")
        folder.parent.mkdir()
        shutil.move(place / "made", folder)
        answers.write_text(json.dumps(script), encoding="utf-8")
        python = make_environment(options.to, (options.env or place / "env").resolve())
        inside = [python, __file__, "--to", options.to, "--inside", folder, answers]
        subprocess.run(inside, cwd=place, env=environment, check=True)
        COMMANDS[options.to](python, folder, environment, script)
        check_without_polymath(options.to, python, folder, environment)
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
