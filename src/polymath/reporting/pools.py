"""What was found in a pool in, lines for people out: a probe, features, a choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN_ROWS = 10


def tell_probe(summary: Mapping[str, Any]) -> list[str]:
    """The summary of `polymath probe`: the pool, how often it is solved, and what the draws cost."""
    return [
        f"pool     {summary['pool']}: {summary['num_rows']} rows, {summary['num_set_aside']} set aside",
        (
            f"solved   {summary['mean_pass_rate']:.1%} of draws; never {summary['never_right']} rows, "
            f"always {summary['always_right']} (neither gives a gradient)"
        ),
        (
            f"draws    {summary['num_responses']:,} responses, {summary['num_tokens']:,} tokens, "
            f"{summary['truncated_frac']:.1%} cut off, {summary['undecided']} undecided"
        ),
        (
            f"instead  of about {summary['history_rollouts']:,} rollouts and their updates, at 423 a row: what the "
            "history that hvs and lim need took in arXiv 2504.20571"
        ),
        f"folder   {summary['folder']}",
    ]


def tell_features(summary: Mapping[str, Any]) -> list[str]:
    """The summary of `polymath features`: which rows have no score and why, and which selectors can now rank."""
    lines = [f"pool       {summary['pool']}: {summary['num_rows']} rows, {summary['num_set_aside']} set aside"]
    if summary["overlong"]:
        num_overlong = len(summary["overlong"])
        lines.append(f"overlong   {num_overlong} rows leave no room for {summary['max_tokens']} tokens: no score")
    if "without_gradient" in summary:
        lines.append(
            f"gradients  {summary['without_gradient']} rows have none (all of {summary['num_draws']} draws right, or "
            "all wrong): aligned with nothing"
        )
    for discipline, count in summary.get("disciplines", {}).items():
        of = f"{count['with_gradient']} of {count['problems']}"
        lines.append(f"validation {discipline}: {of} problems have a gradient")
    return [
        *lines,
        f"cost       {summary['seconds']:.1f} s, {summary['seconds_a_sample']:.2f} s a sample",
        f"scores     {', '.join(summary['selectors'])}",
        f"folder     {summary['folder']}",
    ]


def tell_selection(result: Mapping[str, Any]) -> list[str]:
    """The result of `polymath select`: what the evidence says, the first rows, the caveat, the files."""
    first = [
        f"  {row['rank']:>5}  row {row['index']:<6} {row['score']:.4f}  {(row['id'] or 'set aside')[:12]}"
        for row in result["ranking"][:SHOWN_ROWS]
    ]
    return [
        *result["report"],
        f"ranked   {len(result['ranking']):,} rows by {result['selector']}",
        *first,
        *(f"note     {note}" for note in result["notes"]),
        f"cost     {result['cost']}",
        f"caveat   {result['caveat']}",
        *(f"chosen   {file}" for file in result["chosen"]),
        f"page     {result['page']}",
    ]
