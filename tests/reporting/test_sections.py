"""The sections of the page: their numbers, when they are absent, old folders, hostile text."""

from __future__ import annotations

import html
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from polymath.disciplines import PAPER_SUBJECTS
from polymath.reporting.page import render_report
from polymath.reporting.read import read_report
from polymath.runs import RunFolder, read_lines, write_text
from tests.reporting.suite_run import Row, paper_like_rows, row, sample, write_paper_like_run, write_run
from tests.reporting.synthetic import ATTACK, build_run_folder

NAMES = ("subjects", "form", "draws", "matrix", "beside", "saturation", "behaviours")


@pytest.fixture(scope="module")
def paper_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run on the polymath suite. Module-wide: read it, do not change it."""
    return write_paper_like_run(tmp_path_factory.mktemp("runs") / "paper-like")


@pytest.fixture(scope="module")
def paper_page(paper_run: RunFolder) -> str:
    return render(paper_run)


def render(run: RunFolder) -> str:
    return render_report(read_report(run))


def part(page: str, name: str) -> str:
    """The text of one section, without tags; empty where the page has none."""
    found = re.search(rf'<section id="{name}".*?</section>', page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", found.group()))) if found else ""


def tables(page: str, name: str) -> list[list[list[str]]]:
    """The cells of every table of a section, heads first."""
    found = re.search(rf'<section id="{name}".*?</section>', page, flags=re.DOTALL)
    assert found, f"no section {name}"
    return [
        [
            [
                html.unescape(re.sub(r"<[^>]*>", "", cell))
                for cell in re.findall(r"<t[hd]\b.*?</t[hd]>", line, re.DOTALL)
            ]
            for line in re.findall(r"<tr\b.*?</tr>", table, flags=re.DOTALL)
        ]
        for table in re.findall(r"<table>.*?</table>", found.group(), flags=re.DOTALL)
    ]


def problems(count: int, outcome: str, prefix: str = "p", **wishes: Any) -> list[Row]:
    return [row(f"{prefix}{number}", outcome, **wishes) for number in range(count)]


def by_name(table: Sequence[Sequence[str]]) -> dict[str, Sequence[str]]:
    return {line[0]: line for line in table}


def three_subjects(outcomes: dict[str, Sequence[str]]) -> list[Row]:
    """Two disciplines with three subjects between them."""
    home = {"tides": "physics", "optics": "physics", "cells": "biology"}
    return [
        row(f"{subject} {number}", outcome, subject=subject, discipline=home[subject])
        for subject, told in outcomes.items()
        for number, outcome in enumerate(told)
    ]


W, R = "wrong", "right"


# Subjects


def test_subjects_are_tested_by_mcnemar_and_corrected_by_holm(tmp_path: Path) -> None:
    """Ten gained: p = 2/1024; eight lost: 2/256; one of each: 1. Holm over three: times 3, times 2, times 1."""
    before = three_subjects({"tides": [W] * 10, "cells": [R] * 8, "optics": [R, W, R]})
    after = three_subjects({"tides": [R] * 10, "cells": [W] * 8, "optics": [W, R, R]})
    page = render(write_run(tmp_path / "run", {0: before, 9: after}))
    assert (
        "Of 3 subjects 2 moved by more than chance can explain (Holm-corrected p ≤ 0.05): gains in tides; "
        "losses in cells. For the other one these problems cannot tell." in part(page, "subjects")
    )
    assert "The test is McNemar’s exact test on the strict verdicts." in part(page, "subjects")
    (table,) = tables(page, "subjects")
    assert table[1:] == [
        ["tides", "10", "0.0%", "100.0%", "+100.0", "+100.0 to +100.0", "0.002", "0.006"],
        ["optics", "3", "66.7%", "66.7%", "0.0", table[2][5], "1.00", "1.00"],
        ["cells", "8", "100.0%", "0.0%", "−100.0", "−100.0 to −100.0", "0.008", "0.016"],
    ]
    assert re.fullmatch(r"−\d+\.\d to \+\d+\.\d", table[2][5])


def test_where_nothing_moved_after_correction_the_page_says_none(tmp_path: Path) -> None:
    """Five gained are 2/32 alone, and 3/16 among three."""
    before = three_subjects({"tides": [W] * 5, "cells": [R] * 5, "optics": [R] * 5})
    after = three_subjects({"tides": [R] * 5, "cells": [R] * 5, "optics": [R] * 5})
    page = render(write_run(tmp_path / "run", {0: before, 9: after}))
    assert "Of 3 subjects none moved by more than chance can explain" in part(page, "subjects")
    assert by_name(tables(page, "subjects")[0])["tides"][-2:] == ["0.062", "0.19"]


@pytest.mark.parametrize("subjects", [("a sums", "b sums"), (None, None)])
def test_subjects_that_say_no_more_than_disciplines_are_left_to_these(
    tmp_path: Path, subjects: Sequence[str | None]
) -> None:
    kept = dict(zip("ab", subjects, strict=True))
    sides = [
        [line for name in "ab" for line in problems(3, outcome, name, discipline=name, subject=kept[name])]
        for outcome in (W, R)
    ]
    page = render(write_run(tmp_path / "run", {0: sides[0], 9: sides[1]}))
    assert "By discipline" in part(page, "subjects")
    assert [line[0] for line in tables(page, "subjects")[0]] == ["discipline", "a", "b"]


def test_several_draws_are_tested_by_sign_flips_and_the_page_says_where(tmp_path: Path) -> None:
    """Three problems that all gain half: p = 2/8; Holm over two: times 2."""
    drawn = {
        step: [
            row(f"t{number}", outcome, draw=draw, subject="tides")
            for number in range(3)
            for draw, outcome in enumerate(outcomes)
        ]
        for step, outcomes in {0: (W, W), 9: (R, W)}.items()
    }
    single = {step: problems(4, R, subject="optics") for step in (0, 9)}
    page = render(write_run(tmp_path / "run", {step: drawn[step] + single[step] for step in (0, 9)}))
    assert "a paired sign-flip test on mean scores in tides, answered several times" in part(page, "subjects")
    assert by_name(tables(page, "subjects")[0])["tides"][-2:] == ["0.25", "0.50"]


# Format against reasoning


def test_the_format_part_of_a_benchmark_is_strict_gain_minus_lenient_gain(tmp_path: Path) -> None:
    """First: strict 0 of 4 to 3 of 4, lenient 2 of 4 to 3 of 4. Second: three of one discipline gain, one of another
    does not, and problems count alike."""
    before = [row(p, W, lenient=R if p in "ab" else W, benchmark="first") for p in "abcd"]
    after = [row(p, R if p in "abc" else W, benchmark="first") for p in "abcd"]
    for side, outcome in ((before, W), (after, R)):
        side += problems(3, outcome, benchmark="second")
        side.append(row("z", W, benchmark="second", discipline="other"))
    page = render(write_run(tmp_path / "run", {0: before, 9: after}))
    found = by_name(tables(page, "form")[0])
    assert [cell.split(" ")[0] for cell in found["first"]] == ["first", "4", "+75.0", "+25.0", "+50.0"]
    assert [cell.split(" ")[0] for cell in found["second"]] == ["second", "4", "+75.0", "+75.0", "0.0"]


def test_what_went_wrong_on_the_way_is_counted_by_benchmark(tmp_path: Path) -> None:
    options = {"answer_type": "choice", "choices": ["2", "3"], "answer": "A", "benchmark": "choices"}
    before = [
        row("a", R, **options), row("b", W, ways=[], finish="length", **options),
        row("c", W, finish="overlong", ways=[], **options), row("d", "undecided", **options),
    ]  # fmt: skip
    for line, said in zip(before, ("A", "D", None, "B"), strict=True):
        line["strict"]["extracted"] = said  # D is no option of two, and nothing is no letter
    after = [row(p, R, **options) for p in "abcd"]
    for line in after:
        line["strict"]["extracted"] = "A"
    open_ended = problems(2, R)
    page = render(write_run(tmp_path / "run", {0: before + open_ended, 9: after + open_ended}))
    assert tables(page, "form")[1] == [
        ["benchmark", "boxed", "cut off", "too long for the context", "no letter", "undecided"],
        ["choices", "50.0% → 100.0%", "25.0% → 0.0%", "25.0% → 0.0%", "50.0% → 0.0%", "25.0% → 0.0%"],
        ["own", "100.0% → 100.0%", "0.0% → 0.0%", "0.0% → 0.0%", "–", "0.0% → 0.0%"],
    ]


# Behaviours


def test_behaviours_are_counted_in_a_thousand_responses(tmp_path: Path) -> None:
    before = [row(f"p{n}", W, response="It is 1.", num_tokens=10) for n in range(10)]
    after = [row(f"p{n}", W, response="It is 1.", num_tokens=10) for n in range(10)]
    for line in after[:5]:
        line["response"] = "Wait, it is 1."
        line |= {"num_tokens": 20, "strict": {**line["strict"], "outcome": "right"}}
    page = render(write_run(tmp_path / "run", {0: before, 9: after}))
    told = part(page, "behaviours")
    behaviours, lengths = tables(page, "behaviours")
    assert by_name(behaviours)["“wait”"][1:5] == ["arXiv 2601.03111", "0.0", "500.0", "+500.0"]
    assert by_name(behaviours)["tokens a response"][2:5] == ["10.0", "15.0", "+5.0"]
    assert lengths[1:] == [["right", "–", "20.0 (n = 5)"], ["wrong", "10.0 (n = 10)", "10.0 (n = 5)"]]
    assert "more: “wait”, tokens a response." in told
    assert re.search(r"Never seen: “verify”, .*“recheck”.*a Python block", told)
    assert "a word of its own in exactly the listed spelling" in told
    assert "A count of words is no proof of checking" in told


# Saturation and the best step


def solved(num_right: int) -> list[Row]:
    return [row(f"p{n}", R if n < num_right else W) for n in range(10)]


def test_the_gain_after_saturation_is_last_minus_first_evaluation_behind_it(tmp_path: Path) -> None:
    """The mean over ten steps is at 1 from step 20 on, which is evaluated: 4 of 10, and 10 of 10 at the end."""
    rewards = [0.5] * 10 + [1.0] * 30
    page = render(write_run(tmp_path / "run", {0: solved(3), 20: solved(4), 40: solved(10)}, rewards=rewards))
    told = part(page, "saturation")
    assert "The training reward stayed saturated from step 20 on" in told
    assert re.search(
        r"still rose after that: \+60\.0 \(\+\d+\.\d to \+\d+\.\d\) points from step 20 to step 40\.", told
    )
    # Each half of the problems chooses step 40, and the other half is all right there.
    assert "Of 3 evaluated steps the best is step 40 with 100.0% strict. It is the last one as well." in told
    assert "a step scores 100.0% on the other half" in told
    assert "Choosing a checkpoint on the test problems flatters" in told
    assert "Dashed upright line" in page


def test_the_saturation_step_is_marked_in_accuracy_and_reward_and_nowhere_else(tmp_path: Path) -> None:
    def dashed(rewards: Sequence[float], name: str) -> int:
        page = render(write_run(tmp_path / f"run{name}{rewards[-1]}", evaluations, rewards=rewards))
        panels = re.findall(r'<div class="panel"><h4>.*?</figure></div>', page, flags=re.DOTALL)
        return sum("stroke-dasharray: 3.6" in one for one in panels if f"<h4>{name}</h4>" in one)

    evaluations = {0: solved(3), 20: solved(4), 40: solved(10)}
    for name in ("Test accuracy", "Reward"):
        assert dashed([0.5] * 10 + [1.0] * 30, name) == 1
        assert dashed([0.5] * 40, name) == 0


def test_a_best_step_in_the_middle_is_shown_beside_the_last(tmp_path: Path) -> None:
    page = render(write_run(tmp_path / "run", {0: solved(0), 20: solved(10), 40: solved(5)}))
    assert "the best is step 20 with 100.0% strict. The last one, step 40, which nobody chose, has 50.0%." in part(
        page, "saturation"
    )


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([0.5] * 40, "The training reward did not saturate and stay saturated"),
        ([1.0] * 12 + [0.5] * 28, "It got there at step 10 and fell again."),
        ([0.5] * 24 + [1.0] * 16, "Fewer than two evaluations lie after it"),
    ],
)
def test_what_cannot_be_said_of_saturation_is_not_said(tmp_path: Path, rewards: Sequence[float], expected: str) -> None:
    page = render(write_run(tmp_path / "run", {0: solved(3), 20: solved(4), 40: solved(10)}, rewards=rewards))
    assert expected in part(page, "saturation")


def test_other_rewards_than_right_or_wrong_have_no_saturation_step(tmp_path: Path) -> None:
    recipe = {"reward": {"name": "format"}}
    run = write_run(tmp_path / "run", {0: solved(3), 40: solved(10)}, rewards=[1.0] * 40, recipe=recipe)
    assert part(render(run), "saturation") == ""


# Answering more than once


def drawn(right_of: dict[str, int]) -> list[Row]:
    """Four draws a problem."""
    return [row(name, R if draw < count else W, draw=draw) for name, count in right_of.items() for draw in range(4)]


def test_the_base_reaches_the_trained_model_where_its_pass_at_k_does(tmp_path: Path) -> None:
    """Base: one of four right in both problems, pass@k = k/4. Trained: all of one and none of the other, 1/2 always.
    The vote of four: three against one in the base's problems; the trained model's one problem."""
    run = write_run(tmp_path / "run", {0: drawn({"a": 1, "b": 1}), 9: drawn({"a": 4, "b": 0})})
    page = render(run)
    told = part(page, "draws")
    assert "2 problems of own were answered 4 times or more by each model." in told
    assert "The base model’s pass@k reaches the trained model’s at k = 2" in told
    (table,) = tables(page, "draws")
    assert [[cell.split(" ")[0] for cell in line] for line in table[1:]] == [
        ["1", "25.0%", "50.0%", "25.0%", "50.0%"],
        ["2", "50.0%", "50.0%", table[2][3].split(" ")[0], "50.0%"],
        ["4", "100.0%", "50.0%", "0.0%", "50.0%"],
    ]
    # Two draws tie where the right one is among them (1/2 of the pairs), and a tie is won half the time.
    assert table[2][3].startswith("25.0%")
    figures = re.findall(r'aria-label="((?:pass|maj)@k, [^"]*)"', page)
    assert len(figures) == 2 and "base: 25.0% at k = 1, 100.0% at k = 4" in figures[0]


@pytest.mark.parametrize(
    ("base", "trained", "expected"),
    [
        ({"a": 1}, {"a": 4}, "k = 4"),
        ({"a": 0}, {"a": 2}, "Up to k = 4 the trained model’s pass@k stays above"),
        ({"a": 3}, {"a": 2}, "at least as good from the first answer on"),
        ({"a": 2}, {"a": 2}, "is the same at every k"),
    ],
)
def test_a_crossover_is_told_for_what_it_is(
    tmp_path: Path, base: dict[str, int], trained: dict[str, int], expected: str
) -> None:
    assert expected in part(render(write_run(tmp_path / "run", {0: drawn(base), 9: drawn(trained)})), "draws")


# Train subject against test subject


def arms_run(path: Path) -> RunFolder:
    tides, cells = [W] * 10, [W] * 10
    base = three_subjects({"tides": tides, "cells": cells, "optics": [R]})
    main = three_subjects({"tides": [R] * 10, "cells": cells, "optics": [R]})
    other = three_subjects({"tides": tides, "cells": [R] * 10, "optics": [R]})
    stone = sample("How far does the stone fall?", "tides")
    frog = sample("How many frogs?", "cells", "biology")
    arms: dict[str, Any] = {
        "frogs": ([frog], {9: other}),
        "again": ([stone], {9: other}),
        "mislabelled": ([stone.model_copy(update={"answer": "2"})], {9: other}),
        "shown": ([frog], {0: other}),
        "elsewhere": ([frog], {9: [{**line, "id": line["id"] + "!"} for line in other]}),
    }
    return write_run(path, {0: base, 9: main}, samples=[stone], arms=arms)


def test_the_matrix_holds_runs_that_trained_on_another_subject_and_met_the_same_test(tmp_path: Path) -> None:
    """Two of six cells have p = 2/1024: times 6, and the second no less."""
    page = render(arms_run(tmp_path / "run"))
    (table,) = tables(page, "matrix")
    assert table == [
        ["tested on", "trained on tides: this run", "trained on cells: arm frogs"],
        ["cells", "0.0 (p = 1.00)", "+100.0 (p = 0.012)"],
        ["optics", "0.0 (p = 1.00)", "0.0 (p = 1.00)"],
        ["tides", "+100.0 (p = 0.012)", "0.0 (p = 1.00)"],
    ]
    assert "Of 6 cells 2 moved" in part(page, "matrix")
    assert "gains in tides (this run), cells (arm frogs)" in part(page, "matrix")


# Beside the published figures


def mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def subject_accuracies(rows: Sequence[Row]) -> dict[str, float]:
    """By problem, then by subject, without any code of the package."""
    problem: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for line in rows:
        problem[line["subject"], line["benchmark"], line["id"]].append(line["strict"]["outcome"] == "right")
    subject: dict[str, list[float]] = defaultdict(list)
    for (name, _, _), right in problem.items():
        subject[name].append(mean(right))
    return {name: mean(scores) for name, scores in subject.items()}


def domain_cells(rows: Sequence[Row]) -> dict[str, float]:
    subjects = subject_accuracies(rows)
    return {
        domain: mean(subjects[name] for name, home in PAPER_SUBJECTS.items() if home == domain)
        for domain in PAPER_SUBJECTS.values()
    }


def test_a_domain_of_the_paper_is_the_mean_of_its_subjects(paper_run: RunFolder, paper_page: str) -> None:
    table = tables(paper_page, "beside")[0]
    for line, step in ((table[1], 0), (table[2], 60)):
        found = dict(zip(table[0][1:], line[1:], strict=True))
        cells = domain_cells(read_lines(paper_run.evaluation_paths(step, "polymath", "greedy")[0]))
        assert {name: found[name] for name in cells} == {name: f"{100 * value:.1f}" for name, value in cells.items()}
        assert found["average"] == "–", "a benchmark is missing"
    assert [line[0] for line in table[1:4]] == [
        "this run, before",
        "this run, after step 60",
        "base (samples per problem 64)",
    ]
    assert by_name(table)["synthetic-prime"][1:] == [
        "38.3",
        "20.6",
        "15.7",
        "54.2",
        "15.6",
        "20.8",
        "48.5",
        "32.4",
        "30.8",
    ]


def test_an_average_is_shown_where_nothing_is_missing(tmp_path: Path) -> None:
    sides = {step: paper_like_rows(step, 0.25, seed=0) for step in (0, 60)}
    table = tables(render(write_run(tmp_path / "run", sides, suite="polymath")), "beside")[0]
    assert table[2][-1] == f"{100 * mean(domain_cells(sides[60]).values()):.1f}"


def test_a_domain_without_one_of_its_subjects_is_a_dash(tmp_path: Path) -> None:
    sides = {
        step: [line for line in paper_like_rows(step, 0.25, seed=0) if line["subject"] != "AIME"] for step in (0, 60)
    }
    domains, benchmarks = tables(render(write_run(tmp_path / "run", sides, suite="polymath")), "beside")
    found = dict(zip(domains[0], domains[2], strict=True))
    assert (found["mathematics"], found["average"]) == ("–", "–") and found["physics"] != "–"
    found = dict(zip(benchmarks[0], benchmarks[2], strict=True))
    assert (found["aime24"], found["average-open-ended"], found["average"]) == ("–", "–", "–")


def test_benchmarks_stand_beside_the_published_ones_as_far_as_the_run_has_them(
    paper_run: RunFolder, paper_page: str
) -> None:
    table = tables(paper_page, "beside")[1]
    found = dict(zip(table[0], table[2], strict=True))
    rows = read_lines(paper_run.evaluation_paths(60, "polymath", "greedy")[0])
    cells = {
        name: mean(
            mean(
                line["strict"]["outcome"] == "right" for line in rows if (line["benchmark"], line["id"]) == (name, one)
            )
            for one in sorted({line["id"] for line in rows if line["benchmark"] == name})
        )
        for name in ("math500", "aime24", "aime25", "minerva", "scibench")
    }
    assert {name: found[name] for name in cells} == {name: f"{100 * value:.1f}" for name, value in cells.items()}
    assert found["average-open-ended"] == f"{100 * mean(cells.values()):.1f}"
    assert (found["gpqa-diamond"], found["average-multiple-choice"], found["average"]) == ("–", "–", "–")


def test_what_is_not_comparable_is_named(tmp_path: Path, paper_page: str) -> None:
    told = part(paper_page, "beside")
    assert "here greedy; aime24, aime25: the mean of 8 responses at temperature 0.6, top-p 0.95" in told
    assert "mmlu-pro-100 and supergpqa-1500, whose problems are a draw of our own" in told
    assert "sets that are missing here (gpqa-diamond)" in told and "the model (here" not in told
    assert "the base row is measured by another protocol than every other row" in told
    own_model = write_run(
        tmp_path / "run", {0: problems(2, W, benchmark="math500"), 9: problems(2, R, benchmark="math500")},
        suite="one-shot-math", recipe={"model": {"path": "somebody/small"}},
    )  # fmt: skip
    page = render(own_model)
    assert "the model (here small, there Qwen/Qwen2.5-Math-1.5B)" in part(page, "beside")
    (table,) = tables(page, "beside")
    assert table[2] == ["this run, after step 9", "100.0", "–", "–", "–", "–", "–", "–"]
    assert by_name(table)["pi-1 (size 1)"][1:] == ["72.8", "15.4", "51.6", "29.8", "33.5", "7.1", "35.0"]


# What is missing, what is absent, what is hostile


def test_missing_and_set_aside_benchmarks_are_named_at_the_top(paper_page: str) -> None:
    alert = re.search(r'<div class="alert".*?</div>', paper_page, flags=re.DOTALL)
    assert alert and paper_page.index(alert.group()) < paper_page.index('id="headline"')
    assert (
        "Missing from the test, and in no mean: gpqa-diamond (needs an account of the hub that has accepted its terms)."
        in alert.group()
    )
    told = "Of scibench 2 problems were set aside and not asked; the first: thermo.json, row 12: <b>no</b> answer."
    assert html.escape(told) in alert.group()


def test_a_plain_run_has_no_alert_and_no_section_that_does_not_apply(tmp_path: Path) -> None:
    page = render(write_run(tmp_path / "run", {0: solved(2), 9: solved(5)}))
    assert 'class="alert"' not in page
    assert [name for name in NAMES if f'<section id="{name}"' in page] == ["form", "behaviours"]


def test_an_evaluation_before_training_only_has_no_comparison(tmp_path: Path) -> None:
    page = render(write_run(tmp_path / "run", {0: solved(2)}, recipe={"train": {"num_steps": 5}}))
    assert not [name for name in NAMES if f'<section id="{name}"' in page]


def test_a_folder_without_the_newer_keys_still_has_its_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {0: drawn({"a": 1, "b": 1}), 9: drawn({"a": 4, "b": 0})})
    for step in (0, 9):
        path = run.evaluation_paths(step, "own", "greedy")[1]
        summary = json.loads(path.read_text())
        for name in ("curves", "subjects", "benchmarks", "mean_upper", "lenient_mean_upper", "apart", "overlong_frac"):
            del summary[name]
        write_text(path, json.dumps(summary))
    page = render(run)
    assert part(page, "behaviours") and not part(page, "draws") and not part(page, "form")


def test_the_old_synthetic_run_shows_what_its_rows_can_say(tmp_path: Path) -> None:
    """Its summaries hold no rates by benchmark; its subjects are its disciplines by other names."""
    page = render(build_run_folder(tmp_path / "run", with_arms=False))
    assert "Of 12 disciplines" in part(page, "subjects")
    assert len(tables(page, "form")) == 1 and len(tables(page, "form")[0]) == 13
    assert not part(page, "draws") and not part(page, "matrix") and not part(page, "beside")


def test_hostile_names_are_escaped_in_every_section(tmp_path: Path) -> None:
    sides = {
        step: [
            row(f"{name}{number}", R if number < count else W, draw=draw, benchmark=f"{name}{ATTACK}",
                subject=f"$x_{{{name}{ATTACK}", discipline=f"d{ATTACK}")
            for name in "ab" for number in range(4) for draw in range(2)
        ]
        for step, count in {0: 1, 9: 3}.items()
    }  # fmt: skip
    arms = {"other": ([sample("Another?", f"frogs{ATTACK}", "biology")], sides)}
    facts = {"missing": {f"m{ATTACK}": ATTACK}, "set_aside": {f"s{ATTACK}": [ATTACK]}}
    run = write_run(tmp_path / "run", sides, samples=[sample("Stone?", f"stones{ATTACK}")], arms=arms, facts=facts)
    page = render(run)
    assert ATTACK not in page
    for name in ("subjects", "form", "draws", "matrix"):
        assert ATTACK in part(page, name), "the name stands there, escaped"
    assert page.count(html.escape(f"m{ATTACK} ({ATTACK})")) == 1


def test_the_same_folder_gives_the_same_bytes_and_its_ids_are_unique(paper_run: RunFolder, paper_page: str) -> None:
    assert render(paper_run) == paper_page
    ids = re.findall(r'\bid="([^"]*)"', paper_page)
    assert len(ids) == len(set(ids))
    targets = re.findall(r"url\(#([^)]*)\)", paper_page) + re.findall(r'href="#([^"]*)"', paper_page)
    assert set(targets) <= set(ids)
    assert [name for name in NAMES if f'<section id="{name}"' in paper_page] == list(NAMES)


def test_long_tables_are_folded(paper_page: str) -> None:
    for opened in re.sub(r"<details>.*?</details>", "", paper_page, flags=re.DOTALL).split("<table>")[1:]:
        assert opened.split("</table>")[0].count("<tr") <= 9
