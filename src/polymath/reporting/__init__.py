"""A run folder in, its result out: one self-contained page, a table for the terminal, a dict for programs.

Reads run folders only, through `polymath.runs.RunFolder`; needs no torch.
"""

from __future__ import annotations

from polymath.reporting.page import write_report
from polymath.reporting.tables import result_table, summarize_run

__all__ = ["result_table", "summarize_run", "write_report"]
