"""The second seam: recipe and samples in, run folder out."""

from polymath.engines import local, sft

ENGINES = {"local": local.train, "sft": sft.train}
