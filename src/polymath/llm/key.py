"""The key of an endpoint: read from the environment when it is used, blotted out of whatever comes back."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from polymath.errors import EndpointError
from polymath.llm.nouns import Endpoint

BLOT = "[key]"
# Servers without keys are called with "x" or "EMPTY"; blotting these out would change what models say.
MIN_SECRET = 8
_CONVENTIONAL = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


@dataclass(frozen=True)
class Key:
    """A key that does not show itself. An empty one sends no header."""

    value: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        """The header that carries the key."""
        return {"Authorization": f"Bearer {self.value}"} if self.value else {}

    def blot(self, text: str) -> str:
        """The text without the key."""
        return text.replace(self.value, BLOT) if len(self.value) >= MIN_SECRET else text


def read_key(endpoint: Endpoint) -> Key:
    """The key in the environment variable that the endpoint names; raises EndpointError where it is not set.

    The error names the variable only if it looks like one, because people put the key itself in its place.
    """
    name = endpoint.key_env
    if name is None:
        return Key("")
    shown = name if _CONVENTIONAL.fullmatch(name) else "the environment variable of the key"
    value = os.environ.get(name, "").strip() if "=" not in name and "\0" not in name else ""
    if not value:
        raise EndpointError(
            shown, "is not set or empty", "give the name of the variable that holds the key, and set it"
        )
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise EndpointError(shown, "holds characters that no key has", "copy the key again, without spaces or breaks")
    return Key(value)
