"""One spelling for one answer: text in, text out; nothing here knows what is right.

Only spellings are changed, never values: LaTeX spacing, sizes and wrappers go, Unicode signs become ASCII or
LaTeX, `\\dfrac` becomes `\\frac`, `\\frac12` becomes `\\frac{1}{2}`.
"""

from __future__ import annotations

import re

_CHARACTERS = str.maketrans(
    {
        "−": "-", "–": "-", "—": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/", "∕": "/",
        "π": r"\pi ", "∞": r"\infty ", "°": r"^\circ ", "²": "^2", "³": "^3", "√": r"\sqrt ", "½": r"\frac{1}{2}",
        "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "∪": r"\cup ", "∈": r"\in ", "±": r"\pm ", "\u00a0": " ",
        "≤": r"\le ", "≥": r"\ge ", "\u202f": " ", "\u2009": " ",
    }
)  # fmt: skip
_THIN_THOUSANDS = re.compile(r"(?<=\d)(?:\\[,;]|[\u2009\u202f])(?=\d{3}(?!\d))")
_SPACING = re.compile(r"(?<!\\)\\[!,;: ]|~|\\(?:quad|qquad|displaystyle|limits)(?![a-zA-Z])")
_SIZES = re.compile(r"\\(?:left|right|big|Big|bigl|bigr|Bigl|Bigr)(?![a-zA-Z])\.?")
_WRAPPED = re.compile(r"\\(?:text|mbox|mathrm|textbf|mathbf|textit|operatorname|textrm|rm|bf|ce)\s*\{([^{}]*)\}")
_BARE_NAMES = re.compile(r"(?<![\\a-zA-Z])(pi|infty|theta|sqrt|sin|cos|tan|cot|sec|csc|log|ln)(?![a-zA-Z])")
_BARE_FRACTION = re.compile(r"\\frac\s*(?:(\d)\s*(\d)(?!\d)|(\d)\s*(\{[^{}]*\})|(\{[^{}]*\})\s*(\d))")
_BARE_ROOT = re.compile(r"\\sqrt\s*(\d)")


def tidy(text: str) -> str:
    """The text without LaTeX spacing, sizes, outer dollars, outer emphasis and a closing full stop."""
    text = _THIN_THOUSANDS.sub("", text).translate(_CHARACTERS)
    text = _SPACING.sub(lambda match: "" if match[0] == r"\!" else " ", text)
    text = _SIZES.sub("", text)
    text = re.sub(r"\\[dtc]frac(?![a-zA-Z])", r"\\frac", text)
    text = " ".join(text.split())
    previous = None
    while text != previous:
        previous = text
        text = text.strip().removesuffix(".").strip()
        for opening, closing in (("$$", "$$"), ("$", "$"), ("**", "**"), (r"\(", r"\)"), (r"\[", r"\]"), ("`", "`")):
            if len(text) > len(opening + closing) and text.startswith(opening) and text.endswith(closing):
                # `\$` at the end is a currency sign, not the end of mathematics.
                text = text if text.endswith(r"\$") else text[len(opening) : -len(closing)]
    return text


def unwrap(text: str) -> str:
    """The text with `\\text{...}` and its relatives replaced by what they hold."""
    previous = None
    while text != previous:
        previous, text = text, _WRAPPED.sub(lambda match: " " + match[1] + " ", text)
    return " ".join(text.split())


def as_words(text: str) -> str:
    """Words for comparison: unwrapped, case folded, white space single, outer quotes and punctuation gone."""
    return " ".join(unwrap(tidy(text)).casefold().split()).strip("\"'“”‘’.,;:!? ")


def as_mathematics(text: str) -> str:
    """Mathematics in one spelling of fractions, roots, constants and functions, without white space at the ends."""
    text = _BARE_NAMES.sub(r"\\\1", tidy(text))
    text = _BARE_FRACTION.sub(_brace_fraction, text)
    return _BARE_ROOT.sub(r"\\sqrt{\1}", text).strip()


def without_spaces(text: str) -> str:
    """Mathematics without white space where white space means nothing."""
    return re.sub(r"(?<![a-zA-Z])\s+|\s+(?![a-zA-Z])", "", text)


def split_top(text: str, separators: str = ",") -> list[str]:
    """The parts between separators that stand outside all brackets."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character in separators and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def _brace_fraction(match: re.Match[str]) -> str:
    above, below = (part.strip("{}") for part in match.groups() if part is not None)
    return rf"\frac{{{above}}}{{{below}}}"
