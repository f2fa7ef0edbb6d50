"""`python -m polymath` is `polymath`."""

from polymath.cli import main

main()
