"""A double of vllm.LLM: the calls that we make of its documented interface, answered by a model that really draws.

The model is a copy of the one that is trained, so it says what the weights make it say that it was handed last, and
nothing else.
"""

from types import SimpleNamespace

import torch

from polymath.rollouts.policy import Sampling
from polymath.rollouts.vllm import VllmPolicy


class Engine:
    """`model` is a LocalPolicy of its own; `rounds` computes with its weights in bfloat16, as engines do."""

    def __init__(self, model, *, rounds=False):
        self.model, self.rounds = model, rounds
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=model.context))
        self.events, self.asked = [], []
        self.is_awake, self.forgets = {"weights": True, "kv_cache": True}, True
        self.counters = {"num_drafts": 0, "num_draft_tokens": 0, "num_accepted_tokens": 0}

    def get_tokenizer(self):
        return self.model.tokenizer

    def collective_rpc(self, method, kwargs):
        assert method == "reload_weights" and kwargs["is_checkpoint_format"] and self.is_awake["weights"]
        own = dict(self.model.model.named_parameters(remove_duplicate=False))
        given = dict(kwargs["weights_iterator"])
        assert set(given) == set(own) and not any(weight.requires_grad for weight in given.values())
        with torch.no_grad():
            for name, weight in given.items():
                own[name].copy_(weight.bfloat16().float() if self.rounds else weight)
        self.events.append("reload")

    def reset_prefix_cache(self):
        self.events.append("reset")
        return self.forgets

    def sleep(self, level):
        assert level == 2
        self.is_awake = {"weights": False, "kv_cache": False}
        with torch.no_grad():
            for weight in self.model.model.parameters():
                weight.fill_(float("nan"))  # they are gone
        self.events.append("sleep")

    def wake_up(self, tags):
        for tag in tags:
            self.is_awake[tag] = True
        self.events.append(f"wake {tags[0]}")

    def get_metrics(self):
        found = [SimpleNamespace(name=f"vllm:spec_decode_{name}", value=value) for name, value in self.counters.items()]
        return [SimpleNamespace(name="vllm:a_vector", values=[1]), *found]

    def generate(self, prompts, sampling_params, use_tqdm):
        assert all(self.is_awake.values())
        self.asked.append((prompts, sampling_params))
        return [
            SimpleNamespace(outputs=self._say(prompt, params))
            for prompt, params in zip(prompts, sampling_params, strict=True)
        ]

    def _say(self, prompt, params):
        sampling = Sampling(temperature=params.temperature, max_tokens=params.max_tokens)
        (drawn,) = self.model._decode([prompt["prompt_token_ids"]], params.n, sampling, params.seed)
        return [
            SimpleNamespace(
                text=self.model.decode(item.token_ids),
                token_ids=list(item.token_ids),
                finish_reason="stop" if item.has_ended else "length",
                logprobs=[
                    {token: SimpleNamespace(logprob=logprob)}
                    for token, logprob in zip(item.token_ids, item.logprobs, strict=True)
                ]
                if params.logprobs == 0
                else None,
            )
            for item in drawn
        ]


def beside(policy, model, *, sleeps=False, speculates=False, rounds=False):
    """The sampler that speaks for `policy` from now on. `model` is another LocalPolicy of the same shape."""
    sampler = VllmPolicy(
        Engine(model, rounds=rounds),
        SimpleNamespace,
        is_beside=True,
        sleeps=sleeps,
        speculates=speculates,
        eos_ids=policy.eos_ids,
    )
    policy.attach(sampler)
    return sampler


class Package:
    """The package vllm: LLM, SamplingParams, and where it computes. `loads` gives the model of an engine."""

    __version__ = "0.32.0"
    SamplingParams = SimpleNamespace

    def __init__(self, loads, *, is_cuda=False):
        self.loads, self.started, self.ended = loads, [], 0
        self.platforms = SimpleNamespace(current_platform=SimpleNamespace(is_cuda=lambda: is_cuda))

    def LLM(self, **arguments):  # noqa: N802
        self.started.append(arguments)
        torch.set_num_threads(1)
        torch.set_num_threads = lambda count: None  # as vLLM does on a CPU
        engine = Engine(self.loads())
        engine.llm_engine.engine_core = SimpleNamespace(shutdown=self._end)
        return engine

    def _end(self):
        self.ended += 1
