"""Replies on disk and the budget: nothing is asked twice, nothing is exceeded, a torn line costs one reply."""

import json

import pytest

from polymath.errors import EndpointError, RunFolderError
from polymath.llm import Endpoint, Request
from polymath.synthesis.asking import Asker, Budget, Replayer, most_tokens
from polymath.synthesis.replies import Ask, Replies
from tests.servers import refuse, say, serve


def asks(server, num, *, name="e", price=None, max_tokens=100):
    endpoint = Endpoint(url=server.url, model="m", max_concurrency=2, max_retries=0, price_in=price, price_out=price)
    return [
        Ask(
            id=f"{name}-{place}/write",
            name=name,
            endpoint=endpoint,
            request=Request(text="q" * 30, max_tokens=max_tokens, seed=place),
        )
        for place in range(num)
    ]


def test_a_reply_is_on_disk_with_all_that_was_asked_and_is_not_asked_for_again(tmp_path):
    with serve() as server:
        with Replies(tmp_path / "replies.jsonl") as replies:
            Asker(replies, Budget()).ask(asks(server, 3, price=2.0))
        assert len(server.bodies) == 3
        with Replies(tmp_path / "replies.jsonl") as replies:
            found = Asker(replies, Budget()).ask(asks(server, 5, price=2.0))
        assert len(server.bodies) == 5 and len(found) == 5
    rows = [json.loads(line) for line in (tmp_path / "replies.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows[3:]] in (["e-3/write", "e-4/write"], ["e-4/write", "e-3/write"])
    row = rows[0]
    assert (row["prompt"], row["decoding"]["max_tokens"], row["model"], row["served_model"]) == (
        "q" * 30,
        100,
        "m",
        "m-2026",
    )
    assert row["reply"] == "answer to " + "q" * 30 and row["server"] == server.url and row["date"][:2] == "20"
    # The server counts 10 tokens in and 5 out, at 2 a million.
    assert row["cost"] == pytest.approx(15 * 2 / 1e6)


def test_another_question_under_the_same_id_is_asked_anew_and_another_address_is_not(tmp_path):
    with serve() as server, serve() as moved, Replies(tmp_path / "replies.jsonl") as replies:
        asker = Asker(replies, Budget())
        asker.ask(asks(server, 2))
        asker.ask(asks(moved, 2))
        assert moved.bodies == []
        asker.ask(asks(server, 2, max_tokens=101))
        assert len(server.bodies) == 4


def test_a_second_opener_is_refused_in_one_line_and_wipes_nothing(tmp_path):
    path = tmp_path / "replies.jsonl"
    with serve() as server:
        with Replies(path) as replies:
            Asker(replies, Budget()).ask(asks(server, 2))
            with pytest.raises(RunFolderError, match="is being written by another process") as refused, Replies(path):
                pass
            assert "\n" not in str(refused.value)
            assert len(Replies.read(path)) == 2, "to look is allowed"
            Asker(replies, Budget()).ask(asks(server, 3))
        assert len(path.read_text().splitlines()) == len(server.bodies) == 3


def test_what_another_process_added_before_the_lock_is_known(tmp_path):
    """Both are made before either is entered, as two drivers that start together are."""
    path = tmp_path / "replies.jsonl"
    first, second = Replies(path), Replies(path)
    with serve() as server:
        with first:
            Asker(first, Budget()).ask(asks(server, 2))
        with second:
            assert len(second) == 2
            Asker(second, Budget()).ask(asks(server, 3))
        assert len(server.bodies) == 3
    assert len(path.read_text().splitlines()) == 3


@pytest.mark.parametrize("torn", ['{"id": "e-9/wri', "{"])
def test_a_line_that_a_kill_has_torn_is_cut_off_and_asked_for_again(tmp_path, torn):
    path = tmp_path / "replies.jsonl"
    with serve() as server:
        with Replies(path) as replies:
            Asker(replies, Budget()).ask(asks(server, 2))
        whole = path.read_text()
        path.write_text(whole + torn)
        with Replies(path) as replies:
            assert len(replies) == 2
            Asker(replies, Budget()).ask(asks(server, 3))
        assert len(server.bodies) == 3
    assert path.read_text().startswith(whole) and len(path.read_text().splitlines()) == 3


def test_a_file_of_something_else_is_one_line(tmp_path):
    path = tmp_path / "replies.jsonl"
    path.write_text('{"question": "q"}\n')
    with pytest.raises(RunFolderError, match=r"replies.jsonl:1: is no recorded reply"):
        Replies.read(path)
    with pytest.raises(RunFolderError, match=r"replies.jsonl:1: is no recorded reply"), Replies(path):
        pass
    assert path.read_text() == '{"question": "q"}\n'


def test_the_budget_is_never_exceeded_and_is_used_as_far_as_it_goes(tmp_path):
    """A request may take 110 + 64 tokens (10 of prompt by length, 64 of template) and takes 15."""
    with serve() as server, Replies(tmp_path / "replies.jsonl") as replies:
        assert most_tokens(asks(server, 1)[0]) == (74, 100)
        asker = Asker(replies, Budget(tokens=400))
        found = asker.ask(asks(server, 100))
        spent = replies.usage.prompt_tokens + replies.usage.completion_tokens
    assert asker.is_spent and len(found) == len(server.bodies) == spent / 15
    assert spent <= 400 < spent + 174 and list(found) == [f"e-{place}/write" for place in range(len(found))]


def test_a_budget_in_money_ends_it_too_and_what_is_known_costs_nothing(tmp_path):
    with serve() as server:
        with Replies(tmp_path / "replies.jsonl") as replies:
            asker = Asker(replies, Budget(money=300e-6))
            asker.ask(asks(server, 100, price=1.0))
            assert asker.is_spent and 300e-6 >= replies.usage.cost > (300 - 174) * 1e-6
            num = len(server.bodies)
        with Replies(tmp_path / "replies.jsonl") as replies:
            again = Asker(replies, Budget(money=300e-6))
            assert len(again.ask(asks(server, num, price=1.0))) == num and not again.is_spent
        assert len(server.bodies) == num


def test_endpoints_are_asked_at_once_each_within_its_own_concurrency(tmp_path):
    with serve(takes_s=0.1) as server, Replies(tmp_path / "replies.jsonl") as replies:
        both = [ask for pair in zip(asks(server, 8, name="a"), asks(server, 8, name="b"), strict=True) for ask in pair]
        found = Asker(replies, Budget()).ask(both)
    assert len(found) == 16 and 2 < server.most_parallel <= 4


def test_an_endpoint_that_refuses_ends_it_for_all_and_what_came_is_kept(tmp_path):
    with serve(takes_s=0.02) as good, serve(lambda prompt, attempt: refuse(401, "bad key")) as bad:
        with Replies(tmp_path / "replies.jsonl") as replies, pytest.raises(EndpointError, match="bad key"):
            Asker(replies, Budget()).ask([*asks(good, 200, name="a"), *asks(bad, 1, name="b")])
        assert len(good.bodies) < 200
        with Replies(tmp_path / "replies.jsonl") as replies:
            assert len(good.bodies) - 2 <= len(replies) <= len(good.bodies)


def test_a_replay_asks_nobody_and_says_what_it_lacks(tmp_path):
    with serve(lambda prompt, attempt: say("recorded")) as server:
        with Replies(tmp_path / "a.jsonl") as replies:
            Asker(replies, Budget()).ask(asks(server, 3))
        with Replies(tmp_path / "b.jsonl") as copied:
            replayer = Replayer(Replies.read(tmp_path / "a.jsonl"), copied, is_complete=True)
            assert [one.text for one in replayer.ask(asks(server, 3)).values()] == ["recorded"] * 3
            with pytest.raises(RunFolderError, match="no reply to e-3/write"):
                replayer.ask(asks(server, 4))
            partial = Replayer(Replies.read(tmp_path / "a.jsonl"), copied, is_complete=False)
            assert len(partial.ask(asks(server, 4))) == 3 and partial.is_spent
        assert len(server.bodies) == 3
    assert sorted((tmp_path / "a.jsonl").read_text().splitlines()) == sorted(
        (tmp_path / "b.jsonl").read_text().splitlines()
    )
