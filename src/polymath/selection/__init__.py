"""Which sample of a pool to train on: histories and probes in, rankings out."""
