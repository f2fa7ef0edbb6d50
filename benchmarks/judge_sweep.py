"""The judge on real golds: every reference answer of public files against itself, its neighbour, its spellings.

    python benchmarks/judge_sweep.py ../shared/data [--show 20]

Reads the files in their published form (see the README beside them); a file that is missing is named and left out.
Prints one line a file: golds that are judged right against themselves, next problem's golds that are judged right
(and how many of these are written differently), generated equal spellings that are judged right. `--show` lists
what stands out, for a person to look at.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from polymath.evaluation.benchmarks.theoremqa import ANSWER_TYPES
from polymath.judge import judge
from polymath.judge.extract import find_boxes
from polymath.judge.numbers import parse_number
from polymath.types import Sample

Row = dict[str, Any]
SCIBENCH_TOLERANCE = 0.05


def expression(key: str) -> Callable[[Row], Sample]:
    return lambda row: Sample(question="?", answer=row[key])


def number(key: str) -> Callable[[Row], Sample]:
    return lambda row: Sample(question="?", answer=str(row[key]).split("####")[-1].strip(), answer_type="number")


def minerva(row: Row) -> Sample:
    return Sample(question="?", answer=find_boxes(row["solution"])[0][-1])


def olympiad(row: Row) -> Sample:
    return Sample(question="?", answer=", ".join(row["final_answer"]), unit=row["unit"] or None)


def scibench(row: Row) -> Sample:
    return Sample(
        question="?",
        answer=row["answer_number"].strip(),
        answer_type="quantity",
        unit=row["unit"].strip(),
        tolerance=SCIBENCH_TOLERANCE,
    )


def theoremqa(row: Row) -> Sample:
    kind = ANSWER_TYPES[row["Answer_type"]]
    choices = ("a", "b", "c", "d", "e") if kind == "choice" else None
    return Sample(question="?", answer=str(row["Answer"]), answer_type=kind, choices=choices)  # type: ignore[arg-type]


def mmlu_pro(row: Row) -> Sample:
    return Sample(question="?", answer=row["answer"], answer_type="choice", choices=tuple(row["options"]))


def mmlu_stem(row: Row) -> Sample:
    letter = ascii_uppercase[int(row["answer"])]
    return Sample(question="?", answer=letter, answer_type="choice", choices=tuple(map(str, row["choices"])))


FILES: dict[str, Callable[[Row], Sample]] = {
    "math500.jsonl.gz": expression("answer"),
    "math_train.jsonl.gz": expression("answer"),
    "dsr_sub.parquet": lambda row: Sample(question="?", answer=row["reward_model"]["ground_truth"]),
    "aime24.jsonl.gz": number("answer"),
    "aime25.jsonl.gz": number("answer"),
    "amc23.jsonl.gz": number("answer"),
    "gsm8k_test.jsonl.gz": number("answer"),
    "gsm8k_train.jsonl.gz": number("answer"),
    "minerva_math.jsonl.gz": minerva,
    "olympiadbench.jsonl.gz": olympiad,
    "scibench.jsonl.gz": scibench,
    "theoremqa.jsonl.gz": theoremqa,
    "mmlu_pro.jsonl.gz": mmlu_pro,
    "mmlu_stem.jsonl.gz": mmlu_stem,
}


@dataclass
class Counts:
    """What one file gave; the lists hold what a person should look at."""

    num_golds: int = 0
    num_self_right: int = 0
    self_not_right: list[str] = field(default_factory=list)
    num_next: int = 0
    num_next_same_text: int = 0
    next_right: list[str] = field(default_factory=list)
    num_spellings: int = 0
    num_spellings_right: int = 0
    spellings_not_right: list[str] = field(default_factory=list)
    num_undecided: int = 0


def read_golds(path: Path) -> list[Sample]:
    """The samples of one file, reference answers only; rows without an answer are left out."""
    make = FILES[path.name]
    return [make(row) for row in _rows(path) if row.get("answer", "") is not None]


def sweep(golds: list[Sample]) -> Counts:
    """Every gold against itself, the gold before it, and its spellings."""
    counts = Counts(num_golds=len(golds))
    for gold in golds:
        outcome = _judge(gold.answer, gold, counts)
        counts.num_self_right += outcome == "right"
        if outcome != "right":
            counts.self_not_right.append(f"{gold.answer!r}: {outcome}")
        for spelling in spellings(gold):
            outcome = _judge(spelling, gold, counts)
            counts.num_spellings += 1
            counts.num_spellings_right += outcome == "right"
            if outcome != "right":
                counts.spellings_not_right.append(f"{spelling!r} for {gold.answer!r}: {outcome}")
    for gold, other in pairwise(golds):
        if gold.answer_type != other.answer_type:
            continue
        counts.num_next += 1
        same = gold.answer == other.answer
        outcome = _judge(other.answer, gold, counts)
        if outcome == "right" and same:
            counts.num_next_same_text += 1
        elif outcome == "right":
            counts.next_right.append(
                f"{other.answer!r} for {gold.answer!r} (unit {gold.unit!r}, tolerance {gold.tolerance})"
            )
    return counts


def spellings(gold: Sample) -> Iterator[str]:
    """Other ways to write the same answer, by arithmetic on the text alone."""
    text = gold.answer
    if gold.answer_type == "choice":
        letter = text.strip("()").upper()
        yield from (f"({letter})", f"{letter}.", rf"\text{{{letter}}}", letter.lower(), f"({letter}).")
        return
    if gold.answer_type == "boolean":
        yield from (text.lower(), text.upper(), rf"\text{{{text}}}", {"True": "yes", "False": "no"}.get(text, text))
        return
    yield f"${text}$"
    yield text + "."
    if r"\frac" in text:
        yield text.replace(r"\frac", r"\dfrac")
    if re.search(r"(?<!\\left)\((?=.*\))", text) and r"\right" not in text and text.count("(") == text.count(")"):
        yield text.replace("(", r"\left(").replace(")", r"\right)")
    if ", " in text:
        yield text.replace(", ", r",\, ")
    numeral = parse_number(text)
    if numeral is None or numeral.unit or numeral.is_percent:
        return
    value = numeral.value
    if value.denominator == 1:
        yield from (f"{int(value)}.0", f"{int(value):,}", f"x = {int(value)}", f"{int(value):+d}")
    elif _is_finite_decimal(value):
        yield from (f"{value.numerator}/{value.denominator}", rf"\frac{{{value.numerator}}}{{{value.denominator}}}")
        yield rf"\dfrac{{{2 * value.numerator}}}{{{2 * value.denominator}}}"
    else:
        yield f"{value.numerator}/{value.denominator}"
    if _is_finite_decimal(value) and value and abs(value) < 10**15:
        decimal = _decimal(value)
        yield from (decimal, decimal + ("0" if "." in decimal else ".00"))
        if decimal.lstrip("-").startswith("0."):
            yield decimal.replace("0.", ".", 1)
        mantissa, _, power = f"{value.numerator / value.denominator:.14e}".partition("e")
        if Fraction(f"{mantissa}e{power}") == value:
            mantissa = mantissa.rstrip("0").rstrip(".")
            yield from (
                f"{mantissa}e{int(power)}",
                rf"{mantissa} \times 10^{{{int(power)}}}",
                f"{mantissa}*10^{int(power)}",
            )


def _judge(answer: str, gold: Sample, counts: Counts) -> str:
    outcome = judge(rf"\boxed{{{answer}}}", gold).outcome
    counts.num_undecided += outcome == "undecided"
    return outcome


def _is_finite_decimal(value: Fraction) -> bool:
    below = value.denominator
    for prime in (2, 5):
        while below % prime == 0:
            below //= prime
    return below == 1 and value.denominator < 10**12


def _decimal(value: Fraction) -> str:
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    text = f"{abs(int(value * 10**digits)):0{digits + 1}d}"
    return ("-" if value < 0 else "") + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)


def _rows(path: Path) -> Iterator[Row]:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        yield from parquet.read_table(path).to_pylist()
        return
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--show", type=int, default=0, help="list so many of what stands out, a file")
    parser.add_argument("--only", default="", help="files whose name holds this")
    options = parser.parse_args()
    if not any((options.data / name).exists() for name in FILES):
        sys.exit(f"{options.data}: none of {', '.join(FILES)} is here; name the folder that holds them")
    titles = ["file", "golds", "right against themselves", "next gold right, same text", "next gold right, other text"]
    print(f"| {' | '.join([*titles, 'equal spellings right', 'undecided'])} |")
    print("|:--|--:|--:|--:|--:|--:|--:|")
    for name in (name for name in FILES if options.only in name):
        path = options.data / name
        if not path.exists():
            print(f"{name}: not in {options.data}, left out", file=sys.stderr)
            continue
        found = sweep(read_golds(path))
        cells = [
            name.partition(".")[0],
            f"{found.num_golds:,}",
            f"{found.num_self_right:,}",
            f"{found.num_next_same_text:,} of {found.num_next:,}",
            f"{len(found.next_right):,}",
            f"{found.num_spellings_right:,} of {found.num_spellings:,}",
            str(found.num_undecided),
        ]
        print(f"| {' | '.join(cells)} |", flush=True)
        for title in ("self_not_right", "next_right", "spellings_not_right"):
            for line in getattr(found, title)[: options.show]:
                print(f"  {title}: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
