"""The second seam: recipe and samples in, run folder out."""

from polymath.engines import local, sft
from polymath.engines.verl import launch

ENGINES = {"local": local.train, "sft": sft.train, "verl": launch.train}
