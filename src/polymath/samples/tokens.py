"""Prose or LaTeX with numbers in, its tokens out; nothing is judged here and nothing executed.

Numbers are read as they are written: 1,234, 0.5, 6.626e-34, 6.6 x 10^-34. Signs of Unicode and LaTeX become one
spelling. "which is" reads as an equals sign, "the cube root of" as a function.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

_CHARACTERS = str.maketrans(
    {
        "−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "∙": "*", "÷": "/", "∕": "/", "⁄": "/", "π": " pi ",
        "√": " sqrt ", "≈": "~", "≃": "~", "≅": "~", "⌈": " ceil(", "⌉": ")", "⌊": " floor(", "⌋": ")", "½": "(1/2)",
        "\u00a0": " ", "\u202f": " ", "\u2009": " ", "≤": "|", "≥": "|", "≠": "|", "→": "|", "⇒": "|",
    }
)  # fmt: skip
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_AS_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_COMMANDS = {
    "times": "*", "cdot": "*", "div": "/", "approx": "~", "simeq": "~", "pi": " pi ", "lceil": " ceil(", "rceil": ")",
    "lfloor": " floor(", "rfloor": ")", "le": "|", "leq": "|", "ge": "|", "geq": "|", "ne": "|", "neq": "|", "lt": "|",
    "gt": "|", "implies": "|", "Rightarrow": "|", "to": "|", "rightarrow": "|", "left": "", "right": "", "quad": " ",
    "bmod": " mod ", "mod": " mod ",
}  # fmt: skip
# Words that commands write and that mean what they say; every other command is a name.
_NAMED = frozenset(("sqrt", "sin", "cos", "tan", "ln", "exp", "log", "arcsin", "arccos", "arctan", "gcd"))
_MIXED = re.compile(r"(?<![\w.])(\d+)\s*\\[dtc]?frac\s*\{?(\d+)\}?\s*\{?(\d+)\}?")
NAME = "q"  # any variable: one letter, which nobody takes for a unit
_ROOTS = {"cube": " cbrt ", "square": " sqrt "}
_WHICH_IS = re.compile(r",? which (?:is|are)\b(?: (?:about|approximately|roughly|nearly)\b)?")
WHICH_IS = "~="  # "which" may stand for something else than the expression before it
_TOKEN = re.compile(
    r"""(?P<number>(?:(?<![\d,])\d{1,3}(?:,\d{3})+(?!,?\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<![\w)])\.\d+)
        (?:[eE][-+]?\d+(?![\w.]) | \s*\*\s*10\s*\^\s*(?:\(\s*[-+]?\d+\s*\)|[-+]?\d+))?)
    | (?P<word>[^\W\d_]+(?:['_][^\W\d_]+)*\d*) | (?P<relation>(?<![<>!=:])=(?!=)|~=?) | (?P<operator>\*\*|[-+*/^!%()])
    | (?P<comma>,) | (?P<space>\s+) | (?P<bar>.)""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of the text; `kind` is number, word, operator, relation, comma, or bar, which ends what it stands in."""

    kind: str
    text: str
    is_glued: bool


class Unreadable(Exception):
    """The tokens are no expression of this grammar, or too large."""


def tokenize(text: str) -> list[Token]:
    """The tokens of prose or LaTeX, spaces left out."""
    plain = _as_plain(text)
    found, is_glued = [], False
    for match in _TOKEN.finditer(plain):
        kind = match.lastgroup or "bar"
        if kind == "space":
            is_glued = False
            if "\n" in match[0]:
                found.append(Token("bar", "\n", False))
            continue
        found.append(Token(kind, match[0], is_glued))
        is_glued = True
    return found


def numbers_in(text: str) -> list[Fraction]:
    """The numbers that stand in a text, in order; digits inside words (H2O, x1) are none."""
    tokens = tokenize(text)
    return [
        read_number(token.text)[0]
        for before, token in zip([None, *tokens], tokens, strict=False)
        if token.kind == "number" and not (token.is_glued and before is not None and before.kind == "word")
    ]


def read_number(text: str) -> tuple[Fraction, int]:
    """The value of a number token, and the power of ten of its last digit."""
    mantissa, _, power = re.sub(r"\s|\(|\)", "", text).replace(",", "").replace("*10^", "e").lower().partition("e")
    exponent = int(power or 0)
    if abs(exponent) > 400 or len(mantissa) > 60:
        raise Unreadable
    return Fraction(mantissa) * Fraction(10) ** exponent, exponent - len(mantissa.partition(".")[2])


def _as_plain(text: str) -> str:
    text = _RAISED.sub(lambda match: "^" + match[0].translate(_AS_DIGITS), text).translate(_CHARACTERS)
    if "\\" in text:
        text = re.sub(r"\\(?:text|mathrm|mbox|textbf|mathbf|operatorname)\s*\{([^{}]*)\}", r" \1 ", text)
        text = text.replace("{,}", ",").replace(r",\!", ",")
        text = _MIXED.sub(r"(\1+\2/\3)", text)
        text = re.sub(r"\\[,;:! ]|\\\(|\\\)|\\\[|\\\]", " ", text).replace(r"\%", "%")
        text = re.sub(r"\^\s*\{([^{}]*)\}", r"^(\1)", text)
        for _ in range(6):
            before = text
            text = re.sub(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r"((\1)/(\2))", text)
            text = re.sub(r"\\sqrt\s*\[(\d+)\]\s*\{([^{}]*)\}", r"((\2)^(1/\1))", text)
            text = re.sub(r"\\sqrt\s*\{([^{}]*)\}", r" sqrt(\1)", text)
            text = re.sub(r"\\binom\s*\{([^{}]*)\}\s*\{([^{}]*)\}", r" binom(\1,\2)", text)
            text = re.sub(r"\\(?:boxed|fbox)\s*\{([^{}]*)\}", r" \1 ", text)
            if text == before:
                break
        text = re.sub(r"\\([a-zA-Z]+)", lambda match: _read_command(match[1]), text)
    text = re.sub(r"(?<=\d)_(?:\{[^{}]*\}|\w)", f" {NAME} ", text)  # 52_8 is no decimal number
    text = re.sub(r"(?<=[^\W_])_(?:\{[^{}]*\}|\w)", "", text)
    text = re.sub(r"\b(?:the )?(cube|square) root of\b", lambda match: _ROOTS[match[1]], text)
    text = _WHICH_IS.sub(WHICH_IS, text)
    text = text.replace("$", " ").replace("**", "^")
    return re.sub(r"(?<=\d)\s*[x×]\s*(?=\d)", "*", text)


def _read_command(name: str) -> str:
    if name in _COMMANDS:
        return _COMMANDS[name]
    return f" {name} " if name in _NAMED else f" {NAME} "
