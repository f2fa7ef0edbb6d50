"""A job: a recipe with everything it names loaded, and what is done with it in its run folder.

Everything that can be wrong with the input is found by `prepare`, before the run folder is made.

job.py        the noun
loading.py    a policy, and the test of a run
samplers.py   the engine that speaks for a policy that is trained
preparing.py  recipe -> job
stages.py     begin, test, train, test
sharing.py    results that another run need not compute again
processes.py  several runs at once, each in a process of its own
status.py     what run.json says of how it goes
"""

from __future__ import annotations

from polymath.jobs.job import Chosen, Job
from polymath.jobs.loading import load_policy, load_trainable
from polymath.jobs.preparing import edit_labels, prepare
from polymath.jobs.processes import LOG, finish_in_processes
from polymath.jobs.sharing import copy_base_evaluation, share_base_evaluation, share_records
from polymath.jobs.stages import before_and_after, begin, measures_kl, record_base, reference_of, train_job
from polymath.jobs.status import keeping_status

__all__ = [
    "LOG",
    "Chosen",
    "Job",
    "before_and_after",
    "begin",
    "copy_base_evaluation",
    "edit_labels",
    "finish_in_processes",
    "keeping_status",
    "load_policy",
    "load_trainable",
    "measures_kl",
    "prepare",
    "record_base",
    "reference_of",
    "share_base_evaluation",
    "share_records",
    "train_job",
]
