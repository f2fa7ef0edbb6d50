"""What selectors are made of: what is known of a pool, and how one is described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from polymath.samples.pools import Pool
from polymath.selection.histories import Histories, Scores
from polymath.selection.probe import Probed

Need = Literal["pool", "history", "scores", "probe", "skills", "hidden", "gradients"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of the rows of a pool; None is not known.

    `skills` is pool row to category to number of skills; `features` selector to pool row to score, of what somebody
    computed from hidden states or gradients. The rest are settings: `threshold` of LIM, `band` of pass rates (above
    the first, up to the second), `category` of skills (None: all), `seed` of random.
    """

    pool: Pool
    histories: Histories | None = None
    scores: Scores | None = None
    probed: Mapping[int, Probed] | None = None
    skills: Mapping[int, Mapping[str, int]] | None = None
    features: Mapping[str, Mapping[int, float]] | None = None
    threshold: float = 0.6
    band: tuple[float, float] = (0.0, 0.1)
    category: str | None = None
    seed: int = 0

    def has(self, need: Need) -> bool:
        """This kind of evidence is there."""
        kinds = {
            "pool": self.pool,
            "history": self.histories,
            "scores": self.scores,
            "probe": self.probed,
            "skills": self.skills,
            "hidden": self.features,
            "gradients": self.features,
        }
        return kinds[need] is not None


@dataclass(frozen=True, kw_only=True)
class Selector:
    """One way to order a pool.

    `scores` gives pool row to score, in the order that decides ties; rows it cannot score are absent. It needs one of
    `needs`. `is_eligible` says which scores may be chosen at all. `paper` is its source, `caveat` what the evidence
    for it is worth.
    """

    scores: Callable[[Evidence], dict[int, float]]
    needs: tuple[Need, ...]
    paper: str
    caveat: str
    is_low_good: bool = False
    is_eligible: Callable[[Evidence, float], bool] | None = None
    is_per_subject: bool = False

    def can_score(self, evidence: Evidence) -> bool:
        """One of the kinds of evidence it needs is there."""
        return any(evidence.has(need) for need in self.needs)
