"""One seed a run; every stage and step gets a child of its own, named, so order never matters."""

from __future__ import annotations

import hashlib


def child_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed for the child of `seed` with these names, the same on every machine."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
