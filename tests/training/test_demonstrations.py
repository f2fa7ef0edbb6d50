"""What is imitated: rows read and refused by line, critiques without a verdict counted, loss on the response alone."""

import json

import pytest
import torch

from polymath.errors import PromptError, RecipeError, SampleError
from polymath.judge import judge
from polymath.prompts import Prompt, load_template
from polymath.recipe import DemonstrationsSection, make_recipe
from polymath.runs import RunFolder
from polymath.samples.sources import find_sample
from polymath.testing import tiny_policy
from polymath.training.demonstrations import (
    CRITIQUE_TEMPLATE,
    Demonstration,
    Demonstrations,
    encode_response,
    find_verdict,
    keep_fitting,
    load_demonstrations,
    places_at,
    read_demonstrations,
    shipped_names,
    weigh_demonstrations,
    write_demonstrations,
)
from polymath.training.update import update_once
from polymath.types import Sample

PLAIN, BOXED = load_template("plain"), load_template("boxed")
SOLVED = Sample(question="2+2?", answer="4", answer_type="number", solution="2+2=4.")


def load(tmp_path, rows, samples=(), template=PLAIN, **settings):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return load_demonstrations(DemonstrationsSection(file=str(path), **settings), samples, template)


def critique(text, question="Q?", solution="S."):
    return {"question": question, "solution": solution, "critique": text}


# row, prompt that is sent, response that is imitated
READ = [
    ({"prompt": "Say {question}: ", "response": " yes \n"}, "Say {question}: ", " yes \n"),
    ({"question": "2+2?", "response": " 4", "model": "x"}, "Problem: 2+2?\nAnswer:", " 4"),
    ({"problem": "2+2?", "response": "4"}, "Problem: 2+2?\nAnswer:", "4"),
    (
        {"question": "Which?", "choices": ["one", "two"], "response": "A"},
        "Problem: Which?\nA) one\nB) two\nAnswer:",
        "A",
    ),
    (
        {"question": "2+2?", "answer": "4", "solution": "2+2=4."},
        "Problem: 2+2?\nAnswer:",
        " 2+2=4. The answer is \\boxed{4}.",
    ),
    (
        {"question": "2+2?", "answer": "4", "solution": "2+2=\\boxed{4}"},
        "Problem: 2+2?\nAnswer:",
        " 2+2=\\boxed{4}",
    ),
]


@pytest.mark.parametrize(("row", "prompt", "response"), READ)
def test_a_row_is_a_prompt_and_what_follows_it(tmp_path, row, prompt, response):
    (found,) = load(tmp_path, [row]).kept
    assert (found.prompt, found.response) == (Prompt(text=prompt), response)
    assert found.where.endswith("rows.jsonl:1")


def test_no_file_means_the_samples_with_their_solutions():
    (found,) = load_demonstrations(DemonstrationsSection(), [SOLVED], BOXED).kept
    assert found.prompt.text.startswith("2+2?\n\nWork it out")
    assert found.response == "2+2=4. The answer is \\boxed{4}."  # the template ends with a blank line
    with pytest.raises(SampleError, match="has no solution"):
        load_demonstrations(DemonstrationsSection(), [Sample(question="2+2?", answer="4")], PLAIN)
    with pytest.raises(RecipeError, match="samples hold no critiques"):
        load_demonstrations(DemonstrationsSection(kind="critique"), [SOLVED], PLAIN)


# kind, rows, words of the complaint; the wrong row is the second
REFUSED = [
    ("response", {"prompt": "2+2?"}, ["rows.jsonl:2", "no response and no solution"]),
    ("response", {"response": "4"}, ["rows.jsonl:2", "neither prompt nor question"]),
    ("response", {"prompt": "2+2?", "response": ""}, ["rows.jsonl:2", "response is empty"]),
    ("response", {"prompt": ["2+2?"], "response": "4"}, ["rows.jsonl:2", "prompt is no text"]),
    ("response", {"question": "2+2?", "solution": "4"}, ["rows.jsonl:2", "answer"]),
    ("response", critique("x Conclusion: right [END]"), ["rows.jsonl:2", "critique", "demonstrations.kind"]),
    ("response", "{", ["rows.jsonl:2", "not a row of JSON"]),
    ("critique", {"question": "2+2?", "solution": "4"}, ["rows.jsonl:2", "has no critique", "question, solution"]),
    ("critique", {"question": "2+2?", "critique": "x"}, ["rows.jsonl:2", "has no solution"]),
    ("critique", {"solution": "4", "critique": "x"}, ["rows.jsonl:2", "has no question or problem"]),
]


@pytest.mark.parametrize(("kind", "row", "words"), REFUSED)
def test_a_wrong_row_is_refused_in_one_line_that_names_it(tmp_path, kind, row, words):
    right = {"prompt": "p", "response": "r", "critique": "Fine. Conclusion: right [END]"}
    if kind == "response":
        right.pop("critique")
    with pytest.raises(SampleError) as caught:
        load(tmp_path, [right, row], kind=kind)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line


def test_a_name_that_is_neither_file_nor_shipped_is_told():
    with pytest.raises(SampleError, match="lab-boxes-critiques"):
        load_demonstrations(DemonstrationsSection(file="nothing"), [], PLAIN)
    with pytest.raises(SampleError, match="no such file"):
        load_demonstrations(DemonstrationsSection(file="nothing.jsonl"), [], PLAIN)


# text, verdict; the first ones are what teachers get wrong
VERDICTS = [
    ("All is well.", None),
    ("Conclusion: right", None),  # cut off before its end
    ("Conclusion: right/wrong [END]", None),  # the request, copied
    ("Conclusion: not right [END]", None),
    ("Conclusion: rightly [END]", None),
    ("Conclusion: wrong [END] But wait, once more.", None),
    ("Conclusion: [END]", None),
    ("Conclusion: right [END]", "right"),
    ("conclusion: WRONG [end]\n", "wrong"),
    ("Conclusion: right [END] is what I said first.\n**Conclusion:** wrong [END].", "wrong"),
    ("Conclusion: **wrong** [END]", "wrong"),
]


@pytest.mark.parametrize(("text", "verdict"), VERDICTS)
def test_a_critique_ends_in_its_verdict_or_has_none(text, verdict):
    assert find_verdict(text) == verdict


def test_critiques_that_are_no_use_are_counted_and_told(tmp_path):
    rows = [
        critique("It holds.\nConclusion: right [END]\n"),
        critique("It goes on and on"),
        critique("Conclusion: wrong [END]"),
        critique("2+2=4, not 5.\nConclusion: wrong [END]", question="2+2?", solution="5"),
        critique("Conclusion: right"),
    ]
    found = load(tmp_path, rows, samples=[SOLVED], kind="critique")
    assert [one.response for one in found.kept] == [
        "It holds.\nConclusion: right [END]",
        "2+2=4, not 5.\nConclusion: wrong [END]",
    ]
    assert found.summary() == {
        "num": 2,
        "num_prompts": 2,
        "num_passed_over": 3,
        "reasons": {"without a verdict at its end": 2, "with nothing but a verdict": 1},
        "num_of_other_questions": 4,
    }
    line = found.tell()
    for words in ("3 passed over", "2 without a verdict", "rows.jsonl:2", "4 rows are of other questions"):
        assert words in line
    with pytest.raises(SampleError, match=r"no critique of 1 can be used.*Conclusion: right \[END\]"):
        load(tmp_path, [critique("It goes on and on")], kind="critique")


def test_a_critique_is_asked_for_with_the_problem_and_the_attempt(tmp_path):
    row = critique("Fine. Conclusion: right [END]", question="Is {solution} a word?", solution="{question}")
    (found,) = load(tmp_path, [row], kind="critique").kept
    assert found.prompt.text.startswith("Problem: Is {solution} a word?\n\nAttempt: {question}\n\n")
    assert found.prompt.text.count("Check it step by step") == CRITIQUE_TEMPLATE.count("Check it step by step") == 1
    own = tmp_path / "own.txt"
    own.write_text("{solution} answers {question}?")
    settings = DemonstrationsSection(file=str(tmp_path / "rows.jsonl"), kind="critique", template=str(own), chat=True)
    (found,) = load_demonstrations(settings, [], PLAIN).kept
    assert found.prompt == Prompt(text="{question} answers Is {solution} a word??", is_chat=True)
    own.write_text("{question} alone")
    with pytest.raises(PromptError, match=r"has no \{solution\}"):
        load_demonstrations(settings, [], PLAIN)


def test_what_is_longer_than_the_context_is_passed_over():
    policy = tiny_policy(context=40)  # a token a byte
    short, long = (
        Demonstration(prompt=Prompt(text="p" * 10), response="r" * length, where=f"f:{length}") for length in (29, 30)
    )
    found = keep_fitting(Demonstrations(kept=(long, short)), policy)
    assert found.kept == (short,)  # 10 + 29 and the end of the sequence are 40
    assert [(one.where, "40 tokens" in one.reason) for one in found.passed] == [("f:30", True)]
    with pytest.raises(SampleError, match=r"f:30: none of 1 demonstrations can be used"):
        keep_fitting(Demonstrations(kept=(long,)), policy)


def test_a_response_is_its_own_tokens_and_the_end():
    policy = tiny_policy()
    ids = encode_response("4.", policy)
    assert policy.tokenizer.decode(ids[:-1]) == "4." and ids[-1] == policy.tokenizer.eos_token_id
    (item,) = weigh_demonstrations([Demonstration(prompt=Prompt(text="p"), response="4.", where="f:1")], policy)
    assert (item.token_ids, item.advantage) == (ids, 1.0)


@pytest.mark.parametrize("micro_batch_tokens", [16384, 1])
def test_the_gradient_is_that_of_the_plain_model_with_prompts_masked(micro_batch_tokens):
    """transformers' own loss on padded rows, labels -100 on prompt and padding: a mean over all response tokens."""
    shown = [
        Demonstration(prompt=Prompt(text=prompt), response=response, where="f")
        for prompt, response in (("7*8=", "56"), ("7*8=", "54, no: 56"), ("Which one of these?", "A"))
    ]
    policy = tiny_policy()
    settings = make_recipe(
        {
            "loss": {"name": "log_likelihood", "aggregation": "token_mean"},
            "optimizer": {"max_grad_norm": 1e9},
            "train": {"micro_batch_tokens": micro_batch_tokens},
        }
    )
    caught = []

    class Catch(torch.optim.SGD):
        def step(self, closure=None):
            caught.extend(parameter.grad.clone() for parameter in policy.parameters())

    measured = update_once(
        policy, Catch(policy.parameters(), lr=1.0), weigh_demonstrations(shown, policy), settings, None
    )

    plain = tiny_policy()
    rows = [(plain.encode(one.prompt), list(encode_response(one.response, plain))) for one in shown]
    width = max(len(prompt) + len(response) for prompt, response in rows)
    ids, labels, mask = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(3))
    labels.fill_(-100)
    for row, (prompt, response) in enumerate(rows):
        size = len(prompt) + len(response)
        ids[row, :size] = torch.tensor(prompt + response)
        labels[row, len(prompt) : size] = torch.tensor(response)
        mask[row, :size] = 1
    loss = plain.model(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    assert measured["loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    for one, parameter in zip(caught, plain.parameters(), strict=True):
        assert torch.allclose(one, parameter.grad, atol=1e-6)


def test_an_epoch_shows_every_demonstration_once_and_the_next_in_another_order():
    shown = [place for step in range(1, 9) for place in places_at(step, 12, 3, seed=5)]
    first, second = shown[:12], shown[12:]
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second and first != list(range(12))
    assert first != [place for step in range(1, 5) for place in places_at(step, 12, 3, seed=6)]


def test_batches_run_on_across_the_end_of_an_epoch():
    pieces = [places_at(step, 5, 3, seed=0) for step in range(1, 6)]
    assert [place for piece in pieces for place in piece] == places_at(1, 5, 15, seed=0)
    assert sorted(places_at(1, 2, 6, seed=0)) == [0, 0, 0, 1, 1, 1]


def test_what_a_run_imitates_is_read_back_as_it_was(tmp_path):
    found = load(tmp_path, [{"prompt": "a\u2028b", "response": "c"}, {"question": "2+2?", "response": "4"}], chat=True)
    run = RunFolder(tmp_path)
    write_demonstrations(run, found)
    assert read_demonstrations(run).kept == found.kept


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_critiques_conclude_what_our_judge_says_of_the_attempt(name):
    (sample,) = find_sample("lab-boxes")
    settings = DemonstrationsSection(file=name, kind="critique")
    found = load_demonstrations(settings, [sample], PLAIN)
    assert found.passed == () and found.num_foreign == 0
    for one in found.kept:
        attempt = one.prompt.text.split("Attempt: ")[1].split("\n\n")[0]
        assert judge(attempt, sample).outcome == find_verdict(one.response), one.where
        if "boxed" in one.response:
            assert judge(one.response, sample).outcome == "right", one.where
