"""2,048 responses scored by the workers of a Ray cluster, one of which is killed at work.

    ray_driver.py ADDRESS HOOK FOLDER

Each task loads the reward file by its path and scores a batch in threads, as verl's reward workers do. Prints one JSON
object: the scores in order, who worked where, which batches were begun more than once.
"""

import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import ray

NUM, BATCH = 2048, 32


def pair(number):
    """A text and its answer: every third is right; half are numbers, half algebra, none by the clock's leave."""
    said = number if number % 3 == 0 else number + 1
    if number % 2 == 0:
        return f"\\boxed{{x + {said + 1}x}}", f"{number + 2}x"
    return f"\\boxed{{{said}}}", str(number)


def score(hook, batch, folder):
    """Scores of a batch; the line in the folder says who began it."""
    import concurrent.futures
    import importlib.util

    with (Path(folder) / f"begun-{os.getpid()}").open("a") as file:
        file.write(f"{batch}\n")
    spec = importlib.util.spec_from_file_location("custom_module", hook)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        numbers = range(batch * BATCH, (batch + 1) * BATCH)
        found = list(pool.map(lambda one: module.compute_score("polymath", one[0], one[1]), map(pair, numbers)))
    time.sleep(0.2)
    return batch, ray.get_runtime_context().get_node_id(), found


def main(address, hook, folder):
    ray.init(address=address, logging_level="ERROR", log_to_driver=False)
    task = ray.remote(num_cpus=1, max_retries=5, scheduling_strategy="SPREAD")(score)
    waiting = [task.remote(hook, batch, folder) for batch in range(NUM // BATCH)]
    done, killed = [], None
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1)
        done += ray.get(ready)
        if killed is None and len(done) >= 8:
            killed = kill_one_at_work(Path(folder), {batch for batch, _, _ in done})
    begun = Counter(line for path in Path(folder).glob("begun-*") for line in path.read_text().split())
    found = [one for _, _, scores in sorted(done, key=lambda entry: entry[0]) for one in scores]
    repeated = sorted(int(batch) for batch, count in begun.items() if count > 1)
    print(
        json.dumps(
            {
                "scores": [one["score"] for one in found],
                "undecided": sum(one["undecided"] for one in found),
                "nodes": len({node for _, node, _ in done}),
                "killed": killed,
                "repeated": repeated,
            }
        )
    )


def kill_one_at_work(folder, finished):
    """Kill a worker that has begun a batch and not ended it; None where all are between batches."""
    for path in folder.glob("begun-*"):
        last = int(path.read_text().split()[-1])
        if last not in finished:
            process = int(path.name.removeprefix("begun-"))
            os.kill(process, signal.SIGKILL)
            return process
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
