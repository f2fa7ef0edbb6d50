"""A response in, the named ways it answers in out. Stated rules on the text, no model.

worked      an equation with an operator left of "=" and a value right of it (12*7=84, 3 + 4 = 7, \\times, \\frac
            too), or three or more sentences or lines of at least three words before the answer
code        a ``` fence, or a line that begins with def, import, from or print(
direct      neither worked nor code
boxed       a complete box with something in it
self_check  recheck, rethink, recalculate, verify, double-check, "let me check", wait
"""

from __future__ import annotations

import re

from polymath.judge.extract import find_boxes

WAYS: tuple[str, ...] = ("worked", "direct", "code", "boxed", "self_check")

_CODE = re.compile(r"```|^[ \t]*(?:def \w+\(|import \w|from \w+ import|print\()", re.MULTILINE)
_VALUE_AFTER_EQUALS = re.compile(r"=\s{0,4}[-+$\\(\[{]{0,3}\s?(?:\d|\.\d|frac|sqrt|pi|[a-zA-Z]\b)")
_OPERATION = re.compile(
    r"[\w)}\]%]\s{0,3}(?:[-+*/^×÷·−]|\\(?:times|cdot|div)(?![a-z]))\s{0,3}[\w\\({$-]|\\[dt]?frac|\\sqrt"
)
_SELF_CHECK = re.compile(
    r"\b(?:re-?check|re-?think|re-?calculat|verify|verif(?:ies|ied|ying|ication)|double[- ]check|let me check|wait\b)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.!?](?:\s|$)|\n")
_ANSWER = re.compile(r"\\(?:boxed|fbox)|<answer>|\banswer\s?(?:is|:)", re.IGNORECASE)
MIN_SENTENCES = 3
MIN_WORDS = 3
# An operation further left than this does not belong to the equation.
_REACH = 80


def ways_of(response: str) -> frozenset[str]:
    """The ways of answering that this response shows; always one of worked, code, direct."""
    ways = set()
    if _CODE.search(response):
        ways.add("code")
    if _has_equation(response) or _has_sentences(response):
        ways.add("worked")
    if not ways:
        ways.add("direct")
    if any(find_boxes(response)[0]):
        ways.add("boxed")
    if _SELF_CHECK.search(response):
        ways.add("self_check")
    return frozenset(ways)


def _has_equation(response: str) -> bool:
    for equals in _VALUE_AFTER_EQUALS.finditer(response):
        left = response[max(0, equals.start() - _REACH) : equals.start()]
        # The equation begins after the last sentence, line or earlier "=".
        left = re.split(r"\n|=|[.!?;](?=\s)", left)[-1]
        if re.search(r"\d|\\", left) and _OPERATION.search(left):
            return True
    return False


def _has_sentences(response: str) -> bool:
    answer = _ANSWER.search(response)
    before = response[: answer.start()] if answer else response
    # What leads into the answer ("The final") is no sentence of its own.
    sentences = _SENTENCE.split(before)[: -1 if answer else None]
    return sum(len(sentence.split()) >= MIN_WORDS for sentence in sentences) >= MIN_SENTENCES
