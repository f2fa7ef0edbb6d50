"""An order as a package of Prime's verifiers, which prime-rl trains on: a taskset of the samples, judged by our judge.

Written for verifiers 0.4 (`verifiers.v1`). A taskset refuses two tasks with one key, so every sample stands once; how
often it is drawn is the trainer's business, as are all settings of training.
"""

from __future__ import annotations

from polymath.exporting.order import Order
from polymath.exporting.pages import ROWS, facts, fill, to_lines


def verifiers_files(order: Order) -> dict[str, str]:
    """Texts by path in the folder."""
    package = f"polymath_{order.name}"
    rows = order.rows()[: len(order.samples)]
    distinct = list({row["sample"]: row for row in rows}.values())
    known = facts(order) | {"package": package, "project": package.replace("_", "-")}
    known["num_rows"] = len(distinct)
    return {
        "pyproject.toml": fill("verifiers_pyproject.toml.j2", **known),
        f"{package}/__init__.py": fill("verifiers_init.py.j2", **known),
        f"{package}/taskset.py": fill("verifiers_taskset.py.j2", **known),
        f"{package}/{ROWS}": to_lines(distinct),
        "run.sh": fill("verifiers_run.sh.j2", **known),
        "README.md": fill("verifiers_readme.md.j2", **known),
    }
