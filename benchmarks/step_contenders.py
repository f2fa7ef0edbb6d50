"""Three trainers that take the same step, each in a process of its own: what one_shot_step.py measures.

In: a JSON object on the command line (`Setup`), then commands on standard input, one JSON object a line: `check` (loss
and gradient of given responses at the first weights), `step`, `quit`. Out: one JSON object for each. A contender loads
the model as we do, in float32, and runs its own whole step: rollouts, rewards, gradients, AdamW.

B: responses, T: tokens of the longest one, P: tokens of the prompt.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEMPLATE = "plain"
LAB_RECIPE = Path(__file__).parent.parent / "recipes" / "lab.toml"
PROJECTIONS = 16


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A size, and the settings that contenders share. `rows` is the micro-batch of TRL and of the plain loop."""

    contender: str
    model: str
    prompt_tokens: int
    num_groups: int
    group_size: int
    max_tokens: int
    has_ends: bool
    rows: int
    dtype: str
    device: str
    threads: int
    learning_rate: float
    cache: str | None = None
    micro_batch_tokens: int | None = None

    @property
    def num_rollouts(self) -> int:
        """Rollouts a step."""
        return self.num_groups * self.group_size


@dataclass(frozen=True, kw_only=True)
class Task:
    """The policy, its prompt, and the sample that it trains on."""

    policy: Any
    prompt: Any
    sample: Any
    is_judged: bool

    def reward(self, text: str, token_ids: Sequence[int]) -> float:
        """The lab's answers are judged; those of other models are right at random: where the sum of the ids is odd."""
        if not self.is_judged:
            return float(sum(token_ids) % 2)
        from polymath.judge import judge

        is_truncated = token_ids[-1] not in self.policy.eos_ids
        return float(judge(text, self.sample, is_truncated=is_truncated).outcome == "right")


class Gate:
    """Where a contender waits for the next command. Measures the steps between."""

    def __init__(self, setup: Setup, task: Task, check: Any) -> None:
        self.setup, self.task, self.check = setup, task, check
        # Whatever libraries print must not come between the answers.
        self.channel = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self.loaded = memory_now(setup.device)
        self.began = self.cpu_began = 0.0

    def wait(self) -> None:
        """Answer until a step is asked for."""
        while True:
            command = json.loads(sys.stdin.readline() or '{"do": "quit"}')
            if command["do"] == "quit":
                self.channel.close()
                os._exit(0)
            if command["do"] == "step":
                forget_peak(self.setup.device)
                self.began, self.cpu_began = time.perf_counter(), time.process_time()
                return
            self.say(describe_gradient(*self.check(command["token_ids"], command["advantages"])))

    def done(self, **measured: Any) -> None:
        """The step is over."""
        if self.setup.device != "cpu":
            import torch

            torch.cuda.synchronize()
        seconds, cpu_seconds = time.perf_counter() - self.began, time.process_time() - self.cpu_began
        memory = {"peak": peak_memory(self.setup.device), "loaded": self.loaded}
        self.say({"seconds": seconds, "cpu_seconds": cpu_seconds, **memory, **measured})

    def say(self, answer: dict[str, Any]) -> None:
        """One line."""
        self.channel.write(json.dumps(answer) + "\n")
        self.channel.flush()


def memory_now(device: str) -> int:
    """Resident bytes of the process, or bytes in use on the GPU."""
    if device != "cpu":
        import torch

        return int(torch.cuda.memory_allocated())
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def forget_peak(device: str) -> None:
    """Begin a new peak; where Linux does not allow it, the peak is that of the process."""
    if device != "cpu":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory(device: str) -> int:
    """The greatest number of resident bytes since `forget_peak`."""
    if device != "cpu":
        import torch

        return int(torch.cuda.max_memory_allocated())
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def describe_gradient(loss: float, gradients: Sequence[Any]) -> dict[str, Any]:
    """Loss, length of the gradient, and its products with random directions that all contenders draw alike."""
    import torch

    generator = torch.Generator().manual_seed(0)
    products = [0.0] * PROJECTIONS
    square = 0.0
    for gradient in gradients:
        flat = gradient.detach().double().cpu().flatten()
        square += float(flat @ flat)
        for number in range(PROJECTIONS):
            direction = torch.randint(0, 2, flat.shape, generator=generator, dtype=torch.int8)
            products[number] += float(flat @ (2.0 * direction.double() - 1))
    return {"loss": loss, "norm": square**0.5, "products": products}


def load_task(setup: Setup) -> Task:
    """The model as we load it, and a prompt of the length that is asked for."""
    import torch

    from polymath.prompts import load_template, render_all
    from polymath.recipe import read_recipe
    from polymath.rollouts.local import LocalPolicy
    from polymath.samples.sources import load_samples
    from polymath.types import Sample

    torch.set_num_threads(setup.threads)
    template = load_template(TEMPLATE, None, is_chat=False)
    policy: Any
    if setup.model == "random":
        policy = random_policy(setup.dtype)
        policy.model.to(setup.device)
    else:
        policy = LocalPolicy.load(setup.model, device=setup.device, dtype=setup.dtype)
    if not setup.prompt_tokens:
        (sample,) = load_samples(read_recipe(LAB_RECIPE).sample)
        return Task(policy=policy, prompt=render_all([sample], template)[0], sample=sample, is_judged=True)
    if not setup.has_ends:
        policy.eos_ids = []
    question = ""
    while True:
        sample = Sample(question=question or "?", answer="1")
        (prompt,) = render_all([sample], template)
        missing = setup.prompt_tokens - len(policy.encode(prompt))
        if not missing:
            return Task(policy=policy, prompt=prompt, sample=sample, is_judged=False)
        for word in (" the number of boxes on a shelf", " the", " a", "a", "."):
            (longer,) = render_all([Sample(question=question + word, answer="1")], template)
            if len(policy.encode(longer)) <= setup.prompt_tokens:
                question += word
                break
        else:
            raise SystemExit(f"no prompt of exactly {setup.prompt_tokens} tokens was found")


def random_policy(dtype: str) -> Any:
    """3.6 million random weights over bytes."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from polymath.rollouts.local import LocalPolicy
    from polymath.testing import byte_tokenizer

    tokenizer = byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=800,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    return LocalPolicy(LlamaForCausalLM(config), tokenizer, dtype=dtype)


def autocast(setup: Setup) -> Any:
    """What the dtype asks for."""
    import contextlib

    import torch

    if setup.dtype == "bfloat16":
        return torch.autocast(setup.device, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def serve_ours(setup: Setup, task: Task) -> None:
    """`polymath.engines.local.train`, checkpoints left out."""
    import torch

    from polymath.engines.local import train
    from polymath.recipe import make_recipe
    from polymath.rollouts.tree import grow
    from polymath.runs import RunFolder
    from polymath.training.credit import Weighed
    from polymath.training.update import update_once

    table: dict[str, Any] = {
        "model": {"dtype": setup.dtype},
        "rollout": {
            "num_groups": setup.num_groups,
            "group_size": setup.group_size,
            "max_tokens": setup.max_tokens,
        },
        "reward": {"name": "bench"},
        "loss": {"aggregation": "token_mean"},
        "optimizer": {"learning_rate": setup.learning_rate},
        "train": {"num_steps": 10**6, "save_every": 10**6},
    }
    if setup.micro_batch_tokens:
        table["train"]["micro_batch_tokens"] = setup.micro_batch_tokens
    recipe = make_recipe(table)
    policy, sample = task.policy, task.sample

    def check(token_ids: list[list[int]], advantages: list[float]) -> tuple[float, list[Any]]:
        caught: list[Any] = []
        parameters = list(policy.parameters())

        class Catch(torch.optim.SGD):
            def step(self, closure: Any = None) -> None:
                caught.extend(parameter.grad.clone() for parameter in parameters)

        part = [
            Weighed(prompt=task.prompt, token_ids=tuple(ids), advantage=advantage)
            for ids, advantage in zip(token_ids, advantages, strict=True)
        ]
        free = recipe.model_copy(update={"optimizer": recipe.optimizer.model_copy(update={"max_grad_norm": 1e12})})
        return update_once(policy, Catch(parameters, lr=0.0), part, free, None)["loss"], caught

    def bench(group: Any) -> list[float]:
        return [task.reward(said.text, said.token_ids) for said in group.completions]

    gate = Gate(setup, task, check)
    run = RunFolder(tempfile.mkdtemp(prefix="one-shot-step-"))
    num_prompt = len(policy.encode(task.prompt))

    def after_step(step: int) -> None:
        row = run.read_metrics()[-1]
        seconds = {name: row[f"time/{name}_s"] for name in ("rollout", "judge", "update")}
        responses = sorted({tuple(one["token_ids"]) for one in run.read_rollouts(step)})
        tree = grow(responses)
        num_followed = len(tree) - sum(end == node + 1 for node, end in enumerate(tree.ends))
        num_nodes = row["computed_frac"] * row["num_tokens"]
        gate.done(
            phases=seconds,
            num_tokens=row["num_tokens"],
            num_distinct=len(responses),
            reward=row["reward"],
            # A branch is a row once; a row of the update feeds all nodes but last ones, duplicates of its cut counted.
            forwards={"rollout": num_prompt + num_followed, "update": num_prompt + num_nodes - len(responses)},
        )
        gate.wait()

    gate.wait()
    train(recipe, [sample], policy, run, rewards={"bench": bench}, after_step=after_step)


def serve_trl(setup: Setup, task: Task) -> None:
    """TRL's GRPOTrainer on transformers' generate, with a callback that waits between steps."""
    import logging

    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    logging.disable(logging.WARNING)
    policy = task.policy
    num_prompt = len(policy.encode(task.prompt))

    def reward(completions: list[str], completion_ids: list[list[int]], **others: Any) -> list[float]:
        return [task.reward(text, ids) for text, ids in zip(completions, completion_ids, strict=True)]

    class Timed(GRPOTrainer):  # type: ignore[misc]
        """Notes the seconds of its phases."""

        seconds: dict[str, float]
        last: dict[str, Any]

        def _generate(self, prompts: Any) -> Any:
            start = time.perf_counter()
            found = super()._generate(prompts)
            self.seconds["rollout"] = time.perf_counter() - start
            return found

        def _calculate_rewards(self, *arguments: Any) -> Any:
            start = time.perf_counter()
            found = super()._calculate_rewards(*arguments)
            self.seconds["judge"] = time.perf_counter() - start
            self.last["reward"] = float(found.nanmean())
            return found

        def _generate_and_score_completions(self, inputs: Any) -> Any:
            self.seconds, self.last = {}, {}
            found = super()._generate_and_score_completions(inputs)
            self.last["num_tokens"] = int(found["completion_mask"].sum())
            self.last["width"] = found["completion_ids"].shape[1]
            return found

    num_micros = setup.num_rollouts // setup.rows
    settings: dict[str, Any] = {
        "use_cpu": setup.device == "cpu",
        "bf16": setup.dtype == "bfloat16",
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
        "logging_strategy": "no",
        "gradient_checkpointing": False,
        "loss_type": "dapo",
        "beta": 0.0,
        "epsilon": 0.2,
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "num_generations": setup.group_size,
        "per_device_train_batch_size": setup.rows,
        "gradient_accumulation_steps": num_micros,
        "max_completion_length": setup.max_tokens,
        "learning_rate": setup.learning_rate,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 1.0,
        "max_steps": 10**6,
        "cache_implementation": setup.cache,
    }
    if not setup.has_ends:
        settings["generation_kwargs"] = {"min_new_tokens": setup.max_tokens}
    trainer = Timed(
        model=policy.model,
        reward_funcs=reward,
        args=GRPOConfig(output_dir=tempfile.mkdtemp(prefix="one-shot-step-"), **settings),
        train_dataset=Dataset.from_dict({"prompt": [task.prompt.text] * setup.num_groups}),
        processing_class=policy.tokenizer,
    )

    def check(token_ids: list[list[int]], advantages: list[float]) -> tuple[float, list[Any]]:
        prompt = torch.tensor(policy.encode(task.prompt), device=setup.device).expand(len(token_ids), -1)
        ids_BT, mask_BT = pad(token_ids, setup.device)
        inputs = {
            "prompt_ids": prompt,
            "prompt_mask": torch.ones_like(prompt),
            "completion_ids": ids_BT,
            "completion_mask": mask_BT,
            "advantages": torch.tensor(advantages, device=setup.device),
            "num_items_in_batch": mask_BT.sum(),
        }
        kept = trainer.current_gradient_accumulation_steps, trainer.args.steps_per_generation
        trainer.current_gradient_accumulation_steps = trainer.args.steps_per_generation = 1
        loss = trainer._compute_loss(trainer.model, inputs)
        loss.backward()
        found = [parameter.grad.clone() for parameter in trainer.model.parameters()]
        trainer.model.zero_grad()
        trainer.current_gradient_accumulation_steps, trainer.args.steps_per_generation = kept
        return float(loss.detach()), found

    gate = Gate(setup, task, check)

    class Wait(TrainerCallback):  # type: ignore[misc]
        """Holds the trainer between steps."""

        def on_step_begin(self, *arguments: Any, **others: Any) -> None:
            trainer.current_gradient_accumulation_steps = num_micros
            gate.wait()

        def on_step_end(self, *arguments: Any, **others: Any) -> None:
            total = time.perf_counter() - gate.began
            seconds = dict(trainer.seconds)
            seconds["update"] = total - sum(seconds.values())
            num_rollouts, width = setup.num_rollouts, trainer.last["width"]
            gate.done(
                phases=seconds,
                num_tokens=trainer.last["num_tokens"],
                reward=trainer.last["reward"],
                forwards=padded_forwards(num_rollouts, num_prompt, width),
            )

    trainer.add_callback(Wait())
    trainer.train()


def padded_forwards(num_rollouts: int, num_prompt: int, width: int) -> dict[str, int]:
    """Tokens that every row runs through the model: prompt and all that the longest response has."""
    return {"rollout": num_rollouts * (num_prompt + width - 1), "update": num_rollouts * (num_prompt + width)}


def pad(token_ids: Sequence[Sequence[int]], device: str) -> tuple[Any, Any]:
    """Ids and mask of responses, padded on the right, (B, T) each."""
    import torch

    rows = [torch.tensor(ids) for ids in token_ids]
    ids_BT = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask_BT = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    return ids_BT.to(device), mask_BT.to(device)


def serve_plain(setup: Setup, task: Task) -> None:
    """What one writes in an afternoon: generate, a forward of prompt and response as rows, backward, AdamW."""
    import torch

    model, tokenizer, eos_ids = task.policy.model, task.policy.tokenizer, task.policy.eos_ids
    prompt_ids = task.policy.encode(task.prompt)
    num_prompt = len(prompt_ids)
    optimizer = torch.optim.AdamW(model.parameters(), lr=setup.learning_rate, weight_decay=0.0)

    def backward(token_ids: Sequence[Sequence[int]], advantages: Sequence[float]) -> float:
        """Gradients of the clipped loss on the policy, a token mean; the ratio is 1."""
        ids_BT, mask_BT = pad(token_ids, setup.device)
        advantage_B1 = torch.tensor(advantages, device=setup.device)[:, None]
        prompt_BP = torch.tensor(prompt_ids, device=setup.device).expand(len(token_ids), -1)
        total = 0.0
        for start in range(0, len(token_ids), setup.rows):
            part = slice(start, start + setup.rows)
            rows = torch.cat([prompt_BP[part], ids_BT[part]], dim=1)
            with autocast(setup):
                logits = model(rows, use_cache=False, logits_to_keep=ids_BT.shape[1] + 1).logits[:, :-1].float()
            logprob_BT = logits.log_softmax(-1).gather(2, ids_BT[part][:, :, None])[:, :, 0]
            ratio_BT = (logprob_BT - logprob_BT.detach()).exp()
            loss = -(ratio_BT * advantage_B1[part] * mask_BT[part]).sum() / mask_BT.sum()
            loss.backward()
            total += float(loss.detach())
        return total

    def check(token_ids: list[list[int]], advantages: list[float]) -> tuple[float, list[Any]]:
        loss = backward(token_ids, advantages)
        found = [parameter.grad.clone() for parameter in model.parameters()]
        model.zero_grad()
        return loss, found

    gate = Gate(setup, task, check)
    limits = {"max_new_tokens": setup.max_tokens, "min_new_tokens": None if setup.has_ends else setup.max_tokens}
    while True:
        gate.wait()
        laps = [time.perf_counter()]
        prompt_BP = torch.tensor(prompt_ids, device=setup.device).repeat(setup.num_rollouts, 1)
        with torch.no_grad(), autocast(setup):
            rows = model.generate(
                prompt_BP,
                attention_mask=torch.ones_like(prompt_BP),
                do_sample=True,
                top_k=0,
                pad_token_id=tokenizer.pad_token_id or 0,
                eos_token_id=eos_ids or tokenizer.eos_token_id,
                **limits,
            )[:, num_prompt:].tolist()
        ends = [next((place for place, token in enumerate(row) if token in eos_ids), len(row) - 1) for row in rows]
        token_ids = [row[: end + 1] for row, end in zip(rows, ends, strict=True)]
        laps.append(time.perf_counter())
        texts = tokenizer.batch_decode(token_ids, skip_special_tokens=True)
        rewards = [task.reward(text, ids) for text, ids in zip(texts, token_ids, strict=True)]
        reward_PG = torch.tensor(rewards).view(setup.num_groups, setup.group_size)
        centred_PG = reward_PG - reward_PG.mean(1, keepdim=True)
        advantages = (centred_PG / (reward_PG.std(1, keepdim=True) + 1e-6)).flatten().tolist()
        laps.append(time.perf_counter())
        backward(token_ids, advantages)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        laps.append(time.perf_counter())
        phases = dict(zip(("rollout", "judge", "update"), map(float.__sub__, laps[1:], laps), strict=False))
        gate.done(
            phases=phases,
            num_tokens=sum(map(len, token_ids)),
            reward=sum(rewards) / len(rewards),
            forwards=padded_forwards(setup.num_rollouts, num_prompt, max(map(len, rows))),
        )


CONTENDERS = {"ours": serve_ours, "trl": serve_trl, "plain": serve_plain}


def main() -> None:
    """Load, and serve until told to quit."""
    setup = Setup(**json.loads(sys.argv[1]))
    CONTENDERS[setup.contender](setup, load_task(setup))


if __name__ == "__main__":
    main()
