"""vLLM that speaks for a policy which is trained, against a double that draws with the weights it was handed.

That vLLM does what the double does is shown by tests/rollouts/test_with_vllm.py, where vLLM is.
"""

from types import SimpleNamespace

import pytest
import torch

from polymath.engines.local import train
from polymath.errors import ModelError, RecipeError
from polymath.jobs.preparing import _check_recipe
from polymath.jobs.samplers import Standing, attach_sampler
from polymath.prompts import Prompt
from polymath.recipe import LoraSection, make_recipe
from polymath.rollouts import lora
from polymath.rollouts.policy import Sampling
from polymath.runs import RunFolder
from polymath.testing import tiny_policy
from polymath.types import Sample
from tests.rollouts.vllm_double import Package, beside

PROMPT = Prompt(text="2+2?")
SHORT = Sampling(max_tokens=5)
SAMPLE = Sample(question="2+2?", answer="4", answer_type="number")
VOLATILE = ("time/", "memory/", "step_time", "tokens_per_s", "sampler/", "speculation/")


def starts_with_low_byte(group):
    return [float(c.token_ids[0] < 130) for c in group.completions]


def recipe(**sections):
    table = {
        "rollout": {"num_groups": 2, "group_size": 8, "max_tokens": 4},
        "reward": {"name": "low"},
        "optimizer": {"learning_rate": 3e-3},
        "train": {"num_steps": 4, "save_every": 2},
        "sampler": {"name": "vllm"},
    }
    return make_recipe(table | sections)


def trained(path, settings, policy, **options):
    path.mkdir(exist_ok=True)
    folder = RunFolder(path)
    train(settings, [SAMPLE], policy, folder, rewards={"low": starts_with_low_byte}, **options)
    return folder


def test_it_says_what_the_policy_would_and_is_handed_weights_when_they_have_changed():
    policy, twin = tiny_policy(0), tiny_policy(0)
    sampler = beside(policy, tiny_policy(1))
    seed = 7
    assert policy.sample([PROMPT], 4, SHORT, seed) == policy.sample([PROMPT], 4, SHORT, seed)
    assert sampler.engine.events == ["reload", "reset"]
    with torch.no_grad():
        for weight, other in zip(policy.parameters(), twin.parameters(), strict=True):
            weight.add_(0.1)
            other.add_(0.1)
    said = policy.sample([PROMPT], 4, SHORT, seed)[0]
    # The same tokens, by what the twin finds for them.
    scores = twin.score(PROMPT, [one.token_ids for one in said], temperature=1.0)
    for row, one in enumerate(said):
        assert one.logprobs == pytest.approx(scores.logprob_BT[row, : one.length].tolist(), abs=1e-5)
    assert sampler.engine.events == ["reload", "reset"] * 2


def test_two_policies_that_share_an_engine_speak_each_with_their_own_weights():
    first, second = tiny_policy(0), tiny_policy(1)
    sampler = beside(first, tiny_policy(2))
    second.attach(sampler)
    one, other = first.sample([PROMPT], 4, SHORT, 1), second.sample([PROMPT], 4, SHORT, 1)
    assert one != other
    assert first.sample([PROMPT], 4, SHORT, 1) == one


def test_it_sleeps_while_the_policy_learns_and_wakes_with_new_weights():
    policy = tiny_policy(0)
    sampler = beside(policy, tiny_policy(1), sleeps=True)
    said = policy.sample([PROMPT], 4, SHORT, 1)
    policy.scorer(PROMPT).close()
    policy.score(PROMPT, [[5, 6]], temperature=1.0)
    assert sampler.engine.events == ["reload", "reset", "sleep"]
    assert policy.sample([PROMPT], 4, SHORT, 1) == said
    assert sampler.engine.events[3:] == ["wake weights", "reload", "wake kv_cache", "reset"]


def test_adapters_are_merged_into_what_is_handed_over():
    policy, plain = tiny_policy(0), tiny_policy(0)
    lora.attach(policy.model, LoraSection(rank=2), seed=0)
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(0.3)
    beside(policy, tiny_policy(1))
    said = policy.sample([PROMPT], 4, SHORT, 1)[0]
    scores = policy.score(PROMPT, [one.token_ids for one in said], temperature=1.0)
    without = plain.score(PROMPT, [one.token_ids for one in said], temperature=1.0)
    found = [one.logprobs[0] for one in said]
    assert found == pytest.approx(scores.logprob_BT[:, 0].tolist(), abs=1e-4)
    assert found != pytest.approx(without.logprob_BT[:, 0].tolist(), abs=1e-2)


def test_what_is_asked_of_the_engine():
    policy = tiny_policy(0)
    sampler = beside(policy, tiny_policy(0))
    policy.sample([PROMPT], 3, Sampling(temperature=0.7, top_p=0.9, top_k=5, max_tokens=4, repetition_penalty=1.1), 1)
    ((_, (params,)),) = sampler.engine.asked
    assert (params.n, params.temperature, params.logprobs, params.max_tokens) == (3, 0.7, 0, 4)
    assert (params.top_p, params.top_k, params.stop, params.repetition_penalty) == (0.9, 5, [], 1.1)
    assert params.stop_token_ids == policy.eos_ids and params.seed is not None
    assert policy.context == sampler.context
    assert not policy.samples_exactly(recipe().rollout)


def test_a_response_that_the_engine_gave_up_is_told():
    sampler = beside(tiny_policy(0), tiny_policy(0))
    said = SimpleNamespace(finish_reason="abort", token_ids=[], text="", logprobs=[])
    with pytest.raises(ModelError, match="abort"):
        sampler._completion(said)


def test_acceptance_is_that_of_the_drafts_since_it_was_last_asked():
    sampler = beside(tiny_policy(0), tiny_policy(0), speculates=True)
    assert sampler.measures() == {}
    sampler.engine.counters = {"num_drafts": 10, "num_draft_tokens": 40, "num_accepted_tokens": 30}
    assert sampler.measures() == {"speculation/acceptance_rate": 0.75, "speculation/mean_acceptance_length": 4.0}
    sampler.engine.counters = {"num_drafts": 12, "num_draft_tokens": 48, "num_accepted_tokens": 32}
    assert sampler.measures() == {"speculation/acceptance_rate": 0.25, "speculation/mean_acceptance_length": 2.0}


@pytest.mark.parametrize("correction", ["token", "sequence"])
def test_a_sampler_that_draws_from_the_policy_itself_is_corrected_by_nothing(tmp_path, correction):
    """The weights of a run with each correction are those of a run with none, up to rounding."""
    found = {}
    for name in ("none", correction):
        policy = tiny_policy()
        beside(policy, tiny_policy(3), sleeps=True)
        folder = trained(tmp_path / f"of-{name}", recipe(sampler={"name": "vllm", "correction": name}), policy)
        found[name] = torch.cat([weight.detach().flatten() for weight in policy.parameters()])
        rows = folder.read_metrics()
        assert ("sampler/kl" in rows[-1]) == (name != "none")
    assert float((found[correction] - found["none"]).abs().max()) < 1e-4
    assert abs(rows[-1]["sampler/kl"]) < 1e-6 and rows[-1]["sampler/ratio_mean"] == pytest.approx(1, abs=1e-5)


def test_a_sampler_that_rounds_is_seen_in_the_log_and_changes_what_is_learned(tmp_path):
    found = {}
    for name in ("none", "token"):
        policy = tiny_policy()
        beside(policy, tiny_policy(3), rounds=True)
        folder = trained(tmp_path / name, recipe(sampler={"name": "vllm", "correction": name}), policy)
        found[name] = torch.cat([weight.detach().flatten() for weight in policy.parameters()])
    row = folder.read_metrics()[-1]
    assert 0 < row["sampler/k3_kl"] < 1e-2 and row["sampler/max_abs_difference"] > 1e-5
    assert float((found["token"] - found["none"]).abs().max()) > 5e-4


@pytest.mark.parametrize("updates", [1, 2])
def test_a_step_whose_rollouts_are_on_disk_is_learned_from_as_it_was(tmp_path, updates):
    """Killed between sampling and the update: the sampler's log-probabilities are in the rollouts' rows."""
    settings = recipe(train={"num_steps": 4, "save_every": 2, "updates_per_step": updates})
    whole = tiny_policy()
    beside(whole, tiny_policy(3), rounds=True)
    folder = trained(tmp_path / "whole", settings, whole)

    class Killed(Exception):
        pass

    def kill(step):
        if step == 3:
            raise Killed

    halted = tiny_policy()
    beside(halted, tiny_policy(3), rounds=True)
    with pytest.raises(Killed):
        trained(tmp_path / "halted", settings, halted, after_step=kill)
    resumed = tiny_policy(5)
    sampler = beside(resumed, tiny_policy(4), rounds=True, speculates=True)
    again = trained(tmp_path / "halted", settings, resumed)
    assert len(sampler.engine.asked) == 1  # step 4: step 3 was on disk
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)

    def stable(rows):
        return [{key: value for key, value in row.items() if not key.startswith(VOLATILE[:4])} for row in rows]

    assert stable(again.read_metrics()) == stable(folder.read_metrics())


def test_evaluations_are_answered_by_it_too():
    policy, found = tiny_policy(0), {}
    sampler = beside(policy, tiny_policy(1))
    policy.answer(
        [PROMPT, Prompt(text="b")],
        2,
        SHORT,
        [1, 2],
        batch_size=8,
        on_tokens=lambda responses, tokens: None,
        on_answered=found.update,
    )
    assert sorted(found) == [0, 1] and all(len(draws) == 2 for draws in found.values())
    assert len(sampler.engine.asked) == 1 and found[0][0].logprobs is None


def test_weights_that_change_unseen_are_handed_over_too(tmp_path):
    """bitsandbytes changes them behind torch's back, and this engine does not sleep."""
    pytest.importorskip("bitsandbytes")
    policy = tiny_policy()
    sampler = beside(policy, tiny_policy(3))
    settings = recipe(optimizer={"name": "adamw_8bit", "learning_rate": 1e-2})
    rows = trained(tmp_path / "run", settings, policy).read_metrics()
    assert sampler.engine.events.count("reload") == len(rows) == 4
    assert max(row["sampler/k3_kl"] for row in rows) < 1e-9


def test_it_sleeps_before_a_critic_learns(tmp_path):
    policy = tiny_policy()
    sampler = beside(policy, tiny_policy(3), sleeps=True)
    settings = recipe(advantage={"name": "gae"}, critic={"warmup_steps": 2}, train={"num_steps": 3})
    rows = trained(tmp_path / "run", settings, policy).read_metrics()
    assert sampler.engine.events.count("sleep") == len(rows) == 3
    assert "sampler/kl" not in rows[1] and abs(rows[2]["sampler/kl"]) < 1e-6


def test_speculation_is_told_of_what_a_step_drew_and_of_nothing_else(tmp_path):
    policy = tiny_policy()
    sampler = beside(policy, tiny_policy(3), speculates=True)
    engine, draw = sampler.engine, sampler.engine.generate

    def drafted(*arguments, **options):
        for name, count in {"num_drafts": 2, "num_draft_tokens": 8, "num_accepted_tokens": 4}.items():
            engine.counters[name] += count
        return draw(*arguments, **options)

    engine.generate = drafted

    def evaluate(step):
        engine.counters["num_drafts"] += 9
        engine.counters["num_draft_tokens"] += 1000

    folder = trained(tmp_path / "run", recipe(), policy, after_step=evaluate)
    assert [row["speculation/acceptance_rate"] for row in folder.read_metrics()] == [0.5] * 4


def test_an_engine_that_keeps_its_cache_ends_the_run():
    policy = tiny_policy()
    sampler = beside(policy, tiny_policy(3))
    sampler.engine.forgets = False
    with pytest.raises(ModelError, match="weights of before"):
        policy.sample([PROMPT], 1, SHORT, 1)
    assert sampler.holds is None


@pytest.fixture
def package(monkeypatch):
    def of(loads=lambda: tiny_policy(7), **options):
        found = Package(loads, **options)
        monkeypatch.setattr("polymath.rollouts.vllm._import", lambda where: found)
        monkeypatch.setattr("polymath.jobs.samplers.STANDING", Standing())
        return found

    return of


def test_an_engine_is_started_as_training_needs_it_and_leaves_the_threads_alone(package):
    vllm = package()
    threads, function = torch.get_num_threads(), torch.set_num_threads
    attach_sampler(tiny_policy(), recipe(sampler={"name": "vllm", "options": {"max_model_len": 99}}))
    assert torch.get_num_threads() == threads and torch.set_num_threads is function
    (started,) = vllm.started
    assert started["logprobs_mode"] == "processed_logprobs" and started["load_format"] == "dummy"
    assert started["hf_overrides"] == {"tie_word_embeddings": False} and started["max_model_len"] == 99
    assert not started["enable_sleep_mode"] and started["gpu_memory_utilization"] == 0.4


def test_jobs_hand_their_engine_on_and_end_it_where_it_is_not_wanted(package):
    vllm = package()
    first, second, third, fourth = (tiny_policy(seed) for seed in range(4))
    attach_sampler(first, recipe())
    attach_sampler(second, recipe(sampler={"name": "vllm", "correction": "sequence"}))
    assert second.sampler is first.sampler and len(vllm.started) == 1
    attach_sampler(third, recipe(sampler={"name": "vllm", "memory_share": 0.2}))
    assert third.sampler is not first.sampler and (len(vllm.started), vllm.ended) == (2, 1)
    attach_sampler(fourth, recipe(sampler={}))
    assert fourth.sampler is None and vllm.ended == 2


def test_an_engine_that_did_not_take_all_weights_is_found_before_the_first_step(package):
    vllm = package()
    start = vllm.LLM

    def deaf(**arguments):
        engine = start(**arguments)
        engine.collective_rpc = lambda method, kwargs: None
        return engine

    vllm.LLM = deaf
    with pytest.raises(ModelError, match="lacks weights"):
        attach_sampler(sharpened(tiny_policy()), recipe())
    assert vllm.ended == 1


def sharpened(policy):
    """Far from what other random weights say."""
    with torch.no_grad():
        for weight in policy.parameters():
            weight.mul_(8)
    return policy


def test_speculation_on_a_cpu_and_another_device_are_refused(package):
    package()
    speculation = {"method": "ngram", "num_speculative_tokens": 4}
    with pytest.raises(RecipeError, match=r"sampler\.speculation"):
        attach_sampler(tiny_policy(), recipe(sampler={"name": "vllm", "speculation": speculation}))
    package(is_cuda=True)
    with pytest.raises(RecipeError, match="takes cuda:0, not cpu"):
        attach_sampler(tiny_policy(), recipe())


def test_torchrun_and_a_sampler_are_refused_together(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="torchrun"):
        _check_recipe(recipe(), {"low": starts_with_low_byte})


WRONG = [
    ({"name": "vllm", "speculation": {"method": "eagle"}}, "ngram or suffix"),
    ({"name": "vllm", "options": {"seed": 1}}, "seed"),
    ({"name": "vllm", "options": {"tensor_parallel_size": 2}}, "tensor_parallel_size"),
    ({"correction_cap": 3.0}, "correction_cap"),
    ({"name": "vllm", "correction_cap": 0}, "correction_cap"),
    ({"name": "nope"}, "vllm"),
]


@pytest.mark.parametrize(("table", "word"), WRONG)
def test_a_section_that_cannot_be_meant_is_refused(table, word):
    with pytest.raises(RecipeError, match=word):
        make_recipe({"sampler": table})
