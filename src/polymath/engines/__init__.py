"""The second seam: recipe and samples in, run folder out."""

from polymath.engines.local import train

ENGINES = {"local": train}
