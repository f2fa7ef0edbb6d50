"""An endpoint is a policy: prompts in, completions in their order out."""

import pytest

from polymath.errors import EndpointError
from polymath.llm import Endpoint, Reply
from polymath.prompts import Prompt
from polymath.rollouts.endpoint import EndpointPolicy, completion_of
from polymath.rollouts.policy import Policy, Sampling
from polymath.types import Completion
from tests import servers
from tests.servers import refuse, say, serve

PROMPTS = [Prompt(text=text, is_chat=True) for text in ("a", "b", "a")]


def policy_of(server, **changes):
    return EndpointPolicy(Endpoint(url=server.url, model="m", **{"backoff_s": 0.01, **changes}))


def test_each_prompt_has_its_draws_in_order():
    came = []
    with serve() as server:
        policy: Policy = policy_of(server)
        completions = policy.sample(PROMPTS, 2, Sampling(), 0, on_completion=lambda *one: came.append(one))
    expected = Completion(text="answer to a", finish="eos", num_tokens=5)
    assert [[one.text for one in draws] for draws in completions] == [[f"answer to {p.text}"] * 2 for p in PROMPTS]
    assert completions[0][0] == expected and expected.token_ids is None
    assert sorted((prompt, draw) for prompt, draw, _ in came) == [(p, d) for p in range(3) for d in range(2)]
    assert all(completions[prompt][draw] == one for prompt, draw, one in came)


def test_draws_are_asked_for_one_by_one_with_seeds_of_their_own():
    with serve() as server:
        policy_of(server).sample(PROMPTS[:2], 3, Sampling(), 5)
        policy_of(server).sample(PROMPTS[1:2], 3, Sampling(), 5)
        policy_of(server).sample(PROMPTS[:1], 3, Sampling(temperature=0.0), 5)
    seeds = [(servers.prompt_of(body), body.get("seed")) for body in server.bodies]
    assert len(set(seeds[:6])) == 6 and all(0 <= seed < 2**31 for _, seed in seeds[:6])
    assert set(seeds[6:9]) == {one for one in seeds[:6] if one[0] == "b"}, "the neighbours do not matter"
    assert seeds[9:] == [("a", None)] * 3 and all("n" not in body for body in server.bodies)


def test_the_sampling_reaches_the_server():
    sampling = Sampling(temperature=0.5, top_p=0.8, top_k=10, max_tokens=33, stop=("Problem:",))
    with serve() as server:
        policy_of(server).sample(PROMPTS[:1], 1, sampling, 0)
    (body,) = server.bodies
    sent = {name: body[name] for name in ("temperature", "top_p", "top_k", "max_tokens", "stop")}
    assert sent == {"temperature": 0.5, "top_p": 0.8, "top_k": 10, "max_tokens": 33, "stop": ["Problem:"]}


def test_usage_adds_up_over_calls_and_keeps_what_came_before_an_error():
    def misbehave(prompt, attempt):
        return refuse(401, "bad key") if prompt == "c" else None

    with serve(misbehave) as server:
        policy = policy_of(server, max_concurrency=1, price_in=1.0, price_out=2.0)
        policy.sample(PROMPTS[:2], 2, Sampling(), 0)
        with pytest.raises(EndpointError):
            policy.sample([*PROMPTS[:1], Prompt(text="c", is_chat=True)], 1, Sampling(), 0)
    assert policy.usage.num_replies == 5 and policy.usage.prompt_tokens == 50
    assert policy.usage.cost == pytest.approx((50 + 25 * 2) / 1e6)


def test_a_base_model_continues_the_text_and_a_server_that_cannot_says_so():
    with serve() as server:
        policy_of(server).sample([Prompt(text="Problem:")], 1, Sampling(), 0)
    assert server.paths == ["/v1/completions"] and server.bodies[0]["prompt"] == "Problem:"
    with serve(lambda *_: refuse(404, "Not Found")) as server, pytest.raises(EndpointError, match="ends in -chat"):
        policy_of(server).sample([Prompt(text="Problem:")], 1, Sampling(), 0)


def test_a_server_that_takes_n_is_asked_once_for_each_prompt():
    with serve() as server:
        completions = policy_of(server, use_n=True).sample(PROMPTS[:2], 4, Sampling(), 0)
    assert len(server.bodies) == 2 and completions[1][3].text == "answer to b, draw 3"


@pytest.mark.parametrize(
    ("reply", "text", "finish"),
    [
        (Reply(text="7", finish="eos"), "7", "eos"),
        (Reply(text="", finish="overlong"), "", "overlong"),
        (Reply(text="", finish="blocked"), "", "eos"),
        (Reply(text="7", finish="eos", reasoning="3+4"), "<think>3+4</think>\n\n7", "eos"),
        (Reply(text="", finish="length", reasoning="3+"), "<think>3+", "length"),
    ],
)
def test_a_reply_reads_as_a_local_model_would_have_said_it(reply, text, finish):
    assert completion_of(reply) == Completion(text=text, finish=finish, num_tokens=reply.completion_tokens)


def test_a_length_is_told_from_an_end():
    choices = [{"message": {"content": "and then"}, "finish_reason": "length"}]
    with serve(lambda *_: say(choices=choices)) as server:
        assert policy_of(server).sample(PROMPTS[:1], 1, Sampling(), 0)[0][0].is_truncated


def test_no_draws_and_no_prompts_ask_for_nothing():
    with serve() as server:
        assert policy_of(server).sample([], 4, Sampling(), 0) == []
        assert policy_of(server).sample(PROMPTS, 0, Sampling(), 0) == [[], [], []]
    assert server.bodies == []
