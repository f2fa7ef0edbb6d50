"""`polymath audit`: one sample in, one page of findings out.

stage.py      which checks run, on what
draws.py      the model's draws and the solver's replies, on disk
asked.py      what the draws show
solver.py     what the replies show
learnable.py  the share of groups that will teach
overlap.py    benchmarks and the pool
page.py       the page, audit.json and what --json prints
"""

from polymath.auditing.page import audit_counts, audit_table, to_json, write_audit
from polymath.auditing.stage import Audit, AuditSettings, audit_samples, default_folder

__all__ = [
    "Audit",
    "AuditSettings",
    "audit_counts",
    "audit_samples",
    "audit_table",
    "default_folder",
    "to_json",
    "write_audit",
]
