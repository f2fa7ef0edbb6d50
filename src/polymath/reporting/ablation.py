"""A finished grid in, its result out: a table for people, a dict for programs, a record that ships with the lab.

Rows are what `recording.py` reads from run folders, the figures and intervals those of every record of arms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from polymath.evaluation.statistics import Interval
from polymath.grids import settings_of
from polymath.reporting import recording
from polymath.reporting.wording import NOTHING, direction, number, percent, points
from polymath.runs import RunFolder

STYLE_OF_DIRECTION = {"gain": "green", "loss": "red", "null": ""}


def record_ablation(run: RunFolder, *, commands: Sequence[str], title: str) -> recording.Record:
    """A record of a recipe's arms as a grid: that of `record_arms`, with the grid's name and what each arm sets."""
    recipe = run.read_recipe()
    record = recording.record_arms(run, commands=commands, title=title)
    settings = {arm: _as_texts(values) for arm, values in settings_of(recipe).items()}
    return {**record, "experiment": "ablation", "grid": recipe.name, "settings": settings}


def summarize_ablation(run: RunFolder) -> dict[str, Any]:
    """What `polymath ablate --json` prints. Fractions; reward is the mean of the last five steps.

    Raises RunFolderError until the run and every part of it are complete.
    """
    recipe, compared = run.read_recipe(), recording._compare_arms(run)
    settings = settings_of(recipe)
    return {
        "run": str(run.path),
        "report": str(run.report_path),
        "suite": recipe.evaluate.suite,
        "protocol": recipe.evaluate.protocol,
        "seeds": compared["seeds"],
        "varied": list(next(iter(settings.values()))),
        "base": {name: compared["base"][name] for name in ("strict", "lenient")},
        "arms": [_summarize(arm, settings[arm["name"]]) for arm in compared["arms"]],
    }


def ablation_table(run: RunFolder) -> RenderableType:
    """Every combination with its gain over the base, strict and lenient; what each sets; what the intervals cover."""
    told = summarize_ablation(run)
    title = f"{run.read_recipe().name} on {told['suite']}, {told['protocol']}"
    gains = Table(box=SIMPLE_HEAD, title=Text(title), padding=(0, 1))
    gains.add_column("arm", overflow="fold")
    for heading in ("strict", "over base", "lenient", "over base", "reward"):
        gains.add_column(heading, justify="right")
    gains.add_row("base", percent(told["base"]["strict"]), "", percent(told["base"]["lenient"]), "", "")
    settings = Table(box=SIMPLE_HEAD, padding=(0, 1))
    settings.add_column("arm", overflow="fold")
    for heading in (*told["varied"], "against trained", f"strict, seed {', '.join(map(str, told['seeds']))}"):
        settings.add_column(Text(heading), justify="right", overflow="fold")
    for arm in told["arms"]:
        gains.add_row(*_gain_cells(arm))
        settings.add_row(*_setting_cells(arm))
    note = tell_intervals(len(told["arms"]), len(told["seeds"]))
    return Group(gains, settings, Text(note, style="dim"))


def tell_intervals(num_arms: int, num_seeds: int) -> str:
    """What the intervals of such a table cover, and what they do not."""
    covered = (
        "In brackets 95% intervals of a two-level bootstrap over seeds and problems."
        if num_seeds > 1
        else "In brackets 95% intervals over problems; one training seed, and another can land elsewhere."
    )
    among = f"Each is of its arm alone: of {num_arms} arms about {num_arms * 0.05:.1f} leave zero out by chance."
    return f"{covered} {among} Against trained: the arm minus the recipe as it stands."


def _summarize(arm: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    margin, rewards = arm["margin"], arm["reward"]
    against = margin and {"mean": 0.0 - margin["mean"], "low": 0.0 - margin["high"], "high": 0.0 - margin["low"]}
    return {
        "name": arm["name"],
        "settings": dict(settings),
        "strict": arm["strict_interval"]["mean"],
        "strict_by_seed": arm["strict"],
        "strict_gain": arm["strict_gain"],
        "lenient": arm["lenient_interval"]["mean"],
        "lenient_gain": arm["lenient_gain"],
        "reward": None if rewards is None else sum(rewards) / len(rewards),
        "against_trained": against,
    }


def _gain_cells(arm: Mapping[str, Any]) -> list[Text]:
    return [
        Text(arm["name"]),
        Text(percent(arm["strict"])),
        _gain(arm["strict_gain"]),
        Text(percent(arm["lenient"])),
        _gain(arm["lenient_gain"]),
        Text(NOTHING if arm["reward"] is None else number(arm["reward"])),
    ]


def _setting_cells(arm: Mapping[str, Any]) -> list[Text]:
    against = arm["against_trained"]
    return [
        Text(arm["name"]),
        *map(Text, _as_texts(arm["settings"]).values()),
        _gain(against) if against else Text(NOTHING),
        Text(" ".join(f"{100 * value:.1f}" for value in arm["strict_by_seed"])),
    ]


def _gain(ends: Mapping[str, float]) -> Text:
    interval = Interval(**ends)
    text = f"{points(interval.mean)} [{points(interval.low)}, {points(interval.high)}]"
    return Text(text, style=STYLE_OF_DIRECTION[direction(interval)])


def _as_texts(settings: Mapping[str, Any]) -> dict[str, str]:
    return {key: NOTHING if value is None else str(value) for key, value in settings.items()}
