"""Numbers and results in, plain words out. Losses and null results are told as plainly as gains."""

from __future__ import annotations

from collections.abc import Mapping

from polymath.evaluation.statistics import Interval
from polymath.reporting.compare import Difference
from polymath.reporting.read import ReportData

# What stands in a cell that has no number.
NOTHING = "–"
# A sentence an arm, up to so many arms.
MOST_SENTENCES = 4


def percent(fraction: float) -> str:
    """A fraction as a percentage with one decimal."""
    return f"{100 * fraction:.1f}%"


def percent_or_nothing(fraction: float | None) -> str:
    """A percentage, or a dash where there is none."""
    return NOTHING if fraction is None else percent(fraction)


def points(fraction: float) -> str:
    """A difference of fractions in percentage points, signed, with a true minus."""
    text = f"{100 * fraction:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def span(interval: Interval) -> str:
    """The two ends of an interval of a difference, in points."""
    return f"{points(interval.low)} to {points(interval.high)}"


def number(value: float) -> str:
    """A quantity of unknown size with three sensible digits."""
    if value == 0 or abs(value) >= 1e4 or abs(value) < 1e-3:
        return f"{value:.3g}".replace("-", "−")
    return f"{value:.{max(0, 2 - len(str(int(abs(value)))) + 1)}f}".replace("-", "−")


def tell_rate(rate: float) -> str:
    """A learning rate as it is written in recipes."""
    mantissa, exponent = f"{rate:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def p_value(value: float) -> str:
    """A p-value as it is written in papers."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"


def direction(interval: Interval) -> str:
    """gain or loss where the interval excludes zero, else null."""
    if interval.low > 0:
        return "gain"
    return "loss" if interval.high < 0 else "null"


def tell_result(data: ReportData) -> list[str]:
    """What happened, in a few sentences; what is missing where the run cannot say."""
    if data.before is None or data.after is None or data.difference is None:
        if data.before is not None and data.after is not None:
            return ["Before and after were evaluated on different problems, so they cannot be compared."]
        return []
    sentences = [_tell_strict(data, data.difference), _tell_format(data.difference)]
    margins = {arm.name: arm.margin.strict for arm in data.arms if arm.margin is not None}
    if len(margins) > MOST_SENTENCES:
        return sentences + _tell_margins(margins)
    return sentences + [_tell_margin(name, margin) for name, margin in margins.items()]


def tell_caveat(data: ReportData) -> str:
    """What the intervals cover and what they do not."""
    if data.recipe.replicate_seeds:
        return (
            f"The 95% intervals here cover the choice of problems only, for the training seed {data.recipe.seed}. "
            f"It was trained with seeds {', '.join(map(str, data.recipe.replicate_seeds))} too: over seeds, see below."
        )
    return (
        "The 95% intervals cover the choice of problems only. This is one run with one training seed "
        f"(seed {data.recipe.seed}); another seed can land elsewhere, and this page cannot say how far."
    )


def _tell_strict(data: ReportData, difference: Difference) -> str:
    assert data.before is not None and data.after is not None
    subject = "one sample" if len(data.samples) <= 1 else f"{len(data.samples)} samples"
    ends = f"from {percent(data.before.strict.mean)} to {percent(data.after.strict.mean)}"
    change = f"{points(difference.strict.mean)} points (95% interval {span(difference.strict)})"
    match direction(difference.strict):
        case "gain":
            return f"Training on {subject} raised strict accuracy {ends}: {change}."
        case "loss":
            return f"Training on {subject} lowered strict accuracy {ends}: {change}."
        case _:
            return (
                f"Training on {subject} made no difference that these {difference.num_problems:,} problems can show: "
                f"strict accuracy went {ends}, {change}, an interval that includes zero."
            )


def _tell_format(difference: Difference) -> str:
    strict, lenient, part = difference.strict, difference.lenient, difference.format_part
    change = f"{points(lenient.mean)} points ({span(lenient)})"
    if direction(strict) != "gain":
        return f"Under lenient extraction, which forgives the format of an answer, the difference is {change}."
    if part.mean < 0.0005:
        return f"None of the gain is only format: under lenient extraction, which forgives format, it is {change}."
    if lenient.mean <= 0:
        return f"All of the gain is only format: under lenient extraction, which forgives format, it is {change}."
    doubt = "" if direction(lenient) == "gain" else ", an interval that includes zero, so it may all be format"
    return (
        f"Of these, {points(part.mean).removeprefix('+')} points are only format ({span(part)}): "
        f"under lenient extraction, which forgives format, the gain is {change}{doubt}."
    )


def _tell_margins(margins: Mapping[str, Interval]) -> list[str]:
    """Many arms in at most three sentences, by what their intervals say; the numbers are in the table."""
    told = []
    for kind, words in (
        ("gain", "is ahead of"),
        ("loss", "is behind"),
        ("null", "cannot be told apart from"),
    ):
        names = [f"“{name}”" for name, margin in margins.items() if direction(margin) == kind]
        if names:
            told.append(f"The trained model {words} the arm{'s' if len(names) > 1 else ''} {', '.join(names)}.")
    return told


def _tell_margin(name: str, margin: Interval) -> str:
    change = f"{points(margin.mean)} points strict ({span(margin)})"
    match direction(margin):
        case "gain":
            return f"The trained model is ahead of the arm “{name}” by {change}."
        case "loss":
            return f"The trained model is behind the arm “{name}”: {change}."
        case _:
            return f"It cannot be told apart from the arm “{name}”: {change}."
