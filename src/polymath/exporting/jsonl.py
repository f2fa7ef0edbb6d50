"""An order as plain rows, for a trainer of one's own: rows.jsonl, and a reward function to import beside it."""

from __future__ import annotations

from polymath.exporting.order import Order
from polymath.exporting.pages import ROWS, facts, fill, to_lines


def jsonl_files(order: Order) -> dict[str, str]:
    """Texts by file name."""
    known = facts(order)
    return {
        ROWS: to_lines(order.rows()),
        "reward.py": fill("jsonl_reward.py.j2", **known),
        "README.md": fill("jsonl_readme.md.j2", **known),
    }
