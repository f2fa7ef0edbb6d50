"""Label edits before training: the sample in, the sample with another answer out.

A control is only as good as its label. `incorrect` is one wrong answer of the right kind, the same in every
seed of a run. `majority` is what the base model says most often (arXiv 2504.16084 votes in every step; here the
vote is taken once, before training), which may be right, so the sample says which it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from string import ascii_uppercase

from polymath.errors import SampleError
from polymath.judge import judge
from polymath.types import Completion, Sample

# Near enough to be an honest mistake, far enough that no rounding rule takes it for right.
_NEAREST, _NUM_NEAR = 1, 9


def incorrect(sample: Sample) -> Sample:
    """The sample with one wrong answer: another letter, or another whole number near the right one.

    The answer depends on the sample alone. Raises SampleError for types without an obvious wrong answer.
    """
    rng = Random(f"incorrect/{sample.id}")
    if sample.answer_type == "choice" and sample.choices:
        letters = [letter for letter in ascii_uppercase[: len(sample.choices)] if letter != sample.answer]
        return _relabel(sample, rng.choice(letters), "incorrect")
    try:
        right = int(sample.answer)
    except ValueError:
        raise SampleError(
            f"sample {sample.question[:40]!r}",
            f"label.edit = incorrect knows whole numbers and letters, and the answer is {sample.answer[:40]!r}",
            "write the wrong answer into a sample file of your own",
        ) from None
    near = [value for value in range(right - _NUM_NEAR, right + _NUM_NEAR + 1) if abs(value - right) >= _NEAREST]
    same_sign = [value for value in near if value * right > 0] or near
    edited = [_relabel(sample, str(value), "incorrect") for value in rng.sample(same_sign, len(same_sign))]
    for candidate in edited:
        if judge(rf"\boxed{{{candidate.answer}}}", sample).outcome == "wrong":
            return candidate
    raise SampleError(
        f"sample {sample.question[:40]!r}",
        "its tolerance takes every near number for right",
        "write the wrong answer into a sample file of your own",
    )


def majority(sample: Sample, completions: Sequence[Completion]) -> Sample:
    """The sample with the answer that these completions give most often; among equals, the one said first.

    A completion without an answer does not vote. Raises SampleError when none votes.
    """
    verdicts = [judge(said.text, sample, mode="lenient", is_truncated=said.is_truncated) for said in completions]
    votes = Counter(verdict.extracted.strip() for verdict in verdicts if verdict.extracted)
    if not votes:
        raise SampleError(
            f"sample {sample.question[:40]!r}", "the model gives it no answer to vote on", "use label.edit = true"
        )
    answer, count = votes.most_common(1)[0]
    edited = _relabel(sample, answer, "majority")
    return edited.model_copy(update={"meta": {**edited.meta, "votes": f"{count} of {len(completions)}"}})


def _relabel(sample: Sample, answer: str, edit: str) -> Sample:
    """Another answer; the solution no longer leads to it, so it goes."""
    if answer == sample.answer:
        return sample.model_copy(update={"meta": {**sample.meta, "label": f"{edit}, which is the true one"}})
    meta = {**sample.meta, "label": edit, "true_answer": sample.answer}
    return sample.model_copy(update={"answer": answer, "solution": None, "meta": meta})
