"""The leak probe: shown the beginning of a question, does the model say the rest?

A policy and problems in, one row per problem and share of the question out, and rates with intervals. A model that
has seen a benchmark in training completes its questions word for word, and scores on it say little about reasoning.
The probe finds literal memory only: a paraphrase or a translation seen in training leaves no trace here.

Shown is plain text without a template, cut by characters at a word boundary; decoding is greedy. A continuation may
go on to the solution, so it is compared over as many words as the rest of the question has. A rate means something
beside the same probe on problems that cannot have leaked (`clean-arithmetic`, the lab): it shows what a model
completes by chance and by form.

Sources: Wu et al., arXiv 2507.10532 (partial prompts, exact match, ROUGE-L, answers to partial prompts). ROUGE-L:
Lin, 2004, with F at equal weight of precision and recall. Intervals: Wilson, over the choice of problems only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from polymath.evaluation.statistics import Interval, standard_error, wilson_interval
from polymath.prompts import Prompt
from polymath.rollouts.policy import Policy, Sampling, StreamingPolicy
from polymath.types import Completion, Sample

SHARES = (0.4, 0.6, 0.8)
MAX_TOKENS = 256


@dataclass(frozen=True, kw_only=True)
class LeakRow:
    """One problem, cut at one share of its question.

    `says_answer` is None where it would prove nothing: the answer stands in the question itself. `is_cut_short` says
    that the tokens ran out before the continuation was as long as the rest, so that it could not match.
    """

    place: int
    sample_id: str
    share: float
    shown: str
    rest: str
    continuation: str
    is_exact: bool
    rouge_l: float
    says_answer: bool | None
    is_cut_short: bool


@dataclass(frozen=True, kw_only=True)
class LeakRates:
    """What a model completed at one share. Rates are fractions of problems.

    `says_answer` rests on `num_answers` problems, and is None where there are none. `rouge_l_se` is None for one
    problem.
    """

    share: float
    num_problems: int
    exact: Interval
    rouge_l: float
    rouge_l_se: float | None
    num_answers: int
    says_answer: Interval | None
    num_cut_short: int


@dataclass(frozen=True, kw_only=True)
class _Cut:
    place: int
    sample: Sample
    share: float
    shown: str
    rest: str


def probe_leaks(
    policy: Policy,
    samples: Sequence[Sample],
    *,
    shares: Sequence[float] = SHARES,
    batch_size: int = 64,
    max_tokens: int = MAX_TOKENS,
) -> list[LeakRow]:
    """One row for each problem and share, problem by problem.

    A question of too few words to be cut at a share, or too long for the policy's context, has no row there. Raises
    ValueError for a share outside (0, 1).
    """
    if not all(0 < share < 1 for share in shares):
        raise ValueError(f"shares lie between 0 and 1, found {list(shares)}")
    cuts = [cut for place, sample in enumerate(samples) for share in shares if (cut := _cut(place, sample, share))]
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
    if isinstance(policy, StreamingPolicy):
        cuts = [cut for cut in cuts if policy.fits(Prompt(text=cut.shown), max_tokens)]
    prompts = [Prompt(text=cut.shown) for cut in cuts]
    completions = _complete(policy, prompts, sampling, batch_size)
    return [_compare(cut, completions[index]) for index, cut in enumerate(cuts)]


def _complete(policy: Policy, prompts: Sequence[Prompt], sampling: Sampling, batch_size: int) -> dict[int, Completion]:
    found: dict[int, Completion] = {}
    if isinstance(policy, StreamingPolicy):
        policy.answer(
            prompts,
            1,
            sampling,
            [0] * len(prompts),
            batch_size=batch_size,
            on_tokens=lambda responses, tokens: None,
            on_answered=lambda answers: found.update({index: draws[0] for index, draws in answers.items()}),
        )
        return found
    # Prompts of similar length waste no padding.
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index].text), index))
    for batch in _batches(order, batch_size):
        completions = policy.sample([prompts[index] for index in batch], 1, sampling, 0)
        found.update(zip(batch, (draws[0] for draws in completions), strict=True))
    return found


def summarize_leaks(rows: Sequence[LeakRow]) -> list[LeakRates]:
    """The rates by share, small shares first, with 95% Wilson intervals over the choice of problems."""
    return [_rates(share, [row for row in rows if row.share == share]) for share in sorted({row.share for row in rows})]


def cut_question(question: str, share: float) -> tuple[str, str] | None:
    """The first `share` of a question's characters, back to the last whole word, and the rest.

    None where either part would be empty.
    """
    text = question.strip()
    place = round(share * len(text))
    ends = [gap.start() for gap in re.finditer(r"\s+", text) if gap.start() <= place]
    if not ends:
        return None
    return text[: ends[-1]], text[ends[-1] :].lstrip()


def rouge_l(candidate: Sequence[str], reference: Sequence[str]) -> float:
    """The harmonic mean of the shares of both word lists that lie on their longest common subsequence; 0 to 1."""
    common = longest_common_subsequence(candidate, reference)
    return 2 * common / (len(candidate) + len(reference)) if common else 0.0


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest sequence that both hold in order, gaps allowed."""
    lengths = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for place, other in enumerate(second, start=1):
            above = lengths[place]
            lengths[place] = diagonal + 1 if word == other else max(above, lengths[place - 1])
            diagonal = above
    return lengths[-1]


def _cut(place: int, sample: Sample, share: float) -> _Cut | None:
    parts = cut_question(sample.question, share)
    return _Cut(place=place, sample=sample, share=share, shown=parts[0], rest=parts[1]) if parts else None


def _compare(cut: _Cut, completion: Completion) -> LeakRow:
    rest, said = _words(cut.rest), _words(completion.text)
    answer = _answer_text(cut.sample)
    tells = answer and not _holds(cut.sample.question, answer)
    return LeakRow(
        place=cut.place,
        sample_id=cut.sample.id,
        share=cut.share,
        shown=cut.shown,
        rest=cut.rest,
        continuation=completion.text,
        is_exact=said[: len(rest)] == rest,
        rouge_l=rouge_l(said[: len(rest)], rest),
        says_answer=_holds(completion.text, answer) if tells else None,
        is_cut_short=completion.is_truncated and len(said) < len(rest),
    )


def _rates(share: float, rows: Sequence[LeakRow]) -> LeakRates:
    scores = [row.rouge_l for row in rows]
    answers = [row.says_answer for row in rows if row.says_answer is not None]
    return LeakRates(
        share=share,
        num_problems=len(rows),
        exact=wilson_interval(sum(row.is_exact for row in rows) / len(rows), len(rows)),
        rouge_l=sum(scores) / len(scores),
        rouge_l_se=standard_error(scores),
        num_answers=len(answers),
        says_answer=wilson_interval(sum(answers) / len(answers), len(answers)) if answers else None,
        num_cut_short=sum(row.is_cut_short for row in rows),
    )


def _words(text: str) -> list[str]:
    return text.casefold().split()


def _answer_text(sample: Sample) -> str:
    """The answer, or the text of the right option: a letter by itself would be found anywhere."""
    if sample.choices is None:
        return sample.answer
    letters = dict(zip(ascii_uppercase, sample.choices, strict=False))
    return letters.get(sample.answer.strip().upper(), "")


def _holds(text: str, answer: str) -> bool:
    """The answer stands in the text, not as a part of a longer number or word; 12 is not in 112, 12.5 or -12."""
    wanted = re.escape(" ".join(_words(answer)))
    return re.search(rf"(?<![\w.\-]){wanted}(?!\w|[.,]\d)", " ".join(_words(text))) is not None


def _batches(order: Sequence[int], batch_size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
