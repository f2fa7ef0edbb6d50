"""A synthesis with two real models, replayed: the same plan and the same replies come to the same funnel, offline.

recorded/ is what `polymath synthesize recorded/plan.toml` did against `transformers serve` with
Qwen2.5-Coder-0.5B-Instruct and SmolLM2-135M-Instruct (docs/LOG.md). The texts are those models' own.
"""

import json
import math
from pathlib import Path

from polymath.runs import read_lines
from polymath.synthesis.plan import read_plan
from polymath.synthesizing.synthesize import synthesize

RECORDED = Path(__file__).parent / "recorded"


def test_the_recorded_replies_come_to_the_recorded_funnel_and_nobody_is_asked(tmp_path):
    plan = read_plan(RECORDED / "plan.toml")
    funnel = synthesize(plan, tmp_path / "out", replay=RECORDED)
    assert funnel == json.loads((RECORDED / "funnel.json").read_text())
    rows = read_lines(tmp_path / "out" / "candidates.jsonl")
    assert len(rows) == plan.candidates == 12
    counts = {outcome: sum(row["outcome"] == outcome for row in rows) for outcome in ("accepted", "rejected")}
    assert sum(counts.values()) == 12
    solved = sum(bool(row["attempts"]) for row in rows)
    assert len(read_lines(RECORDED / "replies.jsonl")) == 12 + 4 * solved, "two solvers, two attempts each"
    assert all(row["rejected"]["reason"] for row in rows if row["outcome"] == "rejected")
    assert len(read_lines(tmp_path / "out" / "accepted.jsonl")) == counts["accepted"]


def test_without_the_rule_that_every_solver_succeeds_a_wrong_label_would_have_come_through(tmp_path):
    """The writer and a solver of the same weights say that the greatest common divisor of 144 and 216 is 12.

    Other rules ask for nothing new, so the recorded replies answer them.
    """
    loose = read_plan(RECORDED / "plan.toml", ["accept.agreement=0.5", "accept.every_solver=false"])
    synthesize(loose, tmp_path / "loose", replay=RECORDED)
    (accepted,) = read_lines(tmp_path / "loose" / "accepted.jsonl")
    assert "144 and 216" in accepted["question"] and math.gcd(144, 216) == 72 != int(accepted["answer"])
    assert accepted["meta"]["writer_agrees"] is True
    strict = read_plan(RECORDED / "plan.toml", ["accept.agreement=0.5"])
    synthesize(strict, tmp_path / "strict", replay=RECORDED)
    rows = {row["candidate"]: row for row in read_lines(tmp_path / "strict" / "candidates.jsonl")}
    assert rows[accepted["meta"]["candidate"]]["rejected"]["reason"] == "a solver never succeeds"
