"""What changes from step to step, as functions of what the steps before have measured.

They read the rows of metrics.jsonl and keep nothing themselves, so that a resumed run goes on as it would have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from polymath.recipe import EntropySection, StopSection

Rows = Sequence[Mapping[str, Any]]

# A sample that has earned nothing after so many steps will hardly ever; from then on it is said.
UNSOLVED_STEPS = 10
# A mean response this much shorter than at first, or an entropy this low with nothing left to learn, is a collapse.
SHORTER = 0.2
NO_ENTROPY = 1e-3
COLLAPSED_STEPS = 5
# Nats a token between sampler and policy that are never rounding.
APART = 0.02
# Nats a token that are not rounding either where they are so many times those of the first step.
GROWN_APART = 1e-4
GROWTH = 100.0


def entropy_coefficient(settings: EntropySection, rows: Rows) -> float:
    """The weight of the entropy bonus in the step after these.

    With a target (Skywork-OR1, arXiv 2505.22312), the coefficient grows by delta after a step whose entropy was below
    it and shrinks by delta after another, between 0 and `maximum`, and is applied only after a step below the target.
    The entropy is that of the step before: that of the step itself is not known until its update.
    """
    if settings.target is None:
        return settings.coefficient
    coefficient = settings.coefficient
    is_below = False
    for row in rows:
        is_below = row["entropy"] < settings.target
        change = settings.delta if is_below else -settings.delta
        coefficient = min(max(coefficient + change, 0.0), settings.maximum)
    return coefficient if is_below else 0.0


def reason_to_stop(settings: StopSection, rows: Rows) -> str | None:
    """Why training should end after these steps, in words; None where it should go on."""
    last = rows[-settings.patience :]
    if len(last) < settings.patience:
        return None
    if settings.solved is not None and all(row["reward"] >= settings.solved for row in last):
        return f"the reward has been {settings.solved:g} or more in {len(last)} steps (stop.solved)"
    if settings.entropy_below is not None and all(row["entropy"] < settings.entropy_below for row in last):
        return f"the entropy has been below {settings.entropy_below:g} nats in {len(last)} steps (stop.entropy_below)"
    return None


def unrewarded_steps(rows: Rows) -> int:
    """How many of the last steps had no rollout with a right answer."""
    count = 0
    for row in reversed(rows):
        if row["accuracy"] > 0:
            break
        count += 1
    return count


def warnings(rows: Rows, *, is_cut: bool = False) -> list[str]:
    """What a person should be told after these steps, in words with the remedy; each is said when it first holds.

    With `is_cut` sampling leaves tokens out (top_p, say), and the sampler's distribution is meant to be another.
    """
    found = []
    if len(rows) == UNSOLVED_STEPS and unrewarded_steps(rows) == len(rows):
        found.append(
            f"no rollout of the first {len(rows)} steps is right, so nothing is learned: choose a sample that the "
            "model sometimes solves (polymath probe), give more rollout.max_tokens, or demonstrations (rescue.after)"
        )
    if _begins(rows, lambda row: row["completions/clipped_ratio"] >= 0.95):
        found.append(
            f"95% of the responses or more have been cut off in {COLLAPSED_STEPS} steps: give more rollout.max_tokens"
        )
    if _begins(rows, lambda row: row["entropy"] < NO_ENTROPY and row["learnable_fraction"] == 0):
        found.append(
            f"the policy has collapsed to one answer (entropy below {NO_ENTROPY:g} nats, no group that teaches): what "
            "follows changes nothing; stop here (stop.entropy_below), or keep it open with an entropy bonus "
            "(entropy.target) or advantage.name = rl_zvp"
        )
    at_first = next((row["sampler/k3_kl"] for row in rows if "sampler/k3_kl" in row), None)
    if not is_cut and at_first is not None and _begins(rows, lambda row: _is_apart(row, at_first)):
        found.append(
            f"the sampler has been {rows[-1]['sampler/k3_kl']:.1g} nats a token away from the policy for "
            f"{COLLAPSED_STEPS} steps: it may not have all of the weights, or draws otherwise than it says; compare "
            "with sampler.name = policy, and leave sampler.speculation out"
        )
    first = rows[0]["completions/mean_length"] if rows else 0.0
    if first >= 5 and _begins(rows, lambda row: row["completions/mean_length"] < SHORTER * first):
        found.append(
            f"responses have shrunk below {SHORTER:.0%} of their first length in {COLLAPSED_STEPS} steps: look at "
            "rollouts/; a lower optimizer.learning_rate or a KL term (kl.coefficient) holds the policy"
        )
    return found


def _is_apart(row: Mapping[str, Any], at_first: float) -> bool:
    """Sampler and policy are two distributions, by more than the rounding of their kernels explains."""
    distance = row.get("sampler/k3_kl", 0.0)
    return bool(distance > APART or (distance > GROWN_APART and distance > GROWTH * at_first))


def _begins(rows: Rows, holds: Any) -> bool:
    """It holds for the last COLLAPSED_STEPS steps, and did not for the one before them."""
    last = rows[-COLLAPSED_STEPS:]
    if len(last) < COLLAPSED_STEPS or not all(holds(row) for row in last):
        return False
    return len(rows) == COLLAPSED_STEPS or not holds(rows[-COLLAPSED_STEPS - 1])
