"""One evaluate function: order, draws, both extractions, and files that are never half."""

import json

import pytest

from polymath.errors import RecipeError, RunFolderError, SampleError
from polymath.evaluation.evaluate import aside, evaluate, headline, to_row
from polymath.evaluation.protocol import read_protocol
from polymath.evaluation.record import record_evaluation
from polymath.evaluation.suites import Suite, load_suite
from polymath.evaluation.summary import summarize
from polymath.prompts import TEMPLATES
from polymath.runs import read_lines
from polymath.testing import ScriptedPolicy
from polymath.types import Sample

TEMPLATE = TEMPLATES["plain"]


def problem(number, discipline):
    return Sample(question=f"{number}+0?", answer=str(number), answer_type="number", disciplines=(discipline,))


PROBLEMS = (problem(1, "a"), problem(22, "a"), problem(333, "a"), problem(4, "b"))
SUITE = Suite(name="mine", benchmarks={"mine": PROBLEMS})
SCRIPT = {
    f"Problem: {question}\nAnswer:": texts
    for question, texts in {
        "1+0?": [r"\boxed{1}"],
        "22+0?": ["It is 22."],
        "333+0?": [r"\boxed{334}"],
        "4+0?": [r"1+3=4. \boxed{4}", r"\boxed{5}"],
    }.items()
}


def rows_of(protocol):
    responses = evaluate(ScriptedPolicy(SCRIPT), SUITE, read_protocol(protocol, 8), TEMPLATE, batch_size=2)
    return [to_row(response) for response in responses]


def test_rows_come_in_suite_order_whatever_the_batches():
    assert [row["id"] for row in rows_of("greedy")] == [sample.id for sample in PROBLEMS]


def test_strict_and_lenient_are_counted_apart_and_disciplines_weigh_the_same():
    summary = summarize(rows_of("greedy"))
    assert summary["disciplines"]["a"]["accuracy"] == pytest.approx(1 / 3)
    assert summary["disciplines"]["a"]["lenient_accuracy"] == pytest.approx(2 / 3)
    assert summary["mean"] == pytest.approx((1 / 3 + 1) / 2)
    assert summary["lenient_mean"] == pytest.approx((2 / 3 + 1) / 2)
    assert summary["low"] <= summary["mean"] <= summary["high"]
    assert summary["boxed_frac"] == 0.75
    assert summary["ways"]["worked"] == 0.25


def test_what_a_benchmark_holds_twice_is_asked_and_counted_once():
    """With the seed of the problem its draws would be the same, and count as new ones."""
    suite = Suite(name="mine", benchmarks={"mine": (*PROBLEMS, PROBLEMS[1])})
    policy = ScriptedPolicy(SCRIPT)
    rows = [to_row(one) for one in evaluate(policy, suite, read_protocol("sample-2", 8), TEMPLATE)]
    assert [row["id"] for row in rows] == [sample.id for sample in PROBLEMS for _ in range(2)]
    assert summarize(rows)["num_draws"] == 2


def test_several_draws_are_averaged_by_problem():
    summary = summarize(rows_of("sample-2"))
    assert (summary["num_problems"], summary["num_draws"]) == (4, 2)
    assert summary["disciplines"]["b"]["accuracy"] == 0.5


def test_a_finished_evaluation_is_never_paid_twice(tmp_path):
    policy = ScriptedPolicy(SCRIPT)
    arguments = (policy, SUITE, read_protocol("greedy", 8), TEMPLATE, tmp_path)
    first = record_evaluation(*arguments, title="t")
    calls = len(policy.calls)
    assert record_evaluation(*arguments, title="t") == first
    assert len(policy.calls) == calls
    assert len(read_lines(tmp_path / "mine--greedy.jsonl")) == 4


def test_a_finished_evaluation_with_other_settings_is_not_taken_for_this_one(tmp_path):
    policy, protocol = ScriptedPolicy(SCRIPT), read_protocol("greedy", 8)
    record_evaluation(policy, SUITE, protocol, TEMPLATE, tmp_path, title="t", facts={"weights_sha256": "a"})
    fewer = Suite(name="mine", benchmarks={"mine": PROBLEMS[:2]})
    for suite, other, sha256 in (
        (fewer, protocol, "a"),
        (SUITE, read_protocol("greedy", 9), "a"),
        (SUITE, protocol, "b"),
    ):
        with pytest.raises(RunFolderError, match=r"is an evaluation (of|with) (an)?other"):
            record_evaluation(policy, suite, other, TEMPLATE, tmp_path, title="t", facts={"weights_sha256": sha256})


def test_rows_without_a_summary_are_made_again(tmp_path):
    arguments = (ScriptedPolicy(SCRIPT), SUITE, read_protocol("greedy", 8), TEMPLATE, tmp_path)
    record_evaluation(*arguments, title="t")
    (tmp_path / "mine--greedy.summary.json").unlink()
    (tmp_path / "mine--greedy.jsonl").write_text("torn")
    assert record_evaluation(*arguments, title="t")["num_problems"] == 4
    assert len(read_lines(tmp_path / "mine--greedy.jsonl")) == 4


@pytest.mark.parametrize("name", ["best", "sample-0", "sample-", "Greedy"])
def test_an_unknown_protocol_is_refused(name):
    with pytest.raises(RecipeError, match="greedy, or sample-N"):
        read_protocol(name, 8)


def test_a_suite_joins_benchmarks_and_a_limit_draws_the_same_problems(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps({"question": f"q{i}", "answer": str(i)}) + "\n" for i in range(20)))
    suite = load_suite(f"clean-arithmetic+{path}", limit=7)
    assert {name: len(samples) for name, samples in suite.benchmarks.items()} == {"clean-arithmetic": 7, "own": 7}
    assert suite == load_suite(f"clean-arithmetic+{path}", limit=7)


def test_an_unknown_suite_names_the_known_ones():
    with pytest.raises(SampleError, match="clean-arithmetic"):
        load_suite("nope")


def test_clean_arithmetic_is_exact_by_another_calculator():
    """sympy parses and computes what our generator wrote."""
    import sympy

    samples = load_suite("clean-arithmetic").benchmarks["clean-arithmetic"]
    assert len({sample.question for sample in samples}) > 390
    for sample in samples:
        expression = sample.question.removeprefix("Compute ").removesuffix(".")
        assert int(sympy.sympify(expression)) == int(sample.answer)


@pytest.mark.parametrize(
    ("content", "word"),
    [(None, "has no gsm8k_test"), ('{"question": "q", "answer": "no mark"}', "no ####"), ("{", "not a row")],
)
def test_a_gsm8k_file_with_holes_is_told(tmp_path, content, word):
    if content is not None:
        (tmp_path / "gsm8k_test.jsonl").write_text(content)
    with pytest.raises(SampleError, match=word):
        load_suite("gsm8k", data=str(tmp_path))


def test_a_benchmark_that_stands_apart_is_a_row_of_its_own_and_in_no_mean():
    alone = summarize(rows_of("greedy"))
    suite = Suite(name="both", benchmarks={"mine": PROBLEMS, "lab-held-out": (problem(1, "a"), problem(5, "c"))})
    script = {**SCRIPT, "Problem: 5+0?\nAnswer:": [r"\boxed{6}"]}
    responses = evaluate(ScriptedPolicy(script), suite, read_protocol("greedy", 8), TEMPLATE)
    rows = [to_row(response) for response in responses]
    both = summarize(rows)
    assert both.pop("apart") == {"lab-held-out": {"accuracy": 0.5, "lenient_accuracy": 0.5, "se": 0.5, "n": 2}}
    assert alone.pop("apart") == {}
    assert both == alone
    assert len(headline(rows)) == 4 and len(aside(rows)) == 2


def test_a_benchmark_that_stands_apart_is_the_headline_where_it_is_alone():
    suite = Suite(name="one", benchmarks={"lab-held-out": (problem(1, "a"),)})
    rows = [to_row(r) for r in evaluate(ScriptedPolicy(SCRIPT), suite, read_protocol("greedy", 8), TEMPLATE)]
    assert summarize(rows)["mean"] == 1.0 and summarize(rows)["apart"] == {}


def test_undecided_counts_as_wrong_and_the_upper_bound_is_shown():
    def answer(key, outcome):
        verdict = {"outcome": outcome, "extracted": "7", "found_by": "box", "compared_by": "number", "detail": ""}
        return {
            "benchmark": "mine", "id": key, "draw": 0, "discipline": key, "finish": "eos", "num_tokens": 3, "ways": [],
            "strict": verdict, "lenient": {**verdict, "outcome": "right"},
        }  # fmt: skip

    found = summarize([answer("a", "right"), answer("b", "undecided"), answer("c", "wrong"), answer("d", "undecided")])
    assert (found["mean"], found["mean_upper"], found["undecided_frac"]) == (0.25, 0.75, 0.5)
    assert found["lenient_mean"] == found["lenient_mean_upper"] == 1.0
