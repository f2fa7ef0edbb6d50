"""What verl's own code writes while it trains, made with verl's own functions on a machine without a GPU.

    VERL_PYTHON capture.py FOLDER MODEL

Runs in verl's environment. No GPU is there to sample or to take a step, so responses are those of TEXTS and
probabilities are drawn; all that is written is written by verl: FOLDER/metrics.jsonl by its Tracking and FileLogger,
from its compute_data_metrics and the like; FOLDER/rollouts/N.jsonl by the trainer's _write_generations;
FOLDER/checkpoints/ by its FSDP checkpoint manager around MODEL, with two real optimizer steps. FOLDER/truth.safetensors
are the weights that are in the last checkpoint.
"""

import os
import sys
from pathlib import Path

GROUPS, SIZE, STEPS, LIMIT = 2, 4, 6, 12
# Our own words. The sample's answer is 4.
TEXTS = ["It is \\boxed{4}.", "It is \\boxed{5}.", "No idea", "So \\boxed{4}"]


def main(folder, model_path):
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["VERL_FILE_LOGGER_PATH"] = str(folder / "metrics.jsonl")
    import numpy as np
    import torch
    from verl import DataProto
    from verl.trainer.ppo import core_algos, metric_utils
    from verl.trainer.ppo.v1.trainer_base import PPOTrainer
    from verl.utils.metric import reduce_metrics
    from verl.utils.py_functional import rename_dict
    from verl.utils.tracking import Tracking
    from verl.workers.config import ActorConfig

    tracking = Tracking("polymath", "captured", ["console", "file"])
    config = ActorConfig(strategy="fsdp", ppo_micro_batch_size_per_gpu=1, rollout_n=SIZE)
    for step in range(1, STEPS + 1):
        torch.manual_seed(step)
        count = GROUPS * SIZE
        texts = [TEXTS[(place * step + place // SIZE) % len(TEXTS)] for place in range(count)]
        lengths = torch.tensor([min(LIMIT, len(text) - 4) for text in texts])
        mask = (torch.arange(LIMIT)[None] < lengths[:, None]).float()
        scores = torch.tensor([float("{4}" in text) for text in texts])
        rewards = torch.zeros(count, LIMIT)
        rewards[torch.arange(count), lengths - 1] = scores
        uid = np.array([f"g{place // SIZE}" for place in range(count)], dtype=object)
        advantages, returns = core_algos.compute_grpo_outcome_advantage(rewards, mask, uid)
        old = -torch.rand(count, LIMIT) * mask
        loss, measured = core_algos.get_policy_loss_fn("vanilla")(
            old_log_prob=old,
            log_prob=old + 0.1 * torch.randn(count, LIMIT) * mask,
            advantages=advantages,
            response_mask=mask,
            config=config,
        )
        actor = {**measured, "pg_loss": loss.item(), "grad_norm": 0.1 * step, "lr": 1e-6}
        metrics = reduce_metrics({key: [value] for key, value in rename_dict(actor, "actor/").items()})
        metrics["actor/entropy"] = core_algos.agg_loss(-old, mask, "token-mean").item()
        batch = DataProto.from_single_dict(
            {
                "prompts": torch.ones(count, 5, dtype=torch.long),
                "responses": torch.ones(count, LIMIT, dtype=torch.long),
                "response_mask": mask,
                "attention_mask": torch.cat([torch.ones(count, 5), mask], dim=1),
                "advantages": advantages,
                "returns": returns,
                "token_level_scores": rewards,
                "token_level_rewards": rewards,
            },
            meta_info={"global_token_num": (lengths + 5).tolist()},
        )
        timing = {"step": 2.0 + step / 10, "gen": 1.0, "old_log_prob": 0.25, "update_actor": 0.5, "adv": 0.01}
        metrics |= {"training/global_step": step, "training/epoch": step - 1}
        metrics |= metric_utils.compute_data_metrics(batch, use_critic=False)
        metrics |= metric_utils.compute_timing_metrics(batch, timing)
        metrics |= metric_utils.compute_throughout_metrics(batch, timing, 1)
        PPOTrainer._write_generations(
            ["user\nProblem: 2+2?\nAnswer:\nassistant\n"] * count,
            texts,
            ["4"] * count,
            scores.tolist(),
            {"uid": [f"g{place // SIZE}_{place % SIZE}_0" for place in range(count)]},
            str(folder / "rollouts"),
            step,
        )
        tracking.log(data=metrics, step=step)
    tracking.finish()
    save_checkpoints(folder, model_path)


def save_checkpoints(folder, model_path):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0", RANK="0", WORLD_SIZE="1", LOCAL_RANK="0")
    import torch
    from omegaconf import OmegaConf
    from safetensors.torch import save_file
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from verl.utils.checkpoint.fsdp_checkpoint_manager import FSDPCheckpointManager

    distributed.init_process_group("gloo")
    model = AutoModelForCausalLM.from_pretrained(model_path)
    fully_shard(model, mesh=init_device_mesh("cpu", (1,), mesh_dim_names=("fsdp",)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    contents = ["model", "optimizer", "extra"]
    manager = FSDPCheckpointManager(
        model=model,
        optimizer=optimizer,
        lr_scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0),
        processing_class=AutoTokenizer.from_pretrained(model_path),
        checkpoint_config=OmegaConf.create({"save_contents": contents, "load_contents": contents}),
    )
    ids = torch.tensor([[5, 6, 7, 8]])
    for step in (1, 2):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        place = folder / "checkpoints" / f"global_step_{step}"
        manager.save_checkpoint(local_path=str(place / "actor"), global_step=step, max_ckpt_to_keep=3)
        # The line of the trainer's _save_checkpoint, which needs the whole trainer around it.
        (folder / "checkpoints" / "latest_checkpointed_iteration.txt").write_text(str(step))
    whole = {name: tensor.full_tensor().contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(whole, folder / "truth.safetensors")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
