"""What a model does with a sample before it is trained on it: a few draws a sample, judged, in; a row a sample out.

    probe.jsonl    one `Probed` a pool row: counts only, so that any selector can be computed from it without a model

The draws themselves are an ordinary evaluation of the pool and lie beside it.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from polymath.errors import SampleError


@dataclass(frozen=True, kw_only=True)
class Probed:
    """The draws of one sample, counted. `index` is the row of its pool, `id` the sample's.

    `right` is under strict extraction, `lenient_right` under lenient. `ways` counts draws by way of answering (a draw
    can show several), `right_ways` those of them that are right (strict). `wrong` counts wrong answers by what was
    extracted, spaces apart; "" stands for draws without an answer. Undecided draws are neither right nor wrong.
    """

    index: int
    id: str
    num_draws: int
    right: int
    lenient_right: int
    undecided: int
    truncated: int
    ways: Mapping[str, int]
    right_ways: Mapping[str, int]
    wrong: Mapping[str, int]
    mean_tokens: float

    @property
    def pass_rate(self) -> float:
        """Share of right ones, strictly, among the draws that were decided; the trainer masks the others, too.

        0 where none was decided.
        """
        num_decided = self.num_draws - self.undecided
        return self.right / num_decided if num_decided else 0.0

    @property
    def shortcut(self) -> float | None:
        """1 - P(worked | right): the share of right draws that are not worked; None where none is right.

        They are right by a way that need not transfer, and a reward cannot tell them from the others. Low is good.
        Not to be mixed up with the arithmetic that a text gives away (polymath.samples.shortcuts). Ours, without a
        paper.
        """
        return 1 - self.right_ways.get("worked", 0) / self.right if self.right else None

    @property
    def num_distinct_wrong(self) -> int:
        """Different wrong answers, as they are written."""
        return len([answer for answer in self.wrong if answer])

    @property
    def truncated_frac(self) -> float:
        """Share of draws that ran out of tokens."""
        return self.truncated / self.num_draws

    @property
    def answer_entropy(self) -> float:
        """Entropy in nats of the answers: all right ones are one answer, wrong ones differ as they are written."""
        counts = [count for count in (self.right, *self.wrong.values()) if count]
        total = sum(counts)
        return -sum(count / total * math.log(count / total) for count in counts)

    def right_rate(self, way: str) -> float | None:
        """Share of right draws among those that show `way`; None where none does."""
        return self.right_ways.get(way, 0) / self.ways[way] if self.ways.get(way) else None


def count_draws(index: int, rows: Sequence[Mapping[str, Any]]) -> Probed:
    """The rows of an evaluation that belong to one sample, counted."""
    right = [row for row in rows if row["strict"]["outcome"] == "right"]
    wrong = (row for row in rows if row["strict"]["outcome"] == "wrong")
    return Probed(
        index=index,
        id=str(rows[0]["id"]),
        num_draws=len(rows),
        right=len(right),
        lenient_right=sum(row["lenient"]["outcome"] == "right" for row in rows),
        undecided=sum(row["strict"]["outcome"] == "undecided" for row in rows),
        truncated=sum(row["finish"] == "length" for row in rows),
        ways=_count_ways(rows),
        right_ways=_count_ways(right),
        wrong=dict(Counter(" ".join((row["strict"]["extracted"] or "").split()) for row in wrong).most_common()),
        mean_tokens=sum(row["num_tokens"] for row in rows) / len(rows),
    )


def _count_ways(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    return dict(sorted(Counter(way for row in rows for way in row["ways"]).items()))


def write_probe(path: Path, probed: Iterable[Probed]) -> None:
    """A row a sample, whole or not at all."""
    from polymath.runs import write_lines

    write_lines(path, [asdict(one) for one in probed])


def read_probe(path: Path) -> dict[int, Probed]:
    """Pool row to what was counted; raises SampleError with the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SampleError(path, f"cannot be read ({error.strerror})", "make it with polymath probe") from error
    found = {}
    for number, line in enumerate(lines, 1):
        try:
            one = Probed(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise SampleError(f"{path}:{number}", f"is not a row of a probe ({error})", "probe again") from error
        found[one.index] = one
    return found
