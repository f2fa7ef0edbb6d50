"""Who goes on, who is dropped, who won: pieces handed to an executor until the folders say that it is over.

What to run next is a function of the folders (selection/halving.py), so this driver remembers nothing that matters:
killed and started again it goes on where the disk says.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from polymath.errors import RunFolderError, Stopped, UserError
from polymath.reporting.compare import Difference, compare
from polymath.reporting.tournament import write_page
from polymath.reporting.wording import points, span
from polymath.runs import RunFolder, read_lines, write_lines, write_text
from polymath.selecting.executors import Executor
from polymath.selecting.ledger import read_ledger
from polymath.selecting.ties import tell_ties
from polymath.selecting.tournaments import Settings, read_tournament, write_tournament
from polymath.selecting.trials import (
    OK,
    USER_ERROR,
    Ended,
    Piece,
    base_folder,
    read_failure,
    sample_path,
    trial_path,
    write_failure,
)
from polymath.selection.halving import Trial, list_rungs, next_runs, plan_rungs, rank_trials, winner_of
from polymath.training.stopping import StopRequest, listening_for_stop

# A worker that dies so often at the very same place will go on doing so.
MOST_DEATHS = 3
RANKING, WINNER, PAGE = "ranking.jsonl", "winner.json", "tournament.html"


def run_tournament(folder: Path, executor: Executor) -> dict[str, Any]:
    """Run what is left of a tournament, and write ranking, winner and page. Returns what --json prints.

    Raises Stopped after a polite stop, RunFolderError when another driver has the folder or a worker cannot go on.
    """
    settings, earlier_s = read_tournament(folder)
    driver = _Driver(folder, settings, earlier_s)
    with RunFolder(folder).locked(), listening_for_stop() as stop, executor:
        try:
            driver.write(status="running")
            driver.evaluate_base(executor, stop)
            while pieces := driver.next_pieces():
                driver.do(pieces, executor, stop)
        except UserError:
            driver.write(status="failed")
            raise
        except (Stopped, KeyboardInterrupt):
            driver.write(status="interrupted")
            raise Stopped(f"stopped, all saved; continue with: polymath tournament --resume --out {folder}") from None
        return driver.write(status="complete")


class _Driver:
    """One process's view of a tournament: the folder, and what need not be read from it twice."""

    def __init__(self, folder: Path, settings: Settings, earlier_s: float) -> None:
        self.folder, self.settings, self.recipe = folder, settings, settings.recipe
        self._began = time.monotonic() - earlier_s
        self._differences: dict[tuple[str, int], Difference] = {}
        self._margins: dict[tuple[str, str, int], dict[str, Any]] = {}
        self._deaths: dict[tuple[str, object], int] = {}
        self._told: set[int] = set()

    def evaluate_base(self, executor: Executor, stop: StopRequest) -> None:
        """Evaluate the base, once."""
        while not self._is_evaluated(base_folder(self.folder), 0):
            self.do([self._piece(None, 0)], executor, stop)

    def next_pieces(self) -> list[Piece]:
        """What can be done now; nothing when it is over."""
        trials = self.read_trials()
        for rung in list_rungs(trials, self.settings.rules):
            if rung.going_on and rung.budget not in self._told:
                self._told.add(rung.budget)
                out = [name for name in rung.entered if name not in rung.going_on]
                print(f"step {rung.budget}: on {', '.join(rung.going_on)}; out {', '.join(out)}", file=sys.stderr)
        return [self._piece(name, budget) for name, budget in next_runs(trials, self.settings.rules)]

    def do(self, pieces: Sequence[Piece], executor: Executor, stop: StopRequest) -> None:
        """Have pieces done, and say what came of each. One that dies is asked for again by the caller."""
        for ended in executor.run(pieces, stop):
            if ended.code == USER_ERROR:
                raise RunFolderError(ended.piece.name, ended.line, "mend that, then continue with --resume")
            if ended.code != OK and not stop.is_asked:
                self._count_death(ended)
            print(f"{ended.piece.name}: {self._tell(ended)}", file=sys.stderr)
            self.write(status="running")
        if stop.is_asked:
            raise Stopped("stopped")

    def read_trials(self) -> list[Trial]:
        """Every candidate with its scores, from the folders."""
        return [
            Trial(
                name=name,
                scores={step: found.strict.mean for step, found in self._scores(name).items()},
                failure=read_failure(self.folder, name),
            )
            for name in self.settings.names
        ]

    def write(self, *, status: str) -> dict[str, Any]:
        """Settings with the ledger, ranking, winner and page, as far as they are known; returns what --json prints."""
        trials, rules = self.read_trials(), self.settings.rules
        winner = winner_of(trials, rules)
        tie = tell_ties(trials, rules) if winner is not None else None
        ranking = self._ranking(trials, winner)
        ledger = read_ledger(self.folder, self.settings.names, self.recipe)
        write_tournament(
            self.folder, self.settings, status=status, wall_s=self._seconds(), ledger=ledger, winner=winner, tie=tie
        )
        write_lines(self.folder / RANKING, ranking)
        if winner is not None:
            write_text(self.folder / WINNER, sample_path(self.folder, winner).read_text(encoding="utf-8"))
        if status != "running":
            write_page(self.folder)
        shown = self.folder / WINNER
        return {
            "tournament": str(self.folder),
            "page": str(self.folder / PAGE),
            "winner": {"name": winner, "sample": str(shown)} if winner is not None else None,
            "tie": tie,
            "ranking": ranking,
            "ledger": {**ledger, "wall_s": self._seconds()},
        }

    def _ranking(self, trials: Sequence[Trial], winner: str | None) -> list[dict[str, Any]]:
        entry_of = {entry.name: entry for entry in self.settings.candidates}
        return [
            {
                **asdict(place),
                "id": entry_of[place.name].id,
                "index": entry_of[place.name].index,
                "rungs": [
                    {
                        "step": step,
                        "difference": vars(found.strict),
                        "lenient_difference": vars(found.lenient),
                        "p_value": found.p_value,
                        "num_problems": found.num_problems,
                    }
                    for step, found in self._scores(place.name).items()
                ],
                "behind": self._behind(place.name, winner),
            }
            for place in rank_trials(trials, self.settings.rules)
        ]

    def _scores(self, name: str) -> dict[int, Difference]:
        """Rung to the difference to the base there, for every rung that is evaluated."""
        run = RunFolder(trial_path(self.folder, name))
        for step in self.settings.rungs:
            if (name, step) not in self._differences and self._is_evaluated(run, step):
                found = compare(self._rows(base_folder(self.folder), 0), self._rows(run, step))
                assert found is not None, "base and trial answer the same problems"
                self._differences[name, step] = found
        known = self._differences
        return {step: known[name, step] for step in self.settings.rungs if (name, step) in known}

    def _behind(self, name: str, winner: str | None) -> dict[str, Any] | None:
        """The winner minus this candidate over the same problems, at the last rung where both have a score."""
        step = max(self._scores(name), default=None)
        if winner is None or name == winner or step is None:
            return None
        if (name, winner, step) not in self._margins:
            rows = (self._rows(RunFolder(trial_path(self.folder, one)), step) for one in (name, winner))
            found = compare(*rows)
            assert found is not None, "all trials answer the same problems"
            self._margins[name, winner, step] = {"step": step, **vars(found.strict), "p_value": found.p_value}
        return self._margins[name, winner, step]

    def _rows(self, run: RunFolder, step: int) -> list[dict[str, Any]]:
        return read_lines(run.evaluation_paths(step, self.recipe.evaluate.suite, self.recipe.evaluate.protocol)[0])

    def _is_evaluated(self, run: RunFolder, step: int) -> bool:
        return run.evaluation_paths(step, self.recipe.evaluate.suite, self.recipe.evaluate.protocol)[1].exists()

    def _piece(self, trial: str | None, budget: int) -> Piece:
        folder, directory = str(self.folder.resolve()), self.settings.directory
        return Piece(folder=folder, directory=directory, trial=trial, budget=budget)

    def _count_death(self, ended: Ended) -> None:
        """A trial whose worker dies again and again without getting further is out; the base cannot be."""
        name = ended.piece.trial
        run = RunFolder(trial_path(self.folder, name)) if name else base_folder(self.folder)
        partial = sum(path.stat().st_size for path in run.path.glob("evaluations/*/*.partial.jsonl"))
        here = (ended.piece.name, (len(run.read_metrics()), partial))
        self._deaths[here] = self._deaths.get(here, 0) + 1
        if self._deaths[here] < MOST_DEATHS:
            return
        reason = f"died {MOST_DEATHS} times without getting further: {ended.line}"
        if name is None:
            raise RunFolderError(run.path, reason, "see log.txt there, then continue with --resume")
        write_failure(self.folder, name, reason)

    def _tell(self, ended: Ended) -> str:
        name, step = ended.piece.trial, ended.piece.budget
        if name is None:
            return "evaluated" if ended.code == OK else ended.line
        failure = read_failure(self.folder, name)
        if failure is not None:
            return f"{failure}; it is out"
        found = self._scores(name).get(step)
        if found is None:
            return f"{ended.line or 'not finished'}; it goes on from what is on disk"
        total = sum(plan_rungs(len(self.settings.candidates), self.settings.rules))
        number = len(self._differences)
        return f"step {step}: {points(found.strict.mean)} points ({span(found.strict)}), {number} of {total}"

    def _seconds(self) -> float:
        return time.monotonic() - self._began
