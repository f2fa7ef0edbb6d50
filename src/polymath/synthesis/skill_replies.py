"""What a model said when it was asked for a list of skills in, the skills and how the reply read out.

Models are asked for one form and answer in many: tags, bullets, numbers, semicolons, commas, JSON, prose before and
behind, "None", a refusal, the same line without end, half a line where the tokens ran out. Whatever is not read is
counted by the caller as what it is; nothing is guessed from prose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

# The last two are of the caller: the server kept the answer back, or the budget did not allow the call.
Reading = Literal["listed", "none", "refused", "unreadable", "empty", "blocked", "unasked"]

MAX_WORDS = 14  # what is longer is a sentence about a skill, and no name of one
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_TAG = r"(?:skills?|answer|list|output)"
_TAGGED = re.compile(rf"<({_TAG})>(.*?)(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_ANY_TAG = re.compile(rf"</?{_TAG}[^>\n]*>|</?(?:ul|ol|li|br)\s*/?>", re.IGNORECASE)
_FENCE = re.compile(r"```[\w-]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_BULLET = re.compile(r"^\s*(?:[-*•‣◦▪–—·+]|\(?\d{1,3}[.):]|\(?[a-z][.)])\s+(?=\S)")
_NUMBERED_INSIDE = re.compile(r"(?:(?<=^)|(?<=[\s;,.]))\(?\d{1,2}[.)]\s+(?=[^\W\d])")
_LEAD = re.compile(r"^[^\n:]{0,120}\b(?:skills?|concepts?|topics?)\b[^\n:]{0,80}:\s*", re.IGNORECASE)
_NONE = re.compile(
    r"\W*(?:none|n\s*/?\s*a|nil|null|nothing|empty(?: list)?|not applicable"
    r"|none (?:are )?(?:needed|required|identified|found|applicable)"
    r"|no (?:[a-z]+ ){0,4}(?:skills?|concepts?)(?: (?:or|and) (?:skills?|concepts?))?\b[^.\n]{0,90}"
    r"|(?:the|this) problem (?:does not|doesn't) (?:need|require|involve|use)\b[^.\n]{0,90}"
    r"|there (?:are|is) no (?:[a-z]+ ){0,4}(?:skills?|concepts?)\b[^.\n]{0,90})\W*",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\W*(?:i['’]?m sorry|i am sorry|sorry\b|i can(?:not|['’]t)|i am (?:not able|unable)|i['’]m (?:not able|unable)"
    r"|as an ai\b|i (?:will not|won['’]t)|unfortunately,? i)",
    re.IGNORECASE,
)
_DASH = re.compile(r"\s+[–—-]{1,2}\s+|:\s+|:$")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.){2,160})"\s*(?=[,\]}\n:]|$)')
_NAMES_OF_FIELDS = frozenset({"skills", "skill", "name", "concepts", "concept", "category", "answer", "description"})


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The skills of one reply, in its order, each once.

    `num_repeated` counts what was said again, `num_dropped` what is too long for a name. `is_cut` says that the tokens
    ran out: an unfinished last name is left out then.
    """

    skills: tuple[str, ...]
    reading: Reading
    num_repeated: int = 0
    num_dropped: int = 0
    is_cut: bool = False


def read_skills(text: str, *, is_cut: bool = False) -> Listed:
    """The skills that the reply lists. Never raises, whatever the text is."""
    said = _THOUGHT.sub("", text)
    if not said.strip():
        return Listed(skills=(), reading="empty", is_cut=is_cut)
    body, is_tagged, is_open = _body(said.strip())
    from_json = _from_json(body)
    found = _names(body, is_tagged=is_tagged) if from_json is None else from_json
    if found is None:
        if _NONE.fullmatch(body) or (not body.strip() and not is_cut):
            return Listed(skills=(), reading="none", is_cut=is_cut)
        return Listed(skills=(), reading="refused" if _REFUSAL.match(body) else "unreadable", is_cut=is_cut)
    # Of JSON only whole strings were read.
    if is_cut and is_open and from_json is None and not _ends_whole(said):
        found = found[:-1]
    names = [_clean(name) for name in found]
    wanted = [name for name in names if name and not _NONE.fullmatch(name)]
    if names and not wanted:
        return Listed(skills=(), reading="none", is_cut=is_cut)
    if wanted and _REFUSAL.match(wanted[0]):
        return Listed(skills=(), reading="refused", is_cut=is_cut)
    short = [name for name in wanted if len(name.split()) <= MAX_WORDS]
    once = {" ".join(name.casefold().split()): name for name in reversed(short)}
    skills = tuple(reversed(once.values()))
    return Listed(
        skills=tuple(dict.fromkeys(name for name in short if name in skills)),
        reading="listed" if skills else "unreadable",
        num_repeated=len(short) - len(skills),
        num_dropped=len(wanted) - len(short),
        is_cut=is_cut,
    )


def _body(said: str) -> tuple[str, bool, bool]:
    """The part that holds the list, whether tags or a fence say so, and whether its end is the end of the reply."""
    tagged = [match for match in _TAGGED.finditer(said) if match[2].strip()] or list(_TAGGED.finditer(said))
    if tagged:
        last = tagged[-1]
        is_open = not last[0].lower().endswith(f"</{last[1].lower()}>")
        return _unfence(last[2]), True, is_open
    fences = [match for match in _FENCE.finditer(said) if match[1].strip()]
    if fences:
        return fences[-1][1].strip(), True, not fences[-1][0].endswith("```")
    return _ANY_TAG.sub("\n", said).strip(), False, True


def _unfence(text: str) -> str:
    fences = [match for match in _FENCE.finditer(text) if match[1].strip()]
    return (fences[-1][1] if fences else _ANY_TAG.sub("\n", text)).strip()


def _names(body: str, *, is_tagged: bool) -> list[str] | None:
    """The pieces of the list as they stand; None where there is no list."""
    if not body.strip():
        return None
    lines = [line for line in body.split("\n") if line.strip()]
    flat = " ".join(lines)
    if len(lines) == 1 and len(_NUMBERED_INSIDE.findall(flat)) > 1:
        inside = [part.strip(" ;,.") for part in _NUMBERED_INSIDE.split(flat)]
        return [_head(part) for part in inside[1:] if part]
    bulleted = [_BULLET.sub("", line, count=1).strip() for line in lines if _BULLET.match(line)]
    bulleted = [line for line in bulleted if not line.rstrip("*_ ").endswith(":")]
    if bulleted:
        return [_head(line) for line in bulleted]
    if is_tagged and len(lines) > 1:
        return [part for line in lines for part in _parts(line)]
    if is_tagged:
        return _parts(_LEAD.sub("", flat))
    return _from_prose(lines)


def _from_prose(lines: list[str]) -> list[str] | None:
    """A list without any mark: separated by semicolons, or by commas behind a lead, or short lines."""
    for place, line in reversed(list(enumerate(lines))):
        if lead := _LEAD.match(line):
            rest = line[lead.end() :].strip()
            if rest:
                return _parts(rest)
            return lines[place + 1 :] or None
    short = [line for line in lines if len(line.split()) <= 8 and not line.rstrip().endswith((".", "?", "!", ":"))]
    if len(lines) > 1 and len(short) == len(lines):
        return [part for line in lines for part in _parts(line)]
    (text,) = lines if len(lines) == 1 else (max(lines, key=lambda line: line.count(";")),)
    if ";" in text:
        return _parts(text)
    parts = _parts(text)
    if parts and len(lines) == 1 and not _REFUSAL.match(text) and all(len(part.split()) <= 6 for part in parts):
        return parts if len(parts) > 1 or (len(parts[0].split()) <= 6 and not text.endswith((".", "?", "!"))) else None
    return None


def _parts(text: str) -> list[str]:
    """Pieces between semicolons; where there is none, between commas outside brackets."""
    if ";" in text:
        return [part.strip() for part in text.split(";") if part.strip()]
    pieces, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth <= 0:
            pieces.append(text[start:place])
            start = place + 1
    pieces.append(text[start:])
    pieces = [re.sub(r"^\s*(?:and|or)\s+", "", piece) if place else piece for place, piece in enumerate(pieces)]
    return [piece.strip() for piece in pieces if piece.strip(" .")]


def _head(line: str) -> str:
    """The name before its explanation: "**Name**: why", "Name - why"."""
    if bold := re.match(r"(\*\*|__)(.+?)\1", line):
        return bold[2]
    head = _DASH.split(line, maxsplit=1)[0]
    return head if 0 < len(head.split()) <= 10 else line


def _from_json(body: str) -> list[str] | None:
    """Every name in the first JSON array or object; complete strings where it breaks off."""
    start = min((place for place in map(body.find, "[{") if place >= 0), default=-1)
    if start < 0 or not re.match(r"[\[{]\s*[\"\[{\]}]", body[start:]):
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(body[start:])
    except (ValueError, RecursionError):
        strings = [text for text in _QUOTED.findall(body[start:]) if text.casefold() not in _NAMES_OF_FIELDS]
        return strings or None
    return list(_strings(found)) or ["none"]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
    elif isinstance(value, dict):
        named = [value[name] for name in ("skill", "name", "concept") if isinstance(value.get(name), str)]
        if named:
            yield named[0]
            return
        for name, part in value.items():
            if isinstance(part, list | dict) or str(name).casefold() in _NAMES_OF_FIELDS:
                yield from _strings(part)


def _clean(name: str) -> str:
    """Without marks of emphasis, quotes, brackets around it and the full stop."""
    text = re.sub(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}", "", _BULLET.sub("", name.strip(), count=1))
    text = " ".join(text.replace("\\n", " ").split()).strip(" \t\"'“”‘’.,;:$")
    return text[1:-1].strip() if re.fullmatch(r"[(\[][^()\[\]]*[)\]]", text) else text


def _ends_whole(said: str) -> bool:
    """The cut fell behind a name, not into it."""
    return said.rstrip(" ").endswith(("\n", ";", ",", ".", "]", "}"))
