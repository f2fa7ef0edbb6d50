r"""JSON objects as language models write them: fenced, between prose, with LaTeX whose backslashes nobody escaped.

In: a reply. Out: the objects in it, in order. Tried in turn: the text as JSON with its LaTeX protected (`\times` would
be a tab and "imes"), without trailing commas, with straight quotes, as a Python literal, and closed where the last
brace is lacking. Nothing is executed.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

MAX_CHARACTERS = 100_000
MAX_STARTS = 200

_START = re.compile(r"\{(?=\s*[\"'“])")
_BACKSLASH = re.compile(r"\\(?:(?P<whole>[\\\"/]|u[0-9a-fA-F]{4})|(?P<word>[a-zA-Z]+))?")
# Commands whose first letters JSON reads as a line break, a return or a tab.
_AMBIGUOUS = re.compile(
    r"n(?:eq?|u|abla|eg|ot|otin|mid)|r(?:ho|ight\w*|m|angle|ceil|floor|ef)"
    r"|t(?:imes|ext\w*|heta|an|anh|au|o|frac|riangle\w*|op|ilde)"
)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_CLOSINGS = ("}", '"}', '"]}', "]}")


def find_objects(text: str) -> list[dict[str, Any]]:
    """The objects in a text, outermost ones, in order; a list of objects gives each of them."""
    text = text[:MAX_CHARACTERS]
    found: list[dict[str, Any]] = []
    end = 0
    for count, start in enumerate(_START.finditer(text)):
        if start.start() < end or count >= MAX_STARTS:
            continue
        stop = _closing_brace(text, start.start())
        value = read_object(text[start.start() : stop])
        if value is not None:
            found.append(value)
            end = stop or len(text)
    return found


def read_object(text: str) -> dict[str, Any] | None:
    """The object that this text is meant to be; None where it cannot be read as one."""
    for candidate in _mendings(text):
        try:
            value = json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None


def protect_latex(text: str) -> str:
    """The text with every backslash doubled that belongs to LaTeX and not to JSON."""

    def mend(found: re.Match[str]) -> str:
        word = found["word"]
        if found["whole"] is not None:
            return found[0]
        if word is None:
            return "\\\\"
        is_json = len(word) == 1 and word in "bfnrt"
        # A line break before a word looks like a command: \nThe. Only what is a command is taken for one.
        is_json |= word[0] in "nrt" and not _AMBIGUOUS.fullmatch(word)
        return found[0] if is_json else f"\\{found[0]}"

    return _BACKSLASH.sub(mend, text)


def _mendings(text: str) -> Iterator[str]:
    mended = protect_latex(text)
    yield mended
    mended = _TRAILING_COMMA.sub(r"\1", mended)
    yield mended
    yield _TRAILING_COMMA.sub(r"\1", mended.replace("“", '"').replace("”", '"'))
    for closing in _CLOSINGS:
        yield mended.rstrip().rstrip(",") + closing


def _closing_brace(text: str, start: int) -> int | None:
    """The place behind the brace that closes the one at `start`, braces in strings apart; None where it is lacking."""
    depth, is_inside, place = 0, False, start
    while place < len(text):
        character = text[place]
        if is_inside:
            if character == "\\":
                place += 1
            elif character == '"':
                is_inside = False
        elif character == '"':
            is_inside = True
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return place + 1
        place += 1
    return None
