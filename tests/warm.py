"""The command without the seconds that torch takes to import: each call is a fork of one process that has it.

In: a JSON object a line on standard input, {"arguments", "cwd", "environment", "stdout", "stderr", "timeout_s"}, both
outputs as paths. Out: the exit code of each call, a line. A fork has its own memory, working directory, environment and
file descriptors, so that a call meets nothing of the calls before it but what they left on disk. What it does not meet
is a fresh start: noise or errors of imports, and another order of hashes.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path

# What most commands import sooner or later.
IMPORTED = (
    "matplotlib.figure",
    "transformers.models.llama.modeling_llama",
    "polymath.cli",
    "polymath.engines.local",
    "polymath.evaluating",
    "polymath.reporting",
    "polymath.rollouts.local",
)


class WarmCommand:
    """A process that waits for calls of the command."""

    def __init__(self, environment):
        self.process = subprocess.Popen(
            # -P: what stands beside this file is not for commands to import.
            [sys.executable, "-P", __file__],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, arguments, *, cwd, environment, timeout_s):
        """As subprocess.run with captured text."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("stdout", "stderr")]
            call = {"arguments": arguments, "cwd": str(cwd or Path.cwd()), "environment": environment}
            call |= {"stdout": str(paths[0]), "stderr": str(paths[1]), "timeout_s": timeout_s}
            self.process.stdin.write(json.dumps(call) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
            assert answer, "the process that calls are forked from has ended"
            code = int(answer)
            stdout, stderr = (path.read_text() for path in paths)
        if code == -signal.SIGALRM:
            raise subprocess.TimeoutExpired(arguments, timeout_s, stdout, stderr)
        return subprocess.CompletedProcess(arguments, code, stdout, stderr)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def serve():
    answers = os.fdopen(os.dup(1), "w")
    for name in IMPORTED:
        import_module(name)
    compile_renamings()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            carry_out(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)


def compile_renamings():
    """The thousand patterns that transformers compiles before the first model is loaded, in the versions that do."""
    with suppress(ImportError):
        from transformers.conversion_mapping import get_checkpoint_conversion_mapping

        get_checkpoint_conversion_mapping("llama")


def carry_out(call):
    """Become the command; never returns."""
    signal.alarm(call["timeout_s"])
    os.chdir(call["cwd"])
    os.environ.clear()
    os.environ.update(call["environment"])
    for number, path in ((0, os.devnull), (1, call["stdout"]), (2, call["stderr"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = call["arguments"]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    code = 1
    try:
        from polymath.cli import main

        main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        # Without the exit handlers of the process that this one is a copy of.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
