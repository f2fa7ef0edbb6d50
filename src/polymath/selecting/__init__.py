"""polymath probe, select, tournament and bench: a pool in; a probe, a ranking, chosen samples on disk out."""
