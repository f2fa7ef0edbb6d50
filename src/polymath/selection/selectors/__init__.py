"""Selectors by name. Each is a small function; here stands what it needs, where it comes from, what it is worth.

On the 14 samples with a published one-shot outcome no score from histories shows a relation with the outcome
(`polymath bench selectors --published`), so `random` is an arm that every choice is to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from polymath.selection.probe import Probed
from polymath.selection.selectors import history, pass_rate, probing
from polymath.selection.selectors.random import random_scores
from polymath.selection.selectors.selector import Evidence, Need, Selector
from polymath.selection.selectors.skills import count_skills

__all__ = ["SELECTORS", "Evidence", "Need", "Selector", "computable", "pass_rates"]

Scores = dict[int, float]

_UNPROVEN = "no relation with the outcome on the 14 published samples (n 14 sees only |rho| above about .7)"
_FULL_RUN = f"needs a training run on the whole pool; {_UNPROVEN}"
_FEATURES = "a score of its own command; untested in print for one sample"


def pass_rates(evidence: Evidence) -> Scores:
    """Pool row to pass rate: of the probe where there is one, else the mean of the history."""
    if evidence.probed is not None:
        return {index: one.pass_rate for index, one in evidence.probed.items()}
    assert evidence.histories is not None
    return history.mean_accuracy(evidence.histories.curves)


def computable(evidence: Evidence) -> list[str]:
    """Names of the selectors that this evidence suffices for, in the order of the registry."""
    return [name for name, selector in SELECTORS.items() if selector.can_score(evidence) and selector.scores(evidence)]


def _of_history(score: Callable[[history.Curves], Scores]) -> Callable[[Evidence], Scores]:
    def scores(evidence: Evidence) -> Scores:
        assert evidence.histories is not None
        return score(evidence.histories.curves)

    return scores


def _of_pass_rate(score: Callable[[float], float]) -> Callable[[Evidence], Scores]:
    return lambda evidence: {index: score(p) for index, p in pass_rates(evidence).items()}


def _of_probe(score: Callable[[Probed], float | None]) -> Callable[[Evidence], Scores]:
    def scores(evidence: Evidence) -> Scores:
        assert evidence.probed is not None
        found = {index: score(one) for index, one in evidence.probed.items()}
        return {index: value for index, value in found.items() if value is not None}

    return scores


def _of_features(name: str) -> Callable[[Evidence], Scores]:
    return lambda evidence: dict((evidence.features or {}).get(name, {}))


def _lim(evidence: Evidence) -> Scores:
    if evidence.scores is not None:
        return dict(evidence.scores.by_index)
    assert evidence.histories is not None
    return history.lim(evidence.histories.curves)


def _is_kept(evidence: Evidence, score: float) -> bool:
    return history.is_kept(score, evidence.threshold)


def _skills(evidence: Evidence) -> Scores:
    skills: Mapping[int, Mapping[str, int]] = evidence.skills or {}
    return {index: count_skills(counts, evidence.category) for index, counts in skills.items()}


SELECTORS: dict[str, Selector] = {
    "random": Selector(
        scores=lambda evidence: random_scores((row.index for row in evidence.pool.rows), evidence.seed),
        needs=("pool",),
        paper="none",
        caveat="the arm that the others have to beat; in arXiv 2504.20571 16 random ones got 40.2, HVS's 16 got 42.5",
    ),
    "hvs": Selector(
        scores=_of_history(history.hvs),
        needs=("history",),
        paper="arXiv 2504.20571",
        caveat=_FULL_RUN,
    ),
    "lim": Selector(
        scores=_lim,
        needs=("scores", "history"),
        paper="arXiv 2502.11886",
        caveat=f"prefers rows that follow the mean curve, a flat row among them; {_FULL_RUN}",
        is_eligible=_is_kept,
    ),
    "polymath": Selector(
        scores=lambda evidence: {index: round(score, 2) for index, score in _lim(evidence).items()},
        needs=("scores", "history"),
        paper="arXiv 2601.03111",
        caveat="the lowest score that LIM keeps, a subject; 65 published rows tie at .60 and the paper does not say how"
        " it chose among them: here the first of the pool",
        is_low_good=True,
        is_eligible=_is_kept,
        is_per_subject=True,
    ),
    "slope": Selector(
        scores=_of_history(history.slope), needs=("history",), paper="a baseline of ours", caveat=_FULL_RUN
    ),
    "mean_accuracy": Selector(
        scores=_of_history(history.mean_accuracy),
        needs=("history",),
        paper="a baseline of ours",
        caveat=_FULL_RUN,
    ),
    "first_accuracy": Selector(
        scores=_of_history(history.first_accuracy),
        needs=("history",),
        paper="a baseline of ours",
        caveat=f"the first {history.FIRST_VISITS} visits; {_UNPROVEN}",
    ),
    "final_accuracy": Selector(
        scores=_of_history(history.final_accuracy),
        needs=("history",),
        paper="a baseline of ours",
        caveat=_FULL_RUN,
    ),
    "learnability": Selector(
        scores=_of_pass_rate(pass_rate.learnability),
        needs=("probe", "history"),
        paper="arXiv 2502.12272",
        caveat=f"{_UNPROVEN}; pi_1 of arXiv 2504.20571 starts at accuracy 0, so a probe would never choose it",
    ),
    "vcrl": Selector(
        scores=_of_probe(lambda one: pass_rate.vcrl(one.right, one.num_draws)),
        needs=("probe",),
        paper="arXiv 2509.19803",
        caveat="orders one probe exactly as learnability does",
    ),
    "band": Selector(
        scores=_of_pass_rate(lambda p: p),
        needs=("probe", "history"),
        paper="arXiv 2508.14094",
        caveat="the hardest that still gets hits; below that nothing is learned. Benefits may vanish for small models",
        is_low_good=True,
        is_eligible=lambda evidence, p: pass_rate.is_in_band(p, evidence.band),
    ),
    "azr": Selector(
        scores=_of_pass_rate(pass_rate.azr),
        needs=("probe", "history"),
        paper="arXiv 2505.03335",
        caveat="made to reward a proposer of tasks, not to choose one sample",
    ),
    "skills": Selector(
        scores=_skills,
        needs=("skills",),
        paper="arXiv 2601.03111",
        caveat="counts of free text by a language model; the paper reports no test of the relation",
    ),
    "shortcut": Selector(
        scores=_of_probe(probing.shortcut),
        needs=("probe",),
        paper="ours",
        caveat="see polymath bench selectors for what it is worth in the lab",
        is_low_good=True,
    ),
    "direct_right": Selector(
        scores=_of_probe(probing.direct_right),
        needs=("probe",),
        paper="ours",
        caveat="Spearman -.29 with the outcome (p .14, n 28) in the lab's first draws (docs/lab.md)",
        is_low_good=True,
    ),
    "worked_right": Selector(scores=_of_probe(probing.worked_right), needs=("probe",), paper="ours", caveat="unproven"),
    "worked_covariance": Selector(
        scores=_of_probe(probing.worked_covariance),
        needs=("probe",),
        paper="ours",
        caveat="the wrong sign in a prototype (rho -.33, n 40)",
    ),
    "pass_rate": Selector(
        scores=_of_probe(probing.pass_rate), needs=("probe",), paper="a baseline of ours", caveat="the easiest first"
    ),
    "answer_entropy": Selector(
        scores=_of_probe(probing.answer_entropy),
        needs=("probe",),
        paper="AH-Technologies, llm-training-experiments",
        caveat="proposed there without results",
    ),
    "distinct_wrong": Selector(
        scores=_of_probe(probing.distinct_wrong),
        needs=("probe",),
        paper="AH-Technologies, llm-training-experiments",
        caveat="proposed there without results",
    ),
    "shift": Selector(scores=_of_features("shift"), needs=("hidden",), paper="arXiv 2605.28631", caveat=_FEATURES),
    "hes": Selector(scores=_of_features("hes"), needs=("hidden",), paper="arXiv 2605.22389", caveat=_FEATURES),
    "grad_align": Selector(
        scores=_of_features("grad_align"), needs=("gradients",), paper="arXiv 2602.21492", caveat=_FEATURES
    ),
    "grad_align_min": Selector(
        scores=_of_features("grad_align_min"), needs=("gradients",), paper="arXiv 2602.21492", caveat=_FEATURES
    ),
    "grad_align_dot": Selector(
        scores=_of_features("grad_align_dot"), needs=("gradients",), paper="arXiv 2602.21492", caveat=_FEATURES
    ),
    "grad_align_learnable": Selector(
        scores=_of_features("grad_align_learnable"), needs=("gradients",), paper="arXiv 2602.21492", caveat=_FEATURES
    ),
    "learn_align": Selector(
        scores=_of_features("learn_align"), needs=("gradients",), paper="arXiv 2506.11480", caveat=_FEATURES
    ),
}
