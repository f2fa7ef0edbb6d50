"""The commands as functions; torch is imported when a function needs it.

runs.py     run, train, evaluate
ablate.py   a recipe over a grid of its keys
doctor.py   doctor
samples.py  select, probe, tournament, audit, synthesize, skills
lab.py      the lab's model, random samples and records
"""

from polymath.api.ablate import ablate
from polymath.api.doctor import doctor
from polymath.api.lab import confirm_records, draw_lab_samples, measure_base, pretrain_lab, record_lab
from polymath.api.runs import RecipeLike, evaluate, run, train
from polymath.api.samples import audit, probe, select, skills, synthesize, tournament

__all__ = [
    "RecipeLike",
    "ablate",
    "audit",
    "confirm_records",
    "doctor",
    "draw_lab_samples",
    "evaluate",
    "measure_base",
    "pretrain_lab",
    "probe",
    "record_lab",
    "run",
    "select",
    "skills",
    "synthesize",
    "tournament",
    "train",
]
