"""The contract with the real package, on its CPU backend: vLLM itself takes our weights, draws with them, and trains.

Runs in a Python that has vLLM: `make vllm-contract` makes one and runs this. What only a GPU has, sleeping and drawing
with speculation, is not shown here.
"""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from polymath.errors import ModelError
from polymath.lab import model_dir
from polymath.prompts import Prompt
from polymath.recipe import SamplerSection
from polymath.rollouts.local import LocalPolicy
from polymath.rollouts.policy import Sampling
from polymath.rollouts.vllm import VllmPolicy
from tests.conftest import ENVIRONMENT, ROOT

pytest.importorskip("vllm")
pytestmark = pytest.mark.slow

PROMPT = Prompt(text="What is 3 + 4?\n")
# Several blocks of vLLM's cache, which holds 128 tokens a block on a CPU: what it keeps of old weights would show.
LONG = Prompt(text="What is 3 + 4? " * 35)
# Of vLLM on a CPU: no compiler, a small cache, and no threads of its own.
OPTIONS = {"max_model_len": 512, "enforce_eager": True}
SECTION = SamplerSection(name="vllm", memory_share=0.1, options=OPTIONS)
ON_CPU = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}


@pytest.fixture(scope="module", params=["lab", "qwen2"])
def policy(request, tmp_path_factory):
    """The lab's model, and a random one with biases, grouped keys and values, and a tied head."""
    os.environ.update(ON_CPU)
    path = model_dir() if request.param == "lab" else save_qwen2(tmp_path_factory.mktemp("qwen2"))
    threads = torch.get_num_threads()
    found = LocalPolicy.load(str(path), device="cpu")
    sampler = VllmPolicy.beside(str(path), SECTION, dtype="float32", device="cpu", eos_ids=found.eos_ids)
    torch.set_num_threads(threads + 1)
    assert torch.get_num_threads() == threads + 1  # vLLM would have it otherwise
    torch.set_num_threads(threads)
    found.attach(sampler)
    yield found
    sampler.close()


def save_qwen2(path):
    tokenizer = AutoTokenizer.from_pretrained(model_dir())
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.15)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def distance(policy, *, prompt=PROMPT, temperature=1.0):
    """The largest difference between what vLLM says of its own tokens and what the policy finds, in nats."""
    said = policy.sample([prompt], 16, Sampling(max_tokens=40, temperature=temperature), 1)[0]
    with torch.no_grad():
        scores = policy.score(prompt, [one.token_ids for one in said], temperature=temperature)
    return max(
        abs(float(scores.logprob_BT[row, place]) - logprob)
        for row, one in enumerate(said)
        for place, logprob in enumerate(one.logprobs)
    )


def test_its_log_probabilities_are_ours_at_any_temperature(policy):
    assert distance(policy) < 1e-4
    assert distance(policy, temperature=0.6) < 1e-4


def test_every_weight_reaches_it(policy):
    """Each is changed alone, so that one which stayed behind would show."""
    assert len(policy.encode(LONG)) > 256
    generator = torch.Generator().manual_seed(0)
    moved = []
    for name, weight in policy.model.named_parameters():
        before = weight.detach().clone()
        as_it_was = policy.sample([PROMPT], 4, Sampling(max_tokens=8, temperature=1.0), 2)
        with torch.no_grad():
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.2 * max(0.1, float(weight.std())))
        assert distance(policy, prompt=LONG) < 1e-4, name
        moved.append(policy.sample([PROMPT], 4, Sampling(max_tokens=8, temperature=1.0), 2) != as_it_was)
        with torch.no_grad():
            weight.copy_(before)
    assert distance(policy) < 1e-4
    assert all(moved)


def test_it_draws_as_often_as_the_policy_would(policy):
    """The first token of 4,000 draws beside the policy's probabilities: chi-squared, rare tokens together."""
    said = policy.sample([PROMPT], 4000, Sampling(max_tokens=1), 5)[0]
    with torch.no_grad():
        logits_V = policy.model(torch.tensor([policy.encode(PROMPT)])).logits[0, -1].double()
    wanted_V = 4000 * logits_V.softmax(-1)
    counts_V = torch.bincount(torch.tensor([one.token_ids[0] for one in said]), minlength=len(wanted_V)).double()
    is_rare_V = wanted_V < 5
    wanted = torch.cat([wanted_V[~is_rare_V], wanted_V[is_rare_V].sum()[None]])
    counts = torch.cat([counts_V[~is_rare_V], counts_V[is_rare_V].sum()[None]])
    chi_squared, freedom = float(((counts - wanted) ** 2 / wanted).sum()), len(wanted) - 1
    assert freedom >= 1 and chi_squared < freedom + 4 * (2 * freedom) ** 0.5 + 1


def test_text_ends_and_lengths_are_ours(policy):
    said = policy.sample([PROMPT], 64, Sampling(max_tokens=12), 3)[0]
    assert "length" in {one.finish for one in said}
    for one in said:
        assert (one.token_ids[-1] in policy.eos_ids) == (one.finish == "eos")
        assert one.length == 12 or one.finish == "eos"
        assert one.text == policy.decode(one.token_ids)


def test_more_prompts_than_it_reads_at_once_are_drawn_for(policy):
    """It cuts the last of them where it may, which a CPU's generators do not bear."""
    prompts = [Prompt(text=f"{number} {LONG.text}") for number in range(24)]
    said = policy.sample(prompts, 2, Sampling(max_tokens=2), 4)
    assert sum(len(policy.encode(prompt)) for prompt in prompts) > 4096
    assert [len(draws) for draws in said] == [2] * 24


def test_the_same_seed_draws_the_same(policy):
    draws = [
        [one.token_ids for one in policy.sample([PROMPT], 8, Sampling(max_tokens=20), seed)[0]] for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.gpu
def test_it_sleeps_and_wakes_with_new_weights_on_a_gpu():
    """Unproven until run: bfloat16, a tied head, weights and cache that go and come back, drafts with a temperature."""
    speculation = {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 3, "prompt_lookup_min": 1}
    section = SECTION.model_copy(update={"memory_share": 0.3, "speculation": speculation})
    found = LocalPolicy.load(str(model_dir()), device="cuda", dtype="bfloat16")
    found.attach(VllmPolicy.beside(str(model_dir()), section, dtype="bfloat16", device="cuda:0", eos_ids=found.eos_ids))
    free = []
    for _ in range(3):
        assert distance(found) < 0.5  # its last line is a forward of the policy, so the sampler sleeps now
        free.append(torch.cuda.mem_get_info()[0])
        with torch.no_grad():
            for weight in found.parameters():
                weight.mul_(1.1)
    found.sample([PROMPT], 1, Sampling(max_tokens=1), 0)
    assert min(free) > torch.cuda.mem_get_info()[0] + 0.2 * torch.cuda.mem_get_info()[1]
    assert "speculation/acceptance_rate" in found.measures()


def test_what_it_cannot_load_is_told_in_one_line(tmp_path):
    with pytest.raises(ModelError, match="cannot load"):
        VllmPolicy.beside(str(tmp_path), SECTION, dtype="float32", device="cpu", eos_ids=[1])


COUNT = """
import json, sys
from polymath.rollouts.vllm import VllmPolicy, _import, _start
from polymath.rollouts.policy import Sampling
from polymath.prompts import Prompt
speculation = {"method": sys.argv[2], "num_speculative_tokens": 4}
speculation |= {"prompt_lookup_max": 3, "prompt_lookup_min": 1} if sys.argv[2] == "ngram" else {}
found = []
for given in (None, speculation):
    vllm = _import("")
    arguments = {"dtype": "float32", "max_model_len": 256, "enforce_eager": True, "gpu_memory_utilization": 0.1}
    engine = _start(vllm, sys.argv[1], {**arguments, "disable_log_stats": False, "speculative_config": given}, "")
    policy = VllmPolicy(engine, vllm.SamplingParams, speculates=given is not None)
    # The answer is in the prompt: that is what is drafted.
    question = "What is 3 + 4?\\nAnswer: The answer is 12.\\n" * 3 + "What is 3 + 4?\\n"
    said = policy.sample([Prompt(text=question)], 1, Sampling(temperature=0.0, max_tokens=64), 0)
    found.append({"said": said[0][0].token_ids, **policy.measures()})
    policy.close()
print("FOUND", json.dumps(found))
"""


@pytest.mark.parametrize("method", ["ngram", "suffix"])
def test_the_counters_of_speculation_are_there(method):
    """Greedy: with a temperature vLLM 0.32 draws wrongly on a CPU, and we refuse it there (docs/vllm.md)."""
    if method == "suffix":
        pytest.importorskip("arctic_inference")
    environment = {**os.environ, **ON_CPU, "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    command = [sys.executable, "-c", COUNT, str(model_dir()), method]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND"))
    plain, drafted = json.loads(line.removeprefix("FOUND"))
    assert drafted["said"] == plain["said"] and set(plain) == {"said"}
    assert 0 < drafted["speculation/acceptance_rate"] <= 1
    assert drafted["speculation/mean_acceptance_length"] > 1


TRAIN = [
    "run",
    str(ROOT / "recipes" / "lab.toml"),
    *("--set", "arms={}", "--set", "replicate_seeds=[]", "--set", "evaluate.limit=4"),
    *("--set", "train.num_steps=24", "--set", "train.save_every=4", "--set", 'sampler.name="vllm"'),
    *("--set", "sampler.memory_share=0.1", "--set", "sampler.options={max_model_len=384, enforce_eager=true}"),
]


def test_one_sample_teaches_through_it_and_a_stopped_run_goes_on(tmp_path):
    """The lab's run, asked to stop in the middle and resumed."""
    environment = {**ENVIRONMENT, **ON_CPU}
    run = tmp_path / "run"
    command = [sys.executable, "-m", "polymath"]
    with subprocess.Popen(
        [*command, *TRAIN, "--out", str(run)], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and len(rows_of(run)) < 8:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
    assert process.returncode == 130, said[-2000:]
    assert 8 <= len(rows_of(run)) < 24
    resume = [*command, "run", "--resume", str(run), "--json"]
    done = subprocess.run(resume, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)  # what vLLM says goes elsewhere
    assert "Failed to load weights" not in done.stderr
    rows = rows_of(run)
    assert [row["step"] for row in rows] == list(range(1, 25))
    assert rows[0]["accuracy"] < 0.4 < 0.7 < rows[-1]["accuracy"]
    assert all(row["sampler/k3_kl"] < 1e-6 and row["sampler/capped_frac"] == 0 for row in rows)
    assert "vllm" in json.loads((run / "run.json").read_text())["versions"]


def rows_of(run):
    path = run / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_an_evaluation_by_it_is_that_of_the_model(tmp_path):
    """`polymath evaluate --engine vllm` beside `--engine local`: greedy answers to the same problems."""
    found = {}
    for engine in ("vllm", "local"):
        out = tmp_path / engine
        command = [sys.executable, "-m", "polymath", "evaluate", "lab", "--suite", "lab", "--limit", "60"]
        options = ["--engine", engine, "--dtype", "float32", "--out", str(out)]
        done = subprocess.run(
            [*command, *options],
            env={**ENVIRONMENT, **ON_CPU, "POLYMATH_CACHE": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        rows = [json.loads(line) for line in (out / "lab--greedy.jsonl").read_text().splitlines()]
        found[engine] = {row["id"]: row["response"] for row in rows}
    assert found["vllm"].keys() == found["local"].keys()
    same = sum(found["vllm"][key] == text for key, text in found["local"].items())
    assert same >= 0.97 * len(found["local"])
