"""A server that writes and solves: candidates from seeds, answers by arithmetic, mistakes as they are ordered."""

import json
import random
import re

from tests.servers import prompt_of, say

ADDITION = re.compile(r"A crate holds (\d+) .* and (\d+) ")


def problem_of(seed):
    """A sum inside words that no other seed has, so that no two are near; its answer lies between 2 and 998."""
    rng = random.Random(seed)
    first, second = rng.randrange(1, 500), rng.randrange(1, 500)
    words = [" ".join("".join(rng.choices("abcdefghij", k=6)) for _ in range(20)) for _ in range(2)]
    return f"A crate holds {first} {words[0]} and {second} {words[1]}. Together they are ____.", first + second


def write(seed, **changes):
    """What a good writer says."""
    question, answer = problem_of(seed)
    return json.dumps({"question": question, "answer": str(answer), "solution": "Add the two.", **changes})


def is_writing(prompt):
    return ADDITION.search(prompt) is None


def solve(prompt):
    first, second = map(int, ADDITION.search(prompt).groups())
    return first + second


def play(written=lambda seed: write(seed), solved=lambda prompt, body: f"\\boxed{{{solve(prompt)}}}"):
    """`misbehave` of tests.servers: `written(seed)` where a problem is asked for, else `solved(prompt, body)`."""

    def behave(handler, body):
        prompt = prompt_of(body)
        text = written(body["seed"]) if is_writing(prompt) else solved(prompt, body)
        say(text)(handler, body)

    return lambda prompt, attempt: behave


def write_plan(path, server, *, candidates=6, writers=("w",), solvers=("s", "t"), attempts=2, extra=""):
    """A plan file for this server; returns its path."""
    lines = ['name = "sums"', f"candidates = {candidates}"]
    for kind, names in (("writers", writers), ("solvers", solvers)):
        for name in names:
            lines += [f"[{kind}.{name}]", f"url = {json.dumps(server.url)}", f'model = "model-{name}"']
            lines += ["max_tokens = 100", "concurrency = 2", "max_retries = 1"]
            lines += [f"attempts = {attempts}"] if kind == "solvers" else []
    path.write_text("\n".join([*lines, extra]) + "\n")
    return path
