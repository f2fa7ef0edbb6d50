"""Answers reach the disk as they come, and an evaluation that was stopped goes on where it was."""

from __future__ import annotations

import json

import pytest

from polymath.errors import RunFolderError
from polymath.evaluation.cache import AnswerCache
from polymath.evaluation.protocol import read_protocol
from polymath.evaluation.record import record_evaluation
from polymath.evaluation.suites import Suite
from polymath.prompts import TEMPLATES
from polymath.runs import read_lines
from polymath.testing import ScriptedPolicy, tiny_policy
from polymath.types import Sample

TEMPLATE = TEMPLATES["plain"]
PROBLEMS = tuple(
    Sample(question=f"{number}+1?", answer=str(number + 1), answer_type="number", disciplines=(f"d{number % 2}",))
    for number in range(6)
)
SUITE = Suite(name="mine", benchmarks={"mine": PROBLEMS})
SCRIPT = {f"Problem: {n}+1?\nAnswer:": [rf"\boxed{{{n + 1 if n % 3 else 0}}}"] for n in range(6)}
GREEDY = read_protocol("greedy", 8)


class FailingPolicy(ScriptedPolicy):
    """Answers so many calls, then the machine goes away."""

    def __init__(self, num_calls):
        super().__init__(SCRIPT)
        self.num_calls = num_calls

    def sample(self, prompts, n, sampling, seed):
        if len(self.calls) == self.num_calls:
            raise KeyboardInterrupt
        return super().sample(prompts, n, sampling, seed)


def record(policy, folder, **options):
    return record_evaluation(policy, SUITE, GREEDY, TEMPLATE, folder, title="t", batch_size=2, **options)


def stop_after(num_calls, folder, **options):
    with pytest.raises(KeyboardInterrupt):
        record(FailingPolicy(num_calls), folder, **options)


def results(folder):
    (rows,) = [path for path in folder.glob("*.jsonl") if "partial" not in path.name]
    return rows.read_bytes()


def test_what_was_answered_is_on_disk_and_is_not_asked_again(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    expected = record(ScriptedPolicy(SCRIPT), whole)
    stop_after(2, stopped)
    assert len(read_lines(stopped / "mine--greedy.partial.jsonl")) == 1 + 4
    policy = ScriptedPolicy(SCRIPT)
    found = record(policy, stopped, resume=True)
    assert sum(len(prompts) for prompts, _ in policy.calls) == 2
    assert found["num_from_before"] == 4
    assert {key: found[key] for key in ("mean", "disciplines", "benchmarks")} == {
        key: expected[key] for key in ("mean", "disciplines", "benchmarks")
    }
    assert results(whole) == results(stopped)
    assert sorted(path.name for path in stopped.iterdir()) == ["mine--greedy.jsonl", "mine--greedy.summary.json"]


def test_an_unfinished_evaluation_is_never_overwritten_unasked(tmp_path):
    stop_after(1, tmp_path)
    before = (tmp_path / "mine--greedy.partial.jsonl").read_bytes()
    with pytest.raises(RunFolderError, match=r"2 problems answered.*--resume"):
        record(ScriptedPolicy(SCRIPT), tmp_path)
    assert (tmp_path / "mine--greedy.partial.jsonl").read_bytes() == before


def test_a_line_that_a_kill_has_torn_is_asked_again(tmp_path):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    record(ScriptedPolicy(SCRIPT), whole)
    stop_after(2, torn)
    path = torn / "mine--greedy.partial.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    policy = ScriptedPolicy(SCRIPT)
    assert record(policy, torn, resume=True)["num_from_before"] == 3
    assert results(whole) == results(torn)


def test_an_attempt_that_was_torn_in_its_first_line_begins_anew(tmp_path):
    tmp_path.joinpath("mine--greedy.partial.jsonl").write_text('{"prompt": "Prob')
    assert record(ScriptedPolicy(SCRIPT), tmp_path)["num_problems"] == 6


def test_it_can_be_stopped_again_and_again(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    record(ScriptedPolicy(SCRIPT), whole)
    for _ in range(2):
        stop_after(1, stopped, resume=True)
    record(ScriptedPolicy(SCRIPT), stopped, resume=True)
    assert results(whole) == results(stopped)


@pytest.mark.parametrize(
    ("template", "protocol", "word"),
    [
        (TEMPLATES["boxed"], GREEDY, "with another prompt"),
        (TEMPLATE, read_protocol("greedy", 9), "with another max_tokens"),
    ],
)
def test_an_unfinished_evaluation_with_other_settings_is_refused(tmp_path, template, protocol, word):
    stop_after(1, tmp_path)
    with pytest.raises(RunFolderError, match=word):
        record_evaluation(ScriptedPolicy(SCRIPT), SUITE, protocol, template, tmp_path, title="t", resume=True)


def test_two_processes_never_write_the_same_evaluation(tmp_path):
    class Nested(ScriptedPolicy):
        def sample(self, prompts, n, sampling, seed):
            with pytest.raises(RunFolderError, match="another process"):
                record(ScriptedPolicy(SCRIPT), tmp_path, resume=True)
            return super().sample(prompts, n, sampling, seed)

    assert record(Nested(SCRIPT), tmp_path)["num_problems"] == 6


def cache(folder, **identity):
    return AnswerCache(folder, {"weights_sha256": "w", "seed": 0, **identity})


def test_answers_of_the_same_weights_are_paid_once(tmp_path):
    first = record(ScriptedPolicy(SCRIPT), tmp_path / "a", cache=cache(tmp_path))
    policy = ScriptedPolicy(SCRIPT)
    second = record(policy, tmp_path / "b", cache=cache(tmp_path))
    assert policy.calls == [] and second["num_from_before"] == 6
    assert second["mean"] == first["mean"] and results(tmp_path / "a") == results(tmp_path / "b")


def test_other_weights_prompts_or_decodings_are_asked_anew(tmp_path):
    record(ScriptedPolicy(SCRIPT), tmp_path / "a", cache=cache(tmp_path))
    for number, (identity, template, protocol) in enumerate(
        [
            ({"weights_sha256": "other"}, TEMPLATE, GREEDY),
            ({"seed": 1}, TEMPLATE, GREEDY),
            ({}, TEMPLATES["boxed"], GREEDY),
            ({}, TEMPLATE, read_protocol("greedy", 9)),
            ({}, TEMPLATE, read_protocol("greedy", 8, stop=("x",))),
            ({}, TEMPLATE, read_protocol("sample-1", 8)),
        ]
    ):
        policy, folder = ScriptedPolicy(SCRIPT), tmp_path / f"b{number}"
        record_evaluation(policy, SUITE, protocol, template, folder, title="t", cache=cache(tmp_path, **identity))
        assert sum(len(prompts) for prompts, _ in policy.calls) == 6


def test_a_torn_line_of_the_cache_costs_one_answer(tmp_path):
    record(ScriptedPolicy(SCRIPT), tmp_path / "a", cache=cache(tmp_path))
    (path,) = (tmp_path / "answers").iterdir()
    lines = path.read_text().split("\n")
    path.write_text("\n".join([lines[0][:20], *lines[1:]]))
    policy = ScriptedPolicy(SCRIPT)
    record(policy, tmp_path / "b", cache=cache(tmp_path))
    assert sum(len(prompts) for prompts, _ in policy.calls) == 1
    assert results(tmp_path / "a") == results(tmp_path / "b")


def test_a_real_model_resumes_to_the_same_greedy_and_the_same_drawn_answers(tmp_path):
    """A streaming policy: batches of rows that make room for each other, cut in the middle."""
    for name in ("greedy", "sample-3-t0.8"):
        protocol = read_protocol(name, 12)
        whole, stopped = tmp_path / name / "whole", tmp_path / name / "stopped"
        policy = tiny_policy(3)
        arguments = {"title": "t", "batch_size": 1 if name == "greedy" else 2}
        record_evaluation(policy, SUITE, protocol, TEMPLATE, whole, **arguments)

        def die(*_, told=[]):  # noqa: B006
            told.append(1)
            if len(told) == 2:
                raise KeyboardInterrupt

        class Dying(type(policy)):
            def answer(self, *positional, on_answered, **named):
                super().answer(*positional, on_answered=on_answered, **named)
                die()

        dying = Dying(policy.model, policy.tokenizer)
        with pytest.raises(KeyboardInterrupt):
            record_evaluation(dying, SUITE, protocol, TEMPLATE, stopped, **arguments)
        summary = record_evaluation(policy, SUITE, protocol, TEMPLATE, stopped, resume=True, **arguments)
        assert 0 < summary["num_from_before"] <= 18
        assert results(whole) == results(stopped)


def test_a_prompt_without_room_is_counted_and_not_asked(tmp_path):
    long = Sample(question="x" * 600, answer="1", answer_type="number", disciplines=("d0",))
    suite = Suite(name="mine", benchmarks={"mine": (*PROBLEMS, long)})
    summary = record_evaluation(tiny_policy(), suite, GREEDY, TEMPLATE, tmp_path, title="t")
    assert summary["overlong_frac"] == pytest.approx(1 / 7)
    assert summary["benchmarks"]["mine"]["overlong_frac"] == pytest.approx(1 / 7)
    row = read_lines(tmp_path / "mine--greedy.jsonl")[-1]
    assert (row["finish"], row["response"], row["num_tokens"]) == ("overlong", "", 0)
    assert row["strict"]["outcome"] == row["lenient"]["outcome"] == "wrong"


def test_what_is_missing_and_set_aside_is_in_the_summary(tmp_path):
    suite = Suite(
        name="mine", benchmarks={"mine": PROBLEMS}, missing={"gpqa": "is gated"}, set_aside={"mine": ("l. 3: hole",)}
    )
    record_evaluation(ScriptedPolicy(SCRIPT), suite, GREEDY, TEMPLATE, tmp_path, title="t")
    told = json.loads((tmp_path / "mine--greedy.summary.json").read_text())
    assert told["missing"] == {"gpqa": "is gated"} and told["set_aside"] == {"mine": ["l. 3: hole"]}
    assert set(told["benchmarks"]) == {"mine"}


def test_letters_that_are_missing_are_counted_among_choices_only(tmp_path):
    choice = {"answer": "B", "answer_type": "choice", "choices": ("one", "two", "three")}
    suite = Suite(
        name="c",
        benchmarks={"c": tuple(Sample(question=q, **choice) for q in ("p", "q", "r", "s")), "n": PROBLEMS[:2]},
    )
    said = {"p": r"\boxed{B}", "q": r"\boxed{12}", "r": "It is B.", "s": r"\boxed{Z}"}
    script = {f"Problem: {question}\nA) one\nB) two\nC) three\nAnswer:": [text] for question, text in said.items()}
    summary = record_evaluation(ScriptedPolicy(script), suite, GREEDY, TEMPLATE, tmp_path, title="t")
    assert summary["benchmarks"]["c"]["no_letter_frac"] == 0.75
    assert summary["benchmarks"]["n"]["no_letter_frac"] is None
    assert summary["no_letter_frac"] == 0.75
    assert summary["benchmarks"]["c"]["accuracy"] == 0.25
