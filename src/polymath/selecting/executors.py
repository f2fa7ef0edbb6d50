"""Who does the pieces of a tournament: worker processes of this machine, or tasks of a Ray cluster.

Pieces in, their ends out, in the order in which they end. Neither keeps anything: what a piece did is in the run
folders, so a worker that dies is answered with a negative code, and the driver asks again. Every worker computes with
one thread, so that the results are the same bits whoever does them.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Protocol, Self

from polymath.errors import RecipeError
from polymath.selecting.trials import Ended, Piece, do_piece
from polymath.training.stopping import StopRequest

_POLL_S, _CONNECT_S = 0.2, 5.0
_DIED = -int(signal.SIGKILL)
# Ray gives a piece to another node this often when its worker or its node is lost, before the driver hears of it.
RAY_RETRIES = 3


class Executor(AbstractContextManager["Executor"], Protocol):
    """Does pieces. Used as a context manager; leaving it ends the workers."""

    def run(self, pieces: Sequence[Piece], stop: StopRequest) -> Iterator[Ended]:
        """The ends of these pieces. After a polite stop no piece is begun, and those that run save and end."""
        ...


class LocalProcesses:
    """`num_jobs` worker processes with a thread each. They live on from piece to piece: torch is imported once."""

    def __init__(self, num_jobs: int, log: Path) -> None:
        self.num_jobs, self.log = num_jobs, log
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._workers = [_Worker(log) for _ in range(num_jobs)]
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end()

    def run(self, pieces: Sequence[Piece], stop: StopRequest) -> Iterator[Ended]:
        """See Executor."""
        with ThreadPoolExecutor(self.num_jobs) as threads:
            running: set[Future[Ended]] = {threads.submit(self._do, piece) for piece in pieces}
            is_told = False
            try:
                while running:
                    done, running = wait(running, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
                    if stop.is_asked and not is_told:
                        is_told = True
                        running = {future for future in running if not future.cancel()}
                        for worker in self._workers:
                            worker.ask_to_stop()
            except BaseException:
                for future in running:
                    future.cancel()
                for worker in self._workers:  # else the threads would wait for them
                    worker.end()
                raise

    def _do(self, piece: Piece) -> Ended:
        worker = self._idle.get()
        try:
            return worker.do(piece)
        finally:
            self._idle.put(worker)


class _Worker:
    """One worker process, started when it is needed, and again when it has died."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._process: subprocess.Popen[str] | None = None

    def do(self, piece: Piece) -> Ended:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(asdict(piece)) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        if not answer.endswith("\n"):
            code = process.wait()
            return Ended(piece=piece, code=code or _DIED, line=f"its worker process ended ({_tell_code(code)})")
        return Ended(**{**json.loads(answer), "piece": piece})

    def ask_to_stop(self) -> None:
        """SIGTERM: after the step, or at once where it does not train."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def end(self) -> None:
        """At once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def _start(self) -> subprocess.Popen[str]:
        with self.log.open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "polymath.selecting.trials"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
                # Ctrl-C reaches the driver alone, which asks each worker to stop, once.
                start_new_session=True,
            )


def _tell_code(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


class RayTasks:
    """A Ray task a piece, on the cluster at `address`; without one, on a Ray of its own on this machine.

    Every node needs this package and the tournament's folder under the same path. A piece takes one processor, and one
    GPU where the recipe's device is cuda. At most `num_jobs` run at once (None: as many as the cluster has room for).
    """

    def __init__(self, address: str | None, num_jobs: int | None, *, num_gpus: int = 0) -> None:
        self.ray = _import_ray()
        self.address, self.num_jobs, self.num_gpus = address, num_jobs, num_gpus
        # Ray tells of lost nodes on stdout, which belongs to the result.
        self._stdout = redirect_stdout(sys.stderr)

    def __enter__(self) -> Self:
        _check_reachable(self.address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own = {} if self.address else {"num_cpus": self.num_jobs or 1, "include_dashboard": False}
        try:
            self.ray.init(address=self.address or "local", logging_level="ERROR", log_to_driver=False, **own)
        except (OSError, ValueError, RuntimeError, self.ray.exceptions.RayError) as error:
            where = f"--ray-address {self.address}"
            reason = (str(error).strip() or type(error).__name__).split("\n")[0]
            raise RecipeError(
                where, f"no Ray cluster answers ({reason})", "start one with: ray start --head"
            ) from error
        self._stdout.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ray.shutdown()
        self._stdout.__exit__(kind, error, trace)

    def run(self, pieces: Sequence[Piece], stop: StopRequest) -> Iterator[Ended]:
        """See Executor."""
        task = self.ray.remote(num_cpus=1, num_gpus=self.num_gpus, max_retries=RAY_RETRIES)(do_piece)
        waiting, running = list(pieces), dict[Any, Piece]()
        is_told = False
        while running or (waiting and not stop.is_asked):
            while waiting and not stop.is_asked and len(running) < (self.num_jobs or len(pieces)):
                piece = waiting.pop(0)
                running[task.remote(piece)] = piece
            done, _ = self.ray.wait(list(running), num_returns=1, timeout=_POLL_S)
            for reference in done:
                yield self._end_of(reference, running.pop(reference))
            if stop.is_asked and not is_told:
                is_told = True
                for reference in running:  # a KeyboardInterrupt there, which a trial takes as a polite request
                    self.ray.cancel(reference, force=False)

    def _end_of(self, reference: Any, piece: Piece) -> Ended:
        try:
            ended: Ended = self.ray.get(reference)
            return ended
        except self.ray.exceptions.RayError as error:
            reason = (str(error).strip() or type(error).__name__).split("\n")[0]
            return Ended(piece=piece, code=_DIED, line=f"its Ray task was lost ({reason})")


def _check_reachable(address: str | None) -> None:
    """Raise RecipeError where nothing listens at HOST:PORT: Ray itself would go on trying for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if not colon or not port.isdecimal() or "/" in host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise RecipeError(
            f"--ray-address {address}", f"no Ray cluster answers ({error})", "start one with: ray start --head"
        ) from error


def _import_ray() -> Any:
    try:
        return importlib.import_module("ray")  # optional, so a type checker need not find it
    except ImportError as error:
        raise RecipeError(
            "--executor ray", "needs Ray, which is not installed", "pip install 'polymath-learning[ray]'"
        ) from error


def _open_local(folder: Path, num_jobs: int | None, address: str | None, num_gpus: int) -> Executor:
    if address is not None:
        raise RecipeError("--ray-address", "is for --executor ray", "leave it out, or add --executor ray")
    return LocalProcesses(num_jobs or 1, folder / "workers.log")


def _open_ray(folder: Path, num_jobs: int | None, address: str | None, num_gpus: int) -> Executor:
    return RayTasks(address, num_jobs, num_gpus=num_gpus)


EXECUTORS: dict[str, Callable[[Path, int | None, str | None, int], Executor]] = {
    "local": _open_local,
    "ray": _open_ray,
}
