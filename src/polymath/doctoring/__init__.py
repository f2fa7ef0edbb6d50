"""Before the first step: does a run fit, will it learn, what will it cost?

shape.py     a model, or a config.json alone -> the numbers that memory depends on
memory.py    those numbers and a recipe -> bytes by phase and part, and the micro-batch that fits
machine.py   how much memory there is
traps.py     a recipe -> settings that are known to waste a run
probe.py     a few groups, drawn, judged and learnt from: pass rate, learnable fraction, seconds
examine.py   all of it, as findings

On many devices, by arithmetic alone:

devices.py     names of accelerators -> their data sheets
decoders.py    the figures of a config -> a shape, in closed form
scale.py       shape + load + devices -> memory, seconds, bytes moved; a tournament
at_scale.py    a recipe -> the same, for polymath doctor --devices
scale_page.py  docs/scale.md
"""
