"""verl as an engine: recipe and samples in, verl's own files out; its metrics and checkpoints back in the run folder.

    refusals.py    what a recipe may ask for that verl does not do
    overrides.py   every other key as a Hydra override, a list or a shell script
    dataset.py     samples to verl's parquet
    reward.py      the file that verl loads: our judge, one response at a time
    source.py      our source laid where verl's workers find it
    environment.py a Python that has verl: asked for its version, made by `polymath engine install`
    validate.py    what verl itself says to all of this; inside.py is the part that runs in its environment
    metrics.py     verl's numbers under our names, and its rollouts judged
    process.py     the trainer as a child process: started, read, stopped
    launch.py      the engine

verl is never imported here: it wants other versions of our libraries, so it lives in an environment of its own.
Written for verl 0.9 (github.com/verl-project/verl), whose settings move from one version to the next.
"""
