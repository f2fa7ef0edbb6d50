"""Where a contender waits for the next command, and what is measured of a step: seconds, memory, the gradient."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks import Setup, Task

PROJECTIONS = 16


class Gate:
    """Where a contender waits for the next command. Measures the steps between."""

    def __init__(self, setup: Setup, task: Task, check: Any) -> None:
        self.setup, self.task, self.check = setup, task, check
        # Whatever libraries print must not come between the answers.
        self.channel = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self.loaded = memory_now(setup.device)
        self.began = self.cpu_began = 0.0

    def wait(self) -> None:
        """Answer until a step is asked for."""
        while True:
            command = json.loads(sys.stdin.readline() or '{"do": "quit"}')
            if command["do"] == "quit":
                self.channel.close()
                os._exit(0)
            if command["do"] == "step":
                forget_peak(self.setup.device)
                self.began, self.cpu_began = time.perf_counter(), time.process_time()
                return
            self.say(describe_gradient(*self.check(command["token_ids"], command["advantages"])))

    def done(self, **measured: Any) -> None:
        """The step is over."""
        if self.setup.device != "cpu":
            import torch

            torch.cuda.synchronize()
        seconds, cpu_seconds = time.perf_counter() - self.began, time.process_time() - self.cpu_began
        memory = {"peak": peak_memory(self.setup.device), "loaded": self.loaded}
        self.say({"seconds": seconds, "cpu_seconds": cpu_seconds, **memory, **measured})

    def say(self, answer: dict[str, Any]) -> None:
        """One line."""
        self.channel.write(json.dumps(answer) + "\n")
        self.channel.flush()


def memory_now(device: str) -> int:
    """Resident bytes of the process, or bytes in use on the GPU."""
    if device != "cpu":
        import torch

        return int(torch.cuda.memory_allocated())
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def forget_peak(device: str) -> None:
    """Begin a new peak; where Linux does not allow it, the peak is that of the process."""
    if device != "cpu":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory(device: str) -> int:
    """The greatest number of resident bytes since `forget_peak`."""
    if device != "cpu":
        import torch

        return int(torch.cuda.max_memory_allocated())
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def describe_gradient(loss: float, gradients: Sequence[Any]) -> dict[str, Any]:
    """Loss, length of the gradient, and its products with random directions that all contenders draw alike."""
    import torch

    generator = torch.Generator().manual_seed(0)
    products = [0.0] * PROJECTIONS
    square = 0.0
    for gradient in gradients:
        flat = gradient.detach().double().cpu().flatten()
        square += float(flat @ flat)
        for number in range(PROJECTIONS):
            direction = torch.randint(0, 2, flat.shape, generator=generator, dtype=torch.int8)
            products[number] += float(flat @ (2.0 * direction.double() - 1))
    return {"loss": loss, "norm": square**0.5, "products": products}
