"""`polymath evaluate`: a model is a directory, a hub id, a checkpoint of a run, `lab`, or the address of an endpoint.

settings.py    what is asked for, completed from the run of a checkpoint
policies.py    the model opened, and what is stored of it
record.py      rows and summary on disk
after.py       judge again, compare, plan, probe for leaks, export
"""

from polymath.evaluating.after import compare_with, export_suite, plan_suite, probe_leaks, rejudge
from polymath.evaluating.record import evaluate_checkpoints, evaluate_model
from polymath.evaluating.settings import Served, Settings

__all__ = [
    "Served",
    "Settings",
    "compare_with",
    "evaluate_checkpoints",
    "evaluate_model",
    "export_suite",
    "plan_suite",
    "probe_leaks",
    "rejudge",
]
