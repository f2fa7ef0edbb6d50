"""What runs in verl's own environment: a request of ours in, what verl itself makes of it out, both JSON.

    python inside.py REQUEST.json ANSWER.json

The request has overrides, the texts to score, and the number of threads. The answer has one entry for each check, or
the check that failed with its reason:

    compose     Hydra composes verl's ppo_trainer with our overrides
    validate    verl.utils.config.validate_config, as main_ppo calls it
    dataset     its RLHFDataset reads our parquet: rows, and the tokens of the first prompt as its agent loop makes them
    reward      its reward manager loads our file and scores the texts, in threads

Nothing of ours is imported but what verl loads by path.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def main(request_path: str, answer_path: str) -> None:
    """Answer the request, check by check, up to the first that fails."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    answer: dict[str, Any] = {}
    state: dict[str, Any] = {}
    # verl prints; what it says belongs to the log.
    with contextlib.redirect_stdout(sys.stderr):
        for name, check in CHECKS.items():
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                answer[name] = check(request, state)
            except Exception as error:
                answer["failed"] = {"check": name, "reason": f"{type(error).__name__}: {error}"}
                break
    Path(answer_path).write_text(json.dumps(answer), encoding="utf-8")


def compose(request: Mapping[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run, and those of ours that verl's own file does not have."""
    hydra = importlib.import_module("hydra")
    omegaconf = importlib.import_module("omegaconf")
    folder = Path(str(importlib.import_module("verl").__file__)).parent / "trainer" / "config"
    with hydra.initialize_config_dir(str(folder), version_base=None):
        config = hydra.compose("ppo_trainer", overrides=list(request["overrides"]))
    state["config"] = config
    whole = omegaconf.OmegaConf
    found = {key: whole.select(config, key) for key in request.get("show", ())}
    return {key: whole.to_container(value) if whole.is_config(value) else value for key, value in found.items()}


def validate(request: Mapping[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """verl's own validation, with the roles that it derives."""
    of = importlib.import_module("verl.trainer.ppo.utils")
    config = state["config"]
    roles = {"reference": bool(of.need_reference_policy(config)), "critic": bool(of.need_critic(config))}
    importlib.import_module("verl.utils.config").validate_config(
        config=config, use_reference_policy=roles["reference"], use_critic=roles["critic"]
    )
    return roles


def dataset(request: Mapping[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """Rows that verl reads, steps of an epoch, and the tokens that its first prompt becomes."""
    config = state["config"]
    tokenizer = importlib.import_module("verl.utils").hf_tokenizer(config.actor_rollout_ref.model.path)
    if config.actor_rollout_ref.model.custom_chat_template is not None:
        tokenizer.chat_template = config.actor_rollout_ref.model.custom_chat_template
    kind = importlib.import_module("verl.utils.dataset.rl_dataset").RLHFDataset
    importlib.import_module("omegaconf").OmegaConf.update(config, "data.cache_dir", request["cache"], force_add=True)
    rows = kind(config.data.train_files, tokenizer, config.data)
    state |= {"tokenizer": tokenizer, "rows": rows}
    builder = importlib.import_module("verl.utils.tokenizer.continuous_token").ContinuousTokenBuilder
    tokens = [_tokens(builder, tokenizer, rows[place]["raw_prompt"]) for place in range(min(len(rows), 4))]
    indices = [rows[place]["index"] for place in range(len(rows))]
    return {
        "num_rows": len(rows),
        "num_indices": len(set(indices)),
        "steps_per_epoch": len(rows) // config.data.train_batch_size,
        "tokens": tokens,
    }


def _tokens(builder: Any, tokenizer: Any, messages: Any) -> list[int]:
    return [int(token) for token in builder(tokenizer).build_initial_tokens(list(messages))]


def reward(request: Mapping[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """What verl's reward manager returns for every text, all of them at once."""
    torch = importlib.import_module("torch")
    load = importlib.import_module("verl.trainer.ppo.reward").load_reward_manager
    proto = importlib.import_module("verl").DataProto
    tokenizer, rows, config = state["tokenizer"], state["rows"], state["config"]

    def item(text: str) -> Any:
        ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"] or [0]])
        row = rows[0]
        return proto.from_single_dict(
            {
                "responses": ids,
                "attention_mask": torch.ones_like(ids),
                **{key: _boxed(row[key]) for key in ("data_source", "reward_model", "extra_info")},
            }
        )

    async def score_all() -> list[dict[str, Any]]:
        manager = load(config, tokenizer)
        return list(await asyncio.gather(*(manager.run_single(item(text)) for text in request["texts"])))

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    found = loop.run_until_complete(score_all())
    loop.close()
    return {
        "scores": [float(one["reward_score"]) for one in found],
        "keys": sorted({tuple(sorted(one["reward_extra_info"])) for one in found}),
        "undecided": sum(float(one["reward_extra_info"]["undecided"]) for one in found),
    }


def _boxed(value: Any) -> Any:
    numpy = importlib.import_module("numpy")
    box = numpy.empty(1, dtype=object)
    box[0] = dict(value) if isinstance(value, Mapping) else value
    return box


CHECKS = {"compose": compose, "validate": validate, "dataset": dataset, "reward": reward}

if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main(sys.argv[1], sys.argv[2])
