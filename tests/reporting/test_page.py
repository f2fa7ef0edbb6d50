"""The page: self-contained, escaped, deterministic, honest about what is missing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from polymath.errors import RunFolderError
from polymath.reporting import write_report
from polymath.reporting.page import render_report
from polymath.reporting.read import read_report
from polymath.reporting.wording import percent, points
from polymath.runs import RunFolder, read_lines, write_lines, write_text
from tests.reporting.synthetic import ATTACK, DISCIPLINES, SAMPLE

Build = Callable[..., RunFolder]


@pytest.fixture(scope="module")
def page(finished_run: RunFolder) -> str:
    return render_report(read_report(finished_run))


def headline(page: str) -> str:
    found = re.search(r'<section id="headline".*?</section>', page, flags=re.DOTALL)
    assert found
    return found.group()


def summary(run: RunFolder, step: int) -> dict[str, float]:
    return dict(run.read_evaluation(step, "lab", "greedy")[1])


def test_the_page_reaches_nothing_outside_itself(page: str) -> None:
    assert not re.search(r"https?:|//[a-z]|@import|<link|<script|<iframe|<img|src=|srcset=", page, flags=re.IGNORECASE)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))


def test_references_inside_figures_find_their_target_and_ids_are_unique(page: str) -> None:
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    targets = re.findall(r"url\(#([^)]*)\)", page) + re.findall(r'href="#([^"]*)"', page)
    assert targets and set(targets) <= set(ids)


def test_where_the_judge_failed_the_page_says_what_the_means_could_be_at_most(page: str) -> None:
    """The synthetic run holds undecided verdicts, and bounds that nothing else on the page equals."""
    for title, bound in (
        ("Strict if all undecided were right", "87.6%"),
        ("Lenient if all undecided were right", "91.2%"),
    ):
        assert bound in page[page.index(title) :][:400]


def test_text_from_models_and_data_is_escaped(page: str) -> None:
    assert ATTACK not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4


def test_names_are_escaped_too(build: Build) -> None:
    run = build(use="<img onerror=alert(1)>", with_arms=False)
    for step in (0, 60):
        rows_path, summary_path = run.evaluation_paths(step, "lab", "greedy")
        rows = [
            {**row, "discipline": row["discipline"].replace("physics", "<b>$x_{$")} for row in read_lines(rows_path)
        ]
        table = json.loads(summary_path.read_text())
        table["disciplines"]["<b>$x_{$"] = table["disciplines"].pop("physics")
        write_lines(rows_path, rows)
        write_text(summary_path, json.dumps(table))
    page = write_report(run).read_text()
    assert "<img" not in page and "<b>$x" not in page
    assert "<h1>&lt;img onerror=alert(1)&gt;</h1>" in page
    assert "&lt;b&gt;$x_{$" in page


def test_the_same_folder_gives_the_same_bytes(finished_run: RunFolder, page: str) -> None:
    assert render_report(read_report(finished_run)) == page


def test_another_process_writes_the_same_bytes(finished_run: RunFolder, page: str) -> None:
    """Sets are walked in another order in every process."""
    for seed in ("1", "2"):
        call = [sys.executable, "-m", "polymath", "report", str(finished_run.path)]
        subprocess.run(call, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, stdout=subprocess.DEVNULL)
        assert finished_run.report_path.read_text(encoding="utf-8") == page


def test_the_report_lies_beside_its_data_and_leaves_no_temporary_file(build: Build) -> None:
    run = build(num_steps=20, with_arms=False)
    assert write_report(run) == run.report_path
    assert run.report_path.read_text().rstrip().endswith("</html>")
    assert not list(run.path.glob(".*.tmp"))


def test_the_headline_shows_the_numbers_of_the_summaries(finished_run: RunFolder, page: str) -> None:
    before, after, top = summary(finished_run, 0), summary(finished_run, 60), headline(page)
    for key in ("mean", "lenient_mean"):
        assert percent(before[key]) in top and percent(after[key]) in top
        assert f"{points(after[key] - before[key])} points" in top


def test_every_figure_says_in_words_what_it_shows(page: str) -> None:
    figures = re.findall(r"<figure[^>]*>", page)
    assert len(figures) >= 12
    assert all(re.search(r'role="img" aria-label="[^"]{20,}"', figure) for figure in figures)
    assert page.count("<svg") == len(figures)


def test_every_discipline_arm_and_rate_is_on_the_page(page: str) -> None:
    for text in (*(name.replace("&", "&amp;") for name in DISCIPLINES), "random", "Truncated", "Undecided", SAMPLE.id):
        assert text in page


def test_the_page_says_what_one_run_cannot_say(page: str) -> None:
    assert "cover the choice of problems only" in page
    assert "one training seed" in page


def test_wrong_answers_are_marked_with_the_rule_that_read_them(page: str) -> None:
    assert re.search(r"The answer is \\boxed\{<mark class=\"right\">\d+</mark>\}", page)
    assert "rule: nothing found, math-verify" in page


def test_a_loss_is_told_as_plainly_as_a_gain(build: Build) -> None:
    page = render_report(read_report(build(gains=(-0.2, -0.1), with_arms=False)))
    assert "lowered strict accuracy" in page and "raised" not in page


def test_a_null_result_is_called_one(build: Build) -> None:
    page = render_report(read_report(build(gains=(0.0, 0.0), with_arms=False)))
    assert "made no difference that these 360 problems can show" in page
    assert "includes zero" in page


def test_a_gain_that_is_only_format_is_called_that(build: Build) -> None:
    page = render_report(read_report(build(gains=(-0.02, 0.38), with_arms=False)))
    assert "of the gain is only format" in page or "so it may all be format" in page


def test_an_interrupted_run_says_which_step_after_means(build: Build) -> None:
    page = render_report(read_report(build(num_steps=45)))
    assert "This run is interrupted, not complete: 45 of 60 steps are done." in page
    assert "it means the model after step 40 of 60" in page
    assert headline(page)


def test_a_run_without_an_evaluation_after_training_claims_nothing(build: Build) -> None:
    page = render_report(read_report(build(num_steps=7)))
    assert "this page cannot say what training did" in page
    assert 'id="headline"' not in page and "raised" not in page
    assert "The model before training" in page


def test_a_run_that_has_only_begun_still_has_a_page(build: Build) -> None:
    begun = build(num_steps=20, with_arms=False)
    for path in [*begun.path.glob("*.jsonl"), *begun.path.glob("*/*/*.json*"), *begun.path.glob("rollouts/*")]:
        path.unlink()
    page = render_report(read_report(begun))
    assert "No training step has been recorded." in page
    assert "The run folder holds no sample." in page


def test_a_folder_without_a_run_is_refused(build: Build) -> None:
    run = build(num_steps=7, with_arms=False)
    with pytest.raises(RunFolderError, match=r"has no run\.json"):
        write_report(run.arm("nothing"))


def test_many_arms_are_told_in_few_sentences(build: Build) -> None:
    run = build()
    info = run.read_info()
    many = {f"arm{number}": info["recipe"]["arms"]["random"] for number in range(6)}
    for name in many:
        shutil.copytree(run.arm("random").path, run.arm(name).path)
    run.write_info(recipe={**info["recipe"], "arms": many})
    page = render_report(read_report(run))
    names = ", ".join(f"“{name}”" for name in many)
    assert f"The trained model is ahead of the arms {names}." in page
    assert "is ahead of the arm “arm0” by" not in page


def test_an_evaluation_that_was_made_otherwise_is_left_out_and_named(build: Build) -> None:
    """Somebody evaluated a checkpoint into the run with another dtype; it must not become a point of the curve."""
    run = build()
    for step, dtype in {0: "float32", 20: "bfloat16", 60: "float32"}.items():
        path = run.evaluation_paths(step, "lab", "greedy")[1]
        path.write_text(json.dumps({**json.loads(path.read_text()), "dtype": dtype}))
    data = read_report(run)
    assert data.unlike == {20: "dtype"}
    assert [one.step for one in data.evaluations] == [0, 40, 60]
    assert any("step 20 has another dtype" in gap for gap in data.gaps)
